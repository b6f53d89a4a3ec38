"""Crossings of chosen rows in double-double arithmetic, decided by the same bounds as in doubles."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from . import double_double as dd
from .blocks import OPTIONS
from .roots import sort_crossings
from .subdivision import fine_state_slope, part_crossings
from .team import share

NARROW = 2.0**-26
"""Parts narrower than this, relative to one of the first parts, stay undecided; all points are then exact doubles."""
FLOOR = 1e-260
"""Below this the low parts of pairs may be subnormal; nothing is said of the signs of such numbers."""


@njit(**OPTIONS)
def accumulate(target, i, number, factor):
    """``target[i] += number factor`` with a pair ``number`` and a double ``factor``."""
    total = dd.add(dd.entry(target, i), dd.multiply(number, (factor, 0.0)))
    target[i, 0], target[i, 1] = total[0], total[1]


@njit(**OPTIONS)
def certify_rows(z, tables, waves_of, gate, parts, capacity, per_row, crossings, start, stop):
    """Crossings of rows ``start .. stop - 1`` on every piece; as :func:`.roots.pattern_rows`, in pairs of doubles.

    Args:
        z: (B, d) coefficients, rows finite and of ordinary magnitude.
        tables: ``(left, width, ptr, index, coefficients, degree)``; left, width and coefficients end in an axis of 2.
        waves_of: ``(n, row, factor, function)``, factors (., 2).
        gate: ``(levels, closed)``; ``levels`` has shape (B, m).
        parts: (pieces,) parts to start from, powers of two.
        capacity: crossings of one level on one piece.
        per_row, crossings: as in :func:`.roots.pattern_rows`.
    """
    lefts, widths, ptr, index, table, degree = tables
    n, wave_row, factor, function = waves_of
    levels, closed = gate
    initial, counts, unresolved = per_row
    all_pieces, all_offsets, all_levels, all_rising = crossings
    room = all_pieces.shape[1]
    coefficients, waves = np.zeros((max(degree + 1, 1), 2)), np.zeros((2 * max(n, 0) + 2, 2))
    offsets, ups = np.empty(capacity), np.empty(capacity, np.bool_)
    roots, root_ups = np.empty(capacity), np.empty(capacity, np.bool_)
    stack = np.empty((256, 6))
    for r in range(start, stop):
        row, used = z[r], 0
        unresolved[r] = 0
        waves[:] = 0.0
        for i in range(wave_row.shape[0]):
            accumulate(waves, wave_row[i], dd.entry(factor, i), row[function[i]])
        for k in range(lefts.shape[0]):
            coefficients[:] = 0.0
            size, tiny = 0.0, False
            for m in range(ptr[k], ptr[k + 1]):
                for i in range(degree + 1):
                    accumulate(coefficients, i, dd.entry(table[m], i), row[index[m]])
                    term = abs(table[m, i, 0] * row[index[m]])
                    tiny = tiny or (term < FLOOR and table[m, i, 0] != 0.0 and row[index[m]] != 0.0)
                    size = max(size, term)
            unresolved[r] += tiny
            fourth = fourth_derivative(coefficients, degree, waves, n, widths[k, 0])
            for i in range(2 * (n + 1) if n >= 0 else 0):
                size += abs(waves[i, 0])
            state = (coefficients, degree, waves, n, lefts[k], widths[k])
            first, below = used, 0
            constant = is_constant(coefficients, degree, waves, n)
            for j in range(levels.shape[1]):
                level = levels[r, j]
                f0, _ = fine_state_slope(coefficients, degree, waves, n, lefts[k], widths[k], level, 0.0)
                if f0 > 0.0 or (constant and closed and f0 == 0.0):
                    below = j + 1
                if constant:
                    continue
                rounding = (size + abs(level)) * dd.ROUNDING * (max(degree, 0) + max(n, 0) + 8.0) + FLOOR
                found, open_parts = part_crossings(
                    state, level, parts[k], NARROW, fourth, rounding, offsets, ups, stack, roots, root_ups
                )
                unresolved[r] += open_parts
                for m in range(found):
                    if used < room:
                        all_pieces[r, used], all_offsets[r, used] = k, offsets[m]
                        all_levels[r, used], all_rising[r, used] = j, ups[m]
                    used += 1
            initial[r, k] = below
            sort_crossings(all_offsets[r], all_levels[r], all_rising[r], first, min(used, room))
        counts[r] = used


@njit(**OPTIONS)
def is_constant(coefficients, degree, waves, n):
    """Whether a function on a piece is a constant, exactly."""
    for i in range(1, degree + 1):
        if coefficients[i, 0] != coefficients[0, 0] or coefficients[i, 1] != coefficients[0, 1]:
            return False
    for k in range(1, n + 1):
        if waves[k, 0] != 0.0 or waves[n + 1 + k, 0] != 0.0:
            return False
    return True


@njit(**OPTIONS)
def fourth_derivative(coefficients, degree, waves, n, width):
    """A bound of the fourth derivative with respect to the local coordinate."""
    most = 0.0
    for i in range(max(degree - 3, 0)):
        c = coefficients[i : i + 5, 0]
        most = max(most, abs(c[0] - 4.0 * c[1] + 6.0 * c[2] - 4.0 * c[3] + c[4]))
    most *= max(degree * (degree - 1.0) * (degree - 2.0) * (degree - 3.0), 0.0)
    for k in range(n + 1):
        most += math.hypot(waves[k, 0], waves[n + 1 + k, 0]) * (k * math.pi * width) ** 4
    return most * (1.0 + 1e-9)


@njit(**OPTIONS)
def certify_batch(team, z, *args):
    """:func:`certify_rows` on a whole batch."""
    share(team, certify_rows, (z, *args), z.shape[0])
