"""The M-point transform of IAT section 3.3: a midpoint rule, and a plain matrix expression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bases import Basis
from .checks import check_pair, check_rows, check_size
from .gates import Gate


class DiscreteIAT:
    """``u = (2/M) Q sigma(P^T z)`` with P, Q the values of p, q at the M midpoints, IAT (12).

    Its error is O(M^-2) for continuous p and q, and its second derivatives vanish almost everywhere.

    Args:
        p, q: input and output basis.
        mesh: the number M >= 1 of mesh cells.
        gate: the scalar gate sigma.

    Attributes:
        points: the midpoints, shape (M,).
        p_values, q_values: P and Q, shapes (d_in, M) and (d_out, M).
    """

    def __init__(self, p: Basis, q: Basis, mesh: int, gate: Gate) -> None:
        self.mesh = check_size(mesh, "mesh")
        self.p, self.q, self.gate = p, q, gate
        self.points = midpoints(self.mesh)
        self.p_values, self.q_values = p(self.points), q(self.points)

    def __repr__(self) -> str:
        return f"DiscreteIAT({self.p!r}, {self.q!r}, mesh={self.mesh}, gate={self.gate!r})"

    def __call__(self, z: ArrayLike) -> NDArray[Any]:
        """u for z of shape (..., d_in): shape (..., d_out); rows with nan or inf give nan."""
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        rows = _poisoned(rows)
        u = self.gate(rows @ self.p_values) @ self.q_values.T * (2 / self.mesh)
        return u.astype(dtype, copy=False).reshape(*shape, self.q.size)

    def activation_matrix(self, z: ArrayLike) -> NDArray[Any]:
        """``(2/M) Q diag(a(P^T z)) P^T``, which is also the Jacobian, IAT (13): shape (..., d_out, d_in)."""
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        slopes = self.gate.derivative(_poisoned(rows) @ self.p_values)
        s = np.einsum("im,bm,jm->bij", self.q_values, slopes, self.p_values, optimize=True) * (2 / self.mesh)
        return s.astype(dtype, copy=False).reshape(*shape, self.q.size, self.p.size)

    def vjp(self, z: ArrayLike, g: ArrayLike) -> NDArray[Any]:
        """``J(z)^T g``: shapes (..., d_in) and (..., d_out), broadcast, to (..., d_in)."""
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", g, self.q.size, "g")
        slopes = self.gate.derivative(_poisoned(rows) @ self.p_values)
        result = (slopes * (other @ self.q_values)) @ self.p_values.T * (2 / self.mesh)
        return result.astype(dtype, copy=False).reshape(*shape, self.p.size)

    def jvp(self, z: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """``J(z) v``: shapes (..., d_in) and (..., d_in), broadcast, to (..., d_out)."""
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", v, self.p.size, "v")
        slopes = self.gate.derivative(_poisoned(rows) @ self.p_values)
        result = (slopes * (other @ self.p_values)) @ self.q_values.T * (2 / self.mesh)
        return result.astype(dtype, copy=False).reshape(*shape, self.q.size)


def midpoints(mesh: int) -> NDArray[np.float64]:
    """Midpoints of ``mesh`` equal cells of [-1, 1]."""
    return (2.0 * np.arange(mesh) + 1.0 - mesh) / mesh


def _poisoned(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows in float64, entirely nan where an entry is not finite."""
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.nan).astype(np.float64)
