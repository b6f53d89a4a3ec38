"""Moments that pair a trigonometric with a piecewise polynomial side, or two trigonometric sides.

The slope of the gate along [-1, 1] is a step function: it starts at ``slope`` and changes by ``delta`` at each
crossing. With the cells ``[x_c, x_{c+1}]`` of a frame on which one side is polynomial,

    integral a h t ds = sum_c a(x_{c+1}) integral_cell h t ds - sum_crossings delta integral_{x_c}^{e} h t ds.

The first sum is a constant matrix, the second a Gauss-Legendre sum whose number of points is fixed by the highest
harmonic and the width of a cell. Crossings need no order. If both sides are trigonometric everything follows from
``integral a exp(i m pi s) ds``: the activation matrix is Toeplitz plus Hankel.
"""

from __future__ import annotations

import math

from numba import njit

from .blocks import INLINE
from .local import coefficients, extremes, is_above, is_below, level_set, polynomial
from .simd import (
    LANES,
    floor,
    gather,
    int_at,
    is_any,
    load,
    lookup,
    maximum,
    minimum,
    real_at,
    scatter_add,
    select,
    splat,
    store,
    store_lane,
)  # fmt: skip
from .waves import add_wave_tests, sine_cosine, wave_value


@njit(**INLINE)
def locate(e, cells, uniform, lefts, scratch):
    """The cell of each lane's point, as doubles; ``lefts`` are the left ends, ``scratch`` one row."""
    if uniform:
        return minimum(maximum(floor((e + 1.0) * (0.5 * cells)), 0.0), cells - 1.0)
    store(scratch, 0, e)
    for lane in range(LANES):
        x = real_at(scratch, lane)
        low, high = 0, cells
        while high - low > 1:
            middle = (low + high) // 2
            if real_at(lefts, middle) <= x:
                low = middle
            else:
                high = middle
        store_lane(scratch, lane, float(low))
    return load(scratch, 0)


@njit(**INLINE)
def poly_tests_of_waves(
    slots, position, delta, slope, waves, n, cells, uniform, lefts, inverse, factors, rule, points, degree, ids, full,
    sums, parts, changes, scratch,
):  # fmt: skip
    """Wave integrand against polynomial tests, pattern by crossings; adds to the functional rows ``sums``."""
    for c in range(cells):
        store(changes, c, splat(0.0))
        for k in range(degree + 1):
            store(parts, 3 * c + k, splat(0.0))
    for i in range(slots):
        e, jump = load(position, i), load(delta, i)
        c = locate(e, cells, uniform, lefts, scratch)
        left = lookup(lefts, c)
        length = e - left
        scale = lookup(inverse, c) * length
        weight = -(jump * scale * lookup(factors, c))
        m0, m1, m2 = splat(0.0), splat(0.0), splat(0.0)
        for g in range(points):
            x = real_at(rule, 3 * g)
            sine, cosine = sine_cosine(left + length * x)
            value = wave_value(waves, n, sine, cosine) * (weight * real_at(rule, 3 * g + 2))
            t = scale * x
            if degree == 0:
                m0 = m0 + value
            elif degree == 1:
                m0 = m0 + value * (1.0 - t)
                m1 = m1 + value * t
            else:
                m0 = m0 + value * (1.0 - t) * (1.0 - t)
                m1 = m1 + value * (t * 2.0) * (1.0 - t)
                m2 = m2 + value * t * t
        scatter_add(changes, c, jump)
        scatter_add(parts, c * 3.0, m0)
        if degree >= 1:
            scatter_add(parts, c * 3.0 + 1.0, m1)
        if degree >= 2:
            scatter_add(parts, c * 3.0 + 2.0, m2)
    for c in range(cells):
        slope = slope + load(changes, c)
        for k in range(degree + 1):
            total = splat(0.0)
            at = full + 16 * (n + 1) * ((degree + 1) * c + k)
            for r in range(2 * (n + 1)):
                total = total + load(waves, r) * real_at(at, r)
            row = int_at(ids, 3 * c + k)
            store(sums, row, load(sums, row) + total * slope + load(parts, 3 * c + k))


