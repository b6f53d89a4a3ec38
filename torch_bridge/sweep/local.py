"""Sweeps on this machine: in this process, or in workers that are replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from torch_bridge.sweep.outcomes import Outcome, SweepError, attempt, fail
from torch_bridge.sweep.progress import Progress
from torch_bridge.sweep.training import Event
from torch_bridge.sweep.units import Options, Unit

MAX_DEATHS = 3
"""A unit during which so many workers died is marked as failed."""


def run_here(units: Iterable[Unit], options: Options, progress: Progress) -> None:
    """Train the units in this process, one after another.

    Raises:
        SweepError: the disk is full.
    """
    for unit in units:
        _ended(attempt(unit, options, progress.hear), progress)


def run_in_workers(
    units: Iterable[Unit],
    options: Options,
    progress: Progress,
    workers: int,
    *,
    method: str = "spawn",
    max_deaths: int = MAX_DEATHS,
) -> None:
    """Train the units in processes of this machine.

    A worker that dies is replaced and its unit queued again, to go on from its last checkpoint; after
    ``max_deaths`` deaths the unit is marked as failed.

    Raises:
        SweepError: the disk is full.
    """
    waiting = deque(units)
    deaths: Counter[str] = Counter()
    context = multiprocessing.get_context(method)
    team = [_Worker(context, options) for _ in range(min(workers, len(waiting)))]
    try:
        while waiting or any(worker.unit for worker in team):
            for worker in team:
                if worker.unit is None and waiting:
                    worker.give(waiting.popleft())
            handles = {h: w for w in team if w.unit for h in (w.connection, w.process.sentinel)}
            for worker in {handles[ready] for ready in wait(list(handles))}:  # type: ignore[index]
                unit, dead = worker.unit, worker.listen(progress)
                if not dead:
                    continue
                team[team.index(worker)] = _Worker(context, options)
                worker.close()
                if worker.unit is None or unit is None:
                    continue
                deaths[unit.name] += 1
                again = deaths[unit.name] < max_deaths
                what = "its run is done again" if again else "its run is marked as failed"
                progress.hear(Event(unit.name, note=f"{unit.label}: a worker died ({worker.how()}); {what}"))
                if again:
                    waiting.appendleft(unit)
                else:
                    progress.ended(fail(unit, f"{max_deaths} workers died while they trained it"))
    finally:
        for worker in team:
            worker.close()


class _Worker:
    """A process, the pipe to it, and the unit it works on."""

    def __init__(self, context: Any, options: Options) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, options), daemon=True)
        self.process.start()
        theirs.close()
        self.unit: Unit | None = None

    def give(self, unit: Unit) -> None:
        """Let it train ``unit``; if it is dead already, :meth:`listen` will tell."""
        self.unit = unit
        with suppress(OSError):
            self.connection.send(unit)

    def listen(self, progress: Progress) -> bool:
        """Pass on what it says; True if it is dead. ``unit`` is None once its outcome has come."""
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, Outcome):
                    self.unit = None
                    _ended(message, progress)
                else:
                    progress.hear(message)
        except (EOFError, OSError):
            return True
        return not self.process.is_alive()

    def how(self) -> str:
        """How the process ended."""
        code = self.process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def _ended(outcome: Outcome, progress: Progress) -> None:
    if outcome.fatal:
        raise SweepError(outcome.error)
    progress.ended(outcome)


def _serve(connection: Connection, options: Options) -> None:
    """What a worker does: units from the pipe, one after another, until the supervisor is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            unit = connection.recv()
            connection.send(attempt(unit, options, connection.send))
    except (EOFError, OSError, KeyboardInterrupt):
        os._exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
