"""AReLU table 4 and figure 4: six networks on CIFAR-100 with ReLU and AReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_bridge.experiments.arelu_cifar_report import cifar_report, relu_claims
from torch_bridge.experiments.documents import Report, Section
from torch_bridge.experiments.engine import Preset, Results, RunResult
from torch_bridge.experiments.image_activations import ADDED
from torch_bridge.experiments.image_pictures import attention_figure
from torch_bridge.experiments.image_report import (
    About,
    by_run,
    grid,
    mean_cell,
    name,
    percent,
    pictures_section,
    untested,
)
from torch_bridge.experiments.image_runs import ImageRun
from torch_bridge.experiments.image_study import SMALL_SMOKE, ImageSettings, study

EPOCHS = 200
WHOLE = About(EPOCHS, "cifar100")
NETWORKS: tuple[str, ...] = ("vgg11-full", "vgg13-full", "se-resnet18", "resnet18", "shufflenet-v2", "squeezenet")
MEANS = {
    "relu": dict(zip(NETWORKS, (68.03, 71.92, 76.80, 76.35, 68.56, 69.96), strict=True)),
    "arelu": dict(zip(NETWORKS, (68.04, 71.93, 76.94, 76.40, 69.63, 70.19), strict=True)),
}
"""Table 4: mean top-1 test accuracy of five runs on CIFAR-100."""
TOP_FIVE: dict[str, dict[str, float]] = {
    "relu": dict(zip(NETWORKS, (87.49, 90.05, 93.16, 93.18, 90.92, 91.29), strict=True)),
    "arelu": dict(zip(NETWORKS, (88.27, 90.86, 93.66, 93.39, 91.37, 91.41), strict=True)),
}
"""The same for the five most probable labels."""
VIEWED = "resnet18"
"""The network of figure 4."""
GRAD_CAM = "test images, and Grad-CAM of what the first activation gives, for the true class, first seed"
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
    """Table 4 and Grad-CAM as in figure 4; the paper's numbers only where the data are its own."""
    found = by_run(settings, results)
    numbers = {a: {n: (float("nan"), v) for n, v in row.items()} for a, row in MEANS.items()}

    def top_five(run: ImageRun, of: Sequence[RunResult]) -> str:
        given = TOP_FIVE.get(run.activation, {}).get(run.network)
        return mean_cell(percent(of, "top-5 accuracy"), given if untested(run, WHOLE) is None else None)

    networks = {run.network for run in found}
    viewed = VIEWED if VIEWED in networks else next(iter(sorted(networks)), None)
    return cifar_report(
        "arelu-cifar100",
        f"AReLU table 4, figure 4, on {settings.dataset}",
        settings,
        results,
        numbers,
        relu_claims(found, WHOLE),
        WHOLE,
        ("smoke and quick take CIFAR-10 in place of CIFAR-100", "the test images of Grad-CAM: the first ones"),
        [
            Section("Mean of last epochs, top 5", (grid(found, name, lambda run: run.network, top_five),)),
            *pictures_section(
                "Grad-CAM",
                "grad-cam",
                GRAD_CAM,
                attention_figure,
                {run: of for run, of in found.items() if run.network == viewed},
            ),
        ],
    )


STAND_IN: dict[str, Any] = {**PUBLISHED, "dataset": "cifar10", "activations": ("relu", "arelu")}
EXPERIMENT = study(
    "arelu-cifar100",
    "ReLU and AReLU in six networks",
    "AReLU table 4, figure 4",
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
