"""Tables and claims of experiments on images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.image_activations import ATTENTIVE
from torch_bridge.experiments.image_figures import epochs_figure, losses_figure, paths_figure, steps_figure
from torch_bridge.experiments.image_runs import ImageRun
from torch_bridge.experiments.image_study import ImageSettings, runs
from torch_bridge.experiments.statistics import (
    NOT_SUPPORTED,
    NOT_TESTED,
    SUPPORTED,
    Claim,
    Difference,
    Sample,
    metric_by_seed,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Found = Mapping[ImageRun, Sequence[RunResult]]
Groups = Mapping[str, Sequence[RunResult]]

CLOSE = 1.0
"""Percentage points within which accuracies count as close; chosen."""
PAPER_ADDED = "Rows without numbers of the paper are not in it."


def by_run(settings: ImageSettings, results: Results) -> dict[ImageRun, list[RunResult]]:
    """The results of every run of the settings that has some."""
    found = {run: results.select(lambda r, run=run: r == run) for run in runs(settings)}
    return {run: of for run, of in found.items() if of}


def percent(found: Iterable[RunResult], metric: str) -> Sample:
    """Of a metric in [0, 1] over seeds, in percent."""
    return Sample.of(100 * value for value in metric_by_seed(found, metric).values())


def greatest(found: Iterable[RunResult], metric: str) -> float:
    """Over seeds, in percent; nan if there are none."""
    return max((100 * value for value in metric_by_seed(found, metric).values()), default=math.nan)


def mean_cell(sample: Sample, published: float | None) -> str:
    """``97.25 +- 0.10 (97.30)``: ours, and the paper's number in brackets."""
    spread = "" if math.isnan(sample.std) else f" +- {sample.std:.2f}"
    ours = f"{sample.mean:.2f}{spread}" if sample.n else "-"
    return ours if published is None else f"{ours} ({published:.2f})"


def grid(
    found: Found,
    rows: Callable[[ImageRun], str],
    columns: Callable[[ImageRun], str],
    cell: Callable[[ImageRun, Sequence[RunResult]], str],
    corner: str = "activation",
) -> Table:
    """Runs by two of their properties; where those leave several runs in a cell, columns say the rest."""
    places = {run: (rows(run), columns(run)) for run in found}
    if len(set(places.values())) < len(found):
        places = {run: (row, f"{column}, {place(run)}") for run, (row, column) in places.items()}
    names, heads = (list(dict.fromkeys(axis)) for axis in zip(*places.values(), strict=True)) if found else ([], [])
    cells = {places[run]: cell(run, of) for run, of in found.items()}
    return Table((corner, *heads), tuple((n, *(cells.get((n, h), "-") for h in heads)) for n in names))


class About(NamedTuple):
    """What a statement or a number is about.

    Attributes:
        epochs: that a training has at least.
        dataset, network: of a training; None for any.
    """

    epochs: int
    dataset: str | None = None
    network: str | None = None


def untested(run: ImageRun, about: About) -> str | None:
    """Why a run says nothing about a statement."""
    for name in ("dataset", "network"):
        ours, theirs = getattr(run, name), getattr(about, name)
        if theirs not in (None, ours):
            return f"{ours} in place of {theirs}"
    if run.limited:
        parts = [f"{run.steps} steps"] if run.steps is not None else []
        parts += [f"{run.train_limit} images"] if run.train_limit is not None else []
        parts += [f"every {run.shrink}th pixel"] if run.shrink > 1 else []
        return f"a smoke test alone: {', '.join(parts) or f'{run.test_limit} test images'}"
    return f"trained for {run.epochs} of {about.epochs} epochs" if run.epochs < about.epochs else None


def beats(text: str, where: str, found: Found, a: ImageRun | None, b: ImageRun | None, metric: str, about: About):
    """A claim: run ``a`` has a larger mean than ``b``, in percentage points.

    Args:
        text, where: of the claim.
        found: results by run.
        a, b: None, or not in ``found``: not trained.
        metric: that is compared.
        about: what the statement is about.
    """
    if a is None or b is None or a not in found or b not in found:
        return Claim(text, where, NOT_TESTED, "not trained")
    reason = untested(a, about)
    if reason is not None:
        return Claim(text, where, NOT_TESTED, reason)
    difference = Difference(percent(found[a], metric), percent(found[b], metric))
    numbers = f"{difference.a.mean:.2f} against {difference.b.mean:.2f} % ({b.activation}); {difference.text}"
    return Claim(text, where, difference.verdict, numbers)


def similar(text: str, where: str, found: Found, a: ImageRun | None, b: ImageRun | None, metric: str, about: About):
    """A claim: the means of two runs are within :data:`CLOSE` percentage points."""
    claim = beats(text, where, found, a, b, metric, about)
    if claim.verdict == NOT_TESTED or a is None or b is None:
        return claim
    difference = Difference(percent(found[a], metric), percent(found[b], metric))
    verdict = SUPPORTED if abs(difference.mean) <= CLOSE else NOT_SUPPORTED
    return Claim(text, where, verdict, f"{claim.numbers}; similar is within {CLOSE:g}")


