"""Step matrices and two-slope functions on CPU tensors by compiled code, in whatever order memory holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iatcore import steps
from iatcore.attention import sigmoid
from iatcore.gates import Side

from ..team import join_torch_team
from . import reference
from .reference import Layout

join_torch_team()

KINDS = {torch.float32: np.float32, torch.float64: np.float64}


def order_of(z: Tensor) -> list[int] | None:
    """Dimensions from the slowest to the fastest in memory; None for the usual order."""
    if z.is_contiguous():
        return None
    return sorted(range(z.ndim), key=lambda d: (z.stride(d), z.shape[d] > 1), reverse=True)


def flat(z: Tensor, order: list[int] | None) -> np.ndarray:
    """The memory of a tensor that is contiguous in an order of dimensions."""
    return (z if order is None else z.permute(order)).detach().numpy().reshape(-1)


def like(g: Tensor, order: list[int] | None) -> Tensor:
    """A tensor, or a copy, that is contiguous in an order of dimensions."""
    g = _resolved(g)
    if order is None:
        return g.contiguous()
    back = sorted(range(g.ndim), key=lambda d: order[d])
    return g.permute(order).contiguous().permute(back)


class Plan:
    """How a tensor is read by the kernels: ``(outer, n, inner)`` in the order of its memory."""

    def __init__(self, z: Tensor, bands: steps.Bands, layout: Layout) -> None:
        self.order = order_of(z)
        self.features: list[int] | None = None
        if not layout.features and bands.numbers == (0,):
            # components need not be told apart
            self.view = steps.View(1, max(z.numel(), 2), 1)
            return
        order = self.order or range(z.ndim)
        shape = [z.shape[d] for d in order]
        place = order.index(z.ndim + layout.dim) if z.ndim else 0
        n, inner = (shape[place], math.prod(shape[place + 1 :])) if z.ndim else (1, 1)
        if not layout.features:
            self.view = steps.View(n, inner, 1)
        elif len(layout.features) == 1:
            self.view = steps.View(n, inner, n)
        else:
            count = len(layout.features)
            self.features = [d - (z.ndim - count) for d in order[z.ndim - count :]]
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

    def numbers(self, values: Sequence[Tensor], layout: Layout, dtype: torch.dtype) -> np.ndarray:
        """Step values of all diagonals one after another."""
        return steps.flat([self.arrange(v, layout) for v in values], KINDS[dtype])

    def restore(self, sums: np.ndarray, values: Tensor, layout: Layout) -> Tensor:
        """The inverse of :meth:`arrange`, in the shape and dtype of the step values."""
        sums = sums.astype(KINDS[values.dtype])
        features = self.features
        if features is not None:
            sizes = [layout.features[d] for d in features]
            back = sorted(range(len(sizes)), key=lambda d: features[d])
            sums = np.ascontiguousarray(sums.reshape(*sizes, -1).transpose(*back, len(sizes)))
        return torch.from_numpy(sums.reshape(values.shape))


class _StepMatrix(torch.autograd.Function):
    """``S(z) z`` as a function of z and of the step values."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, plan: Plan, bands: steps.Bands, layout: Layout, *values: Tensor) -> Tensor:
        ctx.plan, ctx.bands, ctx.layout = plan, bands, layout
        # the memory of the parameters, or a copy of them: save_for_backward notices if they change
        ctx.numbers = plan.numbers(values, layout, z.dtype)
        u, ctx.bins = _forward(z, plan, bands, ctx.numbers, any(ctx.needs_input_grad))
        ctx.save_for_backward(z, *values)
        return u

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, *values = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[:1] + ctx.needs_input_grad[4:]
            first, *others = second(
                (z, *values), wanted, g, lambda z, *v: reference.step_matrix(z, v, ctx.bands, ctx.layout)
            )
        else:
            first, sums = _backward(z, g, ctx.plan, ctx.bands, ctx.numbers, ctx.bins)
            others = [ctx.plan.restore(s, v, ctx.layout) for s, v in zip(sums, values, strict=True)]
        return first, None, None, None, *others


