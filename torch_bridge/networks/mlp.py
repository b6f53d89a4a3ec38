"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import nn


def mlp(
    widths: Sequence[int], activation: Callable[[int], nn.Module], init: Literal["he", "default"] = "he"
) -> nn.Sequential:
    """Linear layers with activations between them, IAT (1).

    Args:
        widths: ``(d_0, ..., d_L)``, L >= 1: layer l maps d_{l-1} to d_l.
        activation: called with each inner width, gives the module that follows that linear layer.
        init: ``"he"`` draws weights from N(0, 2 / fan_in), in the last layer from N(0, 1 / fan_in), and sets
            biases to 0: activations scaled as ReLU is (``scale="he"``) then keep the variance from layer to
            layer. ``"default"`` leaves torch's own initialisation.

    Raises:
        ValueError: fewer than two widths, unknown init.
    """
    if len(widths) < 2:
        raise ValueError(f"widths must have at least two entries, got {tuple(widths)}")
    if init not in ("he", "default"):
        raise ValueError(f"init must be 'he' or 'default', got {init!r}")
    layers: list[nn.Module] = []
    for i in range(1, len(widths)):
        last = i == len(widths) - 1
        linear = nn.Linear(widths[i - 1], widths[i])
        if init == "he":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="linear" if last else "relu")
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if not last:
            layers.append(activation(widths[i]))
    return nn.Sequential(*layers)
