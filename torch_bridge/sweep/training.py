"""The loop of one unit: step, record, checkpoint; and again from where it was killed."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import torch
import torch.distributed
import torch.utils.deterministic
from torch import Tensor

from iatcore.threads import get_num_threads, set_num_threads
from torch_bridge.experiments.engine import ExperimentError, from_plain, load
from torch_bridge.report.files import environment, write_json
from torch_bridge.sweep import checkpoints
from torch_bridge.sweep.locks import locked
from torch_bridge.sweep.stability import final_metrics, gradient_change
from torch_bridge.sweep.units import FAILED, FORMAT, METRICS, RESULT, TIMING, UNIT, Options, Unit, finished
from torch_bridge.train.job import Job

RECORDS = 100
"""Points of a loss curve, at most."""

WRITTEN = 1.0
"""Seconds between two writings of the metrics, at least; a checkpoint writes them too."""


@dataclass(frozen=True)
class Event:
    """How far a unit is: steps done of all, mean loss of its members; or a note."""

    unit: str
    step: int = 0
    total: int = 0
    loss: float = math.nan
    note: str = ""


Listener = Callable[[Event], None]


def run_unit(unit: Unit, options: Options | None = None, listen: Listener = lambda event: None) -> None:
    """Train a unit to its end, from its newest checkpoint if there is one; ``result.json`` comes last.

    The numbers in ``result.json`` and ``metrics.jsonl`` do not depend on how often the process was killed.

    Raises:
        OSError: a file could not be written; nothing half-written is left behind, and a later call goes on.
        BlockingIOError: another process is training this unit.
    """
    folder = unit.folder
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder), deterministic():
        if finished(folder):
            return
        (folder / FAILED).unlink(missing_ok=True)
        for leftover in folder.glob(".*.part"):
            leftover.unlink()
        if not (folder / UNIT).exists():
            write_json(folder / UNIT, {**unit.describe(), "environment": _environment()})
        _Loop(unit, options or Options(), listen).run()


@cache
def _environment() -> dict[str, Any]:
    return environment()


@contextmanager
def deterministic() -> Iterator[None]:
    """One thread and deterministic algorithms inside the block."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_num_threads(), get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        set_num_threads(before[1])
        torch.use_deterministic_algorithms(before[2], warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


class _Loop:
    """State of :func:`run_unit`: the job, the step, failures by member, the gradients of the last step if needed."""

    def __init__(self, unit: Unit, options: Options, listen: Listener) -> None:
        experiment = load(unit.experiment)
        self.unit, self.options, self.listen, self.folder = unit, options, listen, unit.folder
        runs = [from_plain(experiment.run, settings) for settings in unit.runs]
        if len(runs) == 1:
            self.job: Job = experiment.start(runs[0], unit.seeds, unit.placement)
        elif experiment.together is not None:
            self.job = experiment.together.start(runs, unit.seeds, unit.placement)
        else:
            raise ExperimentError(f"{unit.folder}: {unit.experiment} does not train several runs together")
        self.labels = [f"{runs[i].label}, seed {seed}" for i, seed in unit.members]
        self.every = math.ceil(self.job.total_steps / RECORDS)
        self.step = 0
        self.failures: list[str | None] = [None] * self.job.members
        self.gradients: Tensor | None = None
        self.seconds = 0.0
        self.records: list[dict[str, Any]] = []

    def run(self) -> None:
        offset = self._go_on(shared(self._newest()))
        path = self.folder / METRICS
        with open(path, "r+b" if path.exists() else "w+b") as lines:
            lines.truncate(offset)
            lines.seek(offset)
            with _event_files(self.folder, self.options.tensorboard, self.step) as events:
                self._train(lines, events)
        self._finish(path)

    def _newest(self) -> dict[str, Any] | None:
        path = self.folder / METRICS
        size = path.stat().st_size if path.exists() else 0

        def accept(state: dict[str, Any]) -> str | None:
            return None if state["offset"] <= size else f"{METRICS} is shorter than it says"

        def note(text: str) -> None:
            self.listen(Event(self.unit.name, note=f"{self.unit.label}: {text}"))

        return checkpoints.newest(self.folder, accept, note)

    def _go_on(self, state: dict[str, Any] | None) -> int:
        """Take a state on, and return how many bytes of metrics belong to it."""
        if state is None:
            return 0
        self.job.load_state_dict(state["job"])
        self.step, self.failures, self.gradients = state["step"], state["failures"], state["gradients"]
        self.seconds = state["seconds"]
        return state["offset"]

    def _train(self, lines: IO[bytes], events: Callable[[int, list[float]], None]) -> None:
        job, total, every = self.job, self.job.total_steps, self.every
        saved_at = written_at = last = time.perf_counter()
        saved_step = self.step
        losses: list[Tensor] = []
        while self.step < total and not all(self.failures):
            losses.append(job.step())
            self.step += 1
            recorded = self.step % every == 0 or self.step == total
            if not recorded:
                if (self.step + 1) % every == 0 or self.step + 1 == total:
                    self.gradients = job.gradients()
                continue
            means = self._record(torch.stack(losses).mean(0))
            events(self.step, means)
            losses.clear()
            now = time.perf_counter()
            self.seconds, last = self.seconds + now - last, now
            due = self._due(now - saved_at, self.step - saved_step) or self.step == total
            if due or now - written_at >= WRITTEN:
                self._write(lines)
                written_at = now
            if due:
                self._save(lines.tell())
                saved_at, saved_step = time.perf_counter(), self.step
        self._write(lines)

    def _due(self, seconds: float, steps: int) -> bool:
        wanted = self.options.checkpoint_steps
        return seconds >= self.options.checkpoint_seconds or (wanted is not None and steps >= wanted)

    def _record(self, means: Tensor) -> list[float]:
        gradients = self.job.gradients()
        change = gradient_change(gradients, self.gradients)
        self.gradients = gradients if self.every == 1 else None
        values = means.double().tolist()
        new = [i for i, v in enumerate(values) if self.failures[i] is None and not math.isfinite(v)]
        for i in new:
            self.failures[i] = f"loss became {values[i]} by step {self.step}"
            text = f"{self.labels[i]}: {self.failures[i]}; the run is marked as failed"
            self.listen(Event(self.unit.name, note=text))
        self.job.freeze(new)
        alive = [failure is None for failure in self.failures]
        line = {
            "step": self.step,
            "loss": [v if ok else None for v, ok in zip(values, alive, strict=True)],
            "gradient_change": [v if ok and math.isfinite(v) else None for v, ok in zip(change, alive, strict=True)],
        }
        self.records.append(line)
        running = [v for v, ok in zip(values, alive, strict=True) if ok]
        mean = sum(running) / len(running) if running else math.nan
        self.listen(Event(self.unit.name, self.step, self.job.total_steps, mean))
        return [v if ok else math.nan for v, ok in zip(values, alive, strict=True)]

    def _write(self, lines: IO[bytes]) -> None:
        lines.writelines(json.dumps(record, allow_nan=False).encode() + b"\n" for record in self.records)
        lines.flush()
        self.records.clear()

    def _save(self, offset: int) -> None:
        state = {
            "job": self.job.state_dict(),
            "step": self.step,
            "failures": list(self.failures),
            "gradients": self.gradients,
            "seconds": self.seconds,
            "offset": offset,
        }
        checkpoints.save(self.folder, self.step, state)

    def _finish(self, path: Path) -> None:
        metrics = self.job.evaluate() if not all(self.failures) else {}
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        members = final_metrics([seed for _, seed in self.unit.members], self.failures, metrics, records)
        write_json(self.folder / TIMING, {"seconds": self.seconds})
        write_json(self.folder / RESULT, {"format": FORMAT, "steps": self.step, "members": members})
        for old in checkpoints.paths(self.folder)[:-1]:
            old.unlink()


class _Follower(_Loop):
    """Another process's part of a unit: it steps along and writes nothing."""

    def run(self) -> None:
        self._go_on(shared(None))
        with TemporaryFile() as lines:
            self._train(lines, lambda step, losses: None)

    def _save(self, offset: int) -> None:
        pass


def follow_unit(unit: Unit) -> None:
    """Do this process's share of a unit that another one trains by :func:`run_unit`."""
    with deterministic():
        _Follower(unit, Options(), lambda event: None).run()


def shared(value: Any) -> Any:
    """What the first of the processes gave that train together; alone, ``value`` itself."""
    if not torch.distributed.is_initialized():
        return value
    holder = [value]
    torch.distributed.broadcast_object_list(holder)
    return holder[0]


@contextmanager
def _event_files(folder: Path, wanted: bool, step: int) -> Iterator[Callable[[int, list[float]], None]]:
    if not wanted:
        yield lambda step, losses: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(step: int, losses: list[float]) -> None:
        for member, loss in enumerate(losses):
            if math.isfinite(loss):
                writer.add_scalar(f"loss/{member}", loss, step)

    try:
        yield write
    finally:
        writer.close()
