"""A folder that one process works in at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None

PATIENCE = 10.0
"""Seconds to wait for a process that is being killed to let go."""


@contextmanager
def locked(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of ``folder``; the system takes it back when the process dies.

    Where the system has no ``flock``, nothing is locked.

    Raises:
        BlockingIOError: another process still holds it after ``patience`` seconds.
    """
    if fcntl is None:
        yield
        return
    with open(folder / ".lock", "wb") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BlockingIOError(f"{folder}: another process is working on this run") from None
                time.sleep(0.05)
        yield
