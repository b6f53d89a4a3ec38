"""MobileNet, version 1, for 32 x 32 images."""

from __future__ import annotations

from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm_act, pooled_linear

STEM = 32
LAYERS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of each separable convolution (Howard et al. 2017, table 1)."""


class MobileNet(nn.Module):
    """Depthwise-separable convolutions with BatchNorm and an activation after each half; stem of stride 1.

    3,217,226 parameters for ten classes, as github.com/kuangliu/pytorch-cifar.

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
        self.stem = nn.Sequential(*conv_norm_act(channels, STEM, 3, make))
        self.layers = nn.Sequential()
        inputs = STEM
        for outputs, stride in LAYERS:
            depthwise = conv_norm_act(inputs, inputs, 3, make, stride=stride, groups=inputs)
            self.layers.append(nn.Sequential(*depthwise, *conv_norm_act(inputs, outputs, 1, make)))
            inputs = outputs
        self.head = pooled_linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.stem(x)))
