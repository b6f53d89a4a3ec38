"""The kernels of :mod:`.triton_waves`: crossings of a trigonometric polynomial, and moments between them."""

import math

import triton
import triton.language as tl

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
