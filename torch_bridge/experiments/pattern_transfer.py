"""A pattern learned at one width carried to another: patterns live in [-1, 1] whatever the width, IAT section 4.4."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

import iatcore
from iatcore.scaling import he_scale
from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Preset, Results, RunResult
from torch_bridge.experiments.figures import styled
from torch_bridge.experiments.iat_runs import check_choices, squared_errors
from torch_bridge.experiments.statistics import NOT_TESTED, Claim, Difference, Sample, metric_by_seed
from torch_bridge.experiments.tasks import oscillation
from torch_bridge.nn import IATReLU
from torch_bridge.train.ensemble import EnsembleJob, EnsembleLinear, Recipe, ensemble_mlp

Floats = NDArray[np.float64]
Q = "pwq"
TRANSFER, RANDOM, OWN = "transfer", "random", "own"
"""The trained pattern; that of the same network before training; that of a random network of the new width."""
SOURCES = (TRANSFER, RANDOM, OWN)
RIDGE = 1e-10
"""Relative to the largest singular value: smaller ones are left out of least-squares fits."""


@dataclass(frozen=True)
class TransferRun:
    """A trained network, and what its patterns are worth at other widths.

    Attributes:
        input_basis: family of p, in the network and in those that its patterns are carried to.
        side: data are a ``side * side`` mesh of [-1, 1]^2, side >= 2.
        frequency: k > 0 of ``sin(k pi x) sin(k pi y)``.
        hidden_layers, width: of the trained network, >= 1.
        widths: of the new ones, each >= 1.
        sweeps: of alternating least squares over the linear layers of a new network, >= 1.
        steps, learning_rate, batch_size: of the training, by Adam with a cosine schedule.
    """

    input_basis: str
    side: int
    frequency: float
    hidden_layers: int
    width: int
    widths: tuple[int, ...]
    sweeps: int
    steps: int
    learning_rate: float
    batch_size: int | None

    @property
    def label(self) -> str:
        """``pwl-10``: basis and width of what is trained."""
        return f"{self.input_basis}-{self.width}"


@dataclass(frozen=True)
class TransferSettings:
    """Everything that the experiment depends on, seeds apart: as :class:`TransferRun`, for several bases."""

    input_bases: tuple[Literal["pwl", "pwq", "fourier", "pwl-w"], ...] = ("pwl", "fourier")
    side: int = 40
    frequency: float = 2.0
    hidden_layers: int = 2
    width: int = 10
    widths: tuple[int, ...] = (5, 10, 20, 40)
    sweeps: int = 4
    steps: int = 2000
    learning_rate: float = 1e-2
    batch_size: int | None = 250

    def __post_init__(self) -> None:
        check_choices("input_bases", self.input_bases, ("pwl", "pwq", "fourier", "pwl-w"))
        check_choices("widths", self.widths)
        for name, least in {"side": 2, "hidden_layers": 1, "width": 1, "sweeps": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if min(self.widths) < 1:
            raise ValueError(f"widths must be at least 1, got {', '.join(map(str, self.widths))}")
        if not (math.isfinite(self.frequency) and self.frequency > 0):
            raise ValueError(f"frequency must be positive and finite, got {self.frequency}")
        Recipe(self.steps, self.learning_rate, batch_size=self.batch_size)


def runs(settings: TransferSettings) -> Sequence[TransferRun]:
    """One a basis."""
    names = ("side", "frequency", "hidden_layers", "width", "widths", "sweeps", "steps", "learning_rate", "batch_size")
    shared = {name: getattr(settings, name) for name in names}
    return [TransferRun(input_basis=basis, **shared) for basis in settings.input_bases]


class TransferJob(EnsembleJob):
    """Trains the network; its evaluation carries the patterns over."""

    def __init__(self, run: TransferRun, seeds: Sequence[int], device: torch.device) -> None:
        self.run, self.seeds = run, tuple(seeds)
        task = oscillation(run.side, run.frequency)
        recipe = Recipe(run.steps, run.learning_rate, batch_size=run.batch_size)
        widths = [2, *[run.width] * run.hidden_layers, 1]
        super().__init__(
            lambda generators: ensemble_mlp(widths, lambda d: IATReLU(d, d, run.input_basis, Q), generators),
            task.inputs,
            task.targets,
            squared_errors,
            {task.metric_name: squared_errors},
            recipe,
            seeds,
            device,
        )

    def evaluate(self) -> dict[str, list[float]]:
        """The network's MSE, and for each width and source of patterns that of a fit by least squares."""
        found = super().evaluate()
        x, y = (t.double().cpu().numpy() for t in (self.inputs, self.targets))
        for e, seed in enumerate(self.seeds):
            states = {TRANSFER: member_states(self.network, e, x, self.run.input_basis)}
            start = type(self)(self.run, (seed,), torch.device("cpu")).network
            states[RANDOM] = member_states(start, 0, x, self.run.input_basis)
            for width in self.run.widths:
                for source in SOURCES:
                    rng = np.random.default_rng([seed, width])
                    error = fitted(self.run, states.get(source), x, y, width, rng)
                    found.setdefault(f"{source}-{width}", []).append(error)
        return found


