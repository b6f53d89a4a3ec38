"""Matrix activations for torch: IAT, TMAF, AReLU and what they are compared with, as modules.

Names, and the subpackages of :data:`SUBPACKAGES`, are imported when they are first used: ``import torch_bridge`` costs
nothing, and the command ``matact`` answers before torch is loaded. A program that runs a saved graph with operators of
matact, and uses nothing else of it, has to ``import torch_bridge.nn``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        LazyIAT,
        LazyIATReLU,
        Maxout,
        ReLUNetwork,
        Replaced,
        RescaledTMAF,
        TrainableIAT,
        activation,
        diagnostics,
        replace_activations,
        to_relu_network,
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
    "LazyIAT",
    "LazyIATReLU",
    "Maxout",
    "ReLUNetwork",
    "Replaced",
    "RescaledTMAF",
    "TrainableIAT",
    "activation",
    "diagnostics",
    "replace_activations",
    "to_relu_network",
]


SUBPACKAGES = ("data", "networks", "nn", "ops", "plot", "train")


def __getattr__(name: str) -> Any:
    if name in SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(".nn", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *SUBPACKAGES})
