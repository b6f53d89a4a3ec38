"""AReLU table 3: VGG-11, ResNet-18 and MobileNet on CIFAR-10."""

from __future__ import annotations

from typing import Any

from torch_bridge.experiments.arelu_cifar_report import cifar_report, compared_claims
from torch_bridge.experiments.arelu_published import CIFAR10, NETWORKS
from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_activations import ADDED
from torch_bridge.experiments.image_report import About, by_run
from torch_bridge.experiments.image_study import SMALL_SMOKE, ImageSettings, study
from torch_bridge.nn.registry import COMPARED

EPOCHS = 100
WHOLE = About(EPOCHS, "cifar10")
PUBLISHED: dict[str, Any] = {
    "dataset": "cifar10",
    "networks": NETWORKS,
    "activations": (*COMPARED, "slaf", *ADDED),
    "optimizers": ("sgd",),
    "learning_rates": (0.1,),
    "alphas": (0.75,),
    "betas": (1.0,),
    "nesterov": True,
    "weight_decay": 5e-4,
    "milestones": (50, 75),
    "epochs": EPOCHS,
    "augment": True,
}


def report(settings: ImageSettings, results: Results) -> Report:
    """Table 3."""
    claims = compared_claims(by_run(settings, results), WHOLE)
    return cifar_report("arelu-cifar10", "AReLU table 3", settings, results, CIFAR10, claims, WHOLE)


EXPERIMENT = study(
    "arelu-cifar10",
    "nineteen activations and ours in VGG-11, ResNet-18, MobileNet",
    "AReLU table 3",
    "cifar10",
    {
        "smoke": Preset(
            ImageSettings(
                **{**PUBLISHED, **SMALL_SMOKE, "networks": ("vgg11",), "activations": ("relu", "arelu", "iat-relu")}
            ),
            seeds=1,
        ),
        "quick": Preset(
            ImageSettings(
                **{
                    **PUBLISHED,
                    "activations": ("relu", "arelu", "iat-relu"),
                    "batch_size": 32,
                    "epochs": 1,
                    "train_limit": 512,
                    "test_limit": 128,
                    "steps": 5,
                }
            ),
            seeds=1,
        ),
        "paper": Preset(ImageSettings(**PUBLISHED), seeds=5),
    },
    report,
)
