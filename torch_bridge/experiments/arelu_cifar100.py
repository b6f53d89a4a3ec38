"""AReLU table 4: six networks on CIFAR-100 with ReLU and AReLU."""

from __future__ import annotations

from typing import Any

from torch_bridge.experiments.arelu_cifar_report import cifar_report, relu_claims
from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Preset, Results
from torch_bridge.experiments.image_activations import ADDED
from torch_bridge.experiments.image_report import by_run
from torch_bridge.experiments.image_study import SMALL_SMOKE, ImageSettings, study

EPOCHS = 200
NETWORKS = ("vgg11-full", "vgg13-full", "se-resnet18", "resnet18", "shufflenet-v2", "squeezenet")
MEANS = {
    "relu": dict(zip(NETWORKS, (68.03, 71.92, 76.80, 76.35, 68.56, 69.96), strict=True)),
    "arelu": dict(zip(NETWORKS, (68.04, 71.93, 76.94, 76.40, 69.63, 70.19), strict=True)),
}
"""Table 4: mean top-1 test accuracy of five runs on CIFAR-100."""
PUBLISHED: dict[str, Any] = {
    "dataset": "cifar100",
    "networks": NETWORKS,
    "activations": ("relu", "arelu", *ADDED),
    "optimizers": ("sgd",),
    "learning_rates": (0.1,),
    "alphas": (0.75,),
    "betas": (1.0,),
    "nesterov": True,
    "weight_decay": 5e-4,
    "milestones": (60, 120, 160),
    "factor": 0.2,
    "batch_size": 64,
    "epochs": EPOCHS,
    "augment": True,
}


def report(settings: ImageSettings, results: Results) -> Report:
    """Table 4, top-1; the paper's numbers only where the data are its own."""
    claims = relu_claims(by_run(settings, results), EPOCHS)
    own = settings.dataset == "cifar100"
    numbers = {a: {n: (float("nan"), v) for n, v in row.items()} for a, row in MEANS.items()} if own else {}
    chosen = (
        "top-1 alone; top-5 and the Grad-CAM of figure 4 are not made",
        "smoke and quick take CIFAR-10 in place of CIFAR-100",
    )
    return cifar_report(
        "arelu-cifar100", f"AReLU table 4, on {settings.dataset}", settings, results, numbers, claims, EPOCHS, chosen
    )


STAND_IN: dict[str, Any] = {**PUBLISHED, "dataset": "cifar10", "activations": ("relu", "arelu")}
EXPERIMENT = study(
    "arelu-cifar100",
    "ReLU and AReLU in six networks",
    "AReLU table 4",
    "cifar100 (smoke, quick: cifar10)",
    {
        "smoke": Preset(ImageSettings(**{**STAND_IN, **SMALL_SMOKE, "networks": ("squeezenet",)}), seeds=1),
        "quick": Preset(
            ImageSettings(
                **{**STAND_IN, "batch_size": 32, "epochs": 1, "train_limit": 512, "test_limit": 64, "steps": 5}
            ),
            seeds=1,
        ),
        "paper": Preset(ImageSettings(**PUBLISHED), seeds=5),
    },
    report,
)
