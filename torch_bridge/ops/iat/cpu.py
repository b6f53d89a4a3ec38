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

TWICE = 'this transform is differentiable twice; construct it with derivatives="any" for more'

Decoupled = Callable[[Tensor, Tensor], Tensor]
"""The decoupled form as a function of z and of the coefficients that the pattern is taken from."""


def iat(z: Tensor, core: iatcore.IAT, dim: int = -1) -> Tensor:
    """``u`` for z of size d_in along ``dim``, float32 or float64 on the CPU; differentiable twice."""
    if torch.is_grad_enabled() and z.requires_grad:
        return _Transform.apply(z, core, dim)
    y = z if dim == -1 else z.movedim(dim, -1)
    return tensor(core.forward(rows(y))[0], y, core.out_size, dim)


def iat_decoupled(z: Tensor, core: iatcore.IAT, pattern_from: Tensor, again: Decoupled) -> Tensor:
    """``S(D) z``, D the pattern of ``pattern_from``; ``again`` computes the same differentiably to any order."""
    if pattern_from.requires_grad and torch.is_grad_enabled():
        return _Decoupled.apply(z, pattern_from, core, again)
    # the pattern is a constant, so u is linear in z: differentiable to any order
    return _Linear.apply(z, pattern_from.detach(), core, None, False)


def array(x: Tensor) -> np.ndarray:
    """The same memory as a numpy array."""
    x = x.detach()
    return (x.resolve_neg() if x.is_neg() else x).numpy()


def rows(x: Tensor) -> np.ndarray:
    """Contiguous rows (n, d); a copy only if the tensor is not contiguous."""
    if x.ndim != 2:
        x = x.reshape(-1, x.shape[-1])
    return array(x if x.is_contiguous() else x.contiguous())


def tensor(found: np.ndarray, like: Tensor, size: int, dim: int = -1) -> Tensor:
    """Rows (n, size) as a tensor with the leading shape of another, the last dimension moved to ``dim``.

    It is no view of another tensor, so that what follows may change it in place.
    """
    if like.ndim != 2:
        found = found.reshape(*like.shape[:-1], size)
    return torch.from_numpy(found if dim == -1 else np.moveaxis(found, -1, dim))


class _Transform(torch.autograd.Function):
    """``u(z)``; keeps what the compiled code can reuse of its crossings."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, core: iatcore.IAT, dim: int) -> Tensor:
        y = z if dim == -1 else z.movedim(dim, -1)
        u, ctx.crossings = core.forward(rows(y), save=True)
        ctx.save_for_backward(z)
        ctx.core, ctx.dim = core, dim
        return tensor(u, y, core.out_size, dim)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (z,) = ctx.saved_tensors
        if ctx.dim != -1:
            z, g = z.movedim(ctx.dim, -1), g.movedim(ctx.dim, -1)
        if torch.is_grad_enabled():
            found = _Gradient.apply(z, g, ctx.core, ctx.crossings)
        else:
            found = gradient(z, g, ctx.core, ctx.crossings)
        return found if ctx.dim == -1 else found.movedim(-1, ctx.dim), None, None


def gradient(z: Tensor, g: Tensor, core: iatcore.IAT, crossings: Any) -> Tensor:
    """``J(z)^T g`` without a tape, from crossings that were kept or None."""
    return tensor(core.backward(rows(z), rows(g), crossings), z, core.in_size)


class _Gradient(torch.autograd.Function):
    """``J(z)^T g`` as a function of both."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, g: Tensor, core: iatcore.IAT, crossings: Any) -> Tensor:
        ctx.save_for_backward(z, g)
        ctx.core = core
        return gradient(z, g, core, crossings)

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
        y, directions = rows(z), rows(v)
        second = core.second_rows(y, rows(g), directions).astype(y.dtype, copy=False) if wanted[0] else None
        tangent = core.jvp(y, directions) if wanted[1] else None
        return (
            None if second is None else tensor(second, z, core.in_size),
            None if tangent is None else tensor(tangent, z, core.out_size),
        )

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(TWICE)


class _Decoupled(torch.autograd.Function):
    """``S(D(x)) z`` with gradients to z and, by the motion of the crossings, to x."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, x: Tensor, core: iatcore.IAT, again: Decoupled) -> Tensor:
        ctx.save_for_backward(z, x)
        ctx.core, ctx.again = core, again
        u, ctx.crossings = core.forward(rows(x), save=True, h=rows(z))
        return tensor(u, z, core.out_size)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        z, x = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            inputs = [t for t, want in zip((z, x), wanted, strict=True) if want]
            found = iter(torch.autograd.grad(ctx.again(z, x), inputs, g, create_graph=True))
            return next(found) if wanted[0] else None, next(found) if wanted[1] else None, None, None
        linear, motion = None, None
        if wanted[0]:
            linear = tensor(ctx.core.matrix_rows(rows(x), rows(g), True, ctx.crossings), z, ctx.core.in_size)
        if wanted[1]:
            moved = ctx.core.motion_rows(rows(x), rows(z), rows(g)).astype(array(x).dtype, copy=False)
            motion = tensor(moved, x, ctx.core.in_size)
        return linear, motion, None, None


class _Linear(torch.autograd.Function):
    """``S(D) h`` or ``S(D)^T h`` for the constant pattern D of x: each is the derivative of the other."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, x: Tensor, core: iatcore.IAT, crossings: Any, transpose: bool) -> Tensor:
        if transpose or crossings is not None:
            found = core.matrix_rows(rows(x), rows(h), transpose, crossings)
        else:
            found, crossings = core.forward(rows(x), save=ctx.needs_input_grad[0], h=rows(h))
        ctx.save_for_backward(x)
        ctx.core, ctx.crossings, ctx.transpose = core, crossings, transpose
        return tensor(found, h, core.in_size if transpose else core.out_size)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None, None]:
        (x,) = ctx.saved_tensors
        return _Linear.apply(g, x, ctx.core, ctx.crossings, not ctx.transpose), None, None, None, None
