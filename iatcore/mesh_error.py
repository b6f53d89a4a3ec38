"""How far the M-point transform, IAT (12), is from the exact one: leading term, bound, and a mesh for a tolerance.

Everything rests on one identity. Let F be smooth between break points x and 0 outside of [-1, 1], ``[F](x)`` its jump
(right minus left), w = 2/M the width of a mesh cell and o(s) what s lies to the right of the mesh node next to it,
``-w/2 < o <= w/2``. Integrating by parts n times,

    w sum_k F(m_k) - integral F = sum over j < n and x of (-1)^j [F^(j)](x) k_j(o(x)) - (-1)^n integral k_(n-1)(o) F^(n)

    k_0 = o,    k_1 = (o**2 - w**2/12)/2,    k_2 = (o**3 - w**2 o/4)/6,                                      (*)

the Euler-Maclaurin formula of the midpoint rule: ``k_j = w^(j+1) B_(j+1)(1/2 + o/w)/(j+1)!`` with Bernoulli
polynomials B. With ``F = q_i sigma(f)`` the break points are those of p and q, the roots of f and the ends. The
integral is O(M^-n) as it stands, and O(M^-n-1) because the kernel has mean 0; so n = 2 gives the leading term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bases import Basis, basis
from .checks import check_size
from .gates import Gate, relu
from .pattern import ActivationPattern, activation_pattern
from .plan import on_frame, refine, widths

Floats = NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
LEAST = 5e-324  # the least float64
ORDERS = 3
MEAN_KERNEL = 1 / 4, math.sqrt(3) / 54, 1 / 192  # the mean of abs(k_j) in units of w^(j+1)
MOST_KERNEL = 1 / 2, 1 / 12, math.sqrt(3) / 216  # the maximum


class Side:
    """A basis on a refinement of its breakpoints, with bounds of its values and of their first three derivatives.

    Attributes:
        frame: the ends of the cells.
        lengths: their lengths.
        control: Bernstein coefficients of p, p', p'', p''', each of shape (cells, degree + 1, size).
        harmonics: the trigonometric parts of p, p', p'', p'''.
        waves: amplitudes of sines and cosines by frequency, shape (n + 1, 2, size).
    """

    def __init__(self, b: Basis, frame: Sequence[Fraction]) -> None:
        self.frame, self.lengths = _floats(frame), _floats(widths(frame))
        functions = [replace(b, knots=tuple(frame), pieces=tuple(map(tuple, on_frame(b, frame))))]
        for _ in range(ORDERS):
            functions.append(functions[-1].derivative())
        self.control = [_control(f) for f in functions]
        self.harmonics = [Basis("", b.size, harmonics=f.harmonics) for f in functions]
        self.waves = np.zeros((b.max_frequency + 1, 2, b.size))
        for h in b.harmonics:
            self.waves[h.frequency, int(h.cosine), h.index] += h.factor
        self.speeds = math.pi * np.arange(b.max_frequency + 1)

    def at_ends(self, order: int) -> Floats:
        """One-sided values at the left and right end of each cell, shape (cells, 2, size)."""
        waves = self.harmonics[order](self.frame).T
        return self.control[order][:, [0, -1]] + np.stack([waves[:-1], waves[1:]], axis=1)

    def at(self, order: int, cell: NDArray[np.int64], s: Floats) -> Floats:
        """Values at points s of shape (n,) on given cells, which they may leave by rounding: shape (n, size)."""
        t = np.clip((s - self.frame[cell]) / self.lengths[cell], 0.0, 1.0)[:, None]
        values, degree = self.harmonics[order](s).T.copy(), self.control[order].shape[1] - 1
        for i in range(degree + 1):
            values += math.comb(degree, i) * t**i * (1 - t) ** (degree - i) * self.control[order][cell, i]
        return values

    def sup(self, order: int) -> Floats:
        """A bound of each function on each cell, shape (cells, size)."""
        waves = np.hypot(self.waves[:, 0], self.waves[:, 1])
        return np.abs(self.control[order]).max(axis=1) + self.speeds**order @ waves

    def sup_of_state(self, order: int, z: Floats) -> Floats:
        """A bound of ``z^T p`` on each cell for rows z, shape (B, cells)."""
        control = self.control[order]
        values = z @ control.reshape(-1, control.shape[2]).T
        waves = np.hypot(z @ self.waves[:, 0].T, z @ self.waves[:, 1].T)
        most = np.abs(values).reshape(len(z), *control.shape[:2]).max(axis=2)
        return most + (waves @ self.speeds**order)[:, None]

    def sup_of_norm(self, order: int) -> Floats:
        """A bound of the Euclidean norm of p on each cell, shape (cells,)."""
        norms = np.linalg.norm(self.waves, ord=2, axis=(1, 2)) * self.speeds**order
        apart = np.all(np.any(self.waves != 0, axis=1).sum(axis=0) <= 1)  # no function mixes two frequencies
        waves = np.linalg.norm(norms) if apart else norms.sum()
        return np.linalg.norm(self.control[order], axis=2).max(axis=1) + waves

    def active(self) -> NDArray[np.bool_]:
        """Whether a function does not vanish on a cell, shape (cells, size)."""
        return np.any(self.control[0] != 0, axis=1) | np.any(self.waves != 0, axis=(0, 1))


def _floats(numbers: Sequence[Fraction]) -> Floats:
    return np.array([float(x) for x in numbers])


def _control(f: Basis) -> Floats:
    t = f.tables
    control = np.zeros((len(t.width), t.coefficients.shape[1], f.size))
    control[np.repeat(np.arange(len(t.width)), np.diff(t.ptr)), :, t.index] = t.coefficients
    return control


class _States(NamedTuple):
    """Slopes of the gate at the left and right end of each cell and their largest modulus on it, and the roots of f.

    Shapes (B, cells, 2) and (B, cells); for each root its row, its cell, its position and the jump of the slope.
    """

    at_ends: Floats
    most: Floats
    row: NDArray[np.int64]
    cell: NDArray[np.int64]
    position: Floats
    jump: Floats


class MeshError:
    """The error of the M-point transform of p, q with a continuous step gate.

    Such a gate has one slope a below 0 and one slope b above 0, so that u(c z) = c u(z) for c >= 0.

    Args:
        p, q: input and output basis.
        points: the M midpoints.
        gate: the gate.

    Raises:
        TypeError: gate is not a Gate.
        ValueError: the gate jumps.
    """

    def __init__(self, p: Basis, q: Basis, points: Floats, gate: Any) -> None:
        self.slopes = _two_slopes(gate)
        self.basis, self.mesh, self.step = p, len(points), 2.0 / len(points)
        frame = refine(p.knots, q.knots)
        self.p, self.q = Side(p, frame), Side(q, frame)
        self.frame, self.lengths, self.place = self.p.frame, self.p.lengths, {x: k for k, x in enumerate(frame)}
        self.offsets = np.array([_offset(x, points) for x in frame])
        inside = np.searchsorted(self.frame[:-1], points, side="right") - 1
        self.masses = np.bincount(inside, minlength=len(self.lengths)) * self.step

    def leading(self, rows: NDArray[Any]) -> Floats:
        """The sum in (*) with n = 2 for rows of z, shape (B, d_out)."""
        z, exponents = _normalized(rows)
        first, second, _ = self._jump_terms(z, self._states(z))
        return np.ldexp(first + second, exponents[:, None])

    def bound(self, rows: NDArray[Any]) -> Floats:
        """A bound of the error for rows of z, shape (B, d_out): the least of four, plus rounding errors.

        ``w sum |F(m_k)| + integral |F|``; and for n = 1, 2, 3 the modulus of the sum in (*) plus
        ``integral |k_(n-1)| |F^(n)|`` with the supremum of ``|F^(n)|`` on each cell between breakpoints of p and q,
        from Bernstein coefficients and harmonic amplitudes. ``|k_1|`` has the mean 0.032 w**2.

        Roots that rounding displaces, adds or loses do no harm: (*) is applied to the function whose slopes are
        those of the pattern that was found, and it differs from F by rounding errors of f.
        """
        z, exponents = _normalized(rows)
        states = self._states(z)
        f = [self.p.sup_of_state(m, z) * states.most for m in range(ORDERS + 1)]
        q = [self.q.sup(m) for m in range(ORDERS + 1)]
        total = f[0] * (self.lengths + self.masses) @ q[0]
        jumps = np.zeros_like(total)
        for n, term in enumerate(self._jump_terms(z, states), start=1):
            jumps += term
            kernel = _kernel_integrals(n - 1, self.lengths, self.step)
            remainder = sum(math.comb(n, m) * (f[n - m] * kernel @ q[m]) for m in range(n + 1))
            total = np.minimum(total, np.abs(jumps) + remainder)
        steepest, most = max(abs(t) for t in self.slopes), [v.max(axis=0) for v in q]
        total += np.linalg.norm(z, axis=1)[:, None] * _rounding(self.p, most, self.mesh, steepest)
        least = LEAST * 4 * (z.shape[1] + len(self.lengths) + 2) * (1 + steepest) * (1 + most[0])
        return np.ldexp(total, exponents[:, None]) + least

    def _jump_terms(self, z: Floats, states: _States) -> list[Floats]:
        """``sum over x of (-1)^j [F^(j)](x) k_j(o(x))`` for j = 0, 1, 2, each of shape (B, d_out)."""
        size = 2 * len(self.lengths)
        sides = np.tile([1.0, -1.0], size // 2)  # at its left end a piece of F starts, at its right end it stops
        offsets = np.stack([self.offsets[:-1], self.offsets[1:]], axis=1).ravel()
        slopes = states.at_ends.reshape(len(z), size)
        f = [slopes * (z @ self.p.at_ends(m).reshape(size, -1).T) for m in range(ORDERS)]
        q = [self.q.at_ends(m).reshape(size, -1) for m in range(ORDERS)]
        place = (states.position + 1.0) / self.step
        root_offsets = (place - np.rint(place)) * self.step
        at_roots = states.cell, states.position
        f_root = [np.einsum("rj,rj->r", self.p.at(m, *at_roots), z[states.row]) for m in range(ORDERS)]
        q_root = [self.q.at(m, *at_roots) for m in range(ORDERS)]
        terms = []
        for j in range(ORDERS):
            kernel = (-1) ** j * sides * _kernel(j, offsets, self.step)
            kernel_root = (-1) ** j * states.jump * _kernel(j, root_offsets, self.step)
            term = np.zeros((len(z), q[0].shape[1]))
            for m in range(j + 1):
                term += math.comb(j, m) * (f[j - m] * kernel @ q[m])
                np.add.at(term, states.row, (math.comb(j, m) * f_root[j - m] * kernel_root)[:, None] * q_root[m])
            terms.append(term)
        return terms

    def _states(self, z: Floats) -> _States:
        """The pattern of rows z on the cells between breakpoints of p and q."""
        pattern = activation_pattern(self.basis, Gate((0.0,), self.slopes), z)
        first_of_piece = np.array([self.place[x] for x in pattern.knots])
        row = np.repeat(np.arange(len(z)), np.diff(pattern.offsets))
        r = np.clip(pattern.all_positions(), -1.0, 1.0)
        cell = np.searchsorted(self.frame, r, side="right") - 1
        cell = np.clip(cell, first_of_piece[pattern.piece], first_of_piece[pattern.piece + 1] - 1)
        state, crossed = _follow(pattern, row, cell, first_of_piece, len(self.lengths))
        a, b = self.slopes
        at_ends = np.where(state == 1, b, a)
        most = np.where(crossed, max(abs(a), abs(b)), np.abs(at_ends[..., 0]))
        return _States(at_ends, most, row, cell, r, np.where(pattern.rising, b - a, a - b))


def _follow(
    pattern: ActivationPattern, row: NDArray[Any], cell: NDArray[Any], first_of_piece: NDArray[Any], cells: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whether f > 0 at both ends of each cell, (B, cells, 2), and whether there is a crossing in it, (B, cells)."""
    last = np.full((len(pattern), cells), -1)
    last[row, cell] = pattern.rising  # the last crossing of a cell stays
    state = np.empty((len(pattern), cells, 2), dtype=np.int64)
    piece_of = {c: k for k, c in enumerate(first_of_piece[:-1])}
    for c in range(cells):
        state[:, c, 0] = pattern.initial[:, piece_of[c]] if c in piece_of else state[:, c - 1, 1]
        state[:, c, 1] = np.where(last[:, c] < 0, state[:, c, 0], last[:, c])
    return state, last >= 0


