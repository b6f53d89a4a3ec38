"""Attention-based rectified linear units."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..ops.steps.op import two_slopes
from .base import Activation, check_placement

LOWEST, HIGHEST = 0.01, 0.99
SATURATED = 1e-3


class _InwardClamp(torch.autograd.Function):
    """C(alpha) with a gradient outside of its interval too, as long as a descent step leads back."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(alpha)
        return alpha.clamp(LOWEST, HIGHEST)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (alpha,) = ctx.saved_tensors
        outward = ((alpha > HIGHEST) & (g < 0)) | ((alpha < LOWEST) & (g > 0))
        return g.masked_fill(outward, 0.0)


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
            complex or bool tensors.
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
        self.keep_alive = bool(keep_alive)
        self.alpha = nn.Parameter(torch.tensor([float(alpha)], **placement))
        self.beta = nn.Parameter(torch.tensor([float(beta)], **placement))

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Both slopes, for negative and for other numbers, as tensors that gradients flow through."""
        low = _InwardClamp.apply(self.alpha) if self.keep_alive else self.alpha.clamp(LOWEST, HIGHEST)
        high = torch.sigmoid(self.beta)
        return low, high + self.residual if self.residual else high

    def forward(self, x: Tensor) -> Tensor:
        return two_slopes(x, *self.slopes(), "right")

    def _dead(self, kind: str, parameter: Tensor) -> Tensor:
        if kind == "alpha" and not self.keep_alive:
            return (parameter < LOWEST) | (parameter > HIGHEST)
        return super()._dead(kind, parameter)

    def _saturated(self, kind: str, parameter: Tensor) -> Tensor:
        if kind == "beta":
            return torch.sigmoid(parameter) * torch.sigmoid(-parameter) < SATURATED
        return (parameter < LOWEST) | (parameter > HIGHEST)

    def extra_repr(self) -> str:
        alive = ", keep_alive=True" if self.keep_alive else ""
        return f"alpha={self.alpha.item():.4g}, beta={self.beta.item():.4g}{alive}"


class ELSA(AReLU):
    """The attention map alone, ``C(alpha) x`` for x < 0 and ``sigmoid(beta) x`` for x >= 0, AReLU 2.2.

    ``AReLU(x) = relu(x) + ELSA(x)``. Arguments as for :class:`AReLU`.
    """

    residual = 0.0
