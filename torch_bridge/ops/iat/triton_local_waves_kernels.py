"""The kernels of :mod:`.triton_local_waves`: polynomials against harmonics on intervals, and sums over them."""

import triton
import triton.language as tl

from .triton_local_kernels import (
    coefficients,
    counted_crossing,
    end_sizes,
    polynomial,
    positive_set,
    row_units,
    zero_ends,
)
from .triton_waves_kernels import PI, sine_cosine


def _series(order: int, terms: int = 9) -> list[float]:
    """``j_order(y) / y^order`` as a polynomial in ``y^2``, highest power first: remainder 1e-17 for y <= 1."""
    factor, result = 1.0, []
    for k in range(order + 1):
        factor /= 2 * k + 1
    for k in range(terms):
        result.append(factor)
        factor /= -2.0 * (k + 1) * (2 * order + 2 * k + 3)
    return result[::-1]


FIRST = tl.constexpr(_series(1))
SECOND = tl.constexpr(_series(2))
TERMS = tl.constexpr(9)

# -- intervals ------------------------------------------------------------------------------------------------------


@triton.jit
def bessel(x):
    """Spherical Bessel functions ``j_0, j_1, j_2`` at ``pi x``, x >= 0; series below 1, where closed forms cancel."""
    s, c = sine_cosine(x)
    y = x * PI
    small = y < 1.0
    inverse = 1.0 / tl.where(small, 1.0, y)
    zeroth = s * inverse
    first = (zeroth - c) * inverse
    second = 3.0 * first * inverse - zeroth
    y = tl.where(small, y, 0.0)
    y2 = y * y
    a, b = y2 * 0.0, y2 * 0.0
    for i in tl.static_range(TERMS):
        a = a * y2 + FIRST[i]
        b = b * y2 + SECOND[i]
    b = b * y2
    return tl.where(small, 3.0 * a - b, zeroth), tl.where(small, a * y, first), tl.where(small, b, second)


@triton.jit
def wave_moments(frequency, start, length, left, rest, width):
    """What harmonics are on an interval of a piece that begins at ``start``, against Legendre polynomials.

    With P_l those of the interval, m its middle, ``integral of exp(i k pi s) P_l = i^l L exp(i k pi m) j_l``.

    Returns:
        sine and cosine at m, and ``L j_l``, l = 0, 1, 2, L the length of the interval.
    """
    middle = start + length * (left + 0.5 * width)
    s, c = sine_cosine(frequency * middle)
    size = length * width
    j0, j1, j2 = bessel(frequency * (0.5 * size))
    return s, c, j0 * size, j1 * size, j2 * size


@triton.jit
def legendre(DEGREE: tl.constexpr, c0, c1, c2, left, rest, width):
    """Legendre coefficients on an interval of a polynomial in Bernstein form."""
    t, y = left + 0.5 * width, rest + 0.5 * width
    value = polynomial(DEGREE, c0, c1, c2, t, y)
    if DEGREE == 0:
        return value, value * 0.0, value * 0.0
    elif DEGREE == 1:
        return value, (c1 - c0) * (0.5 * width), value * 0.0
    else:
        bend = (c0 - 2.0 * c1 + c2) * width * width * (1.0 / 6.0)
        return value + 0.5 * bend, ((c1 - c0) * y + (c2 - c1) * t) * width, bend


@triton.jit
def add_harmonics(DEGREE: tl.constexpr, frequency, start, length, left, rest, width, h0, h1, h2, sine, cosine):
    """Add ``integral of h sin(k pi s)`` and ``... cos ...`` over an interval."""
    a0, a1, a2 = legendre(DEGREE, h0, h1, h2, left, rest, width)
    s, c, j0, j1, j2 = wave_moments(frequency, start, length, left, rest, width)
    even, odd = a0 * j0 - a2 * j2, a1 * j1
    return sine + even * s + odd * c, cosine + even * c - odd * s


