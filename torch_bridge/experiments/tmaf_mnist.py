"""TMAF table 3 and figure 7: two hidden layers of ten neurons on MNIST."""

from __future__ import annotations

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_activations import ADDED, MLP
from torch_bridge.experiments.image_report import About
from torch_bridge.experiments.image_study import SMOKE, ImageSettings, study
from torch_bridge.experiments.tmaf_report import CHOSEN, classification_report

EPOCHS = 100
PUBLISHED = {"relu": 91.8, "tmaf": 92.2, "prelu": 91.5}
"""Table 3, MNIST: accuracy in percent."""
CLAIMS = (
    ("TMAF is more accurate than ReLU (92.2 against 91.8 %)", "tmaf", "relu"),
    ("TMAF is more accurate than Para-ReLU (92.2 against 91.5 %)", "tmaf", "prelu"),
)
ALIKE = (("TMAF and ReLU perform similarly", "tmaf", "relu"),)


def report(settings: ImageSettings, results: Results) -> Report:
    """Accuracies beside table 3, curves of figure 7, learned steps."""
    return classification_report(
        "tmaf-mnist",
        "TMAF table 3, figure 7",
        settings,
        results,
        PUBLISHED,
        CLAIMS,
        About(EPOCHS, "mnist", MLP),
        (f"{EPOCHS} epochs; no normalisation of layers, torch's own initial weights", *CHOSEN),
        ALIKE,
    )


def settings(**changes: object) -> ImageSettings:
    """As published, with changes."""
    own: dict[str, object] = {
        "networks": (MLP,),
        "activations": ("relu", "prelu", "arelu", *ADDED),
        "optimizers": ("adam",),
        "learning_rates": (1e-4,),
        "batch_size": 500,
        "epochs": EPOCHS,
        "milestones": (EPOCHS // 2,),
    }
    return ImageSettings(**{**own, **changes})  # type: ignore[arg-type]


EXPERIMENT = study(
    "tmaf-mnist",
    "ReLU, Para-ReLU, TMAF and ours in two hidden layers of ten",
    "TMAF table 3, figure 7",
    "mnist",
    {
        "smoke": Preset(settings(activations=("relu", "tmaf", "iat-relu"), **SMOKE), seeds=2),
        "quick": Preset(settings(activations=("relu", "prelu", "tmaf", "iat-relu")), 2),
        "paper": Preset(settings(), seeds=5),
    },
    report,
)
