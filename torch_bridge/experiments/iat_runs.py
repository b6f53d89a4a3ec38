"""One network of the IAT paper's section 5: its settings, its task, and how an ensemble of it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import iatcore
from iatcore.bases import FAMILIES
from torch_bridge.experiments.tasks import Task, oscillation, random_labels
from torch_bridge.nn import IATReLU
from torch_bridge.train.ensemble import EnsembleJob, Recipe, ensemble_mlp

IAT, RELU, TANH, SIGMOID = "iat", "relu", "tanh", "sigmoid"
GAINS = {IAT: math.sqrt(2.0), RELU: math.sqrt(2.0), TANH: 1.0, SIGMOID: 4.0}
"""Of the initial weights: He's rule, and 1 / sigma'(0) for smooth activations."""

SCALARS = {RELU: nn.ReLU, TANH: nn.Tanh, SIGMOID: nn.Sigmoid}
LABELS, FUNCTION = "labels", "function"
TASKS = (LABELS, FUNCTION)
METRICS = {LABELS: "accuracy", FUNCTION: "MSE"}
LAYOUTS = tuple(dict.fromkeys(layout for layouts in FAMILIES.values() for layout in layouts))


@dataclass(frozen=True)
class NetworkSettings:
    """What all runs of an experiment of IAT section 5 have in common.

    Derive as ``class Settings(NetworkSettings, Own)``: the fields of ``Own`` then come first.

    Attributes:
        layout: of the families that have it (``haar``, ``centred``, ...); None is each family's default.
        side: data are a ``side * side`` mesh of [-1, 1]^2 with its edges, side >= 2.
        frequency: k > 0 of ``sin(k pi x) sin(k pi y)``.
        data_seed: of the labels, >= 0; all runs learn the same ones.
        hidden_layers, width: of the network, >= 1.
        batch_norm: before each activation.
        steps: of the optimiser, >= 1.
        learning_rate: at the first step, > 0.
        optimizer: ``adam``, or ``sgd`` with momentum 0.9.
        schedule: ``cosine`` takes the rate to 0, ``constant`` leaves it.
        batch_size: points a step, >= 1; None takes all.
        precision: ``float32``, ``float64`` or ``mixed``.
    """

    layout: str | None = None
    side: int = 50
    frequency: float = 3.0
    data_seed: int = 0
    hidden_layers: int = 3
    width: int = 30
    batch_norm: bool = True
    steps: int = 4000
    learning_rate: float = 2e-2
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["cosine", "constant"] = "cosine"
    batch_size: int | None = None
    precision: Literal["float32", "float64", "mixed"] = "float32"

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in LAYOUTS:
            raise ValueError(f"layout must be none or one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        check_network(self)


@dataclass(frozen=True)
class IATRun:
    """A fully connected network on one of the two tasks.

    Attributes:
        task: ``"labels"`` (random +-1) or ``"function"`` (``sin(k pi x) sin(k pi y)``).
        activation: ``"iat"`` for IAT-ReLU, or ``"relu"``, ``"tanh"``, ``"sigmoid"``.
        input_basis, output_basis: families of p and q; None for scalar activations.
        mesh: M >= 1, None for the exact transform and for scalar activations.
        layout: of the families that have it; None is each family's default.
        side: data are a ``side * side`` mesh of [-1, 1]^2, side >= 2.
        frequency: k > 0 of the function.
        data_seed: of the labels, >= 0; the same labels for every seed.
        hidden_layers, width: of the network, >= 1.
        batch_norm: before each activation.
        steps, learning_rate, optimizer, schedule, batch_size, precision: as in
            :class:`torch_bridge.train.ensemble.Recipe`.
    """

    task: Literal["labels", "function"]
    activation: Literal["iat", "relu", "tanh", "sigmoid"]
    input_basis: str | None
    output_basis: str | None
    mesh: int | None
    layout: str | None
    side: int
    frequency: float
    data_seed: int
    hidden_layers: int
    width: int
    batch_norm: bool
    steps: int
    learning_rate: float
    optimizer: Literal["adam", "sgd"]
    schedule: Literal["cosine", "constant"]
    batch_size: int | None
    precision: Literal["float32", "float64", "mixed"]

    @property
    def label(self) -> str:
        """``labels-fourier-pwq``, ``function-relu``, ``labels-fourier-pwq-M500``."""
        if self.activation != IAT:
            return f"{self.task}-{self.activation}"
        return f"{self.task}-{self.input_basis}-{self.output_basis}" + (f"-M{self.mesh}" if self.mesh else "")


def make_run(settings: Any, task: str, activation: str = IAT, **own: Any) -> IATRun:
    """A run whose other fields are those of the experiment's settings."""
    names = [field.name for field in fields(IATRun) if hasattr(settings, field.name)]
    return IATRun(
        **{**{name: getattr(settings, name) for name in names}, "task": task, "activation": activation, **own}
    )


