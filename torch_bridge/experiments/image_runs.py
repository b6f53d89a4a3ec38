"""One network on images: its settings, its data, and how members train side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from torch_bridge.data import LAYOUTS, Batches, CropFlip, DataError, Scans, load
from torch_bridge.experiments.engine import ExperimentError
from torch_bridge.experiments.image_activations import ATTENTIVE, KNOWN, NETWORK_NAMES, build
from torch_bridge.experiments.image_measures import dice, dice_loss
from torch_bridge.nn import AReLU
from torch_bridge.train.shares import mean_of_processes, process_count, process_rank, share

BRAIN = "brain-mri"
NORMALISED = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""Mean and standard deviation of channels: github.com/kuangliu/pytorch-cifar and weiaicunzai/pytorch-cifar100."""
TEST_PATIENTS = 10
"""Of the brain MRI, or a quarter of those that are there if that is less."""
EVALUATED = 500
"""Images in a forward pass of the evaluation."""
SHOWN = {BRAIN: 1, "cifar10": 4, "cifar100": 4}
"""Test images that are kept with the state, for pictures."""
TOP = 5


@dataclass(frozen=True)
class ImageRun:
    """A network on a data set.

    Attributes:
        dataset: of :data:`torch_bridge.data.LAYOUTS`.
        network: of :data:`torch_bridge.networks.NETWORKS`, or ``"mlp-10-10"``.
        activation: of :data:`torch_bridge.experiments.image_activations.KNOWN`.
        alpha, beta: what AReLU, alone or as a gate, starts as.
        optimizer: ``"adam"`` or ``"sgd"``.
        learning_rate: of the first epoch, > 0.
        momentum, nesterov: of SGD, momentum in [0, 1).
        weight_decay: of all parameters, >= 0.
        milestones, factor: at these epochs the rate is multiplied by ``factor``.
        batch_size: >= 1; the last batch of an epoch may be short.
        epochs: >= 1.
        augment: random crops of the images padded by 4, and reflections.
        train_limit, test_limit: so many images, drawn once for all runs; None is all. Limited runs accept a data set
            of which only a part is there.
        shrink: every so manieth pixel of every so manieth row, >= 1.
        steps: in place of all epochs at most so many steps, >= 1; None is all.
        data: folder of the data sets; None takes that of ``MATACT_DATA``.
    """

    dataset: str
    network: str
    activation: str
    alpha: float = 0.9
    beta: float = 2.0
    optimizer: Literal["adam", "sgd"] = "sgd"
    learning_rate: float = 1e-2
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
        known = {"dataset": LAYOUTS, "network": NETWORK_NAMES, "activation": KNOWN, "optimizer": ("adam", "sgd")}
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise ValueError(f"{name} must be one of {', '.join(names)}, got {getattr(self, name)!r}")
        for name in ("batch_size", "epochs", "shrink", "train_limit", "test_limit", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if not (0 <= self.momentum < 1 and 0 <= self.weight_decay < math.inf and math.isfinite(self.factor)):
            raise ValueError(
                "momentum must be in [0, 1), weight_decay at least 0 and finite, factor finite, got "
                f"{self.momentum}, {self.weight_decay}, {self.factor}"
            )
        if not (math.isfinite(self.alpha) and math.isfinite(self.beta)):
            raise ValueError(f"alpha and beta must be finite, got {self.alpha} and {self.beta}")
        if any(epoch < 1 for epoch in self.milestones):
            raise ValueError(f"milestones must be at least 1, got {', '.join(map(str, self.milestones))}")

    @property
    def label(self) -> str:
        """``mnist-conv-relu-sgd-0.01``, ``mnist-conv-arelu-0.9-2-sgd-0.01``."""
        start = f"-{self.alpha:g}-{self.beta:g}" if self.activation in ATTENTIVE else ""
        return f"{self.network}-{self.activation}{start}-{self.optimizer}-{self.learning_rate:g}"

    @property
    def measure(self) -> str:
        """Of the test images: ``"accuracy"``, or ``"Dice"`` where masks are predicted."""
        return "Dice" if self.dataset == BRAIN else "accuracy"

    @property
    def limited(self) -> bool:
        """Whether it is less than a training on all images."""
        return self.steps is not None or self.train_limit is not None or self.test_limit is not None or self.shrink > 1


class Data(NamedTuple):
    """Bytes to train and to test on; ``groups`` are the patients of test slices, shape ``(n,)``, or None."""

    train: Tensor
    train_targets: Tensor
    test: Tensor
    test_targets: Tensor
    groups: Tensor | None
    classes: int


def read(run: ImageRun, channels: int | None = None) -> Data:
    """The data of a run; ``channels`` repeats grey images.

    Raises:
        ExperimentError: they are not there or cannot be used.
    """
    try:
        found = load(run.dataset, run.data, partial=run.train_limit is not None)
    except DataError as error:
        raise ExperimentError(f"data set {run.dataset}: {error}") from None
    groups = None
    if isinstance(found, Scans):
        parts = found.split(max(1, min(TEST_PATIENTS, len(found.patients) // 4)))
        data = Data(parts[0].images, parts[0].masks, parts[1].images, parts[1].masks, parts[1].patient, 1)
        groups = data.groups
    else:
        if channels is not None and found.train.shape[1] != channels:
            found = found.repeated(channels)
        if min(found.train.shape[2:]) > 28 and run.network == "mnist-conv":
            found = found.cropped(28)
        data = Data(found.train, found.train_labels, found.test, found.test_labels, None, len(found.classes))
    train, test = _drawn(len(data.train), run.train_limit), _drawn(len(data.test), run.test_limit)
    return Data(
        _part(data.train, train, run.shrink),
        _part(data.train_targets, train, run.shrink),
        _part(data.test, test, run.shrink),
        _part(data.test_targets, test, run.shrink),
        None if groups is None else _part(groups, test, 1),
        data.classes,
    )


def _drawn(count: int, limit: int | None) -> Tensor | None:
    if limit is None or limit >= count:
        return None
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:limit].sort().values


def _part(values: Tensor, rows: Tensor | None, shrink: int) -> Tensor:
    chosen = values if rows is None else values[rows]
    return chosen[..., ::shrink, ::shrink].contiguous() if shrink > 1 and values.ndim == 4 else chosen


class _Member:
    """A network with its optimiser, its batches and what was measured at the ends of epochs."""

    def __init__(self, run: ImageRun, data: Data, seed: int, device: torch.device) -> None:
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = build(run.network, run.activation, run.alpha, run.beta, data.classes, data.train.shape[1])
        self.network = network.to(device)
        self.shared = DistributedDataParallel(self.network) if process_count() > 1 else self.network
        self.parameters = [w for w in self.network.parameters() if w.requires_grad]
        self.optimizer = _optimizer(run, self.parameters)
        mean, std = normalisation(run)
        self.batches = Batches(
            data.train,
            data.train_targets,
            run.batch_size,
            seed=seed,
            augment=CropFlip() if run.augment else None,
            mean=mean,
            std=std,
            device=device,
        )
        self.random = any(isinstance(m, (nn.RReLU, nn.Dropout)) for m in self.network.modules())
        self.attentive = [m for m in self.network.modules() if isinstance(m, AReLU)]
        self.history: list[dict[str, Any]] = []
        """What was known at the start and at the end of every epoch."""

    def batch(self) -> tuple[Tensor, Tensor]:
        """The next one, of the next epoch where one has ended."""
        return next(iter(self.batches), None) or next(iter(self.batches))

    def note(self, measured: dict[str, Any]) -> None:
        """Append what is known at the end of an epoch."""
        paths = {name: [getattr(m, name).item() for m in self.attentive] for name in ("alpha", "beta")}
        self.history.append({**measured, **paths})


class ImageJob:
    """A :class:`~torch_bridge.train.job.Job` whose members are stepped one after another, each with its own batches.

    Args:
        run: settings.
        seeds: one a member, of its weights and its batches; a member's numbers are those that it has alone.
        device: where it trains. Weights and orders are drawn on the CPU.
        data: of the run; None reads them.

    Raises:
        ExperimentError: see :func:`read`; a network and an activation that do not go together.
    """

    def __init__(self, run: ImageRun, seeds: Sequence[int], device: torch.device, data: Data | None = None) -> None:
        data = read(run) if data is None else data
        self.run, self.device = run, device
        tensors = {name: getattr(data, name).to(device) for name in ("train", "train_targets", "test", "test_targets")}
        self.data = data._replace(**tensors)
        try:
            self.each = [_Member(run, self.data, seed, device) for seed in seeds]
        except ValueError as error:
            raise ExperimentError(str(error)) from None
        self.per_epoch = len(self.each[0].batches)
        self.shown = _shown(run, data)
        self.done = 0
        self.frozen: set[int] = set()

    @property
    def members(self) -> int:
        """E."""
        return len(self.each)

    @property
    def total_steps(self) -> int:
        """Of all epochs, or the limit of the run."""
        whole = self.run.epochs * self.per_epoch
        return whole if self.run.steps is None else min(whole, self.run.steps)

    def step(self) -> Tensor:
        """One step of every member; after the last one of an epoch all are tested.

        In processes that torchrun has started, each takes a share of every batch and gradients are averaged: cross
        entropy and its gradient stay those of the batch, the Dice loss becomes the mean of those of the shares, and
        batch normalisation uses the statistics of a share.
        """
        if self.done == 0:
            self._test()
        rate = self.run.learning_rate * self.run.factor ** sum(
            self.done >= epoch * self.per_epoch for epoch in self.run.milestones
        )
        losses = [
            torch.zeros((), device=self.device) if e in self.frozen else self._step(member, rate)
            for e, member in enumerate(self.each)
        ]
        self.done += 1
        if self.done % self.per_epoch == 0 or self.done == self.total_steps:
            self._test()
        return torch.stack(losses)

    def _step(self, member: _Member, rate: float) -> Tensor:
        member.network.train()
        for group in member.optimizer.param_groups:
            group["lr"] = rate
        x, y = member.batch()
        x, y, weight = share(x, y)
        if member.random:
            devices = [self.device] if self.device.type == "cuda" else []
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed((member.seed * 1_000_003 + self.done + (process_rank() << 40)) % 2**63)
                prediction = member.shared(x)
        else:
            prediction = member.shared(x)
        loss = dice_loss(prediction, y) if self.run.dataset == BRAIN else F.cross_entropy(prediction, y)
        member.optimizer.zero_grad(set_to_none=True)
        (loss * weight if weight != 1 else loss).backward()
        member.optimizer.step()
        return mean_of_processes(loss.detach() * weight)

    def gradients(self) -> Tensor:
        """Gradients of the last step, shape ``(E, parameters of a member)``."""
        return torch.stack(
            [
                torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in member.parameters])
                for member in self.each
            ]
        )

    def freeze(self, members: Sequence[int]) -> None:
        """Take these members out and set their weights to 0."""
        for e in members:
            self.frozen.add(e)
            member = self.each[e]
            member.optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                for tensor in (*member.network.parameters(), *member.network.buffers()):
                    tensor.zero_()

    def evaluate(self) -> dict[str, list[float]]:
        """``accuracy`` (or ``Dice``) after the last epoch, ``best accuracy`` of all, ``accuracy k`` after epoch k.

        Also ``top-5 accuracy`` after the last epoch: whether the label is among the five of greatest probability.
        """
        name, ends = self.run.measure, len(self.each[0].history)
        if not ends:
            return {name: [self._measure(member)["measure"] for member in self.each]}
        curves = [[note["measure"] for note in member.history] for member in self.each]
        found = {
            name: [curve[-1] for curve in curves],
            f"best {name}": [max(curve[1:], default=curve[0]) for curve in curves],
            **{f"{name} {k}": [curve[k] for curve in curves] for k in range(ends)},
        }
        if self.run.dataset != BRAIN:
            found[f"top-{TOP} {name}"] = [member.history[-1]["top"] for member in self.each]
        return found

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, batches, what was measured, and the test images that are shown with their targets."""
        members = [
            {
                "network": member.network.state_dict(),
                "optimizer": member.optimizer.state_dict(),
                "batches": member.batches.state_dict(),
                "gradients": [w.grad for w in member.parameters],
                "history": [dict(note) for note in member.history],
            }
            for member in self.each
        ]
        return {"members": members, "done": self.done, "frozen": sorted(self.frozen), "shown": self.shown}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        for member, saved in zip(self.each, state["members"], strict=True):
            member.network.load_state_dict(saved["network"])
            member.optimizer.load_state_dict(saved["optimizer"])
            member.batches.load_state_dict(saved["batches"])
            member.history = [dict(note) for note in saved["history"]]
            for w, grad in zip(member.parameters, saved["gradients"], strict=True):
                w.grad = None if grad is None else grad.to(self.device)
        self.done, self.frozen = state["done"], set(state["frozen"])

    def _test(self) -> None:
        for e, member in enumerate(self.each):
            member.note({"measure": 0.0, "top": 0.0} if e in self.frozen else self._measure(member))

    def _measure(self, member: _Member) -> dict[str, Any]:
        """``measure``; of labels also ``top``, the accuracy of the first five; of masks ``masks``, those shown."""
        member.network.eval()
        size = 8 if self.run.dataset == BRAIN else EVALUATED
        mean, std = normalisation(self.run)
        batches = Batches(
            self.data.test,
            self.data.test_targets,
            size,
            shuffle=False,
            mean=mean,
            std=std,
        )
        with torch.no_grad():
            if self.run.dataset == BRAIN:
                assert self.data.groups is not None
                masks = torch.cat([(member.network(x) > 0.5).cpu() for x, _ in batches])
                found = dice(masks, self.data.test_targets.cpu() > 0, self.data.groups.cpu())
                return {"measure": found, "masks": masks[self.shown["rows"]].to(torch.uint8)}
            hits = torch.zeros(2, dtype=torch.int64)
            for x, y in batches:
                scores = member.network(x)
                first = scores.topk(min(TOP, self.data.classes)).indices == y[:, None]
                hits += torch.stack([(scores.argmax(1) == y).sum(), first.sum()]).cpu()
        one, five = (hits.double() / len(self.data.test)).tolist()
        return {"measure": one, "top": five}


def normalisation(run: ImageRun) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Mean and standard deviation of the channels that images in [0, 1] are normalised by; None leaves them."""
    return NORMALISED.get(run.dataset, (None, None))


def _shown(run: ImageRun, data: Data) -> dict[str, Any]:
    """Rows, images and targets of the test images that are shown: the first ones, or slices with the largest masks."""
    count = SHOWN.get(run.dataset, 0)
    rows = torch.arange(len(data.test))
    if run.dataset == BRAIN:
        rows = (data.test_targets > 0).flatten(1).sum(1).argsort(descending=True, stable=True)
    rows = rows[:count].cpu()
    images, targets = data.test[rows].cpu(), data.test_targets[rows].cpu()
    return {"rows": rows, "images": images, "targets": targets, "classes": data.classes}


def start(run: ImageRun, seeds: Sequence[int], device: torch.device) -> ImageJob:
    """An untrained job, one member a seed."""
    return ImageJob(run, seeds, device)


def _optimizer(run: ImageRun, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    fused = parameters[0].device.type in ("cpu", "cuda")
    if run.optimizer == "adam":
        return torch.optim.Adam(parameters, run.learning_rate, weight_decay=run.weight_decay, fused=fused)
    return torch.optim.SGD(
        parameters, run.learning_rate, run.momentum, weight_decay=run.weight_decay, nesterov=run.nesterov, fused=fused
    )
