"""The M-point transform without the values at all points of all samples at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iatcore import Gate

from ..dtypes import is_transformed
from . import kernels, library, reference


def iat_mesh(z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None = None) -> Tensor:
    """:func:`.reference.iat_mesh` for a gate, IAT (12), in memory that does not depend on M.

    On a GPU one kernel goes over the points with nothing written but the result. Elsewhere rows are done a block at a
    time; backward computes the states again. In a graph it is an operator that does the same, differentiable once.
    In exported programs, under torch.func, and for matrices that ask for a gradient it is the reference.

    Args:
        z: coefficients (..., d_in), float32 or float64.
        P, Q: matrices (d_in, M) and (d_out, M), of the dtype of z.
        pattern_from: as for the reference.
    """
    if is_transformed() or torch.compiler.is_exporting() or P.requires_grad or Q.requires_grad:
        return reference.iat_mesh(z, P, Q, gate, pattern_from)
    if torch.compiler.is_compiling():
        return library.iat_mesh(z, P, Q, library.gate_name(gate.breakpoints, gate.slopes, gate.side), pattern_from)
    if z.device.type == "meta" or kernels.is_small(z, P):
        return reference.iat_mesh(z, P, Q, gate, pattern_from)
    return _Mesh.apply(z, P, Q, gate, pattern_from)


class _Mesh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None) -> Tensor:
        ctx.gate = gate
        ctx.save_for_backward(z, P, Q, pattern_from)
        return kernels.iat_mesh(z, P, Q, gate, pattern_from)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, P, Q, pattern_from = ctx.saved_tensors
        if torch.is_grad_enabled():
            u = reference.iat_mesh(z, P, Q, ctx.gate, pattern_from)
            return torch.autograd.grad(u, z, g, create_graph=True)[0], None, None, None, None
        return kernels.iat_mesh_backward(z, g, P, Q, ctx.gate, pattern_from), None, None, None, None
