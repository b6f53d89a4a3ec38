"""The main job: the two tasks of the IAT paper, real digits, and the paper's figure 3.

Three activations meet on every task with the same networks, settings, seeds and initial linear weights: ReLU,
the M-point IAT-ReLU of IAT equation (12), and the exact IAT-ReLU. What comes back is a :class:`DemoResult`.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import nn

import torch_bridge
from torch_bridge.experiments.pattern import PatternFit, PatternSettings, fit_pattern
from torch_bridge.experiments.tasks import Task, digits, oscillation, random_labels
from torch_bridge.networks import mlp
from torch_bridge.train.loop import Fit, OnStep, Training, fit

RELU, MESH, EXACT = "relu", "iat-mesh", "iat-exact"
ACTIVATIONS = (RELU, MESH, EXACT)


@dataclass(frozen=True)
class TaskSettings:
    """A network of equal hidden layers and its training; ``hidden_layers`` and ``width`` are at least 1."""

    hidden_layers: int
    width: int
    training: Training

    def __post_init__(self) -> None:
        for name in ("hidden_layers", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class DemoSettings:
    """Everything that the job depends on. :data:`FULL` and :data:`QUICK` are the two that the command offers.

    Attributes:
        seed: of the first run and of the random labels, >= 0.
        runs: number of runs of each activation on each task, with seeds ``seed, seed + 1, ...``.
        mesh: M of the discretized layer, >= 1.
        input_basis, output_basis: families of p and q.
        side: the points of the first two tasks are a ``side * side`` mesh.
        frequency: k of ``sin(k pi x) sin(k pi y)``.
        labels, function, digits: network and training of each task.
        pattern: the figure of activation patterns.
    """

    seed: int = 0
    runs: int = 2
    mesh: int = 500
    input_basis: str = "fourier"
    output_basis: str = "pwq"
    side: int = 50
    frequency: float = 3.0
    labels: TaskSettings = TaskSettings(10, 10, Training(800, 2e-2))
    function: TaskSettings = TaskSettings(5, 10, Training(4000, 1e-2, batch_size=250))
    digits: TaskSettings = TaskSettings(2, 20, Training(1000, 5e-3, batch_size=128))
    pattern: PatternSettings = field(default_factory=PatternSettings)

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("runs", 1), ("mesh", 1), ("side", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not (math.isfinite(self.frequency) and self.frequency > 0):
            raise ValueError(f"frequency must be positive and finite, got {self.frequency}")

    @property
    def seeds(self) -> range:
        """The seed of every run."""
        return range(self.seed, self.seed + self.runs)

    @property
    def total_runs(self) -> int:
        """How many networks are trained, those of the figure included."""
        return 3 * len(ACTIVATIONS) * self.runs + len(self.pattern.meshes)


FULL = DemoSettings()
QUICK = DemoSettings(
    runs=1,
    labels=TaskSettings(10, 10, Training(40, 2e-2)),
    function=TaskSettings(5, 10, Training(500, 1e-2, batch_size=250)),
    digits=TaskSettings(2, 20, Training(200, 5e-3, batch_size=128)),
    pattern=PatternSettings(training=Training(400, 2e-2), decoupled=Training(400, 2e-2)),
)

CHOSEN = (
    "the function sin(k pi x) sin(k pi y) and its frequency k",
    "depth of the networks (10 hidden layers of width 10 are published for figure 6 alone)",
    "initial weights: He's rule, and the IAT layers scaled to keep it",
    "optimiser (Adam), learning rate, its half-cosine decay, batch size and number of steps",
    "loss of the random labels: log(1 + exp(-y f))",
    "mesh of the data: edges of [-1, 1]^2 included",
    "the digits task",
    "linear weights of the decoupled model in figure 3: new ones, trained on the frozen pattern",
)
"""Settings that the paper leaves out."""


class Progress:
    """Hears how far the job is; this one ignores it all."""

    def phase(self, text: str) -> None:
        """What the job is doing between runs."""

    def start(self, label: str, steps: int) -> None:
        """A run of ``steps`` optimiser steps begins."""

    def step(self, step: int, loss: float) -> None:
        """The current run has done ``step`` steps."""

    def finish(self, label: str, outcome: str, seconds: float) -> None:
        """The current run has ended."""


@dataclass(frozen=True)
class Run:
    """One trained network: its task, activation and seed, what it reached, and its loss curve."""

    task: str
    activation: str
    seed: int
    metric: float
    metric_name: str
    parameters: int
    fit: Fit


@dataclass(frozen=True)
class DemoResult:
    """All numbers of the job."""

    settings: DemoSettings
    runs: tuple[Run, ...]
    pattern: tuple[PatternFit, ...]
    prepare_seconds: float
    seconds: float

    def select(self, task: str, activation: str) -> list[Run]:
        """The runs of one activation on one task, one a seed."""
        return [run for run in self.runs if (run.task, run.activation) == (task, activation)]

    def summary(self) -> list[dict[str, Any]]:
        """Mean and sample standard deviation over seeds (None for one seed) and mean seconds a run."""
        rows = []
        for task, activation in dict.fromkeys((run.task, run.activation) for run in self.runs):
            runs = self.select(task, activation)
            values = [run.metric for run in runs]
            rows.append(
                {
                    "task": task,
                    "activation": activation,
                    "metric": runs[0].metric_name,
                    "mean": statistics.fmean(values),
                    "std": statistics.stdev(values) if len(values) > 1 else None,
                    "seconds": statistics.fmean(run.fit.seconds for run in runs),
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers."""
        return {
            "settings": asdict(self.settings),
            "chosen_not_published": list(CHOSEN),
            "summary": self.summary(),
            "runs": [asdict(run) for run in self.runs],
            "pattern": [column.to_dict() for column in self.pattern],
            "prepare_seconds": self.prepare_seconds,
            "seconds": self.seconds,
        }


