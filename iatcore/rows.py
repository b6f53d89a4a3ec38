"""The transform on rows of a checked batch: which compiled kernel serves a pair of bases, and what it is given."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bases import Basis
from .bases.core import elevate
from .derivatives import CrossingSums, slope_integrals
from .gates import Gate
from .gram import gram
from .kernels import crossings, fused
from .kernels.quadrature import APPLY, MATRIX, moment_batch
from .pattern import ActivationPattern, activation_pattern
from .plan import MomentPlan, moment_plan
from .runners import Crossings, LocalRunner, LocalWaveRunner, WaveRunner, crossing_store, is_local, is_wave, saved_room
from .threads import over_rows

Floats = NDArray[np.float64]


class RowTransform:
    """What :class:`iatcore.IAT` does with contiguous rows that have been checked."""

    def __init__(self, p: Basis, q: Basis, gate: Gate) -> None:
        self.p, self.q, self.gate = p, q, gate
        self._moment_plans: dict[tuple[Fraction, ...], MomentPlan] = {}

    @property
    def in_size(self) -> int:
        """Number d_in of input functions."""
        return self.p.size

    @property
    def out_size(self) -> int:
        """Number d_out of output functions."""
        return self.q.size

    def pattern(self, z: ArrayLike, certified: bool = False) -> ActivationPattern:
        """The activation pattern D(z) of a batch of shape (..., d_in), IAT (19); raises as :meth:`__call__`.

        Args:
            certified: rows that bounds in doubles leave open, and rows with crossings nearer than 1e-6, are decided
                again in double-double arithmetic; :attr:`ActivationPattern.certified` says which rows are decided by
                bounds everywhere.
        """
        return activation_pattern(self.p, self.gate, z, certified)

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
        if self._kind is None or (h is not None and self.needs_pattern):
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
            saved: what :meth:`forward` gave for z, a pattern, or None.
        """
        if self._kind is None or isinstance(saved, ActivationPattern):
            pattern = self.pattern(z) if saved is None else saved
            return self._apply_rows(pattern, h.astype(np.float64), transpose).astype(z.dtype, copy=False)
        out = np.empty((len(z), self.in_size if transpose else self.out_size), dtype=z.dtype)
        direction = "backward" if transpose else "forward"
        self._run(z, h, out, direction, same=False, saved=saved, mode=fused.READ)
        return out

    def _matrix_rows(self, z: Floats) -> Floats:
        """S row by row of a batch: column j is the derivative along the unit vector j, over one stored pattern."""
        if self.needs_pattern:
            return self._pattern_matrices(self.pattern(z))
        saved = self.forward(z, save=True)[1]
        columns = []
        for j in range(self.in_size):
            unit = np.zeros_like(z)
            unit[:, j] = 1.0
            columns.append(self.matrix_rows(z, unit, saved=saved))
        return np.stack(columns, axis=-1)

    def slope_rows(self, z: Floats, g: Floats) -> Floats:
        """Rows of the derivatives of ``g^T u(z)`` with respect to the slopes of the gate, as :meth:`gate_vjp`."""
        if self._kind is None:
            pattern = self.pattern(z)
            return slope_integrals(pattern, self._plan(pattern.knots), z, g)
        # what lies above each level, and differences of it
        above = [_dots(g, z @ self._gram.T)]
        for s in self.gate.breakpoints:
            single = RowTransform(self.p, self.q, Gate((s,), (0.0, 1.0), self.gate.side))
            self._share(single)
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

    def _share(self, other: RowTransform) -> None:
        """What was prepared for the bases serves another gate too."""
        other._moment_plans = self._moment_plans
        other._kind = self._kind
        if self._kind is not None:
            other._runner = self._runner.with_gate(other._gate_arrays)
        other._crossing_sums = self._crossing_sums.with_gate(other.gate)
        other._gram = self._gram

    @cached_property
    def _kind(self) -> tuple[str, str] | None:
        """Which fused kernel serves: ("local" | "wave", "local" | "wave") for p and q, or None."""
        kinds = tuple("local" if is_local(b) else "wave" if is_wave(b) else "" for b in (self.p, self.q))
        return kinds if all(kinds) else None  # pyright: ignore[reportReturnType]

    @cached_property
    def needs_pattern(self) -> bool:
        """Whether S(z) takes a stored pattern: there is no fused kernel, or f can vanish on an interval unnoticed.

        Where functions of p depend linearly on a piece, f vanishes there for coefficients that do not. Stored patterns
        see this, on the pieces of p; fused kernels cut pieces at the knots of q, and what is left there are rounding
        errors. u does not depend on that, and has no derivative there.
        """
        degree = max(self.p.degree, 0)
        pieces = [[[float(v) for v in elevate(c, degree)] for _, c in piece] for piece in self.p.pieces if piece]
        return self._kind is None or any(np.linalg.matrix_rank(piece) < len(piece) for piece in pieces)

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

    def _pattern_matrices(self, pattern: ActivationPattern) -> Floats:
        """S(D) for every D, (B, d_out, d_in)."""
        out = np.empty((len(pattern), self.out_size, self.in_size))
        self._moments(pattern, MATRIX, out, np.empty((1, 1)))
        return out

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
