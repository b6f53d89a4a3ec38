"""What all activations of this package share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class Activation(nn.Module):
    """An activation that can say how its parameters do; shapes are those of its subclass."""

    def diagnostics(self) -> dict[str, dict[str, int]]:
        """For each kind of parameter how many there are, and how many are ``dead`` or ``saturated``.

        Dead: ``grad`` is exactly 0 (of the last backward pass, unless it was zeroed since), or the formula says that it
        always will be. Saturated: not dead, but where the formula hardly depends on it. Frozen ones are neither.
        """
        result: dict[str, dict[str, int]] = {}
        for name, parameter in self.named_parameters():
            kind = name.split(".")[0]
            counts = result.setdefault(kind, {"total": 0, "dead": 0, "saturated": 0})
            counts["total"] += parameter.numel()
            if parameter.requires_grad:
                dead = self._dead(kind, parameter.detach()).logical_or(_no_gradient(parameter))
                counts["dead"] += int(dead.sum())
                counts["saturated"] += int((self._saturated(kind, parameter.detach()) & ~dead).sum())
        return result

    def _dead(self, kind: str, parameter: Tensor) -> Tensor:
        """Where the gradient is 0 whatever the input."""
        return torch.zeros_like(parameter, dtype=torch.bool)

    def _saturated(self, kind: str, parameter: Tensor) -> Tensor:
        """Where the parameter has hardly any effect."""
        return torch.zeros_like(parameter, dtype=torch.bool)


def _no_gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter, dtype=torch.bool)
    return parameter.grad == 0


def diagnostics(network: nn.Module) -> dict[str, dict[str, dict[str, int]]]:
    """:meth:`Activation.diagnostics` of every activation in a network, summed by kind of activation and parameter.

    PReLU of torch counts as well; activations without parameters do not appear.
    """
    result: dict[str, dict[str, dict[str, int]]] = {}
    for module in network.modules():
        if isinstance(module, Activation):
            found = module.diagnostics()
        elif isinstance(module, nn.PReLU):
            found = {"weight": _counts(module.weight)}
        else:
            continue
        kinds = result.setdefault(type(module).__name__, {})
        for kind, counts in found.items():
            total = kinds.setdefault(kind, dict.fromkeys(counts, 0))
            for key, count in counts.items():
                total[key] += count
    return {name: kinds for name, kinds in result.items() if kinds}


def _counts(parameter: Tensor) -> dict[str, int]:
    dead = _no_gradient(parameter) if parameter.requires_grad else torch.zeros(())
    return {"total": parameter.numel(), "dead": int(dead.sum()), "saturated": 0}


class PReLU(Activation, nn.PReLU):
    """torch's PReLU, with :meth:`Activation.diagnostics`."""


def check_finite(values: Any, name: str) -> None:
    """ValueError unless all of some numbers are finite."""
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"{name} must be finite, got {values!r}")


def check_placement(device: Any, dtype: torch.dtype | None) -> dict[str, Any]:
    """Keyword arguments for new tensors; TypeError for a dtype that is not a floating one."""
    if device is not None:
        torch.device(device)
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating one, got {dtype}")
    return {"device": device, "dtype": dtype}