@njit(**INLINE)
def wave_tests_of_poly(
    slots, position, delta, slope, integrands, degree, ids, real_ids, cells, uniform, lefts, inverse, factors, rule,
    points, full, sums, n, parts, changes, scratch,
):  # fmt: skip
    """Polynomial integrand against wave tests, pattern by crossings; adds to the wave rows ``sums``."""
    for c in range(cells):
        store(changes, c, splat(0.0))
    for i in range(slots):
        e, jump = load(position, i), load(delta, i)
        c = locate(e, cells, uniform, lefts, scratch)
        left = lookup(lefts, c)
        length = e - left
        scale = lookup(inverse, c) * length
        weight = -(jump * scale * lookup(factors, c))
        h0 = gather(integrands, lookup(real_ids, c * 3.0))
        h1 = gather(integrands, lookup(real_ids, c * 3.0 + 1.0))
        h2 = gather(integrands, lookup(real_ids, c * 3.0 + 2.0))
        for g in range(points):
            x = real_at(rule, 3 * g)
            t = scale * x
            value = polynomial(degree, h0, h1, h2, t, 1.0 - t) * (weight * real_at(rule, 3 * g + 2))
            sine, cosine = sine_cosine(left + length * x)
            add_wave_tests(sums, n, sine, cosine, value)
        scatter_add(changes, c, jump)
    for c in range(cells):
        slope = slope + load(changes, c)
        for k in range(degree + 1):
            store(parts, (degree + 1) * c + k, load(integrands, int_at(ids, 3 * c + k)) * slope)
    add_full_cells(cells * (degree + 1), parts, full, sums, n)


@njit(**INLINE)
def add_full_cells(count, parts, full, sums, n):
    """``sums[r] += sum_i full[i, r] parts[i]``: whole cells against the waves."""
    for r in range(2 * (n + 1)):
        total = load(sums, r)
        for i in range(count):
            total = total + load(parts, i) * real_at(full, 2 * (n + 1) * i + r)
        store(sums, r, total)


@njit(**INLINE)
def wave_tests_of_waves(slots, position, delta, slope, waves, n, tests, sums, chi):
    """Wave integrand (harmonics up to n) against wave tests (up to ``tests``) through ``integral a exp(i m pi s)``.

    ``chi`` has ``2 (n + tests + 1)`` rows: integrals of ``a sin(m pi s)``, then of ``a cos(m pi s)``.
    """
    most = n + tests
    at_cos = most + 1
    for m in range(2 * (most + 1)):
        store(chi, m, splat(0.0))
    measure, change = slope * 2.0, splat(0.0)
    for i in range(slots):
        e, jump = load(position, i), load(delta, i)
        measure, change = measure + jump * (1.0 - e), change + jump
        sine, cosine = sine_cosine(e)
        s, c = jump * sine, jump * cosine
        for m in range(1, most + 1):
            store(chi, m, load(chi, m) + c)
            store(chi, at_cos + m, load(chi, at_cos + m) - s)
            s, c = s * cosine + c * sine, c * cosine - s * sine
    for m in range(1, most + 1):
        inverse = 1.0 / (m * math.pi)
        sign = 1.0 if m % 2 == 0 else -1.0
        store(chi, m, (load(chi, m) - change * sign) * inverse)
        store(chi, at_cos + m, load(chi, at_cos + m) * inverse)
    store(chi, at_cos, measure)
    for i in range(tests + 1):
        sine_sum, cosine_sum = splat(0.0), splat(0.0)
        for k in range(n + 1):
            a, b = load(waves, k), load(waves, n + 1 + k)
            gap = i - k if i >= k else k - i
            sign = 1.0 if i >= k else -1.0
            s_sum, s_gap = load(chi, i + k), load(chi, gap) * sign
            c_sum, c_gap = load(chi, at_cos + i + k), load(chi, at_cos + gap)
            sine_sum = sine_sum + b * (s_sum + s_gap) + a * (c_gap - c_sum)
            cosine_sum = cosine_sum + b * (c_sum + c_gap) + a * (s_sum - s_gap)
        store(sums, i, load(sums, i) + sine_sum * 0.5)
        store(sums, tests + 1 + i, load(sums, tests + 1 + i) + cosine_sum * 0.5)