def start(run: TransferRun, seeds: Sequence[int], device: torch.device) -> TransferJob:
    """An untrained ensemble, one member a seed."""
    return TransferJob(run, seeds, device)


def member_states(network: nn.Module, e: int, x: Floats, family: str) -> list[Floats]:
    """What enters each activation of member e, in float64: shapes (n, width)."""
    states, z = [], x
    for layer in network.children():
        if isinstance(layer, EnsembleLinear):
            weight, bias = (t.detach().double().cpu().numpy()[e] for t in (layer.weight, layer.bias))
            z = z @ weight.T + bias
        else:
            assert isinstance(layer, IATReLU)
            states.append(z)
            z = iatcore.IATReLU(layer.input_basis, layer.output_basis)(z)
    return states


def fitted(
    run: TransferRun, states: list[Floats] | None, x: Floats, y: Floats, width: int, rng: np.random.Generator
) -> float:
    """MSE of a network of another width on the patterns of given states, its linear layers by least squares.

    ``y = W_L S(D_{L-1}) (W_{L-1} ... S(D_1)(W_1 x + b_1) ...) + b_L`` with S(D_l) in the new bases, IAT (26).
    It is linear in each layer's weights, so these are fitted one layer at a time, from the last to the first and again.

    Args:
        run: its settings.
        states: of each hidden layer, whose patterns are taken; None: those of a random network of the new width.
        x, y: inputs (n, 2) and targets (n, 1).
        width: of the new network.
        rng: draws the linear layers that are fitted, by He's rule.
    """
    p, q = iatcore.basis(run.input_basis, width), iatcore.basis(Q, width)
    core = iatcore.IATReLU(p, q.scaled(he_scale(p, q, iatcore.gates.relu())))
    sizes = [x.shape[1], *[width] * run.hidden_layers, 1]
    layers = _he(sizes, rng)
    if states is None:
        states, z = [], x
        for layer in _he(sizes, rng)[:-1]:
            states.append(_ones(z) @ layer)
            z = core(states[-1])
        patterns = [core.pattern(z) for z in states]
    else:
        source = iatcore.basis(run.input_basis, states[0].shape[1])
        patterns = [iatcore.IATReLU(source, q).pattern(z) for z in states]
    matrices = [core.activation_matrix(pattern=pattern) for pattern in patterns]
    for _ in range(run.sweeps):
        for k in reversed(range(len(layers))):
            layers[k] = _least_squares(layers, matrices, x, y, k)
    return float(np.mean((_outputs(layers, matrices, x)[-1] - y) ** 2))


def _he(sizes: Sequence[int], rng: np.random.Generator) -> list[Floats]:
    """Weights and, as the last row, biases: (d_in + 1, d_out)."""
    result = []
    for i, (d_in, d_out) in enumerate(pairwise(sizes)):
        gain = 1.0 if i == len(sizes) - 2 else math.sqrt(2.0)
        result.append(
            np.concatenate([gain / math.sqrt(d_in) * rng.standard_normal((d_in, d_out)), np.zeros((1, d_out))])
        )
    return result


def _ones(z: Floats) -> Floats:
    return np.concatenate([z, np.ones((len(z), 1))], axis=1)


def _outputs(layers: list[Floats], matrices: list[Floats], x: Floats) -> list[Floats]:
    """What enters each linear layer, and the output."""
    values = [x]
    for k, layer in enumerate(layers):
        z = _ones(values[-1]) @ layer
        values.append((matrices[k] @ z[..., None])[..., 0] if k < len(matrices) else z)
    return values


def _least_squares(layers: list[Floats], matrices: list[Floats], x: Floats, y: Floats, k: int) -> Floats:
    """The weights of layer k that are best with the others as they are."""
    inside = _ones(_outputs(layers, matrices, x)[k])
    # the output is a constant plus g(x)^T z_k with z_k what layer k gives
    g, constant = np.ones((len(x), 1, 1)), np.zeros((len(x), 1))
    for layer, matrix in zip(reversed(layers[k + 1 :]), reversed(matrices[k:]), strict=True):
        constant = constant + (g @ np.broadcast_to(layer[-1], (len(x), layer.shape[1]))[..., None])[..., 0]
        g = g @ layer[:-1].T @ matrix
    features = (inside[:, :, None] * g[:, 0, None, :]).reshape(len(x), -1)
    found: Floats = np.asarray(np.linalg.lstsq(features, (y - constant)[:, 0], rcond=RIDGE)[0], dtype=np.float64)
    return found.reshape(layers[k].shape)


