"""Activation patterns: where a state function lies between the breakpoints of a gate, for a batch.

The one home of the rules for zeros, ties and end points:

* a value counts as above a breakpoint only if it is greater; a crossing is a change of that;
* on a piece where f *equals* a breakpoint identically the gate's ``side`` decides;
* touching a breakpoint without crossing it, and single points, are left out: patterns are equal up to null sets;
* a row with nan or inf has no pattern; everything computed from it is nan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import batches, pattern_sets
from .bases import Basis
from .certificate import Crossings, certified_crossings
from .checks import check_rows
from .gates import Gate
from .kernels.fused import crossing_table_batch
from .kernels.quadrature import measure_rows
from .kernels.roots import pattern_batch
from .kernels.subdivision import encode
from .plan import CELLS_PER_HARMONIC, harmonic_tables, wave_grid, waves, widths
from .threads import over_rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CLOSE = 1e-6
"""Pairs of crossings nearer than this are decided again where a certificate is asked for."""
COST_OF_A_CROSSING = 50
"""Nanoseconds, about."""


@dataclass(frozen=True, eq=False)
class ActivationPattern:
    """The level sets of a batch of state functions: ``D(z) = {s in [-1, 1] : z^T p(s) > 0}`` for ReLU, IAT (19).

    Rows are numbered in C order of the leading shape of z; z of shape (d,) is a batch of one.

    Attributes:
        knots: exact breakpoints of the pieces on which crossings are recorded.
        gate_slopes: the gate's slopes t_0 ... t_m.
        initial: (B, pieces) number of the slope at the left end of each piece.
        offsets: (B + 1,) where the crossings of each row start.
        piece, offset: piece of each crossing and its signed position in it: ``t`` in [0, 1/2] from the left end, or
            ``t - 1`` from the right end, so that narrow intervals keep their width.
        level, rising: which breakpoint is crossed, and in which direction.
        finite: (B,) whether the row of z was finite.
        unresolved: (B,) parts of cells that no bound decided; the signs at their ends did. Multiple roots are among
            them: in no arithmetic of finite precision a bound tells them from a close pair.
        batch_shape: leading shape of z.
    """

    knots: tuple[Fraction, ...]
    gate_slopes: tuple[float, ...]
    initial: Integers
    offsets: Integers
    piece: Integers
    offset: Floats
    level: Integers
    rising: NDArray[np.bool_]
    finite: NDArray[np.bool_]
    unresolved: Integers
    batch_shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.finite)

    def positions(self, row: int) -> Floats:
        """Positions in [-1, 1] of all crossings of a row, ascending."""
        return self._absolute(self._rows(row))

    def all_positions(self) -> Floats:
        """Positions in [-1, 1] of all crossings of all rows, row by row."""
        return self._absolute(slice(None))

    def _rows(self, row: int) -> slice:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row must be below {len(self)}, got {row}")
        row %= len(self)
        return slice(self.offsets[row], self.offsets[row + 1])

    def _absolute(self, which: slice) -> Floats:
        x = np.array([float(k) for k in self.knots])
        width = np.array([float(w) for w in widths(self.knots)])
        k, o = self.piece[which], self.offset[which]
        return np.where(o >= 0, x[k] + width[k] * o, x[k + 1] + width[k] * o)

    def partition(self, row: int) -> tuple[Floats, Floats]:
        """Maximal intervals of constant slope that fill [-1, 1], shape (k, 2), and their slopes, shape (k,).

        A row of nan has none.
        """
        which = self._rows(row)
        if not self.finite[row]:
            return np.empty((0, 2)), np.empty(0)
        x = [float(k) for k in self.knots]
        piece, position = self.piece[which], self._absolute(which)
        following = self.level[which] + self.rising[which]
        edges, states = [-1.0], []
        for k in range(len(x) - 1):
            inside = np.flatnonzero(piece == k)
            steps = [(x[k], self.initial[row, k]), *((position[m], following[m]) for m in inside)]
            ends = [*(position[m] for m in inside), x[k + 1]]
            for (start, state), end in zip(steps, ends, strict=True):
                slope = self.gate_slopes[state]
                if end <= start:
                    continue
                if states and states[-1] == slope:
                    edges[-1] = end
                else:
                    states.append(slope)
                    edges.append(end)
        edges[-1] = 1.0
        return np.stack([edges[:-1], edges[1:]], axis=1), np.array(states)

    def intervals(self, row: int) -> Floats:
        """Maximal disjoint closed intervals of a row where its slope is not zero, shape (k, 2); for ReLU D(z)."""
        edges, slopes = self.partition(row)
        return edges[slopes != 0]

    def slopes(self, row: int) -> Floats:
        """The slopes of :meth:`intervals` of a row, shape (k,)."""
        slopes = self.partition(row)[1]
        return slopes[slopes != 0]

    def measure(self) -> Floats:
        """Length of the set where the slope is not zero, of shape ``batch_shape``; nan for rows of nan."""
        width = np.array([float(w) for w in widths(self.knots)])
        weights = np.array([float(t != 0) for t in self.gate_slopes])
        lengths = measure_rows(self.arrays(), width, weights)
        lengths[~self.finite] = np.nan
        return lengths.reshape(self.batch_shape)

    def complement(self) -> ActivationPattern:
        """The set where the slope is zero, as a pattern with slopes 0 and 1."""
        return replace(self, gate_slopes=tuple(float(t == 0) for t in self.gate_slopes))

    def union(self, other: ActivationPattern) -> ActivationPattern:
        """Where this pattern or the other one of a batch has a slope that is not zero, as slopes 0 and 1.

        The patterns may come from bases of any width: knots are refined to common ones, exactly. Row by row.

        Raises:
            TypeError: other is not a pattern.
            ValueError: the batches differ in shape.
        """
        return pattern_sets.union(self, other)

    def intersection(self, other: ActivationPattern) -> ActivationPattern:
        """Where this pattern and the other one have slopes that are not zero; otherwise as :meth:`union`."""
        return pattern_sets.intersection(self, other)

    def symmetric_difference(self, other: ActivationPattern) -> ActivationPattern:
        """Where either this pattern or the other one has a slope that is not zero; otherwise as :meth:`union`."""
        return pattern_sets.symmetric_difference(self, other)

    def distance(self, other: ActivationPattern, weighted: bool = False) -> Floats:
        """Measure of the symmetric difference with the other, or ``integral |a - a'| ds`` if weighted.

        Row by row; see :func:`pattern_sets.distance`.
        """
        return pattern_sets.distance(self, other, weighted)

    def equals(self, other: ActivationPattern, tolerance: float = 0.0, weighted: bool = False) -> NDArray[np.bool_]:
        """Per row whether two patterns agree: :func:`pattern_sets.equals`.

        Args:
            other: a pattern of a batch of the same shape.
            tolerance: the largest distance that counts as equal, >= 0.
            weighted: which distance, see :meth:`distance`.
        """
        return pattern_sets.equals(self, other, tolerance, weighted)

    def number_of_intervals(self) -> Integers:
        """Per row the number of :meth:`intervals`: :func:`pattern_sets.number_of_intervals`."""
        return pattern_sets.number_of_intervals(self)

    def number_of_crossings(self) -> Integers:
        """Per row the points in (-1, 1) where the slope changes: :func:`pattern_sets.number_of_crossings`."""
        return pattern_sets.number_of_crossings(self)

    def number_of_distinct(self, tolerance: float = 0.0, weighted: bool = False) -> int:
        """Patterns of the batch further apart than the tolerance, IAT 4.2.2, greedily in C order.

        Distances as in :meth:`distance`, weighted or not; see :func:`pattern_sets.number_of_distinct`.
        """
        return pattern_sets.number_of_distinct(self, tolerance, weighted)

    def steps(self, axis: int = -1, weighted: bool = False) -> Floats:
        """Distances, weighted or not, between neighbours along an axis of the batch: :func:`pattern_sets.steps`."""
        return pattern_sets.steps(self, axis, weighted)

    def total_variation(self, axis: int = -1, weighted: bool = False) -> Floats:
        """Sum of :meth:`steps`, weighted or not, along an axis, IAT 4.2: :func:`pattern_sets.total_variation`."""
        return pattern_sets.total_variation(self, axis, weighted)

    def raster(self, points: Any) -> Floats:
        """The slope ``a(f(s))`` at points s of shape (n,), as ``(*batch_shape, n)``: :func:`pattern_sets.raster`."""
        return pattern_sets.raster(self, points)

    def outline(self) -> tuple[Integers, Floats, Floats, Floats]:
        """``(row, low, high, slope)`` of all intervals of all rows, for figures: :func:`pattern_sets.outline`."""
        return pattern_sets.outline(self)

    def row(self, row: int) -> ActivationPattern:
        """One row, numbered in C order, as a pattern of batch shape ()."""
        return self.reshape(-1)[row]

    def __getitem__(self, key: Any) -> ActivationPattern:
        """Part of the batch, indexed as an array of shape ``batch_shape``: :func:`batches.select`."""
        return batches.select(self, key)

    def reshape(self, batch_shape: int | Sequence[int]) -> ActivationPattern:
        """The same rows with another ``batch_shape``: :func:`batches.reshape`."""
        return batches.reshape(self, batch_shape)

    @staticmethod
    def concatenate(patterns: Sequence[ActivationPattern], axis: int = 0) -> ActivationPattern:
        """Join patterns of the same knots and slopes along a batch axis: :func:`batches.concatenate`."""
        return batches.concatenate(patterns, axis)

    @property
    def certified(self) -> NDArray[np.bool_]:
        """(B,) whether bounds decided every part of every cell, so that no crossing is missed or made up."""
        return self.finite & (self.unresolved == 0)

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """(B,) rows in which bounds left something open, or two crossings are nearer than :data:`CLOSE`."""
        return self.finite & (~self.certified | (self.closest() < CLOSE))

    def closest(self) -> Floats:
        """(B,) distance of the two nearest crossings of each row; inf where there are fewer than two."""
        row = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        result = np.full(len(self), np.inf)
        same = row[1:] == row[:-1]
        np.minimum.at(result, row[1:][same], np.diff(self.all_positions())[same])
        return result

    def arrays(self) -> tuple[Any, ...]:
        """What kernels take."""
        return self.initial, self.offsets, self.piece, self.offset, self.level, self.rising


def from_intervals(rows: Sequence[Any], batch_shape: tuple[int, ...] | None = None) -> ActivationPattern:
    """A pattern with slopes 0 and 1, as D(z) of IAT (19), from intervals.

    Args:
        rows: for each row disjoint ascending intervals in [-1, 1], shape (k, 2).
        batch_shape: None is (number of rows,).

    Raises:
        ValueError: intervals that are not of shape (k, 2), leave [-1, 1], overlap or descend.
    """
    shape = (len(rows),) if batch_shape is None else batch_shape
    offset, rising, counts, initial = [], [], [], []
    for i, row in enumerate(rows):
        edges = np.asarray(row, dtype=np.float64).reshape(-1, 2) if np.size(row) else np.empty((0, 2))
        flat = edges.ravel()
        if not (np.all(np.abs(flat) <= 1) and np.all(np.diff(flat) >= 0)):
            raise ValueError(f"intervals of row {i} must ascend within [-1, 1] without overlap, got {edges.tolist()}")
        inner = [(x, m % 2 == 0) for m, x in enumerate(flat) if -1 < x < 1]
        initial.append([int(flat.size > 0 and flat[0] == -1)])
        counts.append(len(inner))
        offset += [encode((1 + x) / 2, (1 - x) / 2) for x, _ in inner]
        rising += [up for _, up in inner]
    total = len(offset)
    return ActivationPattern(
        (Fraction(-1), Fraction(1)),
        (0.0, 1.0),
        np.array(initial, dtype=np.int64).reshape(-1, 1),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.zeros(total, dtype=np.int64),
        np.array(offset, dtype=np.float64),
        np.zeros(total, dtype=np.int64),
        np.array(rising, dtype=np.bool_),
        np.ones(len(rows), dtype=np.bool_),
        np.zeros(len(rows), dtype=np.int64),
        shape,
    )


def activation_pattern(basis: Basis, gate: Gate, z: Any, certified: bool = False) -> ActivationPattern:
    """The pattern of ``f(s) = z^T p(s)`` for a batch z of shape (..., d), IAT (19).

    Args:
        certified: decide again, in double-double arithmetic, the rows that bounds in doubles leave open or in which
            two crossings are nearer than :data:`CLOSE`.

    Raises:
        TypeError, ValueError: z is not real or has the wrong last dimension.
    """
    rows, shape, _ = check_rows(z, basis.size, "z")
    finite: NDArray[np.bool_] = np.asarray(np.all(np.isfinite(rows), axis=1))
    work = np.where(finite[:, None], rows, 0.0).astype(np.float64)
    exponents = np.frexp(np.abs(work).max(axis=1, initial=0.0))[1]
    levels = np.array(gate.breakpoints)
    if np.any(np.abs(exponents) > 300):
        exponents = np.where(np.abs(exponents) > 300, exponents, 0)
        work = np.ldexp(work, -exponents[:, None])
    else:
        exponents = np.zeros_like(exponents)
    if basis.is_trigonometric and basis.max_frequency > 0:
        parts = _wave_crossings(basis, gate, work, exponents, levels)
    else:
        parts = _general_crossings(basis, gate, work, exponents, levels)
    found = Crossings(*parts)
    knots = basis.knots if not basis.is_trigonometric else (Fraction(-1), Fraction(1))

    def pattern(c: Crossings) -> ActivationPattern:
        offsets = np.concatenate([[0], np.cumsum(c.counts)]).astype(np.int64)
        per_row = (knots, gate.slopes, c.initial, offsets, c.piece, c.offset, c.level, c.rising)
        return ActivationPattern(*per_row, finite, c.unresolved, shape)

    result = pattern(found)
    if not certified:
        return result
    rows = np.flatnonzero(result.flagged)
    scaled = _scaled_levels(levels, exponents[rows])
    again = certified_crossings(basis, work[rows], scaled, gate.side == "right")
    return pattern(found.confirmed(rows, again))


def _scaled_levels(levels: Floats, exponents: Integers) -> Floats:
    with np.errstate(over="ignore"):
        return np.ldexp(np.broadcast_to(levels, (len(exponents), len(levels))), -exponents[:, None])


def _general_crossings(basis: Basis, gate: Gate, z: Floats, exponents: Integers, levels: Floats) -> Any:
    t = basis.tables
    tables = (t.left, t.width, t.ptr, t.index, t.coefficients, basis.degree)
    n = basis.max_frequency if basis.harmonics else -1
    start = 2 * (basis.degree - 2) if basis.degree >= 4 else 1
    parts = np.array([max(1, start, math.ceil(CELLS_PER_HARMONIC * n * w / 2)) for w in t.width], dtype=np.int64)
    capacity = 2 * int(parts.max()) + max(basis.degree, 0) + 2 * max(n, 0) + 4
    closed = gate.side == "right"
    batch, room = len(z), 2 * basis.size + 8
    per_row = np.zeros((batch, len(t.width)), np.int64), np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    while True:
        crossings = tuple(np.empty((batch, room), kind) for kind in (np.int64, np.float64, np.int64, np.bool_))
        over_rows(
            pattern_batch,
            batch,
            COST_OF_A_CROSSING * basis.size,
            z,
            tables,
            (n, *harmonic_tables(basis)),
            (_scaled_levels(levels, exponents), closed),
            parts,
            capacity,
            per_row,
            crossings,
        )
        most = int(per_row[1].max(initial=0))
        if most <= room:
            break
        room = most
    kept = np.arange(room) < per_row[1][:, None]
    return *per_row, *(c[kept] for c in crossings)


def _wave_crossings(basis: Basis, gate: Gate, z: Floats, exponents: Integers, levels: Floats) -> Any:
    tables, grid = waves(basis), wave_grid(basis.max_frequency)
    m, batch = len(levels), len(z)
    capacity = crossing_capacity(basis.max_frequency, m)
    position, number = np.zeros((batch, capacity)), np.zeros((batch, capacity), dtype=np.int64)
    direction, firsts = np.zeros((batch, capacity), dtype=np.int64), np.zeros((batch, m), dtype=np.bool_)
    unresolved = np.zeros(batch, dtype=np.int64)
    plain_gate = (levels, np.array(gate.jumps), gate.slopes[0], gate.side == "right")
    for e in np.unique(exponents):
        rows = np.flatnonzero(exponents == e)
        scaled = (np.ldexp(levels, -e), *plain_gate[1:])
        out = [a[rows] for a in (position, number, direction, firsts, unresolved)]
        cost = COST_OF_A_CROSSING * basis.size
        over_rows(crossing_table_batch, len(rows), cost, z[rows], tables, grid, scaled, capacity, *out)
        for whole, part in zip((position, number, direction, firsts, unresolved), out, strict=True):
            whole[rows] = part
    # where several levels are crossed at one place, they follow each other in the direction of f
    order = np.lexsort((number * direction, np.where(direction == 0, 2.0, position)))
    position, number, direction = (np.take_along_axis(a, order, axis=1) for a in (position, number, direction))
    kept = direction != 0
    x = position[kept]
    offset = np.where(x <= 0, (1 + x) / 2, (x - 1) / 2)
    offset = np.where(x >= 1, 1.0, offset)
    counts = kept.sum(axis=1)
    initial = firsts.sum(axis=1, dtype=np.int64).reshape(-1, 1)
    return initial, counts, unresolved, np.zeros(len(x), np.int64), offset, number[kept], direction[kept] > 0


def crossing_capacity(n: int, levels: int) -> int:
    """Slots for the crossings of a trigonometric polynomial of frequency n through ``levels`` levels."""
    return max(levels, 1) * (2 * n + 2) + 8
