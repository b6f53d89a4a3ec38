"""Sweeps on a Dask cluster; the output folder has to be one that all its workers see."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from torch_bridge.sweep.outcomes import Outcome, SweepError, attempt, fail
from torch_bridge.sweep.progress import Progress
from torch_bridge.sweep.training import Event
from torch_bridge.sweep.units import Options, Unit

LOCAL = "local-dask"
TIMEOUT = 10.0
"""Seconds that a scheduler has to answer."""

POLL = 0.2
"""Seconds between two looks at what has arrived."""


def run_on_dask(units: Sequence[Unit], options: Options, progress: Progress, scheduler: str, workers: int) -> None:
    """Train the units on the workers of a scheduler, one unit a task.

    Dask replaces workers that die and does their tasks again, three times at most.

    Args:
        units: what to train.
        options: of every unit.
        progress: hears how far it is.
        scheduler: ``"tcp://host:port"``, or ``"local-dask"`` for a cluster of ``workers`` processes here.
        workers: of a local cluster.

    Raises:
        SweepError: the scheduler does not answer, or the disk is full.
    """
    with _client(scheduler, workers) as client:
        sweep = f"matact-{time.time_ns()}"
        events: deque[Event] = deque()
        client.subscribe_topic(sweep, lambda received: events.append(Event(**received[1]["event"])))
        futures = {
            client.submit(_task, unit, options, sweep, key=f"{unit.name}-{sweep}", pure=False): unit for unit in units
        }
        while futures:
            for future in [future for future in futures if future.done()]:
                unit = futures.pop(future)
                outcome = _outcome(future, unit, progress)
                if outcome.fatal:
                    client.cancel(list(futures))
                    raise SweepError(outcome.error)
                progress.ended(outcome)
            while events:
                progress.hear(events.popleft())
            time.sleep(POLL if futures else 0.0)


def _task(unit: Unit, options: Options, sweep: str) -> tuple[Outcome, list[Event]]:
    """On a worker: what became of the unit, and what it said; how far it is travels at once, and may get lost."""
    from distributed import get_worker

    worker, notes = get_worker(), []

    def listen(event: Event) -> None:
        if event.note:
            notes.append(event)
        else:
            worker.log_event(sweep, {"event": asdict(event)})

    return attempt(unit, options, listen), notes


def _outcome(future: Any, unit: Unit, progress: Progress) -> Outcome:
    if future.status == "finished":
        outcome, notes = future.result()
        for event in notes:
            progress.hear(event)
        return outcome
    error = future.exception()
    return fail(unit, f"{type(error).__name__}: {error}".splitlines()[0])


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler == LOCAL:
        bare: dict[str, Any] = {"dashboard_address": ":0"}  # any port that is free
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
