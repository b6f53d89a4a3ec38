"""The integral activation transform ``u = integral over [-1, 1] of q(s) sigma(z^T p(s)) ds``, exactly."""

from __future__ import annotations

import warnings
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import gates
from .bases import Basis, basis
from .checks import check_pair, check_rows
from .derivatives import CrossingSums, SingularWarning, slope_integrals
from .discrete import DiscreteIAT
from .gates import Gate
from .gram import gram
from .kernels import crossings, fused
from .kernels.quadrature import APPLY, MATRIX, moment_batch
from .mesh_bounds import mesh_for
from .pattern import ActivationPattern, activation_pattern
from .plan import MomentPlan, moment_plan
from .runners import Crossings, LocalRunner, LocalWaveRunner, WaveRunner, crossing_store, is_local, is_wave, saved_room
from .threads import over_rows

Floats = NDArray[np.float64]


class IAT:
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
        self.p: Basis = basis(p)
        self.q: Basis = basis(q)
        self.gate: Gate = gates.relu() if gate is None else gate
        if not isinstance(self.gate, Gate):
            raise TypeError(f"gate must be an iatcore.Gate, got {gate!r}; SmoothIAT takes functions")
        self._moment_plans: dict[tuple[Fraction, ...], MomentPlan] = {}

    @property
    def in_size(self) -> int:
        """Number d_in of input functions."""
        return self.p.size

    @property
    def out_size(self) -> int:
        """Number d_out of output functions."""
        return self.q.size

    def with_gate(self, gate: Gate) -> IAT:
        """The transform with the same bases and another gate; what was prepared for the bases serves it too.

        Raises:
            TypeError: not a Gate.
        """
        other = IAT(self.p, self.q, gate)
        other._moment_plans = self._moment_plans
        other._kind = self._kind
        if self._kind is not None:
            other._runner = self._runner.with_gate(other._gate_arrays)
        other._crossing_sums = self._crossing_sums.with_gate(gate)
        other._gram = self._gram
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

    def pattern(self, z: ArrayLike, certified: bool = False) -> ActivationPattern:
        """The activation pattern D(z) of a batch of shape (..., d_in), IAT (19); raises as :meth:`__call__`.

        Args:
            certified: rows that bounds in doubles leave open, and rows with crossings nearer than 1e-6, are decided
                again in double-double arithmetic; :attr:`ActivationPattern.certified` says which rows are decided by
                bounds everywhere.
        """
        return activation_pattern(self.p, self.gate, z, certified)

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
        out = np.empty((len(pattern), self.out_size, self.in_size))
        self._moments(pattern, MATRIX, out, np.empty((1, 1)))
        return out.reshape(*pattern.batch_shape, self.out_size, self.in_size)

    def _matrix_rows(self, z: Floats) -> Floats:
        """S row by row of a batch: column j is the derivative along the unit vector j, over one stored pattern."""
        if self._kind is None:
            out = np.empty((len(z), self.out_size, self.in_size))
            self._moments(self.pattern(z), MATRIX, out, np.empty((1, 1)))
            return out
        saved = self.forward(z, save=True)[1]
        columns = []
        for j in range(self.in_size):
            unit = np.zeros_like(z)
            unit[:, j] = 1.0
            columns.append(self.matrix_rows(z, unit, saved=saved))
        return np.stack(columns, axis=-1)

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

    def slope_rows(self, z: Floats, g: Floats) -> Floats:
        """Rows of the derivatives of ``g^T u(z)`` with respect to the slopes of the gate, as :meth:`gate_vjp`."""
        if self._kind is None:
            pattern = self.pattern(z)
            return slope_integrals(pattern, self._plan(pattern.knots), z, g)
        # what lies above each level, and differences of it
        above = [_dots(g, z @ self._gram.T)]
        for s in self.gate.breakpoints:
            single = self.with_gate(Gate((s,), (0.0, 1.0), self.gate.side))
            above.append(_dots(g, single.forward(z)[0]))
        above.append(np.zeros(len(z)))
        return -np.diff(np.stack(above, axis=-1), axis=-1)

    def breakpoint_rows(self, z: Floats, g: Floats) -> Floats:
        """Rows of the derivatives of ``g^T u(z)`` with respect to the breakpoints of the gate, as :meth:`gate_vjp`."""
        return self._crossing_sums(crossings.BREAKPOINTS, self.pattern(z), z, g=g)[0]

    def second_rows(self, z: NDArray[Any], g: NDArray[Any], v: NDArray[Any]) -> Floats:
        """Rows of :meth:`hessian_vjp`.

        Args:
            z, g, v: contiguous rows, shapes (n, d_in), (n, d_out), (n, d_in).
        """
        y = z.astype(np.float64)
        return self._crossing_sums(crossings.SECOND, self.pattern(y), y, g.astype(np.float64), v.astype(np.float64))[0]

    def motion_rows(self, z: NDArray[Any], x: NDArray[Any], g: NDArray[Any]) -> Floats:
        """Rows of :meth:`pattern_vjp`.

        Args:
            z, x, g: contiguous rows, shapes (n, d_in), (n, d_in), (n, d_out).
        """
        y = z.astype(np.float64)
        return self._crossing_sums(crossings.MOTION, self.pattern(y), y, g.astype(np.float64), x.astype(np.float64))[0]

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

    # -- rows of a checked batch ---------------------------------------------------------------------------------

    def forward(
        self, z: NDArray[Any], save: bool | Crossings = False, h: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Any]:
        """Rows of u, or of ``S(z) h``, and what :meth:`backward` and :meth:`matrix_rows` can reuse (None if nothing).

        Args:
            z: contiguous rows, shape (n, d_in).
            save: whether to keep something, or room of the shapes :meth:`saved_shapes`, which is then written.
            h: rows like z, of its dtype: the decoupled form IAT (24) of them.
        """
        vectors = z if h is None else h
        if self._kind is None:
            pattern = self.pattern(z)
            out = self._apply_rows(pattern, vectors.astype(np.float64), transpose=False)
            return out.astype(z.dtype, copy=False), (pattern if save else None)
        out = np.empty((len(z), self.out_size), dtype=z.dtype)
        saved = (self._empty_crossings(len(z)) if save is True else save) if save else None
        self._run(z, vectors, out, "forward", same=h is None, saved=saved, mode=fused.WRITE)
        return out, saved

    def backward(self, z: NDArray[Any], g: NDArray[Any], saved: Any = None) -> NDArray[Any]:
        """Rows of ``J^T g``, as :meth:`vjp`.

        Args:
            z, g: contiguous rows of one dtype, shapes (n, d_in), (n, d_out).
            saved: what :meth:`forward` gave, or None.
        """
        return self._derivative_rows(z, g, transpose=True, saved=saved)

    def _derivative_rows(self, z: NDArray[Any], h: NDArray[Any], transpose: bool, saved: Any = None) -> NDArray[Any]:
        """``J h`` or ``J^T h``: the activation matrix, and what the crossings add where the gate jumps."""
        if self._kind is None and saved is None:
            saved = self.pattern(z)
        out = self.matrix_rows(z, h, transpose, saved)
        if self.gate.is_continuous:
            return out
        pattern = saved if self._kind is None else self.pattern(z)
        return (out + self._jump_rows(pattern, z, h, transpose)).astype(z.dtype, copy=False)

    def matrix_rows(self, z: NDArray[Any], h: NDArray[Any], transpose: bool = False, saved: Any = None) -> NDArray[Any]:
        """Rows of ``S(z) h``, or of ``S(z)^T h``; nan where z or h are not finite.

        Args:
            z, h: contiguous rows of one dtype, shapes (n, d_in), and (n, d_in) or with ``transpose`` (n, d_out).
            transpose: whether S is transposed.
            saved: what :meth:`forward` gave for z, or None.
        """
        if self._kind is None:
            pattern = self.pattern(z) if saved is None else saved
            return self._apply_rows(pattern, h.astype(np.float64), transpose).astype(z.dtype, copy=False)
        out = np.empty((len(z), self.in_size if transpose else self.out_size), dtype=z.dtype)
        direction = "backward" if transpose else "forward"
        self._run(z, h, out, direction, same=False, saved=saved, mode=fused.READ)
        return out

    @cached_property
    def _kind(self) -> tuple[str, str] | None:
        """Which fused kernel serves: ("local" | "wave", "local" | "wave") for p and q, or None."""
        kinds = tuple("local" if is_local(b) else "wave" if is_wave(b) else "" for b in (self.p, self.q))
        return kinds if all(kinds) else None  # pyright: ignore[reportReturnType]

    @cached_property
    def _gate_arrays(self) -> tuple[Floats, Floats, float, bool]:
        gate = self.gate
        return np.array(gate.breakpoints), np.array(gate.jumps), gate.slopes[0], gate.side == "right"

    @cached_property
    def _runner(self) -> Any:
        """The fused kernel with its tables, as a function of direction."""
        if self._kind == ("local", "local"):
            return LocalRunner(self.p, self.q, self._gate_arrays)
        if self._kind == ("local", "wave"):
            return LocalWaveRunner(self.p, self.q, self._gate_arrays)
        return WaveRunner(self.p, self.q, self._gate_arrays)

    def _run(self, z: Any, h: Any, out: Any, direction: str, same: bool, saved: Any, mode: int) -> None:
        kernel, args = self._runner.prepare(z, h, out, direction, same, saved, mode)
        over_rows(kernel, len(z), self._runner.cost, *args, block=self._runner.block)

    def _empty_crossings(self, batch: int) -> Crossings | None:
        if not self.saves:
            return None
        return crossing_store(-(-batch // 8), saved_room(self.p.max_frequency))

    @property
    def saves(self) -> bool:
        """Whether crossings are kept for the derivative: those of one level of a trigonometric state function."""
        return self._kind is not None and self._kind[0] == "wave" and len(self.gate.jumps) == 1

    def saved_shapes(self, batch: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Shapes of positions, signs and slots that :meth:`forward` saves of a batch; without entries if nothing."""
        blocks, slots = ((batch + 7) // 8, saved_room(self.p.max_frequency)) if self.saves else (0, 0)
        return (blocks * slots * 8,), (blocks, slots + 1), (blocks,)

    # -- over a stored pattern -----------------------------------------------------------------------------------

    def _plan(self, knots: tuple[Fraction, ...]) -> MomentPlan:
        if knots not in self._moment_plans:
            self._moment_plans[knots] = moment_plan(self.p, self.q, knots)
        return self._moment_plans[knots]

    def _moments(self, pattern: ActivationPattern, mode: int, out: Floats, h: Floats, transpose: bool = False) -> None:
        plan = self._plan(pattern.knots)
        integrand, test = (plan.q, plan.p) if transpose else (plan.p, plan.q)
        frame = (plan.lefts, plan.widths, plan.rule)
        slopes = np.array(pattern.gate_slopes)
        over_rows(
            moment_batch,
            len(pattern),
            50 * len(plan.lefts) * len(plan.rule),
            pattern.arrays(),
            slopes,
            plan.cuts,
            frame,
            integrand,
            test,
            mode,
            h,
            out,
        )
        out[~pattern.finite] = np.nan

    def _apply_rows(self, pattern: ActivationPattern, rows: Floats, transpose: bool) -> Floats:
        out = np.empty((len(rows), self.in_size if transpose else self.out_size, 1))
        finite: NDArray[np.bool_] = np.asarray(np.all(np.isfinite(rows), axis=1))
        self._moments(pattern, APPLY, out, np.where(finite[:, None], rows, 0.0), transpose)
        out[~finite] = np.nan
        return out[..., 0]

    def _jump_rows(self, pattern: ActivationPattern, z: NDArray[Any], h: NDArray[Any], transpose: bool) -> Floats:
        """What the crossings of levels where the gate jumps add; a crossing without slope adds nothing."""
        y, rows = z.astype(np.float64), h.astype(np.float64)
        if transpose:
            return self._crossing_sums(crossings.COTANGENT, pattern, y, g=rows)[0]
        return self._crossing_sums(crossings.TANGENT, pattern, y, v=rows)[0]

    @cached_property
    def _gram(self) -> Floats:
        return gram(self.p, self.q)

    @cached_property
    def _crossing_sums(self) -> CrossingSums:
        return CrossingSums(self.p, self.q, self.gate)


def _dots(a: Floats, b: Floats) -> Floats:
    """Scalar products of rows."""
    return np.einsum("ij,ij->i", a, b)


class IATReLU(IAT):
    """:class:`IAT` with the ReLU gate: p and q are bases, IAT (17)-(18)."""

    def __init__(self, p: Any, q: Any) -> None:
        super().__init__(p, q, gates.relu())
