"""The kernels of :mod:`.triton_local`: one polynomial in Bernstein form, pieces, and the sums over them."""

import triton
import triton.language as tl

NEAR = tl.constexpr(8 * 2.0**-52)
"""Relative distance within which f counts as 0 at the end of a piece."""
CLOSE = tl.constexpr(1e-9)
"""A crossing nearer to the end of a piece is the one at that end, if there is one."""

# -- one polynomial in Bernstein form -------------------------------------------------------------------------------


@triton.jit
def power_of_two(size):
    """Powers of two near ``1/size`` and ``size``, inverse to each other, for sizes >= 0."""
    if size.dtype == tl.float64:
        exponent = size.to(tl.int64, bitcast=True) >> 52
        exponent = tl.minimum(tl.maximum(exponent, 1), 2045)
        return ((2046 - exponent) << 52).to(tl.float64, bitcast=True), (exponent << 52).to(tl.float64, bitcast=True)
    else:
        exponent = size.to(tl.int32, bitcast=True) >> 23
        exponent = tl.minimum(tl.maximum(exponent, 1), 253)
        return ((254 - exponent) << 23).to(tl.float32, bitcast=True), (exponent << 23).to(tl.float32, bitcast=True)


@triton.jit
def square_root(x):
    """Correctly rounded."""
    return tl.sqrt(x) if x.dtype == tl.float64 else tl.sqrt_rn(x)


@triton.jit
def polynomial(DEGREE: tl.constexpr, c0, c1, c2, t, rest):
    """Value at t of a polynomial in Bernstein form; ``rest = 1 - t``."""
    if DEGREE == 0:
        return c0
    elif DEGREE == 1:
        return c0 * rest + c1 * t
    else:
        return (c0 * rest + c1 * t * 2.0) * rest + c2 * t * t


@triton.jit
def quadratic_roots(a0, a1, a2):
    """Roots of a quadratic in Bernstein form that takes both signs among its coefficients.

    In the coordinate ``x = t/(1 - t)`` they solve ``a2 x^2 + 2 a1 x + a0 = 0``; with
    ``w = -(a1 + sign(a1) sqrt(a1^2 - a0 a2))`` they are ``a0/w <= w/a2``: t and 1 - t both keep their digits.

    Returns:
        t and 1 - t of the low root and of the high one, whether a single root in [0, 1] is the high one,
        ``sqrt(a1^2 - a0 a2)``, which is ``|df/dt|/2`` at both roots (0 if there are none), and 1 - t of the low
        root over ``w + a2``, with which the distance of the roots is ``2 sqrt(a1^2 - a0 a2)`` times its modulus.
    """
    product = a0 * a2
    # one rounding at the end (Kahan)
    square = tl.fma(a1, a1, -product) - tl.fma(a0, a2, -product)
    radius = square_root(tl.maximum(square, 0.0))
    w = tl.where(a1 >= 0.0, -a1 - radius, radius - a1)
    low_sum, high_sum = a0 + w, w + a2
    low_inverse = 1.0 / tl.where(low_sum == 0.0, 1.0, low_sum)
    high_inverse = 1.0 / tl.where(high_sum == 0.0, 1.0, high_sum)
    use_high = ((w > 0.0) & (a2 > 0.0)) | ((w < 0.0) & (a2 < 0.0))
    low_rest = w * low_inverse
    return a0 * low_inverse, low_rest, w * high_inverse, a2 * high_inverse, use_high, radius, low_rest * high_inverse


