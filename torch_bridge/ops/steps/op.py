"""Step matrices of torch tensors: which implementation computes what."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from iatcore.steps import Bands

from .. import gpu
from ..dtypes import EXACT, check_floating, computable, is_transformed
from . import cpu, functions, library, reference
from .kernels import TRITON
from .library import Pattern
from .reference import Layout
from .rounding import computed


def _implementation(z: Tensor) -> Any:
    plain = torch.compiler.is_exporting() or z.device.type != "cpu" or z.dtype not in EXACT
    return reference if plain else cpu


def check_device(z: Tensor, *parameters: Tensor) -> None:
    """ValueError unless parameters are where the input is."""
    for parameter in parameters:
        if parameter.device != z.device:
            raise ValueError(f"the input must be on the device of the parameters, {parameter.device}, got {z.device}")


def check_values(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> None:
    """ValueError unless there is a tensor of the right size for every diagonal, on the device of z."""
    check_device(z, *values)
    groups = math.prod(layout.features) if layout.features else 1
    for k, v, width in zip(bands.numbers, values, bands.widths, strict=True):
        if v.numel() != groups * width:
            expected = (*layout.features, width)
            raise ValueError(f"values of diagonal {k} must have shape {expected}, got {tuple(v.shape)}")


def _in_graph(z: Tensor) -> bool:
    """Whether operators of torch.library are to be used: not in what is exported, which knows none of them."""
    return (torch.compiler.is_compiling() and not torch.compiler.is_exporting()) or z.device.type == "meta"


def _on_gpu(z: Tensor) -> bool:
    """Whether kernels behind autograd functions compute it."""
    return gpu.kernels(TRITON, z.device) is not None and not is_transformed()


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout, name: str) -> Tensor:
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}`` along one dimension, TMAF (4)-(7).

    Half precision is computed in float32 and returned in its own dtype. Breakpoints are rounded to the dtype of z.

    Args:
        z: any shape; ``layout.dim`` is the dimension that the matrix acts on.
        values: step values of each diagonal, ``(groups, intervals)`` or ``(intervals,)``.
        name: of :class:`Steps` with these bands and features, :func:`torch_bridge.ops.handles.handle`.

    Raises:
        TypeError: tensors that are not of real floating-point numbers.
        ValueError: step values of a wrong size or on another device.
    """
    check_values(z, values, bands, layout)
    if _in_graph(z):
        return library.step_matrix(check_floating(z, "z"), values, name, layout.dim)[0]
    exporting = torch.compiler.is_exporting()
    if not exporting and z.dtype in EXACT and z.device.type == "cpu" and all(v.dtype == z.dtype for v in values):
        # nothing to convert: the way of nearly every call, kept short
        return cpu.step_matrix(z, values, bands, layout)
    check_floating(z, "z")
    if _on_gpu(z):
        return functions.step_matrix(z, values, bands, layout)
    x, numbers, grids = computed(z, values, bands)
    return _implementation(x).step_matrix(x, numbers, grids, layout).to(z.dtype)


def trained_step_matrix(
    z: Tensor, values: tuple[Tensor, ...], points: tuple[Tensor, ...], bands: Bands, layout: Layout, width: float
) -> Tensor:
    """:func:`.reference.trained_step_matrix`; dtypes as :func:`step_matrix`."""
    dtype, x = z.dtype, computable(z, "z")
    check_values(z, values, bands, layout)
    values = tuple(v.to(x.dtype) for v in values)
    points = tuple(p.to(dtype) for p in points)
    return reference.trained_step_matrix(x, values, points, bands, layout, width).to(dtype)


def sparse_step_matrix(z: Tensor, values: Tensor, pattern: Pattern, name: str) -> Tensor:
    """``u_i = sum_j a_ij(z_j) z_j`` along the last dimension for a fixed pattern; dtypes as :func:`step_matrix`."""
    points, side, entries = pattern.points, pattern.side, pattern.entries
    shape = (pattern.functions, len(points) + 1)
    if tuple(values.shape) != shape:
        raise ValueError(f"values[0] must have shape {shape}, got {tuple(values.shape)}")
    check_device(z, values)
    if _in_graph(z):
        return library.sparse_step_matrix(check_floating(z, "z"), values, name)
    x, numbers, bands = computed(z, (values,), Bands((0,), (points,), side))
    u = _implementation(x).sparse_step_matrix(x, numbers[0], bands.grids[0], side, entries)
    return u.to(z.dtype)


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float = 1.0, keep_alive: bool = False) -> Tensor:
    """``C(alpha) x`` for x < 0, ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.3; dtypes as :func:`step_matrix`.

    Args:
        alpha, beta: tensors of one entry.
        residual: 1, or 0 for ELSA (AReLU 2.2).
        keep_alive: whether the gradient of alpha passes the clamp where a descent step leads back into it.
    """
    graph = torch.compiler.is_compiling() or torch.compiler.is_exporting()
    if not graph and x.dtype in EXACT and x.is_cpu and alpha.is_cpu and beta.is_cpu:
        # the way of nearly every call, kept short
        return cpu.arelu(x, alpha, beta, residual, keep_alive)
    check_device(x, alpha, beta)
    if _in_graph(x):
        return library.arelu(check_floating(x, "x"), alpha, beta, residual, keep_alive)
    check_floating(x, "x")
    if _on_gpu(x):
        return functions.arelu(x, alpha, beta, residual, keep_alive)
    z = computable(x, "x")
    return _implementation(z).arelu(z, alpha, beta, residual, keep_alive).to(x.dtype)
