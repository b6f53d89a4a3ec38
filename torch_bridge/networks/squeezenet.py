"""SqueezeNet for 32 x 32 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm_act

STEM = 96
FIRES = ((128, 16), (128, 16), (256, 32), (256, 32), (384, 48), (384, 48), (512, 64), (512, 64))
"""Channels and squeezed channels of fire 2 to 9 (Iandola et al. 2016, table 1)."""
POOLED = (2, 6)
"""Max-pooling follows these, fire 4 and 8, counted from 0."""


class Fire(nn.Module):
    """1x1 convolutions to few channels, then 1x1 and 3x3 side by side; plus the input where the sizes agree."""

    def __init__(self, inputs: int, outputs: int, squeezed: int, make: Make) -> None:
        super().__init__()
        self.bypass = inputs == outputs
        self.squeeze = nn.Sequential(*conv_norm_act(inputs, squeezed, 1, make, bias=True))
        self.expand1 = nn.Sequential(*conv_norm_act(squeezed, outputs // 2, 1, make, bias=True))
        self.expand3 = nn.Sequential(*conv_norm_act(squeezed, outputs // 2, 3, make, bias=True))

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        expanded = torch.cat((self.expand1(squeezed), self.expand3(squeezed)), dim=1)
        return expanded + x if self.bypass else expanded


class SqueezeNet(nn.Module):
    """SqueezeNet with simple bypass and BatchNorm, as github.com/weiaicunzai/pytorch-cifar100.

    781,156 parameters for 100 classes; that source lists 0.78M. As there, and unlike the paper's figure 2, fire 9
    has no bypass.

    Args:
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``.
        classes: number of classes.
        channels: of the images.

    Shape:
        ``(n, channels, h, w)`` to ``(n, classes)``, h and w any, 32 in the experiments.

    Raises:
        TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`.
    """

    def __init__(self, activation: str | Make, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        make = maker(activation)
        self.stem = nn.Sequential(*conv_norm_act(channels, STEM, 3, make, bias=True), nn.MaxPool2d(2))
        self.fires = nn.Sequential()
        inputs = STEM
        for i, (outputs, squeezed) in enumerate(FIRES):
            fire = Fire(inputs, outputs, squeezed, make)
            fire.bypass = fire.bypass and i < len(FIRES) - 1
            self.fires.append(nn.Sequential(fire, nn.MaxPool2d(2)) if i in POOLED else fire)
            inputs = outputs
        self.head = nn.Sequential(nn.Conv2d(inputs, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fires(self.stem(x)))
