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
from .local import coefficients, polynomial
from .memory import ROW, gather_two, int_at, load, load_like, load_two, lookup, real_at, scatter_add, store, store_lane
from .simd import (
    LANES,
    fill,
    first_half,
    floor,
    join,
    maximum,
    minimum,
    second_half,
    splat,
    total,
)
from .waves import add_wave_parts, add_wave_tests, sine_cosine, turn, wave_antiderivatives, wave_value


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
def bernstein_parts(degree, t, rate, f1, f2, f3):
    """``B f1 - B' f2 + B'' f3`` for the Bernstein polynomials of degree <= 2; ``rate`` is dt/ds."""
    y, zero = 1.0 - t, t * 0.0
    if degree == 0:
        return f1, zero, zero
    f2 = f2 * rate
    if degree == 1:
        return y * f1 + f2, t * f1 - f2, zero
    f2, f3 = f2 * 2.0, f3 * (rate * rate) * 2.0
    return y * (y * f1 + f2) + f3, t * y * f1 * 2.0 - (y - t) * f2 - f3 * 2.0, t * (t * f1 - f2) + f3


@njit(**INLINE)
def bernstein_values(degree, t, f):
    """``B f`` for the Bernstein polynomials of degree <= 2."""
    y, zero = 1.0 - t, t * 0.0
    if degree == 0:
        return f, zero, zero
    if degree == 1:
        return y * f, t * f, zero
    return y * y * f, t * y * f * 2.0, t * t * f


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
def look_up_two(table, c, c_2):
    """Entries of a table for two rows of indices."""
    return join(lookup(table, c), lookup(table, c_2))


@njit(**INLINE)
def cells_of_two(e, cells, uniform, lefts, inverse, factors, scratch):
    """Cells of sixteen points: their numbers (two rows), left ends, ``1/width`` and factors."""
    c = locate(first_half(e), cells, uniform, lefts, scratch)
    c_2 = locate(second_half(e), cells, uniform, lefts, scratch)
    if uniform:
        left = (join(c, c_2) - 0.5 * cells) * (2.0 / cells)
        return c, c_2, left, fill(e, real_at(inverse, 0)), fill(e, real_at(factors, 0))
    return c, c_2, look_up_two(lefts, c, c_2), look_up_two(inverse, c, c_2), look_up_two(factors, c, c_2)


@njit(**INLINE)
def scatter_two(rows, c, c_2, value):
    """Add the halves of a vector of 16 to entries ``(c, lane)`` and ``(c_2, lane)``."""
    scatter_add(rows, c, first_half(value))
    scatter_add(rows, c_2, second_half(value))


@njit(**INLINE)
def poly_tests_of_waves(
    slots, position, delta, slope, waves, n, low, cells, uniform, symmetric, lefts, inverse, factors, rule, points,
    powers, degree, ids, full, nodes, sums, parts, ends, scratch,
):  # fmt: skip
    """Wave integrand against polynomial tests, pattern by crossings; adds to the functional rows ``sums``.

    Harmonics up to ``low`` by quadrature, the others by parts: ``[B F1 - B' F2 + B'' F3]``. Crossings two at a time:
    the row after the last one has no jump. ``parts`` has four rows a cell: its functionals, and the change of slope.
    """
    for c in range(4 * cells):
        store(parts, c, splat(0.0))
    for i in range(0, slots, 2):
        e, jump = load_two(position, i), load_two(delta, i)
        c, c_2, left, rate, factor = cells_of_two(e, cells, uniform, lefts, inverse, factors, scratch)
        weight = -(jump * rate * factor)
        length = e - left
        scale = rate * length
        sine, cosine = sine_cosine(e)
        f1, f2, f3 = wave_antiderivatives(waves, n, low, powers, sine, cosine)
        m0, m1, m2 = bernstein_parts(degree, scale, rate, f1 * weight, f2 * weight, f3 * weight)
        weight = weight * length
        for g in range(points):
            x = real_at(rule, 3 * g)
            value = load_like(e, waves, n + 1)
            if low > 0:
                sine, cosine = sine_cosine(left + length * x)
                value = wave_value(waves, n, low, sine, cosine)
            n0, n1, n2 = bernstein_values(degree, scale * x, value * (weight * real_at(rule, 3 * g + 2)))
            m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
        # the same rows of indices throughout: where they lie is found once
        c, c_2 = c * 4.0, c_2 * 4.0
        scatter_two(parts + 3 * ROW, c, c_2, jump)
        scatter_two(parts, c, c_2, m0)
        if degree >= 1:
            scatter_two(parts + ROW, c, c_2, m1)
        if degree >= 2:
            scatter_two(parts + 2 * ROW, c, c_2, m2)
    node_values(nodes, cells + 1, symmetric, waves, n, low, ends)
    start = slope
    for c in range(cells):
        end = start + load(parts, 4 * c + 3)
        rate, factor = splat(real_at(inverse, c)), real_at(inverse, c) * real_at(factors, c)
        r0, r1, r2 = bernstein_parts(
            degree, splat(1.0), rate, load(ends, 3 * c + 3), load(ends, 3 * c + 4), load(ends, 3 * c + 5)
        )
        l0, l1, l2 = bernstein_parts(
            degree, splat(0.0), rate, load(ends, 3 * c), load(ends, 3 * c + 1), load(ends, 3 * c + 2)
        )
        m0, m1, m2 = r0 * end - l0 * start, r1 * end - l1 * start, r2 * end - l2 * start
        for k in range(degree + 1):
            part = (m0 if k == 0 else (m1 if k == 1 else m2)) * factor + load(parts, 4 * c + k)
            if points > 0:
                at = full + 16 * (n + 1) * ((degree + 1) * c + k)
                odd, even = splat(0.0), load(waves, n + 1) * real_at(at, n + 1)
                for r in range(1, low + 1):
                    odd = odd + load(waves, r) * real_at(at, r)
                    even = even + load(waves, n + 1 + r) * real_at(at, n + 1 + r)
                part = part + (odd + even) * end
            row = int_at(ids, 3 * c + k)
            store(sums, row, load(sums, row) + part)
        start = end


