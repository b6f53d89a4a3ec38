"""From brackets to crossings of trigonometric functions: interpolants, a Halley and a Newton step, two at a time."""

from __future__ import annotations

import math

from numba import njit

from .blocks import INLINE
from .memory import ROW, gather, gather_two, load, scatter_rows, store
from .simd import (
    absolute,
    fill,
    first_half,
    is_all,
    is_any,
    join,
    largest_lane,
    maximum,
    minimum,
    second_half,
    select,
    splat,
)
from .waves import sine_cosine, wave_jet, wave_slope

STEPS = 60
CONVERGED = 2e-16
SMALL_TURN = 0.01
"""Radians by which a point may move for its sine and cosine to be turned along."""


@njit(**INLINE)
def cubic(b0, g0, b3, g3, t):
    """A cubic with Bernstein coefficients ``b0, b0 + g0, b3 - g3, b3``."""
    y = 1.0 - t
    return ((b0 * y + (b0 + g0) * t * 3.0) * y + (b3 - g3) * t * t * 3.0) * y + b3 * t * t * t


@njit(**INLINE)
def hermite_start(b0, g0, b3, g3, low, high, f_low, f_high):
    """About where the :func:`cubic` vanishes in [low, high], at whose ends it is ``f_low, f_high``.

    A Halley step from the secant's point.
    """
    t = low + (high - low) * (f_low / (f_low - f_high))
    middle = b3 - g3 - b0 - g0
    y = 1.0 - t
    f = cubic(b0, g0, b3, g3, t)
    slope = (g0 * y * y + middle * (2.0 * t) * y + g3 * t * t) * 3.0
    bend = ((middle - g0) * y + (g3 - middle) * t) * 3.0
    following = t - f * slope / (slope * slope - f * bend)
    return minimum(maximum(select((following >= 0.0) | (following < 0.0), following, t), low), high)


@njit(**INLINE)
def turned(sine, cosine, angle):
    """``sin, cos`` of an angle increased by one of at most ``SMALL_TURN``."""
    square = angle * angle
    s = (square * (1.0 / 120.0) - 1.0 / 6.0) * square * angle + angle
    # 1 - cos, so that nothing of it is lost
    c = ((square * (1.0 / 720.0) - 1.0 / 24.0) * square + 0.5) * square
    return sine + (cosine * s - sine * c), cosine - (sine * s + cosine * c)


@njit(**INLINE)
def polish_lanes(waves, n, level, left, right, start, rising, live):
    """The crossings in eight or sixteen brackets: a Halley and a Newton step, and more where these are not enough.

    A Newton step d leaves an error of about ``abs(f'')/(2 abs(f')) d^2``, a Halley step less; when that is below
    rounding, the step just made was the last one needed. Every step is clamped to the bracket. Idle lanes get what
    they are given.
    """
    sine, cosine = sine_cosine(start)
    f, slope, curvature = wave_jet(waves, n, sine, cosine)
    f = f - level
    move = f * slope / (slope * slope - f * curvature * 0.5)
    x = start - move
    inside = (x >= left) & (x <= right) & (absolute(move) <= SMALL_TURN / math.pi)
    sine, cosine = turned(sine, cosine, move * (-math.pi))
    f, slope = wave_slope(waves, n, sine, cosine)
    step = (f - level) / slope
    following = x - step
    settled = absolute(curvature) * step * step <= absolute(slope) * CONVERGED
    settled = (settled & inside & (following >= left) & (following <= right)) | ~live
    if is_all(settled):
        return following
    return polish_slowly(waves, n, level, left, right, select(settled, following, start), rising, settled)


