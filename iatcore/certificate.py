"""Rows of a pattern decided again in double-double arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bases import Basis
from .bases.core import elevate
from .kernels.certify import certify_batch
from .kernels.double_double import split
from .plan import CELLS_PER_HARMONIC
from .threads import over_rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PI = Fraction("3.14159265358979323846264338327950288419716939937511")
COST = 20_000
"""Nanoseconds for each function, about."""


class Crossings(NamedTuple):
    """Crossings of a batch: per row (slope index at the left end of each piece, number, parts left open), then flat."""

    initial: Integers
    counts: Integers
    unresolved: Integers
    piece: Integers
    offset: Floats
    level: Integers
    rising: NDArray[np.bool_]

    def confirmed(self, rows: Integers, other: Crossings) -> Crossings:
        """These crossings, with those of some rows exchanged where the others are not the same ones.

        Where number, pieces, levels and directions agree, the positions here are kept: near the right end of a piece
        they may be the more accurate ones.
        """
        starts, theirs = (np.concatenate([[0], np.cumsum(c.counts)]).tolist() for c in (self, other))
        same = [self._agrees(row, starts[row], other, i, theirs[i]) for i, row in enumerate(rows)]
        differ = rows[~np.array(same, dtype=np.bool_)]
        chosen = np.isin(rows, differ)
        initial, counts, unresolved = self.initial.copy(), self.counts.copy(), self.unresolved.copy()
        initial[rows], counts[rows], unresolved[rows] = other.initial, other.counts, other.unresolved
        owner, taken = np.repeat(np.arange(len(self.counts)), self.counts), np.repeat(chosen, other.counts)
        kept = ~np.isin(owner, differ)
        owners = np.concatenate([owner[kept], np.repeat(rows, other.counts)[taken]])
        order = np.argsort(owners, kind="stable")
        flat: list[Any] = [np.concatenate([a[kept], b[taken]])[order] for a, b in zip(self[3:], other[3:], strict=True)]
        return Crossings(initial, counts, unresolved, *flat)

    def _agrees(self, row: int, start: int, other: Crossings, index: int, there: int) -> bool:
        """Whether a row here and row ``index`` there have the same crossings but for their positions."""
        count = self.counts[row]
        if count != other.counts[index] or not np.array_equal(self.initial[row], other.initial[index]):
            return False
        mine, its = slice(start, start + count), slice(there, there + count)
        names = ("piece", "level", "rising")
        return all(np.array_equal(getattr(self, n)[mine], getattr(other, n)[its]) for n in names)


def certified_crossings(basis: Basis, z: Floats, levels: Floats, closed: bool) -> Crossings:
    """Crossings of every row, in double-double arithmetic.

    Args:
        z: (B, d), finite and of ordinary magnitude; levels: (B, m), on the same scale.
        closed: whether a function that equals a level counts as above it.
    """
    degree, n = basis.degree, basis.max_frequency if basis.harmonics else -1
    tables, waves = _piecewise_tables(basis), _wave_tables(basis)
    width = np.array([float(b - a) for a, b in zip(basis.knots, basis.knots[1:], strict=False)])
    least = [max(1, 2 * (degree - 2), CELLS_PER_HARMONIC * n * w / 2) for w in width]
    parts = np.array([2 ** math.ceil(math.log2(k)) for k in least], dtype=np.int64)
    capacity = 2 * int(parts.max()) + max(degree, 0) + 2 * max(n, 0) + 4
    batch, room = len(z), (2 * basis.size + 8) * max(levels.shape[1], 1)
    per_row = np.zeros((batch, len(width)), np.int64), np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    while True:
        found: tuple[Any, ...] = tuple(
            np.empty((batch, room), kind) for kind in (np.int64, np.float64, np.int64, np.bool_)
        )
        arguments = (z, tables, (n, *waves), (levels, closed), parts, capacity, per_row, found)
        over_rows(certify_batch, batch, COST * basis.size, *arguments)
        most = int(per_row[1].max(initial=0))
        if most <= room:
            break
        room = most
    kept = np.arange(room) < per_row[1][:, None]
    return Crossings(*per_row, *(a[kept] for a in found))


def _pairs(values: Any) -> Floats:
    return np.array([split(v) for v in values], dtype=np.float64).reshape(-1, 2)


def _piecewise_tables(basis: Basis) -> tuple[Any, ...]:
    degree = max(basis.degree, 0)
    rows = [(j, elevate(c, degree)) for piece in basis.pieces for j, c in piece]
    return (
        _pairs(basis.knots[:-1]),
        _pairs([b - a for a, b in zip(basis.knots, basis.knots[1:], strict=False)]),
        np.cumsum([0] + [len(piece) for piece in basis.pieces]).astype(np.int64),
        np.array([j for j, _ in rows], dtype=np.int64),
        _pairs([v for _, c in rows for v in c]).reshape(len(rows), degree + 1, 2),
        basis.degree,
    )


def _wave_tables(basis: Basis) -> tuple[Integers, Floats, Integers]:
    n = basis.max_frequency
    return (
        np.array([h.frequency + (n + 1 if h.cosine else 0) for h in basis.harmonics], dtype=np.int64),
        _pairs([h.amplitude * PI**h.pi_power for h in basis.harmonics]),
        np.array([h.index for h in basis.harmonics], dtype=np.int64),
    )