def _forward(z: Tensor, plan: Plan, bands: steps.Bands, numbers: np.ndarray, keep: bool) -> tuple[Tensor, np.ndarray]:
    """``S(z) z``, and the intervals of all components if they are to be kept and bytes hold them."""
    u = torch.empty_like(z, memory_format=torch.preserve_format)
    return u, steps.forward(flat(z, plan.order), numbers, bands, plan.view, flat(u, plan.order), keep)


def _backward(
    z: Tensor, g: Tensor, plan: Plan, bands: steps.Bands, numbers: np.ndarray, bins: np.ndarray
) -> tuple[Tensor, list[np.ndarray]]:
    """``S(z)^T g``, and sums for the step values of each diagonal."""
    order = plan.order
    gradient = torch.empty_like(z, memory_format=torch.preserve_format)
    sums = steps.backward(
        flat(z, order), flat(like(g, order), order), numbers, bands, plan.view, flat(gradient, order), bins
    )
    return gradient, sums


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: steps.Bands, layout: Layout) -> Tensor:
    """:func:`.reference.step_matrix` for float32 and float64 tensors on the CPU."""
    if not z.numel() or torch._C._are_functorch_transforms_active():
        return reference.step_matrix(z, values, bands, layout)
    x, plan = _planned(z, bands, layout)
    return _StepMatrix.apply(x, plan, bands, layout, *values)


def _planned(z: Tensor, bands: steps.Bands, layout: Layout) -> tuple[Tensor, Plan]:
    """The tensor, or a copy, and how it is read."""
    x = _in_dense_memory(z)
    plan = Plan(x, bands, layout)
    if not plan.serves:
        x = z.contiguous()
        plan = Plan(x, bands, layout)
    return x, plan


def _in_dense_memory(z: Tensor) -> Tensor:
    """The tensor itself if its entries fill memory without gaps in some order of dimensions, else a copy."""
    z = _resolved(z)
    return z if z.is_contiguous() or z.permute(order_of(z) or ()).is_contiguous() else z.contiguous()


def _resolved(z: Tensor) -> Tensor:
    return z.resolve_neg() if z.is_neg() else z


