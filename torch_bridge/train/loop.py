"""One short training loop: Adam with a cosine schedule on data that fit in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        steps: number of optimiser steps, >= 1.
        learning_rate: of Adam at the first step; a half cosine takes it to 0 at the last.
        batch_size: samples a step, drawn without replacement epoch by epoch; None takes all in every step.
        records: at most so many points of the loss curve are kept, >= 1.
    """

    steps: int
    learning_rate: float
    batch_size: int | None = None
    records: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "records"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be None or at least 1, got {self.batch_size}")


@dataclass(frozen=True)
class Fit:
    """What :func:`fit` returns.

    Attributes:
        steps: after how many steps each point of the curve was taken.
        losses: mean loss over the steps since the point before, one a point.
        seconds: wall time of the loop.
        finite: False if the loss became nan or infinite, which ends the loop.
    """

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    seconds: float
    finite: bool


def fit(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    training: Training,
    *,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Fit:
    """Train the parameters of ``network`` that require a gradient.

    Args:
        network: is left in training mode with the last weights.
        inputs: shape ``(n, ...)``.
        targets: shape ``(n, ...)``.
        loss: ``loss(network(x), y)`` is a scalar.
        training: steps, learning rate, batch size.
        seed: of the order of the samples; without effect on full batches.
        on_step: called as ``on_step(step, loss)`` at every point of the loss curve.

    Raises:
        ValueError: inputs and targets differ in length or are empty.
    """
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise ValueError(f"inputs and targets must have the same length > 0, got {len(inputs)} and {len(targets)}")
    parameters = [w for w in network.parameters() if w.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.steps)
    batches = _Batches(len(inputs), training.batch_size, seed)
    every = math.ceil(training.steps / training.records)
    network.train()
    steps, losses, total, since = [], [], 0.0, 0
    start = time.perf_counter()
    for step in range(1, training.steps + 1):
        rows = batches.next()
        value = loss(network(inputs[rows]), targets[rows])
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
        total, since = total + value.item(), since + 1
        if step % every == 0 or step == training.steps:
            steps.append(step)
            losses.append(total / since)
            total, since = 0.0, 0
            if on_step is not None:
                on_step(step, losses[-1])
            if not math.isfinite(losses[-1]):
                break
    return Fit(tuple(steps), tuple(losses), time.perf_counter() - start, math.isfinite(losses[-1]))


class _Batches:
    """Rows of the next batch: a new random order every epoch, and the last batch of an epoch may be short."""

    def __init__(self, rows: int, size: int | None, seed: int) -> None:
        self.rows, self.size = rows, size if size is not None and size < rows else None
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.long)

    def next(self) -> Tensor | slice:
        if self.size is None:
            return slice(None)
        if len(self.order) == 0:
            self.order = torch.randperm(self.rows, generator=self.generator)
        batch, self.order = self.order[: self.size], self.order[self.size :]
        return batch
