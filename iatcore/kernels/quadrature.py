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
from .subdivision import decode
from .team import share

APPLY, MATRIX = 0, 1


@njit(**OPTIONS)
def active_functions(side, k, t, rest, sines, cosines, index, value):
    """The functions of one side that do not vanish at a point of piece k; returns their number."""
    ptr, function, table, wave_row, factor, wave_function, n = side
    degree = table.shape[1] - 1
    count = 0
    for m in range(ptr[k], ptr[k + 1]):
        if degree == 0:
            total = table[m, 0]
        elif degree == 1:
            total = table[m, 0] * rest + table[m, 1] * t
        else:
            # Bernstein polynomials by their recurrence from the larger of t and 1 - t
            big, small = (rest, t) if rest >= t else (t, rest)
            term, ratio, total = big**degree, small / big, 0.0
            for i in range(degree + 1):
                total += term * (table[m, i] if rest >= t else table[m, degree - i])
                term *= ratio * (degree - i) / (i + 1.0)
        index[count], value[count] = function[m], total
        count += 1
    for i in range(wave_row.shape[0]):
        r = wave_row[i]
        wave = sines[r] if r <= n else cosines[r - n - 1]
        index[count], value[count] = wave_function[i], factor[i] * wave
        count += 1
    return count


@njit(**OPTIONS)
def fill_waves(most, s, sines, cosines):
    """``sin(k pi s), cos(k pi s)`` for k = 0 .. most; s in [-1, 1], and exact for s = -1, 0, 1."""
    # from the nearer of 0 and 1, so that an error of pi is not multiplied by k
    near = abs(s) <= 0.5
    x = s if near else math.copysign(1.0 - abs(s), s)
    sine, cosine = math.sin(math.pi * x), math.cos(math.pi * x)
    if not near:
        cosine = -cosine
    sines[0], cosines[0] = 0.0, 1.0
    for k in range(1, most + 1):
        sines[k] = sines[k - 1] * cosine + cosines[k - 1] * sine
        cosines[k] = cosines[k - 1] * cosine - sines[k - 1] * sine


@njit(**OPTIONS)
def interval_length(a, a_rest, b, b_rest):
    """``b - a`` from those of a, 1 - a, b, 1 - b that are accurate."""
    if b <= 0.5:
        return b - a
    return a_rest - b_rest if a > 0.5 else (0.5 - a) + (0.5 - b_rest)


@njit(**OPTIONS)
def add_interval(k, ends, weight, frame, integrand, test, mode, h, out, scratch):
    """Add ``weight integral_interval`` of one interval inside piece k of the frame to ``out``."""
    lefts, widths, rule = frame
    sines, cosines, index_h, value_h, index_t, value_t = scratch
    a, a_rest, b, b_rest = ends
    length = interval_length(a, a_rest, b, b_rest)
    if length <= 0.0:
        return
    share = weight * widths[k] * length
    most = max(integrand[6], test[6])
    for g in range(rule.shape[0]):
        t = a * rule[g, 1] + b * rule[g, 0]
        rest = a_rest * rule[g, 1] + b_rest * rule[g, 0]
        if most >= 0:
            fill_waves(most, lefts[k] + widths[k] * t, sines, cosines)
        count_h = active_functions(integrand, k, t, rest, sines, cosines, index_h, value_h)
        count_t = active_functions(test, k, t, rest, sines, cosines, index_t, value_t)
        omega = share * rule[g, 2]
        if mode == APPLY:
            value = 0.0
            for m in range(count_h):
                value += value_h[m] * h[index_h[m]]
            value *= omega
            for m in range(count_t):
                out[index_t[m], 0] += value * value_t[m]
        else:
            for i in range(count_t):
                for m in range(count_h):
                    out[index_t[i], index_h[m]] += omega * value_t[i] * value_h[m]