def _two_slopes(gate: Any) -> tuple[float, float]:
    if not isinstance(gate, Gate):
        raise TypeError(f"the error of a mesh is known for an iatcore.Gate, got {gate!r}")
    if not gate.is_continuous:
        raise ValueError(f"the error of a mesh is known for a continuous gate, got {gate!r}, which jumps")
    return gate.slopes[0], gate.slopes[-1]


def _normalized(rows: NDArray[Any]) -> tuple[Floats, NDArray[np.int64]]:
    """Rows divided by a power of two so that they lie in [-1, 1], nan if not finite, and its exponents."""
    z = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.nan).astype(np.float64)
    exponents = np.frexp(np.abs(z).max(axis=1, initial=0.0))[1].astype(np.int64)
    return np.ldexp(z, -exponents[:, None]), exponents


def _offset(x: Fraction, points: Floats) -> float:
    """o(x), with the midpoint of a cell on the side of x where the transform takes it to be; 0 at the ends."""
    place = (x + 1) * len(points) / 2
    cell = math.floor(place)
    passed = cell < len(points) and bool(points[cell] < float(x))
    return float((place - cell - passed) * 2 / len(points))


def _kernel(j: int, o: Floats, step: float) -> Floats:
    """k_j(o)."""
    return (o, (o**2 - step**2 / 12) / 2, (o**2 - step**2 / 4) * o / 6)[j]


