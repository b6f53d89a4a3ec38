"""Attention-based rectified linear units."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..ops.steps.op import arelu
from ..ops.steps.reference import HIGHEST, LOWEST, attention_slopes
from .base import Activation, check_placement

SATURATED = 1e-3


class AReLU(Activation):
    """``C(alpha) x`` for x < 0 and ``(1 + sigmoid(beta)) x`` for x >= 0, AReLU 2.3; C clamps to [.01, .99].

    Two parameters for a layer. The paper's C has no gradient outside of its interval (AReLU 2.4): an alpha that an
    optimizer's step has moved past .99 or below .01 never changes again, save by weight decay.

    Args:
        alpha, beta: what the parameters start as: .9 and 2 in the paper on MNIST, .75 and 1 on CIFAR.
        keep_alive: False is the paper's clamp. True lets the gradient pass outside of the interval where a descent
            step leads back to it, and stops it where a step would lead further away; u is the same.
        device, dtype: of the parameters.

    Shape:
        any to the same.

    Raises:
        ValueError: alpha or beta is not finite. TypeError: a dtype that is no floating one; in the forward pass,
            tensors that are not of real floating-point numbers.
    """

    residual = 1.0

    def __init__(
        self,
        alpha: float = 0.9,
        beta: float = 2.0,
        keep_alive: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("beta", beta)):
            if not math.isfinite(value):
                raise ValueError(f"{name} must be finite, got {value!r}")
        placement = check_placement(device, dtype)
        if not isinstance(keep_alive, bool):
            raise TypeError(f"keep_alive must be a bool, got {keep_alive!r}")
        self.keep_alive = keep_alive
        self.alpha = nn.Parameter(torch.tensor([float(alpha)], **placement))
        self.beta = nn.Parameter(torch.tensor([float(beta)], **placement))

    def forward(self, x: Tensor) -> Tensor:
        return arelu(x, self.alpha, self.beta, self.residual, self.keep_alive)

    def slopes(self) -> Tensor:
        """``(C(alpha), 1 + sigmoid(beta))``: the slopes below 0 and from 0 on, shape (2,)."""
        return attention_slopes(self.alpha, self.beta, self.residual, self.keep_alive)

    def _dead(self, kind: str, parameter: Tensor) -> Tensor:
        if kind == "alpha" and not self.keep_alive:
            return ~((parameter >= LOWEST) & (parameter <= HIGHEST))
        return super()._dead(kind, parameter)

    def _saturated(self, kind: str, parameter: Tensor) -> Tensor:
        if kind == "beta":
            return torch.sigmoid(parameter) * torch.sigmoid(-parameter) < SATURATED
        return (parameter < LOWEST) | (parameter > HIGHEST)

    def extra_repr(self) -> str:
        if self.alpha.is_meta:
            return "meta"
        alive = ", keep_alive=True" if self.keep_alive else ""
        return f"alpha={self.alpha.item():.4g}, beta={self.beta.item():.4g}{alive}"


class ELSA(AReLU):
    """The attention map alone, ``C(alpha) x`` for x < 0 and ``sigmoid(beta) x`` for x >= 0, AReLU 2.2.

    ``AReLU(x) = relu(x) + ELSA(x)``. Arguments, shape, and what it raises, as for :class:`AReLU`.
    """

    residual = 0.0
