"""The integral activation transform ``u = integral over [-1, 1] of q(s) sigma(z^T p(s)) ds``, exactly."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import gates
from .bases import basis
from .checks import check_pair, check_rows
from .derivatives import SingularWarning
from .discrete import DiscreteIAT
from .gates import Gate
from .gram import gram
from .kernels import crossings
from .mesh_bounds import mesh_for
from .pattern import ActivationPattern
from .rows import RowTransform

Floats = NDArray[np.float64]


class IAT(RowTransform):
    """The exact transform of IAT (4) for step gates: ``u = S(z) z``, IAT (17)-(18).

    Args:
        p: input basis (d_in functions), as :func:`iatcore.basis` takes it.
        q: output basis (d_out functions).
        gate: the scalar gate sigma; None is ReLU.

    Raises:
        TypeError: gate is not a Gate; p or q as for :func:`iatcore.basis`.
        ValueError: p or q as for :func:`iatcore.basis`.

    Results are computed in float64; float32 input gives float32 output, integers give float64. A row with nan or inf
    gives nan in that row alone.
    """

    def __init__(self, p: Any, q: Any, gate: Gate | None = None) -> None:
        sigma = gates.relu() if gate is None else gate
        if not isinstance(sigma, Gate):
            raise TypeError(f"gate must be an iatcore.Gate, got {gate!r}; SmoothIAT takes functions")
        super().__init__(basis(p), basis(q), sigma)

    def with_gate(self, gate: Gate) -> IAT:
        """The transform with the same bases and another gate; what was prepared for the bases serves it too.

        Raises:
            TypeError: not a Gate.
        """
        other = IAT(self.p, self.q, gate)
        self._share(other)
        return other

    def __repr__(self) -> str:
        return f"IAT({self.p!r}, {self.q!r}, gate={self.gate!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"p": self.p, "q": self.q, "gate": self.gate, "_moment_plans": {}}

    # -- the transform -------------------------------------------------------------------------------------------

    def __call__(self, z: ArrayLike) -> NDArray[Any]:
        """``u_i = integral q_i(s) sigma(z^T p(s)) ds``.

        Args:
            z: real, shape (..., d_in).

        Returns:
            shape (..., d_out).

        Raises:
            TypeError: z is not real.
            ValueError: the last dimension is not d_in.
        """
        rows, shape, dtype = check_rows(z, self.in_size, "z")
        return self.forward(rows)[0].astype(dtype, copy=False).reshape(*shape, self.out_size)

    def activation_matrix(
        self, z: ArrayLike | None = None, *, pattern: ActivationPattern | None = None
    ) -> NDArray[Any]:
        """``S = integral a(f(s)) q(s) p(s)^T ds``, IAT (18), shape (..., d_out, d_in).

        Args:
            z: the batch whose pattern is taken; or
            pattern: a pattern from anywhere (the decoupled form, IAT 4.4).

        Raises:
            TypeError: not exactly one of both is given.
        """
        if (z is None) == (pattern is None):
            raise TypeError("activation_matrix takes either z or pattern=")
        if pattern is None:
            rows, shape, dtype = check_rows(z, self.in_size, "z")
            matrix = self._matrix_rows(rows.astype(np.float64))
            return matrix.astype(dtype, copy=False).reshape(*shape, self.out_size, self.in_size)
        return self._pattern_matrices(pattern).reshape(*pattern.batch_shape, self.out_size, self.in_size)

    def apply(self, pattern: ActivationPattern, z: ArrayLike) -> NDArray[Any]:
        """``S(D) z`` for a pattern D of the same batch: shape (..., d_in) to (..., d_out), IAT (26).

        Raises:
            ValueError: leading shapes differ.
        """
        return self._apply(pattern, z, self.in_size, self.out_size, "z", False)

    def apply_transpose(self, pattern: ActivationPattern, g: ArrayLike) -> NDArray[Any]:
        """``S(D)^T g`` for a pattern D of the same batch: g of shape (..., d_out) to (..., d_in)."""
        return self._apply(pattern, g, self.out_size, self.in_size, "g", True)

    def _apply(
        self, pattern: ActivationPattern, values: ArrayLike, size: int, result: int, name: str, transpose: bool
    ) -> NDArray[Any]:
        if not isinstance(pattern, ActivationPattern):
            raise TypeError(f"pattern must be an ActivationPattern, got {type(pattern).__name__}")
        rows, shape, dtype = check_rows(values, size, name)
        if shape != pattern.batch_shape:
            raise ValueError(f"{name} must have leading shape {pattern.batch_shape} of the pattern, got {shape}")
        out = self._apply_rows(pattern, rows.astype(np.float64), transpose)
        return out.astype(dtype, copy=False).reshape(*shape, result)

    # -- derivatives ---------------------------------------------------------------------------------------------

    def vjp(self, z: ArrayLike, g: ArrayLike) -> NDArray[Any]:
        """``J(z)^T g`` with J = du/dz: z (..., d_in) and g (..., d_out), broadcast, to (..., d_in); IAT (21).

        J equals S(z) if the gate is continuous; where it jumps away from 0 a term at the crossings is added:
        ``sum (t_j - t_{j-1}) s_j q(r) p(r)^T / |f'(r)|``. Raises as :meth:`__call__`, for z and g.
        """
        rows, other, shape, dtype = check_pair(z, self.in_size, "z", g, self.out_size, "g")
        return self.backward(rows, other).astype(dtype, copy=False).reshape(*shape, self.in_size)

    def jvp(self, z: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """``J(z) v``: z and v (..., d_in), broadcast, to (..., d_out); J, and what it raises, as in :meth:`vjp`."""
        rows, other, shape, dtype = check_pair(z, self.in_size, "z", v, self.in_size, "v")
        out = self._derivative_rows(rows, other, transpose=False)
        return out.astype(dtype, copy=False).reshape(*shape, self.out_size)

    def hessian(self, z: ArrayLike) -> NDArray[Any]:
        """Second derivatives of u at z (..., d_in): (..., d_out, d_in, d_in), symmetric in the last two; IAT (22).

        ``sum (1/|f'(r)|) [jump q p p^T - c d/ds(q p p^T / f')](r)`` over the crossings r of gate levels s_j, with
        ``jump = t_j - t_{j-1}`` and ``c = jump s_j``. A crossing at a breakpoint of p or q counts one half from each
        side, which is what central differences tend to.

        Rows in which f touches a level without crossing it, has a multiple root there or equals it on an interval have
        no second derivative: they are nan, with a :class:`iatcore.SingularWarning`. Raises as :meth:`__call__`.
        """
        rows, shape, dtype = check_rows(z, self.in_size, "z")
        y = rows.astype(np.float64)
        pattern = self.pattern(y)
        out, singular = self._crossing_sums(crossings.HESSIAN, pattern, y)
        singular = (singular | (pattern.unresolved > 0)) & pattern.finite
        if singular.any():
            where = np.flatnonzero(singular)
            message = f"no second derivatives in {len(where)} of {len(y)} rows, the first is row {where[0]}: "
            warnings.warn(message + "f touches a level there", SingularWarning, stacklevel=2)
            out[singular] = np.nan
        return out.astype(dtype, copy=False).reshape(*shape, self.out_size, self.in_size, self.in_size)

    def hessian_vjp(self, z: ArrayLike, g: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """``sum_i g_i H_i(z) v`` with H_i the second derivatives of u_i: the derivative of ``v^T J(z)^T g``.

        Crossings without slope are left out, so rows that :meth:`hessian` gives as nan are finite here.

        Args:
            z, v: shape (..., d_in).
            g: shape (..., d_out), equal in front.
        """
        (rows, g_rows, v_rows), shape, dtype = self._triple(z, g, v, "v")
        out = self.second_rows(rows, g_rows, v_rows)
        return out.astype(dtype, copy=False).reshape(*shape, self.in_size)

    def pattern_vjp(self, z: ArrayLike, x: ArrayLike, g: ArrayLike) -> NDArray[Any]:
        """Derivative of ``g^T S(D(z)) x`` with respect to z, IAT (22), (24): ``sum jump (p^T x) (q^T g) p / |f'|``.

        The gradient with respect to the weights that make the pattern of the decoupled form.

        Args:
            z, x: shape (..., d_in).
            g: shape (..., d_out), equal in front.
        """
        (rows, g_rows, x_rows), shape, dtype = self._triple(z, g, x, "x")
        out = self.motion_rows(rows, x_rows, g_rows)
        return out.astype(dtype, copy=False).reshape(*shape, self.in_size)

    def gate_vjp(self, z: ArrayLike, g: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Derivatives of ``g^T u(z)`` by the slopes and by the breakpoints of the gate; raises as :meth:`vjp`.

        ``du/dt_j = integral over {s_j < f <= s_{j+1}} of q f``, and
        ``du/ds_j = -(t_j - t_{j-1}) s_j sum q(r) / |f'(r)|`` over the crossings r of s_j.

        Returns:
            shapes (..., m + 1) and (..., m); sum over the batch for a gradient. Where f does not cross a level but
            jumps over it, as ``rect`` does, the second is 0 almost everywhere.
        """
        rows, other, shape, dtype = check_pair(z, self.in_size, "z", g, self.out_size, "g")
        y, h = rows.astype(np.float64), other.astype(np.float64)
        return (
            self.slope_rows(y, h).astype(dtype, copy=False).reshape(*shape, len(self.gate.slopes)),
            self.breakpoint_rows(y, h).astype(dtype, copy=False).reshape(*shape, len(self.gate.breakpoints)),
        )

    def _triple(self, z: ArrayLike, g: ArrayLike, v: ArrayLike, name: str) -> Any:
        """Three batches of one leading shape as rows, that shape, and the widest dtype."""
        checked = [
            check_rows(z, self.in_size, "z"), check_rows(g, self.out_size, "g"), check_rows(v, self.in_size, name)
        ]  # fmt: skip
        shapes = [shape for _, shape, _ in checked]
        if not shapes[0] == shapes[1] == shapes[2]:
            raise ValueError(f"z, g and {name} must have one leading shape, got {shapes[0]}, {shapes[1]}, {shapes[2]}")
        return [rows for rows, _, _ in checked], shapes[0], np.result_type(*(dtype for _, _, dtype in checked))

    def lipschitz(self) -> float:
        """A constant L with ``|u(z) - u(y)| <= L |z - y|`` for all z, y.

        ``max|t_j| sqrt(lambda_max(G_p) lambda_max(G_q))`` with the Gram matrices of p and q.

        Raises:
            ValueError: the gate jumps, so there is none.
        """
        if not self.gate.is_continuous:
            raise ValueError(f"a gate that jumps has no Lipschitz constant, got {self.gate!r}")
        largest = [np.linalg.eigvalsh(gram(b, b))[-1] for b in (self.p, self.q)]
        return float(max(abs(t) for t in self.gate.slopes) * np.sqrt(largest[0] * largest[1]))

    def discretize(self, mesh: int) -> DiscreteIAT:
        """The M-point transform of IAT (12); raises ValueError unless ``mesh >= 1``."""
        return DiscreteIAT(self.p, self.q, mesh, self.gate)

    def mesh_for(self, tolerance: float, norm: float = 1.0) -> int:
        """An M with which :meth:`discretize` is within ``tolerance`` for all z of norm ``norm``: :func:`mesh_for`."""
        return mesh_for(self.p, self.q, tolerance, self.gate, norm)


class IATReLU(IAT):
    """:class:`IAT` with the ReLU gate: p and q are bases, IAT (17)-(18)."""

    def __init__(self, p: Any, q: Any) -> None:
        super().__init__(p, q, gates.relu())
