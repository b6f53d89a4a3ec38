"""Every activation of the three papers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from .arelu import ELSA, AReLU
from .base import PReLU
from .comparison import APL, PAU, SLAF, Comb, Maxout
from .iat import IAT, IATReLU
from .tmaf import TMAF, RescaledTMAF


@dataclass(frozen=True)
class Entry:
    """An activation that the registry knows.

    Attributes:
        make: from settings to a module.
        parameters: trainable numbers of a module with default settings, for each layer (AReLU table 1).
        source: where its definition comes from.
    """

    make: Callable[..., nn.Module]
    parameters: int
    source: str


ACTIVATIONS: dict[str, Entry] = {
    "celu": Entry(nn.CELU, 0, "torch"),
    "elu": Entry(nn.ELU, 0, "torch"),
    "gelu": Entry(nn.GELU, 0, "torch"),
    "leaky_relu": Entry(nn.LeakyReLU, 0, "torch"),
    "maxout": Entry(Maxout, 0, "Goodfellow et al. 2013: two pieces; halves the features"),
    "maxout-published": Entry(lambda **settings: Maxout(**{"pool": 1, **settings}), 0, "AReLU's comparison: identity"),
    "relu": Entry(nn.ReLU, 0, "torch"),
    "relu6": Entry(nn.ReLU6, 0, "torch"),
    "rrelu": Entry(nn.RReLU, 0, "torch"),
    "selu": Entry(nn.SELU, 0, "torch"),
    "sigmoid": Entry(nn.Sigmoid, 0, "torch"),
    "softplus": Entry(nn.Softplus, 0, "torch"),
    "swish": Entry(nn.SiLU, 0, "torch"),
    "tanh": Entry(nn.Tanh, 0, "torch"),
    "apl": Entry(APL, 2, "Agostinelli et al. 2014, one hinge for a layer as in AReLU's comparison"),
    "comb": Entry(Comb, 1, "Manessi, Rozza 2018, p x + (1 - p) relu(x) as in AReLU's comparison"),
    "pau": Entry(PAU, 10, "Molina et al. 2020, version A as in AReLU's comparison"),
    "prelu": Entry(PReLU, 1, "torch"),
    "slaf": Entry(SLAF, 4, "Goyal et al. 2019: a cubic"),
    "slaf-published": Entry(
        lambda terms=2, **s: SLAF(**{"terms": terms, "coefficients": (1.0,) * terms, **s}),
        2,
        "AReLU's comparison by the authors' program: affine, 1 + x at first",
    ),
    "arelu": Entry(AReLU, 2, "AReLU 2.3"),
    "elsa": Entry(ELSA, 2, "AReLU 2.2"),
    "tmaf": Entry(TMAF, 10, "TMAF (5)-(6), the ten intervals of section 3.1"),
    "tmaf-uniform": Entry(lambda **s: TMAF(**{"grid": "uniform", **s}), 102, "TMAF (5)-(6), the grid of section 3.2"),
    "tmaf-tridiagonal": Entry(
        lambda **s: TMAF(**{"grid": "uniform", "bands": (-1, 0, 1), **s}), 305, "TMAF (7), the grids of section 3.2"
    ),
    "tmaf-rescaled": Entry(RescaledTMAF, 1, "the remark that ends TMAF section 2"),
    "iat": Entry(IAT, 0, "IAT (4); needs in_features and out_features"),
    "iat-relu": Entry(IATReLU, 0, "IAT (17)-(19); needs in_features and out_features"),
}
"""The nineteen of AReLU table 1, ELSA, TMAF and IAT. Of two whose published comparison ran a degenerate case, the name
alone is what their own papers define, and ``-published`` is what was run."""

COMPARED = (
    "celu", "elu", "gelu", "leaky_relu", "maxout-published", "relu", "relu6", "rrelu", "selu", "sigmoid", "softplus",
    "swish", "tanh", "apl", "comb", "pau", "prelu", "slaf-published", "arelu",
)  # fmt: skip
"""The nineteen rows of AReLU table 1, as run."""


def activation(name: str, **settings: Any) -> nn.Module:
    """A new module of an activation by its name in :data:`ACTIVATIONS`; settings are those of its class.

    Raises:
        ValueError: an unknown name. TypeError: settings that its class does not have.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"name must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name].make(**settings)