@njit(**INLINE)
def local_crossing_nodes(
    waves_to_poly, left, left_rest, right, right_rest, weight, start, width, rule, points, waves, n, degree, h0, h1, h2,
    sums,
):  # fmt: skip
    """One interval of a cell: wave integrand to polynomial moments, or polynomial integrand to wave rows."""
    m0, m1, m2 = splat(0.0), splat(0.0), splat(0.0)
    for g in range(points):
        x, y = real_at(rule, 3 * g), real_at(rule, 3 * g + 1)
        t = left * y + right * x
        rest = left_rest * y + right_rest * x
        sine, cosine = sine_cosine(t * width + start)
        share = weight * real_at(rule, 3 * g + 2)
        if not waves_to_poly:
            add_wave_tests(sums, n, sine, cosine, polynomial(degree, h0, h1, h2, t, rest) * share)
            continue
        value = wave_value(waves, n, sine, cosine) * share
        if degree == 0:
            m0 = m0 + value
        elif degree == 1:
            m0 = m0 + value * rest
            m1 = m1 + value * t
        else:
            m0 = m0 + value * rest * rest
            m1 = m1 + value * (t * 2.0) * rest
            m2 = m2 + value * t * t
    return m0, m1, m2


@njit(**INLINE)
def local_pattern_moments(
    waves_to_poly, cells, lefts, real_widths, factors, state, ids_f, degree_f, levels, count, jumps, base, closed,
    waves, n, integrands, ids, degree, rule, points, full, sums, parts,
):  # fmt: skip
    """Pattern from a piecewise polynomial state, the other side trigonometric.

    ``waves_to_poly``: integrand ``waves``, polynomial tests, adds to functional rows ``sums``; otherwise integrand
    ``integrands`` (functional rows), wave tests, adds to wave rows ``sums``.

    Returns:
        the slope on the first cell, and the lanes whose slope is not the same everywhere.
    """
    first_slope, varied = splat(base), splat(0.0) > 0.0
    for c in range(cells):
        f0, f1, f2 = coefficients(state, ids_f, c, degree_f)
        h0, h1, h2 = f0, f1, f2
        if not waves_to_poly:
            h0, h1, h2 = coefficients(integrands, ids, c, degree)
        low, high = extremes(degree_f, f0, f1, f2)
        factor, start, width = real_at(factors, c), real_at(lefts, c), real_at(real_widths, c)
        whole = splat(base)
        m0, m1, m2 = splat(0.0), splat(0.0), splat(0.0)
        for j in range(count):
            level, jump = load(levels, j), real_at(jumps, j)
            above, below = is_above(low, high, level, closed), is_below(low, high, level, closed)
            whole = whole + select(above, jump, 0.0)
            mixed = ~(above | below)
            varied = varied | mixed
            if not is_any(mixed):
                continue
            left, left_rest, right, right_rest, length, begin, begin_rest, second = level_set(
                degree_f, f0 - level, f1 - level, f2 - level, mixed
            )
            n0, n1, n2 = local_crossing_nodes(
                waves_to_poly, left, left_rest, right, right_rest, length * (jump * factor), start, width, rule, points,
                waves, n, degree, h0, h1, h2, sums,
            )  # fmt: skip
            m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
            if is_any(second > 0.0):
                n0, n1, n2 = local_crossing_nodes(
                    waves_to_poly, begin, begin_rest, splat(1.0), splat(0.0), second * (jump * factor), start, width,
                    rule, points, waves, n, degree, h0, h1, h2, sums,
                )  # fmt: skip
                m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
        if c == 0:
            first_slope = whole
        varied = varied | ~(whole == first_slope)
        if not waves_to_poly:
            store(parts, (degree + 1) * c, h0 * whole)
            if degree >= 1:
                store(parts, (degree + 1) * c + 1, h1 * whole)
            if degree >= 2:
                store(parts, (degree + 1) * c + 2, h2 * whole)
            continue
        for k in range(degree + 1):
            total = splat(0.0)
            at = full + 16 * (n + 1) * ((degree + 1) * c + k)
            for r in range(2 * (n + 1)):
                total = total + load(waves, r) * real_at(at, r)
            total = total * whole
            if k == 0:
                total = total + m0
            elif k == 1:
                total = total + m1
            else:
                total = total + m2
            row = int_at(ids, 3 * c + k)
            store(sums, row, load(sums, row) + total)
    if not waves_to_poly:
        add_full_cells(cells * (degree + 1), parts, full, sums, n)
    return first_slope, varied
