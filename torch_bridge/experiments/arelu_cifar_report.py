"""Reports of AReLU's experiments on CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.image_report import (
    PAPER_ADDED,
    About,
    Found,
    beats,
    beats_best,
    beats_most,
    by_run,
    chosen_section,
    claims_section,
    curves_section,
    greatest,
    grid,
    make_report,
    mean_cell,
    name,
    own_claims,
    percent,
    place,
    untested,
)
from torch_bridge.experiments.image_runs import ImageRun
from torch_bridge.experiments.image_study import ImageSettings
from torch_bridge.experiments.statistics import Claim
from torch_bridge.nn.registry import COMPARED

LAST, BEST = "accuracy", "best accuracy"
SMOKE_NOTE = "Some steps on some images: this says that the networks train, and nothing about the paper."
CHOSEN = (
    "images cropped at random places of a frame of 4 zeros, reflected and normalised, as in the programs whose "
    "networks these are; the paper does not say",
    "test accuracy of the last epoch, which the paper does not say; the best epoch stands beside it",
    "maxout of its own paper is left out: it needs networks of twice the channels",
    "tmaf, iat-relu and iat-arelu (fourier, pwq, along channels) are not in the paper",
)

Numbers = Mapping[str, Mapping[str, tuple[float, float]]]
"""activation -> network -> best and mean, in percent."""


def compared_claims(found: Found, about: About) -> list[Claim]:
    """AReLU against the others of table 3, for every network."""
    result = []
    for own in [run for run in found if run.activation == "arelu"]:
        where = place(own)
        others = [run for run in found if run.activation in COMPARED and place(run) == where]
        text = (
            "AReLU performs best with VGG-11" if own.network == "vgg11" else "AReLU is more accurate than most others"
        )
        judge = beats_best if own.network == "vgg11" else beats_most
        result.append(judge(text, where, found, own, others, LAST, about))
        learnable = [run for run in others if run.activation in ("apl", "comb", "prelu", "slaf-published")]
        text = "AReLU outperforms learnable activations with as few parameters"
        result.append(beats_best(text, where, found, own, learnable, LAST, about))
    return result


def relu_claims(found: Found, about: About) -> list[Claim]:
    """AReLU against ReLU alone, for every network."""
    relu = {place(run): run for run in found if run.activation == "relu"}
    return [
        beats("AReLU improves on ReLU", place(run), found, run, relu.get(place(run)), LAST, about)
        for run in found
        if run.activation == "arelu"
    ]


def cifar_report(
    experiment: str,
    title: str,
    settings: ImageSettings,
    results: Results,
    published: Numbers,
    claims: Sequence[Claim],
    about: About,
    chosen: Sequence[str] = (),
    more: Sequence[Section] = (),
) -> Report:
    """Claims, a table of means and one of the best, curves.

    Args:
        experiment, title: of the report.
        settings, results: of the runs.
        published: the paper's numbers.
        claims: judged already.
        about: a training as published.
        chosen: what the paper leaves out, besides :data:`CHOSEN`.
        more: sections that follow the tables.
    """
    found = by_run(settings, results)

    def number(run: ImageRun, column: int) -> float | None:
        given = published.get(run.activation, {}).get(run.network)
        return given[column] if given is not None and untested(run, about) is None else None

    def mean(metric: str, column: int | None) -> Table:
        def cell(run: ImageRun, of: Sequence[RunResult]) -> str:
            return mean_cell(percent(of, metric), None if column is None else number(run, column))

        return grid(found, name, lambda run: run.network, cell)

    def best(run: ImageRun, of: Sequence[RunResult]) -> str:
        given = number(run, 0)
        return f"{greatest(of, LAST):.2f}" + ("" if given is None else f" ({given:.2f})")

    limited = any(run.limited for run in found)
    note = f"Test accuracy in %, in brackets the paper's. {PAPER_ADDED}"
    return make_report(
        experiment,
        title,
        *([Section("A smoke test", (SMOKE_NOTE,))] if limited else []),
        claims_section("Claims of the paper", claims),
        claims_section("Rows that the paper does not have", own_claims(found, LAST, about.epochs)),
        Section("Mean of last epochs", (note, mean(LAST, 1))),
        Section("Best run, last epoch", (grid(found, name, lambda run: run.network, best),)),
        Section("Mean of best epochs", (mean(BEST, None),)),
        *more,
        curves_section(found),
        chosen_section(*chosen, *CHOSEN),
    )