@triton.jit
def positive_set(DEGREE: tl.constexpr, CLOSED: tl.constexpr, a0, a1, a2):
    """Where a polynomial in Bernstein form is positive on [0, 1] (``CLOSED``: not negative), up to null sets.

    Returns:
        the start t, the end 1 - t and the width of a first interval, and of a second one for quadratics that are
        positive at both ends only. Empty intervals have width 0.
    """
    low, high = a0, a0
    if DEGREE >= 1:
        low, high = tl.minimum(low, a1), tl.maximum(high, a1)
    if DEGREE == 2:
        low, high = tl.minimum(low, a2), tl.maximum(high, a2)
    if CLOSED:
        above = low >= 0.0
    else:
        above = (low >= 0.0) & (high > 0.0)
    zero = a0 * 0.0
    left, rest, width = zero, zero, tl.where(above, 1.0, zero)
    left_2, width_2 = zero, zero
    mixed = (low < 0.0) & (high > 0.0)
    if DEGREE == 1:
        b0, b1 = tl.where(mixed, a0, 1.0), tl.where(mixed, a1, -1.0)
        inverse = 1.0 / (b0 - b1)
        root, other = b0 * inverse, -(b1 * inverse)
        down = b0 > 0.0
        left = tl.where(mixed & ~down, root, left)
        rest = tl.where(mixed & down, other, rest)
        width = tl.where(mixed, tl.where(down, root, other), width)
    if DEGREE == 2:
        unit, _ = power_of_two(tl.maximum(high, -low))
        b0, b1, b2 = tl.where(mixed, a0 * unit, 1.0), tl.where(mixed, a1 * unit, 0.0), tl.where(mixed, a2 * unit, -1.0)
        r, r_rest, r_2, r_2_rest, use_high, radius, share = quadratic_roots(b0, b1, b2)
        starts, ends = b0 > 0.0, b2 > 0.0
        single, both, real = starts ^ ends, starts & ends, radius > 0.0
        one, one_rest = tl.where(use_high, r_2, r), tl.where(use_high, r_2_rest, r_rest)
        gap = tl.where(real, radius * 2.0 * tl.abs(share), 0.0)
        # from the start: to the single root, to the low one, or to the end if there is none
        stop, stop_rest = (
            tl.where(single, one, tl.where(real, r, 1.0)),
            tl.where(single, one_rest, tl.where(real, r_rest, 0.0)),
        )
        left = tl.where(mixed & ~starts, tl.where(ends, one, r), left)
        rest = tl.where(mixed & ~(single & ends), tl.where(starts, stop_rest, r_2_rest), rest)
        width = tl.where(mixed, tl.where(starts, stop, tl.where(ends, one_rest, gap)), width)
        apart = mixed & both & real
        left_2, width_2 = tl.where(apart, r_2, 0.0), tl.where(apart, r_2_rest, 0.0)
    return left, rest, width, left_2, width_2


@triton.jit
def moment(
    H: tl.constexpr, T: tl.constexpr, POINTS: tl.constexpr, h0, h1, h2, q0, q1, q2, left, right_rest, width, rule
):
    """``integral of h q`` over an interval that starts at ``left`` and ends ``right_rest`` before 1.

    Degrees H and T; ``rule`` holds nodes t, 1 - t and weights of an exact Gauss-Legendre rule on [0, 1].
    """
    total = h0 * 0.0
    for i in tl.static_range(POINTS):
        t = width * tl.load(rule + 3 * i) + left
        rest = width * tl.load(rule + 3 * i + 1) + right_rest
        product = polynomial(H, h0, h1, h2, t, rest) * polynomial(T, q0, q1, q2, t, rest)
        total += product * tl.load(rule + 3 * i + 2)
    return total * width


# -- rows and tables ------------------------------------------------------------------------------------------------


@triton.jit
def row_units(rows, count, columns, ROWS: tl.constexpr, OUTS: tl.constexpr, like):
    """Of each row, (ROWS, 1), powers of two near 1 / m and near m, m its largest modulus, and whether m is finite.

    The powers have the dtype of ``like``; they mean nothing where an entry is nan or inf.
    """
    size = tl.zeros([ROWS, OUTS], like.dtype.element_ty)
    for j in range(0, count, OUTS):
        x = tl.abs(tl.load(rows + (j + columns), mask=j + columns < count, other=0.0).to(like.dtype.element_ty))
        size = tl.maximum(size, tl.where(x < float("inf"), x, float("inf")))
    size = tl.max(size, axis=1, keep_dims=True)
    unit, back = power_of_two(size)
    return unit, back, size < float("inf")


@triton.jit
def coefficients(rows, unit, first, kind, offsets, weights, DEGREE: tl.constexpr, TERMS: tl.constexpr):
    """Bernstein coefficients of a piece of ``unit * basis^T row``: weighted sums over the functions living there."""
    c0 = unit * 0.0
    c1, c2 = c0, c0
    rows += first
    offsets += kind * TERMS
    weights += kind * (TERMS * (DEGREE + 1))
    for i in tl.static_range(TERMS):
        x = tl.load(rows + tl.load(offsets + i)).to(weights.dtype.element_ty) * unit
        c0 += x * tl.load(weights + i * (DEGREE + 1))
        if DEGREE >= 1:
            c1 += x * tl.load(weights + (i * (DEGREE + 1) + 1))
        if DEGREE >= 2:
            c2 += x * tl.load(weights + (i * (DEGREE + 1) + 2))
    return c0, c1, c2


