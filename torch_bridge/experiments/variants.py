"""Experiments that train variants of one network on the two tasks of IAT section 5 and ask which is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Preset, Results, RunResult
from torch_bridge.experiments.iat_figures import curves_figure
from torch_bridge.experiments.iat_runs import (
    LABELS,
    METRICS,
    TASKS,
    check_choices,
    check_network,
    label_accuracies,
    label_losses,
    make_task,
    recipe,
    squared_errors,
)
from torch_bridge.experiments.statistics import NOT_TESTED, Claim, Difference, Sample, metric_by_seed, undertrained
from torch_bridge.train.ensemble import EnsembleJob, ensemble_mlp

Build = Callable[["VariantRun", Sequence[int], Sequence[torch.Generator]], nn.Module]
"""``build(run, widths, generators)``: an ensemble, (E, n, d) to (E, n, outputs)."""


@dataclass(frozen=True)
class VariantSettings:
    """What all such experiments depend on, seeds apart.

    Attributes:
        tasks: ``labels`` (random +-1), ``function`` (``sin(k pi x) sin(k pi y)``).
        variants: those that are trained; the class says which there are.
        side: data are a ``side * side`` mesh of [-1, 1]^2, side >= 2.
        frequency: k > 0 of the function.
        data_seed: of the labels, >= 0.
        hidden_layers, width: of the network, >= 1.
        steps, learning_rate, optimizer, schedule, batch_size, precision: as in
            :class:`torch_bridge.train.ensemble.Recipe`.
        batch_norm: before each activation.
    """

    known: ClassVar[tuple[str, ...]] = ()

    tasks: tuple[str, ...] = TASKS
    variants: tuple[str, ...] = ()
    side: int = 50
    frequency: float = 3.0
    data_seed: int = 0
    hidden_layers: int = 3
    width: int = 20
    steps: int = 4000
    learning_rate: float = 1e-2
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["cosine", "constant"] = "cosine"
    batch_size: int | None = None
    precision: Literal["float32", "float64"] = "float32"
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if not self.variants:
            object.__setattr__(self, "variants", self.known)
        check_choices("tasks", self.tasks, TASKS)
        check_choices("variants", self.variants, self.known)
        check_network(self)


@dataclass(frozen=True)
class VariantRun:
    """One variant on one task; the other fields are those of :class:`VariantSettings`."""

    experiment: str
    task: str
    variant: str
    side: int
    frequency: float
    data_seed: int
    hidden_layers: int
    width: int
    steps: int
    learning_rate: float
    optimizer: str
    schedule: str
    batch_size: int | None
    precision: str
    batch_norm: bool

    @property
    def label(self) -> str:
        """``function-iat-arelu``."""
        return f"{self.task}-{self.variant}"


@dataclass(frozen=True)
class Question:
    """Is ``better`` better than ``than``, in the metric of the task?"""

    text: str
    better: str
    than: str


@dataclass(frozen=True)
class Variants:
    """Names of variants with how their networks are built, and what is asked of them."""

    name: str
    title: str
    reproduces: str
    build: Mapping[str, Build]
    questions: tuple[Question, ...]
    chosen: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def runs(self, settings: VariantSettings) -> Sequence[VariantRun]:
        """Every variant on every task."""
        shared = {f.name: getattr(settings, f.name) for f in fields(VariantRun) if hasattr(settings, f.name)}
        return [
            VariantRun(**{**shared, "experiment": self.name, "task": task, "variant": variant})
            for task in settings.tasks
            for variant in settings.variants
        ]

    def start(self, run: VariantRun, seeds: Sequence[int], device: torch.device) -> EnsembleJob:
        """An untrained ensemble, one member a seed."""
        task = make_task(run)  # type: ignore[arg-type]
        widths = [task.inputs.shape[1], *[run.width] * run.hidden_layers, task.outputs]
        build = partial(self.build[run.variant], run, widths)
        loss, metric = (label_losses, label_accuracies) if run.task == LABELS else (squared_errors, squared_errors)
        return EnsembleJob(
            build, task.inputs, task.targets, loss, {task.metric_name: metric}, recipe(run), seeds, device
        )

    def report(self, settings: VariantSettings, results: Results) -> Report:
        """A table a task, and an answer to every question."""
        claims, sections = [], []
        for task in settings.tasks:
            found = {
                v: results.select(lambda run, task=task, v=v: (run.task, run.variant) == (task, v))
                for v in settings.variants
            }
            reason = undertrained(
                task, max((sample_of(task, of).mean for of in found.values() if of), default=math.nan)
            )
            answers = [answer(question, task, found) for question in self.questions]
            claims += answers if reason is None else [replace(a, verdict=NOT_TESTED, numbers=reason) for a in answers]
            sections.append(_section(task, found))
        rows = tuple((claim.text, claim.task, claim.verdict, claim.numbers) for claim in claims)
        table = Table(("question", "task", "answer", "numbers"), rows, text=True)
        unit = (
            "Compared are means over seeds of the accuracy, or of -log10 MSE: a difference of 1 is a factor of 10. "
            "A difference counts from two standard errors."
        )
        first = Section("Did it help?", (unit, table, *self.remarks))
        return Report(
            f"{self.name}: {self.title}", (first, Section("Chosen, not published", (self.chosen,)), *sections)
        )

    def experiment(self, settings: type[VariantSettings], presets: Mapping[str, Preset]) -> Experiment:
        """What the command runs."""
        assert settings.known == tuple(self.build)
        return Experiment(
            self.name, self.title, self.reproduces, "generated", presets, VariantRun, self.runs, self.start, self.report
        )


def score(task: str, value: float) -> float:
    """What is compared: accuracy, or ``-log10 MSE``."""
    return value if task == LABELS else -math.log10(max(value, 1e-300))


def sample_of(task: str, runs: Sequence[RunResult]) -> Sample:
    """Scores of some runs."""
    return Sample.of(score(task, value) for value in metric_by_seed(runs, METRICS[task]).values())


def answer(question: Question, task: str, found: Mapping[str, Sequence[RunResult]]) -> Claim:
    """The difference of the means with its standard error."""
    if not (found.get(question.better) and found.get(question.than)):
        return Claim(question.text, task, NOT_TESTED, "not trained")
    difference = Difference(*(sample_of(task, found[name]) for name in (question.better, question.than)))
    return Claim(
        question.text, task, difference.verdict, f"{question.better} against {question.than}: {difference.text}"
    )


def _section(task: str, found: Mapping[str, Sequence[RunResult]]) -> Section:
    rows = []
    for variant, runs in found.items():
        sample = Sample.of(run.metrics[METRICS[task]] for run in runs)
        spread = "" if math.isnan(sample.std) else f" +- {sample.std:.2g}"
        jump = Sample.of(metric_by_seed(runs, "loss_jump").values()).mean
        rows.append((variant, f"{sample.mean:.4g}{spread} ({sample.n})", f"{jump:.3g}"))
    curves = Picture(
        f"{task}-curves",
        "training loss: mean over seeds of its logarithm, the band from the least to the greatest",
        partial(curves_figure, {v: runs for v, runs in found.items() if runs}),
    )
    head = ("variant", f"{METRICS[task]}: mean +- spread (n)", "jump of the log loss")
    return Section("Random labels" if task == LABELS else "Oscillating function", (Table(head, tuple(rows)), curves))


class PerMember(nn.Module):
    """One module for each member of an ensemble: parameters stacked, (E, ...), each acting on its slice of the input.

    Args:
        module: as every member starts.
        members: E.
    """

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__()
        self._module = [module]  # in a list, so that its own parameters are not those of this module
        self._names = {name: name.replace(".", "_") for name, _ in module.named_parameters()}
        for name, parameter in module.named_parameters():
            stacked = parameter.detach().expand(members, *parameter.shape).clone()
            self.register_parameter(self._names[name], nn.Parameter(stacked))

    def forward(self, x: Tensor, pattern_from: Tensor | None = None) -> Tensor:
        outputs = []
        for e in range(len(x)):
            values = {name: getattr(self, own)[e] for name, own in self._names.items()}
            args = (x[e],) if pattern_from is None else (x[e], pattern_from[e])
            outputs.append(functional_call(self._module[0], values, args))
        return torch.stack(outputs)


def shared(make: Callable[[int], nn.Module]) -> Build:
    """Networks whose activation ``make(width)``, without parameters, is one module for all members."""

    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Sequential:
        return ensemble_mlp(widths, make, generators, batch_norm=run.batch_norm)

    return build


def per_member(make: Callable[[int], nn.Module]) -> Build:
    """Networks whose activation ``make(width)`` may have parameters: every member trains its own."""

    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Module:
        return shared(lambda width: PerMember(make(width), len(generators)))(run, widths, generators)

    return build


def quick(settings: Any, **changes: Any) -> Any:
    """Presets: seconds, a few minutes, and all."""
    smoke = {**changes, "side": 12, "hidden_layers": 2, "steps": 40, "batch_size": 50}
    return {
        "smoke": Preset(settings(**smoke), seeds=2),
        "quick": Preset(settings(**{"side": 30, "steps": 1200, "learning_rate": 2e-2, **changes}), seeds=3),
        "paper": Preset(settings(), seeds=10),
    }