def _kernel_integrals(j: int, lengths: Floats, step: float) -> Floats:
    """Bounds of the integral of ``|k_j|`` over intervals of given lengths, ascending in ``step``."""
    return np.minimum(lengths * MOST_KERNEL[j], (lengths + step) * MEAN_KERNEL[j]) * step ** (j + 1)


def _rounding(p: Side, q: Sequence[Any], mesh: int, steepest: float) -> Any:
    """Rounding errors of both transforms and of the sums in (*) for norm(z) = 1; q holds bounds of q, q', q''.

    Sums of d_in and of M terms, a relative error of 8 eps in the points where functions are evaluated, and what is
    summed over break points.
    """
    cells, coefficients, size = p.control[0].shape
    terms, breaks = cells + size + mesh + 8, cells * (coefficients + 1) + 2 * len(p.speeds)
    f = [p.sup_of_norm(m).max() for m in range(ORDERS)]
    orders = [sum(math.comb(n, m) * f[n - m] * q[m] for m in range(n + 1)) for n in range(ORDERS)]
    jumps = sum(MOST_KERNEL[n] * (2 / mesh) ** n * orders[n] for n in range(ORDERS))
    return EPS * steepest * (terms * (2 * orders[0] + 2 * breaks / mesh * jumps) + 16 * orders[1])


def mesh_for(p: Any, q: Any, tolerance: float, gate: Gate | None = None, norm: float = 1.0) -> int:
    """A mesh M with ``|u_M(z) - u(z)| <= tolerance |z| / norm`` for all z, known before any z is seen.

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
    """An E with ``|u_M(z) - u(z)| <= E |z|`` for all z, known before any z is seen; what :func:`mesh_for` inverts.

    Euclidean norms, rounding errors in float64 included.

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
        a, b = _two_slopes(gate)
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
        return float(_rounding(self.p, self.most, mesh, self.steepest))

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
            jumps + self._over_cells(first * _kernel_integrals(0, self.lengths, w)),
            jumps + kinks + roots + self._over_cells(second * _kernel_integrals(1, self.lengths, w)),
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
