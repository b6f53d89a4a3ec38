"""Triton kernels of the transform for trigonometric input bases, continuous gates, and outputs of either kind.

The state function is ``f(s) = b_0 + sum_k a_k sin(k pi s) + b_k cos(k pi s)``. Three steps, everything in float64
(antiderivatives cancel, and a crossing is as sharp as f is exact), arrays with one column for each row of the batch:

* :func:`march_kernel`: from -1 to 1 in steps that halve and double. On a step the cubic Hermite interpolant is within
  ``L4 w^4/384`` of f and its derivative within ``sqrt(3)/216 L4 w^3``: these bounds prove that there is no crossing,
  or at most one; what they leave open is halved, and a step on which f is 0 to rounding is decided by its ends.
* :func:`polish_kernel`: Halley steps held inside the brackets.
* moments: with ``a = base + jump 1[f > 0]``, an integral of ``a h t`` is a sum over the crossings r of what lies
  between the start of the cell of r and r, and over cells times their last slope. Against harmonics only
  ``integral of 1[f > 0] exp(i m pi s)``, m <= n + n', is needed, IAT (18) being Toeplitz plus Hankel in it.

Linear maps with constant matrices are left to matrix products. Sums have a fixed order, shapes depend on nothing but
the shapes of the arguments, and nothing waits for the host.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from iatcore import Basis, Gate
from iatcore.bases.core import elevate
from iatcore.plan import gauss_points, gauss_rule, on_frame, split_frame, wave_table, waves, widths

from .triton_local import gate_slopes

OPTIONS = {"LANES": 64, "num_warps": 2}
"""Rows of the batch in a program, a column each."""
SCRATCH = 2**25
"""Numbers of scratch for one chunk of a batch, about."""
MOST_FREQUENCY = 512
SMALLEST_ANGLE = 0.5
"""Harmonics that turn by less across a cell are integrated by quadrature, the others by parts."""
ROUNDING = tl.constexpr(2.0**-52)
NARROW = tl.constexpr(2.0**-46)
DERIVATIVE_BOUND = tl.constexpr(0.0080187537387448)
PI = tl.constexpr(math.pi)
SINE = tl.constexpr([(-1) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1)])
COSINE = tl.constexpr([(-1) ** k / math.factorial(2 * k) for k in range(9, -1, -1)])

# -- trigonometric polynomials --------------------------------------------------------------------------------------


@triton.jit
def sine_cosine(x):
    """``sin(pi x), cos(pi x)`` in float64, exact at multiples of 1/2: reduction to abs(x) <= 1/4, then Taylor."""
    quarter = tl.floor(x * 2.0 + 0.5)
    y = (x - quarter * 0.5) * PI
    y2 = y * y
    s, c = y2 * 0.0, y2 * 0.0
    for i in tl.static_range(9):
        s = s * y2 + SINE[i]
    for i in tl.static_range(10):
        c = c * y2 + COSINE[i]
    s = s * y
    turn = quarter.to(tl.int64) & 3
    odd = (turn & 1) == 1
    sine, cosine = tl.where(odd, c, s), tl.where(odd, s, c)
    return tl.where(turn >= 2, -sine, sine), tl.where((turn == 1) | (turn == 2), -cosine, cosine)


@triton.jit
def wave_row(column, batch, row):
    """Where entries of a row lie; int64 whatever type the number of the row has."""
    return (column * 0 + row) * batch + column


@triton.jit
def wave_jet(waves, column, batch, n, x):
    """f, f' and f'' at x (Horner); row k of ``waves`` holds ``a_k``, row n + 1 + k ``b_k``."""
    s, c = sine_cosine(x)
    re, im = x * 0.0, x * 0.0
    re1, im1, re2, im2 = re, re, re, re
    for i in range(n):
        k = n - i
        at = waves + wave_row(column, batch, k)
        a, b = tl.load(at), tl.load(at + wave_row(column * 0, batch, n + 1))
        a1, b1 = a * k, b * k
        re, im = re * c - im * s + b, re * s + im * c - a
        re1, im1 = re1 * c - im1 * s + a1, re1 * s + im1 * c + b1
        re2, im2 = re2 * c - im2 * s - b1 * k, re2 * s + im2 * c + a1 * k
    constant = tl.load(waves + wave_row(column, batch, n + 1))
    return re * c - im * s + constant, (re1 * c - im1 * s) * PI, (re2 * c - im2 * s) * PI * PI


