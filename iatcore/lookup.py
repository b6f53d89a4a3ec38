"""The interval of a grid that a number lies in, exactly, by one multiplication, one comparison and two small tables.

The cell ``c = floor(clip(x rate + shift))`` does not decrease with x, rounding included. If each cell holds at most
one breakpoint, then all breakpoints in cells before c lie below x, all in cells after c do not, and the one in c is
compared with x itself: no rounding of the cell number can make the result wrong.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .gates import Side

LARGEST_TABLE = 2048


class Lookup(NamedTuple):
    """Tables of a grid; with ``cells == 0`` the intervals are found by bisection of ``thresholds``.

    Attributes:
        rate, shift, top: from x to the number of its cell, ``top`` is the last one.
        cells: number of cells.
        below: breakpoints in cells before each one.
        thresholds: the breakpoint in each cell, inf where there is none; for bisection all breakpoints. A number
            lies in the interval to the right if it is *greater*.
    """

    rate: Any
    shift: Any
    top: Any
    cells: int
    below: NDArray[np.int32]
    thresholds: NDArray[Any]


def lookup(points: tuple[float, ...], dtype: Any, side: Side = "left") -> Lookup:
    """Tables for numbers of a dtype (float32 or float64); breakpoints are rounded to it.

    Args:
        side: the interval that a breakpoint itself belongs to.
    """
    kind = np.dtype(dtype).type
    s = np.array(points, dtype=np.float64).astype(kind)
    if side == "right":
        s = np.nextafter(s, kind(-np.inf))
    none = (kind(0), kind(0), kind(0), 0, np.zeros(len(s), np.int32))
    if not len(s):
        return Lookup(kind(0), kind(0), kind(0), 1, np.zeros(1, np.int32), np.full(1, np.inf, kind))
    gaps = np.diff(s.astype(np.float64))
    if len(s) > 1 and gaps.min() <= 0:
        return Lookup(*none, s)
    gap = gaps.min() if len(s) > 1 else 1.0
    for factor in (1.0, 1.1, 1.3, 1.6, 2.0, 3.0):
        with np.errstate(over="ignore", invalid="ignore"):
            rate = kind(factor / gap)
            shift = kind(kind(1.5) - s[0] * rate)
            where = s * rate + shift
        if not np.isfinite(where).all() or where[-1] + 1 >= LARGEST_TABLE or where[0] < 1:
            continue
        number = where.astype(np.int64)
        if len(s) == 1 or np.diff(number).min() > 0:
            cells = int(number[-1]) + 2
            thresholds = np.full(cells, np.inf, kind)
            thresholds[number] = s
            below = np.searchsorted(number, np.arange(cells), side="left").astype(np.int32)
            return Lookup(rate, shift, kind(cells - 1), cells, below, thresholds)
    return Lookup(*none, s)
