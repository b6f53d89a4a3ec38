"""The exact integral activation transform of torch tensors: which implementation computes what."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..dtypes import EXACT, computable, is_transformed
from . import cpu, kernels, library, reference
from .functions import Decoupled, Forward
from .transform import Transform

__all__ = ["Derivatives", "Transform", "iat"]

Derivatives = Literal[1, 2, "any"]


def iat(
    z: Tensor,
    transform: Transform,
    pattern_from: Tensor | None = None,
    derivatives: Derivatives = 2,
    dim: int = -1,
) -> Tensor:
    """``u = integral over [-1, 1] of q(s) a(f(s)) p(s)^T z ds`` with ``f = p^T z``, IAT (4), (17), (18).

    Args:
        z: coefficients (..., d_in), of a real floating dtype. Half precision is computed in float32 and
            returned in its own dtype.
        transform: the bases and the gate.
        pattern_from: coefficients of the same shape that f is taken from instead of z, IAT (24)-(26).
        derivatives: 1 or 2 computes on the CPU by compiled code, which is differentiable twice, in reverse and in
            forward mode, also under torch.func; ``"any"`` by :mod:`.reference`, which is differentiable to any order.
            GPUs use kernels where there are some for the bases, differentiable twice as well; all else is computed by
            the reference.
        dim: the dimension of z, of pattern_from and of the result that holds coefficients, in place of the last.

    Returns:
        (..., d_out). Rows with nan or inf are nan.

    Raises:
        TypeError: tensors that are not of real floating-point numbers.
        ValueError: shapes that do not fit.
        RuntimeError: a third derivative on the CPU, unless ``derivatives`` is ``"any"``.
    """
    plain = pattern_from is None and derivatives != "any" and z.dtype in EXACT and z.device.type == "cpu"
    if plain and not torch.compiler.is_compiling() and not is_transformed():
        # nothing to convert: the way of nearly every call, kept short
        if dim != -1:
            dim = dim if dim < z.ndim - 1 else -1
        if z.ndim == 0 or z.shape[dim] != transform.p.size:
            reference.check_shapes(z.movedim(dim, -1) if z.ndim else z, transform.p.size, None)
        return cpu.iat(z, transform.core, dim)
    if dim != -1:
        source = None if pattern_from is None else pattern_from.movedim(dim, -1)
        return iat(z.movedim(dim, -1), transform, source, derivatives).movedim(-1, dim)
    if torch.compiler.is_compiling() or z.device.type == "meta":
        return _in_graph(z, transform, pattern_from)
    if derivatives != "any" and (is_transformed() or (pattern_from is None and kernels.serve(z, transform))):
        return _transformed(z, transform, pattern_from)
    dtype, z, pattern_from = _prepared(z, transform, pattern_from)
    if z.device.type != "cpu" or derivatives == "any":
        u = reference.iat(z, transform.plan, pattern_from)
    elif pattern_from is None:
        u = cpu.iat(z, transform.core)
    else:
        u = cpu.iat_decoupled(
            z, transform.core, pattern_from.to(z.dtype), lambda x, source: reference.iat(x, transform.plan, source)
        )
    return u.to(dtype)


def _prepared(
    z: Tensor, transform: Transform, pattern_from: Tensor | None
) -> tuple[torch.dtype, Tensor, Tensor | None]:
    """The dtype of the result, and checked arguments in the dtype that is computed with."""
    dtype, z = z.dtype, computable(z, "z")
    if pattern_from is not None:
        pattern_from = computable(pattern_from, "pattern_from")
    reference.check_shapes(z, transform.p.size, pattern_from)
    return dtype, z, pattern_from


def _in_graph(z: Tensor, transform: Transform, pattern_from: Tensor | None) -> Tensor:
    """By the operators of torch.library."""
    dtype, z, pattern_from = _prepared(z, transform, pattern_from)
    if pattern_from is None:
        return library.graph_iat(z, transform).to(dtype)
    return library.iat_decoupled(z, pattern_from.to(z.dtype), transform.name).to(dtype)


def _transformed(z: Tensor, transform: Transform, pattern_from: Tensor | None) -> Tensor:
    """By functions that torch.func and forward mode understand."""
    dtype, z, pattern_from = _prepared(z, transform, pattern_from)
    if pattern_from is None:
        return Forward.apply(z, transform).to(dtype)
    return Decoupled.apply(z, pattern_from.to(z.dtype), transform).to(dtype)