@triton.jit
def wave_slope(waves, column, batch, n, x):
    """f and f' at x (Horner)."""
    s, c = sine_cosine(x)
    re, im = x * 0.0, x * 0.0
    re1, im1 = re, re
    for i in range(n):
        k = n - i
        at = waves + wave_row(column, batch, k)
        a, b = tl.load(at), tl.load(at + wave_row(column * 0, batch, n + 1))
        re, im = re * c - im * s + b, re * s + im * c - a
        re1, im1 = re1 * c - im1 * s + a * k, re1 * s + im1 * c + b * k
    constant = tl.load(waves + wave_row(column, batch, n + 1))
    return re * c - im * s + constant, (re1 * c - im1 * s) * PI


# -- crossings ------------------------------------------------------------------------------------------------------


@triton.jit
def cubic_root(b0, g0, b3, g3):
    """About where in [0, 1] the cubic with Bernstein coefficients ``b0, b0 + g0, b3 - g3, b3`` changes sign."""
    gap = b0 - b3
    t = b0 / tl.where(gap == 0.0, 1.0, gap)
    middle = b3 - g3 - b0 - g0
    y = 1.0 - t
    f = ((b0 * y + (b0 + g0) * t * 3.0) * y + (b3 - g3) * t * t * 3.0) * y + b3 * t * t * t
    slope = (g0 * y * y + middle * t * y * 2.0 + g3 * t * t) * 3.0
    bend = ((middle - g0) * y + (g3 - middle) * t) * 3.0
    below = slope * slope - f * bend
    return tl.minimum(tl.maximum(t - f * slope / tl.where(below == 0.0, 1.0, below), 0.0), 1.0)


@triton.jit
def march_kernel(waves, batch, n, coarse, starts, low, reach, position, counts, room, LANES: tl.constexpr):
    """Brackets with one crossing each: left end, width (negative where f falls) and a first guess, in ``room`` rows.

    ``starts`` is 1 where f > 0 at -1, ``counts`` the number of brackets of each row; ``coarse`` is ``1/w`` of the
    longest step, a power of two.
    """
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    fourth = tl.zeros([LANES], tl.float64)
    size = tl.abs(tl.load(waves + wave_row(column, batch, n + 1)))
    for k in range(1, n + 1):
        a = tl.load(waves + wave_row(column, batch, k))
        b = tl.load(waves + wave_row(column, batch, n + 1 + k))
        angle = (fourth * 0.0 + k) * PI
        square = angle * angle
        radius = tl.abs(a) + tl.abs(b)
        fourth += radius * square * square
        size += radius
    rounding = size * ROUNDING * (n + 8)
    zero = tl.zeros([LANES], tl.float64)
    longest = 1.0 / (zero + coarse)
    x, width, count = zero - 1.0, longest, tl.zeros([LANES], tl.int64)
    f, slope = wave_slope(waves, column, batch, n, x)
    tl.store(starts + lane, tl.where(f > 0.0, 1.0, 0.0), mask=here)
    active = here & (size > 0.0)
    while tl.max(active.to(tl.int32), axis=0) > 0:
        following = x + width
        f_next, slope_next = wave_slope(waves, column, batch, n, following)
        g0, g3 = slope * width * (1.0 / 3.0), slope_next * width * (1.0 / 3.0)
        b1, b2 = f + g0, f_next - g3
        middle = b2 - b1
        bottom = tl.minimum(tl.minimum(f, b1), tl.minimum(b2, f_next))
        top = tl.maximum(tl.maximum(f, b1), tl.maximum(b2, f_next))
        square = width * width
        reachable = fourth * square * square
        bound = reachable * (1.0 / 384.0) + rounding
        slope_bound = reachable * DERIVATIVE_BOUND * (1.0 / 3.0) + rounding * 3.0
        none = (bottom > bound) | (top < -bound)
        monotone = (tl.minimum(tl.minimum(g0, middle), g3) > slope_bound) | (
            tl.maximum(tl.maximum(g0, middle), g3) < -slope_bound
        )
        flat = (tl.maximum(top, -bottom) <= rounding * 4.0) & (reachable * (1.0 / 384.0) <= rounding)
        decided = active & (none | monotone | flat | (width <= NARROW))
        rising = f_next > 0.0
        found = decided & ~none & ((f > 0.0) ^ rising)
        at = tl.minimum(count, room - 1) * batch + column
        tl.store(low + at, x, mask=found)
        tl.store(reach + at, tl.where(rising, width, -width), mask=found)
        tl.store(position + at, x + width * cubic_root(f, g0, f_next, g3), mask=found)
        count += found.to(tl.int64)
        x, f = tl.where(decided, following, x), tl.where(decided, f_next, f)
        slope = tl.where(decided, slope_next, slope)
        width = tl.where(decided, width * 2.0, width * 0.5)
        width = tl.minimum(tl.minimum(width, longest), tl.where(x < 1.0, 1.0 - x, longest))
        active = active & (x < 1.0)
    tl.store(counts + lane, tl.minimum(count, room), mask=here)


