"""The constant tables of a kernel as one array of numbers: handing over thirty arrays costs as much as many rows.

Every kernel says in its own file in which order its tables are packed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .blocks import INLINE
from .memory import int_at, real_at

SIDE = 9
"""Entries of a side: ids, degree, functionals, ptr, index, value, ptr_t, index_t, value_t."""
GATE = 5
"""Entries of a gate: levels, jumps, count, base, closed."""
WAVES = 3
"""Entries of a trigonometric basis: n, row, factor."""


class Tables(NamedTuple):
    """Integers and addresses, and the arrays that are kept alive for them."""

    numbers: NDArray[np.int64]
    arrays: tuple[NDArray[Any], ...]


def pack(*entries: Any) -> Tables:
    """Integers as they are, arrays by address; nested sequences one after another."""
    numbers: list[int] = []
    arrays: list[NDArray[Any]] = []
    for entry in entries:
        if isinstance(entry, np.ndarray):
            arrays.append(np.ascontiguousarray(entry))
            numbers.append(arrays[-1].ctypes.data)
        elif isinstance(entry, (tuple, list)):
            inner = pack(*entry)
            numbers.extend(inner.numbers.tolist())
            arrays.extend(inner.arrays)
        else:
            numbers.append(int(entry))
    return Tables(np.array(numbers, dtype=np.int64), tuple(arrays))


def side_entries(side: Any) -> tuple[Any, ...]:
    """What :func:`side_at` reads."""
    return side.ids, side.degree, len(side.ptr) - 1, *side[2:]


def gate_entries(levels: NDArray[Any], jumps: NDArray[Any], base: float, closed: bool) -> tuple[Any, ...]:
    """What :func:`gate_at` reads."""
    return levels, jumps, len(jumps), np.array([base], dtype=np.float64), closed


@njit(**INLINE)
def side_at(tables, k):
    """``(ids, degree, functionals, ptr, index, value, ptr_t, index_t, value_t)`` from entry k on."""
    return (
        int_at(tables, k), int_at(tables, k + 1), int_at(tables, k + 2), int_at(tables, k + 3), int_at(tables, k + 4),
        int_at(tables, k + 5), int_at(tables, k + 6), int_at(tables, k + 7), int_at(tables, k + 8),
    )  # fmt: skip


@njit(**INLINE)
def gate_at(tables, k):
    """``(levels, jumps, count, base, closed)`` from entry k on."""
    base = real_at(int_at(tables, k + 3), 0)
    return int_at(tables, k), int_at(tables, k + 1), int_at(tables, k + 2), base, int_at(tables, k + 4) != 0


@njit(**INLINE)
def waves_at(tables, k):
    """``(n, row, factor)`` from entry k on."""
    return int_at(tables, k), int_at(tables, k + 1), int_at(tables, k + 2)
