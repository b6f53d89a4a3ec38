"""Runs on several processes that ``torchrun`` has started: each takes its share of every batch.

The first process leads: it alone reads and writes the output folder. The others are told which unit comes next and
from which state it goes on, and step along.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed

from torch_bridge.experiments.engine import ExperimentError
from torch_bridge.sweep.local import run_here
from torch_bridge.sweep.outcomes import SweepError
from torch_bridge.sweep.progress import Progress
from torch_bridge.sweep.training import follow_unit, shared
from torch_bridge.sweep.units import Options, Unit


def processes() -> tuple[int, int]:
    """The rank of this process and the number of all that torchrun has started; (0, 1) without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return (int(os.environ["RANK"]), count) if count > 1 and "RANK" in os.environ else (0, 1)


@contextmanager
def together(device: str) -> Iterator[None]:
    """The processes know each other inside the block; each has a GPU of its own if ``device`` is one."""
    gpu = torch.device(device).type == "cuda"
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def lead(units: Iterable[Unit], options: Options, progress: Progress, device: str) -> None:
    """Train the units, each with the processes that :func:`follow`.

    Raises:
        SweepError: the disk is full, or a unit ended with an error, after which the others may be at another step.
    """
    with together(device):
        for unit in units:
            shared(unit)
            run_here([unit], options, progress)
            if progress.failed:
                error = progress.failed[-1].error
                raise SweepError(f"{unit.label}: {error}; the other processes cannot go on, run again")
        shared(None)


def follow(device: str) -> None:
    """Do this process's share of every unit that the first one names, until it has no more."""
    with together(device):
        while (unit := shared(None)) is not None:
            try:
                follow_unit(unit)
            except ExperimentError:
                continue  # the first process meets the same error and says so


def several(device: str, count: int) -> str:
    """The name of a device under which units of so many processes are kept: shares of a batch change the last digits.

    ``"cpu"`` alone, ``"cpu x 2"`` for two processes.
    """
    return device if count == 1 else f"{device} x {count}"


def check_shared(experiment: Any, count: int) -> None:
    """Raise ExperimentError unless the experiment can be shared out over so many processes."""
    if count > 1 and not experiment.shares_batches:
        raise ExperimentError(
            f"torchrun: {experiment.name} cannot be shared between {count} processes; run it without torchrun, "
            "with --workers"
        )
