"""AReLU figures 5 and 9: U-Net on brain MRI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_pictures import segmentations_figure
from torch_bridge.experiments.image_report import (
    About,
    beats,
    by_place,
    by_run,
    chosen_section,
    claims_section,
    curves_section,
    label,
    make_report,
    mean_cell,
    name,
    percent,
    pictures_section,
    untested,
)
from torch_bridge.experiments.image_runs import TEST_PATIENTS
from torch_bridge.experiments.image_study import ImageSettings, study
from torch_bridge.experiments.statistics import Claim

EPOCHS = 100
FIRST_EPOCH, WHOLE = (About(epochs, "brain-mri", "unet") for epochs in (1, EPOCHS))
PUBLISHED = {"relu": 90.77, "arelu": 91.14}
"""Section 3.6: DSC in percent."""
SETTINGS: dict[str, Any] = {
    "dataset": "brain-mri",
    "networks": ("unet",),
    "activations": ("relu", "arelu", "tmaf", "iat-relu", "iat-arelu"),
    "optimizers": ("adam",),
    "learning_rates": (1e-4,),
    "alphas": (0.75,),
    "betas": (1.0,),
    "batch_size": 16,
    "epochs": EPOCHS,
    "augment": True,
}
SEGMENTATIONS = (
    "a test slice with the largest tumour: the true outline (white) and the predicted one (red) over the training, "
    "first seed"
)
METRICS = {"Dice 1": "first epoch", "Dice": "last epoch", "best Dice": "best epoch"}
CLAIMS = (
    ("AReLU trains faster than ReLU (Dice after the first epoch)", "arelu", "relu", "Dice 1", FIRST_EPOCH),
    ("AReLU segments better than ReLU (91.14 against 90.77 %)", "arelu", "relu", "Dice", WHOLE),
)
OWN_CLAIMS = (
    ("TMAF segments better than ReLU", "tmaf", "relu", "Dice", WHOLE),
    ("IAT-ReLU along channels segments better than ReLU", "iat-relu", "relu", "Dice", WHOLE),
    ("an AReLU gate helps IAT-ReLU", "iat-arelu", "iat-relu", "Dice", WHOLE),
)


def report(settings: ImageSettings, results: Results) -> Report:
    """Dice coefficients, their curves, claims."""
    found = by_run(settings, results)

    def judged(statements: Sequence[tuple[str, str, str, str, About]]) -> list[Claim]:
        return [
            beats(text, where, found, runs.get(a), runs.get(b), metric, about)
            for where, runs in by_place(found).items()
            for text, a, b, metric, about in statements
        ]

    rows, places = [], by_place(found)
    for run, of in found.items():
        number = PUBLISHED.get(run.activation) if untested(run, WHOLE) is None else None
        cells = (mean_cell(percent(of, m), None if m == "Dice 1" else number) for m in METRICS)
        rows.append((label(run) if len(places) > 1 else name(run), *cells))
    table = Table(("activation", *METRICS.values()), tuple(rows))
    return make_report(
        "arelu-mri",
        "AReLU figures 5, 9",
        claims_section("Claims of AReLU section 3.6", judged(CLAIMS)),
        claims_section("Rows that the paper does not have", judged(OWN_CLAIMS)),
        Section("Dice", ("Mean Dice of the volumes of test patients in %, in brackets the paper's.", table)),
        curves_section(found),
        *pictures_section("Segmentations", "segmentations", SEGMENTATIONS, segmentations_figure, found),
        chosen_section(
            "Adam at 1e-4, batches of 16, 100 epochs, the Dice loss: of the program that the paper follows",
            "slices in [0, 1] as they are, drawn alike, moved by up to 4 pixels and reflected: that program crops and "
            "normalises volumes, draws slices with tumours more often, and scales and turns them",
            f"tested on {TEST_PATIENTS} patients, or on a quarter of those that are there if that is less; all "
            "components count",
            "the paper does not say of which epoch its numbers are",
        ),
    )


EXPERIMENT = study(
    "arelu-mri",
    "ReLU, AReLU and ours in U-Net, by Dice",
    "AReLU figures 5, 9",
    "brain-mri",
    {
        "smoke": Preset(
            ImageSettings(
                **{
                    **SETTINGS,
                    "activations": ("relu", "arelu"),
                    "batch_size": 4,
                    "epochs": 2,
                    "steps": 3,
                    "train_limit": 8,
                    "test_limit": 8,
                    "shrink": 8,
                }
            ),
            seeds=1,
        ),
        "quick": Preset(
            ImageSettings(
                **{**SETTINGS, "activations": ("relu", "arelu", "tmaf"), "epochs": 3, "test_limit": 40, "shrink": 4}
            ),
            seeds=1,
        ),
        "paper": Preset(ImageSettings(**SETTINGS), seeds=3),
    },
    report,
)
