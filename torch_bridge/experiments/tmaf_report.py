"""Reports of TMAF's experiments on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch_bridge.experiments.documents import Report, Section
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.image_report import (
    PAPER_ADDED,
    About,
    beats,
    by_place,
    by_run,
    chosen_section,
    claims_section,
    curves_section,
    grid,
    make_report,
    mean_cell,
    name,
    own_claims,
    percent,
    similar,
    untested,
)
from torch_bridge.experiments.image_runs import ImageRun
from torch_bridge.experiments.image_study import ImageSettings

CHOSEN = (
    "Adam, batches of 500, rate 1e-4 for the first half of the epochs and 1e-5 for the second: as published",
    "accuracy of the last epoch, which the paper does not say; the best epoch stands beside it",
    "arelu, iat-relu and iat-arelu (fourier, pwq, along features or channels) are not in the paper",
)
METRICS = {"accuracy": "last epoch", "best accuracy": "best epoch"}


def classification_report(
    experiment: str,
    title: str,
    settings: ImageSettings,
    results: Results,
    published: Mapping[str, float],
    claims: Sequence[tuple[str, str, str]],
    about: About,
    chosen: Sequence[str],
    alike: Sequence[tuple[str, str, str]] = (),
) -> Report:
    """Claims, accuracies beside the paper's, curves.

    Args:
        experiment, title: of the report.
        settings, results: of the runs.
        published: activation -> accuracy in percent.
        claims: text, activation that is said to be better, than which.
        about: a training by which claims are judged.
        chosen: what the paper leaves out.
        alike: text and two activations that are said to be as good as each other.
    """
    found = by_run(settings, results)
    verdicts = [
        judge(text, where, found, runs.get(a), runs.get(b), "accuracy", about)
        for where, runs in by_place(found).items()
        for judge, group in ((beats, claims), (similar, alike))
        for text, a, b in group
    ]
    tables = []
    for metric, column in METRICS.items():

        def cell(run: ImageRun, of: Sequence[RunResult], metric: str = metric) -> str:
            return mean_cell(
                percent(of, metric), published.get(run.activation) if untested(run, about) is None else None
            )

        tables.append(grid(found, name, lambda run, column=column: f"{run.network}, {column}", cell))
    numbers = ", ".join(f"{activation} {value:g}" for activation, value in published.items())
    note = f"Test accuracy in %, in brackets the paper's ({numbers or 'in a figure alone'}). {PAPER_ADDED}"
    return make_report(
        experiment,
        title,
        claims_section("Claims of TMAF section 3.3", verdicts),
        claims_section("Rows that the paper does not have", own_claims(found, "accuracy", about.epochs)),
        Section("Accuracy", (note, *tables)),
        curves_section(found),
        chosen_section(*chosen),
    )
