"""How far the M-point transform, IAT (12), is from the exact one for a given z: leading term and bound.

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

from .bases import Basis
from .gates import Gate
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
        self.slopes = two_slopes(gate)
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
            kernel = kernel_integrals(n - 1, self.lengths, self.step)
            remainder = sum(math.comb(n, m) * (f[n - m] * kernel @ q[m]) for m in range(n + 1))
            total = np.minimum(total, np.abs(jumps) + remainder)
        steepest, most = max(abs(t) for t in self.slopes), [v.max(axis=0) for v in q]
        total += np.linalg.norm(z, axis=1)[:, None] * rounding_errors(self.p, most, self.mesh, steepest)
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


def two_slopes(gate: Any) -> tuple[float, float]:
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


def kernel_integrals(j: int, lengths: Floats, step: float) -> Floats:
    """Bounds of the integral of ``|k_j|`` over intervals of given lengths, ascending in ``step``."""
    return np.minimum(lengths * MOST_KERNEL[j], (lengths + step) * MEAN_KERNEL[j]) * step ** (j + 1)


def rounding_errors(p: Side, q: Sequence[Any], mesh: int, steepest: float) -> Any:
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
