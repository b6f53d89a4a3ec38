"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from .activations import Make, named


def mlp(
    widths: Sequence[int],
    activation: str | Make,
    init: Literal["he", "default"] = "he",
    *,
    batch_norm: bool = False,
    flatten: bool = False,
) -> nn.Sequential:
    """Linear layers with activations between them, IAT (1).

    The networks of TMAF section 3.1 are ``mlp([n, 20, 1], activation, "default", batch_norm=True)`` for n = 1, 2 and
    ``[n, 20, 20, 1]`` for n = 5, 6; that of its MNIST experiment is ``mlp([784, 10, 10, 10], ..., flatten=True)``.

    Args:
        widths: ``(d_0, ..., d_L)``, L >= 1: layer l maps d_{l-1} to d_l.
        activation: called with each inner width, gives the module that follows that linear layer; or a name of
            :data:`torch_bridge.ACTIVATIONS`.
        init: ``"he"`` draws weights from N(0, 2 / fan_in), in the last layer from N(0, 1 / fan_in), and sets
            biases to 0: activations scaled as ReLU is (``scale="he"``) then keep the variance from layer to
            layer. ``"default"`` leaves torch's own initialisation.
        batch_norm: puts ``nn.BatchNorm1d`` between each inner linear layer and its activation (TMAF 3.1).
        flatten: flattens all dimensions but the first, as for images.

    Raises:
        ValueError: fewer than two widths, unknown init or name.
    """
    if len(widths) < 2:
        raise ValueError(f"widths must have at least two entries, got {tuple(widths)}")
    if init not in ("he", "default"):
        raise ValueError(f"init must be 'he' or 'default', got {init!r}")
    make = named(activation) if isinstance(activation, str) else activation
    layers: list[nn.Module] = [nn.Flatten()] if flatten else []
    for i in range(1, len(widths)):
        last = i == len(widths) - 1
        linear = nn.Linear(widths[i - 1], widths[i])
        if init == "he":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="linear" if last else "relu")
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if not last:
            layers += [nn.BatchNorm1d(widths[i])] if batch_norm else []
            layers.append(make(widths[i]))
    return nn.Sequential(*layers)
