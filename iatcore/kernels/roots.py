"""Level crossings of one function on one piece: closed forms up to degree 2, bisection decided by bounds beyond.

A function on a piece is a polynomial in Bernstein form in the local coordinate t in [0, 1] plus a trigonometric
polynomial in ``s = left + width t``. Positions are pairs (t, 1 - t), kept as one signed number: t up to 1/2, then
``t - 1``, so that both ends of a piece have full relative accuracy.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numba.extending import overload

from . import double_double as dd
from .blocks import INLINE, OPTIONS
from .team import share

DERIVATIVE_BOUND = math.sqrt(3.0) / 216.0
NARROW = 1e-10
EPS = 2.0**-52
STALLED = 1e-13
INTERPOLANT_PART = 0.02
TINY = 1e-290
"""Products smaller than this may have lost digits or vanished; nothing is said of their signs."""


@njit(**OPTIONS)
def encode(t, rest):
    """One signed number for (t, 1 - t)."""
    if t <= 0.5:
        return t
    return -rest if rest > 0.0 else 1.0


@njit(**OPTIONS)
def decode(offset):
    """(t, 1 - t) from the signed number."""
    return (offset, 1.0 - offset) if offset >= 0.0 else (1.0 + offset, -offset)


@njit(**INLINE)
def bernstein_slope(coefficients, degree, t, rest):
    """Value and derivative with respect to t of a polynomial in Bernstein form (de Casteljau on a copy)."""
    row = coefficients[: degree + 1].copy()
    for step in range(degree - 1):
        for i in range(degree - step):
            row[i] = row[i] * rest + row[i + 1] * t
    if degree == 0:
        return row[0], 0.0
    return row[0] * rest + row[1] * t, degree * (row[1] - row[0])


@njit(**INLINE)
def state_slope(coefficients, degree, waves, n, lane, left, width, t):
    """f and df/dt at the local coordinate t; ``degree = -1`` means no polynomial, ``n = -1`` no waves."""
    value, slope = 0.0, 0.0
    if degree >= 0:
        value, slope = bernstein_slope(coefficients, degree, t, 1.0 - t)
    if n >= 0:
        s = left + width * t
        cosine, sine = math.cos(math.pi * s), math.sin(math.pi * s)
        re, im, dre, dim = 0.0, 0.0, 0.0, 0.0
        for k in range(n, -1, -1):
            a, b = waves[k, lane], waves[n + 1 + k, lane]
            re, im = re * cosine - im * sine + b, re * sine + im * cosine - a
            dre, dim = dre * cosine - dim * sine + a * k, dre * sine + dim * cosine + b * k
        value += re
        slope += dre * math.pi * width
    return value, slope


@njit(**OPTIONS)
def fine_state_slope(coefficients, degree, waves, n, left, width, level, t):
    """``f - level`` and df/dt in double-double arithmetic, rounded at the end; tables hold pairs."""
    value, slope = (0.0, 0.0), 0.0
    if degree >= 0:
        value, rate = dd.polynomial(coefficients, degree, t)
        slope = rate[0]
    if n >= 0:
        s = dd.add((left[0], left[1]), dd.multiply((width[0], width[1]), (t, 0.0)))
        wave, rate = dd.trigonometric(waves, n, s)
        value = dd.add(value, wave)
        slope += rate[0] * math.pi * width[0]
    return dd.add(value, (-level, 0.0))[0], slope


def value_slope(state, level, t):
    """``f - level`` and df/dt at the local coordinate t.

    ``state`` is ``(coefficients, degree, waves, n, lane, left, width)`` in doubles, or, in pairs of doubles,
    ``(coefficients, degree, waves, n, left, width)``.
    """
    raise NotImplementedError("for compiled code only")


@overload(value_slope)
def _value_slope(state, level, t):
    def plain(state, level, t):
        coefficients, degree, waves, n, lane, left, width = state
        value, slope = state_slope(coefficients, degree, waves, n, lane, left, width, t)
        return value - level, slope

    def fine(state, level, t):
        coefficients, degree, waves, n, left, width = state
        return fine_state_slope(coefficients, degree, waves, n, left, width, level, t)

    return plain if len(state) == 7 else fine


@njit(**INLINE)
def polish(state, level, low, high, start, rising):
    """The crossing in ``[low, high]`` by Newton steps from ``start``, kept inside the shrinking bracket."""
    x, before, first, last = start, 2.0, low, high
    for _ in range(200):
        f, slope = value_slope(state, level, x)
        if (f > 0.0) == rising:
            high = x
        else:
            low = x
        following = x - f / slope if slope != 0.0 else 2.0
        moved = abs(following - x)
        # rounding ends the decrease of steps, and may push one out of the bracket as it has shrunk
        if moved == 0.0 or (moved < STALLED and moved > 0.25 * before):
            return min(max(following, first), last)
        if not (low <= following <= high):
            following = 0.5 * (low + high)
        x, before = following, moved
    return x


@njit(**INLINE)
def verdict(b0, b1, b2, b3, value_bound, slope_bound):
    """What bounds say of a cubic Bernstein form that is within ``value_bound`` of f.

    Returns:
        0 no crossing, 1 monotone and both end values certain, -1 undecided.
    """
    if min(b0, b1, b2, b3) > value_bound or max(b0, b1, b2, b3) < -value_bound:
        return 0
    low, high = min(b1 - b0, b2 - b1, b3 - b2), max(b1 - b0, b2 - b1, b3 - b2)
    if (low > slope_bound or high < -slope_bound) and abs(b0) > value_bound and abs(b3) > value_bound:
        return 1
    return -1


@njit(**INLINE)
def decide_by_interpolant(b0, b1, b2, b3, value_bound, slope_bound, noise, brackets, stack):
    """Bisect the interpolant itself, which costs no values of f.

    Args:
        noise: bound of the rounding error of a coefficient of a part.
        brackets: (k, 3), receives brackets of exactly one crossing as parts of [0, 1], and 1 where f rises.
        stack: (depth, 6) scratch.

    Returns:
        number of brackets, or -1 if some part stays undecided.
    """
    found, top = 0, 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4], stack[0, 5] = 0.0, 1.0, b0, b1, b2, b3
    while top > 0:
        top -= 1
        left, length = stack[top, 0], stack[top, 1]
        c0, c1, c2, c3 = stack[top, 2], stack[top, 3], stack[top, 4], stack[top, 5]
        decided = verdict(c0, c1, c2, c3, value_bound + noise, slope_bound * length + 2.0 * noise)
        if decided == 0:
            continue
        if decided == 1:
            if (c0 > 0.0) != (c3 > 0.0):
                if found == brackets.shape[0]:
                    return -1
                brackets[found, 0], brackets[found, 1] = left, left + length
                brackets[found, 2] = 1.0 if c3 > 0.0 else 0.0
                found += 1
            continue
        if length < INTERPOLANT_PART or top + 2 > stack.shape[0]:
            return -1
        d01, d12, d23 = 0.5 * (c0 + c1), 0.5 * (c1 + c2), 0.5 * (c2 + c3)
        e0, e1 = 0.5 * (d01 + d12), 0.5 * (d12 + d23)
        middle, half = 0.5 * (e0 + e1), 0.5 * length
        stack[top, 0], stack[top, 1] = left + half, half
        stack[top, 2], stack[top, 3], stack[top, 4], stack[top, 5] = middle, e1, d23, c3
        stack[top + 1, 0], stack[top + 1, 1] = left, half
        stack[top + 1, 2], stack[top + 1, 3], stack[top + 1, 4], stack[top + 1, 5] = c0, d01, e0, middle
        top += 2
    return found


@njit(**INLINE)
def cubic_root(b0, b1, b2, b3, low, high, rising):
    """About where a cubic in Bernstein form changes sign in ``[low, high]``: a few safeguarded Newton steps."""
    x = 0.5 * (low + high)
    for _ in range(4):
        y = 1.0 - x
        f = ((b0 * y + 3.0 * b1 * x) * y + 3.0 * b2 * x * x) * y + b3 * x * x * x
        slope = 3.0 * ((b1 - b0) * y * y + 2.0 * (b2 - b1) * x * y + (b3 - b2) * x * x)
        if (f > 0.0) == rising:
            high = x
        else:
            low = x
        x = x - f / slope if slope != 0.0 else 2.0
        if not (low <= x <= high):
            x = 0.5 * (low + high)
    return x


@njit(**OPTIONS)
def subdivide(state, level, start, share, narrow, ends, bounds, roots, rising, stack):
    """Crossings in the part ``[start, start + share]`` of a piece (local coordinate), by bisection.

    First the interpolant is bisected; only where that leaves a part undecided f is evaluated at the middle of the
    part, which makes the bounds 16 times smaller.

    Args:
        state: as :func:`value_slope` takes it.
        narrow: parts narrower than this, relative to the whole, are decided by the signs at their ends.
        ends: ``f - level`` and ``share f'/3`` at the left end of the part, then at the right end.
        bounds: for the part: on abs(f - H), on a third of abs(f' - H') times its length, on rounding.
        roots, rising: receive the crossings (local coordinate) and their directions.
        stack: (depth, 6) scratch.

    Returns:
        number of crossings, and number of parts decided by the signs at their ends alone.
    """
    count, unresolved, top = 0, 0, 1
    inner = stack[stack.shape[0] // 2 :]
    depth = stack.shape[0] // 2
    brackets = np.empty((4, 3))
    stack[0, 0], stack[0, 1] = start, share
    stack[0, 2], stack[0, 3], stack[0, 4], stack[0, 5] = ends
    rounding = bounds[2]
    while top > 0:
        top -= 1
        a, w = stack[top, 0], stack[top, 1]
        b0, g0, b3, g3 = stack[top, 2], stack[top, 3], stack[top, 4], stack[top, 5]
        ratio = (w / share) ** 4
        value_bound = (bounds[0] - rounding) * ratio + rounding
        slope_bound = (bounds[1] - 3.0 * rounding) * ratio + 3.0 * rounding
        b1, b2 = b0 + g0, b3 - g3
        low, high = min(b0, b1, b2, b3), max(b0, b1, b2, b3)
        # the interpolant itself is computed in doubles, whatever f was computed in
        noise = 8.0 * EPS * max(abs(low), abs(high))
        if low > value_bound + noise or high < -value_bound - noise:
            continue
        middle_step, margin = b2 - b1, slope_bound + noise
        monotone = min(g0, middle_step, g3) > margin or max(g0, middle_step, g3) < -margin
        if not monotone:
            found = decide_by_interpolant(b0, b1, b2, b3, value_bound, slope_bound, noise, brackets, inner)
            for i in range(found):
                if count < roots.shape[0]:
                    up = brackets[i, 2] > 0.0
                    roots[count] = polish(
                        state, level, a + w * brackets[i, 0], a + w * brackets[i, 1],
                        a + w * cubic_root(b0, b1, b2, b3, brackets[i, 0], brackets[i, 1], up), up,
                    )  # fmt: skip
                    rising[count] = up
                    count += 1
            if found >= 0:
                continue
        flat = max(abs(low), abs(high)) <= 4.0 * rounding
        if not monotone and w > narrow * share and not flat and top + 2 < depth:
            middle = a + 0.5 * w
            f, slope = value_slope(state, level, middle)
            g = slope * (0.5 * w / 3.0)
            stack[top, 0], stack[top, 1] = middle, 0.5 * w
            stack[top, 2], stack[top, 3], stack[top, 4], stack[top, 5] = f, g, b3, 0.5 * g3
            stack[top + 1, 0], stack[top + 1, 1] = a, 0.5 * w
            stack[top + 1, 2], stack[top + 1, 3], stack[top + 1, 4], stack[top + 1, 5] = b0, 0.5 * g0, f, g
            top += 2
            continue
        if not monotone:
            unresolved += 1
        if (b0 > 0.0) != (b3 > 0.0) and count < roots.shape[0]:
            up = b3 > 0.0
            start_at = a + w * cubic_root(b0, b1, b2, b3, 0.0, 1.0, up)
            roots[count] = polish(state, level, a, a + w, start_at, up)
            rising[count] = up
            count += 1
    return count, unresolved


@njit(**OPTIONS)
def quadratic_crossings(a0, a1, a2, offsets, rising):
    """Sign changes in [0, 1] of a quadratic in Bernstein form; returns their number (at most 2).

    Roots in the coordinate ``x = t/(1 - t)`` solve ``a2 x^2 + 2 a1 x + a0 = 0``; both t and 1 - t keep full relative
    accuracy.
    """
    above0, above2 = a0 > 0.0, a2 > 0.0
    disc = a1 * a1 - a0 * a2
    if above0 == above2 and (disc <= 0.0 or (a1 > 0.0) == above0):
        return 0
    radius = math.sqrt(max(disc, 0.0))
    w = -a1 - radius if a1 >= 0.0 else radius - a1
    if above0 != above2:
        if a2 == 0.0 and a1 >= 0.0:
            # positive up to a root at the very end
            return 0
        use_high = (w > 0.0 and a2 > 0.0) or (w < 0.0 and a2 < 0.0)
        top, bottom = (w, a2) if use_high else (a0, w)
        total = top + bottom
        offsets[0] = encode(top / total, bottom / total) if total != 0.0 else 0.0
        rising[0] = above2
        return 1
    if a0 + w == 0.0 or w + a2 == 0.0:
        return 0
    offsets[0], rising[0] = encode(a0 / (a0 + w), w / (a0 + w)), not above0
    offsets[1], rising[1] = encode(w / (w + a2), a2 / (w + a2)), above0
    return 2


@njit(**OPTIONS)
def is_open(a0, a1, a2, degree, error):
    """Whether rounding may decide the crossings of a polynomial of degree <= 2, given in Bernstein form.

    That is if a value at an end is within ``error`` of 0 without being 0, or if there is a root inside that is double
    to rounding.
    """
    if 0.0 < abs(a0) <= error or 0.0 < abs(a2) <= error:
        return True
    inside = (a0 > 0.0 and a1 < 0.0 and a2 > 0.0) or (a0 < 0.0 and a1 > 0.0 and a2 < 0.0)
    margin = 2.0 * error * (abs(a0) + 2.0 * abs(a1) + abs(a2)) + 8.0 * EPS * (a1 * a1 + abs(a0 * a2))
    return degree == 2 and inside and abs(a1 * a1 - a0 * a2) <= margin


@njit(**OPTIONS)
def piece_crossings(
    coefficients, degree, waves, n, left, width, parts, level, error, offsets, rising, stack, roots, ups
):
    """All crossings of one level on one piece, in order; returns their number and that of unresolved parts.

    Args:
        waves: (2 (n + 1), 1) trigonometric part; n = -1 for none.
        parts: number of equal parts to start from where there is no closed form.
        error: bound of the rounding error of a coefficient.
        offsets, rising: receive signed positions and directions.
    """
    if n < 0 and degree <= 2:
        if degree <= 0:
            return 0, 0
        a0, a1, a2 = coefficients[0] - level, coefficients[1] - level, coefficients[degree] - level
        undecided = 1 if is_open(a0, a1, a2, degree, error) else 0
        if degree == 2:
            return quadratic_crossings(a0, a1, a2, offsets, rising), undecided
        if (a0 > 0.0) == (a2 > 0.0):
            return 0, undecided
        offsets[0], rising[0] = encode(a0 / (a0 - a2), a2 / (a2 - a0)), a2 > 0.0
        return 1, undecided
    size, fourth = abs(level), 0.0
    for i in range(degree + 1):
        size = max(size, abs(coefficients[i]))
    if degree >= 4:
        for i in range(degree - 3):
            c = coefficients[i : i + 5]
            fourth = max(fourth, abs(c[0] - 4.0 * c[1] + 6.0 * c[2] - 4.0 * c[3] + c[4]))
        fourth *= degree * (degree - 1.0) * (degree - 2.0) * (degree - 3.0)
    for k in range(n + 1):
        radius = math.hypot(waves[k, 0], waves[n + 1 + k, 0])
        fourth += radius * (k * math.pi * width) ** 4
        size += abs(waves[k, 0]) + abs(waves[n + 1 + k, 0])
    rounding = size * EPS * (max(degree, 0) + max(n, 0) + 8.0)
    state = (coefficients, degree, waves, n, 0, left, width)
    return part_crossings(state, level, parts, NARROW, fourth, rounding, offsets, rising, stack, roots, ups)


@njit(**OPTIONS)
def part_crossings(state, level, parts, narrow, fourth, rounding, offsets, rising, stack, roots, ups):
    """All crossings of one level on a piece that is bisected from ``parts`` equal parts on.

    Args:
        fourth: bound of the fourth derivative with respect to the local coordinate.
        rounding: bound of the rounding error of a value.
    """
    share = 1.0 / parts
    fourth = fourth * share**4
    bounds = (fourth / 384.0 + rounding, fourth * DERIVATIVE_BOUND / 3.0 + 3.0 * rounding, rounding)
    count, unresolved = 0, 0
    f, slope = value_slope(state, level, 0.0)
    for i in range(parts):
        start = i * share
        following, next_slope = value_slope(state, level, start + share)
        ends = (f, slope * share / 3.0, following, next_slope * share / 3.0)
        found, open_parts = subdivide(state, level, start, share, narrow, ends, bounds, roots, ups, stack)
        unresolved += open_parts
        for m in range(found):
            if count < offsets.shape[0]:
                offsets[count], rising[count] = encode(roots[m], 1.0 - roots[m]), ups[m]
                count += 1
        f, slope = following, next_slope
    return count, unresolved


@njit(**OPTIONS)
def pattern_rows(z, tables, waves_of, gate, parts, capacity, per_row, crossings, start, stop):
    """Crossings of rows ``start .. stop - 1`` on every piece.

    Args:
        z: (B, d) coefficients, rows finite and of ordinary magnitude.
        tables: ``(left, width, ptr, index, coefficients, degree)`` of the piecewise part.
        waves_of: ``(n, row, factor, function)``: harmonic i is ``factor[i]`` times wave ``row[i]`` in
            function ``function[i]``.
        gate: ``(levels, closed)``; ``levels`` has shape (B, m).
        parts: (pieces,) parts to start from.
        capacity: crossings of one level on one piece.
        per_row: ``(initial, counts, unresolved)``, written: slope index at the left end of each piece, shape
            (B, pieces); crossings; parts decided by end signs.
        crossings: ``(piece, offset, level, rising)`` of shape (B, room), written. A row with more than ``room``
            crossings is counted right, and what does not fit is left out.
    """
    lefts, widths, ptr, index, table, degree = tables
    n, wave_row, factor, function = waves_of
    levels, closed = gate
    initial, counts, unresolved = per_row
    all_pieces, all_offsets, all_levels, all_rising = crossings
    pieces, room = lefts.shape[0], all_pieces.shape[1]
    coefficients = np.zeros(max(degree + 1, 1))
    waves = np.zeros((2 * max(n, 0) + 2, 1))
    offsets, ups = np.empty(capacity), np.empty(capacity, np.bool_)
    roots, root_ups = np.empty(capacity), np.empty(capacity, np.bool_)
    stack = np.empty((128, 6))
    for r in range(start, stop):
        row, used = z[r], 0
        piece, offset, number, rising = all_pieces[r], all_offsets[r], all_levels[r], all_rising[r]
        unresolved[r] = 0
        waves[:] = 0.0
        for i in range(wave_row.shape[0]):
            waves[wave_row[i], 0] += factor[i] * row[function[i]]
        n_row = n
        while n_row > 0 and waves[n_row, 0] == 0.0 and waves[n + 1 + n_row, 0] == 0.0:
            n_row -= 1
        active = waves
        if n_row < n and n >= 0:
            active = np.zeros((2 * n_row + 2, 1))
            active[: n_row + 1] = waves[: n_row + 1]
            active[n_row + 1 :] = waves[n + 1 : n + 2 + n_row]
        for k in range(pieces):
            coefficients[:] = 0.0
            error, tiny = 0.0, False
            for m in range(ptr[k], ptr[k + 1]):
                for i in range(degree + 1):
                    term = table[m, i] * row[index[m]]
                    tiny = tiny or (abs(term) < TINY and table[m, i] != 0.0 and row[index[m]] != 0.0)
                    # the first term and exact zeros bring no error but their own
                    error = max(error, abs(term)) if coefficients[i] != 0.0 and term != 0.0 else error
                    coefficients[i] += term
            error *= EPS * (2.0 + ptr[k + 1] - ptr[k])
            unresolved[r] += tiny
            constant = True
            for i in range(1, degree + 1):
                constant = constant and coefficients[i] == coefficients[0]
            constant = constant and n_row <= 0
            n_here, deg_here = n_row, degree
            if n_row == 0:
                # only a constant is left of the trigonometric part
                for i in range(max(degree + 1, 1)):
                    coefficients[i] += waves[n + 1, 0]
                n_here, deg_here = -1, max(degree, 0)
            f0, _ = state_slope(coefficients, deg_here, active, n_here, 0, lefts[k], widths[k], 0.0)
            first = used
            below = 0
            for j in range(levels.shape[1]):
                level = levels[r, j]
                if f0 > level or (constant and closed and f0 == level):
                    below = j + 1
                if constant:
                    continue
                found, open_parts = piece_crossings(
                    coefficients, deg_here, active, n_here, lefts[k], widths[k], parts[k], level,
                    error + EPS * abs(level), offsets, ups, stack, roots, root_ups,
                )  # fmt: skip
                unresolved[r] += open_parts
                for m in range(found):
                    if used < room:
                        piece[used], offset[used], number[used], rising[used] = k, offsets[m], j, ups[m]
                    used += 1
            initial[r, k] = below
            sort_crossings(offset, number, rising, first, min(used, room))
        counts[r] = used


@njit(**OPTIONS)
def pattern_batch(team, z, *args):
    """:func:`pattern_rows` on a whole batch."""
    share(team, pattern_rows, (z, *args), z.shape[0])


@njit(**OPTIONS)
def place(offset):
    """A key that orders signed positions: those past the middle follow those before it."""
    return offset if offset >= 0.0 else 1.0 + offset


@njit(**OPTIONS)
def follows(o, j, up, other, k, other_up):
    """Whether a crossing (signed position, level, direction) comes after another one.

    Where several levels are crossed at one place they follow each other in the direction of f.
    """
    if place(o) != place(other):
        return place(o) > place(other)
    if o != other and o < 0.0 and other < 0.0:
        return o > other
    return (j if up else -j) > (k if other_up else -k)


@njit(**OPTIONS)
def sort_crossings(offset, number, rising, first, last):
    """Insertion sort of entries ``first .. last - 1`` by position; stable."""
    for i in range(first + 1, last):
        o, j, up = offset[i], number[i], rising[i]
        m = i
        while m > first and follows(offset[m - 1], number[m - 1], rising[m - 1], o, j, up):
            offset[m], number[m], rising[m] = offset[m - 1], number[m - 1], rising[m - 1]
            m -= 1
        offset[m], number[m], rising[m] = o, j, up
