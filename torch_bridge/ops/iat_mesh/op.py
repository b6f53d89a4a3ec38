"""The M-point transform without the values at all points of all samples at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iatcore import Gate

from .. import gpu
from ..dtypes import is_transformed
from . import reference

TRITON = "iat_mesh.triton"
BLOCK = 1 << 18
"""Values of the state function that are held at a time on other devices than GPUs with kernels."""
SMALL = 8
"""Up to so many blocks are faster done at once."""


def iat_mesh(z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None = None) -> Tensor:
    """:func:`.reference.iat_mesh` for a gate, IAT (12), in memory that does not depend on M.

    On a GPU one kernel goes over the points with nothing written but the result. Elsewhere rows are done a block at a
    time; backward computes the states again. In graphs and under torch.func it is the reference.

    Args:
        z: coefficients (..., d_in), float32 or float64.
        P, Q: matrices (d_in, M) and (d_out, M), of the dtype of z.
        pattern_from: as for the reference.
    """
    small = z.device.type == "cpu" and z.numel() // max(z.shape[-1], 1) * P.shape[-1] <= SMALL * BLOCK
    if small or torch.compiler.is_compiling() or z.device.type == "meta" or is_transformed():
        return reference.iat_mesh(z, P, Q, gate, pattern_from)
    return _Mesh.apply(z, P, Q, gate, pattern_from)


class _Mesh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None) -> Tensor:
        ctx.gate, ctx.has_source = gate, pattern_from is not None
        ctx.save_for_backward(z, P, Q, *(() if pattern_from is None else (pattern_from,)))
        found = _by_kernels("iat_mesh", z, P, Q, gate, pattern_from)
        if found is not None:
            return found
        u = z.new_empty((*z.shape[:-1], Q.shape[0]))
        for into, x, source in _blocks(P.shape[-1], u, z, pattern_from):
            into.copy_(reference.iat_mesh(x, P, Q, gate, source))
        return u

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, P, Q, *source = ctx.saved_tensors
        pattern_from = source[0] if ctx.has_source else None
        if torch.is_grad_enabled():
            u = reference.iat_mesh(z, P, Q, ctx.gate, pattern_from)
            return torch.autograd.grad(u, z, g, create_graph=True)[0], None, None, None, None
        found = _by_kernels("iat_mesh_backward", z, g, P, Q, ctx.gate, pattern_from)
        if found is None:
            found = torch.empty_like(z, memory_format=torch.contiguous_format)
            for into, x, h, part in _blocks(P.shape[-1], found, z, g, pattern_from):
                with torch.enable_grad():
                    leaf = x.detach().requires_grad_()
                    u = reference.iat_mesh(leaf, P, Q, ctx.gate, part)
                into.copy_(torch.autograd.grad(u, leaf, h)[0])
        return found, None, None, None, None


def _by_kernels(name: str, z: Tensor, *args: Any) -> Tensor | None:
    module = gpu.kernels(TRITON, z.device)
    return None if module is None else gpu.launched(TRITON, module, name, z, *args)


def _blocks(mesh: int, *tensors: Tensor | None) -> Any:
    """Blocks of rows of tensors with one leading shape; the first is written and has to be contiguous."""
    rows = [None if t is None else t.reshape(-1, t.shape[-1]) for t in tensors]
    size = max(BLOCK // mesh, 16)
    for start in range(0, len(rows[0]), size):  # type: ignore[arg-type]
        yield [None if t is None else t[start : start + size] for t in rows]
