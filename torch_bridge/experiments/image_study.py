"""Experiments that train networks on images with many activations: settings, and the runs that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results
from torch_bridge.experiments.iat_runs import check_choices
from torch_bridge.experiments.image_activations import ALL, ATTENTIVE, KNOWN, NETWORK_NAMES
from torch_bridge.experiments.image_runs import ImageRun, start


@dataclass(frozen=True)
class ImageSettings:
    """What such experiments depend on, seeds apart.

    Attributes:
        dataset: of :data:`torch_bridge.data.LAYOUTS`.
        networks, activations, optimizers, learning_rates: every combination is a run; for what they may be see
            :class:`torch_bridge.experiments.image_runs.ImageRun`.
        alphas, betas: starts of AReLU, the first alpha with the first beta and so on: a run each.
        momentum, nesterov, weight_decay, milestones, factor, batch_size, epochs, augment, train_limit, test_limit,
            shrink, steps, data: as for a run.
    """

    dataset: str = "mnist"
    networks: tuple[str, ...] = ("mnist-conv",)
    activations: tuple[str, ...] = ALL
    optimizers: tuple[Literal["adam", "sgd"], ...] = ("adam", "sgd")
    learning_rates: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)
    alphas: tuple[float, ...] = (0.9,)
    betas: tuple[float, ...] = (2.0,)
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    batch_size: int = 128
    epochs: int = 20
    augment: bool = False
    train_limit: int | None = None
    test_limit: int | None = None
    shrink: int = 1
    steps: int | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        check_choices("networks", self.networks, NETWORK_NAMES)
        check_choices("activations", self.activations, KNOWN)
        check_choices("optimizers", self.optimizers, ("adam", "sgd"))
        check_choices("learning_rates", self.learning_rates)
        if len(self.alphas) != len(self.betas) or len(set(zip(self.alphas, self.betas, strict=True))) < len(self.betas):
            raise ValueError(
                "alphas and betas must be as many, every pair once, got "
                f"{', '.join(map(str, self.alphas))} and {', '.join(map(str, self.betas))}"
            )
        if not self.alphas:
            raise ValueError("alphas and betas must not be empty")
        runs(self)


def runs(settings: ImageSettings) -> list[ImageRun]:
    """Every combination; activations without alpha and beta once."""
    shared = {f.name: getattr(settings, f.name) for f in fields(ImageRun) if hasattr(settings, f.name)}
    return [
        ImageRun(
            network=network,
            activation=activation,
            alpha=alpha,
            beta=beta,
            optimizer=optimizer,
            learning_rate=rate,
            **shared,
        )
        for network in settings.networks
        for optimizer in settings.optimizers
        for rate in settings.learning_rates
        for activation in settings.activations
        for i, (alpha, beta) in enumerate(zip(settings.alphas, settings.betas, strict=True))
        if i == 0 or activation in ATTENTIVE
    ]


def study(
    name: str,
    title: str,
    reproduces: str,
    data: str,
    presets: Mapping[str, Preset],
    report: Callable[[ImageSettings, Results], Report],
) -> Experiment:
    """What the command runs."""

    def planned(settings: ImageSettings) -> Sequence[ImageRun]:
        return runs(settings)

    return Experiment(name, title, reproduces, data, presets, ImageRun, planned, start, report, shares_batches=True)


SMOKE: dict[str, Any] = {"train_limit": 24, "test_limit": 24, "batch_size": 8, "epochs": 2, "steps": 4}
"""Settings of the smallest preset: some steps on some images."""
SMALL_SMOKE: dict[str, Any] = {**SMOKE, "train_limit": 8, "test_limit": 8, "batch_size": 4}
"""The same for networks with millions of weights."""
