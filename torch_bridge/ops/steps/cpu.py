"""Step matrices and two-slope functions on CPU tensors by compiled code, in whatever order memory holds them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iatcore import steps
from iatcore.gates import Side

from ..team import join_torch_team
from . import reference
from .reference import Layout

join_torch_team()

KINDS = {torch.float32: np.float32, torch.float64: np.float64}


def order_of(z: Tensor) -> list[int]:
    """Dimensions from the slowest to the fastest in memory."""
    return sorted(range(z.ndim), key=lambda d: (z.stride(d), z.shape[d] > 1), reverse=True)


def flat(z: Tensor, order: list[int]) -> np.ndarray:
    """The memory of a tensor that is contiguous in an order of dimensions."""
    return z.permute(order).reshape(-1).numpy()


def like(g: Tensor, order: list[int]) -> Tensor:
    """A tensor, or a copy, that is contiguous in an order of dimensions."""
    g = _resolved(g.detach())
    back = sorted(range(g.ndim), key=lambda d: order[d])
    return g.permute(order).contiguous().permute(back)


class Plan:
    """How a tensor is read by the kernels: ``(outer, n, inner)`` in the order of its memory."""

    def __init__(self, z: Tensor, bands: steps.Bands, layout: Layout) -> None:
        self.order = order_of(z)
        shape = [z.shape[d] for d in self.order]
        place = self.order.index(z.ndim + layout.dim) if z.ndim else 0
        n, inner = (shape[place], math.prod(shape[place + 1 :])) if z.ndim else (1, 1)
        self.features: list[int] | None = None
        if not layout.features:
            # without other diagonals, components need not be told apart
            self.view = steps.View(n, inner, 1) if bands.numbers != (0,) else steps.View(1, max(z.numel(), 2), 1)
        elif len(layout.features) == 1:
            self.view = steps.View(n, inner, n)
        else:
            count = len(layout.features)
            self.features = [d - (z.ndim - count) for d in self.order[z.ndim - count :]]
            size = math.prod(layout.features)
            self.view = steps.View(n, inner, size)

    @property
    def serves(self) -> bool:
        """Whether the features are a block of memory that repeats."""
        return self.features is None or min(self.features) >= 0

    def arrange(self, values: Tensor, layout: Layout) -> np.ndarray:
        """Step values in the order of memory."""
        if self.features is None:
            return values.detach().numpy()
        return values.detach().view(*layout.features, -1).permute(*self.features, -1).contiguous().numpy()

    def restore(self, sums: np.ndarray, values: Tensor, layout: Layout) -> Tensor:
        """The inverse of :meth:`arrange`, in the shape and dtype of the step values."""
        found = torch.from_numpy(sums)
        if self.features is not None:
            sizes = [layout.features[d] for d in self.features]
            back = sorted(range(len(sizes)), key=lambda d: self.features[d])  # type: ignore[index]
            found = found.view(*sizes, -1).permute(*back, -1)
        return found.reshape(values.shape).to(values.dtype)


class _StepMatrix(torch.autograd.Function):
    """``S(z) z`` as a function of z and of the step values."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, plan: Plan, bands: steps.Bands, layout: Layout, *values: Tensor) -> Tensor:
        ctx.plan, ctx.bands, ctx.layout = plan, bands, layout
        u = torch.empty_like(z, memory_format=torch.preserve_format)
        flat_values = steps.flat_values([plan.arrange(v, layout) for v in values], KINDS[z.dtype])
        ctx.bins = steps.forward(
            flat(z, plan.order), flat_values, bands, plan.view, flat(u, plan.order), any(ctx.needs_input_grad)
        )
        ctx.save_for_backward(z, *values)
        return u

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, *values = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad
            inputs = [t for t, want in zip((z, *values), (wanted[0], *wanted[4:]), strict=True) if want]
            u = reference.step_matrix(z, tuple(values), ctx.bands, ctx.layout)
            found = iter(torch.autograd.grad(u, inputs, g, create_graph=True, allow_unused=True))
            first = next(found) if wanted[0] else None
            return first, None, None, None, *(next(found) if want else None for want in wanted[4:])
        plan, order = ctx.plan, ctx.plan.order
        gradient = torch.empty_like(z, memory_format=torch.preserve_format)
        flat_values = steps.flat_values([plan.arrange(v, ctx.layout) for v in values], KINDS[z.dtype])
        sums = steps.backward(
            flat(z, order),
            flat(like(g, order), order),
            flat_values,
            ctx.bands,
            plan.view,
            flat(gradient, order),
            ctx.bins,
        )
        return gradient, None, None, None, *(plan.restore(s, v, ctx.layout) for s, v in zip(sums, values, strict=True))


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: steps.Bands, layout: Layout) -> Tensor:
    """:func:`.reference.step_matrix` for float32 and float64 tensors on the CPU."""
    if not z.numel():
        return reference.step_matrix(z, values, bands, layout)
    x = _in_dense_memory(z)
    plan = Plan(x, bands, layout)
    if not plan.serves:
        x = z.contiguous()
        plan = Plan(x, bands, layout)
    return _StepMatrix.apply(x, plan, bands, layout, *values)


