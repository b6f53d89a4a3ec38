"""The transform on CPU tensors: compiled code of :class:`iatcore.IAT` behind autograd functions.

``u(z)`` is differentiable twice: the gradient ``J^T g`` is a function of z and g, whose own derivatives are sums over
the crossings (``hessian_vjp``) and ``J v``. The decoupled form gives its first derivatives, and through the reference
implementation its second ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import iatcore

from ..team import join_torch_team

join_torch_team()

Decoupled = Callable[[Tensor, Tensor], Tensor]
"""The decoupled form as a function of z and of the coefficients that the pattern is taken from."""


def iat(z: Tensor, core: iatcore.IAT) -> Tensor:
    """``u`` for z (..., d_in), float32 or float64 on the CPU; differentiable twice."""
    if torch.is_grad_enabled() and z.requires_grad:
        return _Transform.apply(z, core)
    return _tensor(core.forward(_rows(z))[0], z, core.out_size)


def iat_decoupled(z: Tensor, core: iatcore.IAT, pattern_from: Tensor, again: Decoupled) -> Tensor:
    """``S(D) z``, D the pattern of ``pattern_from``; ``again`` computes the same differentiably to any order."""
    if pattern_from.requires_grad and torch.is_grad_enabled():
        return _Decoupled.apply(z, pattern_from, core, again)
    # the pattern is a constant, so u is linear in z: differentiable to any order
    return _Linear.apply(z, core, core.pattern(_array(pattern_from)), False)


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
    """``J(z)^T g`` as a function of both."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, g: Tensor, core: iatcore.IAT, crossings: Any) -> Tensor:
        ctx.save_for_backward(z, g)
        ctx.core = core
        return _gradient(z, g, core, crossings)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        z, g = ctx.saved_tensors
        return *_Second.apply(z, g, v, ctx.core, ctx.needs_input_grad[:2]), None, None


class _Second(torch.autograd.Function):
    """``sum_i g_i H_i(z) v`` and ``J(z) v``; a function of its own so that differentiating it says what to do."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, g: Tensor, v: Tensor, core: iatcore.IAT, wanted: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        rows, directions = _rows(z), _rows(v)
        second = core.second_rows(rows, _rows(g), directions).astype(rows.dtype, copy=False) if wanted[0] else None
        tangent = core.jvp(rows, directions) if wanted[1] else None
        return (
            None if second is None else _tensor(second, z, core.in_size),
            None if tangent is None else _tensor(tangent, z, core.out_size),
        )

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError('this transform is differentiable twice; construct it with derivatives="any" for more')


class _Decoupled(torch.autograd.Function):
    """``S(D(x)) z`` with gradients to z and, by the motion of the crossings, to x."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, x: Tensor, core: iatcore.IAT, again: Decoupled) -> Tensor:
        ctx.save_for_backward(z, x)
        ctx.core, ctx.again = core, again
        ctx.pattern = core.pattern(_array(x))
        return torch.from_numpy(core.apply(ctx.pattern, _array(z)))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        z, x = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            inputs = [t for t, want in zip((z, x), wanted, strict=True) if want]
            found = iter(torch.autograd.grad(ctx.again(z, x), inputs, g, create_graph=True))
            return next(found) if wanted[0] else None, next(found) if wanted[1] else None, None, None
        linear = torch.from_numpy(ctx.core.apply_transpose(ctx.pattern, _array(g))) if wanted[0] else None
        motion = None
        if wanted[1]:
            rows = ctx.core.motion_rows(_rows(x), _rows(z), _rows(g)).astype(_array(x).dtype, copy=False)
            motion = _tensor(rows, x, ctx.core.in_size)
        return linear, motion, None, None


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
