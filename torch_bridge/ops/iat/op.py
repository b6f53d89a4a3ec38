"""The exact integral activation transform of torch tensors: which implementation computes what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

import iatcore
from iatcore import Basis, Gate

from . import cpu, reference

Derivatives = Literal[1, 2, "any"]
EXACT = (torch.float32, torch.float64)
"""What the compiled code takes and returns."""


@dataclass(frozen=True)
class Transform:
    """Input basis, output basis and gate, and what is prepared from them, once, when needed.

    Copies and pickles carry the bases and the gate alone.
    """

    p: Basis
    q: Basis
    gate: Gate

    @cached_property
    def core(self) -> iatcore.IAT:
        """The compiled transform of numpy arrays."""
        return iatcore.IAT(self.p, self.q, self.gate)

    @cached_property
    def plan(self) -> reference.Plan:
        """The constants of the reference implementation."""
        return reference.prepare(self.p, self.q, self.gate)

    def __getstate__(self) -> dict[str, Any]:
        return {"p": self.p, "q": self.q, "gate": self.gate}


def iat(z: Tensor, transform: Transform, pattern_from: Tensor | None = None, derivatives: Derivatives = 2) -> Tensor:
    """``u = integral over [-1, 1] of q(s) a(f(s)) p(s)^T z ds`` with ``f = p^T z``, IAT (4), (17), (18).

    Args:
        z: coefficients (..., d_in), any real dtype but bool. Half precision is computed in float32 and
            returned in its own dtype, integers count as float64.
        transform: the bases and the gate.
        pattern_from: coefficients of the same shape that f is taken from instead of z, IAT (24)-(26).
        derivatives: 1 or 2 computes on the CPU by compiled code, which is differentiable twice; ``"any"`` by
            :mod:`.reference`, which is differentiable to any order. Other devices use the reference in either case.

    Returns:
        (..., d_out). Rows with nan or inf are nan.

    Raises:
        TypeError: complex or bool tensors.
        ValueError: shapes that do not fit.
        RuntimeError: a third derivative on the CPU, unless ``derivatives`` is ``"any"``.
    """
    if pattern_from is None and derivatives != "any" and z.dtype in EXACT and z.device.type == "cpu":
        # nothing to convert: the way of nearly every call, kept short
        reference.check_shapes(z, transform.p.size, None)
        return cpu.iat(z, transform.core)
    dtype, z = result_dtype(z, "z"), computable(z, "z")
    if pattern_from is not None:
        pattern_from = computable(pattern_from, "pattern_from")
    reference.check_shapes(z, transform.p.size, pattern_from)
    if z.device.type != "cpu" or derivatives == "any":
        u = reference.iat(z, transform.plan, pattern_from)
    elif pattern_from is None:
        u = cpu.iat(z, transform.core)
    else:
        u = cpu.iat_decoupled(
            z, transform.core, pattern_from, lambda x, source: reference.iat(x, transform.plan, source)
        )
    return u.to(dtype)


def result_dtype(tensor: Tensor, name: str) -> torch.dtype:
    """The dtype of the result: that of the tensor, float64 for integers; TypeError for complex and bool."""
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must be a real tensor, got {tensor.dtype}")
    return tensor.dtype if tensor.is_floating_point() else torch.float64


def computable(tensor: Tensor, name: str) -> Tensor:
    """The tensor in the dtype that is computed with: float32 for half precision, else that of the result."""
    dtype = result_dtype(tensor, name)
    return tensor.to(torch.float32 if dtype.itemsize < 4 else dtype)
