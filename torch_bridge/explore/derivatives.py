"""Derivatives of ``u(z + t v)`` at t = 0 of orders one, two and three, and where they do not exist."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

import iatcore
from iatcore import Basis, SingularWarning

Floats = NDArray[np.float64]
ORDERS = 1, 2, 3
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 16 * EPS
"""What f may differ from 0 by rounding, relative to its terms."""
NEAR = 1e-12
"""A crossing is at a breakpoint if it is nearer than this; sides differ if they do by more, relatively."""
SAMPLES = 257


@dataclass(frozen=True)
class Derivatives:
    """Derivatives at one z.

    Attributes:
        hessian: (d_out, d_in, d_in), IAT (22).
        along: (3, d_out), the derivatives of u along v of orders one to three.
        missing: for each order why it does not exist at z, or "". Numbers of a missing order are nan.
    """

    hessian: Floats
    along: Floats
    missing: tuple[str, str, str]


def derivatives(
    iat: iatcore.IAT, z: Floats, v: Floats, roots: Floats, flat: Sequence[tuple[float, float]]
) -> Derivatives:
    """``J v``, ``v^T H_i v`` and :func:`third`, for a gate with its only breakpoint at 0, or without one.

    Args:
        iat: the transform.
        z: the point, shape (d_in,); v: the direction, shape (d_in,).
        roots: of :func:`roots_of`.
        flat: the intervals on which f vanishes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        hessian = iat.hessian(z)
    linear = not any(iat.gate.jumps)
    missing = ("", "", "") if linear else _missing(iat, z, roots, flat, bool(np.isnan(hessian).any()))
    if linear:
        hessian, roots = np.zeros_like(hessian), roots[:0]
    if missing[1]:
        hessian = np.full_like(hessian, np.nan)
    none = np.full(iat.out_size, np.nan)
    along = np.stack(
        [
            none if missing[0] else iat.jvp(z, v),
            none if missing[1] else np.einsum("ijk,j,k->i", hessian, v, v),
            none if missing[2] else third(iat, z, v, roots),
        ]
    )
    return Derivatives(hessian, along, missing)


def roots_of(iat: iatcore.IAT, z: Floats, positive: Floats) -> Floats:
    """Where f crosses 0, ascending: the inner ends of the set where f > 0 without those at which f jumps over 0."""
    ends = np.unique(positive[np.abs(positive) < 1])
    at = breakpoints(iat.p, iat.q)
    return ends[~_is_among(ends, at.positions[at.jumps & ~at.zeros(z)])]


def third(iat: iatcore.IAT, z: Floats, v: Floats, roots: Floats) -> Floats:
    """``d^3/dt^3 u(z + t v)`` at t = 0: ``-sum jump/|f'(r)| d/ds(q h^3/f')(r)`` with ``h = v^T p``, shape (d_out,).

    It is the derivative of ``v^T H v``, IAT (22), in which every root moves with the velocity ``-h/f'``. A jump of f
    from one sign to the other does not move and adds nothing.

    Args:
        iat: a transform whose gate has its only breakpoint at 0, or none.
        z, v: shape (d_in,).
        roots: those of f, simple; at a breakpoint only if p', q' and f'' are continuous there.
    """
    p, dp, ddp = _with_derivatives(iat.p)[:3]
    q, dq = _with_derivatives(iat.q)[:2]
    f1, f2 = z @ dp(roots), z @ ddp(roots)
    h, h1 = v @ p(roots), v @ dp(roots)
    change = dq(roots) * h**3 / f1 + q(roots) * (3 * h**2 * h1 / f1 - h**3 * f2 / f1**2)
    return -sum(iat.gate.jumps) * (change / np.abs(f1)).sum(axis=1)


def _missing(
    iat: iatcore.IAT, z: Floats, roots: Floats, flat: Sequence[tuple[float, float]], singular: bool
) -> tuple[str, str, str]:
    if flat:
        reason = "f is 0 on " + " and ".join(f"[{a:.3g}, {b:.3g}]" for a, b in flat)
        return reason, reason, reason
    if singular:
        return "", "f touches 0", "f touches 0"
    at = breakpoints(iat.p, iat.q)
    zero, touched = at.zeros(z), ~_is_among(at.positions, roots) & ~at.is_end
    allowed = np.where(touched, 1, at.orders(z))
    reasons = []
    for order in ORDERS:
        where = np.flatnonzero(zero & (allowed < order))
        reasons.append(_reason(at, int(where[0]), bool(touched[where[0]])) if len(where) else "")
    return reasons[0], reasons[1], reasons[2]


