"""The report of AReLU's transfer from MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.image_figures import epochs_figure, losses_figure
from torch_bridge.experiments.image_report import PAPER_ADDED, chosen_section, claims_section, mean_cell, percent
from torch_bridge.experiments.statistics import NOT_TESTED, Claim, Difference
from torch_bridge.nn.registry import COMPARED

STAGES = {
    "direct": (False, "accuracy", "trained on the target alone"),
    "pretrained": (True, "accuracy 0", "trained on MNIST alone"),
    "tuned": (True, "accuracy", "trained on both"),
}
"""Stage -> whether with the first training, metric, what it is."""
SVHN, EPOCHS, SOURCE_EPOCHS = "svhn", 100, 20


def transfer_report(
    settings: Any, results: Results, runs: Sequence[Any], published: Mapping[str, Mapping[str, float]]
) -> Report:
    """Accuracy on the target in the three stages, beside the paper's where the target is SVHN.

    Args:
        settings, results, runs: of the experiment.
        published: stage -> activation -> accuracy in percent.
    """
    cells = {(run.activation, run.pretrained): results.select(lambda r, run=run: r == run) for run in runs}
    cells = {key: of for key, of in cells.items() if of}
    names = list(dict.fromkeys(activation for activation, _ in cells))
    limits = (settings.steps, settings.train_limit, settings.test_limit)
    enough = settings.epochs >= EPOCHS and settings.source_epochs >= SOURCE_EPOCHS
    whole = limits == (None, None, None) and enough

    def cell(activation: str, stage: str) -> str:
        pretrained, metric, _ = STAGES[stage]
        number = published[stage].get(activation) if settings.target == SVHN and whole else None
        return mean_cell(percent(cells.get((activation, pretrained), ()), metric), number)

    rows = tuple(
        (
            a,
            *(cell(a, stage) for stage in STAGES),
            mean_cell(percent(cells.get((a, True), ()), "source accuracy"), None),
        )
        for a in names
    )
    head = ("activation", *(text for _, _, text in STAGES.values()), "on MNIST")
    groups = {
        text: {a: cells[a, pretrained] for a in names if (a, pretrained) in cells}
        for pretrained, text in ((False, "target alone"), (True, "after MNIST"))
    }
    groups = {text: lines for text, lines in groups.items() if lines}
    numbers = f"In brackets the paper's, on SVHN. {PAPER_ADDED}"
    return Report(
        "arelu-transfer: AReLU tables 2, 8",
        (
            claims_section(
                "Claims of AReLU section 3.3",
                [
                    _best("direct", "without pretraining AReLU is the most accurate", settings, cells, whole),
                    _best(
                        "tuned", "with pretraining and fine-tuning AReLU is the most accurate", settings, cells, whole
                    ),
                ],
                f"Target: {settings.target}. The paper's is SVHN.",
            ),
            Section("Table 8", (f"Test accuracy on the target in %, last epochs. {numbers}", Table(head, rows))),
            Section(
                "Curves",
                (
                    Picture(
                        "epochs", "test accuracy on the target over epochs", partial(epochs_figure, groups, "accuracy")
                    ),
                    Picture("losses", "training loss", partial(losses_figure, groups)),
                ),
            ),
            chosen_section(
                "batches of 128, momentum .9: as in the authors' program",
                "training on the target alone has the rate and epochs of the fine-tuning; the paper does not say",
                "the optimiser starts anew on the target; alpha and beta are carried over with all weights",
                "Fashion-MNIST stands in where SVHN is not there: its labels are unrelated to those of MNIST, so that "
                "accuracy without fine-tuning is that of chance",
            ),
        ),
    )


def _best(
    stage: str, text: str, settings: Any, cells: Mapping[tuple[str, bool], Sequence[RunResult]], whole: bool
) -> Claim:
    pretrained, metric, _ = STAGES[stage]
    where = settings.target
    others = [(a, flag) for a, flag in cells if flag == pretrained and a in COMPARED and a != "arelu"]
    if ("arelu", pretrained) not in cells or not others:
        return Claim(text, where, NOT_TESTED, "not trained")
    if not whole:
        return Claim(text, where, NOT_TESTED, f"a smoke test alone, or less than {SOURCE_EPOCHS} and {EPOCHS} epochs")
    best = max(others, key=lambda key: percent(cells[key], metric).mean)
    difference = Difference(percent(cells["arelu", pretrained], metric), percent(cells[best], metric))
    numbers = f"{difference.a.mean:.2f} against {difference.b.mean:.2f} % ({best[0]}); {difference.text}"
    return Claim(text, where, difference.verdict, numbers)
