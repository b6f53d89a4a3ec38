"""What an experiment is: settings, the runs that they stand for, how a run trains, and how results are reported."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray

from torch_bridge.experiments.documents import Report
from torch_bridge.train.job import Job

REGISTRY: dict[str, str] = {
    "iat-pattern": "torch_bridge.experiments.iat_pattern",
    "iat-bases": "torch_bridge.experiments.iat_bases",
    "iat-mesh": "torch_bridge.experiments.iat_mesh",
    "tmaf-mnist": "torch_bridge.experiments.tmaf_mnist",
    "arelu-mnist": "torch_bridge.experiments.arelu_mnist",
    "tmaf-sine": "torch_bridge.experiments.tmaf_sine",
    "tmaf-oscillatory": "torch_bridge.experiments.tmaf_oscillatory",
    "arelu-init": "torch_bridge.experiments.arelu_init",
    "arelu-transfer": "torch_bridge.experiments.arelu_transfer",
    "tmaf-cifar10": "torch_bridge.experiments.tmaf_cifar10",
    "tmaf-cifar100": "torch_bridge.experiments.tmaf_cifar100",
    "arelu-cifar10": "torch_bridge.experiments.arelu_cifar10",
    "arelu-cifar100": "torch_bridge.experiments.arelu_cifar100",
    "arelu-mri": "torch_bridge.experiments.arelu_mri",
    "pinn": "torch_bridge.experiments.pinn",
    "decoupled": "torch_bridge.experiments.decoupled",
    "pattern-transfer": "torch_bridge.experiments.pattern_transfer",
    "trainable-grid": "torch_bridge.experiments.trainable_grid",
    "gated": "torch_bridge.experiments.gated",
    "angle": "torch_bridge.experiments.angle",
}
"""Experiment name -> module that defines ``EXPERIMENT``; imported when it is asked for."""


class ExperimentError(ValueError):
    """Wrong input to an experiment; the message names the argument, what came and what was expected."""


@dataclass(frozen=True)
class Preset:
    """Settings and the number of seeds, >= 1, that go with them."""

    settings: Any
    seeds: int


@dataclass(frozen=True)
class Together:
    """How runs of one shape train as one model.

    Attributes:
        alike: of a run; runs with equal values may train together, None is a run that trains alone.
        start: as ``Experiment.start``, for several such runs: the seeds of the first, those of the second, and so on.
        most: so many runs form one model at most.
    """

    alike: Callable[[Any], Hashable]
    start: Callable[[Sequence[Any], Sequence[int], torch.device], Job]
    most: int = 6


@dataclass(frozen=True)
class Experiment:
    """One table or figure of a paper.

    Attributes:
        name: as on the command line.
        title: one line for people.
        reproduces: paper, table and figure.
        data: what has to be there, or ``"generated"``.
        presets: ``smoke``, ``quick`` and ``paper``; their settings are instances of one frozen dataclass that
            checks its ranges in ``__post_init__``.
        run: the frozen dataclass of one run's settings, with a property ``label``; its fields are plain numbers,
            strings, None and tuples of them, and hold no seed.
        runs: the runs of a settings object.
        start: ``start(run settings, seeds, device)`` is an untrained :class:`Job` with one member a seed.
        report: ``report(settings, results)`` says what came out.
        shares_batches: whether jobs take shares of their batches in processes that torchrun has started.
        together: how runs of one shape train as one model; None if they do not.
    """

    name: str
    title: str
    reproduces: str
    data: str
    presets: Mapping[str, Preset]
    run: type
    runs: Callable[[Any], Sequence[Any]]
    start: Callable[[Any, Sequence[int], torch.device], Job]
    report: Callable[[Any, Results], Report]
    shares_batches: bool = False
    together: Together | None = None

    @property
    def settings(self) -> type:
        """The dataclass of the settings."""
        return type(next(iter(self.presets.values())).settings)


@dataclass(frozen=True)
class RunResult:
    """One trained network as its folder tells it.

    Attributes:
        settings: of the run, an instance of ``Experiment.run``.
        seed: of the start and the batches.
        failure: None, or why the run has no metrics.
        metrics: name -> value; empty if the run failed.
        steps, losses: the recorded loss curve, shapes ``(k,)``.
        seeds: of the ensemble that it was trained in, each with every run of it.
        member: its place in the ensemble.
        seconds: of training, a member's share of those of the ensemble; nan if unknown.
        state: gives what :meth:`Job.state_dict` was at the end, None if it is not there any more.
    """

    settings: Any
    seed: int
    failure: str | None
    metrics: Mapping[str, float]
    steps: NDArray
    losses: NDArray
    seeds: tuple[int, ...] = ()
    member: int = 0
    seconds: float = math.nan
    state: Callable[[], dict[str, Any] | None] = lambda: None


@dataclass(frozen=True)
class Results:
    """All runs of an output folder.

    Attributes:
        runs: those that have ended.
        unfinished: labels of those that have begun and not ended.
        waiting: how many runs of the settings have not begun, with no seed.
        environment: versions and hardware of the machine that started the sweep.
        seconds: training time of all runs together.
    """

    runs: tuple[RunResult, ...]
    unfinished: tuple[str, ...] = ()
    waiting: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def select(self, accept: Callable[[Any], bool]) -> list[RunResult]:
        """The runs that did not fail and whose settings are accepted."""
        return [run for run in self.runs if run.failure is None and accept(run.settings)]


def load(name: str) -> Experiment:
    """The experiment of that name; ``module:ATTRIBUTE`` is one of your own.

    Raises:
        ExperimentError: there is none; near names are shown.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        if name not in REGISTRY:
            raise ExperimentError(unknown("experiment", name, REGISTRY))
        module, attribute = REGISTRY[name], "EXPERIMENT"
    try:
        experiment = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ExperimentError(f"experiment {name!r} cannot be loaded: {error}") from None
    if not isinstance(experiment, Experiment):
        raise ExperimentError(f"experiment {name!r} must be an Experiment, got {type(experiment).__name__}")
    return experiment


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """``unknown experiment 'x': did you mean y?`` or, where nothing is near, all names."""
    names = list(names)
    near = difflib.get_close_matches(name, names, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(names)}"
    return f"unknown {kind} {name!r}: {hint}"


def plain(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON knows them: tuples are lists."""
    return json.loads(json.dumps(asdict(settings), allow_nan=False))


def from_plain(kind: type, values: Mapping[str, Any]) -> Any:
    """The inverse of :func:`plain` for flat dataclasses."""
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def digest(value: Any) -> str:
    """Ten hex digits of the SHA-256 of ``value`` as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