def beats_best(text: str, where: str, found: Found, a: ImageRun, others: Sequence[ImageRun], metric: str, about: About):
    """A claim: ``a`` has a larger mean than the best of the others that were trained."""
    trained = [run for run in others if run in found and run != a]
    best = max(trained, key=lambda run: percent(found[run], metric).mean, default=None)
    return beats(text, where, found, a, best, metric, about)


def beats_most(text: str, where: str, found: Found, a: ImageRun, others: Sequence[ImageRun], metric: str, about: About):
    """A claim: ``a`` has a larger mean than more than half of the others; each by its standard error."""
    trained = [run for run in others if run in found and run != a]
    if a not in found or not trained:
        return Claim(text, where, NOT_TESTED, "not trained")
    reason = untested(a, about)
    own = percent(found[a], metric)
    verdicts = [Difference(own, percent(found[run], metric)).verdict for run in trained]
    if reason is None and NOT_TESTED in verdicts:
        reason = "too few runs to tell a difference from the spread"
    if reason is not None:
        return Claim(text, where, NOT_TESTED, reason)
    wins = verdicts.count(SUPPORTED)
    verdict = SUPPORTED if 2 * wins > len(trained) else NOT_SUPPORTED
    return Claim(text, where, verdict, f"{own.mean:.2f} % is more than {wins} of {len(trained)} others by two errors")


def claims_section(title: str, claims: Sequence[Claim], *parts: str) -> Section:
    """A table of claims with their verdicts."""
    rows = tuple((claim.text, claim.task, claim.verdict, claim.numbers) for claim in claims)
    return Section(title, (*parts, Table(("claim", "where", "verdict", "numbers"), rows, text=True)))


def own_claims(found: Found, metric: str, epochs: int) -> list[Claim]:
    """Of the rows that the papers do not have: what they are compared with, for every network, optimiser and rate."""
    pairs = (
        ("IAT-ReLU along channels beats ReLU", "iat-relu", "relu"),
        ("an AReLU gate helps IAT-ReLU", "iat-arelu", "iat-relu"),
        ("AReLU gains by acting in function space", "iat-arelu", "arelu"),
        ("TMAF beats ReLU", "tmaf", "relu"),
        ("TMAF beats AReLU", "tmaf", "arelu"),
        ("SLAF of its own paper beats the affine one", "slaf", "slaf-published"),
        ("maxout of its own paper beats the identity", "maxout", "maxout-published"),
    )
    claims, about = [], About(epochs)
    for where, here in by_place(found).items():
        claims += [
            beats(text, where, found, here.get(a), here.get(b), metric, about)
            for text, a, b in pairs
            if a in here and b in here
        ]
    return claims


def by_place(found: Found) -> dict[str, dict[str, ImageRun]]:
    """For every network, optimiser and rate the runs by activation; of several starts of AReLU the last."""
    result: dict[str, dict[str, ImageRun]] = {}
    for run in found:
        result.setdefault(place(run), {})[run.activation] = run
    return result


def place(run: ImageRun) -> str:
    """``mnist-conv, sgd 0.01``."""
    return f"{run.network}, {run.optimizer} {run.learning_rate:g}"


def name(run: ImageRun) -> str:
    """The activation, of AReLU with its start."""
    start = f" ({run.alpha:g}, {run.beta:g})" if run.activation in ATTENTIVE else ""
    return f"{run.activation}{start}"


def curves_section(found: Found) -> Section:
    """Accuracy and loss over the training; paths of alpha and beta; learned steps."""
    groups = {where: {name(r): of for r, of in found.items() if place(r) == where} for where in map(place, found)}
    measure = next((run.measure for run in found), "accuracy")
    parts = [
        Picture("epochs", f"test {measure} over epochs, mean over seeds", partial(epochs_figure, groups, measure)),
        Picture("losses", "training loss, mean over seeds", partial(losses_figure, groups)),
    ]
    attentive = {label(r): of for r, of in found.items() if r.activation in ATTENTIVE}
    stepped = {label(r): of for r, of in found.items() if r.activation == "tmaf"}
    if attentive:
        caption = "alpha (left) and beta (right) of every layer over epochs, first seed"
        parts.append(Picture("paths", caption, partial(paths_figure, attentive)))
    if stepped:
        parts.append(
            Picture("steps", "learned steps of TMAF, a line a layer, first seed", partial(steps_figure, stepped))
        )
    return Section("Curves", tuple(parts))


def pictures_section(
    title: str, picture: str, caption: str, draw: Callable[[Groups], Figure], found: Found
) -> list[Section]:
    """A section with a picture of the runs whose state is still there; none if there is no such run."""
    groups = {label(run): of for run, of in found.items() if of[0].state() is not None}
    return [Section(title, (Picture(picture, caption, partial(draw, groups)),))] if groups else []


def label(run: ImageRun) -> str:
    """``arelu (0.9, 2), mnist-conv, sgd 0.01``."""
    return f"{name(run)}, {place(run)}"


def chosen_section(*lines: str) -> Section:
    """What the paper leaves out."""
    return Section("Chosen, not published", (lines,))


def make_report(experiment: str, title: str, *sections: Section) -> Report:
    """A report whose title begins with the experiment's name."""
    return Report(f"{experiment}: {title}", sections)
