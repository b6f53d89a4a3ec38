"""IAT figure 6: how fine the mesh has to be, with the exact transform as its limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from scipy.stats import spearmanr

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Preset, Results, RunResult, Together
from torch_bridge.experiments.iat_bases_report import Scores, cell
from torch_bridge.experiments.iat_figures import curves_figure, mesh_figure
from torch_bridge.experiments.iat_runs import (
    FUNCTION,
    LABELS,
    METRICS,
    TASKS,
    IATRun,
    NetworkSettings,
    alike,
    check_choices,
    make_run,
    start,
    start_together,
)
from torch_bridge.experiments.statistics import (
    NOT_TESTED,
    Claim,
    Difference,
    Sample,
    metric_by_seed,
    undertrained,
)

EXACT = "exact"
BEST_RATIO = 2
"""Of the labels, in IAT section 5.2."""


@dataclass(frozen=True)
class _Compared:
    """The first fields of :class:`MeshSettings`."""

    tasks: tuple[str, ...] = TASKS
    ratios: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    exact: bool = True
    input_basis: Literal["rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w"] = "fourier"
    output_basis: Literal["rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w"] = "pwq"


@dataclass(frozen=True)
class MeshSettings(NetworkSettings, _Compared):
    """Everything that the figure depends on, seeds apart.

    Attributes:
        tasks: ``labels``, ``function``.
        ratios: M / width, each >= 1.
        exact: also train the exact transform.
        input_basis, output_basis: families of p and q.
        others: as in :class:`~torch_bridge.experiments.iat_runs.NetworkSettings`; the network is deep and narrow.
    """

    hidden_layers: int = 10
    width: int = 10

    def __post_init__(self) -> None:
        check_choices("tasks", self.tasks, TASKS)
        check_choices("ratios", self.ratios, empty=self.exact)
        if any(ratio < 1 for ratio in self.ratios):
            raise ValueError(f"ratios must be at least 1, got {', '.join(map(str, self.ratios))}")
        super().__post_init__()

    @property
    def meshes(self) -> dict[str, int | None]:
        """Column -> M, the exact transform last."""
        columns: dict[str, int | None] = {str(ratio): ratio * self.width for ratio in sorted(self.ratios)}
        return columns | ({EXACT: None} if self.exact else {})


def runs(settings: MeshSettings) -> Sequence[IATRun]:
    """Every mesh and the exact transform, task by task."""
    meshes = settings.meshes.values()
    return [make_run(settings, task, mesh=mesh) for task in settings.tasks for mesh in meshes]


CHOSEN = (
    "the function sin(k pi x) sin(k pi y) and its frequency k",
    "which mesh ratios, beyond those that can be read off the figure",
    "initial weights: He's rule, and the IAT layers scaled to keep it; whether there is BatchNorm",
    "optimiser, learning rate, schedule, batch size, number of steps",
    "loss of the random labels: log(1 + exp(-y f)); all runs learn the same labels",
    "new: the exact transform as the last column",
)
"""Settings that the paper leaves out, or that differ."""


def report(settings: MeshSettings, results: Results) -> Report:
    """The figure again, its numbers, and what becomes of the claims of section 5.2."""
    claims: list[Claim] = []
    sections = [Section("Chosen, not published", (tuple(CHOSEN),))]
    for task in settings.tasks:
        columns = {
            name: results.select(lambda run, task=task, mesh=mesh: (run.task, run.mesh) == (task, mesh))
            for name, mesh in settings.meshes.items()
        }
        claims += mesh_claims(task, columns)
        sections.append(_task_section(task, columns))
    rows = tuple((claim.text, claim.task, claim.verdict, claim.numbers) for claim in claims)
    unit = (
        "Compared are means over seeds of accuracy, or of -log10 MSE, so that a difference of 1 is a factor of 10. "
        "The paper gives figure 6 without numbers."
    )
    table = Table(("claim", "task", "verdict", "numbers"), rows, text=True)
    return Report("iat-mesh: IAT figure 6", (Section("The claims of section 5.2", (unit, table)), *sections))


def mesh_claims(task: str, columns: dict[str, list[RunResult]]) -> list[Claim]:
    """Finer meshes help the function and not the labels, where ratio 2 is best; gradients get more continuous."""
    names = list(columns)
    metric = METRICS[task]
    means = [
        Sample.of(Scores.score(metric, v) for v in metric_by_seed(of, metric).values()).mean
        for of in columns.values()
        if of
    ]
    reason = undertrained(task, max(means, default=math.nan))

    def sample(name: str, metric: str = metric) -> Sample:
        values = metric_by_seed(columns[name], metric)
        return Sample.of(Scores.score(metric, value) for value in values.values())

    def compare(text: str, a: str, b: str, metric: str = metric) -> Claim:
        if a == b or a not in columns or b not in columns:
            return Claim(text, task, NOT_TESTED, "not trained")
        difference = Difference(sample(a, metric), sample(b, metric))
        return Claim(text, task, difference.verdict, f"{a} against {b}: {difference.text}")

    coarsest, finest = names[0], names[-1]
    claims = []
    if task == FUNCTION:
        claims.append(compare("finer meshes help the smooth task", finest, coarsest))
    if task == LABELS:
        best = str(BEST_RATIO)
        others = [name for name in names if name != best and columns[name]]
        rival = max(others, key=lambda name: sample(name).mean, default=best)
        claims.append(compare("ratio 2 is best for the labels (against the best of the others)", best, rival))
        claims.append(compare("the labels lose by meshes finer than ratio 2", best, finest))
    claims.append(
        compare(
            "finer meshes make gradients more continuous (change of the gradient)", coarsest, finest, "gradient_change"
        )
    )
    claims.append(
        compare("finer meshes make training more stable (jump of the log loss)", coarsest, finest, "loss_jump")
    )
    return [claim if reason is None else replace(claim, verdict=NOT_TESTED, numbers=reason) for claim in claims]


def _task_section(task: str, columns: dict[str, list[RunResult]]) -> Section:
    name = METRICS[task]
    values = {column: [run.metrics[name] for run in runs] for column, runs in columns.items()}
    stability = {
        key: [Sample.of(metric_by_seed(runs, key).values()).mean for runs in columns.values()]
        for key in ("loss_jump", "gradient_change")
    }
    rows = tuple(
        (column, cell(values[column], task), *(f"{stability[key][i]:.3g}" for key in stability))
        for i, column in enumerate(columns)
    )
    trained = {f"M / d = {column}": runs for column, runs in columns.items() if runs}
    parts: list[Any] = [
        Table(("M / d", f"{name} (n)", "jump of the log loss", "change of the gradient"), rows),
        _rank_text(values, name),
        Picture(f"{task}-mesh", f"IAT figure 6: {name} of every run and the mean", partial(mesh_figure, task, values)),
        Picture(
            f"{task}-curves",
            "training loss: mean over seeds of its logarithm, the band from the least to the greatest",
            partial(curves_figure, trained),
        ),
    ]
    return Section("Random labels" if task == LABELS else "Oscillating function", tuple(parts))


def _rank_text(values: dict[str, list[float]], name: str) -> str:
    pairs = [
        (math.inf if column == EXACT else float(column), value) for column, sample in values.items() for value in sample
    ]
    if len(pairs) < 3 or len({place for place, _ in pairs}) < 2:
        return f"Rank correlation of {name} with the mesh ratio: not tested."
    result: Any = spearmanr([place for place, _ in pairs], [value for _, value in pairs])
    return (
        f"Spearman's rank correlation of {name} with the mesh ratio over {len(pairs)} runs, exact as the finest: "
        f"{result.statistic:+.2f} (p = {result.pvalue:.2g})."
    )


EXPERIMENT = Experiment(
    name="iat-mesh",
    title="how fine a mesh: M / d from 1 to 32 and the exact transform, on random labels and an oscillating function",
    reproduces="IAT figure 6",
    data="generated",
    presets={
        "smoke": Preset(MeshSettings(ratios=(1, 2, 8), side=12, hidden_layers=3, steps=60), seeds=2),
        "quick": Preset(MeshSettings(ratios=(1, 2, 4, 8, 16), side=30, hidden_layers=3, width=20, steps=1200), seeds=5),
        "paper": Preset(MeshSettings(), seeds=10),
    },
    run=IATRun,
    runs=runs,
    start=start,
    report=report,
    together=Together(alike, start_together),
)