@triton.jit
def end_sizes(rows, unit, first, kind, offsets, weights, DEGREE: tl.constexpr, TERMS: tl.constexpr):
    """Sums of moduli of the terms of the first and of the last coefficient."""
    start = unit * 0.0
    stop = start
    rows += first
    offsets += kind * TERMS
    weights += kind * (TERMS * (DEGREE + 1))
    for i in tl.static_range(TERMS):
        x = tl.load(rows + tl.load(offsets + i)).to(weights.dtype.element_ty) * unit
        start += tl.abs(x * tl.load(weights + i * (DEGREE + 1)))
        stop += tl.abs(x * tl.load(weights + (i * (DEGREE + 1) + DEGREE)))
    return start, stop


@triton.jit
def test_coefficients(kind, tests, DEGREE: tl.constexpr):
    """Bernstein coefficients of the function of a lane, times the width of the piece."""
    at = tests + kind * (DEGREE + 1)
    q0 = tl.load(at)
    q1, q2 = q0, q0
    if DEGREE >= 1:
        q1 = tl.load(at + 1)
    if DEGREE >= 2:
        q2 = tl.load(at + 2)
    return q0, q1, q2


# -- crossings ------------------------------------------------------------------------------------------------------


@triton.jit
def crossing(DEGREE: tl.constexpr, NUMBER: tl.constexpr, f0, f1, f2):
    """t, 1 - t and ``df/dt`` (up to sign) of a sign change in (0, 1), and whether there is one.

    NUMBER 0 is a single root or the low one of two, 1 the high one.
    """
    if DEGREE == 1:
        crossed = ((f0 < 0.0) & (f1 > 0.0)) | ((f0 > 0.0) & (f1 < 0.0))
        a0, a1 = tl.where(crossed, f0, 1.0), tl.where(crossed, f1, -1.0)
        inverse = 1.0 / (a0 - a1)
        return a0 * inverse, -(a1 * inverse), f1 - f0, crossed
    else:
        low, high = tl.minimum(tl.minimum(f0, f1), f2), tl.maximum(tl.maximum(f0, f1), f2)
        mixed = (low < 0.0) & (high > 0.0)
        unit, back = power_of_two(tl.maximum(high, -low))
        a0, a1 = tl.where(mixed, f0 * unit, 1.0), tl.where(mixed, f1 * unit, 0.0)
        a2 = tl.where(mixed, f2 * unit, -1.0)
        r, r_rest, r_2, r_2_rest, use_high, radius, _ = quadratic_roots(a0, a1, a2)
        single = (a0 > 0.0) ^ (a2 > 0.0)
        if NUMBER == 0:
            use_high = single & use_high
            crossed = mixed & (radius > 0.0)
        else:
            use_high = ~single
            crossed = mixed & (radius > 0.0) & use_high
        t, rest = tl.where(use_high, r_2, r), tl.where(use_high, r_2_rest, r_rest)
        return tl.where(crossed, t, 0.0), tl.where(crossed, rest, 1.0), 2.0 * radius * back, crossed


@triton.jit
def zero_ends(DEGREE: tl.constexpr, f0, f1, f2, start_size, end_size):
    """Whether f counts as 0 at the start and at the end of a piece; the sizes are those of :func:`end_sizes`."""
    last = f1
    if DEGREE == 2:
        last = f2
    return tl.abs(f0) <= start_size * NEAR, tl.abs(last) <= end_size * NEAR


