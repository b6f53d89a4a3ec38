"""Exact transform for piecewise polynomials of degree at most 2 on both sides: closed forms per piece.

On every piece of the common refinement the state function has at most three Bernstein coefficients. Per gate level
the set where it lies above the level is at most two intervals, given in closed form; the moments of an integrand
``h`` against Bernstein test polynomials over such an interval are exact Gauss-Legendre sums. The same kernel computes

* the transform: pattern from z, ``h = p^T z``, tested with q;
* the vector-Jacobian product: pattern from z, ``h = q^T g``, tested with p;
* the Jacobian-vector product and the decoupled form: pattern from z, ``h = p^T v``, tested with q.

Nothing of the size of a mesh is ever formed, and nothing but z is needed for the derivative.

A piece is one long chain of operations, each waiting for the one before; two blocks of eight samples side by side take
hardly longer than one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import INLINE, OPTIONS, constant_slope, gather_products, load_rows, scale_levels, store_rows
from .level_sets import ends_apart, extremes, is_above, is_below, level_set
from .memory import ROW, address, first_line, int_at, keep, load, real_at, store, store_int
from .simd import (
    LANES,
    fill,
    first_half,
    is_any,
    join,
    second_half,
    select,
    splat,
    unlikely,
)
from .tables import GATE, SIDE, gate_at, gate_entries, pack, side_at, side_entries
from .team import share


@njit(**INLINE)
def polynomial(degree, c0, c1, c2, t, rest):
    """Value at t of a polynomial of degree <= 2 in Bernstein form, ``rest = 1 - t``."""
    if degree == 0:
        return c0
    if degree == 1:
        return c0 * rest + c1 * t
    return (c0 * rest + c1 * t * 2.0) * rest + c2 * t * t


@njit(**INLINE)
def interval_moments(degree_h, h0, h1, h2, degree_t, left, right_rest, width, factor, rule, points):
    """``factor width sum_i omega_i h(t_i) B_k(t_i)`` for the Bernstein polynomials B_k of degree ``degree_t``.

    The interval starts at ``left`` and ends ``right_rest`` before 1; t and 1 - t are sums of positive numbers.
    """
    m0, m1, m2 = fill(left, 0.0), fill(left, 0.0), fill(left, 0.0)
    weight = width * factor
    if degree_h == 2:
        h1 = h1 * 2.0
    for i in range(points):
        t = width * real_at(rule, 3 * i) + left
        rest = width * real_at(rule, 3 * i + 1) + right_rest
        value = h0
        if degree_h == 1:
            value = h0 * rest + h1 * t
        elif degree_h == 2:
            value = (h0 * rest + h1 * t) * rest + h2 * (t * t)
        value = value * (weight * real_at(rule, 3 * i + 2))
        if degree_t == 0:
            m0 = m0 + value
        elif degree_t == 1:
            m0 = m0 + value * rest
            m1 = m1 + value * t
        else:
            after, before = value * t, value * rest
            m0 = m0 + before * rest
            m1 = m1 + before * t
            m2 = m2 + after * t
    if degree_t == 2:
        m1 = m1 * 2.0
    return m0, m1, m2


@njit(**INLINE)
def coefficients(block, ids, piece, degree):
    """The Bernstein coefficients of a piece, repeated past the degree."""
    c0 = load(block, int_at(ids, 3 * piece))
    c1 = load(block, int_at(ids, 3 * piece + 1)) if degree >= 1 else c0
    c2 = load(block, int_at(ids, 3 * piece + 2)) if degree >= 2 else c0
    return c0, c1, c2


@njit(**INLINE)
def load_pair(block, second, i):
    """Row i of a block, and of the block that starts ``second`` bytes later, as one vector of 16."""
    return join(load(block, i), load(block + second, i))


@njit(**INLINE)
def pair_coefficients(block, second, ids, piece, degree):
    """:func:`coefficients` of two blocks."""
    c0 = load_pair(block, second, int_at(ids, 3 * piece))
    c1 = load_pair(block, second, int_at(ids, 3 * piece + 1)) if degree >= 1 else c0
    c2 = load_pair(block, second, int_at(ids, 3 * piece + 2)) if degree >= 2 else c0
    return c0, c1, c2


@njit(**INLINE)
def add_pair(sums, second, row, value):
    """Add a vector of 16 to ``sums[row]`` of two blocks."""
    total = value + load_pair(sums, second, row)
    store(sums, row, first_half(total))
    store(sums + second, row, second_half(total))


@njit(**INLINE)
def add_row(sums, second, row, moment, mass, degree_h, h0, h1, h2):
    """Add a moment of the crossed parts and the mass-matrix row of the whole part to ``sums[row]`` of two blocks."""
    total = moment + h0 * real_at(mass, 0)
    if degree_h >= 1:
        total = total + h1 * real_at(mass, 1)
    if degree_h >= 2:
        total = total + h2 * real_at(mass, 2)
    # what the piece before has left there comes last: nothing waits for it
    add_pair(sums, second, row, total)


@njit(**INLINE)
def add_apart(
    k, j, state, ids_f, integrands, ids_h, degree_h, sums, ids_t, degree_t, rule, points, widths, levels, jumps,
    closed, second,
):  # fmt: skip
    """Add what :func:`quadratic_interval` leaves on piece k for level j."""
    f0, f1, f2 = pair_coefficients(state, second, ids_f, k, 2)
    h0, h1, h2 = pair_coefficients(integrands, second, ids_h, k, degree_h)
    low, high = extremes(2, f0, f1, f2)
    level, factor = load_pair(levels, second, j), real_at(jumps, j) * real_at(widths, k)
    mixed = ~(is_above(low, high, level, closed) | is_below(low, high, level, closed))
    end, end_rest, start, start_rest = ends_apart(f0 - level, f1 - level, f2 - level, mixed)
    nothing = fill(f0, 0.0)
    for i in range(2):
        left, right_rest = (nothing, end_rest) if i == 0 else (start, nothing)
        m0, m1, m2 = interval_moments(
            degree_h, h0, h1, h2, degree_t, left, right_rest, end if i == 0 else start_rest, factor, rule, points
        )
        add_pair(sums, second, int_at(ids_t, 3 * k), m0)
        if degree_t >= 1:
            add_pair(sums, second, int_at(ids_t, 3 * k + 1), m1)
        if degree_t >= 2:
            add_pair(sums, second, int_at(ids_t, 3 * k + 2), m2)


@njit(**INLINE)
def integrate_pieces(
    pieces, state, ids_f, degree_f, integrands, ids_h, degree_h, sums, ids_t, degree_t,
    mass, rule, points, widths, levels, count, jumps, base, closed, later, second,
):  # fmt: skip
    """Add the moments over all pieces and gate levels to ``sums``, for two blocks of samples.

    Arrays are given by address; those of the second block start ``second`` bytes later. Pairs of intervals, which
    are rare, wait in ``later``, so that the loop over pieces has no registers to keep for them.

    Returns:
        the slope on the first piece, and the lanes whose slope is not the same everywhere.
    """
    nothing = join(splat(0.0), splat(0.0))
    first_slope, varied, waiting = nothing + base, nothing > 0.0, 0
    for k in range(pieces):
        f0, f1, f2 = pair_coefficients(state, second, ids_f, k, degree_f)
        h0, h1, h2 = pair_coefficients(integrands, second, ids_h, k, degree_h)
        low, high = extremes(degree_f, f0, f1, f2)
        width = real_at(widths, k)
        slope = nothing + base
        m0, m1, m2 = nothing, nothing, nothing
        for j in range(count):
            level, jump = load_pair(levels, second, j), real_at(jumps, j)
            above, below = is_above(low, high, level, closed), is_below(low, high, level, closed)
            mixed = ~(above | below)
            varied = varied | mixed
            if is_any(mixed):
                left, right_rest, length, outside, apart = level_set(
                    degree_f, f0 - level, f1 - level, f2 - level, mixed
                )
                factor = nothing + jump * width
                if degree_f == 2:
                    # the whole piece less the interval
                    above = above | outside
                    factor = select(outside, -factor, factor)
                n0, n1, n2 = interval_moments(
                    degree_h, h0, h1, h2, degree_t, left, right_rest, length, factor, rule, points
                )
                m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
                if unlikely(is_any(apart)):
                    store_int(later, waiting, k * count + j)
                    waiting += 1
            slope = slope + select(above, jump, 0.0)
        if k == 0:
            first_slope = slope
        varied = varied | ~(slope == first_slope)
        whole = slope * width
        h0, h1, h2 = h0 * whole, h1 * whole, h2 * whole
        stride = 8 * (degree_h + 1)
        add_row(sums, second, int_at(ids_t, 3 * k), m0, mass, degree_h, h0, h1, h2)
        if degree_t >= 1:
            add_row(sums, second, int_at(ids_t, 3 * k + 1), m1, mass + stride, degree_h, h0, h1, h2)
        if degree_t >= 2:
            add_row(sums, second, int_at(ids_t, 3 * k + 2), m2, mass + 2 * stride, degree_h, h0, h1, h2)
    for i in range(waiting):
        add_apart(
            int_at(later, i) // count, int_at(later, i) % count, state, ids_f, integrands, ids_h, degree_h, sums,
            ids_t, degree_t, rule, points, widths, levels, jumps, closed, second,
        )  # fmt: skip
    return first_slope, varied


def local_tables(pattern, integrand, test, mass, rule, widths, whole, gate):
    """The tables of :func:`local_rows`.

    Args:
        pattern, integrand, test: sides of :mod:`iatcore.plan`.
        mass: exact ``integral_0^1 B_i B_j``, (degree_test + 1, degree_h + 1).
        rule: (n, 3) Gauss-Legendre nodes t, 1 - t and weights on [0, 1].
        widths: (pieces,) factor of each piece.
        whole: (d_test, d_h) ``integral test integrand`` over [-1, 1], used where the slope is constant.
        gate: ``(levels, jumps, base, closed)``.
    """
    sides = [entry for side in (pattern, integrand, test) for entry in side_entries(side)]
    return pack(*sides, *gate_entries(*gate), mass, rule, len(rule), widths, len(widths), whole)


@njit(**OPTIONS)
def local_rows(z, h, out, same, tables, start, stop):
    """Rows ``start .. stop - 1`` of the local transform.

    Args:
        z: (B, d_pattern) coefficients of the state function.
        h: (B, d_h) coefficients of the integrand; ignored if ``same``.
        out: (B, d_test), written.
        tables: numbers of :func:`local_tables`.
    """
    at = address(tables)
    ids_f, degree_f, count_f, ptr_f, index_f, value_f, _, _, _ = side_at(at, 0)
    ids_h, degree_h, count_h, ptr_h, index_h, value_h, _, _, _ = side_at(at, SIDE)
    ids_t, degree_t, count_t, _, _, _, out_ptr, out_index, out_value = side_at(at, 2 * SIDE)
    gate_levels, jumps, m, base, closed = gate_at(at, 3 * SIDE)
    mass, rule, points = int_at(at, 3 * SIDE + GATE), int_at(at, 3 * SIDE + GATE + 1), int_at(at, 3 * SIDE + GATE + 2)
    widths, pieces, whole = (
        int_at(at, 3 * SIDE + GATE + 3), int_at(at, 3 * SIDE + GATE + 4), int_at(at, 3 * SIDE + GATE + 5),
    )  # fmt: skip
    size_f, size_h, size_t = z.shape[1], h.shape[1], out.shape[1]
    # one number for each piece and level
    waiting = pieces * m // LANES + 1
    rows = size_f + count_f + size_h + count_h + count_t + size_t + m + waiting
    second = rows * ROW
    scratch = np.empty((2 * rows + 1, LANES))
    at_z = first_line(scratch)
    at_state = at_z + size_f * ROW
    at_h, at_integrands = at_state + count_f * ROW, at_state + (count_f + size_h) * ROW
    at_sums = at_integrands + count_h * ROW
    at_out, at_levels = at_sums + count_t * ROW, at_sums + (count_t + size_t) * ROW
    at_later = at_levels + m * ROW
    if same:
        at_h, at_integrands = at_z, at_state
    exponent, exponent_2 = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    exponent_h, exponent_h_2 = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    scale_levels(gate_levels, m, exponent, at_levels)
    scale_levels(gate_levels, m, exponent, at_levels + second)
    for first in range(start, stop, 2 * LANES):
        middle = min(first + LANES, stop)
        lanes, lanes_2 = middle - first, min(LANES, stop - middle)
        ordinary = load_rows(z, first, lanes, at_z, exponent)
        ordinary_2 = load_rows(z, middle, lanes_2, at_z + second, exponent_2)
        if not (ordinary and ordinary_2):
            scale_levels(gate_levels, m, exponent, at_levels)
            scale_levels(gate_levels, m, exponent_2, at_levels + second)
        gather_products(count_f, ptr_f, index_f, value_f, at_z, at_state, second)
        if not same:
            ordinary = load_rows(h, first, lanes, at_h, exponent_h) and ordinary
            ordinary_2 = load_rows(h, middle, lanes_2, at_h + second, exponent_h_2) and ordinary_2
            gather_products(count_h, ptr_h, index_h, value_h, at_h, at_integrands, second)
        for i in range(count_t):
            store(at_sums, i, splat(0.0))
            store(at_sums + second, i, splat(0.0))
        slope, varied = integrate_pieces(
            pieces, at_state, ids_f, degree_f, at_integrands, ids_h, degree_h, at_sums, ids_t, degree_t, mass, rule,
            points, widths, at_levels, m, jumps, base, closed, at_later, second,
        )  # fmt: skip
        gather_products(size_t, out_ptr, out_index, out_value, at_sums, at_out, second)
        constant_slope(size_t, size_h, first_half(slope), first_half(varied), whole, at_h, at_out)
        constant_slope(size_t, size_h, second_half(slope), second_half(varied), whole, at_h + second, at_out + second)
        store_rows(at_out, first, lanes, out, ordinary, exponent if same else exponent_h, exponent)
        store_rows(at_out + second, middle, lanes_2, out, ordinary_2, exponent_2 if same else exponent_h_2, exponent_2)
        if not (ordinary and ordinary_2):
            for numbers in (exponent, exponent_2, exponent_h, exponent_h_2):
                numbers[:] = 0
            scale_levels(gate_levels, m, exponent, at_levels)
            scale_levels(gate_levels, m, exponent_2, at_levels + second)
    keep(scratch)


@njit(**OPTIONS)
def local_batch(team, z, *args):
    """:func:`local_rows` on a whole batch."""
    share(team, local_rows, (z, *args), z.shape[0])
