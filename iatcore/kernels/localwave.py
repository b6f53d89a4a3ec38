"""Moments of a trigonometric side over the pattern of a piecewise polynomial state function, cell by cell."""

from __future__ import annotations

from numba import njit

from .blocks import INLINE
from .level_sets import ends_apart, extremes, is_above, is_below, level_set
from .local import coefficients, polynomial
from .memory import int_at, load, real_at, store
from .simd import is_any, select, splat, unlikely
from .wavelocal import add_constants
from .waves import add_wave_tests, sine_cosine, wave_value


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
            mixed = ~(above | below)
            varied = varied | mixed
            if is_any(mixed):
                left, right_rest, length, outside, apart = level_set(
                    degree_f, f0 - level, f1 - level, f2 - level, mixed
                )
                share = splat(jump * factor)
                if degree_f == 2:
                    # the whole cell less the interval
                    above = above | outside
                    share = select(outside, -share, share)
                n0, n1, n2 = local_crossing_nodes(
                    waves_to_poly, left, right_rest, length, share, start, width, rule, points, waves, n, degree,
                    h0, h1, h2, sums,
                )  # fmt: skip
                m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
                if unlikely(is_any(apart)):
                    end, end_rest, begin, begin_rest = ends_apart(f0 - level, f1 - level, f2 - level, mixed)
                    for i in range(2):
                        left, right_rest = (splat(0.0), end_rest) if i == 0 else (begin, splat(0.0))
                        n0, n1, n2 = local_crossing_nodes(
                            waves_to_poly, left, right_rest, end if i == 0 else begin_rest, share, start, width, rule,
                            points, waves, n, degree, h0, h1, h2, sums,
                        )  # fmt: skip
                        m0, m1, m2 = m0 + n0, m1 + n1, m2 + n2
            whole = whole + select(above, jump, 0.0)
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
