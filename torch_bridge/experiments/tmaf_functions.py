"""Networks of TMAF sections 3.1 and 3.2: functions fitted with ReLU, Para-ReLU, TMAF, and ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import torch_bridge as tb
from torch_bridge.experiments.iat_runs import check_choices, squared_errors
from torch_bridge.experiments.variants import PerMember
from torch_bridge.train.ensemble import EnsembleBatchNorm, EnsembleJob, EnsembleLinear, Recipe

SINE, OSCILLATORY = "sine", "oscillatory"
TRIDIAGONAL = "tmaf-tridiagonal"
ACTIVATIONS = ("relu", "prelu", "tmaf", TRIDIAGONAL, "iat-relu", "iat-arelu")
LOCAL = ("pwl", "pwq")
TEST_SAMPLES = 4000


@dataclass(frozen=True)
class FunctionRun:
    """One activation on one function; the other fields are those of :class:`FunctionSettings`."""

    task: str
    dimension: int
    activation: str
    width: int
    hidden_layers: int
    grid: str
    samples: int
    steps: int
    batch_size: int
    learning_rate: float
    batch_norm: bool
    data_seed: int

    @property
    def label(self) -> str:
        """``sine-2-tmaf``."""
        return f"{self.task}-{self.dimension}-{self.activation}"


@dataclass(frozen=True)
class FunctionSettings:
    """What the experiments of TMAF 3.1 and 3.2 depend on, seeds apart.

    Attributes:
        dimensions: numbers n of inputs, each >= 1.
        activations: of :attr:`known`.
        width: neurons of a hidden layer, >= 1.
        tridiagonal_width: the same for the tri-diagonal TMAF.
        samples: uniform on the domain, >= 2.
        steps: of Adam, >= 1; the rate is divided by 10 after the first half of them.
        batch_size: samples of a step, >= 1.
        learning_rate: of the first half, > 0.
        batch_norm: before each activation.
        data_seed: of the samples, >= 0; the same for every run.
    """

    known: ClassVar[tuple[str, ...]] = ACTIVATIONS
    task: ClassVar[str] = SINE
    grid: ClassVar[str] = "gaussian10"

    dimensions: tuple[int, ...] = (1, 2, 5, 6)
    activations: tuple[str, ...] = ("relu", "prelu", "tmaf", "iat-relu", "iat-arelu")
    width: int = 20
    tridiagonal_width: int = 20
    samples: int = 20_000
    steps: int = 40_000
    batch_size: int = 500
    learning_rate: float = 1e-4
    batch_norm: bool = True
    data_seed: int = 0

    def __post_init__(self) -> None:
        check_choices("dimensions", self.dimensions)
        check_choices("activations", self.activations, self.known)
        for name, bound in {"width": 1, "tridiagonal_width": 1, "samples": 2, "data_seed": 0}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if min(self.dimensions) < 1:
            raise ValueError(f"dimensions must be at least 1, got {', '.join(map(str, self.dimensions))}")
        Recipe(self.steps, self.learning_rate, batch_size=self.batch_size)

    def hidden_layers(self, dimension: int) -> int:
        """Of a network: one for n = 1 and 2, two for more (TMAF table 1)."""
        return 1 if dimension <= 2 else 2


def runs(settings: FunctionSettings) -> list[FunctionRun]:
    """Every activation in every dimension."""
    names = ("samples", "steps", "batch_size", "learning_rate", "batch_norm", "data_seed", "grid", "task")
    shared: dict[str, Any] = {name: getattr(settings, name) for name in names}
    return [
        FunctionRun(
            dimension=dimension,
            activation=activation,
            width=settings.tridiagonal_width if activation == TRIDIAGONAL else settings.width,
            hidden_layers=settings.hidden_layers(dimension),
            **shared,
        )
        for dimension in settings.dimensions
        for activation in settings.activations
    ]


def sine(x: Tensor) -> Tensor:
    """``sin(pi x1 + ... + pi xn)``, ``(..., n)`` to ``(..., 1)``; TMAF 3.1."""
    return torch.sin(math.pi * x.sum(-1, keepdim=True))


def oscillatory(x: Tensor) -> Tensor:
    """``sin(100 pi x) + cos(50 pi x) + sin(pi x)``, TMAF (9)."""
    return torch.sin(100 * math.pi * x) + torch.cos(50 * math.pi * x) + torch.sin(math.pi * x)


FUNCTIONS: Mapping[str, tuple[Callable[[Tensor], Tensor], float]] = {SINE: (sine, 2.0), OSCILLATORY: (oscillatory, 1.0)}
"""Function, and half the side of its domain."""
MEAN_SQUARES = {SINE: 0.5, OSCILLATORY: 1.5}
"""Of the functions on their domains: the error of the network that is 0."""


def samples(run: FunctionRun, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Uniform points of the domain, ``(count, n)``, and the function there, in float64."""
    function, side = FUNCTIONS[run.task]
    generator = torch.Generator().manual_seed(seed)
    x = side * (2 * torch.rand(count, run.dimension, generator=generator, dtype=torch.float64) - 1)
    return x, function(x)