@njit(**OPTIONS)
def add_subpieces(k, t0, rest0, t1, rest1, weight, cuts, frame, integrand, test, mode, h, out, scratch):
    """Split an interval of pattern piece k at the pieces of the frame."""
    first, alphas, betas, alpha_rests, beta_rests = cuts
    for m in range(first[k], first[k + 1]):
        alpha, beta, alpha_rest, beta_rest = alphas[m], betas[m], alpha_rests[m], beta_rests[m]
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
        add_interval(
            m, (a, max(a_rest, 0.0), min(b, 1.0), b_rest), weight, frame, integrand, test, mode, h, out, scratch
        )


@njit(**OPTIONS)
def moment_scratch(integrand, test):
    """Room for the waves at a point, and for the functions of both sides that do not vanish there."""
    most = max(integrand[6], test[6], 0)
    size_h = integrand[1].shape[0] + integrand[3].shape[0]
    size_t = test[1].shape[0] + test[3].shape[0]
    return (
        np.empty(most + 1), np.empty(most + 1), np.empty(size_h, np.int64), np.empty(size_h),
        np.empty(size_t, np.int64), np.empty(size_t),
    )  # fmt: skip


@njit(**OPTIONS)
def moment_rows(pattern, slopes, cuts, frame, integrand, test, mode, h, out, start, stop):
    """Rows ``start .. stop - 1`` of ``integral a(f) t h`` over stored patterns.

    Args:
        pattern: ``(initial, offsets, piece, offset, level, rising)``: slope index at the left end of every piece,
            and crossings row by row (``offsets`` has one entry more than rows).
        slopes: (m + 1,) slopes of the gate.
        cuts: how each pattern piece is cut by the frame: ``(first, alpha, beta, 1 - alpha, 1 - beta)``.
        frame: ``(lefts, widths, rule)``.
        integrand, test: ``(ptr, function, table, wave_row, factor, wave_function, n)`` on the frame.
        mode: APPLY (``h``: (B, d_h); ``out``: (B, d_test, 1)) or MATRIX (``out``: (B, d_test, d_h)).
    """
    initial, offsets, piece, offset, level, rising = pattern
    scratch = moment_scratch(integrand, test)
    for r in range(start, stop):
        out[r] = 0.0
        at, end = offsets[r], offsets[r + 1]
        row = h[r] if mode == APPLY else h[0]
        for k in range(initial.shape[1]):
            state = initial[r, k]
            t, rest = 0.0, 1.0
            while at < end and piece[at] == k:
                t1, rest1 = decode(offset[at])
                if slopes[state] != 0.0:
                    add_subpieces(
                        k, t, rest, t1, rest1, slopes[state], cuts, frame, integrand, test, mode, row, out[r], scratch
                    )
                state = level[at] + 1 if rising[at] else level[at]
                t, rest = t1, rest1
                at += 1
            if slopes[state] != 0.0:
                add_subpieces(
                    k, t, rest, 1.0, 0.0, slopes[state], cuts, frame, integrand, test, mode, row, out[r], scratch
                )


@njit(**OPTIONS)
def moment_batch(team, pattern, *args):
    """:func:`moment_rows` on a whole batch."""
    share(team, moment_rows, (pattern, *args), pattern[0].shape[0])


@njit(**OPTIONS)
def slope_rows(pattern, cuts, frame, integrand, test, h, g, out, start, stop):
    """``out[r, j] = g^T integral over {slope number j} of t h ds`` for rows ``start .. stop - 1``."""
    initial, offsets, piece, offset, level, rising = pattern
    scratch = moment_scratch(integrand, test)
    part = np.empty((g.shape[1], 1))
    for r in range(start, stop):
        out[r] = 0.0
        at = offsets[r]
        for k in range(initial.shape[1]):
            state, t, rest, inside = initial[r, k], 0.0, 1.0, True
            while inside:
                inside = at < offsets[r + 1] and piece[at] == k
                t1, rest1 = decode(offset[at]) if inside else (1.0, 0.0)
                part[:] = 0.0
                add_subpieces(k, t, rest, t1, rest1, 1.0, cuts, frame, integrand, test, APPLY, h[r], part, scratch)
                for i in range(g.shape[1]):
                    out[r, state] += g[r, i] * part[i, 0]
                if inside:
                    state = level[at] + 1 if rising[at] else level[at]
                    t, rest = t1, rest1
                    at += 1


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