@triton.jit
def polish_kernel(waves, batch, n, counts, low, reach, position, LANES: tl.constexpr):
    """Replace first guesses by crossings, and ``reach`` by 1 or -1; both are 0 past the last crossing of a row."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    slot = tl.program_id(1).to(tl.int64)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    at = slot * batch + column
    live = here & (tl.load(counts + column) > slot)
    first = tl.load(low + at, mask=live, other=0.0)
    width = tl.load(reach + at, mask=live, other=0.0)
    x = tl.load(position + at, mask=live, other=0.0)
    rising, last = width > 0.0, first + tl.abs(width)
    left, right = first, last
    busy, step_number = live, 0
    while (tl.max(busy.to(tl.int32), axis=0) > 0) & (step_number < 80):
        f, slope, curvature = wave_jet(waves, column, batch, n, x)
        below = slope * slope - f * curvature * 0.5
        following = x - f * slope / tl.where(below == 0.0, 1.0, below)
        step = following - x
        # at the crossing itself rounding may push a step out of the bracket as it has shrunk: that is no failure
        settled = tl.abs(curvature) * step * step <= tl.abs(slope) * ROUNDING
        settled = settled & (below != 0.0) & (following >= first - NARROW) & (following <= last + NARROW)
        beyond = (f > 0.0) == rising
        right, left = tl.where(beyond, x, right), tl.where(beyond, left, x)
        inside = (following >= left) & (following <= right)
        following = tl.where(inside | settled, following, (left + right) * 0.5)
        following = tl.minimum(tl.maximum(following, first), last)
        moved = tl.abs(following - x)
        x = tl.where(busy, following, x)
        busy = busy & ~settled & (moved > ROUNDING)
        step_number += 1
    tl.store(position + at, tl.where(live, x, 0.0), mask=here)
    tl.store(reach + at, tl.where(live, tl.where(rising, 1.0, -1.0), 0.0), mask=here)


# -- moments --------------------------------------------------------------------------------------------------------


@triton.jit
def point_sums_kernel(position, weight, counts, batch, most, sums, LANES: tl.constexpr):
    """``sum_r w_r sin(m pi r)`` and ``... cos ...`` over the crossings r, to rows m and most + 1 + m of ``sums``."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    m = tl.program_id(1).to(tl.int64)
    column = tl.minimum(lane, batch - 1)
    sine = tl.zeros([LANES], tl.float64)
    cosine = sine
    used = tl.max(tl.load(counts + column), axis=0)
    for slot in range(0, used):
        at = wave_row(column, batch, slot)
        w = tl.load(weight + at)
        s, c = sine_cosine(tl.load(position + at) * m)
        sine += w * s
        cosine += w * c
    tl.store(sums + m * batch + lane, sine, mask=lane < batch)
    tl.store(sums + (most + 1 + m) * batch + lane, cosine, mask=lane < batch)


@triton.jit
def toeplitz_kernel(chi, waves, batch, n, most, highest, sums, LANES: tl.constexpr):
    """``integral of a h sin(i pi s)`` and ``... cos ...`` from rows of ``chi``, integrals of ``a sin, a cos``.

    ``h`` has harmonics up to n, chi up to ``most = n + highest``.
    """
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    i = tl.program_id(1).to(tl.int64)
    column = tl.minimum(lane, batch - 1)
    sines, cosines = chi + column, chi + wave_row(column, batch, most + 1)
    sine = tl.zeros([LANES], tl.float64)
    cosine = sine
    for k in range(0, n + 1):
        a, b = tl.load(waves + wave_row(column, batch, k)), tl.load(waves + wave_row(column, batch, n + 1 + k))
        away, gap = (i + k) * batch, tl.abs(i - k) * batch
        s_sum, c_sum, c_gap = tl.load(sines + away), tl.load(cosines + away), tl.load(cosines + gap)
        s_gap = tl.load(sines + gap)
        s_gap = tl.where(i >= k, s_gap, -s_gap)
        sine += b * (s_sum + s_gap) + a * (c_gap - c_sum)
        cosine += b * (c_sum + c_gap) + a * (s_sum - s_gap)
    tl.store(sums + i * batch + lane, sine * 0.5, mask=lane < batch)
    tl.store(sums + (highest + 1 + i) * batch + lane, cosine * 0.5, mask=lane < batch)