def make_activation(run: FunctionRun, width: int) -> nn.Module:
    """The activation of a hidden layer, along the last dimension. Wide layers have local bases."""
    bases = LOCAL if run.task == OSCILLATORY else ("fourier", "pwq")
    if run.activation == "relu":
        return nn.ReLU()
    if run.activation == "prelu":
        return tb.activation("prelu")
    if run.activation == "tmaf":
        return tb.TMAF(run.grid)
    if run.activation == TRIDIAGONAL:
        return tb.TMAF("uniform", bands=(-1, 0, 1))
    if run.activation == "iat-relu":
        return tb.IATReLU(width, width, *bases)
    return tb.TrainableIAT(width, width, *bases, gate=tb.AReLU(), trainable=())


class FunctionJob(EnsembleJob):
    """An ensemble whose learning rate is divided by 10 after half of the steps."""

    def __init__(self, run: FunctionRun, seeds: Sequence[int], device: torch.device) -> None:
        self.run, self.done = run, 0
        x, y = samples(run, run.samples, run.data_seed)
        recipe = Recipe(run.steps, run.learning_rate, schedule="constant", batch_size=run.batch_size)
        metrics = {"MSE": squared_errors}
        super().__init__(self._build, x, y, squared_errors, metrics, recipe, seeds, device)

    def _build(self, generators: Sequence[torch.Generator]) -> nn.Module:
        widths = [self.run.dimension, *[self.run.width] * self.run.hidden_layers, 1]
        layers: list[nn.Module] = []
        for i, (d_in, d_out) in enumerate(pairwise(widths)):
            layers.append(_linear(d_in, d_out, generators))
            if i < len(widths) - 2:
                module = make_activation(self.run, d_out)
                own = next(module.parameters(), None) is not None
                if self.run.batch_norm:
                    layers.append(EnsembleBatchNorm(len(generators), d_out))
                layers.append(PerMember(module, len(generators)) if own else module)
        return nn.Sequential(*layers)

    def step(self) -> Tensor:
        """One step for all members; returns their losses before it, shape ``(E,)``."""
        late = 2 * self.done >= self.run.steps and self.run.steps > 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.run.learning_rate * (0.1 if late else 1.0)
        self.done += 1
        return super().step()

    def evaluate(self) -> dict[str, list[float]]:
        """Mean squared errors on the training data and on fresh samples."""
        x, y = samples(self.run, TEST_SAMPLES, self.run.data_seed + 1)
        return {**super().evaluate(), "test MSE": squared_errors(self.predict(x), y.to(self.device)).tolist()}

    def predict(self, x: Tensor) -> Tensor:
        """Of every member, ``(m, n)`` to ``(E, m, 1)`` in float64."""
        self.network.eval()
        x = x.to(self.device, self.inputs.dtype)
        with torch.no_grad():
            return self.network(x.expand(self.members, *x.shape)).double()

    def state_dict(self) -> dict[str, Any]:
        """As of an ensemble, with the number of steps."""
        return {**super().state_dict(), "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        super().load_state_dict(state)
        self.done = state["done"]


def _linear(d_in: int, d_out: int, generators: Sequence[torch.Generator]) -> EnsembleLinear:
    """Weights and biases uniform on [-1, 1] / sqrt(d_in), as of ``nn.Linear``."""
    layer = EnsembleLinear(d_in, d_out, 1.0, generators)
    bound = 1 / math.sqrt(d_in)
    with torch.no_grad():
        for e, generator in enumerate(generators):
            for tensor in (layer.weight, layer.bias):
                tensor[e].copy_(bound * (2 * torch.rand(tensor[e].shape, generator=generator) - 1))
    return layer


def start(run: FunctionRun, seeds: Sequence[int], device: torch.device) -> FunctionJob:
    """An untrained ensemble, one member a seed."""
    return FunctionJob(run, seeds, device)
