"""VGG for 32 x 32 images."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm_act

WIDTHS = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
}
"""Convolutions of each stage by depth: configurations A and B of Simonyan, Zisserman 2014, table 1."""


class VGG(nn.Module):
    """VGG with BatchNorm: five stages of 3x3 convolutions, a max-pooling after each, and linear layers.

    Args:
        depth: 11 or 13.
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``.
        classes: number of classes.
        channels: of the images.
        head: ``"linear"``: one linear layer, as github.com/kuangliu/pytorch-cifar; for ten classes 9,231,114
            parameters (VGG-11) and 9,416,010 (VGG-13). ``"full"``: two hidden layers of 4096 with dropout, as
            github.com/weiaicunzai/pytorch-cifar100; for 100 classes 28,518,244 and 28,703,140.

    Shape:
        ``(n, channels, 32, 32)`` to ``(n, classes)``.

    Raises:
        TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`; an unknown depth or head.
    """

    def __init__(
        self,
        depth: int,
        activation: str | Make,
        classes: int = 10,
        channels: int = 3,
        head: Literal["linear", "full"] = "linear",
    ) -> None:
        super().__init__()
        if depth not in WIDTHS:
            raise ValueError(f"depth must be one of {tuple(WIDTHS)}, got {depth!r}")
        if head not in ("linear", "full"):
            raise ValueError(f"head must be 'linear' or 'full', got {head!r}")
        make = maker(activation)
        layers: list[nn.Module] = []
        for stage in WIDTHS[depth]:
            for width in stage:
                layers += conv_norm_act(channels, width, 3, make, bias=True)
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        hidden = () if head == "linear" else (4096, 4096)
        classifier: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            classifier += [nn.Linear(channels, width), make(width), nn.Dropout()]
            channels = width
        self.classifier = nn.Sequential(*classifier, nn.Linear(channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
