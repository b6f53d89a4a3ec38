"""Sets of stored patterns: two patterns on the same pieces walked through side by side, in local coordinates.

A pattern is ``(initial, offsets, piece, offset, level, rising)`` as in :func:`iatcore.kernels.quadrature.moment_rows`.
Positions are compared and subtracted as signed numbers (piece, t or t - 1), never as absolute ones, so that narrow
intervals at both ends of a piece keep their relative width. A zero-length interval never counts: all crossings at one
position act together.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .subdivision import encode

END = 1.0
"""The right end of a piece as a signed position."""


@njit(**OPTIONS)
def precedes(a, b):
    """Whether signed position a lies strictly to the left of b; 1/2 and -1/2 are one position."""
    if (a >= 0.0) == (b >= 0.0):
        return a < b
    return a < 0.5 or (a == 0.5 and b > -0.5) if a >= 0.0 else b > 0.5


@njit(**OPTIONS)
def length(a, b):
    """``b - a`` of two signed positions on one piece, a not to the right of b; only lengths are rounded."""
    if (a >= 0.0) == (b >= 0.0):
        return b - a
    return (0.5 - a) + (0.5 + b) if b < 0.0 else -a


@njit(**OPTIONS)
def upcoming(pattern, at, end, k):
    """Signed position of crossing ``at`` if it lies on piece k, else the end of the piece."""
    return pattern[3][at] if at < end and pattern[2][at] == k else END


@njit(**OPTIONS)
def advance(pattern, at, end, k, here, state):
    """Pass all crossings of piece k up to position ``here`` inclusive; returns the next one and the state."""
    while at < end and pattern[2][at] == k and not precedes(here, pattern[3][at]):
        state = pattern[4][at] + 1 if pattern[5][at] else pattern[4][at]
        at += 1
    return at, state


@njit(**OPTIONS)
def combine(a, b, table, initial, offsets, piece, offset, rising):
    """The pattern with states 0 and 1 whose state is ``table[state of a, state of b]``.

    Args:
        a, b: patterns on the same pieces with B rows.
        table: (slopes of a, slopes of b) of 0 and 1.
        initial, offsets: (B, pieces) and (B + 1,), written.
        piece, offset, rising: room for the crossings of both, written.

    Returns:
        number of crossings.
    """
    used = 0
    for r in range(a[0].shape[0]):
        i, end_i, j, end_j = a[1][r], a[1][r + 1], b[1][r], b[1][r + 1]
        offsets[r] = used
        for k in range(initial.shape[1]):
            here = 0.0
            i, state_a = advance(a, i, end_i, k, here, a[0][r, k])
            j, state_b = advance(b, j, end_j, k, here, b[0][r, k])
            state = table[state_a, state_b]
            initial[r, k] = state
            while True:
                first, second = upcoming(a, i, end_i, k), upcoming(b, j, end_j, k)
                here = first if precedes(first, second) else second
                i, state_a = advance(a, i, end_i, k, here, state_a)
                j, state_b = advance(b, j, end_j, k, here, state_b)
                if here == END:
                    break
                following = table[state_a, state_b]
                if following != state:
                    piece[used], offset[used], rising[used] = k, here, following > state
                    used += 1
                state = following
    offsets[a[0].shape[0]] = used
    return used


@njit(**OPTIONS)
def distance(a, row_a, b, row_b, widths, weights, limit):
    """``integral of weights[state of a, state of b]`` over [-1, 1] for two rows; stops once it exceeds ``limit``."""
    i, end_i, j, end_j = a[1][row_a], a[1][row_a + 1], b[1][row_b], b[1][row_b + 1]
    total = 0.0
    for k in range(widths.shape[0]):
        here = 0.0
        i, state_a = advance(a, i, end_i, k, here, a[0][row_a, k])
        j, state_b = advance(b, j, end_j, k, here, b[0][row_b, k])
        while here != END:
            first, second = upcoming(a, i, end_i, k), upcoming(b, j, end_j, k)
            following = first if precedes(first, second) else second
            total += weights[state_a, state_b] * widths[k] * length(here, following)
            if total > limit:
                return total
            here = following
            i, state_a = advance(a, i, end_i, k, here, state_a)
            j, state_b = advance(b, j, end_j, k, here, state_b)
    return total


@njit(**OPTIONS)
def distances(a, rows_a, b, rows_b, widths, weights):
    """:func:`distance` of pairs of rows, shape of ``rows_a`` and ``rows_b``: (n,)."""
    result = np.empty(rows_a.shape[0])
    for n in range(rows_a.shape[0]):
        result[n] = distance(a, rows_a[n], b, rows_b[n], widths, weights, np.inf)
    return result


@njit(**OPTIONS)
def count_clusters(pattern, widths, weights, rows, bounds, window, tolerance, buckets):
    """Number of leaders among ``rows``: a row leads unless an earlier leader lies within ``tolerance`` of it.

    Args:
        rows: (n,) row numbers in the order in which they are taken.
        bounds: (n, p) distances of each row to p fixed patterns: by the triangle inequality rows that differ there by
            more than ``window`` are farther apart than ``tolerance``.
        buckets: number of buckets of width ``>= window`` that the range of ``bounds[:, 0]`` is cut into.
    """
    heads = np.full(buckets, -1)
    before = np.full(rows.shape[0], -1)
    low = bounds[:, 0].min()
    scale = buckets / max(bounds[:, 0].max() - low, 1e-300)
    found = 0
    for n in range(rows.shape[0]):
        bucket = min(int((bounds[n, 0] - low) * scale), buckets - 1)
        leads = True
        for near in range(max(bucket - 1, 0), min(bucket + 2, buckets)):
            m = heads[near]
            while m >= 0 and leads:
                i = 0
                while i < bounds.shape[1] and abs(bounds[n, i] - bounds[m, i]) <= window:
                    i += 1
                if i == bounds.shape[1]:
                    leads = distance(pattern, rows[n], pattern, rows[m], widths, weights, tolerance) > tolerance
                m = before[m]
        if leads:
            before[n], heads[bucket] = heads[bucket], n
            found += 1
    return found


@njit(**OPTIONS)
def lies_at(k, position, knots, widths):
    """A signed position on piece k as a number in [-1, 1]."""
    if position == END:
        return knots[k + 1]
    return knots[k] + widths[k] * position if position >= 0.0 else knots[k + 1] + widths[k] * position


@njit(**OPTIONS)
def runs(pattern, slopes, knots, widths, counts, fill, low, high, slope):
    """Maximal intervals of constant slope that fill [-1, 1].

    Args:
        counts: (B, 2), written: their number, and that of those whose slope is not zero.
        fill: whether ends and slopes of all of them are written to ``low, high, slope``, row by row.
    """
    total = 0
    for r in range(counts.shape[0]):
        at, end = pattern[1][r], pattern[1][r + 1]
        counts[r, 0], counts[r, 1], last = 0, 0, 0.0
        for k in range(widths.shape[0]):
            here = 0.0
            at, state = advance(pattern, at, end, k, here, pattern[0][r, k])
            while here != END:
                value = slopes[state]
                if counts[r, 0] == 0 or value != last:
                    if fill:
                        low[total], slope[total] = lies_at(k, here, knots, widths), value
                    counts[r, 0] += 1
                    counts[r, 1] += value != 0.0
                    total += 1
                    last = value
                here = upcoming(pattern, at, end, k)
                if fill:
                    high[total - 1] = lies_at(k, here, knots, widths)
                at, state = advance(pattern, at, end, k, here, state)


@njit(**OPTIONS)
def raster(pattern, slopes, piece, position, order, out):
    """Slopes at ascending points: that on ``piece[i]`` at ``position[i]`` is written to ``out[:, order[i]]``."""
    for r in range(out.shape[0]):
        at, end = pattern[1][r], pattern[1][r + 1]
        i = 0
        for k in range(pattern[0].shape[1]):
            state = pattern[0][r, k]
            while i < piece.shape[0] and piece[i] == k:
                at, state = advance(pattern, at, end, k, position[i], state)
                out[r, order[i]] = slopes[state]
                i += 1
            at, state = advance(pattern, at, end, k, END, state)


@njit(**OPTIONS)
def relocate(position, cut):
    """A signed position on a piece as seen from a part of it: its distances to both ends of the part, over its width.

    Args:
        cut: ``(alpha, beta, 1 - alpha, 1 - beta)`` of the part ``[alpha, beta]`` of [0, 1], each as a number and what
            rounding took from it, and the width ``beta - alpha``.
    """
    if position >= 0.0:
        left, right = (position - cut[0]) - cut[1], (cut[2] - position) + cut[3]
    else:
        left, right = (position + cut[4]) + cut[5], (-position - cut[6]) - cut[7]
    return left / cut[8], right / cut[8]


@njit(**OPTIONS)
def split(pattern, first, cuts, initial, piece, offset):
    """Move a pattern to finer pieces: coarse piece k becomes the pieces ``first[k] .. first[k + 1] - 1``.

    Args:
        cuts: (fine pieces, 9) as in :func:`relocate`.
        initial, piece, offset: (B, fine pieces), and one entry for each crossing, written.
    """
    for r in range(initial.shape[0]):
        at, end = pattern[1][r], pattern[1][r + 1]
        for k in range(first.shape[0] - 1):
            state = pattern[0][r, k]
            for m in range(first[k], first[k + 1]):
                initial[r, m] = state
                previous = 0.0
                while at < end and pattern[2][at] == k:
                    left, right = relocate(pattern[3][at], cuts[m])
                    if right <= 0.0 and m + 1 < first[k + 1]:
                        break
                    here = encode(min(max(left, 0.0), 1.0), min(max(right, 0.0), 1.0))
                    # where the two formulas meet rounding may swap neighbours
                    previous = previous if precedes(here, previous) else here
                    piece[at], offset[at] = m, previous
                    state = pattern[4][at] + 1 if pattern[5][at] else pattern[4][at]
                    at += 1
