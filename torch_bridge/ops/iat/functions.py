"""The exact transform for torch.func and forward-mode differentiation: each derivative a function of its own.

``u``, ``J v``, ``J^T g`` and ``sum_i g_i H_i v`` are functions of their tensors with known derivatives up to the second
of u; asking for a third raises. Leading dimensions are a batch anyway, so that vmap only moves its dimension to the
front.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import kernels
from .cpu import TWICE


def in_front(info: Any, dims: tuple[Any, ...], *tensors: Tensor) -> list[Tensor]:
    """Tensors with their mapped dimension first; those without one are repeated."""
    return [
        t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)
        for t, d in zip(tensors, dims, strict=False)
    ]


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor:
    """The sum of those tangents that there are, at least one."""
    if a is None or b is None:
        return a if b is None else b  # type: ignore[return-value]
    return a + b


class _Function(torch.autograd.Function):
    """A function of some tensors and, last, of a transform."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.transform = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        *tensors, transform = args
        u = cls.apply(*in_front(info, in_dims, *tensors), transform)
        return u, (0,) * len(u) if isinstance(u, tuple) else 0


class Forward(_Function):
    """``u(z)``, IAT (4)."""

    @staticmethod
    def forward(z: Tensor, transform: Any) -> Tensor:
        return kernels.forward(z, transform)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return Gradient.apply(*ctx.saved_tensors, g, ctx.transform), None

    @staticmethod
    def jvp(ctx: Any, v: Tensor, _: Any) -> Tensor:
        return Tangent.apply(*ctx.saved_tensors, v, ctx.transform)


class Gradient(_Function):
    """``J(z)^T g``."""

    @staticmethod
    def forward(z: Tensor, g: Tensor, transform: Any) -> Tensor:
        return kernels.vjp(z, g, transform)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor, Tensor, None]:
        z, g = ctx.saved_tensors
        return Second.apply(z, g, v, ctx.transform), Tangent.apply(z, v, ctx.transform), None

    @staticmethod
    def jvp(ctx: Any, v: Tensor | None, h: Tensor | None, _: Any) -> Tensor:
        z, g = ctx.saved_tensors
        return _sum(
            None if v is None else Second.apply(z, g, v, ctx.transform),
            None if h is None else Gradient.apply(z, h, ctx.transform),
        )


class Tangent(_Function):
    """``J(z) v``."""

    @staticmethod
    def forward(z: Tensor, v: Tensor, transform: Any) -> Tensor:
        return kernels.jvp(z, v, transform)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        z, v = ctx.saved_tensors
        return Second.apply(z, g, v, ctx.transform), Gradient.apply(z, g, ctx.transform), None

    @staticmethod
    def jvp(ctx: Any, w: Tensor | None, h: Tensor | None, _: Any) -> Tensor:
        z, v = ctx.saved_tensors
        return _sum(
            None if w is None else SecondTangent.apply(z, v, w, ctx.transform),
            None if h is None else Tangent.apply(z, h, ctx.transform),
        )


class _Last(_Function):
    """A second derivative: its own derivatives are not known here."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)


class Second(_Last):
    """``sum_i g_i H_i(z) v``, IAT (22)."""

    @staticmethod
    def forward(z: Tensor, g: Tensor, v: Tensor, transform: Any) -> Tensor:
        return kernels.second(z, g, v, transform)


class SecondTangent(_Last):
    """``(v^T H_i(z) w)_i``."""

    @staticmethod
    def forward(z: Tensor, v: Tensor, w: Tensor, transform: Any) -> Tensor:
        return kernels.second_jvp(z, v, w, transform)


class Decoupled(_Function):
    """``S(D(x)) z``, IAT (24)-(26), differentiable once."""

    @staticmethod
    def forward(z: Tensor, x: Tensor, transform: Any) -> Tensor:
        return kernels.decoupled(z, x, transform)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        return *DecoupledGradient.apply(*ctx.saved_tensors, g, ctx.transform), None


class DecoupledGradient(_Last):
    """The gradients of ``g^T S(D(x)) z``."""

    @staticmethod
    def forward(z: Tensor, x: Tensor, g: Tensor, transform: Any) -> tuple[Tensor, Tensor]:
        return kernels.decoupled_vjp(z, x, g, transform)
