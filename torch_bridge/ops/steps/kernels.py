"""Step matrices and AReLU without a tape on devices other than the CPU: Triton kernels, or the plain formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from iatcore.steps import Bands

from .. import gpu
from ..dtypes import computable
from . import reference
from .reference import Layout
from .rounding import computed

TRITON = "steps.triton"


def _by_kernels(name: str, z: Tensor, *args: Any) -> Any:
    """A function of the Triton module; None without one."""
    module = gpu.kernels(TRITON, z.device)
    return None if module is None else gpu.launched(TRITON, module, name, z, *args)


def by_tape(function: Callable[..., Tensor], g: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Gradients of ``g^T function(*inputs)``, by torch."""
    with torch.enable_grad():
        leaves = [t.detach().requires_grad_() for t in inputs]
        return list(torch.autograd.grad(function(*leaves), leaves, g))


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """``S(z) z``, TMAF (4)-(7), in the dtype of z."""
    found = _by_kernels("step_matrix", z, values, bands, layout)
    if found is not None:
        return found
    with torch.no_grad():
        x, numbers, grids = computed(z, values, bands)
        return reference.step_matrix(x, numbers, grids, layout).to(z.dtype)


def step_matrix_gradients(
    z: Tensor, g: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout
) -> list[Tensor]:
    """``S(z)^T g`` and the gradients of the step values, in the dtypes of z and of the values."""
    found = _by_kernels("step_matrix_backward", z, g, values, bands, layout)
    if found is not None:
        return [found[0], *found[1]]
    x, numbers, grids = computed(z, values, bands)
    first, *others = by_tape(lambda y, *v: reference.step_matrix(y, v, grids, layout), g.to(x.dtype), x, *numbers)
    return [first.to(z.dtype), *(o.to(v.dtype) for o, v in zip(others, values, strict=True))]


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """``C(alpha) x`` for x < 0 and ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.2 and 2.3."""
    found = _by_kernels("two_slopes", x, alpha, beta, residual)
    if found is not None:
        return found
    with torch.no_grad():
        return reference.arelu(computable(x, "x"), alpha, beta, residual, keep_alive).to(x.dtype)


def arelu_gradients(
    x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of ``g^T`` :func:`arelu`."""
    found = _by_kernels("two_slopes_backward", x, g, alpha, beta, residual, keep_alive)
    if found is not None:
        return found
    z = computable(x, "x")
    dx, da, db = by_tape(lambda y, a, b: reference.arelu(y, a, b, residual, keep_alive), g.to(z.dtype), z, alpha, beta)
    return dx.to(x.dtype), da, db
