"""The judge: integral activation transforms in exact rational and ball arithmetic, independent of kernels.

Every float64 in ``z`` is the rational number that it is. Roots of the state function ``f(s) = z^T p(s)`` and
of ``f - s_j`` are certified (python-flint), integrals are closed forms in ball arithmetic, and a result is
the midpoint of a ball, rounded once, whose radius is below 1e-32 of the scale of what was integrated. Slow,
and obviously right; the fast class :class:`iatcore.IAT` has the same signatures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from flint import acb, arb, arb_mat, ctx, fmpq
from numpy.typing import ArrayLike, NDArray

from ._reference_roots import Functions, Part, State, Undecided, antiderivatives, common_cells, dot, rational
from .bases import Basis
from .gates import Gate, relu

RELATIVE_RADIUS = arb(2) ** -107  # 6e-33
NEGLIGIBLE = arb(2) ** -1200  # far below the least float64
DOUBLINGS = 4  # of the precision, before giving up
GAUSS = np.polynomial.legendre.leggauss(8)
RELU = relu()
Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A maximal interval of [-1, 1] on which the gate has one slope, ``gate.slopes[slope]``."""

    lo: arb
    hi: arb
    slope: int


class Crossing(NamedTuple):
    """A point where the slope index changes: at a root of ``f - s_j``, or where f jumps over a breakpoint."""

    position: arb
    before: int
    after: int
    kind: Literal["root", "jump"]
    multiplicity: int | None


class _Solved(NamedTuple):
    """``z = 2**exponent y``, the state function of y, the levels ``s_j / 2**exponent``, the parts."""

    y: list[fmpq]
    exponent: int
    state: State
    levels: list[fmpq]
    parts: list[list[Part]]


