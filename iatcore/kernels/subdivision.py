"""Crossings of one function on one piece by bisection that is decided by bounds, in doubles or in double-double.

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

DERIVATIVE_BOUND = math.sqrt(3.0) / 216.0
NARROW = 1e-10
EPS = 2.0**-52
STALLED = 1e-13
INTERPOLANT_PART = 0.02


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
