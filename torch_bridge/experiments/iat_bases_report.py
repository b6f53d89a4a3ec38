"""The report of ``iat-bases``: tables beside the paper's, rank correlations, claims, figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from scipy.stats import spearmanr

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Results
from torch_bridge.experiments.iat_figures import curves_figure, tables_figure
from torch_bridge.experiments.iat_runs import FUNCTION, IAT, LABELS, METRICS, RELU, SCALARS
from torch_bridge.experiments.statistics import (
    NOT_TESTED,
    Claim,
    Difference,
    Sample,
    by_seed,
    metric_by_seed,
    undertrained,
)

if TYPE_CHECKING:
    from torch_bridge.experiments.iat_bases import BasesSettings

Pair = tuple[str, str]
PaperTables = Mapping[str, Mapping[Pair, float]]

ZERO_INTEGRAL = ("fourier", "pwl-w", "rect-w")
LOCAL = ("rect", "pwl", "pwq")
TITLES = {LABELS: "Random labels: accuracy (IAT table 2)", FUNCTION: "Function: mean squared error (IAT table 3)"}
STABILITY = {"loss_jump": "mean jump of the log loss", "gradient_change": "mean relative change of the gradient"}


class Scores:
    """Metrics of one task by pair and seed, larger is better: accuracy, or -log10 of the MSE."""

    def __init__(self, results: Results, task: str, settings: BasesSettings) -> None:
        self.task, self.settings, self.results = task, settings, results
        self.pairs = {
            (p, q): self._by_seed(METRICS[task], input_basis=p, output_basis=q)
            for p in settings.inputs
            for q in settings.outputs
        }

    def _by_seed(self, metric: str, **fields: Any) -> dict[int, float]:
        def accept(run: Any) -> bool:
            return run.task == self.task and all(getattr(run, name) == value for name, value in fields.items())

        values = metric_by_seed(self.results.select(accept), metric)
        return {seed: self.score(metric, value) for seed, value in values.items()}

    @staticmethod
    def score(metric: str, value: float) -> float:
        return -math.log10(max(value, 1e-300)) if metric == METRICS[FUNCTION] else value

    def mean_over(self, inputs: Sequence[str], outputs: Sequence[str]) -> Sample:
        """Over pairs for each seed, then the sample over seeds."""
        return Sample.of(by_seed([self.pairs[p, q] for p in inputs for q in outputs]))

    @property
    def best(self) -> float:
        """The best mean of all pairs and scalar activations; nan if nothing was trained."""
        columns = [*self.pairs.values(), *(self._by_seed(METRICS[self.task], activation=a) for a in SCALARS)]
        means = [Sample.of(column.values()).mean for column in columns if column]
        return max(means, default=math.nan)

    def inputs(self, families: Sequence[str]) -> list[str]:
        """Those of the families that were trained as input."""
        return [p for p in self.settings.inputs if p in families]

    def outputs(self, families: Sequence[str]) -> list[str]:
        """Those of the families that were trained as output."""
        return [q for q in self.settings.outputs if q in families]

    def stability(self, metric: str, activation: str) -> Sample:
        """Of an activation; IAT-ReLU is averaged over its pairs."""
        if activation != IAT:
            return Sample.of(self._by_seed(metric, activation=activation).values())
        groups = [self._by_seed(metric, input_basis=p, output_basis=q) for p, q in self.pairs]
        return Sample.of(by_seed(groups))


def bases_report(
    settings: BasesSettings,
    results: Results,
    paper: PaperTables,
    paper_scalars: Mapping[str, Mapping[str, float]],
    chosen: Sequence[str],
) -> Report:
    """Everything from the results and the paper's numbers."""
    sections = [Section("Chosen, not published", (tuple(chosen),))]
    claims: list[Claim] = []
    for task in settings.tasks:
        scores = Scores(results, task, settings)
        claims += task_claims(scores)
        sections.append(_task_section(scores, paper[task], paper_scalars[task]))
    rows = tuple((claim.text, claim.task, claim.verdict, claim.numbers) for claim in claims)
    unit = (
        "Compared are means over seeds of accuracy, or of -log10 MSE, so that a difference of 1 is a factor of 10. "
        "A claim counts as supported when the difference has its sign and two standard errors; "
        "it is not tested where there are not two seeds."
    )
    verdicts = Section(
        "The claims of section 5", (unit, Table(("claim", "task", "verdict", "numbers"), rows, text=True))
    )
    transform = "the exact transform" if settings.mesh is None else f"M = {settings.mesh} points"
    return Report(f"iat-bases: IAT tables 2 and 3, with {transform}", (verdicts, *sections))


def task_claims(scores: Scores) -> list[Claim]:
    """The claims about bases and stability, for one task; none is tested by networks that have hardly learned."""
    claims = _task_claims(scores)
    reason = undertrained(scores.task, scores.best)
    return [claim if reason is None else replace(claim, verdict=NOT_TESTED, numbers=reason) for claim in claims]


