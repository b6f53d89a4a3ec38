"""Scalar activations with their derivatives: tanh, GELU, softplus, sigmoid, sine, and whatever a user brings.

Step gates, which are not smooth, are in :mod:`iatcore.gates`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]
ORDERS = ("function", "derivative", "second")
FAR = 40.0  # the normal density is 0 in float64 beyond this


@dataclass(frozen=True)
class Smooth:
    """A scalar function ``sigma``, applied to each entry of an array, with what is known of its derivatives.

    Args:
        function: sigma, from float64 arrays of any shape to arrays of the same shape.
        derivative: sigma', likewise; None if it is not known.
        second: sigma'', likewise.
        name: what ``repr`` shows.

    Raises:
        TypeError: ``function`` is not callable, or a derivative is neither callable nor None.
    """

    function: Function
    derivative: Function | None = None
    second: Function | None = None
    name: str = ""

    def __post_init__(self) -> None:
        for field, expected in zip(ORDERS, ("callable", "callable or None", "callable or None"), strict=True):
            value = getattr(self, field)
            if not (callable(value) or (value is None and field != "function")):
                raise TypeError(f"{field} must be {expected}, got {value!r}")

    def __call__(self, t: ArrayLike) -> Floats:
        """``sigma(t)`` in float64; raises as :meth:`evaluate`."""
        return self.evaluate(t)

    def evaluate(self, t: ArrayLike, order: int = 0) -> Floats:
        """The derivative of the given order, 0, 1 or 2, at each entry of t, in float64.

        Raises:
            ValueError: that derivative is not known, or the function changes the shape of its argument.
        """
        if order not in (0, 1, 2):
            raise ValueError(f"order must be 0, 1 or 2, got {order!r}")
        field = ORDERS[order]
        function: Function | None = getattr(self, field)
        if function is None:
            raise ValueError(f"the activation must have its {field} here: Smooth(..., {field}=...), got {self!r}")
        x = np.asarray(t, dtype=np.float64)
        values = np.asarray(function(x), dtype=np.float64)
        if values.shape != x.shape:
            raise ValueError(f"{field} of {self!r} must keep the shape {x.shape}, got {values.shape}")
        return values

    def __repr__(self) -> str:
        return self.name or f"Smooth({self.function!r}, {self.derivative!r}, {self.second!r})"


def _sech_squared(t: Floats) -> Floats:
    small = np.exp(-2.0 * np.minimum(np.abs(t), 10.0 * FAR))
    return 4.0 * small / (1.0 + small) ** 2


def _tanh_second(t: Floats) -> Floats:
    return -2.0 * np.tanh(t) * _sech_squared(t)


def _sigmoid_first(t: Floats) -> Floats:
    return special.expit(t) * special.expit(-t)


def _sigmoid_second(t: Floats) -> Floats:
    return -np.tanh(t / 2.0) * _sigmoid_first(t)


def _softplus(t: Floats) -> Floats:
    return np.maximum(t, 0.0) + np.log1p(np.exp(-np.abs(t)))


def _density(t: Floats) -> Floats:
    return np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)


def _gelu(t: Floats) -> Floats:
    return np.maximum(t, -FAR) * special.ndtr(t)


def _gelu_first(t: Floats) -> Floats:
    x = np.clip(t, -FAR, FAR)
    return special.ndtr(x) + x * _density(x)


def _gelu_second(t: Floats) -> Floats:
    x = np.clip(t, -FAR, FAR)
    return (2.0 - x * x) * _density(x)


def _minus_sine(t: Floats) -> Floats:
    return -np.sin(t)


tanh = Smooth(np.tanh, _sech_squared, _tanh_second, "tanh")
"""``tanh(t)``."""
sigmoid = Smooth(special.expit, _sigmoid_first, _sigmoid_second, "sigmoid")
"""``1/(1 + exp(-t))``."""
softplus = Smooth(_softplus, special.expit, _sigmoid_first, "softplus")
"""``log(1 + exp(t))``."""
gelu = Smooth(_gelu, _gelu_first, _gelu_second, "gelu")
"""``t Phi(t)`` with Phi the normal distribution function, not its approximation by tanh."""
sine = Smooth(np.sin, np.cos, _minus_sine, "sine")
"""``sin(t)``."""