@triton.jit
def counted_crossing(DEGREE: tl.constexpr, NUMBER: tl.constexpr, f0, f1, f2, at_start, at_end):
    """t, 1 - t, ``df/dt`` (up to sign) and weight of one of the 2 + DEGREE places where f may cross 0 on a piece.

    NUMBER 0 is the start and 1 the end, which weigh one half where f is 0 there; 2 and 3 are the roots between, which
    weigh 1. What is no crossing, lies too near to an end that counts, or has no slope weighs 0.
    """
    if NUMBER == 0:
        t, rest, weight = f0 * 0.0, f0 * 0.0 + 1.0, tl.where(at_start, 0.5, 0.0)
        slope = (f1 - f0) * DEGREE
    elif NUMBER == 1:
        t, rest, weight = f0 * 0.0 + 1.0, f0 * 0.0, tl.where(at_end, 0.5, 0.0)
        if DEGREE == 1:
            slope = f1 - f0
        else:
            slope = (f2 - f1) * DEGREE
    else:
        t, rest, slope, crossed = crossing(DEGREE, NUMBER - 2, f0, f1, f2)
        crossed = crossed & ~((at_start & (t <= CLOSE)) | (at_end & (rest <= CLOSE)))
        weight = tl.where(crossed, 1.0, 0.0)
    return t, rest, slope, tl.where(slope != 0.0, weight, 0.0)


# -- kernels --------------------------------------------------------------------------------------------------------


