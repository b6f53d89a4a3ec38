"""The engine of the experiments against a bare loop, and ten seeds together against one."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from torch_bridge.experiments.iat_bases import EXPERIMENT
from torch_bridge.experiments.iat_runs import IATRun, start
from torch_bridge.report.runs import curves
from torch_bridge.sweep.training import RECORDS, deterministic, run_unit
from torch_bridge.sweep.units import Unit, plan

from .entries import Entry, WrongResult

QUICK = EXPERIMENT.presets["quick"].settings
FEW, SEEDS = 60, 10
CPU = torch.device("cpu")
SCALAR, PAIRS = "relu", ("pwl / pwl", "fourier / pwq")


def run_of(name: str, steps: int) -> IATRun:
    """A run of the quick preset of iat-bases on random labels."""
    p, _, q = name.partition(" / ")
    wanted = ("iat", p, q) if q else (name, None, None)
    runs = EXPERIMENT.runs(replace(QUICK, tasks=("labels",), steps=steps))
    return next(run for run in runs if (run.activation, run.input_basis, run.output_basis) == wanted)


def whole(run: IATRun, seeds: tuple[int, ...], keep: Callable[[Unit], None] = lambda unit: None) -> Callable[[], None]:
    """The run as the command does it, each time in a new folder, all of which go with the process."""
    folders = tempfile.TemporaryDirectory()

    def call() -> None:
        (unit,), _ = plan(Path(tempfile.mkdtemp(dir=folders.name)), EXPERIMENT.name, [run], seeds, "cpu")
        run_unit(unit)
        keep(unit)

    return call


def bare(run: IATRun) -> Callable[[], list[float]]:
    """The same network, data, optimiser and batches in the shortest loop."""

    def call() -> list[float]:
        losses = []
        with deterministic():
            job = start(run, (0,), CPU)
            for _ in range(run.steps):
                rows = job.batches.next()
                x, y = (job.inputs[None], job.targets[None]) if rows is None else (job.inputs[rows], job.targets[rows])
                loss = job.loss(job.network(x), y).sum()
                job.optimizer.zero_grad()
                loss.backward()
                job.optimizer.step()
                if job.schedule is not None:
                    job.schedule.step()
                losses.append(loss.item())
        return losses

    return call


def engine() -> Iterator[Entry]:
    """Whole runs with settings, metrics, checkpoints and results on the disk: the cheapest network, all its steps."""
    run = run_of(SCALAR, QUICK.steps)

    def check() -> None:
        last: list[float] = []
        whole(run, (0,), lambda unit: last.append(float(curves(unit.folder, 1)[1][-1, 0])))()
        every = math.ceil(run.steps / RECORDS)
        mean = sum(bare(run)()[-every:]) / every
        if abs(last[0] - mean) > 1e-5 * abs(mean):
            raise WrongResult(f"the last loss is {last[0]} in place of {mean}")

    group = "the engine / a bare loop (times slower)"
    yield Entry(group, SCALAR, run.steps, bare(run), whole(run, (0,)), check)
    for name in (SCALAR, *PAIRS):
        one, many = (whole(run_of(name, FEW), tuple(range(seeds))) for seeds in (1, SEEDS))
        yield Entry(f"{SEEDS} seeds together / one (times slower)", name, FEW, one, many)