@njit(**INLINE)
def node_values(nodes, count, symmetric, waves, n, low, ends):
    """The three antiderivatives at every node, to three rows each: by a constant matrix, even and odd part apart.

    ``symmetric``: node ``count - 1 - j`` mirrors node j, and half the work does.
    """
    for j in range((count + 1) // 2 if symmetric else count):
        even1, odd1, even2 = splat(0.0), splat(0.0), splat(0.0)
        odd2, even3, odd3 = splat(0.0), splat(0.0), splat(0.0)
        at = nodes + 48 * (n + 1) * j
        for k in range(low + 1, n + 1):
            a, b, cosine = load(waves, k), load(waves, n + 1 + k), n + 1 + k
            even1 = even1 + a * real_at(at, k)
            odd1 = odd1 + b * real_at(at, cosine)
            odd2 = odd2 + a * real_at(at, 2 * (n + 1) + k)
            even2 = even2 + b * real_at(at, 2 * (n + 1) + cosine)
            even3 = even3 + a * real_at(at, 4 * (n + 1) + k)
            odd3 = odd3 + b * real_at(at, 4 * (n + 1) + cosine)
        if symmetric:
            mirror = 3 * (count - 1 - j)
            store(ends, mirror, even1 - odd1)
            store(ends, mirror + 1, even2 - odd2)
            store(ends, mirror + 2, even3 - odd3)
        store(ends, 3 * j, even1 + odd1)
        store(ends, 3 * j + 1, even2 + odd2)
        store(ends, 3 * j + 2, even3 + odd3)


@njit(**INLINE)
def wave_tests_of_poly(
    slots, position, delta, slope, integrands, degree, ids, cells, uniform, symmetric, lefts, inverse, factors,
    rule, points, powers, full, nodes, sums, n, low, parts, changes, jumps_at, scratch,
):  # fmt: skip
    """Polynomial integrand against wave tests, pattern by crossings; adds to the wave rows ``sums``.

    Harmonics up to ``low`` by quadrature, the others by parts: ``[h E1 - h' E2 + h'' E3]``. Crossings two at a time:
    the row after the last one has no jump.
    """
    for c in range(cells):
        store(changes, c, splat(0.0))
        for k in range(3):
            store(parts, 3 * c + k, load(integrands, int_at(ids, 3 * c + k)))
    for j in range(3 * (cells + 1)):
        store(jumps_at, j, splat(0.0))
    mean = splat(0.0)
    for i in range(0, slots, 2):
        e, jump = load_two(position, i), load_two(delta, i)
        c, c_2, left, rate, factor = cells_of_two(e, cells, uniform, lefts, inverse, factors, scratch)
        weight = -(jump * rate * factor)
        length = e - left
        scale = rate * length
        scatter_two(changes, c, c_2, jump)
        c, c_2 = c * 3.0, c_2 * 3.0
        h0 = gather_two(parts, c, c_2)
        h1, h2 = h0, h0
        if degree >= 1:
            h1 = gather_two(parts + ROW, c, c_2)
        if degree >= 2:
            h2 = gather_two(parts + 2 * ROW, c, c_2)
        value, first, second = polynomial_jet(degree, h0, h1, h2, scale, rate)
        sine, cosine = sine_cosine(e)
        add_wave_parts(sums, n, low, powers, sine, cosine, value * weight, first * weight, second * weight)
        weight = weight * length
        for g in range(points):
            x = real_at(rule, 3 * g)
            t = scale * x
            value = polynomial(degree, h0, h1, h2, t, 1.0 - t) * (weight * real_at(rule, 3 * g + 2))
            if low > 0:
                sine, cosine = sine_cosine(left + length * x)
                add_wave_tests(sums, n, low, sine, cosine, value)
            else:
                mean = mean + total(value)
    store(sums, n + 1, load(sums, n + 1) + mean)
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
    add_nodes(cells + 1, symmetric, jumps_at, nodes, sums, n, low)
    if points > 0:
        add_constants(cells * (degree + 1), parts, full, sums, n, low)


@njit(**INLINE)
def add_nodes(count, symmetric, jumps, nodes, sums, n, low):
    """The transpose of :func:`node_values`; ``jumps`` (three rows a node) is overwritten."""
    used = (count + 1) // 2 if symmetric else count
    if symmetric:
        # row j to the sum, its mirror to the difference: what even and what odd functions are multiplied by
        for j in range(count // 2):
            for i in range(3):
                a, b = load(jumps, 3 * j + i), load(jumps, 3 * (count - 1 - j) + i)
                store(jumps, 3 * j + i, a + b)
                store(jumps, 3 * (count - 1 - j) + i, a - b)
    for k in range(low + 1, n + 1):
        s1, s2, s3, c1, c2, c3 = load(sums, k), splat(0.0), splat(0.0), load(sums, n + 1 + k), splat(0.0), splat(0.0)
        for j in range(used):
            at, even = nodes + 48 * (n + 1) * j, 3 * j
            odd = 3 * (count - 1 - j) if symmetric else even
            s1 = s1 + load(jumps, even) * real_at(at, k)
            c1 = c1 + load(jumps, odd) * real_at(at, n + 1 + k)
            s2 = s2 + load(jumps, odd + 1) * real_at(at, 2 * (n + 1) + k)
            c2 = c2 + load(jumps, even + 1) * real_at(at, 3 * (n + 1) + k)
            s3 = s3 + load(jumps, even + 2) * real_at(at, 4 * (n + 1) + k)
            c3 = c3 + load(jumps, odd + 2) * real_at(at, 5 * (n + 1) + k)
        store(sums, k, s1 + s2 + s3)
        store(sums, n + 1 + k, c1 + c2 + c3)


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

    ``chi`` has ``2 (n + tests + 1)`` rows: integrals of ``a sin(m pi s)``, then of ``a cos(m pi s)``. Crossings two
    at a time, odd and even m side by side: the row after the last crossing has no jump.
    """
    most = n + tests
    at_cos = most + 1
    for m in range(2 * (most + 1)):
        store(chi, m, splat(0.0))
    measure, change = splat(0.0), splat(0.0)
    for i in range(0, slots, 2):
        e, jump = load_two(position, i), load_two(delta, i)
        measure, change = measure + total(jump * (1.0 - e)), change + total(jump)
        sine, cosine = sine_cosine(e)
        sine_2, cosine_2 = turn(sine, cosine, sine, cosine)
        s, c = jump * sine, jump * cosine
        s_2, c_2 = jump * sine_2, jump * cosine_2
        for m in range(1, most, 2):
            store(chi, m, load(chi, m) + total(c))
            store(chi, at_cos + m, load(chi, at_cos + m) - total(s))
            store(chi, m + 1, load(chi, m + 1) + total(c_2))
            store(chi, at_cos + m + 1, load(chi, at_cos + m + 1) - total(s_2))
            s, c = turn(s, c, sine_2, cosine_2)
            s_2, c_2 = turn(s_2, c_2, sine_2, cosine_2)
        if most % 2 == 1:
            store(chi, most, load(chi, most) + total(c))
            store(chi, at_cos + most, load(chi, at_cos + most) - total(s))
    measure = measure + slope * 2.0
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
