"""IAT figure 3: fits of sin(2 pi x), the activation patterns over x, and decoupled models on the learned patterns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import iatcore
from torch_bridge.experiments.decoupled import DecoupledNetwork
from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Preset, Results, RunResult
from torch_bridge.experiments.figures import pattern_figure
from torch_bridge.experiments.iat_runs import check_choices, squared_errors
from torch_bridge.experiments.pattern import PatternFit, mesh_signs, target
from torch_bridge.experiments.statistics import NOT_TESTED, Claim, Difference, Sample, metric_by_seed
from torch_bridge.nn import IATReLU
from torch_bridge.train.ensemble import EnsembleJob, EnsembleLinear, Recipe, ensemble_mlp

P, Q = "fourier", "pwq"
EXACT = "exact"


@dataclass(frozen=True)
class PatternRun:
    """One column of the figure: fields as in :class:`PatternSettings`, ``mesh`` None for the exact transform."""

    mesh: int | None
    width: int
    hidden_layers: int
    points: int
    grid: int
    steps: int
    learning_rate: float

    @property
    def label(self) -> str:
        """``M20``, ``exact``."""
        return EXACT if self.mesh is None else f"M{self.mesh}"


@dataclass(frozen=True)
class PatternSettings:
    """What the figure shows, seeds apart.

    Attributes:
        meshes: M of the discretized columns, each >= 1; (10, 20, 10000) in the paper.
        exact: whether the exact transform is the last column.
        width: of the hidden layers, >= 1; 10 in the paper.
        hidden_layers: 2 in the paper.
        points: training points, uniform on [-1, 1], >= 2.
        grid: points at which fits and patterns are drawn and errors measured, >= 2.
        steps: of Adam, for the network and again for the decoupled model, >= 1.
        learning_rate: at the first step of each, > 0; half a cosine takes it to 0.
    """

    meshes: tuple[int, ...] = (10, 20, 10_000)
    exact: bool = True
    width: int = 10
    hidden_layers: int = 2
    points: int = 200
    grid: int = 1201
    steps: int = 1500
    learning_rate: float = 2e-2

    def __post_init__(self) -> None:
        check_choices("meshes", self.meshes, empty=self.exact)
        for name, least in {"width": 1, "hidden_layers": 1, "points": 2, "grid": 2}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if any(mesh < 1 for mesh in self.meshes):
            raise ValueError(f"meshes must be at least 1, got {', '.join(map(str, self.meshes))}")
        Recipe(self.steps, self.learning_rate)


def runs(settings: PatternSettings) -> Sequence[PatternRun]:
    """One a column."""
    names = ("width", "hidden_layers", "points", "grid", "steps", "learning_rate")
    shared = {name: getattr(settings, name) for name in names}
    meshes: list[int | None] = [*settings.meshes, *([None] if settings.exact else [])]
    return [PatternRun(mesh=mesh, **shared) for mesh in meshes]


class PatternJob:
    """The network first; then new linear weights on its frozen patterns, IAT (26). A :class:`Job` of both."""

    def __init__(self, run: PatternRun, seeds: Sequence[int], device: torch.device) -> None:
        self.run = run
        widths = [1, *[run.width] * run.hidden_layers, 1]
        x = torch.linspace(-1.0, 1.0, run.points)[:, None]

        def network(generators: Sequence[torch.Generator]) -> nn.Sequential:
            return ensemble_mlp(widths, lambda d: IATReLU(d, d, P, Q, mesh=run.mesh), generators)

        def decoupled(generators: Sequence[torch.Generator]) -> nn.Module:
            # two draws: those of the pattern are replaced by the trained ones
            pattern, linear = network(generators), network(generators)
            return DecoupledNetwork(linear, pattern, False)

        recipe = Recipe(run.steps, run.learning_rate)
        self.coupled, self.decoupled = (
            EnsembleJob(build, x, target(x), squared_errors, {"MSE": squared_errors}, recipe, seeds, device)
            for build in (network, decoupled)
        )
        self.done = 0

    @property
    def members(self) -> int:
        """E."""
        return self.coupled.members

    @property
    def total_steps(self) -> int:
        """Of both."""
        return 2 * self.run.steps

    @property
    def _current(self) -> EnsembleJob:
        return self.coupled if self.done <= self.run.steps else self.decoupled

    def step(self) -> Tensor:
        """One step of the network, or then of the decoupled model."""
        self.done += 1
        if self.done == self.run.steps + 1:
            assert isinstance(self.decoupled.network, DecoupledNetwork)
            trained = self.coupled.network.state_dict()
            own = self.decoupled.network.pattern.state_dict()
            self.decoupled.network.pattern.load_state_dict({name: trained[name] for name in own})
        return self._current.step()

    def gradients(self) -> Tensor:
        """Of the one that is trained."""
        return self._current.gradients()

    def freeze(self, members: Sequence[int]) -> None:
        """Take members out of both."""
        self.coupled.freeze(members)
        self.decoupled.freeze(members)

    def evaluate(self) -> dict[str, list[float]]:
        """Errors of both on the grid, and how far apart neighbours on the grid are at most."""
        fits = [self.fit(e) for e in range(self.members)]
        return {
            "MSE": [fit.mse for fit in fits],
            "decoupled MSE": [fit.decoupled_mse for fit in fits],
            "largest step": [float(np.abs(np.diff(fit.coupled)).max()) for fit in fits],
            "decoupled largest step": [float(np.abs(np.diff(fit.decoupled)).max()) for fit in fits],
        }

    def fit(self, e: int) -> PatternFit:
        """The column of the figure for member e."""
        x = torch.linspace(-1.0, 1.0, self.run.grid)[:, None]
        truth = target(x.double())[:, 0].numpy()
        inputs = x.expand(self.members, *x.shape).to(self.coupled.device)
        with torch.no_grad():
            values = [job.network(inputs)[e, :, 0].double().cpu().numpy() for job in (self.coupled, self.decoupled)]
            states = _states(self.coupled.network, inputs, e)
        p = iatcore.basis(P, self.run.width)
        signs: tuple[NDArray[np.bool_], ...] = ()
        intervals: tuple[list[NDArray[np.float64]], ...] = ()
        if self.run.mesh is None:
            patterns = [iatcore.IATReLU(p, iatcore.basis(Q, self.run.width)).pattern(z) for z in states]
            intervals = tuple([pattern.intervals(i) for i in range(self.run.grid)] for pattern in patterns)
        else:
            signs = tuple(mesh_signs(p, z, self.run.mesh) for z in states)
        errors = [float(np.mean((v - truth) ** 2)) for v in values]
        grid = x[:, 0].double().numpy()
        return PatternFit(self.run.mesh, grid, truth, values[0], values[1], signs, intervals, *errors, seconds=math.nan)

    def state_dict(self) -> dict[str, Any]:
        """Of both, and which is trained."""
        return {"coupled": self.coupled.state_dict(), "decoupled": self.decoupled.state_dict(), "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.coupled.load_state_dict(state["coupled"])
        self.decoupled.load_state_dict(state["decoupled"])
        self.done = state["done"]


def _states(network: nn.Module, x: Tensor, e: int) -> list[NDArray[np.float64]]:
    """What enters each activation of member e, shapes (n, width)."""
    states = []
    for layer in network.children():
        if not isinstance(layer, EnsembleLinear):
            states.append(x[e].double().cpu().numpy())
        x = layer(x)
    return states


def start(run: PatternRun, seeds: Sequence[int], device: torch.device) -> PatternJob:
    """An untrained ensemble, one member a seed."""
    return PatternJob(run, seeds, device)


CHOSEN = (
    f"bases {P} and {Q}; the paper's text names them for figure 6 alone",
    "training points, optimiser (Adam), learning rate, its half-cosine decay, number of steps",
    "linear weights of the decoupled model: new ones, trained on the frozen pattern",
    "the exact transform as a further column",
)


def report(settings: PatternSettings, results: Results) -> Report:
    """The figure from the first seed, errors over all, and what becomes of the statements about it."""
    found = {run.label: results.select(lambda r, run=run: r == run) for run in runs(settings)}
    rows = tuple((name, *(_cell(of, metric) for metric in METRICS)) for name, of in found.items())
    first = [of[0] for of in found.values() if of]
    names = list(found)
    claims = (
        _compare("finer meshes fit better", found, names[-1], names[0], "MSE"),
        _compare("finer meshes are smoother (largest step between neighbours)", found, names[-1], names[0], METRICS[2]),
        _compare(
            "the decoupled model is smoother on finer meshes", found, names[-1], names[0], "decoupled largest step"
        ),
    )
    verdicts = tuple((c.text, c.verdict, c.numbers) for c in claims)
    caption = f"seed {first[0].seed}" if first else ""
    return Report(
        "iat-pattern: IAT figure 3",
        (
            Section(
                "Statements of section 4.3 and 4.4",
                (
                    "Compared are means over seeds of -log10: a difference of 1 is a factor of 10.",
                    Table(("statement", "answer", "numbers"), verdicts, text=True),
                ),
            ),
            Section("Errors", (Table(("column", *METRICS), rows),)),
            *(
                [Section("The figure", (Picture("patterns", caption, partial(_draw, first)),))]
                if any(run.state() is not None for run in first)
                else []
            ),
            Section("Chosen, not published", (CHOSEN,)),
        ),
    )


METRICS = ("MSE", "decoupled MSE", "largest step", "decoupled largest step")


def _cell(of: Sequence[RunResult], metric: str) -> str:
    sample = Sample.of(metric_by_seed(of, metric).values())
    spread = "" if math.isnan(sample.std) else f" +- {sample.std:.1e}"
    return f"{sample.mean:.2e}{spread} ({sample.n})" if sample.n else "-"


def _compare(text: str, found: dict[str, list[RunResult]], better: str, than: str, metric: str) -> Claim:
    if better == than or not (found[better] and found[than]):
        return Claim(text, "", NOT_TESTED, "not trained")
    samples = [
        Sample.of(-math.log10(max(v, 1e-300)) for v in metric_by_seed(found[name], metric).values())
        for name in (better, than)
    ]
    difference = Difference(*samples)
    return Claim(text, "", difference.verdict, f"{better} against {than}: {difference.text}")


def _draw(first: Sequence[RunResult]) -> Any:
    columns = []
    for run in first:
        state = run.state()
        if state is not None:
            job = start(run.settings, run.seeds, torch.device("cpu"))
            job.load_state_dict(state)
            columns.append(job.fit(run.member))
    return pattern_figure(columns)


EXPERIMENT = Experiment(
    name="iat-pattern",
    title="activation patterns over x: coupled and decoupled fits of sin(2 pi x)",
    reproduces="IAT figure 3",
    data="generated",
    presets={
        "smoke": Preset(PatternSettings(meshes=(10,), points=40, grid=101, steps=30), seeds=1),
        "quick": Preset(PatternSettings(meshes=(10, 20, 1000), steps=800), seeds=3),
        "paper": Preset(PatternSettings(), seeds=10),
    },
    run=PatternRun,
    runs=runs,
    start=start,
    report=report,
)