def check_network(settings: Any) -> None:
    """Check mesh, function, size and training of networks: fields named as in :class:`NetworkSettings`.

    Raises:
        ValueError: names the field, the range and what came.
    """
    least = {"side": 2, "data_seed": 0, "hidden_layers": 1, "width": 1}
    for name, bound in least.items():
        if getattr(settings, name) < bound:
            raise ValueError(f"{name} must be at least {bound}, got {getattr(settings, name)}")
    if not (math.isfinite(settings.frequency) and settings.frequency > 0):
        raise ValueError(f"frequency must be positive and finite, got {settings.frequency}")
    recipe(settings)


def check_choices(name: str, values: Sequence[Any], allowed: Sequence[Any] | None = None, empty: bool = False) -> None:
    """Check a tuple of distinct choices.

    Raises:
        ValueError: empty, repeated or not among ``allowed``.
    """
    if not values and not empty:
        raise ValueError(f"{name} must not be empty")
    if len(set(values)) != len(values):
        raise ValueError(f"{name} must be distinct, got {', '.join(map(str, values))}")
    for value in values:
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name} must be among {', '.join(map(str, allowed))}, got {value!r}")


def recipe(settings: Any) -> Recipe:
    """How a run of these settings is trained."""
    return Recipe(
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        batch_size=settings.batch_size,
        precision=settings.precision,
    )


def make_task(run: IATRun) -> Task:
    """The data."""
    return random_labels(run.side, run.data_seed) if run.task == LABELS else oscillation(run.side, run.frequency)


def start(run: IATRun, seeds: Sequence[int], device: torch.device) -> EnsembleJob:
    """An untrained ensemble, one member a seed."""
    return start_together([run], seeds, device)


def start_together(runs: Sequence[IATRun], seeds: Sequence[int], device: torch.device) -> EnsembleJob:
    """One ensemble for runs that are :func:`alike`: the seeds of the first, then those of the second, and so on."""
    first = runs[0]
    task = make_task(first)
    widths = [task.inputs.shape[1], *[first.width] * first.hidden_layers, task.outputs]

    def hidden(width: int) -> nn.Module:
        parts = [activation(run, width) for run in runs]
        return parts[0] if len(parts) == 1 else Parts(parts)

    def build(generators: Sequence[torch.Generator]) -> nn.Module:
        return ensemble_mlp(widths, hidden, generators, GAINS[first.activation], first.batch_norm)

    loss, metric = (label_losses, label_accuracies) if first.task == LABELS else (squared_errors, squared_errors)
    metrics, members = {task.metric_name: metric}, [*seeds] * len(runs)
    return EnsembleJob(build, task.inputs, task.targets, loss, metrics, recipe(first), members, device)


def alike(run: IATRun) -> IATRun | None:
    """What runs must have in common to train as one ensemble; None of runs that train alone."""
    if run.activation != IAT:
        return None
    return replace(run, input_basis=None, output_basis=None, layout=None, mesh=None)


class Parts(nn.Module):
    """Equal parts of the first dimension, each with an activation of its own."""

    def __init__(self, activations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.activations = nn.ModuleList(activations)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.chunk(len(self.activations))
        return torch.cat([activation(part) for activation, part in zip(self.activations, parts, strict=True)])


def activation(run: IATRun, width: int) -> nn.Module:
    """The activation of a hidden layer."""
    if run.activation != IAT:
        return SCALARS[run.activation]()
    bases = [_basis(family, width, run.layout) for family in (run.input_basis, run.output_basis)]
    return IATReLU(width, width, bases[0], bases[1], mesh=run.mesh)


def _basis(family: str | None, width: int, layout: str | None) -> iatcore.Basis:
    assert family is not None
    return iatcore.basis(family, width, layout=layout if layout in FAMILIES[family] else None)


def label_losses(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of ``log(1 + exp(-y f))`` of each member, ``(E, n, 1)`` twice to ``(E,)``."""
    return F.softplus(-target * prediction).flatten(1).mean(1)


def label_accuracies(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of right signs of each member; nan stays nan."""
    right = torch.where(prediction.isnan(), prediction, (prediction * target > 0).to(prediction.dtype))
    return right.flatten(1).mean(1)


def squared_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each member."""
    return (prediction - target).square().flatten(1).mean(1)