@njit(**INLINE)
def polish_slowly(waves, n, level, left, right, start, rising, done):
    """Halley steps that fall back on bisection, in the lanes that are not done."""
    x, first, last = start, left, right
    for _ in range(STEPS):
        sine, cosine = sine_cosine(x)
        f, slope, curvature = wave_jet(waves, n, sine, cosine)
        f = f - level
        following = x - f * slope / (slope * slope - f * curvature * 0.5)
        step = following - x
        # at the root itself rounding may push a step out of the bracket as it has shrunk: that is no failure
        settled = absolute(curvature) * step * step <= absolute(slope) * CONVERGED
        beyond = ((f > 0.0) & rising) | ((f <= 0.0) & ~rising)
        right, left = select(beyond, x, right), select(beyond, left, x)
        inside = (following >= left) & (following <= right)
        following = select(inside | settled, following, (left + right) * 0.5)
        moved = absolute(following - x)
        # a lane that is done rests, so that its result does not depend on its neighbours
        x = select(done, x, minimum(maximum(following, first), last))
        done = done | settled | (moved <= CONVERGED)
        if is_all(done):
            break
    return x


@njit(**INLINE)
def bracket_row(brackets, uniform, begin, count, i):
    """Entry i of each lane's list from ``begin`` on: lanes that have one, its row, and the bracket."""
    row = begin + float(i)
    live = row < count
    row = minimum(row, count)
    return live, row, select(live, load(brackets, i) if uniform else gather(brackets, row), 0.0)


@njit(**INLINE)
def part_or(lists, k, part, part_2, lanes, otherwise):
    """Entry k of parts of cells in some lanes, and something else in the others."""
    return select(lanes, gather_two(lists[k], part, part_2), otherwise)


@njit(**INLINE)
def put_crossing(uniform, i, row, root, j, direct, position, number, direction):
    """Write a crossing to entry i of every lane, or to ``row``."""
    if uniform:
        # what idle lanes write here is cleared at the end
        store(position, i, root)
        store(number, i, splat(0.0))
        store(direction, i, direct)
    else:
        scatter_rows(position, row, root)
        scatter_rows(number, row, float(j))
        scatter_rows(direction, row, direct)


@njit(**INLINE)
def polish_brackets(
    waves, n, half, values, slopes, level, j, brackets, lists, begin, count, position, number, direction
):
    """Polish the crossings in entries ``begin .. count - 1`` of each lane's list of brackets, two at a time."""
    width, uniform = 1.0 / half, j == 0
    both = join(level, level)
    for i in range(0, int(largest_lane(count - begin)), 2):
        live, row, cell = bracket_row(brackets, uniform, begin, count, i)
        live_2, row_2, cell_2 = bracket_row(brackets, uniform, begin, count, i + 1)
        in_part, in_part_2 = cell < 0.0, cell_2 < 0.0
        some_part = is_any(in_part | in_part_2)
        part, part_2 = -1.0 - cell, -1.0 - cell_2
        if some_part:
            part, part_2 = select(in_part, part, 0.0), select(in_part_2, part_2, 0.0)
            cell = select(in_part, gather(lists[0], part), cell)
            cell_2 = select(in_part_2, gather(lists[0], part_2), cell_2)
        lives = join(live, live_2)
        # idle lanes get numbers that do no harm
        b0 = select(lives, gather_two(values, cell, cell_2) - both, -1.0)
        b3 = select(lives, gather_two(values + ROW, cell, cell_2) - both, 1.0)
        g0, g3 = gather_two(slopes, cell, cell_2), gather_two(slopes + ROW, cell, cell_2)
        low, high, f_low, f_high = fill(b0, 0.0), fill(b0, 1.0), b0, b3
        if some_part:
            lanes = join(in_part, in_part_2)
            low = part_or(lists, 1, part, part_2, lanes, low)
            high = part_or(lists, 2, part, part_2, lanes, high)
            f_low = part_or(lists, 3, part, part_2, lanes, f_low)
            f_high = part_or(lists, 4, part, part_2, lanes, f_high)
        rising = f_high > 0.0
        left = (join(cell, cell_2) - float(half)) * width
        start = left + hermite_start(b0, g0, b3, g3, low, high, f_low, f_high) * width
        root = polish_lanes(waves, n, both, left + low * width, left + high * width, start, rising, lives)
        direct = select(rising, 1.0, -1.0)
        put_crossing(uniform, i, row, first_half(root), j, first_half(direct), position, number, direction)
        put_crossing(uniform, i + 1, row_2, second_half(root), j, second_half(direct), position, number, direction)