@triton.jit
def wave_rows(rows, sines, cosines, factors, frequencies, first, count, unit, WAVES: tl.constexpr):
    """Frequencies from number ``first`` on, (1, WAVES), and ``unit`` times the coefficients of their sines and cosines.

    ``rows`` (ROWS, 1) are coefficients of functions: of ``factors[k] sin`` at ``sines[k]``, of
    ``factors[count + k] cos`` at ``cosines[k]``; -1 where there is none.
    """
    k = first + tl.arange(0, WAVES)[None, :]
    used = k < count
    at_sine, at_cosine = tl.load(sines + k, mask=used, other=-1), tl.load(cosines + k, mask=used, other=-1)
    a = tl.load(rows + tl.maximum(at_sine, 0)).to(unit.dtype) * unit
    b = tl.load(rows + tl.maximum(at_cosine, 0)).to(unit.dtype) * unit
    a = tl.where(at_sine >= 0, a * tl.load(factors + k, mask=used, other=0.0), 0.0)
    b = tl.where(at_cosine >= 0, b * tl.load(factors + count + k, mask=used, other=0.0), 0.0)
    return tl.load(frequencies + k, mask=used, other=0.0), a, b


@triton.jit
def bernstein_moments(
    DEGREE: tl.constexpr, rows, sines, cosines, factors, frequencies, count, unit, start, length, left, rest, width,
    WAVES: tl.constexpr,
):  # fmt: skip
    """``integral of h B_i`` over an interval, h given by coefficients of waves, B_i those of the piece; (ROWS, 1)."""
    zero = unit * 0.0
    m0, m1, m2 = zero, zero, zero
    for first in range(0, count, WAVES):
        frequency, a, b = wave_rows(rows, sines, cosines, factors, frequencies, first, count, unit, WAVES)
        s, c, j0, j1, j2 = wave_moments(frequency, start, length, left, rest, width)
        value, slope = a * s + b * c, a * c - b * s
        m0 += tl.sum(value * j0, axis=1, keep_dims=True)
        if DEGREE >= 1:
            m1 += tl.sum(slope * j1, axis=1, keep_dims=True)
        if DEGREE == 2:
            m2 -= tl.sum(value * j2, axis=1, keep_dims=True)
    t, y = left + 0.5 * width, rest + 0.5 * width
    if DEGREE == 0:
        return m0, zero, zero
    elif DEGREE == 1:
        half = m1 * (0.5 * width)
        return m0 * y - half, m0 * t + half, zero
    else:
        turn = m1 * width
        bend = (m2 + 0.5 * m0) * width * width * (1.0 / 6.0)
        return m0 * y * y - turn * y + bend, 2.0 * (m0 * y * t - bend) + turn * (y - t), m0 * t * t + turn * t + bend


@triton.jit
def add_tests(DEGREE: tl.constexpr, tests, piece, column, size, m0, m1, m2, total):
    """Add sums of Bernstein coefficients of functions on a piece times ``m_i``."""
    at = tests + piece * (DEGREE + 1) * size + column
    total += m0 * tl.load(at)
    if DEGREE >= 1:
        total += m1 * tl.load(at + size)
    if DEGREE == 2:
        total += m2 * tl.load(at + 2 * size)
    return total


# -- kernels --------------------------------------------------------------------------------------------------------


