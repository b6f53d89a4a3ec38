"""Step matrices and AReLU on GPUs: kernels behind autograd functions, differentiable again through plain torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iatcore.steps import Bands

from ..dtypes import computable
from . import kernels, reference
from .cpu import second
from .reference import Layout
from .rounding import computed


class _StepMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, bands: Bands, layout: Layout, *values: Tensor) -> Tensor:
        ctx.bands, ctx.layout = bands, layout
        ctx.save_for_backward(z, *values)
        return kernels.step_matrix(z, values, bands, layout)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, *values = ctx.saved_tensors
        if torch.is_grad_enabled():
            wanted = ctx.needs_input_grad[:1] + ctx.needs_input_grad[3:]
            first, *others = second((z, *values), wanted, g, lambda y, *v: _plain(y, v, ctx.bands, ctx.layout))
            return first, None, None, *others
        first, *others = kernels.step_matrix_gradients(z, g, tuple(values), ctx.bands, ctx.layout)
        return first, None, None, *others


def _plain(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    x, numbers, grids = computed(z, values, bands)
    return reference.step_matrix(x, numbers, grids, layout).to(z.dtype)


class _AReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
        ctx.settings = residual, keep_alive
        ctx.save_for_backward(x, alpha, beta)
        return kernels.arelu(x, alpha, beta, residual, keep_alive)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            found = second(inputs, ctx.needs_input_grad[:3], g, lambda x, a, b: _plain_arelu(x, a, b, *ctx.settings))
            return *found, None, None
        x, alpha, beta = inputs
        return *kernels.arelu_gradients(x, g, alpha, beta, *ctx.settings), None, None


def _plain_arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    return reference.arelu(computable(x, "x"), alpha, beta, residual, keep_alive).to(x.dtype)


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """``S(z) z`` on a GPU, in the dtype of z."""
    return _StepMatrix.apply(z, bands, layout, *values)


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """:func:`.reference.arelu` on a GPU, in the dtype of x."""
    return _AReLU.apply(x, alpha, beta, residual, keep_alive)