def _in_dense_memory(z: Tensor) -> Tensor:
    """The tensor itself if its entries fill memory without gaps in some order of dimensions, else a copy."""
    z = _resolved(z)
    return z if z.is_contiguous() or z.permute(order_of(z)).is_contiguous() else z.contiguous()


class _TwoSlopes(torch.autograd.Function):
    """Two slopes as a function of x and of both slopes, which are tensors of one entry."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor, side: Side) -> Tensor:
        ctx.save_for_backward(x, low, high)
        ctx.side = side
        order = order_of(x)
        u = torch.empty_like(x, memory_format=torch.preserve_format)
        steps.two_slopes(flat(x, order), low.item(), high.item(), side, flat(u, order))
        return u

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, low, high = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[:3]
            u = reference.two_slopes(x, low, high, ctx.side)
            inputs = [t for t, want in zip((x, low, high), wanted, strict=True) if want]
            found = iter(torch.autograd.grad(u, inputs, g, create_graph=True, allow_unused=True))
            return *(next(found) if want else None for want in wanted), None
        order = order_of(x)
        gradient = torch.empty_like(x, memory_format=torch.preserve_format)
        sums = steps.two_slopes_gradient(
            flat(x, order), flat(like(g, order), order), low.item(), high.item(), ctx.side, flat(gradient, order)
        )
        both = torch.from_numpy(sums).to(low.dtype)
        return gradient, both[0].view(low.shape), both[1].view(high.shape), None


def two_slopes(x: Tensor, low: Tensor, high: Tensor, side: Side) -> Tensor:
    """:func:`.reference.two_slopes` for float32 and float64 tensors on the CPU."""
    if not x.numel():
        return reference.two_slopes(x, low, high, side)
    return _TwoSlopes.apply(_in_dense_memory(x), low, high, side)


class _SparseStepMatrix(torch.autograd.Function):
    """``S(z) z`` for a fixed pattern, along the last dimension."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, values: Tensor, points: tuple[float, ...], side: Side, entries: Any) -> Tensor:
        ctx.save_for_backward(z, values)
        ctx.settings = points, side, entries
        rows = z.detach().reshape(-1, z.shape[-1]).numpy()
        return torch.from_numpy(steps.sparse_forward(rows, values.detach().numpy(), *ctx.settings)).view(z.shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, values = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[:2]
            u = reference.sparse_step_matrix(z, values, *ctx.settings)
            inputs = [t for t, want in zip((z, values), wanted, strict=True) if want]
            found = iter(torch.autograd.grad(u, inputs, g, create_graph=True, allow_unused=True))
            return *(next(found) if want else None for want in wanted), None, None, None
        n = z.shape[-1]
        gradient, sums = steps.sparse_backward(
            z.detach().reshape(-1, n).numpy(),
            _resolved(g.detach()).contiguous().reshape(-1, n).numpy(),
            values.detach().numpy(),
            *ctx.settings,
        )
        return torch.from_numpy(gradient).view(z.shape), torch.from_numpy(sums).to(values.dtype), None, None, None


def sparse_step_matrix(z: Tensor, values: Tensor, points: tuple[float, ...], side: Side, entries: Any) -> Tensor:
    """:func:`.reference.sparse_step_matrix` for float32 and float64 tensors on the CPU."""
    if not z.numel():
        return reference.sparse_step_matrix(z, values, points, side, entries)
    return _SparseStepMatrix.apply(_resolved(z).contiguous(), values, points, side, entries)


def _resolved(z: Tensor) -> Tensor:
    return z.resolve_neg() if z.is_neg() else z
