"""Which dtypes an operation takes, and which it computes in; whether transforms of torch.func are at work."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_gradtrackingtensor  # pyright: ignore

EXACT = (torch.float32, torch.float64)
"""What the compiled code takes and returns."""


def check_floating(tensor: Tensor, name: str) -> Tensor:
    """The tensor; TypeError unless its dtype is a real floating one."""
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must be a tensor of real floating-point numbers, got {tensor.dtype}")
    return tensor


def computable(tensor: Tensor, name: str) -> Tensor:
    """The tensor in the dtype that is computed with: float32 for half precision, else its own."""
    return tensor.float() if check_floating(tensor, name).dtype.itemsize < 4 else tensor


def is_batched(x: Tensor) -> bool:
    """Whether a tensor stands for many under torch.func.vmap, so that no number can be read from it."""
    while is_gradtrackingtensor(x):
        x = get_unwrapped(x)
    return is_batchedtensor(x)


def is_transformed() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is at work."""
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0
