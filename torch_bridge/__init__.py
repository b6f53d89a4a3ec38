"""Matrix activations for torch: IAT, TMAF, AReLU and what they are compared with, as modules."""

from .nn import (
    ACTIVATIONS,
    APL,
    ELSA,
    IAT,
    PAU,
    SLAF,
    TMAF,
    Activation,
    AReLU,
    Comb,
    IATReLU,
    Maxout,
    RescaledTMAF,
    activation,
    diagnostics,
)

__all__ = [
    "ACTIVATIONS",
    "APL",
    "ELSA",
    "IAT",
    "PAU",
    "SLAF",
    "TMAF",
    "AReLU",
    "Activation",
    "Comb",
    "IATReLU",
    "Maxout",
    "RescaledTMAF",
    "activation",
    "diagnostics",
]