def _task_claims(scores: Scores) -> list[Claim]:
    every_p, every_q = list(scores.settings.inputs), list(scores.settings.outputs)
    zero, local = scores.inputs(ZERO_INTEGRAL), scores.inputs(LOCAL)
    local_q, other_q = scores.outputs(LOCAL), scores.outputs(ZERO_INTEGRAL)
    rows = {p: scores.mean_over([p], every_q) for p in every_p}
    columns = {q: scores.mean_over(every_p, [q]) for q in every_q}
    return [
        _compare(
            "zero-integral inputs (fourier, pwl-w, rect-w) do better than local ones (rect, pwl, pwq)",
            scores.task,
            scores.mean_over(zero, every_q),
            scores.mean_over(local, every_q),
        ),
        _compare(
            "local outputs (rect, pwl, pwq) do better than fourier, pwl-w, rect-w",
            scores.task,
            scores.mean_over(every_p, local_q),
            scores.mean_over(every_p, other_q),
        ),
        _best("fourier is the best input", scores.task, "fourier", rows),
        _best("pwq is the best output", scores.task, "pwq", columns),
        *(
            _compare(
                f"IAT-ReLU trains more stably than ReLU ({meaning}, ReLU's minus IAT-ReLU's)",
                scores.task,
                scores.stability(metric, RELU),
                scores.stability(metric, IAT),
            )
            for metric, meaning in STABILITY.items()
        ),
    ]


def _compare(text: str, task: str, a: Sample, b: Sample) -> Claim:
    difference = Difference(a, b)
    numbers = f"{a.mean:.4g} and {b.mean:.4g}, {difference.text}" if min(a.n, b.n) else "not trained"
    return Claim(text, task, difference.verdict, numbers)


def _best(text: str, task: str, name: str, samples: Mapping[str, Sample]) -> Claim:
    others = {other: sample for other, sample in samples.items() if other != name and sample.n}
    if name not in samples or not others:
        return Claim(text, task, NOT_TESTED, "not trained")
    rival = max(others, key=lambda other: others[other].mean)
    claim = _compare(text, task, samples[name], others[rival])
    return Claim(text, task, claim.verdict, f"{name} and, best of the others, {rival}: {claim.numbers}")


def cell(values: Sequence[float], task: str) -> str:
    """``91.2 +- 0.4 % (10)`` or ``3.4e-04 +- 1e-05 (10)``."""
    sample = Sample.of(values)
    if not sample.n:
        return "-"
    if task == LABELS:
        spread = "" if math.isnan(sample.std) else f" ± {100 * sample.std:.1f}"
        return f"{100 * sample.mean:.1f}{spread} % ({sample.n})"
    spread = "" if math.isnan(sample.std) else f" ± {sample.std:.0e}"
    return f"{sample.mean:.1e}{spread} ({sample.n})"


def number(value: float, task: str) -> str:
    """A number of the paper."""
    return f"{100 * value:.1f} %" if task == LABELS else f"{value:.1e}"


def _task_section(scores: Scores, paper: Mapping[Pair, float], paper_scalars: Mapping[str, float]) -> Section:
    task, settings, results = scores.task, scores.settings, scores.results
    name = METRICS[task]

    def values(**fields: Any) -> list[float]:
        runs = results.select(lambda run: run.task == task and all(getattr(run, k) == v for k, v in fields.items()))
        return [run.metrics[name] for run in runs]

    ours = {(p, q): values(input_basis=p, output_basis=q) for p, q in scores.pairs}
    means = {pair: Sample.of(column).mean for pair, column in ours.items() if column}
    rows = tuple(
        (p, *(f"{cell(ours[p, q], task)} [{number(paper[p, q], task)}]" for q in settings.outputs))
        for p in settings.inputs
    )
    scalars = tuple(
        (a, f"{cell(values(activation=a), task)}", number(paper_scalars[a], task)) for a in settings.scalars
    )
    parts: list[Any] = [
        "Rows are input bases p, columns output bases q: mean ± standard deviation (seeds) [the paper's number].",
        Table(("p \\ q", *settings.outputs), rows),
    ]
    if scalars:
        parts.append(Table(("scalar activation", "ours", "paper"), scalars))
    parts.append(rank_text(means, paper, task))
    if means:
        parts.append(
            Picture(
                f"{task}-tables",
                f"{name} of every pair, ours and the paper's",
                partial(tables_figure, task, means, dict(paper), settings.inputs, settings.outputs),
            )
        )
        parts.append(
            Picture(
                f"{task}-curves",
                "training loss: mean over seeds of its logarithm, the band from the least to the greatest",
                partial(curves_figure, _curve_groups(scores)),
            )
        )
    return Section(TITLES[task], tuple(parts))


def rank_text(ours: Mapping[Pair, float], paper: Mapping[Pair, float], task: str) -> str:
    """Spearman's rank correlation of our means with the paper's table."""
    pairs = [pair for pair in ours if pair in paper]
    if len(pairs) < 3:
        return "Rank correlation with the paper's table: not tested, less than three pairs."
    result: Any = spearmanr([ours[pair] for pair in pairs], [paper[pair] for pair in pairs])
    return (
        f"Spearman's rank correlation of our means with the paper's table over {len(pairs)} pairs: "
        f"{result.statistic:+.2f} (p = {result.pvalue:.2g})."
    )


def _curve_groups(scores: Scores) -> dict[str, Any]:
    shown = [("rect", "rect"), ("fourier", "pwq")]
    best = max(
        (pair for pair in scores.pairs if scores.pairs[pair]),
        key=lambda pair: Sample.of(scores.pairs[pair].values()).mean,
        default=None,
    )
    if best is not None and best not in shown:
        shown.append(best)
    groups: dict[str, Any] = {}
    for scalar in scores.settings.scalars:
        groups[scalar] = scores.results.select(lambda run, a=scalar: (run.task, run.activation) == (scores.task, a))
    for p, q in shown:
        groups[f"{p} / {q}"] = scores.results.select(
            lambda run, p=p, q=q: (run.task, run.input_basis, run.output_basis) == (scores.task, p, q)
        )
    return {name: runs for name, runs in groups.items() if runs}
