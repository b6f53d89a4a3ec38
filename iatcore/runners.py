"""Which fused kernel serves a pair of bases, with its tables."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .bases import Basis, basis
from .gram import gram
from .kernels import fused
from .kernels.local import local_batch, local_tables
from .kernels.memory import ROW
from .kernels.simd import LANES
from .pattern import crossing_capacity
from .plan import local_plan, wave_frame, wave_grid, waves

Floats = NDArray[np.float64]
LOCAL_DEGREE = 2


def is_local(b: Basis) -> bool:
    """Whether closed forms per piece apply: piecewise polynomials of degree at most 2."""
    return b.is_piecewise and b.degree <= LOCAL_DEGREE


def is_wave(b: Basis) -> bool:
    """Whether the basis is trigonometric."""
    return b.is_trigonometric and b.max_frequency > 0


class Crossings(NamedTuple):
    """Room for the crossings of a batch: addresses of positions, signs, crossings used."""

    addresses: tuple[int, int, int]
    arrays: tuple[NDArray[Any], ...]


def saved_room(n: int) -> int:
    """Crossings of one level that are kept for the derivative: all that a trigonometric polynomial can have."""
    return 2 * n + 1


def crossing_store(blocks: int, slots: int) -> Crossings:
    positions = np.empty((blocks * slots + 1) * LANES)
    arrays = (positions, np.empty((blocks, slots + 1), np.int64), np.empty(blocks, np.int64))
    # rows of positions start at cache lines
    first = -(-positions.ctypes.data // ROW) * ROW
    return Crossings((first, arrays[1].ctypes.data, arrays[2].ctypes.data), arrays)


class _Runner:
    """A kernel with its tables, one for each direction."""

    tables: dict[str, Any]

    def _set_gate(self, gate: Any) -> None:
        """Make the tables for a gate ``(levels, jumps, base, closed)``."""
        raise NotImplementedError

    def with_gate(self, gate: Any) -> Self:
        """The same for another gate."""
        other = copy(self)
        other._set_gate(gate)
        return other


class LocalRunner(_Runner):
    block = 2 * LANES

    def __init__(self, p: Basis, q: Basis, gate: Any) -> None:
        self._plan = local_plan(p, q), gram(p, q)
        self.cost = 5.0 * len(self._plan[0].widths)
        self._set_gate(gate)

    def _set_gate(self, gate: Any) -> None:
        a, whole = self._plan
        constants = (a.rule, a.widths)
        self.tables = {
            "forward": local_tables(a.p, a.p, a.q, a.mass_qp, *constants, whole, gate),
            "backward": local_tables(a.p, a.q, a.p, a.mass_pq, *constants, whole.T, gate),
        }

    def prepare(self, z: Any, h: Any, out: Any, direction: str, same: bool, saved: Any, mode: int) -> Any:
        return local_batch, (z, h, out, same, self.tables[direction].numbers)


class LocalWaveRunner(_Runner):
    block = LANES

    def __init__(self, p: Basis, q: Basis, gate: Any) -> None:
        w = waves(q)
        self._plan = w, wave_frame(p, w.n, by_parts=False, constant=True), gram(p, q)
        self.cost = 5.0 * len(self._plan[1].lefts) * (1 + w.n)
        self._set_gate(gate)

    def _set_gate(self, gate: Any) -> None:
        w, f, whole = self._plan
        ends = (f.lefts, f.widths)
        self.tables = {
            "forward": fused.local_wave_tables(f.side, (*ends, f.factors, f.full, f.rule), w, whole, gate),
            "backward": fused.local_wave_tables(f.side, (*ends, f.factors_test, f.full_test, f.rule), w, whole.T, gate),
        }

    def prepare(self, z: Any, h: Any, out: Any, direction: str, same: bool, saved: Any, mode: int) -> Any:
        kind = fused.POLY_TO_WAVE if direction == "forward" else fused.WAVE_TO_POLY
        return fused.local_wave_batch, (z, h, out, kind, self.tables[direction].numbers)


class WaveRunner(_Runner):
    block = LANES

    def __init__(self, p: Basis, q: Basis, gate: Any) -> None:
        w = waves(p)
        self.both = is_wave(q)
        # with two trigonometric sides no frame is used; any valid tables do
        constant = any(h.frequency == 0 for h in p.harmonics)
        f = wave_frame(basis("rect", 1) if self.both else q, w.n, by_parts=True, constant=constant)
        self._plan = w, waves(q) if self.both else w, f, wave_grid(w.n)
        self.nothing = crossing_store(0, 0)
        self.cost = 20.0 * w.n * (4 + w.n)
        self._set_gate(gate)

    def _set_gate(self, gate: Any) -> None:
        w, w_q, f, grid = self._plan
        capacity = crossing_capacity(w.n, len(gate[0]))

        def tables(integrand: Any, test: Any, factors: Floats, full: Floats) -> Any:
            frame = (f.low, f.uniform, f.symmetric, f.lefts, f.inverse, factors, full, f.nodes, f.powers, f.rule)
            return fused.crossing_tables(w, integrand, test, f.side, grid, frame, gate, capacity, saved_room(w.n))

        self.tables = {
            "forward": tables(w, w_q, f.factors_test, f.full_test),
            "backward": tables(w_q, w, f.factors, f.full),
        }

    def prepare(self, z: Any, h: Any, out: Any, direction: str, same: bool, saved: Any, mode: int) -> Any:
        forward = direction == "forward"
        kind = fused.WAVE_TO_WAVE if self.both else fused.WAVE_TO_POLY if forward else fused.POLY_TO_WAVE
        if saved is None:
            saved, mode = self.nothing, fused.RECOMPUTE
        return fused.crossing_batch, (z, h, out, kind, same, self.tables[direction].numbers, saved.addresses, mode)
