"""Which dtype an operation computes in, and which it returns; whether transforms of torch.func are at work."""

from __future__ import annotations

import torch
from torch import Tensor

EXACT = (torch.float32, torch.float64)
"""What the compiled code takes and returns."""


def result_dtype(tensor: Tensor, name: str) -> torch.dtype:
    """The dtype of the result: that of the tensor, float64 for integers; TypeError for complex and bool."""
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must be a real tensor, got {tensor.dtype}")
    return tensor.dtype if tensor.is_floating_point() else torch.float64


def computable(tensor: Tensor, name: str) -> Tensor:
    """The tensor in the dtype that is computed with: float32 for half precision, else that of the result."""
    dtype = result_dtype(tensor, name)
    return tensor.to(torch.float32 if dtype.itemsize < 4 else dtype)


def is_transformed() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is at work."""
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0
