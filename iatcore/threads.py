"""Rows of a batch shared out over threads.

Kernels release the GIL, so plain threads run them side by side. This needs no threading layer: it survives ``fork``,
may be entered from several threads at once, and meets no other copy of OpenMP in the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from .checks import check_size

WORTH_A_THREAD = 150_000
"""Nanoseconds of work below which waking another thread costs more than it saves."""

_available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
_threads = _available
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """A forked child has none of its parent's threads."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def set_num_threads(count: int) -> None:
    """Use ``count`` threads for batches; raises ValueError unless ``count >= 1``."""
    global _threads, _pool
    _threads = check_size(count, "count")
    _pool = None


def get_num_threads() -> int:
    """The number of threads that batches are shared out over; at first the processors this process may use."""
    return _threads


def over_rows(kernel: Callable[..., Any], rows: int, cost: float, *args: Any, block: int = 8) -> list[Any]:
    """Call ``kernel(*args, start, stop)`` on contiguous ranges of rows and return the results in order.

    Args:
        kernel: releases the GIL; its last two arguments are the range.
        rows: number of rows; ranges start at multiples of ``block``.
        cost: about how many nanoseconds a row takes, to judge whether threads pay.
    """
    global _pool
    parts = min(_threads, max(int(rows * cost / WORTH_A_THREAD), 1), max(rows // block, 1))
    if parts <= 1:
        return [kernel(*args, 0, rows)]
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=_threads, thread_name_prefix="iatcore")
    pool = _pool
    blocks = -(-rows // block)
    bounds = [min(blocks * i // parts * block, rows) for i in range(parts + 1)]
    others = [pool.submit(kernel, *args, a, b) for a, b in pairwise(bounds[1:])]
    first = kernel(*args, bounds[0], bounds[1])
    return [first, *(f.result() for f in others)]
