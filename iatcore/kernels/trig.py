"""Level crossings of trigonometric state functions, eight samples at a time, decided by bounds.

On a fixed grid f and f' come from a constant matrix (even and odd part on half the grid). In each cell the cubic
Hermite interpolant in Bernstein form is within ``L4 w^4/384`` of f, and its derivative within ``sqrt(3)/216 L4 w^3``
of f'. So a cell holds *no* crossing if all coefficients lie beyond the bound on one side, and *at most one* if the
derivative has one sign. Where the derivative changes its sign once, the value at the extremum decides between none
and two. What this does not decide is bisected; a part narrower than ``NARROW`` or flat to rounding is
decided by the signs at its ends and counted as unresolved. A value counts as above a level only if it is greater, at
shared grid points for both neighbours, so the number of crossings always fits the signs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .blocks import INLINE, OPTIONS
from .memory import (
    ROW,
    int_at,
    load,
    load_like,
    real_at,
    rows_at,
    scatter_rows,
    store,
    store_int,
    store_lane,
)
from .polish import cubic, polish_brackets
from .simd import (
    LANES,
    absolute,
    bits,
    first_half,
    is_any,
    join,
    lanes_of,
    largest_lane,
    lowest_bit,
    maximum,
    minimum,
    second_half,
    select,
    splat,
    sqrt,
)
from .subdivision import DERIVATIVE_BOUND, EPS, NARROW, subdivide

NOTHING = np.empty(0)


@njit(**INLINE)
def grid_values(waves, n, half, table, values, slopes, scratch):
    """f and ``w f'/3`` at the points ``i w``, i = -half .. half, w = 1/half; rows ``half + i`` of the outputs.

    Sums over sines and cosines of odd and of even harmonics at s give f at s, -s, 1 - s and s - 1.

    Args:
        half: an even number.
        table: address of (half + 1, 2, n + 1): ``sin(k pi i w)`` and ``cos(k pi i w)``.
        scratch: 2 (n + 1) rows for ``k pi w/3`` times the coefficients.
    """
    third = math.pi / (3.0 * half)
    for k in range(n + 1):
        store(scratch, k, load(waves, k) * (third * k))
        store(scratch, n + 1 + k, load(waves, n + 1 + k) * (third * k))
    zero, constant = splat(0.0), load(waves, n + 1)
    zero = join(zero, zero)
    for i in range(0, half // 2 + 1, 2):
        then = min(i + 1, half // 2)
        at, at_2 = table + 16 * (n + 1) * i, table + 16 * (n + 1) * then
        odd, even, even_slope, odd_slope = zero, join(constant, constant), zero, zero
        odd_2, even_2, even_slope_2, odd_slope_2 = zero, zero, zero, zero
        for k in range(2, n + 1, 2):
            s, c = two_reals(at, at_2, k), two_reals(at, at_2, n + 1 + k)
            odd = odd + load_like(s, waves, k) * s
            even = even + load_like(s, waves, n + 1 + k) * c
            even_slope = even_slope + load_like(s, scratch, k) * c
            odd_slope = odd_slope + load_like(s, scratch, n + 1 + k) * s
        for k in range(1, n + 1, 2):
            s, c = two_reals(at, at_2, k), two_reals(at, at_2, n + 1 + k)
            odd_2 = odd_2 + load_like(s, waves, k) * s
            even_2 = even_2 + load_like(s, waves, n + 1 + k) * c
            even_slope_2 = even_slope_2 + load_like(s, scratch, k) * c
            odd_slope_2 = odd_slope_2 + load_like(s, scratch, n + 1 + k) * s
        store_mirrored(values, half, i, then, even + even_2, odd_2 + odd)
        store_mirrored(values, half, half - i, half - then, even - even_2, odd_2 - odd)
        store_mirrored(slopes, half, i, then, even_slope + even_slope_2, -(odd_slope_2 + odd_slope))
        store_mirrored(slopes, half, half - i, half - then, even_slope - even_slope_2, odd_slope - odd_slope_2)


@njit(**INLINE)
def two_reals(at, at_2, k):
    """Entry k of two arrays, each in eight lanes."""
    return join(splat(real_at(at, k)), splat(real_at(at_2, k)))


@njit(**INLINE)
def store_mirrored(rows, half, i, i_2, even, odd):
    """Write ``even + odd`` to rows ``half + i, half + i_2`` and ``even - odd`` to their mirrors."""
    right, left = even + odd, even - odd
    store(rows, half + i, first_half(right))
    store(rows, half + i_2, second_half(right))
    store(rows, half - i, first_half(left))
    store(rows, half - i_2, second_half(left))


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
def falling_root(c0, c1, c2):
    """The zero in [0, 1] of a quadratic in Bernstein form with ``c0 > 0 > c2``."""
    radius = sqrt(maximum(c1 * c1 - c0 * c2, 0.0))
    w = select(c1 >= 0.0, -c1 - radius, radius - c1)
    return select(w > 0.0, c0 / (c0 + w), w / (w + c2))


@njit(**INLINE)
def decide_extremum(b0, g0, middle, b3, g3, value_bound, slope_bound):
    """Cells in which the derivative changes its sign once, as its interpolant says beyond the bound at both ends.

    Between the points ``low`` and ``high`` where the derivative of the interpolant is twice its bound, f lies within
    the bound of values that the interpolant takes at least at these points and at most at its extremum; outside, f is
    monotone.

    Returns:
        lanes that are decided; lanes with a crossing before ``low``, and after ``high``; low, high, and the
        interpolant there.
    """
    sign = select(g0 > 0.0, 1.0, -1.0)
    c0, c1, c2 = g0 * sign, middle * sign, g3 * sign
    margin = slope_bound * 2.0
    turns = (c0 > margin) & (c2 < -margin)
    c0, c1, c2 = select(turns, c0, 1.0), select(turns, c1, 0.0), select(turns, c2, -1.0)
    margin = select(turns, margin, 0.0)
    low, high = falling_root(c0 - margin, c1 - margin, c2 - margin), falling_root(c0 + margin, c1 + margin, c2 + margin)
    f_low, f_high = cubic(b0, g0, b3, g3, low), cubic(b0, g0, b3, g3, high)
    top = cubic(b0, g0, b3, g3, falling_root(c0, c1, c2))
    beyond = turns & (minimum(f_low * sign, f_high * sign) > value_bound)
    short = turns & (top * sign < -value_bound)
    above = sign > 0.0
    return beyond | short, beyond & ((b0 > 0.0) ^ above), beyond & ((b3 > 0.0) ^ above), low, high, f_low, f_high


@njit(**INLINE)
def append_part(brackets, count, parts, lists, last, lanes, cell, low, high, f_low, f_high):
    """Append a bracket inside a cell in some lanes; others write where the next entry will go.

    Returns:
        the new numbers of brackets and of parts.
    """
    cells, lows, highs, starts, ends = lists
    scatter_rows(brackets, count, -1.0 - parts)
    scatter_rows(cells, parts, cell)
    scatter_rows(lows, parts, low)
    scatter_rows(highs, parts, high)
    scatter_rows(starts, parts, f_low)
    scatter_rows(ends, parts, f_high)
    one = select(lanes, 1.0, 0.0)
    return minimum(count + one, last), minimum(parts + one, last)


@njit(**INLINE)
def isolate_level(
    half, values, slopes, level, value_bound, slope_bound, constant, brackets, lists, count, last, events, words
):
    """Brackets with exactly one crossing of a level, decided by bounds; appended to the ``brackets`` of each lane.

    A bracket is the number of a cell or, with ``lists`` of parts of cells, ``-1 - number of the part``. Cells that are
    not decided are listed in ``events`` as ``8 cell + lane``. The pass over all cells has no branches: what holds for
    eight cells in eight lanes is gathered in one word of 64 bits.

    Args:
        words: scratch of ``half / 4`` integers and a row.

    Returns:
        the number of brackets of each lane, and of events.
    """
    groups, some_open = (2 * half + LANES - 1) // LANES, 0
    counts = words + 8 * groups
    store(counts, 0, count)
    for lane in range(LANES):
        store_int(counts, lane, int(real_at(counts, lane)))
    b0, g0 = load(values, 0) - level, load(slopes, 0)
    above = b0 > 0.0
    for group in range(groups):
        singles, opens = 0, 0
        for k in range(min(LANES, 2 * half - LANES * group)):
            i = LANES * group + k
            b3, g3 = load(values, i + 1) - level, load(slopes, i + 1)
            b1, b2 = b0 + g0, b3 - g3
            middle, above_next = b2 - b1, b3 > 0.0
            low = minimum(minimum(b0, b1), minimum(b2, b3))
            high = maximum(maximum(b0, b1), maximum(b2, b3))
            some = (low <= value_bound) & (high >= -value_bound)
            steps_low, steps_high = minimum(minimum(g0, middle), g3), maximum(maximum(g0, middle), g3)
            monotone = (steps_low > slope_bound) | (steps_high < -slope_bound)
            singles |= bits((above ^ above_next) & monotone & some) << (LANES * k)
            opens |= bits(some & ~monotone) << (LANES * k)
            b0, g0, above = b3, g3, above_next
        store_int(words, group, opens)
        some_open |= opens
        while singles != 0:
            bit = lowest_bit(singles)
            singles &= singles - 1
            lane = bit % LANES
            slot = int_at(counts, lane)
            store_lane(brackets, LANES * slot + lane, float(LANES * group + bit // LANES))
            store_int(counts, lane, min(slot + 1, last))
    for lane in range(LANES):
        store_lane(counts, lane, float(int_at(counts, lane)))
    count, parts, late = load(counts, 0), splat(0.0), 0
    if some_open == 0:
        return count, late
    end = splat(float(last))
    for group in range(groups):
        opens = int_at(words, group)
        while opens != 0:
            k = lowest_bit(opens) // LANES
            i, asked = LANES * group + k, opens >> (LANES * k)
            # the shift fills with the sign bit: what is below bit 8 of ``asked`` counts
            opens &= ~(255 << (LANES * k))
            b0, g0 = load(values, i) - level, load(slopes, i)
            b3, g3 = load(values, i + 1) - level, load(slopes, i + 1)
            open_lanes = lanes_of(asked) & ~constant
            decided, before, after, t_low, t_high, f_low, f_high = decide_extremum(
                b0, g0, b3 - g3 - b0 - g0, b3, g3, value_bound, slope_bound
            )
            before, after = before & open_lanes, after & open_lanes
            if is_any(before):
                count, parts = append_part(brackets, count, parts, lists, end, before, float(i), 0.0, t_low, b0, f_low)
            if is_any(after):
                count, parts = append_part(brackets, count, parts, lists, end, after, float(i), t_high, 1.0, f_high, b3)
            undecided = bits(open_lanes & ~decided)
            while undecided != 0:
                store_lane(events, late, float(LANES * i + lowest_bit(undecided)))
                late += 1
                undecided &= undecided - 1
    return count, late


@njit(**INLINE)
def trig_rows(n, half, capacity):
    """Rows of scratch that :func:`find_crossings` needs."""
    return 2 * (2 * half + 1) + 2 * n + 2 + 6 * capacity + 3 + 2 * half + half // 32 + 2


@njit(**INLINE)
def find_crossings(waves, n, half, table, levels, m, closed, work, capacity, crossings, first_level, counts):
    """All crossings of all levels in a block of eight functions; arrays by address.

    Args:
        waves: (2 (n + 1), 8) coefficients.
        half: the grid has ``2 half`` cells.
        table: sines and cosines of the grid.
        levels: (m, 8) gate levels per lane; ``closed`` counts a function that equals a level as above it.
        work: scratch of :func:`trig_rows` rows.
        crossings: ``(position, level number, direction)``, each (capacity, 8); direction is 1 where f rises
            through the level, -1 where it falls and 0 past the last crossing of a lane.
        first_level: (m, 8), written: 1 where f lies above the level at -1, else 0.
        counts: (2, 8), written: crossings and unresolved parts per lane.

    Returns:
        the largest number of crossings of a lane.
    """
    position, number, direction = crossings
    values = work
    slopes = values + (2 * half + 1) * ROW
    scratch = slopes + (2 * half + 1) * ROW
    brackets = scratch + (2 * n + 2) * ROW
    step = capacity * ROW
    lists = (brackets + step, brackets + 2 * step, brackets + 3 * step, brackets + 4 * step, brackets + 5 * step)
    bounds = brackets + 6 * step
    events = bounds + 3 * ROW
    words = events + 2 * half * ROW
    grid_values(waves, n, half, table, values, slopes, scratch)
    value_bound, slope_bound, rounding = wave_bounds(waves, n, 1.0 / half)
    largest = splat(0.0)
    for k in range(1, n + 1):
        largest = maximum(largest, maximum(absolute(load(waves, k)), absolute(load(waves, n + 1 + k))))
    constant = largest == 0.0
    store(bounds, 0, value_bound)
    store(bounds, 1, slope_bound)
    store(bounds, 2, rounding)
    store(counts, 0, splat(0.0))
    store(counts, 1, splat(0.0))
    for j in range(m):
        level = load(levels, j)
        f = load(values, 0)
        above = (f > level) | (constant & (f == level)) if closed else (f > level)
        store(first_level, j, select(above, 1.0, 0.0))
        begin = load(counts, 0)
        # the last row of each list takes what is not meant
        count, late = isolate_level(
            half, values, slopes, level, value_bound, slope_bound, constant, brackets, lists, begin, capacity - 1,
            events, words,
        )  # fmt: skip
        polish_brackets(
            waves, n, half, values, slopes, level, j, brackets, lists, begin, count, position, number, direction
        )
        store(counts, 0, count)
        if late:
            late_crossings(
                waves, n, half, values, slopes, levels, j, late, events, bounds, capacity, position, number, direction,
                counts,
            )  # fmt: skip
    count = load(counts, 0)
    total = int(largest_lane(count))
    for i in range(total):
        idle = count <= float(i)
        store(direction, i, select(idle, 0.0, load(direction, i)))
        store(position, i, select(idle, 0.0, load(position, i)))
        store(number, i, select(idle, 0.0, load(number, i)))
    return total


@njit(**OPTIONS)
def late_crossings(
    at_waves, n, half, values, slopes, levels, j, late, events, bounds, capacity, position, number, direction, counts
):
    """Bisect the cells that the bounds left open, one by one, and append their crossings."""
    waves, share = rows_at(at_waves, 2 * n + 2), 0.5 / half
    stack, roots, rising = np.empty((160, 6)), np.empty(2 * n + 2), np.empty(2 * n + 2, np.bool_)
    for event in range(late):
        i, lane = int(real_at(events, event)) // LANES, int(real_at(events, event)) % LANES
        level, at, then = real_at(levels, LANES * j + lane), LANES * i + lane, LANES * (i + 1) + lane
        ends = (real_at(values, at) - level, real_at(slopes, at), real_at(values, then) - level, real_at(slopes, then))
        limits = (real_at(bounds, lane), real_at(bounds, LANES + lane), real_at(bounds, 2 * LANES + lane))
        found, unresolved = subdivide(
            (NOTHING, -1, waves, n, lane, -1.0, 2.0),
            level,
            i * share,
            share,
            NARROW,
            ends,
            limits,
            roots,
            rising,
            stack,
        )
        store_lane(counts, LANES + lane, real_at(counts, LANES + lane) + unresolved)
        for m in range(found):
            slot = real_at(counts, lane)
            if slot < capacity - 1:
                at = LANES * int(slot) + lane
                store_lane(position, at, 2.0 * roots[m] - 1.0)
                store_lane(number, at, float(j))
                store_lane(direction, at, 1.0 if rising[m] else -1.0)
                store_lane(counts, lane, slot + 1.0)
