"""ShuffleNet, version 2, for 32 x 32 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm, conv_norm_act, pooled_linear

STEM = 24
STAGES = ((116, 3), (232, 7), (464, 3))
"""Channels of each stage and its units after the first, for width 1 (Ma et al. 2018, table 5)."""
LAST = 1024


class Unit(nn.Module):
    """Two branches side by side, then their channels interleaved (Ma et al. 2018, figure 3 c and d).

    With stride 1 each branch takes half of the channels and one leaves them as they are; with stride 2 both take all.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, make: Make) -> None:
        super().__init__()
        self.split = stride == 1
        inner, half = (inputs // 2 if self.split else inputs), outputs // 2
        self.residual = nn.Sequential(
            *conv_norm_act(inner, inner, 1, make, bias=True),
            *conv_norm(inner, inner, 3, bias=True, stride=stride, groups=inner),
            *conv_norm_act(inner, half, 1, make, bias=True),
        )
        self.shortcut: nn.Module = nn.Identity()
        if not self.split:
            self.shortcut = nn.Sequential(
                *conv_norm(inner, inner, 3, bias=True, stride=stride, groups=inner),
                *conv_norm_act(inner, half, 1, make, bias=True),
            )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1) if self.split else (x, x)
        both = torch.stack((self.shortcut(left), self.residual(right)), dim=2)
        return both.flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """ShuffleNet-v2 of width 1 as github.com/weiaicunzai/pytorch-cifar100: a stem of stride 1 without activation.

    1,360,896 parameters for 100 classes, convolutions with biases; that source lists 1.3M.

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
        self.stem = nn.Sequential(*conv_norm(channels, STEM, 3, bias=True))
        self.stages = nn.Sequential()
        inputs = STEM
        for width, count in STAGES:
            units = [Unit(inputs, width, 2, make), *(Unit(width, width, 1, make) for _ in range(count))]
            self.stages.append(nn.Sequential(*units))
            inputs = width
        self.last = nn.Sequential(*conv_norm_act(inputs, LAST, 1, make, bias=True))
        self.head = pooled_linear(LAST, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.stages(self.stem(x))))