def _reason(at: Breakpoints, k: int, touched: bool) -> str:
    s = f"s = {at.positions[k]:.3g}"
    if touched:
        return f"f touches 0 at {s}"
    return f"f is 0 at {s}, an end" if at.is_end[k] else f"f is 0 at {s}, where p or q is not smooth"


def _is_among(points: Floats, others: Floats) -> NDArray[np.bool_]:
    return np.any(np.abs(points[:, None] - others) <= NEAR, axis=1)


@dataclass(frozen=True)
class Breakpoints:
    """Where p or q may not be smooth.

    Attributes:
        positions: breakpoints of p and q and the ends, ascending, shape (n,).
        is_end: whether it is -1 or 1.
        jumps: whether p jumps.
        smooth: how many derivatives of p and q are continuous, at most 1; -1 where p or q jumps.
        sides: p, p', p'' on the left and on the right, shape (3, 2, d_in, n).
        sizes: the largest moduli of p and of its derivatives at these points, at least those of p elsewhere, (3, d_in).
    """

    positions: Floats
    is_end: NDArray[np.bool_]
    jumps: NDArray[np.bool_]
    smooth: NDArray[np.int64]
    sides: Floats
    sizes: Floats

    def zeros(self, z: Floats) -> NDArray[np.bool_]:
        """Whether f is 0 on one side; where every function is 0, a root does not move with z and is left out."""
        size = np.abs(z) @ self.sizes[0]
        fixed = np.all(np.abs(self.sides[0]) <= ROUNDING * self.sizes[0].max(), axis=(0, 1))
        return np.any(np.abs(z @ self.sides[0]) <= ROUNDING * size, axis=0) & ~fixed

    def orders(self, z: Floats) -> NDArray[np.int64]:
        """How often u is differentiable, at most 3, where f crosses 0 there with a slope.

        ``H = sum jump q p p^T/|f'|`` is continuous if q, p and f' are; its derivative if q', p' and f'' are, too.
        """
        left, right = (np.einsum("j,mjn->mn", z, self.sides[:, side]) for side in (0, 1))
        same = np.abs(left - right) <= NEAR * (self.sizes @ np.abs(z))[:, None]
        first = ~self.is_end & (self.smooth >= 0) & same[1]
        return 1 + first + (first & (self.smooth >= 1) & same[2])


@lru_cache(maxsize=64)
def breakpoints(p: Basis, q: Basis) -> Breakpoints:
    """Breakpoints of a pair of bases."""
    exact = sorted({*p.knots, *q.knots})
    sides_p, sides_q = (np.stack([_both_sides(b, f, exact) for f in _with_derivatives(b)]) for b in (p, q))
    continuous = _is_continuous(sides_p) & _is_continuous(sides_q)
    positions = np.array([float(x) for x in exact])
    sizes = np.abs(sides_p).max(axis=(1, 3))
    sizes[0] = np.maximum(sizes[0], np.abs(p(np.linspace(-1, 1, SAMPLES))).max(axis=1))
    return Breakpoints(
        positions=positions,
        is_end=np.abs(positions) == 1,
        jumps=~_is_continuous(sides_p)[0],
        smooth=np.where(continuous[0], np.where(continuous[1], 1, 0), -1),
        sides=sides_p,
        sizes=sizes,
    )


def _is_continuous(sides: Floats) -> NDArray[np.bool_]:
    """Whether a basis and its derivatives are continuous at points: (3, 2, size, n) to (3, n)."""
    scale = np.abs(sides).max(axis=(1, 2, 3))
    return np.all(np.abs(sides[:, 0] - sides[:, 1]) <= NEAR * scale[:, None, None], axis=1)


def _both_sides(b: Basis, f: Basis, exact: Sequence[Fraction]) -> Floats:
    """f, which has the pieces of b, on the left and on the right of points: (2, size, n)."""
    s, last = np.array([float(x) for x in exact]), len(b.knots) - 2
    left = np.array([max(bisect_left(b.knots, x) - 1, 0) for x in exact])
    right = np.array([min(bisect_right(b.knots, x) - 1, last) for x in exact])
    return np.stack([f.on_pieces(left, s), f.on_pieces(right, s)])


@lru_cache(maxsize=128)
def _with_derivatives(b: Basis) -> tuple[Basis, Basis, Basis]:
    """A basis and its first two derivatives."""
    first = b.derivative()
    return b, first, first.derivative()
