"""TMAF figure 9: ResNet-34 on CIFAR-100."""

from __future__ import annotations

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_report import About
from torch_bridge.experiments.image_study import SMALL_SMOKE, ImageSettings, study
from torch_bridge.experiments.tmaf_cifar10 import EPOCHS, QUICK, SETTINGS, SHORT
from torch_bridge.experiments.tmaf_report import CHOSEN, classification_report

CLAIMS = (("TMAF outperforms ReLU", "tmaf", "relu"),)
NETWORK = {"networks": ("resnet34",)}


def report(settings: ImageSettings, results: Results) -> Report:
    """Accuracies and the curves of figure 9."""
    chosen = (
        f"{EPOCHS} epochs, images normalised and not augmented: the paper does not say",
        "smoke and quick take CIFAR-10 in place of CIFAR-100",
        *CHOSEN,
    )
    title, about = f"TMAF figure 9, on {settings.dataset}", About(EPOCHS, "cifar100", "resnet34")
    return classification_report("tmaf-cifar100", title, settings, results, {}, CLAIMS, about, chosen)


EXPERIMENT = study(
    "tmaf-cifar100",
    "ReLU, Para-ReLU, TMAF and ours in ResNet-34",
    "TMAF figure 9",
    "cifar100 (smoke, quick: cifar10)",
    {
        "smoke": Preset(ImageSettings(**{**SHORT, **SMALL_SMOKE, **NETWORK, "activations": ("relu", "tmaf")}), seeds=1),
        "quick": Preset(ImageSettings(**{**QUICK, **NETWORK}), seeds=1),
        "paper": Preset(ImageSettings(**{**SETTINGS, **NETWORK, "dataset": "cifar100"}), seeds=3),
    },
    report,
)
