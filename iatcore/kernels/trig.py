"""Level crossings of trigonometric state functions, eight samples at a time, decided by bounds.

On a fixed grid f and f' come from a constant matrix (even and odd part on half the grid). In each cell the cubic
Hermite interpolant in Bernstein form is within ``L4 w^4/384`` of f, and its derivative within ``sqrt(3)/216 L4 w^3``
of f'. So a cell holds *no* crossing if all coefficients lie beyond the bound on one side, and *at most one* if the
derivative has one sign. What this does not decide is bisected; a part narrower than ``NARROW`` or flat to rounding is
decided by the signs at its ends and counted as unresolved. A value counts as above a level only if it is greater, at
shared grid points for both neighbours, so the number of crossings always fits the signs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .blocks import INLINE, OPTIONS
from .roots import DERIVATIVE_BOUND, EPS, subdivide
from .simd import (
    LANES, absolute, address, bits, gather, is_any, keep, load, maximum, minimum, real_at, select, splat, sqrt, store,
)  # fmt: skip
from .waves import sine_cosine, wave_slope

STEPS = 60
CONVERGED = 1e-11
NOTHING = np.empty(0)


@njit(**INLINE)
def grid_values(waves, n, half, table, values, slopes, scratch):
    """f and ``w f'/3`` at the points ``i w``, i = -half .. half, w = 1/half; rows ``half + i`` of the outputs.

    Args:
        table: address of (half + 1, 2, n + 1): ``sin(k pi i w)`` and ``cos(k pi i w)``.
        scratch: 2 (n + 1) rows for ``k pi w/3`` times the coefficients.
    """
    third = math.pi / (3.0 * half)
    for k in range(n + 1):
        store(scratch, k, load(waves, k) * (third * k))
        store(scratch, n + 1 + k, load(waves, n + 1 + k) * (third * k))
    for i in range(half + 1):
        odd, even, odd_slope, even_slope = splat(0.0), load(waves, n + 1), splat(0.0), splat(0.0)
        at = table + 16 * (n + 1) * i
        for k in range(1, n + 1):
            s, c = real_at(at, k), real_at(at, n + 1 + k)
            odd = odd + load(waves, k) * s
            even = even + load(waves, n + 1 + k) * c
            even_slope = even_slope + load(scratch, k) * c
            odd_slope = odd_slope + load(scratch, n + 1 + k) * s
        store(values, half + i, even + odd)
        store(values, half - i, even - odd)
        store(slopes, half + i, even_slope - odd_slope)
        store(slopes, half - i, even_slope + odd_slope)


@njit(**INLINE)
def wave_bounds(waves, n, width):
    """Bounds for a cell: on abs(f - H), on a third of ``w abs(f' - H')``, and on rounding of grid values."""
    fourth, size = splat(0.0), absolute(load(waves, n + 1))
    for k in range(1, n + 1):
        a, b = load(waves, k), load(waves, n + 1 + k)
        radius = sqrt(a * a + b * b)
        angle = k * math.pi * width
        fourth = fourth + radius * (angle * angle * angle * angle)
        size = size + absolute(a) + absolute(b)
    rounding = size * (EPS * (n + 8.0))
    return fourth * (1.0 / 384.0) + rounding, fourth * (DERIVATIVE_BOUND / 3.0) + 3.0 * rounding, rounding


@njit(**INLINE)
def hermite_start(b0, g0, b3, g3):
    """About where a cubic with Bernstein coefficients ``b0, b0 + g0, b3 - g3, b3`` vanishes in [0, 1]."""
    t = b0 / (b0 - b3)
    b1, b2 = b0 + g0, b3 - g3
    for _ in range(2):
        y = 1.0 - t
        f = ((b0 * y + b1 * t * 3.0) * y + b2 * t * t * 3.0) * y + b3 * t * t * t
        slope = ((b1 - b0) * y * y + (b2 - b1) * (2.0 * t) * y + (b3 - b2) * t * t) * 3.0
        following = t - f / slope
        t = minimum(maximum(select((following >= 0.0) | (following < 0.0), following, t), 0.0), 1.0)
    return t


@njit(**INLINE)
def polish_lanes(waves, n, level, left, right, start, rising):
    """Newton steps on eight brackets at once, each clamped to its bracket."""
    x = start
    for _ in range(STEPS):
        sine, cosine = sine_cosine(x)
        f, slope = wave_slope(waves, n, sine, cosine)
        f = f - level
        beyond = ((f > 0.0) & rising) | ((f <= 0.0) & ~rising)
        right, left = select(beyond, x, right), select(beyond, left, x)
        following = x - f / slope
        inside = (following >= left) & (following <= right)
        following = select(inside, following, (left + right) * 0.5)
        moved = absolute(following - x) > CONVERGED
        x = following
        if not is_any(moved):
            break
    return x


@njit(**OPTIONS)
def find_crossings(waves, n, half, table, levels, closed, work, crossings, first_level, counts):
    """All crossings of all levels in a block of eight functions.

    Args:
        waves: (2 (n + 1), 8) coefficients.
        half: the grid has ``2 half`` cells.
        table: sines and cosines of the grid.
        levels: (m, 8) gate levels per lane; ``closed`` counts a function that equals a level as above it.
        work: ``(values, slopes, scratch, stack, cells)`` scratch arrays.
        crossings: ``(position, level number, direction)``, each (capacity, 8); direction is 1 where f rises
            through the level, -1 where it falls and 0 past the last crossing of a lane.
        first_level: (m, 8), written: 1 where f lies above the level at -1, else 0.
        counts: (2, 8) integers, written: crossings and unresolved parts per lane.

    Returns:
        the largest number of crossings of a lane.
    """
    values, slopes, scratch, stack, cells = work
    position, number, direction = crossings
    at_waves, at_values, at_slopes = address(waves), address(values), address(slopes)
    grid_values(at_waves, n, half, address(table), at_values, at_slopes, address(scratch))
    width = 1.0 / half
    value_bound, slope_bound, rounding = wave_bounds(at_waves, n, width)
    constant = splat(0.0)
    for k in range(1, n + 1):
        constant = maximum(constant, maximum(absolute(load(at_waves, k)), absolute(load(at_waves, n + 1 + k))))
    constant_lanes = constant == 0.0
    extra_roots, extra_rising = np.empty(2 * n + 2), np.empty(2 * n + 2, np.bool_)
    bound_rows = np.empty((3, LANES))
    at_bounds = address(bound_rows)
    store(at_bounds, 0, value_bound)
    store(at_bounds, 1, slope_bound)
    store(at_bounds, 2, rounding)
    counts[:] = 0
    capacity = position.shape[0]
    total = 0
    for j in range(levels.shape[0]):
        level = load(address(levels), j)
        b0, g0 = load(at_values, 0) - level, load(at_slopes, 0)
        above = (b0 >= 0.0) if closed else (b0 > 0.0)
        above = (above & constant_lanes) | ((b0 > 0.0) & ~constant_lanes)
        store(address(first_level), j, select(above, 1.0, 0.0))
        begin = counts[0].copy()
        late = 0
        for i in range(2 * half):
            b3, g3 = load(at_values, i + 1) - level, load(at_slopes, i + 1)
            b1, b2 = b0 + g0, b3 - g3
            low = minimum(minimum(b0, b1), minimum(b2, b3))
            high = maximum(maximum(b0, b1), maximum(b2, b3))
            none = (low > value_bound) | (high < -value_bound) | constant_lanes
            middle = b2 - b1
            steps_low, steps_high = minimum(minimum(g0, middle), g3), maximum(maximum(g0, middle), g3)
            monotone = (steps_low > slope_bound) | (steps_high < -slope_bound)
            differ = (b0 > 0.0) ^ (b3 > 0.0)
            single = bits(differ & monotone & ~none)
            open_lanes = bits(~(monotone | none))
            late |= open_lanes
            if single | open_lanes:
                for lane in range(LANES):
                    if (single >> lane) & 1 and counts[0, lane] < capacity:
                        cells[counts[0, lane], lane] = i
                        counts[0, lane] += 1
            b0, g0 = b3, g3
        total = max(total, polish_level(at_waves, n, half, at_values, at_slopes, level, j, cells, crossings, begin, counts))
        if late:
            late_crossings(
                waves, n, half, values, slopes, levels, j, late, bound_rows, stack, extra_roots, extra_rising,
                crossings, counts,
            )  # fmt: skip
    for lane in range(LANES):
        total = max(total, counts[0, lane])
    for lane in range(LANES):
        for i in range(counts[0, lane], total):
            position[i, lane], number[i, lane], direction[i, lane] = 0.0, 0.0, 0.0
    keep(bound_rows)
    return total


@njit(**OPTIONS)
def polish_level(waves, n, half, values, slopes, level, j, cells, crossings, begin, counts):
    """Polish the brackets found for one level; entries ``begin[lane] .. counts[0, lane] - 1`` of each lane."""
    position, number, direction = crossings
    most = 0
    for lane in range(LANES):
        most = max(most, counts[0, lane] - begin[lane])
    index, active = np.empty((1, LANES)), np.empty((1, LANES))
    x, up = np.empty((1, LANES)), np.empty((1, LANES))
    width = 1.0 / half
    for i in range(most):
        for lane in range(LANES):
            at = begin[lane] + i
            inside = at < counts[0, lane]
            index[0, lane] = cells[at, lane] if inside else 0.0
            active[0, lane] = 1.0 if inside else 0.0
        cell = load(address(index), 0)
        b0, b3 = gather(values, cell) - level, gather(values, cell + 1.0) - level
        g0, g3 = gather(slopes, cell), gather(slopes, cell + 1.0)
        live = load(address(active), 0) > 0.0
        b0, b3 = select(live, b0, -1.0), select(live, b3, 1.0)
        rising = b3 > 0.0
        left = (cell - float(half)) * width
        start = hermite_start(b0, g0, b3, g3)
        right = left + width
        # idle lanes sit still: an empty bracket
        right = select(live, right, left)
        root = polish_lanes(waves, n, level, left, right, select(live, left + start * width, left), rising)
        store(address(x), 0, root)
        store(address(up), 0, select(rising, 1.0, -1.0))
        for lane in range(LANES):
            at = begin[lane] + i
            if at < counts[0, lane]:
                position[at, lane], number[at, lane], direction[at, lane] = x[0, lane], j, up[0, lane]
    keep(index)
    keep(active)
    keep(x)
    keep(up)
    return most


@njit(**OPTIONS)
def late_crossings(
    waves, n, half, values, slopes, levels, j, late, bounds, stack, extra_roots, extra_rising, crossings, counts
):
    """Bisect the cells that the bounds left open, lane by lane, and append their crossings."""
    position, number, direction = crossings
    share = 0.5 / half
    ends = np.empty(4)
    for lane in range(LANES):
        if not (late >> lane) & 1:
            continue
        level = levels[j, lane]
        value_bound, slope_bound = bounds[0, lane], bounds[1, lane]
        for i in range(2 * half):
            b0, b3 = values[i, lane] - level, values[i + 1, lane] - level
            g0, g3 = slopes[i, lane], slopes[i + 1, lane]
            b1, b2 = b0 + g0, b3 - g3
            if min(b0, b1, b2, b3) > value_bound or max(b0, b1, b2, b3) < -value_bound:
                continue
            if min(g0, b2 - b1, g3) > slope_bound or max(g0, b2 - b1, g3) < -slope_bound:
                continue
            ends[0], ends[1], ends[2], ends[3] = b0, g0, b3, g3
            found, unresolved = subdivide(
                NOTHING, -1, waves, n, lane, -1.0, 2.0, level, i * share, share, ends, bounds[:, lane],
                extra_roots, extra_rising, stack,
            )  # fmt: skip
            counts[1, lane] += unresolved
            for m in range(found):
                at = counts[0, lane]
                if at < position.shape[0]:
                    position[at, lane], number[at, lane] = 2.0 * extra_roots[m] - 1.0, j
                    direction[at, lane] = 1.0 if extra_rising[m] else -1.0
                    counts[0, lane] += 1
