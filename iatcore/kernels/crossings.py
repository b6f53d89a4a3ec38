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
from .memory import address, int_at, keep, real_at, store_lane
from .quadrature import active_functions, add_at, cut_numbers, fill_waves, side_numbers
from .subdivision import EPS, decode
from .team import share

TANGENT, COTANGENT, MOTION, SECOND, BREAKPOINTS, HESSIAN = 0, 1, 2, 3, 4, 5
NEAR = 8.0 * EPS
"""Relative distance from a level within which f is taken to equal it at the end of a piece."""
CLOSE = 1e-9
"""Local distance from the end of a piece within which a crossing may be one at that end."""


@njit(**OPTIONS)
def evaluate(side, vector, k, t, rest, scratch):
    """``side(t)^T vector``; leaves the functions in the scratch and returns their number too."""
    sines, cosines, index, value = scratch
    count = active_functions(side, k, t, rest, sines, cosines, index, value)
    total = 0.0
    for m in range(count):
        total += real_at(value, m) * real_at(vector, int_at(index, m))
    return total, count


@njit(**OPTIONS)
def locate(k, t, rest, cuts):
    """The piece of the frame that holds a point of pattern piece k, and its coordinates there."""
    first, alphas, betas, _, beta_rests = cuts
    m, end = int_at(first, k), int_at(first, k + 1)
    while m + 1 < end and t > real_at(betas, m):
        m += 1
    alpha, beta_rest = real_at(alphas, m), real_at(beta_rests, m)
    width = real_at(betas, m) - alpha
    a = (t - alpha) / width if t <= 0.5 else 1.0 - (rest - beta_rest) / width
    b = (rest - beta_rest) / width if t > 0.5 else 1.0 - (t - alpha) / width
    return m, min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)


@njit(**OPTIONS)
def scatter_side(side, k, t, rest, factor, scratch, out):
    """``out += factor side(t)``."""
    sines, cosines, index, value = scratch
    for m in range(active_functions(side, k, t, rest, sines, cosines, index, value)):
        add_at(out, int_at(index, m), factor * real_at(value, m))


@njit(**OPTIONS)
def add_hessian(dense, d_in, d_out, jump, constant, slope, curvature, out):
    """Add one crossing to the flat (d_out, d_in, d_in) second derivatives; ``dense`` holds p, p', q, q'."""
    p, p1, q, q1 = dense, dense + 8 * d_in, dense + 16 * d_in, dense + 16 * d_in + 8 * d_out
    inverse = 1.0 / abs(slope)
    own, turn = (jump + constant * curvature / (slope * slope)) * inverse, constant / slope * inverse
    for i in range(d_out):
        value, change = real_at(q, i), real_at(q1, i)
        for j in range(d_in):
            at = (i * d_in + j) * d_in
            first = own * value * real_at(p, j) - turn * (change * real_at(p, j) + value * real_at(p1, j))
            second = -turn * value * real_at(p, j)
            if first == 0.0 and second == 0.0:
                continue
            for k in range(d_in):
                add_at(out, at + k, first * real_at(p, k) + second * real_at(p1, k))


@njit(**OPTIONS)
def add_crossing(m, t, rest, level, jump, j, frame, sides, vectors, mode, room, out):
    """Add one crossing; False if f has no slope there."""
    lefts, widths, most = frame
    p, q, p1, q1, p2 = sides
    z, g, v, d_in, d_out = vectors
    scratch, dense = room
    fill_waves(most, real_at(lefts, m) + real_at(widths, m) * t, scratch[0], scratch[1])
    slope, _ = evaluate(p1, z, m, t, rest, scratch)
    if slope == 0.0:
        return False
    inverse, constant = 1.0 / abs(slope), jump * level
    if mode == HESSIAN:
        curvature, _ = evaluate(p2, z, m, t, rest, scratch)
        for i in range(2 * (d_in + d_out)):
            store_lane(dense, i, 0.0)
        scatter_side(p, m, t, rest, 1.0, scratch, dense)
        scatter_side(p1, m, t, rest, 1.0, scratch, dense + 8 * d_in)
        scatter_side(q, m, t, rest, 1.0, scratch, dense + 16 * d_in)
        scatter_side(q1, m, t, rest, 1.0, scratch, dense + 16 * d_in + 8 * d_out)
        add_hessian(dense, d_in, d_out, jump, constant, slope, curvature, out)
        return True
    if mode == TANGENT:
        tangent, _ = evaluate(p, v, m, t, rest, scratch)
        scatter_side(q, m, t, rest, constant * tangent * inverse, scratch, out)
        return True
    gradient, _ = evaluate(q, g, m, t, rest, scratch)
    if mode == COTANGENT:
        scatter_side(p, m, t, rest, constant * gradient * inverse, scratch, out)
        return True
    if mode == BREAKPOINTS:
        add_at(out, j, -constant * gradient * inverse)
        return True
    tangent, _ = evaluate(p, v, m, t, rest, scratch)
    weight = jump * gradient * tangent
    if mode == SECOND and constant != 0.0:
        curvature, _ = evaluate(p2, z, m, t, rest, scratch)
        gradient1, _ = evaluate(q1, g, m, t, rest, scratch)
        tangent1, _ = evaluate(p1, v, m, t, rest, scratch)
        change = gradient1 * tangent + gradient * tangent1 - gradient * tangent * (curvature / slope)
        weight -= constant * change / slope
        factor = -constant * gradient * tangent / slope * inverse
        scatter_side(p1, m, t, rest, factor, scratch, out)
    scatter_side(p, m, t, rest, weight * inverse, scratch, out)
    return True