def activation_title(name: str, settings: DemoSettings) -> str:
    """How tables and figures call an activation."""
    return {RELU: "ReLU", MESH: f"IAT-ReLU, M = {settings.mesh}", EXACT: "IAT-ReLU, exact"}[name]


def make_activation(name: str, settings: DemoSettings) -> Callable[[int], nn.Module]:
    """The activation as a function of the width."""
    if name == RELU:
        return lambda width: nn.ReLU()
    mesh = {MESH: settings.mesh, EXACT: None}[name]
    return lambda width: torch_bridge.IATReLU(
        width, width, input_basis=settings.input_basis, output_basis=settings.output_basis, mesh=mesh
    )


def make_network(task: Task, name: str, settings: DemoSettings, seed: int) -> nn.Module:
    """The network of a task; for one seed the linear weights are the same whatever the activation."""
    shape: TaskSettings = getattr(settings, task.name)
    torch.manual_seed(seed)
    widths = [task.inputs.shape[1], *[shape.width] * shape.hidden_layers, task.outputs]
    return mlp(widths, make_activation(name, settings), init="he")


def train(task: Task, name: str, settings: DemoSettings, seed: int, on_step: OnStep | None = None) -> Run:
    """Train one network and measure it."""
    network = make_network(task, name, settings, seed)
    training = getattr(settings, task.name).training
    done = fit(network, task.inputs, task.targets, task.loss, training, seed=seed, on_step=on_step)
    network.eval()
    with torch.no_grad():
        metric = task.metric(network(task.test_inputs), task.test_targets)
    parameters = sum(w.numel() for w in network.parameters())
    return Run(task.name, name, seed, metric, task.metric_name, parameters, done)


def prepare(tasks: list[Task], settings: DemoSettings) -> None:
    """Compile whatever is compiled on first use, so that no run is charged for it."""
    for task in tasks:
        for name in ACTIVATIONS:
            network = make_network(task, name, settings, settings.seed)
            shape: TaskSettings = getattr(settings, task.name)
            once = replace(shape.training, steps=1)
            fit(network, task.inputs, task.targets, task.loss, once)


def run(settings: DemoSettings = FULL, progress: Progress | None = None) -> DemoResult:
    """Do the whole job; equal settings and seeds give equal numbers, wall times apart."""
    progress = progress or Progress()
    start = time.perf_counter()
    tasks = [
        random_labels(settings.side, settings.seed),
        oscillation(settings.side, settings.frequency),
        digits(),
    ]
    progress.phase("preparing: kernels are compiled on first use")
    prepare(tasks, settings)
    prepared = time.perf_counter() - start
    runs = tuple(_train_all(tasks, settings, progress))
    pattern = tuple(_fit_patterns(settings, progress))
    return DemoResult(settings, runs, pattern, prepared, time.perf_counter() - start)


def _train_all(tasks: list[Task], settings: DemoSettings, progress: Progress) -> Iterator[Run]:
    for task in tasks:
        training = getattr(settings, task.name).training
        for seed in settings.seeds:
            for name in ACTIVATIONS:
                label = f"{task.title}, {activation_title(name, settings)}, seed {seed}"
                progress.start(label, training.steps)
                done = train(task, name, settings, seed, progress.step)
                progress.finish(label, f"{done.metric_name} {format_metric(done)}", done.fit.seconds)
                yield done


def _fit_patterns(settings: DemoSettings, progress: Progress) -> Iterator[PatternFit]:
    shape = settings.pattern
    for mesh in shape.meshes:
        label = f"activation patterns, {'exact' if mesh is None else f'M = {mesh}'}"
        progress.start(label, shape.training.steps + shape.decoupled.steps)
        column = fit_pattern(
            shape, mesh, settings.input_basis, settings.output_basis, settings.seed, on_step=progress.step
        )
        progress.finish(label, f"MSE {column.mse:.1e}", column.seconds)
        yield column


def format_metric(run: Run) -> str:
    """``91.2 %`` or ``3.4e-04``."""
    return format_value(run.metric_name, run.metric)


def format_value(metric_name: str, value: float) -> str:
    """``91.2 %`` for an accuracy, ``3.4e-04`` for anything else."""
    return f"{100 * value:.1f} %" if metric_name == "accuracy" else f"{value:.1e}"
