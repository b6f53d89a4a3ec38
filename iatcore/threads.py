"""Rows of a batch shared out over threads.

Kernels run without the interpreter's lock and take chunks of rows one by one (:mod:`iatcore.kernels.team`), so that
nobody waits for a thread that is late. The threads are either those of an OpenMP runtime that the process uses
already (:func:`use_openmp`): what would be two teams that spin on the same processors is one; or workers of our own,
which need no threading layer and survive ``fork``. Both may be entered from several threads at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .checks import check_size
from .kernels.team import BOARD_SIZE, member_address, watch

WORTH_A_THREAD = 15_000
"""Nanoseconds of work below which waking another thread costs more than it saves."""
SMALLEST_CHUNK = 4_000
"""Nanoseconds of work that one chunk should hold at least."""
CHUNKS = 8
"""Chunks for each thread: what is lost by waiting for the last one is a small part of its share."""
WATCH_SECONDS = 100e-6
"""How long a worker of ours watches for the next job before it sleeps."""

_available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class _Worker:
    """A thread that watches the board, or sleeps."""

    def __init__(self, board: np.ndarray, patience: int) -> None:
        self.asleep = False
        self.ready = threading.Lock()
        self.ready.acquire()
        threading.Thread(target=self._run, args=(board, patience), name="iatcore", daemon=True).start()

    def _run(self, board: np.ndarray, patience: int) -> None:
        while True:
            watch(board.ctypes.data, patience)
            self.asleep = True
            self.ready.acquire()

    def wake(self) -> None:
        """Have it watch, if it sleeps."""
        if self.asleep:
            self.asleep = False
            self.ready.release()


class _Team:
    """Who works: an OpenMP runtime, or a board and its workers."""

    def __init__(self) -> None:
        self.fork = 0
        self.count: Callable[[], int] = lambda: _available
        self.board = np.zeros(BOARD_SIZE, np.int64)
        self.address = self.board.ctypes.data
        self.in_use = threading.Lock()
        self.workers: list[_Worker] = []
        self.jobs = 0
        self.patience = 0

    def call(self, helpers: int) -> None:
        """Have ``helpers`` workers watch."""
        if not self.patience:
            self.patience = _looks_in(WATCH_SECONDS)
        while len(self.workers) < helpers:
            self.workers.append(_Worker(self.board, self.patience))
        for worker in self.workers[:helpers]:
            worker.wake()


def _looks_in(seconds: float, looks: int = 2000) -> int:
    """How often a worker looks at the board in a span of time, measured."""
    board = np.zeros(BOARD_SIZE, np.int64)
    watch(board.ctypes.data, 1)
    start = time.perf_counter()
    watch(board.ctypes.data, looks)
    return max(int(looks * seconds / max(time.perf_counter() - start, 1e-9)), 100)


_team = _Team()
_threads: int | None = None
_local = threading.local()


def _own_board() -> int:
    """Address of a board of the calling thread."""
    if not hasattr(_local, "board"):
        _local.board = np.zeros(BOARD_SIZE, np.int64)
        _local.address = _local.board.ctypes.data
    return _local.address


def _forget_team() -> None:
    """A forked child has none of its parent's threads, and the OpenMP runtimes do not notice; how many is unchanged."""
    global _team
    count = _team.count
    _team = _Team()
    _team.count = count


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)


def use_openmp(parallel: int, count: Callable[[], int]) -> None:
    """Have the threads of an OpenMP runtime do the work.

    Args:
        parallel: address of its ``GOMP_parallel(function, argument, threads, flags)``.
        count: the number of threads to use as long as :func:`set_num_threads` has not said another.
    """
    _team.fork, _team.count = parallel, count


def set_num_threads(count: int | None) -> None:
    """Use ``count`` threads for batches, None for as many as at first; raises ValueError unless ``count >= 1``."""
    global _threads
    _threads = None if count is None else check_size(count, "count")


def get_num_threads() -> int:
    """The number of threads that batches are shared out over.

    At first the processors that this process may use; with ``torch_bridge`` imported, ``torch.get_num_threads()``.
    """
    return _threads or _team.count()


def over_rows(kernel: Callable[..., Any], rows: int, cost: float, *args: Any, block: int = 8) -> Any:
    """``kernel((board, job, helpers, chunk, fork, entry), *args)``, which shares out its rows.

    While another thread is using our workers, the whole batch is done by the calling thread.

    Args:
        kernel: a compiled function that ends in :func:`iatcore.kernels.team.share`.
        rows: number of rows; chunks start at multiples of ``block``.
        cost: about how many nanoseconds a row takes, to judge whether threads pay.
    """
    parts = min(int(rows * cost / WORTH_A_THREAD), rows // block)
    parts = min(parts, get_num_threads()) if parts > 1 else 1
    if parts == 1:
        return kernel((_own_board(), 0, 0, max(rows, 1), 0, 0), *args)
    chunk = -int(-max(rows / (CHUNKS * parts), SMALLEST_CHUNK / cost) // block) * block
    team = _team
    if team.fork:
        return kernel((_own_board(), 0, parts - 1, chunk, team.fork, member_address()), *args)
    if team.in_use.acquire(blocking=False):
        try:
            team.call(parts - 1)
            team.jobs += 1
            return kernel((team.address, team.jobs, parts - 1, chunk, 0, 0), *args)
        finally:
            team.in_use.release()
    return kernel((_own_board(), 0, 0, rows, 0, 0), *args)
