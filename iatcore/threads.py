"""Rows of a batch shared out over threads.

Kernels release the GIL, so plain threads run them side by side. This needs no threading layer: it survives ``fork``,
may be entered from several threads at once, and meets no other copy of OpenMP in the process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from .checks import check_size

WORTH_A_THREAD = 60_000
"""Nanoseconds of work below which waking another thread costs more than it saves."""

_available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
_threads = _available


class _Worker:
    """A thread that waits for one call at a time; two locks are all that passes between it and the caller."""

    def __init__(self) -> None:
        self.call: Callable[[], Any] | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.ready, self.done = threading.Lock(), threading.Lock()
        self.ready.acquire()
        self.done.acquire()
        threading.Thread(target=self._run, name="iatcore", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.ready.acquire()
            try:
                assert self.call is not None
                self.result, self.error = self.call(), None
            except BaseException as error:
                self.error = error
            self.call = None
            self.done.release()

    def start(self, call: Callable[[], Any]) -> None:
        """Hand over a call."""
        self.call = call
        self.ready.release()

    def wait(self) -> Any:
        """Its result, or raises its error."""
        self.done.acquire()
        result, self.result = self.result, None
        if self.error is not None:
            raise self.error
        return result


_workers: list[_Worker] = []
_in_use = threading.Lock()


def _forget_workers() -> None:
    """A forked child has none of its parent's threads."""
    global _in_use
    _workers.clear()
    _in_use = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


def set_num_threads(count: int) -> None:
    """Use ``count`` threads for batches; raises ValueError unless ``count >= 1``."""
    global _threads
    _threads = check_size(count, "count")


def get_num_threads() -> int:
    """The number of threads that batches are shared out over; at first the processors this process may use."""
    return _threads


def over_rows(kernel: Callable[..., Any], rows: int, cost: float, *args: Any, block: int = 8) -> list[Any]:
    """Call ``kernel(*args, start, stop)`` on contiguous ranges of rows and return the results in order.

    While another thread is using the workers, the whole batch runs in the calling thread.

    Args:
        kernel: releases the GIL; its last two arguments are the range.
        rows: number of rows; ranges start at multiples of ``block``.
        cost: about how many nanoseconds a row takes, to judge whether threads pay.
    """
    parts = min(_threads, max(int(rows * cost / WORTH_A_THREAD), 1), max(rows // block, 1))
    if parts <= 1 or not _in_use.acquire(blocking=False):
        return [kernel(*args, 0, rows)]
    busy = _in_use
    try:
        while len(_workers) < parts - 1:
            _workers.append(_Worker())
        blocks = -(-rows // block)
        bounds = [min(blocks * i // parts * block, rows) for i in range(parts + 1)]
        started = []
        for worker, (a, b) in zip(_workers, pairwise(bounds[1:]), strict=False):
            worker.start(lambda a=a, b=b: kernel(*args, a, b))
            started.append(worker)
        results, errors = [], []
        for call in (lambda: kernel(*args, bounds[0], bounds[1]), *(worker.wait for worker in started)):
            try:
                results.append(call())
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return results
    finally:
        busy.release()