@triton.jit
def apply_kernel(
    z, z_stride, h, h_stride, out, batch, z_size, h_size, out_size,
    visits, z_offsets, z_weights, h_offsets, h_weights, tests, rule, slopes,
    VISITS: tl.constexpr, Z_DEGREE: tl.constexpr, Z_TERMS: tl.constexpr, H_DEGREE: tl.constexpr,
    H_TERMS: tl.constexpr, T_DEGREE: tl.constexpr, POINTS: tl.constexpr, SAME: tl.constexpr, NEGATE: tl.constexpr,
    CLOSED: tl.constexpr, HAS_BASE: tl.constexpr, HAS_JUMP: tl.constexpr, ROWS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    """``out_i = integral of t_i(s) a(f(s)) h(s) ds``, ``f`` and ``h`` from rows of z and h; one program for ROWS rows.

    Args:
        z, h: (batch, z_size) and (batch, h_size), rows ``stride`` entries apart; ``SAME``: h is z.
        out: (batch, out_size), contiguous, written.
        visits: (VISITS, 3, out_size): for each piece that an output visits, the first coefficients of f and of h that
            matter there, and the kind of the piece.
        z_offsets, z_weights: (kinds, TERMS) and (kinds, TERMS, DEGREE + 1): further coefficients and their weights.
        tests: (kinds, T_DEGREE + 1): the output's function on the piece, times its width.
        rule: (POINTS, 3) Gauss-Legendre.
        slopes: ``(base, jump)``: a is ``base + jump`` where f is positive (``NEGATE``: negative), ``base`` elsewhere.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    columns = tl.arange(0, OUTS)[None, :]
    inside = tl.minimum(row, batch - 1)
    z_rows, h_rows = z + inside * z_stride, h + inside * h_stride
    unit, back, finite = row_units(z_rows, z_size, columns, ROWS, OUTS, rule)
    h_unit = unit
    if not SAME:
        h_unit, back, h_finite = row_units(h_rows, h_size, columns, ROWS, OUTS, rule)
        finite = finite & h_finite
    # a row of nan takes part as zeros
    unit, h_unit = tl.where(finite, unit, 0.0), tl.where(finite, h_unit, 0.0)
    base, jump = tl.load(slopes), tl.load(slopes + 1)
    for first in range(0, out_size, OUTS):
        column = tl.minimum(first + columns, out_size - 1)
        total = tl.zeros([ROWS, OUTS], rule.dtype.element_ty)
        for k in range(VISITS):
            at = visits + 3 * k * out_size + column
            kind = tl.load(at + 2 * out_size)
            q0, q1, q2 = test_coefficients(kind, tests, T_DEGREE)
            f0, f1, f2 = coefficients(z_rows, unit, tl.load(at), kind, z_offsets, z_weights, Z_DEGREE, Z_TERMS)
            h0, h1, h2 = f0, f1, f2
            if not SAME:
                h0, h1, h2 = coefficients(
                    h_rows, h_unit, tl.load(at + out_size), kind, h_offsets, h_weights, H_DEGREE, H_TERMS
                )
            if HAS_BASE:
                zero = f0 * 0.0
                total += base * moment(H_DEGREE, T_DEGREE, POINTS, h0, h1, h2, q0, q1, q2, zero, zero, zero + 1.0, rule)
            if HAS_JUMP:
                if NEGATE:
                    f0, f1, f2 = -f0, -f1, -f2
                left, rest, width, left_2, width_2 = positive_set(Z_DEGREE, CLOSED, f0, f1, f2)
                part = moment(H_DEGREE, T_DEGREE, POINTS, h0, h1, h2, q0, q1, q2, left, rest, width, rule)
                if Z_DEGREE == 2:
                    part += moment(H_DEGREE, T_DEGREE, POINTS, h0, h1, h2, q0, q1, q2, left_2, 0.0, width_2, rule)
                total += jump * part
        result = tl.where(finite, total * back, float("nan"))
        wanted = (row < batch) & (first + columns < out_size)
        tl.store(out + row * out_size + (first + columns), result.to(out.dtype.element_ty), mask=wanted)


@triton.jit
def second_kernel(
    z, z_stride, g, g_stride, v, v_stride, out, batch, z_size, g_size,
    visits, z_offsets, z_weights, g_offsets, g_weights, tests, jump_at,
    VISITS: tl.constexpr, Z_DEGREE: tl.constexpr, Z_TERMS: tl.constexpr, G_DEGREE: tl.constexpr,
    G_TERMS: tl.constexpr, ROWS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    """``out_j = sum over crossings r of jump G(r) V(r) p_j(r) / |f'(r)|`` with ``G = q^T g``, ``V = p^T v``.

    Crossings at the end of a piece count one half from each side; those without slope are left out. Arguments as in
    :func:`apply_kernel`, the tests being p; Z_DEGREE is 1 or 2.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    columns = tl.arange(0, OUTS)[None, :]
    inside = tl.minimum(row, batch - 1)
    z_rows, g_rows, v_rows = z + inside * z_stride, g + inside * g_stride, v + inside * v_stride
    unit, _, finite = row_units(z_rows, z_size, columns, ROWS, OUTS, tests)
    g_unit, g_back, g_finite = row_units(g_rows, g_size, columns, ROWS, OUTS, tests)
    v_unit, v_back, v_finite = row_units(v_rows, z_size, columns, ROWS, OUTS, tests)
    finite = finite & g_finite & v_finite
    z_unit = tl.where(finite, unit, 0.0)
    g_unit, v_unit = tl.where(finite, g_unit, 0.0), tl.where(finite, v_unit, 0.0)
    jump = tl.load(jump_at)
    for first in range(0, z_size, OUTS):
        column = tl.minimum(first + columns, z_size - 1)
        total = tl.zeros([ROWS, OUTS], tests.dtype.element_ty)
        for k in range(VISITS):
            at = visits + 3 * k * z_size + column
            kind = tl.load(at + 2 * z_size)
            start, g_start = tl.load(at), tl.load(at + z_size)
            p0, p1, p2 = test_coefficients(kind, tests, Z_DEGREE)
            f0, f1, f2 = coefficients(z_rows, z_unit, start, kind, z_offsets, z_weights, Z_DEGREE, Z_TERMS)
            v0, v1, v2 = coefficients(v_rows, v_unit, start, kind, z_offsets, z_weights, Z_DEGREE, Z_TERMS)
            g0, g1, g2 = coefficients(g_rows, g_unit, g_start, kind, g_offsets, g_weights, G_DEGREE, G_TERMS)
            size_0, size_1 = end_sizes(z_rows, z_unit, start, kind, z_offsets, z_weights, Z_DEGREE, Z_TERMS)
            at_start, at_end = zero_ends(Z_DEGREE, f0, f1, f2, size_0, size_1)
            for i in tl.static_range(2 + Z_DEGREE):
                t, rest, slope, weight = counted_crossing(Z_DEGREE, i, f0, f1, f2, at_start, at_end)
                value = polynomial(G_DEGREE, g0, g1, g2, t, rest) * polynomial(Z_DEGREE, v0, v1, v2, t, rest)
                value = value * polynomial(Z_DEGREE, p0, p1, p2, t, rest)
                some = weight > 0.0
                total += tl.where(some, value * weight / tl.where(some, tl.abs(slope), 1.0), 0.0)
        result = tl.where(finite, jump * total * unit * g_back * v_back, float("nan"))
        wanted = (row < batch) & (first + columns < z_size)
        tl.store(out + row * z_size + (first + columns), result.to(out.dtype.element_ty), mask=wanted)
