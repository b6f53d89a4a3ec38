"""U-Net for the segmentation of brain MRI."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activations import Make, maker
from .blocks import conv_norm_act

LEVELS = 4


def _twice(inputs: int, outputs: int, make: Make) -> nn.Sequential:
    return nn.Sequential(*conv_norm_act(inputs, outputs, 3, make), *conv_norm_act(outputs, outputs, 3, make))


class UNet(nn.Module):
    """U-Net with BatchNorm as github.com/mateuszbuda/brain-segmentation-pytorch, which AReLU 3.6 follows.

    Four levels of ``features``, 2, 4, 8 times as many and a bottom of 16 times; 7,763,041 parameters with the default
    sizes. The sigmoid of the output stays whatever the activation.

    Args:
        activation: a name of :data:`torch_bridge.ACTIVATIONS` or ``activation(channels) -> nn.Module``.
        classes: maps of the output; 1 is the tumour alone.
        channels: of the images.
        features: channels of the first level.

    Shape:
        ``(n, channels, h, w)`` to ``(n, classes, h, w)``, probabilities; h and w multiples of 16.

    Raises:
        TypeError, ValueError: see :func:`torch_bridge.networks.activations.maker`; in the forward pass, a height or
        width that is no multiple of 16.
    """

    def __init__(self, activation: str | Make, classes: int = 1, channels: int = 3, features: int = 32) -> None:
        super().__init__()
        make = maker(activation)
        widths = [features * 2**level for level in range(LEVELS + 1)]
        self.encoders = nn.ModuleList()
        for width in widths[:-1]:
            self.encoders.append(_twice(channels, width, make))
            channels = width
        self.pool = nn.MaxPool2d(2)
        self.bottom = _twice(channels, widths[-1], make)
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.ups.append(nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.decoders.append(_twice(2 * width, width, make))
        self.head = nn.Sequential(nn.Conv2d(features, classes, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % 2**LEVELS or x.shape[-1] % 2**LEVELS:
            raise ValueError(f"x must have height and width that 16 divides, got shape {tuple(x.shape)}")
        skipped = []
        for encoder in self.encoders:
            x = encoder(x)
            skipped.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, decoder, skip in zip(self.ups, self.decoders, reversed(skipped), strict=True):
            x = decoder(torch.cat((up(x), skip), dim=1))
        return self.head(x)
