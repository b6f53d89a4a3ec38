"""The exact transform with frequencies that are trained: ``w`` of ``sin(w pi s)`` need not be an integer."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._compile import _disable_dynamo

from iatcore import Basis

from ..dtypes import check_floating, computable
from . import reference
from .state import TAYLOR_DEGREE, cell_ends, elevation
from .trained_gates import nan_unless_finite
from .transform import Transform


# torch.compiler.disable when it is first called: at once, it would import torch's compiler, a second
@_disable_dynamo
def iat_frequencies(
    z: Tensor,
    inputs: Tensor | None,
    outputs: Tensor | None,
    transform: Transform,
    gate: tuple[Tensor, Tensor] | None = None,
    pattern_from: Tensor | None = None,
) -> Tensor:
    """The transform with other frequencies of its harmonics, in plain torch, differentiable to any order.

    Args:
        z: coefficients (..., d_in) of a real floating dtype.
        inputs, outputs: frequencies of the harmonics of p and of q, real; None leaves them as they are.
        transform: where frequencies are given, of trigonometric bases.
        gate: breakpoints and slopes, if these are tensors too.
        pattern_from: as for :func:`.op.iat`.

    Returns:
        (..., d_out). All nan if a frequency, breakpoint or slope is not finite.
    """
    x = computable(z, "z")
    if pattern_from is not None:
        pattern_from = check_floating(pattern_from, "pattern_from").to(x.dtype)
    if x.is_meta:
        return z.new_empty((*z.shape[:-1], transform.q.size))
    given = [w for w in (inputs, outputs) if w is not None]
    largest = max(float(w.detach().abs().max()) for w in given)
    p, q = transform.p, transform.q
    highest = math.ceil(largest) if math.isfinite(largest) else 1
    plan = reference.prepare(p, q, transform.gate, highest)
    tables, ends = plan.tables(x.device), _ends_of(p, q, highest, x.device)
    if inputs is not None:
        tables = tables._replace(p=_table(p, inputs.double(), ends).reshape(p.size, -1))
    if outputs is not None:
        table = _table(q, outputs.double(), ends) * ends.diff()[:, None]
        tables = tables._replace(q=table.permute(1, 2, 0).reshape(-1, q.size))
    if gate is not None:
        tables = tables._replace(levels=gate[0].double(), slopes=gate[1].double())
    u = reference.iat(x, plan, pattern_from, tables=tables)
    return nan_unless_finite(u, *given, *(gate or ())).to(z.dtype)


@lru_cache(maxsize=64)
def _ends_of(p: Basis, q: Basis, frequency: int, device: torch.device) -> Tensor:
    ends = [float(s) for s in cell_ends(p, q, frequency)]
    with torch.inference_mode(False):  # whose tensors cannot be saved for a derivative later
        return torch.tensor(ends, dtype=torch.float64, device=device)


def waves(basis: Basis, frequencies: Tensor, points: Tensor) -> Tensor:
    """The functions of a trigonometric basis with other frequencies at points: (size, n)."""
    index, factor, shift = _harmonics(basis, points.device, points.dtype)
    values = factor[:, None] * torch.sin(math.pi * (frequencies.to(points.dtype)[:, None] * points + shift[:, None]))
    return values.new_zeros(basis.size, len(points)).index_add(0, index, values)


def _harmonics(basis: Basis, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Number of the function, factor, and phase over pi of every harmonic."""
    kind: dict[str, Any] = {"device": device, "dtype": dtype}
    return (
        torch.tensor([h.index for h in basis.harmonics], device=device),
        torch.tensor([h.factor for h in basis.harmonics], **kind),
        torch.tensor([0.5 if h.cosine else 0.0 for h in basis.harmonics], **kind),
    )


def _table(basis: Basis, frequencies: Tensor, ends: Tensor) -> Tensor:
    """Bernstein coefficients on cells, (size, cells, K + 1), of harmonics by their Taylor polynomials."""
    index, factor, shift = _harmonics(basis, ends.device, ends.dtype)
    phase = math.pi * (frequencies[:, None] * ends + shift[:, None])
    middle, half = (phase[:, 1:] + phase[:, :-1]) / 2, phase.diff() / 2
    sine, cosine = torch.sin(middle), torch.cos(middle)
    powers = torch.ones_like(half)
    table = torch.zeros(*half.shape, TAYLOR_DEGREE + 1, dtype=ends.dtype, device=ends.device)
    for m, row in enumerate(_shifted_powers().to(ends)):
        table = table + (powers * (sine, cosine, -sine, -cosine)[m % 4])[..., None] * row
        powers = powers * half / (m + 1)
    values = torch.sin(phase)  # neighbours share their end values bit for bit
    table = torch.cat([values[:, :-1, None], table[..., 1:-1], values[:, 1:, None]], dim=-1) * factor[:, None, None]
    return table.new_zeros(basis.size, *table.shape[1:]).index_add(0, index, table)


@lru_cache(maxsize=1)
def _shifted_powers() -> Tensor:
    """Bernstein coefficients of ``(2 t - 1)**m`` for every m."""
    rows = [elevation(m, TAYLOR_DEGREE) @ [(-1.0) ** (m - i) for i in range(m + 1)] for m in range(TAYLOR_DEGREE + 1)]
    with torch.inference_mode(False):
        return torch.from_numpy(np.array(rows))