def second(inputs: tuple[Tensor, ...], wanted: Any, g: Tensor, again: Callable[..., Tensor]) -> list[Tensor | None]:
    """Gradients of ``again(*inputs)`` that can be differentiated again."""
    asked = [t for t, want in zip(inputs, wanted, strict=True) if want]
    found = iter(torch.autograd.grad(again(*inputs), asked, g, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]


@lru_cache
def clamp_ends(dtype: torch.dtype) -> tuple[float, float]:
    """Where AReLU clamps alpha, rounded to a dtype."""
    return tuple(torch.tensor([reference.LOWEST, reference.HIGHEST], dtype=dtype).tolist())


def step_matrix_keeping(
    z: Tensor, values: tuple[Tensor, ...], bands: steps.Bands, layout: Layout, keep: bool
) -> tuple[Tensor, Tensor]:
    """``S(z) z`` without a tape, and the intervals of all components if they are to be kept and bytes hold them."""
    if not z.numel():
        return torch.empty_like(z), torch.empty(0, dtype=torch.uint8)
    x, plan = _planned(z, bands, layout)
    u, bins = _forward(x, plan, bands, plan.numbers(values, layout, x.dtype), keep)
    return u, torch.from_numpy(bins.reshape(-1))


def step_matrix_gradients(
    z: Tensor, g: Tensor, values: tuple[Tensor, ...], bins: Tensor, bands: steps.Bands, layout: Layout
) -> list[Tensor]:
    """Gradients of ``g^T S(z) z`` with respect to z and to the step values, without a tape."""
    if not z.numel():
        return [torch.empty_like(z), *(torch.zeros_like(v) for v in values)]
    x, plan = _planned(z, bands, layout)
    kept = bins.numpy().reshape(len(bands.numbers), -1) if bins.numel() else steps.NO_BINS
    gradient, sums = _backward(x, g, plan, bands, plan.numbers(values, layout, x.dtype), kept)
    return [gradient, *(plan.restore(s, v, layout) for s, v in zip(sums, values, strict=True))]


class _Slopes:
    """The two slopes of AReLU or ELSA as numbers, and what their gradients need."""

    def __init__(self, alpha: Tensor, beta: Tensor, residual: float) -> None:
        # alpha is compared in its own precision, where .01 and .99 lie inside
        a, (lowest, highest) = alpha.item(), clamp_ends(alpha.dtype)
        self.low = min(max(a, lowest), highest)
        self.side = (a > self.low) - (a < self.low)
        self.sigmoid = sigmoid(beta.item())
        self.high = residual + self.sigmoid


def _two_slopes(x: Tensor, slopes: _Slopes) -> Tensor:
    u = torch.empty_like(x, memory_format=torch.preserve_format)
    steps.two_slopes(KINDS[x.dtype], x.data_ptr(), u.data_ptr(), x.numel(), slopes.low, slopes.high)
    return u


def _two_slopes_gradients(
    x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, slopes: _Slopes, keep_alive: bool
) -> tuple[Tensor, Tensor, Tensor]:
    gradient = torch.empty_like(x, memory_format=torch.preserve_format)
    g = like(g, order_of(x))
    addresses = x.data_ptr(), g.data_ptr(), gradient.data_ptr()
    low, high = steps.two_slopes_gradient(KINDS[x.dtype], *addresses, x.numel(), slopes.low, slopes.high)
    # a descent step leads back if the gradient has the sign of the side; nan stays nan
    if slopes.side and (not keep_alive or low * slopes.side <= 0):
        low = 0.0
    slope = slopes.sigmoid * (1.0 - slopes.sigmoid)
    return gradient, torch.full_like(alpha, low), torch.full_like(beta, high * slope)


class _AReLU(torch.autograd.Function):
    """AReLU or ELSA as a function of x, alpha and beta."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
        ctx.save_for_backward(x, alpha, beta)
        ctx.slopes, ctx.settings = _Slopes(alpha, beta, residual), (residual, keep_alive)
        return _two_slopes(x, ctx.slopes)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, alpha, beta = ctx.saved_tensors
        residual, keep_alive = ctx.settings
        if torch.is_grad_enabled():
            inputs, wanted = (x, alpha, beta), ctx.needs_input_grad[:3]
            found = second(inputs, wanted, g, lambda x, a, b: reference.arelu(x, a, b, residual, keep_alive))
            return *found, None, None
        return *_two_slopes_gradients(x, g, alpha, beta, ctx.slopes, keep_alive), None, None


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """:func:`.reference.arelu` for float32 and float64 tensors on the CPU."""
    if not x.numel() or torch._C._are_functorch_transforms_active():
        return reference.arelu(x, alpha, beta, residual, keep_alive)
    return _AReLU.apply(_in_dense_memory(x), alpha, beta, residual, keep_alive)


def arelu_values(x: Tensor, alpha: Tensor, beta: Tensor, residual: float) -> Tensor:
    """:func:`arelu` without a tape."""
    return _two_slopes(_in_dense_memory(x), _Slopes(alpha, beta, residual)) if x.numel() else torch.empty_like(x)


def arelu_gradients(
    x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``g^T`` :func:`arelu` with respect to x, alpha and beta, without a tape."""
    if not x.numel():
        return torch.empty_like(x), torch.zeros_like(alpha), torch.zeros_like(beta)
    slopes = _Slopes(alpha, beta, residual)
    return _two_slopes_gradients(_in_dense_memory(x), g, alpha, beta, slopes, keep_alive)


class _SparseStepMatrix(torch.autograd.Function):
    """``S(z) z`` for a fixed pattern, along the last dimension."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, values: Tensor, points: tuple[float, ...], side: Side, entries: Any) -> Tensor:
        ctx.save_for_backward(z, values)
        ctx.settings = points, side, entries
        rows = z.detach().reshape(-1, z.shape[-1]).numpy()
        u = steps.sparse_forward(rows, values.detach().numpy(), *ctx.settings)
        return torch.from_numpy(u.reshape(z.shape))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, values = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[:2]
            found = second((z, values), wanted, g, lambda *t: reference.sparse_step_matrix(*t, *ctx.settings))
            return *found, None, None, None
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
    if not z.numel() or torch._C._are_functorch_transforms_active():
        return reference.sparse_step_matrix(z, values, points, side, entries)
    return _SparseStepMatrix.apply(_resolved(z).contiguous(), values, points, side, entries)