class IAT:
    """``u = integral_{-1}^{1} q(s) sigma(z^T p(s)) ds`` (IAT (4), (17)) for a step gate sigma.

    A row of ``z`` that holds nan or inf gives a row of nan; every other argument is exact.

    Args:
        p: the d_in functions of the state function.
        q: the d_out functions to integrate against.
        gate: the pointwise activation.
        prec: working precision in bits, at least 128; doubled up to four times where it does not suffice.

    Raises:
        TypeError: ``p`` or ``q`` is not a Basis, ``gate`` not a Gate.
        ValueError: ``prec`` is below 128.
    """

    def __init__(self, p: Basis, q: Basis, gate: Gate = RELU, prec: int = 320) -> None:
        for name, value, kind in (("p", p, Basis), ("q", q, Basis), ("gate", gate, Gate)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")
        if prec < 128:
            raise ValueError(f"prec must be at least 128, got {prec!r}")
        self.p, self.q, self.gate, self.prec = p, q, gate, int(prec)
        self._cells = common_cells(p, q)
        self._p, self._q = Functions.of(p, self._cells), Functions.of(q, self._cells)
        self._slopes = [rational(t) for t in gate.slopes]

    def __call__(self, z: ArrayLike) -> Array:
        """``u(z)``, IAT (17): (..., d_in) -> (..., d_out).

        Raises:
            TypeError: ``z`` is not real.
            ValueError: its last dimension is not d_in.
            ArithmeticError: a ball stays too wide at sixteen times the working precision.
        """
        array = self._vectors(z, "z")
        return self.apply(array, array)

    def apply(self, z_pattern: ArrayLike, z: ArrayLike) -> Array:
        """``S(D(z_pattern)) z``, the decoupled form (IAT (24)); shapes and errors as in calling."""

        def row(pattern_row: Array, value_row: Array) -> list[float]:
            moments = self._moments(self._solve(pattern_row).parts)
            y, exponent = _normalized(value_row)
            u, unit = self._contract(moments, self._p.combined(y)), arb(2) ** exponent
            scale = self._scale * arb_mat(len(y), 1, [abs(v) for v in y])
            return [_rounded(u[i][0], scale[i, 0], unit) for i in range(self.q.size)]

        return self._map(row, (self.q.size,), self._vectors(z_pattern, "z_pattern"), self._vectors(z, "z"))

    def activation_matrix(self, z: ArrayLike) -> Array:
        """``S(D(z)) = integral of q(s) p(s)^T a(f(s)) ds``, IAT (18): (..., d_in) -> (..., d_out, d_in)."""

        def row(z_row: Array) -> list[list[float]]:
            return _rounded_matrix(self._activation_matrix(self._solve(z_row)), self._scale)

        return self._map(row, (self.q.size, self.p.size), self._vectors(z, "z"))

    def jacobian(self, z: ArrayLike) -> Array:
        """``du/dz = S + sum_j (t_j - t_{j-1}) s_j sum_r q(r) p(r)^T/|f'(r)|``, r the roots of ``f - s_j``.

        Just S, IAT (21), where sigma is continuous. A root at a knot counts one half from each side.

        Args:
            z: (..., d_in).

        Returns:
            (..., d_out, d_in).

        Raises:
            ArithmeticError: sigma jumps at a level where f has a multiple root or stays on an interval.
        """
        return self._map(
            lambda row: _rounded_matrix(*self._jacobian(self._solve(row))),
            (self.q.size, self.p.size),
            self._vectors(z, "z"),
        )

    def vjp(self, z: ArrayLike, g: ArrayLike) -> Array:
        """``(du/dz)^T g``: (..., d_in), (..., d_out) -> (..., d_in); raises like :meth:`jacobian`."""

        def row(z_row: Array, g_row: Array) -> list[float]:
            jacobian, scale = self._jacobian(self._solve(z_row))
            return _rounded_product(jacobian.transpose(), scale.transpose(), g_row)

        return self._map(row, (self.p.size,), self._vectors(z, "z"), self._vectors(g, "g", self.q.size))

    def jvp(self, z: ArrayLike, v: ArrayLike) -> Array:
        """``(du/dz) v``: (..., d_in), (..., d_in) -> (..., d_out); raises like :meth:`jacobian`."""
        return self._map(
            lambda z_row, v_row: _rounded_product(*self._jacobian(self._solve(z_row)), v_row),
            (self.q.size,),
            self._vectors(z, "z"),
            self._vectors(v, "v"),
        )

    def hessian(self, z: ArrayLike) -> Array:
        """``sum_j (t_j - t_{j-1}) sum_r (1/|f'|) [q p p^T - s_j d/ds (q p p^T/f')](r)``, ``f(r) = s_j``.

        From IAT (22). A root at a knot counts one half from each side (nothing from outside [-1, 1]): this is
        what a central difference tends to.

        Args:
            z: (..., d_in).

        Returns:
            (..., d_out, d_in, d_in), the second derivatives of u_i.

        Raises:
            ArithmeticError: f has a multiple root at a level, or stays on one along an interval.
        """
        return self._map(self._hessian, (self.q.size, self.p.size, self.p.size), self._vectors(z, "z"))

    def magnitude(self, z: ArrayLike) -> Array:
        """``integral |q_i(s)| |f(s)| ds``, the yardstick of errors in u_i, to about 1e-3.

        By 8-point Gauss rules on parts of the cells, at most an eighth of the shortest period long.

        Args:
            z: (..., d_in).

        Returns:
            (..., d_out).
        """
        cells, offsets, _, weighted_q = self._quadrature

        def row(z_row: Array) -> list[float]:
            y, exponent = _normalized(z_row)
            state = self._p.combined(y)
            with ctx.workprec(64):
                f = [abs(state.value(c, arb(t))) for c, t in zip(cells, offsets, strict=True)]
            product = arb_mat(weighted_q.tolist()) * arb_mat(len(f), 1, f)
            return [float((product[i, 0] * arb(2) ** exponent).mid()) for i in range(self.q.size)]

        return self._map(row, (self.q.size,), self._vectors(z, "z"))

    def pattern(self, z: ArrayLike) -> list[Interval]:
        """The partition of [-1, 1] into level sets of the gate (IAT (19)): maximal intervals, left to right.

        Roots where f does not change sides are merged away; where f is identically a breakpoint,
        ``gate.side`` decides.

        Args:
            z: one finite vector, (d_in,).

        Raises:
            ValueError: ``z`` is not one finite vector.
        """
        return [interval for interval, _, _ in self._merged(z)]

    def crossings(self, z: ArrayLike) -> list[Crossing]:
        """The points of (-1, 1) between the intervals of :meth:`pattern`, with their kind and multiplicity.

        The multiplicity is None at knots and where bisection could not tell it.

        Args:
            z: one finite vector, (d_in,).

        Raises:
            ValueError: ``z`` is not one finite vector.
        """
        merged = self._merged(z)
        return [
            Crossing(right.lo, left.slope, right.slope, kind, multiplicity)
            for (left, _, _), (right, kind, multiplicity) in itertools.pairwise(merged)
        ]

    def enclose(self, z: ArrayLike) -> tuple[list[arb], list[list[arb]]]:
        """Balls that contain u and S for one finite vector (d_in,), of radius below 1e-32 of their scale."""
        vector = self._vectors(z, "z")

        def compute() -> tuple[list[arb], list[list[arb]]]:
            solved = self._solve(vector)
            matrix, unit = self._activation_matrix(solved), arb(2) ** solved.exponent
            rows = [[matrix[i, j] for j in range(self.p.size)] for i in range(self.q.size)]
            for i, row in enumerate(rows):
                for j, ball in enumerate(row):
                    _rounded(ball, self._scale[i, j], unit)
            u = self._contract(self._moments(solved.parts), self._p.combined(solved.y))
            return [row[0] * unit for row in u], rows

        return self._certified(compute)

    def _merged(self, z: ArrayLike) -> list[tuple[Interval, Literal["root", "jump"], int | None]]:
        """The intervals, each with the kind and multiplicity of its left end."""
        vector = self._vectors(z, "z")
        if vector.ndim != 1 or not np.all(np.isfinite(vector)):
            raise ValueError(f"z must be one finite vector, got {z!r}")

        def compute() -> list[Any]:
            state, result = (solved := self._solve(vector)).state, []
            for c, parts in enumerate(solved.parts):
                for lo, hi, slope, multiplicity in parts:
                    left, right = state.position(c, lo), state.position(c, hi)
                    if result and result[-1][0].slope == slope:
                        result[-1] = (result[-1][0]._replace(hi=right), *result[-1][1:])
                        continue
                    jumps = c > 0 and lo == 0 and not state.is_continuous_after(c - 1)
                    result.append((Interval(left, right, slope), "jump" if jumps else "root", multiplicity))
            return result

        return self._certified(compute)

    def _solve(self, z: Array) -> _Solved:
        y, exponent = _normalized(z)
        state = self._p.combined(y)
        levels = [rational(s) / fmpq(2) ** exponent for s in self.gate.breakpoints]
        return _Solved(y, exponent, state, levels, state.partition(levels, self.gate.side))

    def _moments(self, partition: Sequence[Sequence[Part]]) -> list[list[list[acb]] | None]:
        """For each cell ``[k][n]``, the integral of ``a(f) t**n exp(i k pi s)``; None where a = 0."""
        plan = self._plan
        result: list[list[list[acb]] | None] = []
        for cell, parts in zip(self._cells, partition, strict=True):
            table = None
            for lo, hi, slope, _ in parts:
                if weight := self._slopes[slope]:
                    upper, lower = antiderivatives(cell, hi, plan), antiderivatives(cell, lo, plan)
                    table = table or [[acb(0)] * (n + 1) for n in plan]
                    for row, high, low in zip(table, upper, lower, strict=True):
                        row[:] = [m + weight * (a - b) for m, a, b in zip(row, high, low, strict=True)]
            result.append(table)
        return result

    def _contract(self, moments: Sequence[list[list[acb]] | None], p: Functions) -> list[list[arb]]:
        """The integrals of ``q_i p_j a(f)``, i < d_out, j < p.size."""
        q = self._q
        out = [[arb(0)] * p.size for _ in range(q.size)]
        for c, table in enumerate(moments):
            if table is None:
                continue
            for i, a in q.polys[c]:
                for j, b in p.polys[c]:
                    out[i][j] += dot(a * b, table[0]).real
                for j, value in p.wave_integrals(a, table):
                    out[i][j] += value
            for j, b in p.polys[c]:
                for i, value in q.wave_integrals(b, table):
                    out[i][j] += value
        if not (p.waves and q.waves):
            return out
        total = [sum((table[k][0] for table in moments if table), acb(0)) for k in range(len(self._plan))]
        for (i, a), x in zip(q.waves, q.factors(), strict=True):
            for (j, b), y in zip(p.waves, p.factors(), strict=True):
                plus, minus = total[a.frequency + b.frequency], total[abs(a.frequency - b.frequency)]
                odd = minus.imag if a.frequency >= b.frequency else -minus.imag  # of sin((k_a - k_b) pi s)
                if a.cosine:
                    value = minus.real + plus.real if b.cosine else plus.imag - odd
                else:
                    value = plus.imag + odd if b.cosine else minus.real - plus.real
                out[i][j] += x * y * value / 2
        return out

    def _activation_matrix(self, solved: _Solved) -> arb_mat:
        return arb_mat(self._contract(self._moments(solved.parts), self._p))

    def _jacobian(self, solved: _Solved) -> tuple[arb_mat, arb_mat]:
        """The Jacobian and the scale of its terms."""
        result, scale, rows = self._activation_matrix(solved), self._scale, []
        for j, c, t, weight in self._level_roots(solved, jumps_only=True):
            factor = weight * solved.levels[j] / abs(_nonzero(solved.state.value(c, t, 1)))
            rows.append((self._q.values(c, t), [factor * v for v in self._p.values(c, t)]))
        if rows:
            jumps = _outer_sum(rows)
            largest = max(abs(v).upper() for v in jumps.entries())
            result, scale = result + jumps, scale + arb_mat([[largest] * self.p.size] * self.q.size)
        return result, scale

    def _hessian(self, z: Array) -> Array:
        solved, d = self._solve(z), self.p.size
        pairs = [(j, k) for j in range(d) for k in range(j + 1)]
        rows = []
        for level, c, t, weight in self._level_roots(solved, jumps_only=False):
            s, first = solved.levels[level], _nonzero(solved.state.value(c, t, 1))
            p0, q0 = self._p.values(c, t), self._q.values(c, t)
            weight = weight / abs(first)
            product = [weight * p0[j] * p0[k] for j, k in pairs]
            if s == 0 or self.gate.jumps[level] == 0:
                rows.append((q0, product))
                continue
            p1, q1 = self._p.values(c, t, 1), self._q.values(c, t, 1)
            curvature, tilt = 1 + s * solved.state.value(c, t, 2) / first**2, s / first
            change = [weight * (p1[j] * p0[k] + p0[j] * p1[k]) for j, k in pairs]
            rows.append((q0, [curvature * a - tilt * b for a, b in zip(product, change, strict=True)]))
            rows.append((q1, [-tilt * a for a in product]))
        out = np.zeros((self.q.size, d, d))
        if rows:
            entries = _outer_sum(rows)
            largest, unit = max(abs(v).upper() for v in entries.entries()), arb(2) ** -solved.exponent
            j, k = np.array(pairs).T
            for i in range(self.q.size):
                values = [_rounded(entries[i, m], largest, unit) for m in range(len(pairs))]
                out[i, j, k] = out[i, k, j] = values
        return out

    def _level_roots(self, solved: _Solved, jumps_only: bool) -> Iterator[tuple[int, int, arb, fmpq]]:
        """(level, cell, offset, weight) of the roots; the weight is the jump of the slope, or half of it."""
        for j, level in enumerate(solved.levels):
            jump = self._slopes[j + 1] - self._slopes[j]
            if jump == 0 or (jumps_only and level == 0):
                continue
            for c in range(len(self._cells)):
                if solved.state.is_level(c, level):
                    raise ArithmeticError(f"no derivative: f is {self.gate.breakpoints[j]} all over cell {c}")
                for root in solved.state.roots(c, level):
                    if root.multiplicity != 1:
                        place = float(solved.state.position(c, root.t))
                        raise ArithmeticError(f"no derivative: a multiple root at s = {place}")
                    yield j, c, root.t, jump / 2 if root.at_end else jump

    @cached_property
    def _plan(self) -> list[int]:
        """The largest n of the moments of ``t**n exp(i k pi s)`` that are needed, for each k."""
        p, q = self._p, self._q
        plan = [max(p.degree + q.degree, p.degree, q.degree, 0)]
        for k in range(1, max(p.max_frequency, 0) + max(q.max_frequency, 0) + 1):
            plan.append(max([0] + [b.degree for a, b in ((p, q), (q, p)) if k <= a.max_frequency]))
        return plan

    @cached_property
    def _quadrature(self) -> tuple[list[int], list[float], Array, Array]:
        """Cells and offsets of the nodes, the weighted scale matrix of S, and ``weight |q|`` at the nodes."""
        cells, offsets, points, weights = [], [], [], []
        frequency = max(self.p.max_frequency, self.q.max_frequency)
        for c, cell in enumerate(self._cells):
            left, width = float(cell.left), float(cell.width)
            count = max(8, math.ceil(4 * width * frequency))
            t = ((np.arange(count)[:, None] + (GAUSS[0] + 1) / 2) / count).ravel()
            cells += [c] * t.size
            offsets += t.tolist()
            points.append(np.clip(left + width * t, -1, 1))
            weights.append(np.tile(GAUSS[1], count) * width / (2 * count))
        s, w = np.concatenate(points), np.concatenate(weights)
        weighted_q = np.abs(self.q(s)) * w
        return cells, offsets, weighted_q @ np.abs(self.p(s)).T, weighted_q

    @cached_property
    def _scale(self) -> arb_mat:
        """``integral |q_i| |p_j| ds`` times the largest slope: the measure of the radius of an entry of S."""
        slope = max(abs(t) for t in self.gate.slopes)
        return arb_mat((self._quadrature[2] * slope).tolist())

    def _vectors(self, value: ArrayLike, name: str, size: int | None = None) -> Array:
        array = np.asarray(value)
        size = self.p.size if size is None else size
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
        if array.ndim == 0 or array.shape[-1] != size:
            raise ValueError(f"{name} must have shape (..., {size}), got {array.shape}")
        return array.astype(np.float64)

    def _map(self, row: Callable[..., Any], shape: tuple[int, ...], *arrays: Array) -> Array:
        """``row`` of every row, nan where a row is not finite."""
        batch = np.broadcast_shapes(*(a.shape[:-1] for a in arrays))
        arrays = tuple(np.broadcast_to(a, (*batch, a.shape[-1])) for a in arrays)
        out = np.full((*batch, *shape), np.nan)
        for index in np.ndindex(*batch):
            rows = [a[index] for a in arrays]
            if all(np.all(np.isfinite(r)) for r in rows):
                out[index] = self._certified(lambda rows=rows: row(*rows))
        return out

    def _certified(self, compute: Callable[[], Any]) -> Any:
        reason = Undecided()
        for doubling in range(DOUBLINGS + 1):
            with ctx.workprec(self.prec << doubling):
                try:
                    return compute()
                except Undecided as error:
                    reason = error
        raise ArithmeticError(f"{reason} at {self.prec << DOUBLINGS} bits")


def _normalized(z: Array) -> tuple[list[fmpq], int]:
    """``z / 2**exponent`` with the largest entry in [1/2, 1), and the exponent; z = 0 has exponent 0."""
    exponent = max((math.frexp(v)[1] for v in z.tolist() if v), default=0)
    return [rational(v) / fmpq(2) ** exponent for v in z.tolist()], exponent


def _outer_sum(rows: Sequence[tuple[list[arb], list[arb]]]) -> arb_mat:
    """``sum over rows of left right^T``."""
    return arb_mat([left for left, _ in rows]).transpose() * arb_mat([right for _, right in rows])


def _nonzero(slope: arb) -> arb:
    if slope.contains(0):
        raise Undecided("the derivative at a root cannot be told from 0")
    return slope


def _rounded(ball: arb, scale: arb, unit: arb) -> float:
    """``unit * ball`` as a float, 0 if the ball holds it; raises Undecided if the ball is too wide."""
    radius = ball.rad()
    if not ball.is_finite():
        raise Undecided("a ball is not finite")
    if radius > RELATIVE_RADIUS * (abs(ball.mid()) + scale) and radius * unit > NEGLIGIBLE:
        raise Undecided(f"a ball of radius {float(radius):.1e} is too wide for the scale {float(scale):.1e}")
    return 0.0 if ball.contains(0) else float(ball.mid() * unit)


def _rounded_matrix(matrix: arb_mat, scale: arb_mat) -> list[list[float]]:
    rows, columns, one = matrix.nrows(), matrix.ncols(), arb(1)
    return [[_rounded(matrix[i, j], scale[i, j], one) for j in range(columns)] for i in range(rows)]


def _rounded_product(matrix: arb_mat, scale: arb_mat, vector: Array) -> list[float]:
    y, exponent = _normalized(vector)
    product = matrix * arb_mat(len(y), 1, y)
    scales = scale * arb_mat(len(y), 1, [abs(v) for v in y])
    return [_rounded(product[i, 0], scales[i, 0], arb(2) ** exponent) for i in range(matrix.nrows())]
