"""The M-point transform of IAT section 3.3: a midpoint rule, and a plain matrix expression."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bases import Basis
from .checks import check_pair, check_rows, check_size, nan_rows
from .gates import Gate
from .mesh_error import MeshError
from .smooth_functions import Smooth

Floats = NDArray[np.float64]
Activation = Gate | Smooth | Callable[[Floats], Floats]


class DiscreteIAT:
    """``u = (2/M) Q sigma(P^T z)`` with P, Q the values of p, q at the M midpoints, IAT (12).

    For a continuous step gate its error is O(M^-2) if p and q are continuous and O(M^-1) if they jump off the mesh;
    its second derivatives vanish almost everywhere. For a smooth sigma it is smooth.

    Args:
        p, q: input and output basis.
        mesh: the number M >= 1 of mesh cells.
        gate: the scalar activation sigma: a step gate; a :class:`Smooth` function; or any function of float64
            arrays that keeps their shape, whose derivative is then not known.

    Attributes:
        points: the midpoints, shape (M,).
        p_values, q_values: P and Q, shapes (d_in, M) and (d_out, M).

    Raises:
        TypeError: mesh is not an integer, gate is neither a Gate nor callable.
        ValueError: mesh is below 1.
    """

    def __init__(self, p: Basis, q: Basis, mesh: int, gate: Activation) -> None:
        self.mesh = check_size(mesh, "mesh")
        self.p, self.q, self.gate = p, q, _activation(gate)
        self.points = midpoints(self.mesh)
        self.p_values, self.q_values = p(self.points), q(self.points)

    def __repr__(self) -> str:
        return f"DiscreteIAT({self.p!r}, {self.q!r}, mesh={self.mesh}, gate={self.gate!r})"

    def __call__(self, z: ArrayLike) -> NDArray[Any]:
        """u for z of shape (..., d_in): shape (..., d_out), raises as the exact one; rows with nan or inf give nan."""
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        u = self.gate(nan_rows(rows) @ self.p_values) @ self.q_values.T * (2 / self.mesh)
        return u.astype(dtype, copy=False).reshape(*shape, self.q.size)

    def activation_matrix(self, z: ArrayLike) -> NDArray[Any]:
        """``(2/M) Q diag(sigma'(P^T z)) P^T``, the Jacobian, IAT (13): shape (..., d_out, d_in).

        For a step gate sigma' is its step function a, and this is also the S of ``u = S z``.

        Raises:
            ValueError: the derivative of the activation is not known.
        """
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        slopes = self._slopes(rows)
        s = np.einsum("im,bm,jm->bij", self.q_values, slopes, self.p_values, optimize=True) * (2 / self.mesh)
        return s.astype(dtype, copy=False).reshape(*shape, self.q.size, self.p.size)

    def vjp(self, z: ArrayLike, g: ArrayLike) -> NDArray[Any]:
        """``J(z)^T g``: shapes (..., d_in) and (..., d_out), broadcast, to (..., d_in).

        Raises:
            ValueError: the derivative of the activation is not known.
        """
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", g, self.q.size, "g")
        result = (self._slopes(rows) * (other @ self.q_values)) @ self.p_values.T * (2 / self.mesh)
        return result.astype(dtype, copy=False).reshape(*shape, self.p.size)

    def jvp(self, z: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """``J(z) v``: shapes (..., d_in) and (..., d_in), broadcast, to (..., d_out).

        Raises:
            ValueError: the derivative of the activation is not known.
        """
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", v, self.p.size, "v")
        result = (self._slopes(rows) * (other @ self.p_values)) @ self.q_values.T * (2 / self.mesh)
        return result.astype(dtype, copy=False).reshape(*shape, self.q.size)

    # -- distance from the exact transform -----------------------------------------------------------------------

    def leading_error(self, z: ArrayLike) -> NDArray[Any]:
        """The leading term of ``u_M - u``: z of shape (..., d_in) to (..., d_out); the remainder is O(M^-3).

        With ``F = q sigma(f)``, w = 2/M, ``[F](x)`` a jump (right minus left, F and F' being 0 outside of [-1, 1])
        and o(x) what x lies to the right of the mesh node next to it,

            sum over x of  ``[F](x) o(x) - [F'](x) (o(x)**2 - w**2/12)/2``,

        x running over the breakpoints of p and q, the roots of f and the ends -1 and 1.

        Raises:
            TypeError, ValueError: z is not real or has the wrong last dimension; the gate is not a continuous step
                gate.
        """
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        return self._error.leading(rows).astype(dtype, copy=False).reshape(*shape, self.q.size)

    def error_bound(self, z: ArrayLike) -> NDArray[np.float64]:
        """A bound of ``|u_M(z) - u(z)|``, entry by entry, that holds for every z: (..., d_in) to (..., d_out), float64.

        It covers the rounding errors of both transforms in float64; see :meth:`iatcore.mesh_error.MeshError.bound`.
        As M grows it approaches the modulus of :meth:`leading_error`.

        Raises:
            TypeError, ValueError: as :meth:`leading_error`.
        """
        rows, shape, _ = check_rows(z, self.p.size, "z")
        return self._error.bound(rows).reshape(*shape, self.q.size)

    @cached_property
    def _error(self) -> MeshError:
        return MeshError(self.p, self.q, self.points, self.gate)

    def _slopes(self, rows: NDArray[Any]) -> Floats:
        f = nan_rows(rows) @ self.p_values
        return self.gate.derivative(f) if isinstance(self.gate, Gate) else self.gate.evaluate(f, 1)


def _activation(gate: Activation) -> Gate | Smooth:
    if isinstance(gate, (Gate, Smooth)):
        return gate
    if not callable(gate):
        raise TypeError(f"gate must be an iatcore.Gate, a Smooth or a function of arrays, got {gate!r}")
    return Smooth(gate, name=getattr(gate, "__name__", ""))


def midpoints(mesh: int) -> NDArray[np.float64]:
    """Midpoints of ``mesh`` equal cells of [-1, 1]."""
    return (2.0 * np.arange(mesh) + 1.0 - mesh) / mesh
