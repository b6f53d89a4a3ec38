"""Step matrices of torch tensors: which implementation computes what."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from iatcore.gates import Side
from iatcore.steps import Bands, Entries

from ..dtypes import EXACT, computable, result_dtype
from . import cpu, reference
from .reference import Layout


@lru_cache(maxsize=256)
def _rounded(bands: Bands, dtype: torch.dtype) -> Bands:
    """Breakpoints as numbers of half precision, so that a breakpoint itself is always met."""
    grids = tuple(tuple(torch.tensor(points, dtype=torch.float64).to(dtype).tolist()) for points in bands.grids)
    return replace(bands, grids=grids)


def _implementation(z: Tensor) -> Any:
    return cpu if z.device.type == "cpu" and z.dtype in EXACT else reference


def check_values(values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> None:
    """ValueError unless there is a tensor of the right size for every diagonal."""
    groups = math.prod(layout.features) if layout.features else 1
    for k, v, width in zip(bands.numbers, values, bands.widths, strict=True):
        if v.numel() != groups * width:
            expected = (*layout.features, width)
            raise ValueError(f"values of diagonal {k} must have shape {expected}, got {tuple(v.shape)}")


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}`` along one dimension, TMAF (4)-(7).

    Half precision is computed in float32 and returned in its own dtype, integers count as float64. Breakpoints are
    rounded to the dtype of z.

    Args:
        z: any shape; ``layout.dim`` is the dimension that the matrix acts on.
        values: step values of each diagonal, ``(groups, intervals)`` or ``(intervals,)``.

    Raises:
        TypeError: complex or bool tensors.
    """
    check_values(values, bands, layout)
    if z.dtype in EXACT and z.device.type == "cpu" and all(v.dtype == z.dtype for v in values):
        # nothing to convert: the way of nearly every call, kept short
        return cpu.step_matrix(z, values, bands, layout)
    dtype, x = result_dtype(z, "z"), computable(z, "z")
    values = tuple(v.to(x.dtype) for v in values)
    if dtype != x.dtype:
        bands = _rounded(bands, dtype)
    return _implementation(x).step_matrix(x, values, bands, layout).to(dtype)


def trained_step_matrix(
    z: Tensor, values: tuple[Tensor, ...], points: tuple[Tensor, ...], bands: Bands, layout: Layout, width: float
) -> Tensor:
    """:func:`.reference.trained_step_matrix`; dtypes as :func:`step_matrix`."""
    dtype, x = result_dtype(z, "z"), computable(z, "z")
    check_values(values, bands, layout)
    values = tuple(v.to(x.dtype) for v in values)
    points = tuple(p.to(dtype) for p in points)
    return reference.trained_step_matrix(x, values, points, bands, layout, width).to(dtype)


def sparse_step_matrix(z: Tensor, values: Tensor, points: tuple[float, ...], side: Side, entries: Entries) -> Tensor:
    """``u_i = sum_j a_ij(z_j) z_j`` along the last dimension for a fixed pattern; dtypes as :func:`step_matrix`."""
    dtype, x = result_dtype(z, "z"), computable(z, "z")
    shape = (int(entries.functions.max()) + 1, len(points) + 1)
    if tuple(values.shape) != shape:
        raise ValueError(f"values[0] must have shape {shape}, got {tuple(values.shape)}")
    if dtype != x.dtype:
        points = _rounded(Bands((0,), (points,), side), dtype).grids[0]
    return _implementation(x).sparse_step_matrix(x, values.to(x.dtype), points, side, entries).to(dtype)


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float = 1.0, keep_alive: bool = False) -> Tensor:
    """``C(alpha) x`` for x < 0, ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.3; dtypes as :func:`step_matrix`.

    Args:
        alpha, beta: tensors of one entry.
        residual: 1, or 0 for ELSA (AReLU 2.2).
        keep_alive: whether the gradient of alpha passes the clamp where a descent step leads back into it.
    """
    if x.dtype in EXACT and x.device.type == "cpu":
        return cpu.arelu(x, alpha, beta, residual, keep_alive)
    dtype, z = result_dtype(x, "x"), computable(x, "x")
    return _implementation(z).arelu(z, alpha, beta, residual, keep_alive).to(dtype)
