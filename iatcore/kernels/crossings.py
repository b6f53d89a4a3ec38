"""Sums over the crossings of a stored pattern: what derivatives beyond the activation matrix are made of.

At a crossing r of the level s_j, where the slope of the gate changes by ``jump``, write ``G = q(r)^T g``,
``V = p(r)^T v`` and ``c = jump s_j``, the jump of the gate itself. The sums are, each over all crossings,

    TANGENT       c V q / |f'|                                          (d_out)
    COTANGENT     c G p / |f'|                                          (d_in)
    MOTION        jump G V p / |f'|                                     (d_in)
    SECOND        (jump G V p - c d/ds(G V p / f')) / |f'|              (d_in)
    BREAKPOINTS   -c G / |f'|, for each level                           (m)
    HESSIAN       (jump q p p^T - c d/ds(q p p^T / f')) / |f'|          (d_out d_in d_in)

A crossing at the end of a piece counts one half from each side, which is what a central difference tends to.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .quadrature import active_functions, fill_waves
from .subdivision import EPS, decode
from .team import share

TANGENT, COTANGENT, MOTION, SECOND, BREAKPOINTS, HESSIAN = 0, 1, 2, 3, 4, 5
NEAR = 8.0 * EPS
"""Relative distance from a level within which f is taken to equal it at the end of a piece."""
CLOSE = 1e-9
"""Local distance from the end of a piece within which a crossing may be one at that end."""


@njit(**OPTIONS)
def evaluate(side, vector, k, t, rest, sines, cosines, index, value):
    """``side(t)^T vector``; leaves the functions in ``index, value`` and returns their number too."""
    count = active_functions(side, k, t, rest, sines, cosines, index, value)
    total = 0.0
    for m in range(count):
        total += value[m] * vector[index[m]]
    return total, count


@njit(**OPTIONS)
def locate(k, t, rest, cuts):
    """The piece of the frame that holds a point of pattern piece k, and its coordinates there."""
    first, alphas, betas, _, beta_rests = cuts
    m = first[k]
    while m + 1 < first[k + 1] and t > betas[m]:
        m += 1
    width = betas[m] - alphas[m]
    a = (t - alphas[m]) / width if t <= 0.5 else 1.0 - (rest - beta_rests[m]) / width
    b = (rest - beta_rests[m]) / width if t > 0.5 else 1.0 - (t - alphas[m]) / width
    return m, min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)


@njit(**OPTIONS)
def scatter_side(side, k, t, rest, factor, sines, cosines, index, value, out):
    """``out += factor side(t)``."""
    count = active_functions(side, k, t, rest, sines, cosines, index, value)
    for m in range(count):
        out[index[m]] += factor * value[m]


@njit(**OPTIONS)
def add_hessian(dense, d_in, d_out, jump, constant, slope, curvature, out):
    """Add one crossing to the flat (d_out, d_in, d_in) second derivatives; ``dense`` holds p, q, p', q'."""
    p, q, p1, q1 = dense[0], dense[1], dense[2], dense[3]
    inverse = 1.0 / abs(slope)
    own, turn = (jump + constant * curvature / (slope * slope)) * inverse, constant / slope * inverse
    for i in range(d_out):
        for j in range(d_in):
            at = (i * d_in + j) * d_in
            first = own * q[i] * p[j] - turn * (q1[i] * p[j] + q[i] * p1[j])
            second = -turn * q[i] * p[j]
            if first == 0.0 and second == 0.0:
                continue
            for k in range(d_in):
                out[at + k] += first * p[k] + second * p1[k]


@njit(**OPTIONS)
def add_crossing(m, t, rest, level, jump, j, frame, sides, vectors, mode, scratch, out):
    """Add one crossing; False if f has no slope there."""
    lefts, widths = frame
    p, q, p1, q1, p2 = sides
    z, g, v = vectors
    sines, cosines, index, value = scratch
    fill_waves(sines.shape[0] - 1, lefts[m] + widths[m] * t, sines, cosines)
    slope, _ = evaluate(p1, z, m, t, rest, sines, cosines, index, value)
    if slope == 0.0:
        return False
    inverse, constant = 1.0 / abs(slope), jump * level
    if mode == HESSIAN:
        curvature, _ = evaluate(p2, z, m, t, rest, sines, cosines, index, value)
        dense = np.zeros((4, max(z.shape[0], g.shape[0])))
        for i in range(4):
            scatter_side((p, q, p1, q1)[i], m, t, rest, 1.0, sines, cosines, index, value, dense[i])
        add_hessian(dense, z.shape[0], g.shape[0], jump, constant, slope, curvature, out)
        return True
    if mode == TANGENT:
        tangent, _ = evaluate(p, v, m, t, rest, sines, cosines, index, value)
        scatter_side(q, m, t, rest, constant * tangent * inverse, sines, cosines, index, value, out)
        return True
    gradient, _ = evaluate(q, g, m, t, rest, sines, cosines, index, value)
    if mode == COTANGENT:
        scatter_side(p, m, t, rest, constant * gradient * inverse, sines, cosines, index, value, out)
        return True
    if mode == BREAKPOINTS:
        out[j] -= constant * gradient * inverse
        return True
    tangent, _ = evaluate(p, v, m, t, rest, sines, cosines, index, value)
    weight = jump * gradient * tangent
    if mode == SECOND and constant != 0.0:
        curvature, _ = evaluate(p2, z, m, t, rest, sines, cosines, index, value)
        gradient1, _ = evaluate(q1, g, m, t, rest, sines, cosines, index, value)
        tangent1, _ = evaluate(p1, v, m, t, rest, sines, cosines, index, value)
        change = gradient1 * tangent + gradient * tangent1 - gradient * tangent * (curvature / slope)
        weight -= constant * change / slope
        factor = -constant * gradient * tangent / slope * inverse
        scatter_side(p1, m, t, rest, factor, sines, cosines, index, value, out)
    scatter_side(p, m, t, rest, weight * inverse, sines, cosines, index, value, out)
    return True


@njit(**OPTIONS)
def crossing_sum_rows(pattern, gate, cuts, frame, sides, rows, mode, singular, out, start, stop):
    """Rows ``start .. stop - 1`` of a sum over crossings.

    Args:
        pattern: ``(initial, offsets, piece, offset, level, rising)``.
        gate: ``(levels, jumps)``, levels of shape (B, m).
        cuts, frame: as in :mod:`.quadrature`, without the rule.
        sides: p, q, p', q', p'' on the frame.
        rows: ``(z, g, v)``, each (B, .) or (1, .).
        mode: which sum.
        singular: (B,), set where a crossing without slope was left out.
        out: (B, .), written.
    """
    _, offsets, pieces, offset, level, _ = pattern
    levels, jumps = gate
    all_z, all_g, all_v = rows
    p, q, p1, q1, p2 = sides
    most, size = 0, 0
    for side in (p, q, p1, q1, p2):
        most = max(most, side[6])
        size = max(size, side[1].shape[0] + side[3].shape[0])
    scratch = (np.empty(most + 1), np.empty(most + 1), np.empty(size, np.int64), np.empty(size))
    last = frame[0].shape[0] - 1
    # positions of roots of trigonometric functions have absolute accuracy, those of polynomials relative
    snap = 2.0 * EPS if p[6] >= 0 else 0.0
    for r in range(start, stop):
        vectors = (all_z[r], all_g[min(r, all_g.shape[0] - 1)], all_v[min(r, all_v.shape[0] - 1)])
        out[r] = 0.0
        for at in range(offsets[r], offsets[r + 1]):
            j = level[at]
            jump, height = jumps[j], levels[r, j]
            if jump == 0.0:
                continue
            t, rest = decode(offset[at])
            if min(t, rest) <= CLOSE:
                m, a, b = piece_end(pieces[at], rest < t, cuts)
                if is_root(p, vectors[0], m, a, b, height, frame, scratch):
                    # counted with the ends of pieces below
                    continue
            m, a, b = locate(pieces[at], t, rest, cuts)
            at_end = min(a, b) * frame[1][m] <= snap
            part = 0.5 * jump if at_end else jump
            if not add_crossing(m, a, b, height, part, j, frame, sides, vectors, mode, scratch, out[r]):
                singular[r] = True
            other = m - 1 if a < b else m + 1
            if not at_end or other < 0 or other > last:
                continue
            a, b = (1.0, 0.0) if a < b else (0.0, 1.0)
            if not is_root(p, vectors[0], other, a, b, height, frame, scratch):
                continue
            if not add_crossing(other, a, b, height, part, j, frame, sides, vectors, mode, scratch, out[r]):
                singular[r] = True
        for k in range(cuts[0].shape[0] - 1):
            for end in range(2):
                m, a, b = piece_end(k, end == 1, cuts)
                f, error = value_at(p, vectors[0], m, a, b, frame, scratch)
                for j in range(jumps.shape[0]):
                    jump, height = jumps[j], levels[r, j]
                    if jump == 0.0 or not equal(f, error, height):
                        continue
                    if not add_crossing(m, a, b, height, 0.5 * jump, j, frame, sides, vectors, mode, scratch, out[r]):
                        singular[r] = True


@njit(**OPTIONS)
def piece_end(k, right, cuts):
    """The piece of the frame at an end of pattern piece k, and the coordinates of that end there."""
    first = cuts[0]
    return (first[k + 1] - 1, 1.0, 0.0) if right else (first[k], 0.0, 1.0)


@njit(**OPTIONS)
def is_root(p, z, m, t, rest, level, frame, scratch):
    """Whether f equals the level at a point of piece m, to rounding."""
    f, error = value_at(p, z, m, t, rest, frame, scratch)
    return equal(f, error, level)


@njit(**OPTIONS)
def equal(f, error, level):
    """Whether a value of :func:`value_at` equals a level, to rounding."""
    return abs(f - level) <= error + NEAR * abs(level)


@njit(**OPTIONS)
def value_at(p, z, m, t, rest, frame, scratch):
    """f at a point of piece m, and its rounding error."""
    sines, cosines, index, value = scratch
    fill_waves(sines.shape[0] - 1, frame[0][m] + frame[1][m] * t, sines, cosines)
    f, count = evaluate(p, z, m, t, rest, sines, cosines, index, value)
    size, polynomials = 0.0, p[0][m + 1] - p[0][m]
    for i in range(count):
        if i < polynomials:
            size += abs(value[i] * z[index[i]])
        else:
            # sines and cosines of k pi s are found from those of pi s one after another: each step adds an error
            h = i - polynomials
            size += abs(p[4][h] * z[index[i]]) * (1.0 + 0.25 * (p[3][h] % (p[6] + 1)))
    return f, NEAR * size


@njit(**OPTIONS)
def crossing_sum_batch(team, pattern, *args):
    """:func:`crossing_sum_rows` on a whole batch."""
    share(team, crossing_sum_rows, (pattern, *args), pattern[0].shape[0])
