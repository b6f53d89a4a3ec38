"""Training of MNIST-Conv: the loop of the experiments against a bare one, activations against ReLU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from torch_bridge.experiments.image_runs import Data, ImageJob, ImageRun
from torch_bridge.networks import MNISTConv

from .entries import Entry, WrongResult

IMAGES, BATCH, STEPS = 12_800, 128, 20
RATE, MOMENTUM = 1e-2, 0.9


def images(channels: int = 1, side: int = 28) -> Data:
    """Bytes of the shape of MNIST, or another: what they show does not matter for the time."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (IMAGES, channels, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (IMAGES,), generator=generator)
    return Data(pictures, labels, pictures[:BATCH], labels[:BATCH], None, 10)


def ours(activation: str, data: Data, dataset: str = "mnist", network: str = "mnist-conv", **own: bool) -> ImageJob:
    """What the experiments train."""
    run = ImageRun(
        dataset, network, activation, learning_rate=RATE, momentum=MOMENTUM, batch_size=BATCH, epochs=9, **own
    )
    return ImageJob(run, (0,), torch.device("cpu"), data)


def direct(data: Data) -> Callable[[], float]:
    """A step of the same network with ReLU on a tensor in memory, as a user would write it."""
    torch.manual_seed(0)
    network = MNISTConv("relu")
    optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
    x, y = data.train.float() / 255, data.train_targets
    generator = torch.Generator().manual_seed(0)
    batches = iter(())

    def step() -> float:
        nonlocal batches
        rows = next(batches, None)
        if rows is None:
            batches = iter(torch.randperm(len(x), generator=generator).split(BATCH))
            rows = next(batches)
        loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def reading() -> Iterator[Entry]:
    """Batches alone, cropped and reflected on CIFAR-10, against the training steps that take them."""
    group = "batches alone / training with ReLU, images a second"
    jobs = {
        "MNIST, MNIST-Conv": ours("relu", images()),
        "CIFAR-10, VGG-11": ours("relu", images(3, 32), "cifar10", "vgg11", augment=True),
    }
    for name, job in jobs.items():
        yield Entry(group, name, BATCH, job.each[0].batch, job.step)


def repeated(step: Callable[[], object]) -> Callable[[], None]:
    """So many steps as one call."""

    def call() -> None:
        for _ in range(STEPS):
            step()

    return call


def training() -> Iterator[Entry]:
    """The loop against a bare one, then AReLU, TMAF and IAT-ReLU against ReLU in the same loop."""
    data = images()

    def check() -> None:
        job, step = ours("relu", data), direct(data)
        for k in range(5):
            a, b = job.step().item(), step()
            if abs(a - b) > 1e-4:
                raise WrongResult(f"step {k}: loss {a} in place of {b}")

    group = "MNIST-Conv, the experiments' loop / a bare one, images a second"
    yield Entry(group, "relu", STEPS * BATCH, repeated(ours("relu", data).step), repeated(direct(data)), check)
    for name in ("arelu", "tmaf", "iat-relu"):
        yield Entry(
            "MNIST-Conv, activation / ReLU in the experiments' loop, images a second",
            name,
            STEPS * BATCH,
            repeated(ours(name, data).step),
            repeated(ours("relu", data).step),
        )
