"""Networks of equal shape trained as one: weights ``(E, out, in)``, data ``(E, n, d)``, a generator a member."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PRECISIONS = ("float32", "float64", "mixed")
OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("cosine", "constant")


class EnsembleLinear(nn.Module):
    """``y_e = x_e W_e^T + b_e`` for E members.

    Args:
        in_features, out_features: sizes of x and y.
        gain: weights are drawn from N(0, gain**2 / in_features), biases are 0.
        generators: one a member; each draws ``out * in`` numbers.

    Shape:
        ``(E, n, in)`` to ``(E, n, out)``.
    """

    def __init__(self, in_features: int, out_features: int, gain: float, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        shape = (out_features, in_features)
        std = gain / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.stack([std * torch.randn(shape, generator=g) for g in generators]))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, out_features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight.transpose(1, 2))


class EnsembleBatchNorm(nn.Module):
    """BatchNorm1d of each member: statistics over n of ``(E, n, d)``, running averages for evaluation."""

    def __init__(self, members: int, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(members, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, 1, features))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(members, 1, features))
        self.register_buffer("running_var", torch.ones(members, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        members, samples, features = x.shape
        # the features of all members side by side are columns of one batch
        parameters = (t.view(-1) for t in (self.running_mean, self.running_var, self.weight, self.bias))
        columns = x.transpose(0, 1).reshape(samples, -1)
        alone = self.training and samples == 1  # the last batch of an epoch, which torch refuses
        if alone:
            columns = columns.expand(2, -1)  # mean and variance stay
        y = F.batch_norm(columns, *parameters, training=self.training, momentum=self.momentum, eps=self.eps)
        return (y[:1] if alone else y).view(samples, members, features).transpose(0, 1)


def ensemble_mlp(
    widths: Sequence[int],
    activation: Callable[[int], nn.Module],
    generators: Sequence[torch.Generator],
    gain: float = math.sqrt(2.0),
    batch_norm: bool = False,
) -> nn.Sequential:
    """E members of :func:`torch_bridge.networks.mlp` with He's rule, IAT (1).

    Args:
        widths: ``(d_0, ..., d_L)``, L >= 1.
        activation: called with each inner width; acts along the last of three dimensions.
        generators: one a member; a member's weights depend on its generator alone.
        gain: of all layers but the last, whose gain is 1; He's is sqrt(2).
        batch_norm: normalise before each activation.
    """
    layers: list[nn.Module] = []
    for i, (d_in, d_out) in enumerate(pairwise(widths)):
        last = i == len(widths) - 2
        layers.append(EnsembleLinear(d_in, d_out, 1.0 if last else gain, generators))
        if last:
            continue
        if batch_norm:
            layers.append(EnsembleBatchNorm(len(generators), d_out))
        layers.append(activation(d_out))
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Recipe:
    """How the members are trained.

    Attributes:
        steps: optimiser steps, >= 1.
        learning_rate: of the first step, > 0.
        optimizer: ``"adam"``, or ``"sgd"`` with momentum 0.9.
        schedule: ``"cosine"`` takes the rate to 0 by half a cosine, ``"constant"`` leaves it.
        batch_size: samples a step, without replacement epoch by epoch; None takes all in every step.
        precision: ``"float32"``, ``"float64"``, or ``"mixed"``: matrix products in bfloat16, weights in float32.
    """

    steps: int
    learning_rate: float
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["cosine", "constant"] = "cosine"
    batch_size: int | None = None
    precision: Literal["float32", "float64", "mixed"] = "float32"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be None or at least 1, got {self.batch_size}")
        choices = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "precision": PRECISIONS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")


MemberLoss = Callable[[Tensor, Tensor], Tensor]


class EnsembleJob:
    """A :class:`~torch_bridge.train.job.Job`: a network with an ensemble dimension on data that fit in memory.

    Args:
        build: ``build(generators)`` makes the network, ``(E, n, d)`` to ``(E, n, outputs)``.
        inputs, targets: shapes ``(n, d)`` and ``(n, ...)``, shared by the members.
        loss: ``loss(prediction, target)``, ``(E, n, ...)`` twice to ``(E,)``.
        metrics: name -> the same on all data, evaluated in float64.
        recipe: steps, rate, batches, precision.
        seeds: one a member; a member's start and batches are those it has alone.
        device: where it trains. Weights and batches are drawn on the CPU, the same for every device.
    """

    def __init__(
        self,
        build: Callable[[Sequence[torch.Generator]], nn.Module],
        inputs: Tensor,
        targets: Tensor,
        loss: MemberLoss,
        metrics: dict[str, MemberLoss],
        recipe: Recipe,
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        self.recipe, self.loss, self.metrics, self.device = recipe, loss, metrics, device
        dtype = torch.float64 if recipe.precision == "float64" else torch.float32
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.network = build(self.generators).to(device, dtype)
        self.inputs, self.targets = inputs.to(device, dtype), targets.to(device, dtype)
        self.parameters = [w for w in self.network.parameters() if w.requires_grad]
        self.optimizer = _optimizer(recipe, self.parameters)
        self.schedule = _schedule(recipe, self.optimizer)
        self.batches = _Batches(len(inputs), recipe.batch_size, self.generators)
        self.frozen = torch.zeros(len(seeds), dtype=torch.bool, device=device)
        self.any_frozen = False
        self.everything = tuple(t.expand(len(seeds), *t.shape) for t in (self.inputs, self.targets))

    @property
    def members(self) -> int:
        """E."""
        return len(self.generators)

    @property
    def total_steps(self) -> int:
        """Steps of the recipe."""
        return self.recipe.steps

    def step(self) -> Tensor:
        """One step for all members; returns their losses before it, shape ``(E,)``."""
        if not self.network.training:
            self.network.train()
        rows = self.batches.next()
        if rows is None:
            x, y = self.everything
        else:
            rows = rows.to(self.device)
            x, y = self.inputs[rows], self.targets[rows]
        if self.recipe.precision == "mixed":
            with torch.autocast(self.device.type, torch.bfloat16):
                prediction = self.network(x).to(y.dtype)
        else:
            prediction = self.network(x)
        losses = self.loss(prediction, y)
        if self.any_frozen:
            losses = torch.where(self.frozen, 0.0, losses)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return losses.detach()

    def gradients(self) -> Tensor:
        """Gradients of the last step, shape ``(E, parameters of a member)``."""
        grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.parameters]
        return torch.cat([g.reshape(self.members, -1) for g in grads], dim=1)

    def freeze(self, members: Sequence[int]) -> None:
        """Set everything that belongs to these members to 0, so that no nan is left to compute with."""
        if not members:
            return
        self.frozen[list(members)] = True
        self.any_frozen = True
        moments = [v for state in self.optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
        # other buffers are constants that all members share
        norms = [module for module in self.network.modules() if isinstance(module, EnsembleBatchNorm)]
        buffers = [b for module in norms for b in module.buffers(recurse=False)]
        with torch.no_grad():
            for tensor in [*self.parameters, *buffers, *moments]:
                if tensor.ndim > 0 and tensor.shape[0] == self.members:
                    tensor[list(members)] = 0.0

    def evaluate(self) -> dict[str, list[float]]:
        """The metrics on all data."""
        self.network.eval()
        x, y = self.everything
        with torch.no_grad():
            prediction = self.network(x).double()
            return {name: metric(prediction, y.double()).tolist() for name, metric in self.metrics.items()}

    def state_dict(self) -> dict[str, Any]:
        """Network, optimiser, schedule, generators and the order of the samples."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "generators": [g.get_state() for g in self.generators],
            "order": self.batches.order,
            "frozen": self.frozen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved)
        self.batches.order = state["order"]
        self.frozen = state["frozen"].to(self.device)
        self.any_frozen = bool(self.frozen.any())


def _optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=parameters[0].device.type in ("cpu", "cuda"))
    return torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=0.9)


def _schedule(recipe: Recipe, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler | None:
    if recipe.schedule == "constant":
        return None
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)


class _Batches:
    """Rows of the next batch, shape ``(E, b)``: every member has its own order, new each epoch."""

    def __init__(self, rows: int, size: int | None, generators: Sequence[torch.Generator]) -> None:
        self.rows, self.size = rows, size if size is not None and size < rows else None
        self.generators = generators
        self.order = torch.empty(len(generators), 0, dtype=torch.long)

    def next(self) -> Tensor | None:
        """None for all rows; the last batch of an epoch may be short."""
        if self.size is None:
            return None
        if self.order.shape[1] == 0:
            self.order = torch.stack([torch.randperm(self.rows, generator=g) for g in self.generators])
        batch, self.order = self.order[:, : self.size], self.order[:, self.size :].contiguous()
        return batch
