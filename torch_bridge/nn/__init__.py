"""Modules: each a thin layer over one operation."""

from .arelu import ELSA, AReLU
from .base import Activation, diagnostics
from .comparison import APL, PAU, SLAF, Comb, Maxout
from .iat import IAT, IATReLU
from .lazy import LazyIAT, LazyIATReLU
from .registry import ACTIVATIONS, activation
from .relu_network import ReLUNetwork, to_relu_network
from .replace import Replaced, replace_activations
from .tmaf import TMAF, RescaledTMAF
from .trainable import TrainableIAT

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
