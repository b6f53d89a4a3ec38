"""Every network of the experiments by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from .activations import Make
from .mnist_conv import MNISTConv
from .mobilenet import MobileNet
from .resnet import ResNet, SEResNet
from .shufflenet import ShuffleNetV2
from .squeezenet import SqueezeNet
from .unet import UNet
from .vgg import VGG


@dataclass(frozen=True)
class Entry:
    """A network that the registry knows.

    Attributes:
        make: from an activation, and ``classes=`` and ``channels=`` by name, to a module.
        classes: default number of classes, for which ``parameters`` counts.
        parameters: trainable numbers with activations that have none.
        source: the program whose architecture and count these are.
        shape: of one input, as in the experiments.
    """

    make: Callable[..., nn.Module]
    classes: int
    parameters: int
    source: str
    shape: tuple[int, int, int] = (3, 32, 32)


_CIFAR = "github.com/kuangliu/pytorch-cifar"
_CIFAR100 = "github.com/weiaicunzai/pytorch-cifar100"

NETWORKS: dict[str, Entry] = {
    "mnist-conv": Entry(MNISTConv, 10, 12_930, "github.com/densechen/AReLU", (1, 28, 28)),
    "vgg11": Entry(partial(VGG, 11), 10, 9_231_114, _CIFAR),
    "vgg13": Entry(partial(VGG, 13), 10, 9_416_010, _CIFAR),
    "vgg11-full": Entry(partial(VGG, 11, head="full"), 100, 28_518_244, _CIFAR100),
    "vgg13-full": Entry(partial(VGG, 13, head="full"), 100, 28_703_140, _CIFAR100),
    "resnet18": Entry(partial(ResNet, 18), 10, 11_173_962, _CIFAR),
    "resnet34": Entry(partial(ResNet, 34), 100, 21_328_292, _CIFAR100),
    "mobilenet": Entry(MobileNet, 10, 3_217_226, _CIFAR),
    "se-resnet18": Entry(partial(SEResNet, 18), 100, 11_314_012, _CIFAR100),
    "shufflenet-v2": Entry(ShuffleNetV2, 100, 1_360_896, _CIFAR100),
    "squeezenet": Entry(SqueezeNet, 100, 781_156, _CIFAR100),
    "unet": Entry(UNet, 1, 7_763_041, "github.com/mateuszbuda/brain-segmentation-pytorch", (3, 256, 256)),
}
"""The convolutional networks; weights start as torch's defaults draw them, as in all of these programs."""


def network(name: str, activation: str | Make, classes: int | None = None, **settings: Any) -> nn.Module:
    """A new network by its name in :data:`NETWORKS`.

    Args:
        name: of the network.
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``, called once
            for every place.
        classes: number of classes; None is that of the entry.
        settings: other arguments of its class, such as ``channels``.

    Raises:
        ValueError: an unknown name. TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`.
    """
    if name not in NETWORKS:
        raise ValueError(f"name must be one of {', '.join(NETWORKS)}, got {name!r}")
    entry = NETWORKS[name]
    return entry.make(activation, classes=entry.classes if classes is None else classes, **settings)
