"""How far the M-point transform can be from the exact one for any z, and a mesh for a tolerance.

The bounds are those of :mod:`iatcore.mesh_error` with the worst z, and the worst place in a mesh cell for every break
point.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bases import Basis, basis
from .checks import check_size
from .gates import Gate, relu
from .mesh_error import MOST_KERNEL, ORDERS, Floats, Side, kernel_integrals, rounding_errors, two_slopes
from .plan import refine


def mesh_for(p: Any, q: Any, tolerance: float, gate: Gate | None = None, norm: float = 1.0) -> int:
    """A mesh M with ``|u_M(z) - u(z)| <= tolerance |z| / norm`` for all z, IAT (12), known before any is seen.

    Euclidean norms; so the error is at most ``tolerance`` for all z of norm at most ``norm``. Rounding errors are
    included.

    It is the least M that meets a bound which takes the worst z, and the worst place in a mesh cell for every break
    point; where p or q jumps, multiples of the least mesh that has the jumps on its nodes are tried as well. So M may
    be too large: 2 to 10 times what suffices for normally distributed z, in the named families.

    Args:
        p, q: input and output basis, as :func:`iatcore.basis` takes them.
        tolerance: > 0.
        gate: a continuous step gate; None is ReLU.
        norm: > 0.

    Raises:
        TypeError: gate is not a Gate.
        ValueError: tolerance or norm is not positive and finite; the gate jumps; the bound of the rounding errors,
            which grows like M, keeps every mesh from the tolerance. The message says what can be had.
    """
    for name, value in (("tolerance", tolerance), ("norm", norm)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {value!r}")
    worst = _WorstCase(basis(p), basis(q), relu() if gate is None else gate)
    searches = [_search(worst, tolerance / norm, 1, False)]
    if worst.nodes > 1:
        searches.append(_search(worst, tolerance / norm, worst.nodes, True))
    found = [mesh for mesh, _ in searches if mesh]
    if not found:
        reached = norm * min(least for _, least in searches)
        raise ValueError(
            f"tolerance must be at least about {reached:.1e}, beyond which a finer mesh gains less than its rounding"
            f" errors add, got {tolerance!r}"
        )
    return min(found)


def mesh_bound(p: Any, q: Any, mesh: int, gate: Gate | None = None) -> float:
    """An E with ``|u_M(z) - u(z)| <= E |z|`` for all z, u_M by IAT (12), known before any z is seen.

    What :func:`mesh_for` inverts. Euclidean norms, rounding errors in float64 included.

    Args:
        p, q: input and output basis, as :func:`iatcore.basis` takes them.
        mesh: M >= 1.
        gate: a continuous step gate; None is ReLU.

    Raises:
        TypeError: gate is not a Gate, mesh not an integer.
        ValueError: the gate jumps, or mesh < 1.
    """
    mesh = check_size(mesh, "mesh")
    worst = _WorstCase(basis(p), basis(q), relu() if gate is None else gate)
    return worst.bound(mesh, aligned=mesh % worst.nodes == 0)


def _search(worst: _WorstCase, tolerance: float, step: int, aligned: bool) -> tuple[int, float]:
    """The least multiple of ``step`` whose bound meets the tolerance (0: none), and the least bound seen."""
    high, least = 1, math.inf
    while (bound := worst.bound(high * step, aligned)) > tolerance:
        least = min(least, bound)
        if worst.rounding(high * step) >= bound / 2:  # finer meshes only add to it
            return 0, least
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if worst.bound(middle * step, aligned) <= tolerance else (middle, high)
    return high * step, bound


class _WorstCase:
    """Bounds over all z of norm 1 of what :meth:`MeshError.bound` computes for one, with sums over output entries."""

    def __init__(self, p: Basis, q: Basis, gate: Gate) -> None:
        a, b = two_slopes(gate)
        self.steepest, self.kink = max(abs(a), abs(b)), abs(b - a)
        frame = refine(p.knots, q.knots)
        self.p, self.q = Side(p, frame), Side(q, frame)
        self.lengths = self.p.lengths
        f, g = ([side.sup_of_norm(m) for m in range(3)] for side in (self.p, self.q))
        self.orders = f[0] * g[0], f[1] * g[0] + f[0] * g[1], f[2] * g[0] + 2 * f[1] * g[1] + f[0] * g[2]
        self.at_root = self.kink * f[1] * g[0]
        # a polynomial of degree m has m roots, a trigonometric one 2n in a period, their sum m + 1 more (Rolle)
        self.roots = 2 * p.max_frequency + max(p.degree + bool(p.harmonics), 0)
        self.pieces = len(p.knots) - 1
        self.most = [np.linalg.norm(self.q.sup(m).max(axis=0)) for m in range(ORDERS)]
        self._set_jumps()
        jumps = np.flatnonzero(self.jumps) + 1
        self.nodes = math.lcm(*(((frame[k] + 1) / 2).denominator for k in jumps))

    def _set_jumps(self) -> None:
        """Bounds of ``[F]`` and ``[F']`` at the inner breakpoints, and of the sum of ``|F'|`` at both ends."""
        values = [[side.at_ends(m) for m in (0, 1)] for side in (self.p, self.q)]
        (p, dp), (q, dq) = ([np.linalg.norm(v, axis=2) for v in pair] for pair in values)
        (jp, jdp), (jq, jdq) = ([np.linalg.norm(v[1:, 0] - v[:-1, 1], axis=1) for v in pair] for pair in values)
        left, right = (slice(None, -1), 1), (slice(1, None), 0)
        self.jumps = self.steepest * np.minimum(q[right] * jp + p[left] * jq, q[left] * jp + p[right] * jq)
        # where f jumps it may change sign, and then the slope of the gate changes with it
        signs = np.where(jp > 0, self.kink * (dp[left] * q[left] + p[left] * dq[left]), 0.0)
        kinks = dq[right] * jp + jdq * p[left] + q[right] * jdp + jq * dp[left]
        self.kinks = self.steepest * kinks + signs
        self.ends = self.steepest * sum(dp[e] * q[e] + p[e] * dq[e] for e in ((0, 0), (-1, 1)))

    def rounding(self, mesh: int) -> float:
        """Rounding errors on a mesh."""
        return float(rounding_errors(self.p, self.most, mesh, self.steepest))

    def bound(self, mesh: int, aligned: bool) -> float:
        """The least of three bounds, plus rounding errors; ``aligned``: what jumps does so at mesh nodes."""
        w = 2.0 / mesh
        zeroth, first, second = (self.steepest * v for v in self.orders)
        jumps = 0.0 if aligned else self._over_knots(self.jumps * w / 2)
        kinks = self._over_knots(self.kinks * w**2 * MOST_KERNEL[1]) + self.ends * w**2 / 24
        roots = self.at_root * self.roots * w**2 * MOST_KERNEL[1]
        roots = min(self._over_cells(roots), self.pieces * roots.max())
        bounds = (
            min(self._over_cells(zeroth * (2 * self.lengths + w)), 4 * zeroth.max()),
            jumps + self._over_cells(first * kernel_integrals(0, self.lengths, w)),
            jumps + kinks + roots + self._over_cells(second * kernel_integrals(1, self.lengths, w)),
        )
        return float(min(bounds)) + self.rounding(mesh)

    def _over_cells(self, terms: Floats) -> float:
        return _total(terms, self.p.active(), self.q.active())

    def _over_knots(self, terms: Floats) -> float:
        return _total(terms, *(s.active()[1:] | s.active()[:-1] for s in (self.p, self.q)))


def _total(terms: Floats, p: NDArray[np.bool_], q: NDArray[np.bool_]) -> float:
    """A bound of ``norm(sum_c e_c)`` where ``norm(e_c) <= terms[c] norm(z on the functions p[c])``, norm(z) = 1.

    e_c has entries at q[c] alone. An output is met by few terms, and so is an entry of z: Cauchy-Schwarz.
    """
    if not len(terms):
        return 0.0
    few_p, few_q = (np.sqrt(side.sum(axis=0).max()) for side in (p, q))
    return float(min(terms.sum(), min(few_p, few_q) * np.linalg.norm(terms), few_p * few_q * terms.max()))
