"""IAT tables 2 and 3: which input and output bases, on random labels and on an oscillating function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results, Together
from torch_bridge.experiments.iat_bases_report import bases_report
from torch_bridge.experiments.iat_runs import (
    FUNCTION,
    LABELS,
    SCALARS,
    TASKS,
    IATRun,
    NetworkSettings,
    alike,
    check_choices,
    make_run,
    start,
    start_together,
)

FAMILIES = ("rect", "pwl", "pwq", "fourier", "pwl-w", "rect-w")
"""In the order of the paper's tables."""


@dataclass(frozen=True)
class _Compared:
    """The first fields of :class:`BasesSettings`."""

    tasks: tuple[str, ...] = TASKS
    inputs: tuple[str, ...] = FAMILIES
    outputs: tuple[str, ...] = FAMILIES
    scalars: tuple[str, ...] = tuple(SCALARS)
    mesh: int | None = None


@dataclass(frozen=True)
class BasesSettings(NetworkSettings, _Compared):
    """Everything that the tables depend on, seeds apart.

    Attributes:
        tasks: ``labels``, ``function``.
        inputs, outputs: families of p and q; every pair of them is trained.
        scalars: ``relu``, ``tanh``, ``sigmoid``.
        mesh: M >= 1 of IAT (12), 500 in the paper; None is the exact transform.
        others: as in :class:`~torch_bridge.experiments.iat_runs.NetworkSettings`.
    """

    def __post_init__(self) -> None:
        check_choices("tasks", self.tasks, TASKS)
        check_choices("inputs", self.inputs, FAMILIES)
        check_choices("outputs", self.outputs, FAMILIES)
        check_choices("scalars", self.scalars, tuple(SCALARS), empty=True)
        if self.mesh is not None and self.mesh < 1:
            raise ValueError(f"mesh must be none or at least 1, got {self.mesh}")
        super().__post_init__()


def runs(settings: BasesSettings) -> Sequence[IATRun]:
    """All pairs, then the scalar activations, task by task."""
    result = []
    for task in settings.tasks:
        for p, q in product(settings.inputs, settings.outputs):
            result.append(make_run(settings, task, input_basis=p, output_basis=q))
        for scalar in settings.scalars:
            bare = dict.fromkeys(("input_basis", "output_basis", "mesh", "layout"))
            result.append(make_run(settings, task, scalar, **bare))
    return result


TABLE_2 = """
rect     89.7 90.5 92.1 89.4 86.5 86.1
pwl      85.8 87.3 85.2 93.0 86.2 86.5
pwq      85.5 80.4 80.5 91.6 86.7 88.9
fourier  93.2 92.5 94.1 89.5 89.5 88.4
pwl-w    90.5 93.0 92.3 91.9 82.8 86.3
rect-w   90.1 95.1 98.3 89.2 85.7 82.7
"""
"""IAT table 2, accuracy in per cent; rows p, columns q."""

TABLE_3 = """
rect     8.8E-4 2.6E-3 1.8E-3 2.0E-3 1.5E-3 3.0E-3
pwl      1.7E-4 2.5E-4 7.5E-5 3.9E-4 2.5E-4 1.9E-4
pwq      1.6E-4 1.0E-4 6.7E-5 5.2E-4 2.2E-4 2.4E-4
fourier  7.9E-5 7.0E-5 9.9E-5 1.0E-4 7.6E-5 1.9E-4
pwl-w    2.7E-4 2.0E-4 1.3E-4 2.8E-4 3.9E-4 3.3E-4
rect-w   1.1E-3 3.1E-3 3.1E-3 2.6E-3 3.0E-3 2.7E-3
"""
"""IAT table 3, MSE; rows p, columns q."""

PAPER_SCALARS = {
    LABELS: {"relu": 0.904, "tanh": 0.847, "sigmoid": 0.839},
    FUNCTION: {"relu": 1.1e-3, "tanh": 4.1e-6, "sigmoid": 3.2e-6},
}
"""The lower parts of IAT tables 2 and 3."""


def paper_table(text: str, factor: float = 1.0) -> dict[tuple[str, str], float]:
    """(p, q) -> number."""
    rows = [line.split() for line in text.strip().splitlines()]
    return {(row[0], q): factor * float(v) for row in rows for q, v in zip(FAMILIES, row[1:], strict=True)}


PAPER: dict[str, dict[tuple[str, str], float]] = {
    LABELS: paper_table(TABLE_2, 0.01),
    FUNCTION: paper_table(TABLE_3),
}

CHOSEN = (
    "the function sin(k pi x) sin(k pi y) and its frequency k (the paper gives no formula)",
    "depth and width of the networks (10 hidden layers of width 10 are published for figure 6 alone, "
    "and have too few weights to learn 2,500 labels)",
    "number of seeds, and that all runs learn the same labels",
    "initial weights: He's rule for ReLU and IAT-ReLU, gain 1 / sigma'(0) for tanh and sigmoid; BatchNorm or not",
    "optimiser, learning rate, schedule, batch size, number of steps",
    "loss of the random labels: log(1 + exp(-y f))",
    "which shifts and scales the wavelet families have (layout)",
    "the exact transform in place of M = 500 points, unless mesh says otherwise: it is exact, and faster",
)
"""Settings that the paper leaves out, or that differ."""


def report(settings: BasesSettings, results: Results) -> Report:
    """The tables beside the paper's, and what becomes of its claims."""
    return bases_report(settings, results, PAPER, PAPER_SCALARS, CHOSEN)


EXPERIMENT = Experiment(
    name="iat-bases",
    title="which bases: 36 pairs and three scalar activations on random labels and an oscillating function",
    reproduces="IAT tables 2 and 3",
    data="generated",
    presets={
        "smoke": Preset(
            BasesSettings(
                inputs=("rect", "fourier"),
                outputs=("rect", "pwq"),
                scalars=("relu",),
                side=12,
                hidden_layers=3,
                steps=60,
            ),
            seeds=2,
        ),
        "quick": Preset(BasesSettings(side=30, width=20, steps=1200), seeds=3),
        "paper": Preset(BasesSettings(), seeds=10),
    },
    run=IATRun,
    runs=runs,
    start=start,
    report=report,
    together=Together(alike, start_together),
)
