"""Batches of step matrices: tables, threads and sums around :mod:`iatcore.kernels.steps`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .gates import Side
from .kernels import sparse_steps, steps
from .kernels import two_slopes as slopes
from .lookup import lookup
from .threads import over_rows

Array = NDArray[Any]
Points = tuple[float, ...]
TASK = 16_384
"""Entries that a range should have at least."""
MOST_TASKS = 64
COST = 2.0
"""Nanoseconds an entry takes on a diagonal, about."""
NO_BINS = np.empty((1, 0), np.uint8)


class View(NamedTuple):
    """How a flat array is read: as ``(outer, n, inner)``, the matrix acts on n; ``groups`` as in
    :func:`iatcore.kernels.steps.position`."""

    n: int
    inner: int
    groups: int


@dataclass(frozen=True)
class Bands:
    """Diagonals of step functions; hashed once, since tables are looked up by it in every call.

    Attributes:
        numbers: which diagonals, positive above the main one.
        grids: breakpoints of each.
        side: the interval that a breakpoint itself belongs to.
        widths: how many intervals each grid has.
    """

    numbers: tuple[int, ...]
    grids: tuple[Points, ...]
    side: Side = "left"
    widths: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(len(points) + 1 for points in self.grids))

    @cached_property
    def _hash(self) -> int:
        # numbers alone: hashes of strings differ from process to process, and this one travels with a pickle
        return hash((self.numbers, self.grids, self.side == "left"))

    def __hash__(self) -> int:
        return self._hash


@lru_cache(maxsize=256)
def _tables(bands: Bands, kind: type, groups: int) -> tuple[Array, Array, Array, Array]:
    looked = [lookup(points, kind, bands.side) for points in bands.grids]
    sizes = [len(t.thresholds) for t in looked]
    widths = bands.widths
    at, value_at = np.cumsum([0, *sizes]), np.cumsum([0, *(groups * w for w in widths)])
    reals = [(t.rate, t.shift, t.top if t.cells else kind(len(t.thresholds))) for t in looked]
    integers = [
        (t.cells, at[i], k, value_at[i], w)
        for i, (t, k, w) in enumerate(zip(looked, bands.numbers, widths, strict=True))
    ]
    return (
        np.array(reals, dtype=kind).reshape(-1, 3),
        np.array(integers, dtype=np.int64).reshape(-1, 5),
        np.concatenate([t.below for t in looked]),
        np.concatenate([t.thresholds for t in looked]),
    )


def tasks_for(size: int, entries: int = 1) -> int:
    """Into how many ranges a flat array is cut; their sums take at most half a byte for each of its entries."""
    return max(1, min(size // TASK, MOST_TASKS, size // (16 * entries)))


def flat_values(values: list[Array], kind: type, bands: Bands, groups: int) -> Array:
    """Step values of all diagonals one after another.

    Raises:
        ValueError: not one array for each diagonal, or one that does not hold ``groups`` sets of step values.
    """
    if len(values) != len(bands.grids):
        raise ValueError(f"values must be {len(bands.grids)} arrays, one for each diagonal, got {len(values)}")
    for k, v, width in zip(bands.numbers, values, bands.widths, strict=True):
        if np.size(v) != groups * width:
            raise ValueError(f"values of diagonal {k} must have shape {(groups, width)}, got {np.shape(v)}")
    return flat([np.asarray(v) for v in values], kind)


def flat(values: list[Array], kind: type) -> Array:
    """Arrays one after another in one dtype; without a copy if it is one array of that dtype."""
    if len(values) == 1:
        return values[0].reshape(-1).astype(kind, copy=False)
    return np.concatenate([v.reshape(-1) for v in values]).astype(kind, copy=False)


def forward(z: Array, values: Array, bands: Bands, view: View, out: Array, keep: bool) -> Array:
    """``S(z) z`` for flat arrays of one dtype, written to ``out``.

    Args:
        values: of :func:`flat_values`, each diagonal ``(groups, intervals)``.
        keep: keep the intervals for the gradient, where a byte holds their numbers.

    Returns:
        the intervals, or an array without entries.
    """
    kind = z.dtype.type
    tables = _tables(bands, kind, view.groups)
    keep = keep and max(bands.widths) <= 256
    # those of components without a partner on a diagonal are read, but without effect: zeros
    bins = (
        (np.zeros if bands.numbers != (0,) else np.empty)((len(bands.numbers), z.size), np.uint8) if keep else NO_BINS
    )
    tasks = tasks_for(z.size)
    over_rows(
        steps.forward_batch, tasks, COST * len(bands.numbers) * z.size / tasks, z, out, values, tables, view[:2],
        view.groups, bins, keep, tasks, block=1,
    )  # fmt: skip
    return bins


def backward(z: Array, g: Array, values: Array, bands: Bands, view: View, out: Array, bins: Array) -> list[Array]:
    """``S(z)^T g``, written to ``out``, and gradients with respect to the step values, in float64.

    Returns:
        for each diagonal an array ``(groups, intervals)``.
    """
    tables = _tables(bands, z.dtype.type, view.groups)
    tasks = tasks_for(z.size, values.size)
    sums = np.empty((tasks, values.size))
    over_rows(
        steps.backward_batch, tasks, 2 * COST * len(bands.numbers) * z.size / tasks, z, g, out, values, tables,
        view[:2], view.groups, bins, bins.size > 0, sums, tasks, block=1,
    )  # fmt: skip
    total = sums.sum(axis=0) if tasks > 1 else sums[0]
    if len(bands.grids) == 1:
        return [total.reshape(view.groups, -1)]
    cuts = np.cumsum([view.groups * width for width in bands.widths])[:-1]
    return [part.reshape(view.groups, -1) for part in np.split(total, cuts)]


def two_slopes(kind: type, x: int, out: int, size: int, low: float, high: float) -> None:
    """``low x`` below 0 and ``high x`` from 0 on; ``x``, ``out``: addresses of so many numbers of a numpy type."""
    tasks = tasks_for(size)
    over_rows(
        slopes.two_slopes_batch, tasks, 0.3 * size / tasks, x, out, size, kind(low), kind(high), tasks, block=1
    )  # fmt: skip


def two_slopes_gradient(
    kind: type, x: int, g: int, out: int, size: int, low: float, high: float
) -> tuple[float, float]:
    """The gradient of :func:`two_slopes` with respect to x, written to ``out``; returns that of both slopes."""
    tasks = tasks_for(size)
    return over_rows(
        slopes.two_slopes_gradient_batch, tasks, 0.6 * size / tasks, x, g, out, size, kind(low), kind(high), tasks,
        block=1,
    )  # fmt: skip


class Entries(NamedTuple):
    """A fixed pattern of entries, row by row: ``indptr``, columns, and the step function of each entry."""

    indptr: NDArray[np.int64]
    columns: NDArray[np.int64]
    functions: NDArray[np.int64]


def sparse_forward(z: Array, values: Array, points: Points, side: Side, entries: Entries) -> Array:
    """``S(z) z`` for rows (B, n) and ``values`` (functions, intervals)."""
    out = np.empty((len(z), len(entries.indptr) - 1), z.dtype)
    _over(sparse_steps.forward_batch, z, (z, values, out), points, side, entries)
    return out


def sparse_backward(
    z: Array, g: Array, values: Array, points: Points, side: Side, entries: Entries
) -> tuple[Array, NDArray[np.float64]]:
    """``S(z)^T g`` and the gradient with respect to ``values``."""
    out = np.empty_like(z)
    tasks = max(1, min(len(z), MOST_TASKS, z.size // (16 * values.size)))
    sums = np.zeros((tasks, *values.shape))
    _over(sparse_steps.backward_batch, z, (z, g, values, out, sums), points, side, entries, tasks)
    return out, sums.sum(axis=0)


def _over(
    kernel: Any, z: Array, arrays: tuple[Array, ...], points: Points, side: Side, entries: Entries, tasks: int = 0
) -> None:
    tables = _tables(Bands((0,), (points,), side), z.dtype.type, 1)
    rows = tasks or len(z)
    cost = 3.0 * (z.shape[1] + len(entries.columns)) * max(len(z), 1) / max(rows, 1)
    over_rows(kernel, rows, cost, *arrays, tables, entries, *((tasks,) if tasks else ()), block=1)
