"""Derivatives beyond the activation matrix: what moves when the crossings of a pattern move (IAT (22)).

With ``u = integral of q sigma(f)``, a gate that changes its slope by ``jump`` and its value by ``c = jump s_j`` at the
level s_j, and r the points where f crosses that level:

    du/dz    = S + sum c q(r) p(r)^T / |f'(r)|
    d2u/dz2  = sum (jump q p p^T - c d/ds(q p p^T / f')) / |f'|
    du/ds_j  = -sum c q(r) / |f'(r)|

and, for the decoupled form ``S(D(z)) x`` of IAT (24), ``d/dz = sum jump (p^T x) q p^T / |f'|``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bases import Basis
from .gates import Gate
from .kernels import crossings
from .kernels.quadrature import slope_batch
from .pattern import ActivationPattern
from .plan import CrossingPlan, MomentPlan, crossing_plan
from .threads import over_rows

Floats = NDArray[np.float64]
COST = 300
"""Nanoseconds for one crossing, about."""
NOTHING = np.zeros((1, 1))


class SingularWarning(RuntimeWarning):
    """Second derivatives were asked for where they do not exist."""


class CrossingSums:
    """Sums over crossings for one pair of bases and a gate; see :mod:`iatcore.kernels.crossings`."""

    def __init__(self, p: Basis, q: Basis, gate: Gate) -> None:
        self.p, self.q, self.gate = p, q, gate
        self._plans: dict[tuple[Fraction, ...], CrossingPlan] = {}

    def with_gate(self, gate: Gate) -> CrossingSums:
        """The same for another gate."""
        other = CrossingSums(self.p, self.q, gate)
        other._plans = self._plans
        return other

    def __call__(
        self, mode: int, pattern: ActivationPattern, z: Floats, g: Floats = NOTHING, v: Floats = NOTHING
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Rows of a sum, and where a crossing without slope was left out; rows of nan are nan.

        Args:
            mode: one of TANGENT, COTANGENT, MOTION, SECOND, BREAKPOINTS, HESSIAN.
            pattern: made from z, which has rows (B, d_in).
            g, v: rows (B, d_out) and (B, d_in); (1, .) serves all rows.
        """
        if pattern.knots not in self._plans:
            self._plans[pattern.knots] = crossing_plan(self.p, self.q, pattern.knots)
        plan = self._plans[pattern.knots]
        if mode == crossings.HESSIAN:
            g = np.zeros((1, self.q.size))
        y, exponent = _unit_rows(z)
        with np.errstate(over="ignore"):
            levels = np.ldexp(np.array(self.gate.breakpoints)[None, :], -exponent[:, None])
        out, singular = np.zeros((len(z), self._size(mode))), np.zeros(len(z), dtype=np.bool_)
        over_rows(
            crossings.crossing_sum_batch,
            len(z),
            COST * (1 + self.p.size),
            pattern.arrays(),
            (levels, np.array(self.gate.jumps)),
            plan.cuts,
            plan.frame,
            plan.sides,
            (y, g, v),
            mode,
            singular,
            out,
        )
        if mode in (crossings.MOTION, crossings.SECOND, crossings.HESSIAN):
            with np.errstate(over="ignore"):
                out = np.ldexp(out, -exponent[:, None])
        for rows in (z, g, v):
            out[~np.isfinite(rows).all(axis=1) if len(rows) == len(out) else []] = np.nan
        return out, singular

    def _size(self, mode: int) -> int:
        d_in, d_out = self.p.size, self.q.size
        sizes = {crossings.TANGENT: d_out, crossings.HESSIAN: d_out * d_in * d_in}
        return len(self.gate.jumps) if mode == crossings.BREAKPOINTS else sizes.get(mode, d_in)


def _unit_rows(z: Floats) -> tuple[Floats, NDArray[Any]]:
    """Finite rows divided by a power of two near their largest entry, others as zeros; and the exponents."""
    finite = np.isfinite(z).all(axis=1, keepdims=True)
    work = np.where(finite, z, 0.0)
    exponent = np.frexp(np.abs(work).max(axis=1, initial=0.0))[1]
    return np.ldexp(work, -exponent[:, None]), exponent


def slope_integrals(pattern: ActivationPattern, plan: MomentPlan, z: Floats, g: Floats) -> Floats:
    """``g^T integral over {slope number j} of q f ds`` for every slope: (B, m + 1); rows of nan are nan."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(z).all(axis=1) & np.isfinite(g).all(axis=1))
    out = np.zeros((len(z), len(pattern.gate_slopes)))
    over_rows(
        slope_batch,
        len(z),
        50 * len(plan.lefts) * len(plan.rule),
        pattern.arrays(),
        plan.cuts,
        (plan.lefts, plan.widths, plan.rule),
        plan.p,
        plan.q,
        np.where(finite[:, None], z, 0.0),
        np.where(finite[:, None], g, 0.0),
        out,
    )
    out[~finite] = np.nan
    return out
