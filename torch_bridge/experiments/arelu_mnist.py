"""AReLU tables 1, 5, 6, 7 and figures 3, 7, 8: MNIST-Conv on MNIST with nineteen activations, and ours."""

from __future__ import annotations

from collections.abc import Sequence

from torch_bridge.experiments.arelu_published import BEST, BEST_FIRST, MEAN, MEAN_FIRST, RAW, Published
from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Preset, Results, RunResult
from torch_bridge.experiments.image_report import (
    PAPER_ADDED,
    About,
    Found,
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
from torch_bridge.experiments.image_study import SMOKE, ImageSettings, study
from torch_bridge.experiments.statistics import NOT_SUPPORTED, NOT_TESTED, SUPPORTED, Claim
from torch_bridge.nn.registry import COMPARED

EPOCHS = 20
FIRST_EPOCH, WHOLE = (About(epochs, "mnist", "mnist-conv") for epochs in (1, EPOCHS))
FIRST, BEST_EPOCH, LAST = "accuracy 1", "best accuracy", "accuracy"
DEVIATIONS = 2.0
"""Of the authors' raw results, within which ours should be."""


def published(table: Published, run: ImageRun) -> float | None:
    """The paper's number for a run."""
    return table.get(run.activation, {}).get((run.optimizer, run.learning_rate))


def claims(found: Found) -> list[Claim]:
    """What section 3.2 says, for every optimiser and learning rate."""
    result = []
    for own in [run for run in found if run.activation == "arelu"]:
        where = place(own)
        others = [run for run in found if run.activation in COMPARED and place(run) == where]
        for metric, about, text in (
            (FIRST, FIRST_EPOCH, "AReLU converges faster than most others (mean after the first epoch)"),
            (BEST_EPOCH, WHOLE, "AReLU is more accurate than most others (mean of best epochs)"),
            (LAST, WHOLE, "AReLU is more accurate than most others (mean of last epochs)"),
        ):
            result.append(beats_most(text, where, found, own, others, metric, about))
        if own.learning_rate <= 1e-4:
            text = "at small learning rates AReLU trains better than every other"
            result.append(beats_best(f"{text}, first epoch", where, found, own, others, FIRST, FIRST_EPOCH))
            result.append(beats_best(f"{text}, {EPOCHS} epochs", where, found, own, others, LAST, WHOLE))
    return result


def raw_claims(found: Found) -> list[Claim]:
    """Whether best-epoch means with SGD are within two standard deviations of those that come with the program.

    Where none is given, a deviation is not tested, and the difference stands alone.
    """
    result = []
    for run, of in found.items():
        if run.optimizer != "sgd" or run.learning_rate not in RAW.get(run.activation, {}):
            continue
        mean, std = RAW[run.activation][run.learning_rate]
        sample, reason = percent(of, BEST_EPOCH), untested(run, WHOLE)
        text = f"{run.activation}: the authors' {mean:.2f}" + ("" if std is None else f" +- {std:.2f}")
        numbers = f"ours {mean_cell(sample, None)}, difference {sample.mean - mean:+.2f}"
        if std is not None:
            numbers += f", {abs(sample.mean - mean) / std:.1f} standard deviations"
        if reason is not None:
            verdict, numbers = NOT_TESTED, reason
        elif std is None:
            verdict, numbers = NOT_TESTED, f"{numbers}; no deviation is given"
        else:
            verdict = SUPPORTED if abs(sample.mean - mean) <= DEVIATIONS * std else NOT_SUPPORTED
        result.append(Claim(text, place(run), verdict, numbers))
    return result


def report(settings: ImageSettings, results: Results) -> Report:
    """The four tables, last-epoch numbers beside them, claims and curves."""
    found = by_run(settings, results)

    def mean(table: Published, metric: str, about: About) -> Table:
        def cell(run: ImageRun, of: Sequence[RunResult]) -> str:
            return mean_cell(percent(of, metric), published(table, run) if untested(run, about) is None else None)

        return grid(found, name, lambda run: f"{run.optimizer} {run.learning_rate:g}", cell)

    def maximum(table: Published, metric: str, about: About) -> Table:
        def cell(run: ImageRun, of: Sequence[RunResult]) -> str:
            number = published(table, run) if untested(run, about) is None else None
            return f"{greatest(of, metric):.2f}" + ("" if number is None else f" ({number:.2f})")

        return grid(found, name, lambda run: f"{run.optimizer} {run.learning_rate:g}", cell)

    note = f"Test accuracy in %, ours and in brackets the paper's. {PAPER_ADDED}"
    select = "The paper selects the epoch on the test images; the table after these two does not."
    return make_report(
        "arelu-mnist",
        "AReLU tables 1, 5, 6, 7, figures 3, 7, 8",
        claims_section("Claims of AReLU section 3.2", claims(found)),
        claims_section("The authors' raw results, best epochs with SGD", raw_claims(found)),
        claims_section("Rows that the paper does not have, last epochs", own_claims(found, LAST, 1)),
        Section("Table 1: mean after the first epoch", (note, mean(MEAN_FIRST, FIRST, FIRST_EPOCH))),
        Section("Table 5: best run after the first epoch", (maximum(BEST_FIRST, FIRST, FIRST_EPOCH),)),
        Section("Table 6: best run, best epoch", (select, maximum(BEST, BEST_EPOCH, WHOLE))),
        Section("Table 7: mean of best epochs", (mean(MEAN, BEST_EPOCH, WHOLE),)),
        Section("Mean of last epochs", (mean({}, LAST, WHOLE),)),
        curves_section(found),
        chosen_section(
            "momentum .9, batch size, images in [0, 1]: not in the paper, but in the authors' program",
            "slaf-published (affine) and maxout-published (the identity) are what was run; slaf (a cubic) and maxout "
            "(the larger of two, convolutions of twice the channels) are what their own papers define",
            "tmaf on the ten intervals of TMAF 3.1; iat-relu and iat-arelu: fourier and pwq, along channels",
            "seeds; the paper gives none",
        ),
    )


EXPERIMENT = study(
    "arelu-mnist",
    "nineteen activations and ours in MNIST-Conv",
    "AReLU tables 1, 5, 6, 7, figures 3, 7, 8",
    "mnist",
    {
        "smoke": Preset(
            ImageSettings(
                activations=("relu", "rrelu", "arelu", "maxout", "tmaf", "iat-arelu"),
                optimizers=("sgd",),
                learning_rates=(1e-2,),
                **SMOKE,
            ),
            seeds=2,
        ),
        "quick": Preset(
            ImageSettings(
                activations=("relu", "pau", "slaf-published", "arelu", "tmaf", "iat-relu"),
                optimizers=("sgd",),
                learning_rates=(1e-2, 1e-4),
                epochs=1,
            ),
            seeds=1,
        ),
        "paper": Preset(ImageSettings(), seeds=5),
    },
    report,
)
