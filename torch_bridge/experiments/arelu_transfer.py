"""AReLU tables 2 and 8: MNIST-Conv trained on one data set, then on another at a small learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from torch_bridge.experiments.arelu_published import DIRECT, PRETRAINED, TUNED
from torch_bridge.experiments.arelu_transfer_report import transfer_report
from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results
from torch_bridge.experiments.iat_runs import check_choices
from torch_bridge.experiments.image_activations import ALL, KNOWN
from torch_bridge.experiments.image_runs import ImageJob, ImageRun, read

SOURCE = "mnist"
PUBLISHED = {"direct": DIRECT, "pretrained": PRETRAINED, "tuned": TUNED}


@dataclass(frozen=True)
class TransferSettings:
    """What the experiment depends on, seeds apart.

    Attributes:
        target: data set of the second training; ``"svhn"`` in the paper.
        activations: as in :class:`torch_bridge.experiments.image_study.ImageSettings`.
        source_epochs, source_rate: of the training on MNIST.
        epochs, learning_rate: of the training on the target.
        batch_size, train_limit, test_limit, data: as for an ImageRun, for both trainings.
        steps: at most so many of each training; None is all.
    """

    target: Literal["svhn", "fashion-mnist"] = "fashion-mnist"
    activations: tuple[str, ...] = ALL
    source_epochs: int = 20
    source_rate: float = 1e-2
    epochs: int = 100
    learning_rate: float = 1e-5
    batch_size: int = 128
    train_limit: int | None = None
    test_limit: int | None = None
    steps: int | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        check_choices("activations", self.activations, KNOWN)
        check_choices("target", (self.target,), ("svhn", "fashion-mnist"))
        for run in runs(self):
            source_run(run)
            target_run(run)


@dataclass(frozen=True)
class TransferRun:
    """One activation, with the first training or without; the other fields are those of :class:`TransferSettings`."""

    activation: str
    pretrained: bool
    target: str
    source_epochs: int
    source_rate: float
    epochs: int
    learning_rate: float
    batch_size: int
    train_limit: int | None
    test_limit: int | None
    steps: int | None
    data: str | None

    @property
    def label(self) -> str:
        """``svhn-relu``, ``mnist-svhn-relu``."""
        return f"{f'{SOURCE}-' if self.pretrained else ''}{self.target}-{self.activation}"


def runs(settings: TransferSettings) -> Sequence[TransferRun]:
    """Every activation without and with the first training."""
    names = {f.name for f in fields(TransferRun)}
    shared = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name in names}
    return [
        TransferRun(activation=activation, pretrained=pretrained, **shared)
        for activation in settings.activations
        for pretrained in (False, True)
    ]


def source_run(run: TransferRun) -> ImageRun:
    """The first training."""
    return _image_run(run, SOURCE, run.source_rate, run.source_epochs)


def target_run(run: TransferRun) -> ImageRun:
    """The second one."""
    return _image_run(run, run.target, run.learning_rate, run.epochs)


def _image_run(run: TransferRun, dataset: str, rate: float, epochs: int) -> ImageRun:
    return ImageRun(
        dataset=dataset,
        network="mnist-conv",
        activation=run.activation,
        learning_rate=rate,
        epochs=epochs,
        batch_size=run.batch_size,
        train_limit=run.train_limit,
        test_limit=run.test_limit,
        steps=run.steps,
        data=run.data,
    )


class TransferJob:
    """Both trainings, or the second alone. A :class:`~torch_bridge.train.job.Job`.

    Raises:
        ExperimentError: a data set is not there.
    """

    def __init__(self, run: TransferRun, seeds: Sequence[int], device: torch.device) -> None:
        self.target = ImageJob(target_run(run), seeds, device)
        channels = self.target.data.train.shape[1]
        first = source_run(run)
        self.source = ImageJob(first, seeds, device, read(first, channels)) if run.pretrained else None
        self.done = 0

    @property
    def members(self) -> int:
        """E."""
        return self.target.members

    @property
    def _source_steps(self) -> int:
        return self.source.total_steps if self.source is not None else 0

    @property
    def total_steps(self) -> int:
        """Of both."""
        return self._source_steps + self.target.total_steps

    @property
    def _current(self) -> ImageJob:
        return self.source if self.source is not None and self.done <= self._source_steps else self.target

    def step(self) -> Tensor:
        """One step of the first training, or then of the second."""
        self.done += 1
        if self.source is not None and self.done == self._source_steps + 1:
            for trained, own in zip(self.source.each, self.target.each, strict=True):
                own.network.load_state_dict(trained.network.state_dict())
        return self._current.step()

    def gradients(self) -> Tensor:
        """Of the one that is trained."""
        return self._current.gradients()

    def freeze(self, members: Sequence[int]) -> None:
        """Take members out of both."""
        for job in (self.source, self.target):
            if job is not None:
                job.freeze(members)

    def evaluate(self) -> dict[str, list[float]]:
        """As of an ImageJob on the target; ``accuracy 0`` is that before it; ``source accuracy`` that on MNIST."""
        found = self.target.evaluate()
        return found if self.source is None else {**found, "source accuracy": self.source.evaluate()["accuracy"]}

    def state_dict(self) -> dict[str, Any]:
        """Of both, and how far it is."""
        source = None if self.source is None else self.source.state_dict()
        return {"source": source, **self.target.state_dict(), "target done": self.target.done, "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        if self.source is not None:
            self.source.load_state_dict(state["source"])
        self.target.load_state_dict({**state, "done": state["target done"]})
        self.done = state["done"]


def start(run: TransferRun, seeds: Sequence[int], device: torch.device) -> TransferJob:
    """An untrained job, one member a seed."""
    return TransferJob(run, seeds, device)


def report(settings: TransferSettings, results: Results) -> Report:
    """Tables 2 and 8, claims and curves."""
    return transfer_report(settings, results, runs(settings), PUBLISHED)


EXPERIMENT = Experiment(
    name="arelu-transfer",
    title="MNIST-Conv from MNIST to SVHN, or to Fashion-MNIST where SVHN is not there",
    reproduces="AReLU tables 2, 8",
    data="mnist, fashion-mnist (paper preset: mnist, svhn)",
    presets={
        "smoke": Preset(
            TransferSettings(
                activations=("relu", "arelu"), train_limit=24, test_limit=24, batch_size=8, source_epochs=1, epochs=2,
                steps=3,
            ),
            seeds=2,
        ),
        "quick": Preset(
            TransferSettings(activations=("relu", "pau", "arelu", "iat-relu"), source_epochs=1, epochs=2), seeds=1
        ),
        "paper": Preset(TransferSettings(target="svhn"), seeds=5),
    },
    run=TransferRun,
    runs=runs,
    start=start,
    report=report,
    shares_batches=True,
)  # fmt: skip
