"""Sweeps on a Dask cluster; the output folder has to be one that all its workers see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch_bridge.sweep.outcomes import Outcome, SweepError, attempt, fail
from torch_bridge.sweep.progress import Progress
from torch_bridge.sweep.training import Event
from torch_bridge.sweep.units import METRICS, Options, Unit

LOCAL = "local-dask"
TIMEOUT = 10.0
"""Seconds that a scheduler has to answer."""

POLL = 1.0
"""Seconds between two looks at the progress of units."""


def run_on_dask(units: Sequence[Unit], options: Options, progress: Progress, scheduler: str, workers: int) -> None:
    """Train the units on the workers of a scheduler, one unit a task.

    Dask replaces workers that die and does their tasks again, three times at most.

    Args:
        units: what to train.
        options: of every unit.
        progress: hears how far it is; steps are read from the units' folders.
        scheduler: ``"tcp://host:port"``, or ``"local-dask"`` for a cluster of ``workers`` processes here.
        workers: of a local cluster.

    Raises:
        SweepError: the scheduler does not answer, or the disk is full.
    """
    with _client(scheduler, workers) as client:
        futures = {
            client.submit(_task, unit, options, key=f"{unit.name}-{time.time_ns()}", pure=False): unit for unit in units
        }
        seen: dict[str, int] = {}
        while futures:
            for future in [future for future in futures if future.done()]:
                unit = futures.pop(future)
                outcome = _outcome(future, unit)
                if outcome.fatal:
                    client.cancel(list(futures))
                    raise SweepError(outcome.error)
                progress.ended(outcome)
            for unit in futures.values():
                _look(unit, seen, progress)
            time.sleep(POLL if futures else 0.0)


def _task(unit: Unit, options: Options) -> tuple[Outcome, list[str]]:
    notes: list[str] = []
    return attempt(unit, options, lambda event: notes.append(event.note) if event.note else None), notes


def _outcome(future: Any, unit: Unit) -> Outcome:
    if future.status == "finished":
        return future.result()[0]
    error = future.exception()
    return fail(unit, f"{type(error).__name__}: {error}".splitlines()[0])


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler == LOCAL:
        bare: dict[str, Any] = {"dashboard_address": None}
        with LocalCluster(n_workers=workers, threads_per_worker=1, **bare) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise SweepError(
            f"--scheduler {scheduler}: no Dask scheduler answers there within {TIMEOUT:.0f} s "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None
    with client:
        yield client


def _look(unit: Unit, seen: dict[str, int], progress: Progress) -> None:
    path = unit.folder / METRICS
    try:
        size = path.stat().st_size
        if size == seen.get(unit.name):
            return
        seen[unit.name] = size
        lines = path.read_bytes().split(b"\n")[:-1]
        last = json.loads(lines[-1])
    except (OSError, IndexError, json.JSONDecodeError):
        return
    losses = [loss for loss in last["loss"] if loss is not None]
    mean = sum(losses) / len(losses) if losses else float("nan")
    progress.hear(Event(unit.name, last["step"], progress.total_steps.get(unit.name, 0), mean))
