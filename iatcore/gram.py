"""Gram matrices of pairs of bases, with the entries that vanish by symmetry exactly 0."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .bases import Basis
from .bases.core import Coefficients, elevate
from .plan import gauss_points, gauss_rule, on_frame, refine, split_frame, widths

Floats = NDArray[np.float64]


def gram(p: Basis, q: Basis) -> Floats:
    """``integral of q(s) p(s)^T ds`` over [-1, 1], shape (d_q, d_p); entries that vanish by symmetry are exactly 0."""
    n = max(p.max_frequency, q.max_frequency)
    frame = split_frame(refine(p.knots, q.knots), n)
    total = np.zeros((q.size, p.size))
    if p.is_piecewise and q.is_piecewise:
        exact = [[Fraction(0)] * p.size for _ in range(q.size)]
        for width, a, b in zip(widths(frame), on_frame(p, frame), on_frame(q, frame), strict=True):
            for i, c in b:
                for j, e in a:
                    exact[i][j] += width * _bernstein_product(c, e)
        return np.array([[float(v) for v in row] for row in exact])
    width = max(float(w) for w in widths(frame))
    phase = (p.max_frequency + q.max_frequency) * math.pi * width / 2
    rule = gauss_rule(gauss_points(phase, max(p.degree, 0) + max(q.degree, 0)))
    for left, w in zip(frame, widths(frame), strict=False):
        s = np.clip(float(left) + float(w) * rule[:, 0], -1, 1)
        total += (q(s) * (rule[:, 2] * float(w))) @ p(s).T
    odd = np.outer(_parities(q), _parities(p)) == -1
    constant = _constants(q)[:, None] & _pure_waves(p) | _constants(p) & _pure_waves(q)[:, None]
    total[odd | constant] = 0.0
    return total


def _bernstein_product(c: Coefficients, e: Coefficients) -> Fraction:
    """``integral_0^1`` of the product of two polynomials in Bernstein form."""
    m, n = len(c) - 1, len(e) - 1
    total = sum(
        c[i] * e[j] * Fraction(math.comb(m, i) * math.comb(n, j), math.comb(m + n, i + j))
        for i in range(m + 1)
        for j in range(n + 1)
    )
    return Fraction(total) / (m + n + 1)


def _parities(basis: Basis) -> NDArray[np.int64]:
    """1 for even functions, -1 for odd ones, 0 for others; exact."""
    frame = refine(basis.knots, [-x for x in basis.knots])
    pieces = [dict(piece) for piece in on_frame(basis, frame)]
    result = []
    for j in range(basis.size):
        even = odd = True
        for k, piece in enumerate(pieces):
            c = piece.get(j, (Fraction(0),))
            mirror = pieces[-1 - k].get(j, (Fraction(0),))[::-1]
            degree = max(len(c), len(mirror)) - 1
            c, mirror = elevate(c, degree), elevate(mirror, degree)
            even, odd = even and c == mirror, odd and c == tuple(-v for v in mirror)
        waves_of = [h.cosine for h in basis.harmonics if h.index == j]
        even, odd = even and all(waves_of), odd and not any(waves_of)
        result.append(1 if even else -1 if odd else 0)
    return np.array(result)


def _constants(basis: Basis) -> NDArray[np.bool_]:
    """Which functions are constant on [-1, 1]."""
    result = np.ones(basis.size, dtype=np.bool_)
    values: list[set[Fraction]] = [set() for _ in range(basis.size)]
    for piece in basis.pieces:
        local = dict(piece)
        for j in range(basis.size):
            values[j].update(local.get(j, (Fraction(0),)))
    for h in basis.harmonics:
        result[h.index] &= h.frequency == 0
    return result & np.array([len(v) == 1 for v in values])


def _pure_waves(basis: Basis) -> NDArray[np.bool_]:
    """Which functions are combinations of harmonics of frequency at least 1 and nothing else."""
    result = np.zeros(basis.size, dtype=np.bool_)
    for h in basis.harmonics:
        result[h.index] = True
    for h in basis.harmonics:
        result[h.index] &= h.frequency > 0
    for piece in basis.pieces:
        for j, c in piece:
            result[j] &= not any(c)
    return result