@triton.jit
def cell_of(x, lefts, cells, STEPS: tl.constexpr):
    """The cell that holds x: the last one whose left end is at most x."""
    low = (x * 0.0).to(tl.int32)
    high = low + cells
    for _ in tl.static_range(STEPS):
        middle = (low + high) // 2
        right = tl.load(lefts + middle) <= x
        low, high = tl.where(right & (high - low > 1), middle, low), tl.where(right, high, middle)
        high = tl.maximum(high, low + 1)
    return low


@triton.jit
def parts_kernel(
    waves, batch, n, position, lefts, ends, cells, rule, parts, POINTS: tl.constexpr, STEPS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """``integral of h B_k`` from the left end of its cell to a crossing, k = 0, 1, 2, to rows 3 slot + k of ``parts``.

    ``h`` is a trigonometric polynomial, ``B_k`` are the quadratic Bernstein polynomials of the cell.
    """
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    slot = tl.program_id(1).to(tl.int64)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    r = tl.load(position + slot * batch + column)
    c = cell_of(r, lefts, cells, STEPS)
    left = tl.load(lefts + c)
    length = r - left
    share = length / (tl.load(ends + c) - left)
    m0 = tl.zeros([LANES], tl.float64)
    m1, m2 = m0, m0
    for i in range(POINTS):
        node = tl.load(rule + 3 * i)
        value, _ = wave_slope(waves, column, batch, n, left + length * node)
        value = value * length * tl.load(rule + 3 * i + 2)
        t = share * node
        rest = 1.0 - t
        m0 += value * rest * rest
        m1 += value * t * rest * 2.0
        m2 += value * t * t
    tl.store(parts + (3 * slot) * batch + lane, m0, mask=here)
    tl.store(parts + (3 * slot + 1) * batch + lane, m1, mask=here)
    tl.store(parts + (3 * slot + 2) * batch + lane, m2, mask=here)


@triton.jit
def cells_kernel(
    moments, batch, starts, reach, position, counts, lefts, ends, parts, base, jump, HAS_PARTS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Rows 3 c + k times the last slope of cell c, less ``jump`` times the parts before its crossings; in place."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    c = tl.program_id(1).to(tl.int64)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    left, right = tl.load(lefts + c), tl.load(ends + c)
    is_last = c + 1 == tl.num_programs(1)
    above = tl.load(starts + column)
    p0 = tl.zeros([LANES], tl.float64)
    p1, p2 = p0, p0
    used = tl.max(tl.load(counts + column), axis=0)
    for slot in range(0, used):
        at = wave_row(column, batch, slot)
        r, turn = tl.load(position + at), tl.load(reach + at)
        before = (r < right) | is_last
        above += tl.where(before, turn, 0.0)
        if HAS_PARTS:
            own = tl.where(before & (r >= left), turn, 0.0)
            row = parts + wave_row(column, batch, 3 * slot)
            p0 += own * tl.load(row)
            p1 += own * tl.load(row + batch)
            p2 += own * tl.load(row + 2 * batch)
    jump_by = tl.load(jump)
    slope = tl.load(base) + jump_by * above
    row = moments + 3 * c * batch + lane
    tl.store(row, tl.load(row, mask=here) * slope - jump_by * p0, mask=here)
    tl.store(row + batch, tl.load(row + batch, mask=here) * slope - jump_by * p1, mask=here)
    tl.store(row + 2 * batch, tl.load(row + 2 * batch, mask=here) * slope - jump_by * p2, mask=here)


@triton.jit
def wave_parts_kernel(
    pieces, batch, n, lowest, position, reach, counts, lefts, ends, cells, rule, jump, sums, POINTS: tl.constexpr,
    STEPS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Subtract ``jump turn_r integral of h sin(k pi s)`` and ``... cos ...`` from the start of a cell to a crossing r.

    ``pieces`` holds quadratic Bernstein coefficients of h, three rows a cell; row k of ``sums`` belongs to the sine,
    row n + 1 + k to the cosine. Above ``lowest`` by parts, ``[h E1 - h' E2 + h'' E3]``, else by quadrature.
    """
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    k = tl.program_id(1).to(tl.int64)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    sine = tl.zeros([LANES], tl.float64)
    cosine = sine
    used = tl.max(tl.load(counts + column), axis=0)
    inverse = 1.0 / (sine + tl.maximum(k, 1).to(tl.float64) * PI)
    for slot in range(0, used):
        at = wave_row(column, batch, slot)
        r, turn = tl.load(position + at), tl.load(reach + at)
        c = cell_of(r, lefts, cells, STEPS)
        left = tl.load(lefts + c)
        rate = 1.0 / (tl.load(ends + c) - left)
        row = pieces + 3 * c.to(tl.int64) * batch + column
        h0, h1, h2 = tl.load(row), tl.load(row + batch), tl.load(row + 2 * batch)
        length = r - left
        share = length * rate
        if k > lowest:
            for end in tl.static_range(2):
                t, weight = share * end, turn * (2 * end - 1)
                rest = 1.0 - t
                value = (h0 * rest + h1 * t * 2.0) * rest + h2 * t * t
                first = ((h1 - h0) * rest + (h2 - h1) * t) * rate * 2.0 * inverse
                second = (h0 - h1 * 2.0 + h2) * rate * rate * 2.0 * inverse * inverse
                s, c_ = sine_cosine((left + length * end) * k)
                value, first = (value - second) * inverse * weight, first * inverse * weight
                sine += first * s - value * c_
                cosine += first * c_ + value * s
        else:
            for i in range(POINTS):
                node = tl.load(rule + 3 * i)
                t = share * node
                rest = 1.0 - t
                value = (h0 * rest + h1 * t * 2.0) * rest + h2 * t * t
                value = value * turn * length * tl.load(rule + 3 * i + 2)
                s, c_ = sine_cosine((left + length * node) * k)
                sine += value * s
                cosine += value * c_
    jump_by = tl.load(jump)
    row, row_2 = sums + k * batch + lane, sums + (n + 1 + k) * batch + lane
    tl.store(row, tl.load(row, mask=here) - jump_by * sine, mask=here)
    tl.store(row_2, tl.load(row_2, mask=here) - jump_by * cosine, mask=here)


@triton.jit
def curvature_kernel(
    z_waves, v_waves, integrand, batch, n, n_g, position, reach, lefts, ends, cells, jump, weight,
    WAVES: tl.constexpr, STEPS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """``jump G(r) V(r) / |f'(r)|`` at the crossings, 0 where f has no slope and past the last crossing.

    G is a trigonometric polynomial with harmonics up to ``n_g`` (``WAVES``) or quadratic on cells; between two cells
    it is the mean of both, and -1 is the same point as 1.
    """
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    slot = tl.program_id(1).to(tl.int64)
    here = lane < batch
    column = tl.minimum(lane, batch - 1)
    at = slot * batch + column
    r, live = tl.load(position + at), tl.load(reach + at) != 0.0
    _, slope = wave_slope(z_waves, column, batch, n, r)
    tangent, _ = wave_slope(v_waves, column, batch, n, r)
    if WAVES:
        value, _ = wave_slope(integrand, column, batch, n_g, r)
    else:
        value = r * 0.0
        for side in tl.static_range(2):
            x = r + (2.0 * side - 1.0) * 2.0 * ROUNDING
            x = tl.where(x < -1.0, 1.0, tl.where(x > 1.0, -1.0, x))
            c = cell_of(x, lefts, cells, STEPS)
            left = tl.load(lefts + c)
            t = (x - left) / (tl.load(ends + c) - left)
            row = integrand + 3 * c.to(tl.int64) * batch + column
            h0, h1, h2 = tl.load(row), tl.load(row + batch), tl.load(row + 2 * batch)
            value += ((h0 * (1.0 - t) + h1 * t * 2.0) * (1.0 - t) + h2 * t * t) * 0.5
    some = live & (slope != 0.0)
    result = tl.where(some, tl.load(jump) * value * tangent / tl.where(some, tl.abs(slope), 1.0), 0.0)
    tl.store(weight + slot * batch + lane, result, mask=here)


# -- tables ---------------------------------------------------------------------------------------------------------


class Tables(NamedTuple):
    """Constants on one device, float64.

    ``p``: (2 n + 2, d_in) coefficients of the waves; ``q``: the same, or (3 cells, d_out) Bernstein coefficients;
    ``full``: (3 cells, 2 n + 2) integrals over cells of Bernstein polynomials times waves.
    """

    n: int
    n_q: int
    p: Tensor
    q: Tensor
    full: Tensor
    lefts: Tensor
    ends: Tensor
    rule: Tensor
    lowest: int
    base: Tensor
    part: Tensor
    jump: Tensor
    negate: bool
    closed: bool
    parities: Tensor
    inverse: Tensor


def serves(p: Basis, q: Basis, gate: Gate) -> bool:
    """Whether these kernels compute the transform: p of harmonics, q of harmonics or splines of degree <= 2."""
    output = q.is_trigonometric or (q.is_piecewise and q.degree <= 2)
    frequency = max(p.max_frequency, q.max_frequency)
    return gate.is_continuous and p.is_trigonometric and 0 < p.max_frequency and frequency <= MOST_FREQUENCY and output


def wave_matrix(basis: Basis) -> np.ndarray:
    """Functions as coefficients of sines (rows k) and cosines (rows n + 1 + k), (2 n + 2, size)."""
    n, rows, factors = waves(basis)
    matrix = np.zeros((2 * n + 2, basis.size))
    matrix[rows, np.arange(basis.size)] = factors
    return matrix


def prepare(transform: Any, device: torch.device | str, dtype: torch.dtype) -> Tables:
    """The constants for inputs of any dtype on a device; ``transform`` has the bases p, q and the gate.

    Raises:
        ValueError: bases or a gate that :func:`serves` refuses.
    """
    p, q, gate = transform.p, transform.q, gate_slopes(transform.gate)
    if not serves(p, q, transform.gate):
        raise ValueError(f"no kernel for {p!r}, {q!r}, {transform.gate!r}")
    n, n_q = p.max_frequency, q.max_frequency
    m = np.arange(n + n_q + 1)
    lefts, ends, rule, full, matrix = np.zeros(1), np.zeros(1), np.zeros((1, 3)), np.zeros((3, 1)), np.zeros((3, 1))
    if q.is_trigonometric:
        matrix = wave_matrix(q)
    else:
        lefts, ends, rule, full, matrix = cell_tables(q, n)

    def table(values: Any) -> Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), device=device).contiguous()

    return Tables(
        n,
        n_q,
        table(wave_matrix(p)),
        table(matrix),
        table(full),
        table(lefts),
        table(ends),
        table(rule),
        int(SMALLEST_ANGLE / np.pi / np.min(ends - lefts)) if not q.is_trigonometric else 0,
        table([gate.base]),
        table([gate.part]),
        table([gate.jump]),
        gate.negate,
        gate.closed,
        table((-1.0) ** m[:, None]),
        table(np.where(m > 0, 1 / (np.pi * np.maximum(m, 1)), 0.0)),
    )


def cell_tables(q: Basis, n: int) -> tuple[np.ndarray, ...]:
    """Cells on which q is quadratic and the highest harmonic turns little.

    Returns:
        left ends, right ends, a quadrature rule for parts of cells, the matrices ``full`` and ``q`` of :class:`Tables`.
    """
    frame = split_frame(q.knots, n)
    edges = np.array([float(x) for x in frame])
    width = np.array([float(w) for w in widths(frame)])
    rule = gauss_rule(gauss_points(n * np.pi * width.max() / 2, 2) + 2)
    t, rest, weights = rule.T
    bernstein = np.stack([rest**2, 2 * t * rest, t**2]) * weights
    values = wave_table(n, (edges[:-1, None] + width[:, None] * t).ravel()).reshape(len(width), len(t), 2 * n + 2)
    full = np.einsum("c,kg,cgr->ckr", width, bernstein, values).reshape(3 * len(width), 2 * n + 2)
    matrix = np.zeros((len(width), 3, q.size))
    for c, piece in enumerate(on_frame(q, frame)):
        for j, coefficients in piece:
            matrix[c, :, j] += [float(x) for x in elevate(coefficients, 2)]
    return edges[:-1], edges[1:], rule, full, matrix.reshape(-1, q.size)


# -- launchers ------------------------------------------------------------------------------------------------------


class Crossings(NamedTuple):
    """Crossings of a chunk of rows: whether f > 0 at -1, their number (B), positions and directions (room, B)."""

    starts: Tensor
    counts: Tensor
    position: Tensor
    turn: Tensor


class Rows(NamedTuple):
    """Rows divided by powers of two, (B, d), zeros where they hold nan or inf; the powers as two factors (B, 1)."""

    values: Tensor
    unit: tuple[Tensor, Tensor]
    finite: Tensor


def forward(z: Tensor, tables: Tables) -> Tensor:
    """``u(z)``, IAT (17): (B, d_in) to (B, d_out) in the dtype of z; rows with nan or inf are nan."""
    return apply(z, z, tables)


def apply(z: Tensor, h: Tensor, tables: Tables, transpose: bool = False) -> Tensor:
    """``S(z) h`` for h (B, d_in), or ``S(z)^T h`` for h (B, d_out) if ``transpose``, IAT (18), (21).

    The result has the dtype of h; rows with nan or inf in z or h are nan.
    """
    return by_chunks(apply_chunk, h, (z, h), (tables.p if transpose else tables.q).shape[1], tables, transpose)


def second(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` with ``H_i`` the second derivatives of u_i: (B, d_in) in the dtype of z.

    Shapes (B, d_in), (B, d_out), (B, d_in). Crossings without slope are left out; rows with nan or inf are nan.
    """
    return by_chunks(second_chunk, z, (z, g, v), z.shape[1], tables)


def by_chunks(
    function: Callable[..., Tensor], like: Tensor, rows: tuple[Tensor, ...], size: int, tables: Tables, *options: bool
) -> Tensor:
    """Rows of results in the dtype of ``like``, computed for so many rows at a time that the scratch stays small."""
    out = torch.empty((len(like), size), dtype=like.dtype, device=like.device)
    step = max(1024, SCRATCH // (8 * room(tables) + 4 * len(tables.full)))
    for first in range(0, len(like), step):
        chunk = slice(first, first + step)
        out[chunk] = function(*(r[chunk] for r in rows), tables, *options)
    return out


def room(tables: Tables) -> int:
    """Rows for the crossings of a function: all that it can have, and one for what rounding may add."""
    return 2 * tables.n + 2


def scale(rows: Tensor) -> Rows:
    """Rows in float64, divided by powers of two near their largest entries."""
    values = rows.double()
    finite = values.isfinite().all(1, keepdim=True)
    values = torch.where(finite, values, 0.0)
    exponent = torch.frexp(values.abs().amax(1, keepdim=True)).exponent
    half = torch.div(exponent, 2, rounding_mode="floor")
    unit = torch.exp2(half.double()), torch.exp2((exponent - half).double())
    return Rows(values / unit[0] / unit[1], unit, finite)


def find_crossings(state: Tensor, tables: Tables) -> Crossings:
    """Crossings of functions given by waves, (2 n + 2, B)."""
    n, batch, slots = tables.n, state.shape[1], room(tables)
    low, position, turn = (state.new_empty((slots, batch)) for _ in range(3))
    starts, counts = state.new_empty(batch), torch.empty(batch, dtype=torch.int64, device=state.device)
    grid = triton.cdiv(batch, OPTIONS["LANES"])
    coarse = triton.next_power_of_2(4 * n)
    march_kernel[(grid,)](state, batch, n, coarse, starts, low, turn, position, counts, slots, **OPTIONS)
    polish_kernel[(grid, slots)](state, batch, n, counts, low, turn, position, **OPTIONS)
    if tables.closed:
        starts = torch.where((state == 0).all(0), 1.0, starts)
    return Crossings(starts, counts, position, turn)


def apply_chunk(z: Tensor, h: Tensor, tables: Tables, transpose: bool) -> Tensor:
    """``S(z) h`` or ``S(z)^T h`` for one chunk, in float64."""
    z_rows, h_rows = scale(z), scale(h)
    state = tables.p @ z_rows.values.T
    found = find_crossings(-state if tables.negate else state, tables)
    if tables.n_q:
        integrand, test = (tables.q, tables.p) if transpose else (tables.p, tables.q)
        sums = between_waves(found, integrand @ h_rows.values.T, tables, test.shape[0] // 2 - 1)
    elif transpose:
        sums, test = waves_of_pieces(found, tables.q @ h_rows.values.T, tables), tables.p
    else:
        sums, test = pieces_of_waves(found, tables.p @ h_rows.values.T, tables), tables.q
    result = (sums.T @ test) * h_rows.unit[0] * h_rows.unit[1]
    return torch.where(z_rows.finite & h_rows.finite, result, torch.nan)


def launch_grid(found: Crossings, *others: int) -> tuple[int, ...]:
    """Programs for all rows of a chunk, times others."""
    return (triton.cdiv(len(found.starts), OPTIONS["LANES"]), *others)


def point_sums(found: Crossings, weight: Tensor, most: int) -> Tensor:
    """``sum w_r sin(m pi r)``, m = 0 .. most, and the same with cosines: (2 most + 2, B)."""
    sums = weight.new_empty((2 * most + 2, weight.shape[1]))
    point_sums_kernel[launch_grid(found, most + 1)](
        found.position, weight, found.counts, weight.shape[1], most, sums, **OPTIONS
    )
    return sums


def between_waves(found: Crossings, integrand: Tensor, tables: Tables, tests: int) -> Tensor:
    """Integrals of ``a h`` times waves up to frequency ``tests``, (2 tests + 2, B), ``h`` given by waves."""
    n, most = integrand.shape[0] // 2 - 1, tables.n + tables.n_q
    sums = point_sums(found, found.turn, most)
    inverse = tables.inverse[:, None]
    sine = (sums[most + 1 :] - found.turn.sum(0) * tables.parities) * inverse
    cosine = -sums[: most + 1] * inverse
    cosine[0] = 2.0 * found.starts + (found.turn * (1.0 - found.position)).sum(0)
    chi = torch.cat([sine, cosine]) * tables.part
    chi[most + 1] += 2.0 * tables.base
    result = chi.new_empty((2 * tests + 2, chi.shape[1]))
    toeplitz_kernel[launch_grid(found, tests + 1)](
        chi, integrand, chi.shape[1], n, most, tests, result, **OPTIONS
    )  # fmt: skip
    return result


def pieces_of_waves(found: Crossings, integrand: Tensor, tables: Tables) -> Tensor:
    """Integrals of ``a h`` times the Bernstein polynomials of all cells, (3 cells, B), ``h`` given by waves."""
    slots, batch = found.position.shape
    parts = integrand.new_empty((3 * slots, batch))
    parts_kernel[launch_grid(found, slots)](
        integrand, batch, tables.n, found.position, tables.lefts, tables.ends, len(tables.lefts), tables.rule, parts,
        POINTS=len(tables.rule), STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    return slopes_times(found, tables.full @ integrand, parts, tables, True)


def slopes_times(found: Crossings, moments: Tensor, parts: Tensor, tables: Tables, has_parts: bool) -> Tensor:
    """Three rows a cell times its last slope, less the parts before crossings; in place."""
    cells_kernel[launch_grid(found, len(tables.lefts))](
        moments, moments.shape[1], found.starts, found.turn, found.position, found.counts, tables.lefts, tables.ends,
        parts, tables.base, tables.part, HAS_PARTS=has_parts, **OPTIONS,
    )  # fmt: skip
    return moments


def waves_of_pieces(found: Crossings, pieces: Tensor, tables: Tables) -> Tensor:
    """Integrals of ``a h`` times waves up to frequency n, (2 n + 2, B), ``h`` given by cells."""
    sums = tables.full.T @ slopes_times(found, pieces.clone(), pieces, tables, False)
    wave_parts_kernel[launch_grid(found, tables.n + 1)](
        pieces, pieces.shape[1], tables.n, tables.lowest, found.position, found.turn, found.counts, tables.lefts,
        tables.ends, len(tables.lefts), tables.rule, tables.part, sums,
        POINTS=len(tables.rule), STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    return sums


def second_chunk(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` for one chunk, in float64."""
    z_rows, g_rows, v_rows = scale(z), scale(g), scale(v)
    state, integrand = tables.p @ z_rows.values.T, tables.q @ g_rows.values.T
    found = find_crossings(state, tables)
    slots, batch = found.position.shape
    weight = torch.empty_like(found.position)
    curvature_kernel[launch_grid(found, slots)](
        state, tables.p @ v_rows.values.T, integrand, batch, tables.n, tables.n_q, found.position, found.turn,
        tables.lefts, tables.ends, len(tables.lefts), tables.jump, weight,
        WAVES=tables.n_q > 0, STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    result = point_sums(found, weight, tables.n).T @ tables.p
    for up, up_2, down in zip(g_rows.unit, v_rows.unit, z_rows.unit, strict=True):
        result = result / down * up * up_2
    return torch.where(z_rows.finite & g_rows.finite & v_rows.finite, result, torch.nan)


def steps(tables: Tables) -> int:
    """Halvings that leave one cell of all."""
    return max(1, (len(tables.lefts) - 1).bit_length())
