"""The transform on CPU tensors: compiled code of :class:`iatcore.IAT` behind autograd functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import iatcore

from ..team import join_torch_team

join_torch_team()


def iat(z: Tensor, core: iatcore.IAT) -> Tensor:
    """``u`` for z (..., d_in), float32 or float64 on the CPU; differentiable once."""
    if torch.is_grad_enabled() and z.requires_grad:
        return _Transform.apply(z, core)
    return _tensor(core.forward(_rows(z))[0], z, core.out_size)


def iat_decoupled(z: Tensor, core: iatcore.IAT, pattern_from: Tensor) -> Tensor:
    """``S(D) z``, D the pattern of ``pattern_from``, a constant: linear in z, differentiable to any order."""
    pattern = core.pattern(_array(pattern_from))
    return _Linear.apply(z, core, pattern, False)


def _array(tensor: Tensor) -> np.ndarray:
    """The same memory as a numpy array."""
    tensor = tensor.detach()
    return (tensor.resolve_neg() if tensor.is_neg() else tensor).numpy()


def _rows(tensor: Tensor) -> np.ndarray:
    """Contiguous rows (n, d); a copy only if the tensor is not contiguous."""
    if tensor.ndim != 2:
        tensor = tensor.reshape(-1, tensor.shape[-1])
    return _array(tensor if tensor.is_contiguous() else tensor.contiguous())


def _tensor(rows: np.ndarray, like: Tensor, size: int) -> Tensor:
    """Rows (n, size) as a tensor with the leading shape of another."""
    tensor = torch.from_numpy(rows)
    return tensor if like.ndim == 2 else tensor.view(*like.shape[:-1], size)


class _Transform(torch.autograd.Function):
    """``u(z)``; keeps what the compiled code can reuse of its crossings."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, core: iatcore.IAT) -> Tensor:
        u, ctx.crossings = core.forward(_rows(z), save=True)
        ctx.save_for_backward(z)
        ctx.core = core
        return _tensor(u, z, core.out_size)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _Gradient.apply(z, g, ctx.core, ctx.crossings), None
        return _gradient(z, g, ctx.core, ctx.crossings), None


def _gradient(z: Tensor, g: Tensor, core: iatcore.IAT, crossings: Any) -> Tensor:
    return _tensor(core.backward(_rows(z), _rows(g), crossings), z, core.in_size)


class _Gradient(torch.autograd.Function):
    """``J(z)^T g``; a function of its own so that differentiating it raises an error that says what to do."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, g: Tensor, core: iatcore.IAT, crossings: Any) -> Tensor:
        return _gradient(z, g, core, crossings)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError('this transform is differentiable once; construct it with derivatives="any" for more')


class _Linear(torch.autograd.Function):
    """``S(D) x`` or ``S(D)^T x`` for a constant pattern D: each is the derivative of the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, core: iatcore.IAT, pattern: Any, transpose: bool) -> Tensor:
        ctx.core, ctx.pattern, ctx.transpose = core, pattern, transpose
        apply = core.apply_transpose if transpose else core.apply
        return torch.from_numpy(apply(pattern, _array(x)))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None]:
        return _Linear.apply(g, ctx.core, ctx.pattern, not ctx.transpose), None, None, None