@njit(**OPTIONS)
def crossing_sum_rows(pattern, gate, cuts_, frame_, sides_, rows, mode, singular, out, start, stop):
    """Rows ``start .. stop - 1`` of a sum over crossings.

    Args:
        pattern: ``(initial, offsets, piece, offset, level, rising)``.
        gate: ``(levels, jumps)``, levels of shape (B, m).
        cuts_, frame_: as in :mod:`.quadrature`, without the rule.
        sides_: p, q, p', q', p'' on the frame.
        rows: ``(z, g, v)``, each (B, .) or (1, .).
        mode: which sum.
        singular: (B,), set where a crossing without slope was left out.
        out: (B, .), written.
    """
    _, offsets, pieces, offset, level, _ = pattern
    levels, jumps = gate
    all_z, all_g, all_v = rows
    most, size = 0, 0
    for side in sides_:
        most = max(most, side[6])
        size = max(size, side[1].shape[0] + side[3].shape[0])
    d_in, d_out = all_z.shape[1], all_g.shape[1]
    waves, values = np.empty((2, most + 1)), np.empty(size + 2 * (d_in + d_out))
    functions = np.empty(size, np.int64)
    # numbers: passing an array to a function costs two atomic operations
    scratch = address(waves), address(waves) + 8 * (most + 1), address(functions), address(values)
    room = scratch, address(values) + 8 * size
    p = side_numbers(sides_[0])
    sides = p, side_numbers(sides_[1]), side_numbers(sides_[2]), side_numbers(sides_[3]), side_numbers(sides_[4])
    cuts, frame = cut_numbers(cuts_), (address(frame_[0]), address(frame_[1]), most)
    pieces_of_frame, pieces_of_pattern = frame_[0].shape[0], cuts_[0].shape[0] - 1
    # positions of roots of trigonometric functions have absolute accuracy, those of polynomials relative
    snap = 2.0 * EPS if p[-1] >= 0 else 0.0
    for r in range(start, stop):
        z = address(all_z) + 8 * r * d_in
        g = address(all_g) + 8 * min(r, all_g.shape[0] - 1) * d_out
        v = address(all_v) + 8 * min(r, all_v.shape[0] - 1) * all_v.shape[1]
        vectors, total = (z, g, v, d_in, d_out), address(out) + 8 * r * out.shape[1]
        out[r] = 0.0
        for at in range(offsets[r], offsets[r + 1]):
            j = level[at]
            jump, height = jumps[j], levels[r, j]
            if jump == 0.0:
                continue
            t, rest = decode(offset[at])
            if min(t, rest) <= CLOSE:
                m, a, b = piece_end(pieces[at], rest < t, cuts)
                if is_root(p, z, m, a, b, height, frame, scratch):
                    # counted with the ends of pieces below
                    continue
            m, a, b = locate(pieces[at], t, rest, cuts)
            at_end = min(a, b) * frame_[1][m] <= snap
            part = 0.5 * jump if at_end else jump
            if not add_crossing(m, a, b, height, part, j, frame, sides, vectors, mode, room, total):
                singular[r] = True
            other = m - 1 if a < b else m + 1
            if not at_end or other < 0 or other >= pieces_of_frame:
                continue
            a, b = (1.0, 0.0) if a < b else (0.0, 1.0)
            if not is_root(p, z, other, a, b, height, frame, scratch):
                continue
            if not add_crossing(other, a, b, height, part, j, frame, sides, vectors, mode, room, total):
                singular[r] = True
        for k in range(pieces_of_pattern):
            for end in range(2):
                m, a, b = piece_end(k, end == 1, cuts)
                f, error = value_at(p, z, m, a, b, frame, scratch)
                for j in range(jumps.shape[0]):
                    jump, height = jumps[j], levels[r, j]
                    if jump == 0.0 or not equal(f, error, height):
                        continue
                    if not add_crossing(m, a, b, height, 0.5 * jump, j, frame, sides, vectors, mode, room, total):
                        singular[r] = True
    keep(waves)
    keep(values)
    keep(functions)


@njit(**OPTIONS)
def piece_end(k, right, cuts):
    """The piece of the frame at an end of pattern piece k, and the coordinates of that end there."""
    first = cuts[0]
    return (int_at(first, k + 1) - 1, 1.0, 0.0) if right else (int_at(first, k), 0.0, 1.0)


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
    lefts, widths, most = frame
    fill_waves(most, real_at(lefts, m) + real_at(widths, m) * t, scratch[0], scratch[1])
    f, count = evaluate(p, z, m, t, rest, scratch)
    size, polynomials = 0.0, int_at(p[0], m + 1) - int_at(p[0], m)
    for i in range(count):
        part = abs(real_at(scratch[3], i) * real_at(z, int_at(scratch[2], i)))
        if i >= polynomials:
            # sines and cosines of k pi s are found from those of pi s one after another: each step adds an error
            h = i - polynomials
            part = abs(real_at(p[5], h) * real_at(z, int_at(scratch[2], i)))
            part *= 1.0 + 0.25 * (int_at(p[4], h) % (p[-1] + 1))
        size += part
    return f, NEAR * size


@njit(**OPTIONS)
def crossing_sum_batch(team, pattern, *args):
    """:func:`crossing_sum_rows` on a whole batch."""
    share(team, crossing_sum_rows, (pattern, *args), pattern[0].shape[0])
