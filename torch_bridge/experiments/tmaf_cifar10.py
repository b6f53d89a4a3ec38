"""TMAF table 3 and figure 8: ResNet-18 on CIFAR-10."""

from __future__ import annotations

from typing import Any

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_activations import ADDED
from torch_bridge.experiments.image_report import About
from torch_bridge.experiments.image_study import SMALL_SMOKE, ImageSettings, study
from torch_bridge.experiments.tmaf_report import CHOSEN, classification_report

EPOCHS = 100
PUBLISHED = {"relu": 77.5, "tmaf": 80.2, "prelu": 78.1}
"""Table 3, CIFAR-10: accuracy in percent."""
CLAIMS = (
    ("TMAF classifies better than ReLU", "tmaf", "relu"),
    ("TMAF classifies better than Para-ReLU", "tmaf", "prelu"),
)
SETTINGS: dict[str, Any] = {
    "dataset": "cifar10",
    "networks": ("resnet18",),
    "activations": ("relu", "prelu", "arelu", *ADDED),
    "optimizers": ("adam",),
    "learning_rates": (1e-4,),
    "alphas": (0.75,),
    "betas": (1.0,),
    "batch_size": 500,
    "epochs": EPOCHS,
    "milestones": (EPOCHS // 2,),
}
SHORT = {**SETTINGS, "activations": ("relu", "tmaf", "prelu")}
QUICK = {**SHORT, "batch_size": 32, "epochs": 1, "train_limit": 512, "test_limit": 128, "steps": 5}


def report(settings: ImageSettings, results: Results) -> Report:
    """Accuracies beside table 3, curves of figure 8."""
    chosen = (f"{EPOCHS} epochs, images normalised and not augmented: the paper does not say", *CHOSEN)
    title, about = "TMAF table 3, figure 8", About(EPOCHS, "cifar10", "resnet18")
    return classification_report("tmaf-cifar10", title, settings, results, PUBLISHED, CLAIMS, about, chosen)


EXPERIMENT = study(
    "tmaf-cifar10",
    "ReLU, Para-ReLU, TMAF and ours in ResNet-18",
    "TMAF table 3, figure 8",
    "cifar10",
    {
        "smoke": Preset(ImageSettings(**{**SHORT, **SMALL_SMOKE, "activations": ("relu", "tmaf")}), seeds=1),
        "quick": Preset(ImageSettings(**QUICK), seeds=1),
        "paper": Preset(ImageSettings(**SETTINGS), seeds=3),
    },
    report,
)
