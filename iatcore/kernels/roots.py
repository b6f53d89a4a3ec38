"""Level crossings of piecewise functions, row by row: closed forms up to degree 2, bisection beyond."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .subdivision import EPS, NARROW, encode, part_crossings, state_slope
from .team import share

TINY = 1e-290
"""Products smaller than this may have lost digits or vanished; nothing is said of their signs."""


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