@triton.jit
def harmonics_kernel(
    z, z_stride, h, h_stride, out, batch, z_size, out_size, lefts, widths, firsts, kinds, offsets, weights, pieces,
    sines, cosines, factors, frequencies, count, jump, DEGREE: tl.constexpr, TERMS: tl.constexpr, SAME: tl.constexpr,
    NEGATE: tl.constexpr, CLOSED: tl.constexpr, ROWS: tl.constexpr, WAVES: tl.constexpr,
):  # fmt: skip
    """``out_i = jump integral of w_i(s) 1[f(s) > 0] h(s) ds``, f and h from rows of z and h, w_i waves.

    One program for ROWS rows and WAVES frequencies.

    Args:
        z, h: (batch, z_size), rows ``stride`` entries apart; ``SAME``: h is z.
        out: (batch, out_size), contiguous, written.
        lefts, widths: of the pieces.
        firsts, kinds, offsets, weights: the coefficients that matter on a piece, as in :func:`.coefficients`.
        sines, cosines, factors, frequencies: as in :func:`wave_rows`.
        jump: one number; ``NEGATE``: where f is negative, ``CLOSED``: also where f is 0.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    columns = tl.arange(0, WAVES)[None, :]
    inside = tl.minimum(row, batch - 1)
    z_rows, h_rows = z + inside * z_stride, h + inside * h_stride
    unit, back, finite = row_units(z_rows, z_size, columns, ROWS, WAVES, weights)
    h_unit = unit
    if not SAME:
        h_unit, back, h_finite = row_units(h_rows, z_size, columns, ROWS, WAVES, weights)
        finite = finite & h_finite
    unit, h_unit = tl.where(finite, unit, 0.0), tl.where(finite, h_unit, 0.0)
    k = tl.program_id(1) * WAVES + columns
    frequency = tl.load(frequencies + k, mask=k < count, other=0.0)
    sine = tl.zeros([ROWS, WAVES], weights.dtype.element_ty)
    cosine = sine
    for c in range(pieces):
        first, kind = tl.load(firsts + c), tl.load(kinds + c)
        start, length = tl.load(lefts + c), tl.load(widths + c)
        f0, f1, f2 = coefficients(z_rows, unit, first, kind, offsets, weights, DEGREE, TERMS)
        h0, h1, h2 = f0, f1, f2
        if not SAME:
            h0, h1, h2 = coefficients(h_rows, h_unit, first, kind, offsets, weights, DEGREE, TERMS)
        if NEGATE:
            f0, f1, f2 = -f0, -f1, -f2
        left, rest, width, left_2, width_2 = positive_set(DEGREE, CLOSED, f0, f1, f2)
        sine, cosine = add_harmonics(DEGREE, frequency, start, length, left, rest, width, h0, h1, h2, sine, cosine)
        if DEGREE == 2:
            if tl.max(tl.max(width_2, axis=1), axis=0) > 0.0:
                sine, cosine = add_harmonics(
                    DEGREE, frequency, start, length, left_2, left_2 * 0.0, width_2, h0, h1, h2, sine, cosine
                )
    scale = tl.load(jump)
    for part in tl.static_range(2):
        if part == 0:
            total, at = sine, tl.load(sines + k, mask=k < count, other=-1)
        else:
            total, at = cosine, tl.load(cosines + k, mask=k < count, other=-1)
        factor = tl.load(factors + part * count + k, mask=k < count, other=0.0)
        result = tl.where(finite, total * (scale * factor) * back, float("nan"))
        tl.store(out + row * out_size + at, result.to(out.dtype.element_ty), mask=(row < batch) & (at >= 0))


@triton.jit
def pieces_kernel(
    z, z_stride, h, h_stride, out, batch, z_size, h_size, lefts, widths, firsts, kinds, offsets, weights, tests, spans,
    sines, cosines, factors, frequencies, count, jump, DEGREE: tl.constexpr, TERMS: tl.constexpr,
    NEGATE: tl.constexpr, CLOSED: tl.constexpr, ROWS: tl.constexpr, WAVES: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    """``out_j = jump integral of p_j(s) 1[f(s) > 0] h(s) ds``, f from rows of z, h of waves from rows of h.

    One program for ROWS rows and OUTS outputs; it visits the pieces on which one of these lives.

    Args:
        z, h: (batch, z_size) and (batch, h_size), rows ``stride`` entries apart.
        out: (batch, z_size), contiguous, written.
        tests: (pieces, DEGREE + 1, z_size): Bernstein coefficients of p.
        spans: (programs, 2): the first piece and the one after the last.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    columns, k = tl.arange(0, OUTS)[None, :], tl.arange(0, WAVES)[None, :]
    inside = tl.minimum(row, batch - 1)
    z_rows, h_rows = z + inside * z_stride, h + inside * h_stride
    unit, _, finite = row_units(z_rows, z_size, columns, ROWS, OUTS, weights)
    h_unit, back, h_finite = row_units(h_rows, h_size, k, ROWS, WAVES, weights)
    finite = finite & h_finite
    unit, h_unit = tl.where(finite, unit, 0.0), tl.where(finite, h_unit, 0.0)
    column = tl.program_id(1) * OUTS + columns
    here = tl.minimum(column, z_size - 1)
    total = tl.zeros([ROWS, OUTS], weights.dtype.element_ty)
    span = spans + 2 * tl.program_id(1)
    for c in range(tl.load(span), tl.load(span + 1)):
        start, length = tl.load(lefts + c), tl.load(widths + c)
        f0, f1, f2 = coefficients(
            z_rows, unit, tl.load(firsts + c), tl.load(kinds + c), offsets, weights, DEGREE, TERMS
        )  # fmt: skip
        if NEGATE:
            f0, f1, f2 = -f0, -f1, -f2
        left, rest, width, left_2, width_2 = positive_set(DEGREE, CLOSED, f0, f1, f2)
        m0, m1, m2 = bernstein_moments(
            DEGREE, h_rows, sines, cosines, factors, frequencies, count, h_unit, start, length, left, rest, width, WAVES
        )
        total = add_tests(DEGREE, tests, c, here, z_size, m0, m1, m2, total)
        if DEGREE == 2:
            if tl.max(tl.max(width_2, axis=1), axis=0) > 0.0:
                m0, m1, m2 = bernstein_moments(
                    DEGREE, h_rows, sines, cosines, factors, frequencies, count, h_unit, start, length, left_2,
                    left_2 * 0.0, width_2, WAVES,
                )  # fmt: skip
                total = add_tests(DEGREE, tests, c, here, z_size, m0, m1, m2, total)
    result = tl.where(finite, total * tl.load(jump) * back, float("nan"))
    tl.store(out + row * z_size + column, result.to(out.dtype.element_ty), mask=(row < batch) & (column < z_size))


