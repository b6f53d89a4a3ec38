"""Moments that pair a trigonometric with a piecewise polynomial side, or two trigonometric sides.

The slope of the gate along [-1, 1] is a step function: it starts at ``slope`` and changes by ``delta`` at each
crossing. With the cells ``[x_c, x_{c+1}]`` of a frame on which one side is polynomial,

    integral a h t ds = sum_c a(x_{c+1}) integral_cell h t ds - sum_crossings delta integral_{x_c}^{e} h t ds.

Harmonics that turn by a fair angle across a cell are integrated by parts, at crossings and at the ends of cells; the
first few, where that would lose digits, by a constant matrix and a Gauss-Legendre sum over the part of the cell.
Crossings need no order. If both sides are trigonometric everything follows from
``integral a exp(i m pi s) ds``: the activation matrix is Toeplitz plus Hankel.
"""

from __future__ import annotations

import math

from numba import njit

from .blocks import INLINE
from .local import coefficients, extremes, is_above, is_below, level_set, polynomial
from .memory import gather, int_at, load, lookup, real_at, scatter_add, store, store_lane
from .simd import LANES, floor, is_any, maximum, minimum, select, splat
from .waves import add_wave_parts, add_wave_tests, sine_cosine, wave_antiderivatives, wave_value


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
def bernstein_jet(degree, k, t, inverse):
    """A Bernstein polynomial of degree <= 2 and its derivatives with respect to s; ``inverse`` is dt/ds."""
    zero = t * 0.0
    if degree == 0:
        return zero + 1.0, zero, zero
    if degree == 1:
        return (1.0 - t, zero - inverse, zero) if k == 0 else (t, zero + inverse, zero)
    square = inverse * inverse * 2.0
    if k == 0:
        return (1.0 - t) * (1.0 - t), (t - 1.0) * (inverse * 2.0), zero + square
    if k == 1:
        return (1.0 - t) * t * 2.0, (1.0 - t * 2.0) * (inverse * 2.0), zero - square * 2.0
    return t * t, t * (inverse * 2.0), zero + square


@njit(**INLINE)
def polynomial_jet(degree, c0, c1, c2, t, inverse):
    """Value and derivatives with respect to s of a polynomial of degree <= 2 in Bernstein form."""
    value = polynomial(degree, c0, c1, c2, t, 1.0 - t)
    if degree == 0:
        return value, value * 0.0, value * 0.0
    if degree == 1:
        return value, (c1 - c0) * inverse, value * 0.0
    slope = ((c1 - c0) * (1.0 - t) + (c2 - c1) * t) * (inverse * 2.0)
    return value, slope, (c0 - c1 * 2.0 + c2) * (inverse * inverse * 2.0)


