"""The exact integral activation transform of torch tensors: which implementation computes what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

import iatcore
from iatcore import Basis, Gate

from ..dtypes import EXACT, computable, result_dtype
from . import cpu, reference

Derivatives = Literal[1, 2, "any"]


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