def report(settings: TransferSettings, results: Results) -> Report:
    """A table a basis, and whether a learned pattern is worth more than a random one."""
    claims, sections = [], []
    for basis in settings.input_bases:
        found = results.select(lambda run, basis=basis: run.input_basis == basis)
        for width in settings.widths:
            claims += [_claim(basis, width, found, other) for other in (RANDOM, OWN)]
        sections.append(_section(basis, settings.widths, found))
    rows = tuple((claim.text, claim.task, claim.verdict, claim.numbers) for claim in claims)
    first = Section(
        "Did it help?",
        (
            "Compared are means over seeds of -log10 MSE: a difference of 1 is a factor of 10. "
            "A difference counts from two standard errors.",
            Table(("claim", "input basis", "answer", "numbers"), rows, text=True),
        ),
    )
    chosen = (
        f"the task sin(k pi x) sin(k pi y), {settings.hidden_layers} hidden layers, output basis {Q}",
        f"linear layers of the new network: {settings.sweeps} sweeps of alternating least squares from random weights",
        "random: the pattern of the same network before its training; own: of a random network of the new width",
    )
    return Report("pattern-transfer: " + TITLE, (first, Section("Chosen, not published", (chosen,)), *sections))


def _score(runs: Sequence[RunResult], metric: str) -> Sample:
    return Sample.of(-math.log10(max(v, 1e-300)) for v in metric_by_seed(runs, metric).values())


def _claim(basis: str, width: int, found: Sequence[RunResult], other: str) -> Claim:
    text = (
        f"at width {width} a learned pattern beats {'the one before training' if other == RANDOM else 'a random one'}"
    )
    if not found:
        return Claim(text, basis, NOT_TESTED, "not trained")
    difference = Difference(_score(found, f"{TRANSFER}-{width}"), _score(found, f"{other}-{width}"))
    return Claim(text, basis, difference.verdict, difference.text)


def _section(basis: str, widths: Sequence[int], found: Sequence[RunResult]) -> Section:
    rows = [("the trained network", *(_cell(found, "MSE") if i == 0 else "" for i in range(len(widths))))]
    rows += [(source, *(_cell(found, f"{source}-{width}") for width in widths)) for source in SOURCES]
    head = ("MSE (geometric mean), pattern from", *(f"width {width}" for width in widths))
    values = {s: [10 ** -_score(found, f"{s}-{width}").mean for width in widths] for s in SOURCES} if found else {}
    picture = Picture(f"{basis}-transfer", f"MSE by width, {basis}", partial(transfer_figure, widths, values))
    return Section(f"Input basis {basis}", (Table(head, tuple(rows)), picture))


def _cell(found: Sequence[RunResult], metric: str) -> str:
    sample = _score(found, metric)
    spread = "" if math.isnan(sample.std) else f" x/ {10**sample.std:.2g}"
    return f"{10**-sample.mean:.2e}{spread} ({sample.n})" if sample.n else "-"


@styled
def transfer_figure(widths: Sequence[int], values: Mapping[str, Sequence[float]]) -> Figure:
    """MSE against the width of the new network, one line a source of patterns."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    ax = figure.subplots()
    for source, errors in values.items():
        ax.loglog(widths, errors, "-o", label=source)
    ax.set_xlabel("width of the new network")
    ax.set_ylabel("MSE")
    if values:
        ax.legend()
    return figure


TITLE = "a pattern learned at one width, carried to another"
_SMOKE: dict[str, Any] = {"input_bases": ("pwl",), "side": 10, "widths": (4, 8), "sweeps": 2, "steps": 40}
EXPERIMENT = Experiment(
    name="pattern-transfer",
    title=TITLE,
    reproduces="new; patterns as in IAT section 4.4",
    data="generated",
    presets={
        "smoke": Preset(TransferSettings(**_SMOKE, batch_size=None), seeds=2),
        "quick": Preset(TransferSettings(side=25, widths=(5, 10, 20), steps=800), seeds=3),
        "paper": Preset(TransferSettings(), seeds=10),
    },
    run=TransferRun,
    runs=runs,
    start=start,
    report=report,
)