@njit(**INLINE)
def poly_tests_of_waves(
    slots, position, delta, slope, waves, n, low, cells, uniform, lefts, inverse, factors, rule, points, degree, ids,
    full, nodes, sums, parts, changes, scratch,
):  # fmt: skip
    """Wave integrand against polynomial tests, pattern by crossings; adds to the functional rows ``sums``.

    Harmonics up to ``low`` by quadrature, the others by parts: ``[B F1 - B' F2 + B'' F3]``.
    """
    for c in range(cells):
        store(changes, c, splat(0.0))
    for c in range(3 * cells):
        store(parts, c, splat(0.0))
    for i in range(slots):
        e, jump = load(position, i), load(delta, i)
        c = locate(e, cells, uniform, lefts, scratch)
        left, rate, factor = lookup(lefts, c), lookup(inverse, c), lookup(factors, c)
        length = e - left
        scale = rate * length
        sine, cosine = sine_cosine(e)
        f1, f2, f3 = wave_antiderivatives(waves, n, low, sine, cosine)
        weight = -(jump * rate * factor)
        f1, f2, f3 = f1 * weight, f2 * weight, f3 * weight
        for k in range(degree + 1):
            b0, b1, b2 = bernstein_jet(degree, k, scale, rate)
            scatter_add(parts, c * 3.0 + float(k), b0 * f1 - b1 * f2 + b2 * f3)
        scatter_add(changes, c, jump)
        weight = weight * length
        for g in range(points):
            x = real_at(rule, 3 * g)
            sine, cosine = sine_cosine(left + length * x)
            value = wave_value(waves, n, low, sine, cosine) * (weight * real_at(rule, 3 * g + 2))
            for k in range(degree + 1):
                b0, b1, b2 = bernstein_jet(degree, k, scale * x, rate)
                scatter_add(parts, c * 3.0 + float(k), b0 * value)
    start = slope
    l1, l2, l3 = node_values(nodes, 0, waves, n)
    for c in range(cells):
        end = start + load(changes, c)
        r1, r2, r3 = node_values(nodes, c + 1, waves, n)
        rate, factor = splat(real_at(inverse, c)), real_at(inverse, c) * real_at(factors, c)
        for k in range(degree + 1):
            b0, b1, b2 = bernstein_jet(degree, k, splat(1.0), rate)
            d0, d1, d2 = bernstein_jet(degree, k, splat(0.0), rate)
            total = (b0 * r1 - b1 * r2 + b2 * r3) * end - (d0 * l1 - d1 * l2 + d2 * l3) * start
            total = total * factor
            if points > 0:
                at = full + 16 * (n + 1) * ((degree + 1) * c + k)
                whole = load(waves, n + 1) * real_at(at, n + 1)
                for r in range(1, low + 1):
                    whole = whole + load(waves, r) * real_at(at, r)
                    whole = whole + load(waves, n + 1 + r) * real_at(at, n + 1 + r)
                total = total + whole * end
            row = int_at(ids, 3 * c + k)
            store(sums, row, load(sums, row) + total + load(parts, 3 * c + k))
        start = end
        l1, l2, l3 = r1, r2, r3


@njit(**INLINE)
def node_values(nodes, j, waves, n):
    """The three antiderivatives at node j, by a constant matrix."""
    v1, v2, v3 = splat(0.0), splat(0.0), splat(0.0)
    at = nodes + 48 * (n + 1) * j
    for r in range(2 * (n + 1)):
        value = load(waves, r)
        v1 = v1 + value * real_at(at, r)
        v2 = v2 + value * real_at(at, 2 * (n + 1) + r)
        v3 = v3 + value * real_at(at, 4 * (n + 1) + r)
    return v1, v2, v3


@njit(**INLINE)
def wave_tests_of_poly(
    slots, position, delta, slope, integrands, degree, ids, real_ids, cells, uniform, lefts, inverse, factors, rule,
    points, full, nodes, sums, n, low, parts, changes, jumps_at, scratch,
):  # fmt: skip
    """Polynomial integrand against wave tests, pattern by crossings; adds to the wave rows ``sums``.

    Harmonics up to ``low`` by quadrature, the others by parts: ``[h E1 - h' E2 + h'' E3]``.
    """
    for c in range(cells):
        store(changes, c, splat(0.0))
    for j in range(3 * (cells + 1)):
        store(jumps_at, j, splat(0.0))
    for i in range(slots):
        e, jump = load(position, i), load(delta, i)
        c = locate(e, cells, uniform, lefts, scratch)
        left, rate = lookup(lefts, c), lookup(inverse, c)
        length = e - left
        scale = rate * length
        h0 = gather(integrands, lookup(real_ids, c * 3.0))
        h1 = gather(integrands, lookup(real_ids, c * 3.0 + 1.0))
        h2 = gather(integrands, lookup(real_ids, c * 3.0 + 2.0))
        weight = -(jump * rate * lookup(factors, c))
        value, first, second = polynomial_jet(degree, h0, h1, h2, scale, rate)
        sine, cosine = sine_cosine(e)
        add_wave_parts(sums, n, low, sine, cosine, value * weight, first * weight, second * weight)
        weight = weight * length
        for g in range(points):
            x = real_at(rule, 3 * g)
            t = scale * x
            value = polynomial(degree, h0, h1, h2, t, 1.0 - t) * (weight * real_at(rule, 3 * g + 2))
            sine, cosine = sine_cosine(left + length * x)
            add_wave_tests(sums, n, low, sine, cosine, value)
        scatter_add(changes, c, jump)
    for c in range(cells):
        end = slope + load(changes, c)
        h0, h1, h2 = coefficients(integrands, ids, c, degree)
        rate, factor = splat(real_at(inverse, c)), real_at(inverse, c) * real_at(factors, c)
        v0, v1, v2 = polynomial_jet(degree, h0, h1, h2, splat(0.0), rate)
        weight = slope * (-factor)
        add_jet(jumps_at, 3 * c, v0, v1, v2, weight)
        v0, v1, v2 = polynomial_jet(degree, h0, h1, h2, splat(1.0), rate)
        add_jet(jumps_at, 3 * (c + 1), v0, v1, v2, end * factor)
        slope = end
        if points > 0:
            for k in range(degree + 1):
                store(parts, (degree + 1) * c + k, load(integrands, int_at(ids, 3 * c + k)) * slope)
    add_constants(3 * (cells + 1), jumps_at, nodes, sums, n, n)
    if points > 0:
        add_constants(cells * (degree + 1), parts, full, sums, n, low)


