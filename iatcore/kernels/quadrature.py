"""Moments over a stored pattern: Gauss-Legendre on every interval inside every piece of a common frame.

Works for every pair of bases (mixtures and any degree included), and for patterns that come from elsewhere. The rules
are exact for polynomials and correct to rounding for the harmonics, whose phase across a piece is bounded. The same
nodes serve ``u``, ``S`` and their derivatives, so ``u = S z`` holds to rounding by construction.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .memory import address, int_at, keep, real_at, store_int, store_lane
from .subdivision import decode
from .team import share

APPLY, MATRIX = 0, 1


@njit(**OPTIONS)
def side_numbers(side):
    """One side of a plan as numbers: addresses, degree, number of harmonics, highest frequency."""
    ptr, function, table, wave_row, factor, wave_function, n = side
    polynomials = address(ptr), address(function), address(table), table.shape[1] - 1
    return polynomials + (address(wave_row), address(factor), address(wave_function), wave_row.shape[0], n)


@njit(**OPTIONS)
def active_functions(side, k, t, rest, sines, cosines, index, value):
    """The functions of one side that do not vanish at a point of piece k; returns their number."""
    ptr, function, table, degree, wave_row, factor, wave_function, waves, n = side
    count = 0
    for m in range(int_at(ptr, k), int_at(ptr, k + 1)):
        row = m * (degree + 1)
        if degree == 0:
            total = real_at(table, row)
        elif degree == 1:
            total = real_at(table, row) * rest + real_at(table, row + 1) * t
        else:
            # Bernstein polynomials by their recurrence from the larger of t and 1 - t
            big, small = (rest, t) if rest >= t else (t, rest)
            term, ratio, total = big**degree, small / big, 0.0
            for i in range(degree + 1):
                total += term * real_at(table, row + i if rest >= t else row + degree - i)
                term *= ratio * (degree - i) / (i + 1.0)
        store_int(index, count, int_at(function, m))
        store_lane(value, count, total)
        count += 1
    for i in range(waves):
        r = int_at(wave_row, i)
        wave = real_at(sines, r) if r <= n else real_at(cosines, r - n - 1)
        store_int(index, count, int_at(wave_function, i))
        store_lane(value, count, real_at(factor, i) * wave)
        count += 1
    return count


@njit(**OPTIONS)
def fill_waves(most, s, sines, cosines):
    """``sin(k pi s), cos(k pi s)`` for k = 0 .. most; s in [-1, 1], and exact for s = -1, 0, 1."""
    store_lane(sines, 0, 0.0)
    store_lane(cosines, 0, 1.0)
    if most <= 0:
        return
    # from the nearer of 0 and 1, so that an error of pi is not multiplied by k
    near = abs(s) <= 0.5
    x = s if near else math.copysign(1.0 - abs(s), s)
    sine, cosine = math.sin(math.pi * x), math.cos(math.pi * x)
    if not near:
        cosine = -cosine
    a, b = 0.0, 1.0
    for k in range(1, most + 1):
        a, b = a * cosine + b * sine, b * cosine - a * sine
        store_lane(sines, k, a)
        store_lane(cosines, k, b)


@njit(**OPTIONS)
def interval_length(a, a_rest, b, b_rest):
    """``b - a`` from those of a, 1 - a, b, 1 - b that are accurate."""
    if b <= 0.5:
        return b - a
    return a_rest - b_rest if a > 0.5 else (0.5 - a) + (0.5 - b_rest)


@njit(**OPTIONS)
def add_interval(k, ends, weight, frame, integrand, test, mode, h, out, columns, scratch):
    """Add ``weight integral_interval`` of one interval inside piece k of the frame to ``out``."""
    lefts, widths, rule, points = frame
    sines, cosines, index_h, value_h, index_t, value_t = scratch
    a, a_rest, b, b_rest = ends
    length = interval_length(a, a_rest, b, b_rest)
    if length <= 0.0:
        return
    left, width = real_at(lefts, k), real_at(widths, k)
    share = weight * width * length
    most = max(integrand[-1], test[-1])
    for g in range(points):
        node, other = real_at(rule, 3 * g), real_at(rule, 3 * g + 1)
        t, rest = a * other + b * node, a_rest * other + b_rest * node
        fill_waves(most, left + width * t, sines, cosines)
        count_h = active_functions(integrand, k, t, rest, sines, cosines, index_h, value_h)
        count_t = active_functions(test, k, t, rest, sines, cosines, index_t, value_t)
        omega = share * real_at(rule, 3 * g + 2)
        if mode == APPLY:
            value = 0.0
            for m in range(count_h):
                value += real_at(value_h, m) * real_at(h, int_at(index_h, m))
            value *= omega
            for i in range(count_t):
                add_at(out, int_at(index_t, i), value * real_at(value_t, i))
        else:
            for i in range(count_t):
                row, factor = int_at(index_t, i) * columns, omega * real_at(value_t, i)
                for m in range(count_h):
                    add_at(out, row + int_at(index_h, m), factor * real_at(value_h, m))


@njit(**OPTIONS)
def add_at(base, i, value):
    """Add to entry i of the float64 array at an address."""
    store_lane(base, i, real_at(base, i) + value)


@njit(**OPTIONS)
def add_subpieces(k, t0, rest0, t1, rest1, weight, cuts, frame, integrand, test, mode, h, out, columns, scratch):
    """Split an interval of pattern piece k at the pieces of the frame."""
    first, alphas, betas, alpha_rests, beta_rests = cuts
    for m in range(int_at(first, k), int_at(first, k + 1)):
        alpha, beta = real_at(alphas, m), real_at(betas, m)
        alpha_rest, beta_rest = real_at(alpha_rests, m), real_at(beta_rests, m)
        if t1 <= alpha or t0 >= beta:
            if not (rest0 > beta_rest and rest1 < alpha_rest):
                continue
        width = beta - alpha
        a, a_rest, b, b_rest = 0.0, 1.0, 1.0, 0.0
        if t0 > alpha:
            a = (t0 - alpha) / width
        if rest0 < alpha_rest:
            a_rest = (rest0 - beta_rest) / width
            a = max(a, 0.0)
        if t1 < beta:
            b = (t1 - alpha) / width
        if rest1 > beta_rest:
            b_rest = (rest1 - beta_rest) / width
        ends = a, max(a_rest, 0.0), min(b, 1.0), b_rest
        add_interval(m, ends, weight, frame, integrand, test, mode, h, out, columns, scratch)


@njit(**OPTIONS)
def frame_numbers(frame):
    """Left ends, widths and rule of a frame as addresses, and the number of points."""
    lefts, widths, rule = frame
    return address(lefts), address(widths), address(rule), rule.shape[0]


@njit(**OPTIONS)
def cut_numbers(cuts):
    """How pattern pieces are cut, as addresses."""
    first, alphas, betas, alpha_rests, beta_rests = cuts
    return address(first), address(alphas), address(betas), address(alpha_rests), address(beta_rests)


@njit(**OPTIONS)
def moment_scratch(integrand, test):
    """Room for the waves at a point, and for the functions of both sides that do not vanish there."""
    most = max(integrand[6], test[6], 0) + 1
    functions = max(integrand[1].shape[0] + integrand[3].shape[0], test[1].shape[0] + test[3].shape[0])
    return np.empty((2, most)), np.empty((2, functions)), np.empty((2, functions), np.int64)


@njit(**OPTIONS)
def scratch_numbers(room):
    """Addresses in what :func:`moment_scratch` gave: sines, cosines, and functions and values of both sides."""
    waves, values, functions = room
    half, size = 8 * waves.shape[1], 8 * values.shape[1]
    sines, index, value = address(waves), address(functions), address(values)
    return sines, sines + half, index, value, index + size, value + size


@njit(**OPTIONS)
def keep_scratch(room):
    """The scratch lives until here."""
    waves, values, functions = room
    keep(waves)
    keep(values)
    keep(functions)


@njit(**OPTIONS)
def moment_rows(pattern, slopes, cuts_, frame_, integrand, test, mode, h, out, start, stop):
    """Rows ``start .. stop - 1`` of ``integral a(f) t h`` over stored patterns.

    Args:
        pattern: ``(initial, offsets, piece, offset, level, rising)``: slope index at the left end of every piece,
            and crossings row by row (``offsets`` has one entry more than rows).
        slopes: (m + 1,) slopes of the gate.
        cuts_: how each pattern piece is cut by the frame: ``(first, alpha, beta, 1 - alpha, 1 - beta)``.
        frame_: ``(lefts, widths, rule)``.
        integrand, test: ``(ptr, function, table, wave_row, factor, wave_function, n)`` on the frame.
        mode: APPLY (``h``: (B, d_h); ``out``: (B, d_test, 1)) or MATRIX (``out``: (B, d_test, d_h)).
    """
    initial, offsets, piece, offset, level, rising = pattern
    room = moment_scratch(integrand, test)
    scratch, columns = scratch_numbers(room), out.shape[2]
    # numbers: passing an array to a function costs two atomic operations
    cuts, frame = cut_numbers(cuts_), frame_numbers(frame_)
    p, q = side_numbers(integrand), side_numbers(test)
    for r in range(start, stop):
        out[r] = 0.0
        at, end = offsets[r], offsets[r + 1]
        row = address(h) + (8 * r * h.shape[1] if mode == APPLY else 0)
        result = address(out) + 8 * r * out.shape[1] * columns
        for k in range(initial.shape[1]):
            state = initial[r, k]
            t, rest = 0.0, 1.0
            while at < end and piece[at] == k:
                t1, rest1 = decode(offset[at])
                if slopes[state] != 0.0:
                    add_subpieces(
                        k, t, rest, t1, rest1, slopes[state], cuts, frame, p, q, mode, row, result, columns, scratch
                    )
                state = level[at] + 1 if rising[at] else level[at]
                t, rest = t1, rest1
                at += 1
            if slopes[state] != 0.0:
                add_subpieces(
                    k, t, rest, 1.0, 0.0, slopes[state], cuts, frame, p, q, mode, row, result, columns, scratch
                )
    keep_scratch(room)


@njit(**OPTIONS)
def moment_batch(team, pattern, *args):
    """:func:`moment_rows` on a whole batch."""
    share(team, moment_rows, (pattern, *args), pattern[0].shape[0])


@njit(**OPTIONS)
def slope_rows(pattern, cuts_, frame_, integrand, test, h, g, out, start, stop):
    """``out[r, j] = g^T integral over {slope number j} of t h ds`` for rows ``start .. stop - 1``."""
    initial, offsets, piece, offset, level, rising = pattern
    room, part = moment_scratch(integrand, test), np.empty(g.shape[1])
    scratch, result = scratch_numbers(room), address(part)
    cuts, frame = cut_numbers(cuts_), frame_numbers(frame_)
    p, q = side_numbers(integrand), side_numbers(test)
    for r in range(start, stop):
        out[r] = 0.0
        at = offsets[r]
        for k in range(initial.shape[1]):
            state, t, rest, inside = initial[r, k], 0.0, 1.0, True
            while inside:
                inside = at < offsets[r + 1] and piece[at] == k
                t1, rest1 = decode(offset[at]) if inside else (1.0, 0.0)
                part[:] = 0.0
                row = address(h) + 8 * r * h.shape[1]
                add_subpieces(k, t, rest, t1, rest1, 1.0, cuts, frame, p, q, APPLY, row, result, 1, scratch)
                for i in range(g.shape[1]):
                    out[r, state] += g[r, i] * part[i]
                if inside:
                    state = level[at] + 1 if rising[at] else level[at]
                    t, rest = t1, rest1
                    at += 1
    keep(part)
    keep_scratch(room)


@njit(**OPTIONS)
def slope_batch(team, pattern, *args):
    """:func:`slope_rows` on a whole batch."""
    share(team, slope_rows, (pattern, *args), pattern[0].shape[0])


@njit(**OPTIONS)
def measure_rows(pattern, widths, weights):
    """Per row the sum of ``weights[slope number]`` times the lengths of the intervals of a stored pattern."""
    initial, offsets, piece, offset, level, rising = pattern
    result = np.zeros(initial.shape[0])
    for r in range(initial.shape[0]):
        at, end = offsets[r], offsets[r + 1]
        for k in range(initial.shape[1]):
            state, t, rest = initial[r, k], 0.0, 1.0
            while at < end and piece[at] == k:
                t1, rest1 = decode(offset[at])
                result[r] += weights[state] * widths[k] * max(interval_length(t, rest, t1, rest1), 0.0)
                state = level[at] + 1 if rising[at] else level[at]
                t, rest = t1, rest1
                at += 1
            result[r] += weights[state] * widths[k] * rest
    return result
