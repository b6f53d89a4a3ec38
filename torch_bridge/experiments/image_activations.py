"""Activations that networks on images are compared with, by name."""

from __future__ import annotations

from torch import nn

import torch_bridge as tb
from torch_bridge.networks import NETWORKS, mlp, network
from torch_bridge.networks.activations import Make, named
from torch_bridge.nn.registry import ACTIVATIONS, COMPARED

GATED = "iat-arelu"
OWN = ("slaf", "maxout")
"""Of the comparison's degenerate rows what their own papers define."""
ADDED = ("tmaf", "iat-relu", GATED)
"""Rows of our own: TMAF on ten intervals, the exact IAT-ReLU, and IAT with AReLU as its gate, both along channels."""
ALL = (*COMPARED, *OWN, *ADDED)
KNOWN = tuple(dict.fromkeys((*ALL, *(name for name in ACTIVATIONS if name != "iat"))))
ATTENTIVE = ("arelu", "elsa", GATED)
"""Those that start from alpha and beta."""
MLP = "mlp-10-10"
"""The network of TMAF section 3.3 for MNIST: two hidden layers of 10."""
NETWORK_NAMES = (MLP, *NETWORKS)
WIDENED = ("mnist-conv",)
"""Networks whose convolutions can be given the pieces of maxout."""


def maker(name: str, alpha: float, beta: float) -> Make:
    """From the number of channels to a new activation that acts on dimension 1 or on single entries.

    Args:
        name: of :data:`KNOWN`.
        alpha, beta: starts of those in :data:`ATTENTIVE`.
    """
    if name in ("arelu", "elsa"):
        kind = tb.AReLU if name == "arelu" else tb.ELSA
        return lambda channels: kind(alpha, beta)
    if name == GATED:
        return lambda channels: tb.TrainableIAT(channels, channels, gate=tb.AReLU(alpha, beta), trainable=(), dim=1)
    if name == "maxout":
        return lambda channels: tb.activation("maxout", dim=1)
    return named(name)


def build(name: str, activation: str, alpha: float, beta: float, classes: int, channels: int) -> nn.Module:
    """A network with an activation at every place; weights as torch's defaults draw them.

    ``maxout`` takes the largest of two affine maps, so that convolutions before it have twice the channels
    (Goodfellow et al. 2013).

    Raises:
        ValueError: an unknown network, or maxout in one that is not of :data:`WIDENED`.
    """
    make = maker(activation, alpha, beta)
    if name == MLP:
        return mlp([784 * channels, 10, 10, classes], make, "default", flatten=True)
    if activation != "maxout":
        return network(name, make, classes, channels=channels)
    if name not in WIDENED:
        raise ValueError(f"maxout needs one of the networks {', '.join(WIDENED)}, got {name!r}")
    result = network(name, make, classes, channels=channels)
    for block in result.get_submodule("features").children():
        assert isinstance(block, nn.Sequential) and isinstance(block[0], nn.Conv2d)
        block[0] = nn.Conv2d(block[0].in_channels, 2 * block[0].out_channels, block[0].kernel_size)  # type: ignore[arg-type]
    return result
