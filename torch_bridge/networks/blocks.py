"""Pieces that several convolutional networks are made of."""

from __future__ import annotations

from typing import Any

from torch import nn

from .activations import Make


def conv_norm(inputs: int, outputs: int, kernel: int, *, bias: bool = False, **settings: Any) -> list[nn.Module]:
    """A convolution that keeps the size at stride 1, and BatchNorm; settings are those of ``nn.Conv2d``."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias, **settings)
    return [convolution, nn.BatchNorm2d(outputs)]


def conv_norm_act(
    inputs: int, outputs: int, kernel: int, make: Make, *, bias: bool = False, **settings: Any
) -> list[nn.Module]:
    """:func:`conv_norm` and an activation of its own."""
    return [*conv_norm(inputs, outputs, kernel, bias=bias, **settings), make(outputs)]


def pooled_linear(features: int, classes: int) -> nn.Sequential:
    """The mean over all pixels, then a linear layer: ``(n, features, h, w)`` to ``(n, classes)``."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))