@njit(**INLINE)
def add_jet(rows, at, value, first, second, weight):
    """Add ``weight (h, -h', h'')`` to three rows."""
    store(rows, at, load(rows, at) + value * weight)
    store(rows, at + 1, load(rows, at + 1) - first * weight)
    store(rows, at + 2, load(rows, at + 2) + second * weight)


@njit(**INLINE)
def add_constants(count, parts, matrix, sums, n, low):
    """``sums[r] += sum_i matrix[i, r] parts[i]`` for the waves up to frequency ``low``."""
    for k in range(low + 1):
        sine, cosine = load(sums, k), load(sums, n + 1 + k)
        for i in range(count):
            part = load(parts, i)
            sine = sine + part * real_at(matrix, 2 * (n + 1) * i + k)
            cosine = cosine + part * real_at(matrix, 2 * (n + 1) * i + n + 1 + k)
        store(sums, k, sine)
        store(sums, n + 1 + k, cosine)


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
    waves_to_poly, left, right_rest, length, factor, start, width, rule, points, waves, n, degree, h0, h1, h2, sums
):
    """One interval of a cell: wave integrand to polynomial moments, or polynomial integrand to wave rows."""
    m0, m1, m2 = splat(0.0), splat(0.0), splat(0.0)
    weight = length * factor
    for g in range(points):
        t = length * real_at(rule, 3 * g) + left
        rest = length * real_at(rule, 3 * g + 1) + right_rest
        sine, cosine = sine_cosine(t * width + start)
        share = weight * real_at(rule, 3 * g + 2)
        if not waves_to_poly:
            add_wave_tests(sums, n, n, sine, cosine, polynomial(degree, h0, h1, h2, t, rest) * share)
            continue
        value = wave_value(waves, n, n, sine, cosine) * share
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
            left, right_rest, length, begin, second = level_set(degree_f, f0 - level, f1 - level, f2 - level, mixed)
            n0, n1, n2 = local_crossing_nodes(
                waves_to_poly, left, right_rest, length, jump * factor, start, width, rule, points, waves, n, degree,
                h0, h1, h2, sums,
            )  # fmt: skip
            m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
            twice = second > 0.0
            if is_any(twice):
                begin = select(twice, begin, 0.0)
                n0, n1, n2 = local_crossing_nodes(
                    waves_to_poly, begin, splat(0.0), second, jump * factor, start, width, rule, points, waves, n,
                    degree, h0, h1, h2, sums,
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
        add_constants(cells * (degree + 1), parts, full, sums, n, n)
    return first_slope, varied