@triton.jit
def second_waves_kernel(
    z, z_stride, g, g_stride, v, v_stride, out, batch, z_size, g_size, lefts, widths, firsts, kinds, offsets, weights,
    tests, spans, sines, cosines, factors, frequencies, count, jump, DEGREE: tl.constexpr, TERMS: tl.constexpr,
    ROWS: tl.constexpr, WAVES: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    """``out_j = sum over crossings r of jump G(r) V(r) p_j(r) / |f'(r)|`` with ``G = q^T g`` of waves, ``V = p^T v``.

    Crossings at the end of a piece count one half from each side; those without slope are left out. Arguments as in
    :func:`pieces_kernel`.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    columns, k = tl.arange(0, OUTS)[None, :], tl.arange(0, WAVES)[None, :]
    inside = tl.minimum(row, batch - 1)
    z_rows, g_rows, v_rows = z + inside * z_stride, g + inside * g_stride, v + inside * v_stride
    unit, _, finite = row_units(z_rows, z_size, columns, ROWS, OUTS, weights)
    g_unit, g_back, g_finite = row_units(g_rows, g_size, k, ROWS, WAVES, weights)
    v_unit, v_back, v_finite = row_units(v_rows, z_size, columns, ROWS, OUTS, weights)
    finite = finite & g_finite & v_finite
    z_unit = tl.where(finite, unit, 0.0)
    g_unit, v_unit = tl.where(finite, g_unit, 0.0), tl.where(finite, v_unit, 0.0)
    column = tl.program_id(1) * OUTS + columns
    here = tl.minimum(column, z_size - 1)
    total = tl.zeros([ROWS, OUTS], weights.dtype.element_ty)
    span = spans + 2 * tl.program_id(1)
    for piece in range(tl.load(span), tl.load(span + 1)):
        start, length = tl.load(lefts + piece), tl.load(widths + piece)
        first, kind = tl.load(firsts + piece), tl.load(kinds + piece)
        f0, f1, f2 = coefficients(z_rows, z_unit, first, kind, offsets, weights, DEGREE, TERMS)
        v0, v1, v2 = coefficients(v_rows, v_unit, first, kind, offsets, weights, DEGREE, TERMS)
        size_0, size_1 = end_sizes(z_rows, z_unit, first, kind, offsets, weights, DEGREE, TERMS)
        at_start, at_end = zero_ends(DEGREE, f0, f1, f2, size_0, size_1)
        for i in tl.static_range(2 + DEGREE):
            t, rest, slope, weight = counted_crossing(DEGREE, i, f0, f1, f2, at_start, at_end)
            if tl.max(tl.max(weight, axis=1), axis=0) > 0.0:
                value = f0 * 0.0
                for first_wave in range(0, count, WAVES):
                    frequency, a, b = wave_rows(
                        g_rows, sines, cosines, factors, frequencies, first_wave, count, g_unit, WAVES
                    )
                    s, c = sine_cosine(frequency * (start + length * t))
                    value += tl.sum(a * s + b * c, axis=1, keep_dims=True)
                value = value * polynomial(DEGREE, v0, v1, v2, t, rest) * weight * length
                value = value / tl.where(weight > 0.0, tl.abs(slope), 1.0)
                if DEGREE == 1:
                    total = add_tests(DEGREE, tests, piece, here, z_size, value * rest, value * t, value, total)
                else:
                    total = add_tests(
                        DEGREE, tests, piece, here, z_size, value * rest * rest, value * t * rest * 2.0,
                        value * t * t, total,
                    )  # fmt: skip
    result = tl.where(finite, tl.load(jump) * total * unit * g_back * v_back, float("nan"))
    tl.store(out + row * z_size + column, result.to(out.dtype.element_ty), mask=(row < batch) & (column < z_size))
