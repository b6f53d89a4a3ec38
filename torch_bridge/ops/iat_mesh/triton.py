"""The integral activation transform on a mesh on GPUs, IAT (12): Triton kernel, and functions that launch it.

The formulas are those of :mod:`.reference`, for gates. The values at the mesh, rows times M numbers, never reach
memory: a program forms them for a few rows and cells at a time and multiplies them on at once. Half precision is
computed in float32 and returned in its own dtype; products of float32 matrices are not rounded to anything shorter.
Nothing here waits for the device; the one copy to it is that of a gate, in the first call for it (:func:`tables`).
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from iatcore import Gate

from ..steps.triton import KINDS, computed, interval_of

CELLS = 32
"""Cells of the mesh that a program does at a time, and components it sums over at a time."""
MOST_COLUMNS = 128
"""Components of the result that a program has; others are done by further programs, which form the values again."""
PROCESSORS = 132
"""Programs that a device has room for: rows are cut finer as long as there are less."""
OPTIONS = {"num_warps": 8, "num_stages": 1}
"""With 4 warps, or with more columns, tiles do not fit into registers; those of one stage take at most 40 KiB of shared
memory, of the 64 KiB that a CDNA3 processor has."""


@triton.jit
def _product(x, A, rows, cells, count, inner, mesh, KIND: tl.constexpr, ROWS: tl.constexpr, CELLS: tl.constexpr):
    """``x A`` for a tile of rows of x and columns of A."""
    total = tl.zeros((ROWS, CELLS), KIND)
    for start in range(0, inner, CELLS):
        i = start + tl.arange(0, CELLS)
        a = tl.load(
            x + rows[:, None] * inner + i[None, :], mask=(rows[:, None] < count) & (i[None, :] < inner), other=0
        )
        b = tl.load(
            A + i[:, None] * mesh + cells[None, :], mask=(i[:, None] < inner) & (cells[None, :] < mesh), other=0
        )
        total = tl.dot(a.to(KIND), b.to(KIND), total, input_precision="ieee", out_dtype=KIND)
    return total


@triton.jit
def gated_kernel(
    x, B, state, A, C, points, slopes, out, count, x_size, state_size, out_size, mesh, breakpoints,
    SAME: tl.constexpr, RIGHT: tl.constexpr, BITS: tl.constexpr, KIND: tl.constexpr, ROWS: tl.constexpr,
    CELLS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """``out = (2/M) (a(state A) * (x B)) C^T`` for a tile of rows and columns, a zero slope giving 0 also at infinity.

    Args:
        x (count, x_size), state (count, state_size), out (count, out_size); B, A, C (these sizes, M).
        points: ``breakpoints`` numbers that the entries of ``state A`` are compared with.
        slopes: ``breakpoints + 1`` values of a, and what it is at nan.
        SAME: ``state A`` is ``x B``.
    """
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), KIND)
    for start in range(0, mesh, CELLS):
        cells = start + tl.arange(0, CELLS)
        values = _product(x, B, rows, cells, count, x_size, mesh, KIND, ROWS, CELLS)
        at = values if SAME else _product(state, A, rows, cells, count, state_size, mesh, KIND, ROWS, CELLS)
        number = at == at
        found = interval_of(at, points, breakpoints, number, RIGHT, BITS)
        a = tl.load(slopes + tl.where(number, found, breakpoints + 1))
        # past the end of the mesh there is 0 inf where a row is infinite
        values = tl.where((a == 0) | (cells[None, :] >= mesh), 0.0, a * values)
        c = tl.load(
            C + columns[None, :] * mesh + cells[:, None],
            mask=(columns[None, :] < out_size) & (cells[:, None] < mesh),
            other=0,
        )
        total = tl.dot(values, c.to(KIND), total, input_precision="ieee", out_dtype=KIND)
    tl.store(
        out + rows[:, None] * out_size + columns[None, :],
        (total * 2 / mesh).to(out.dtype.element_ty),
        mask=(rows[:, None] < count) & (columns[None, :] < out_size),
    )


class Tables(NamedTuple):
    """A gate on a device: thresholds, slopes and what the slope is at nan, ``2**bits`` greater than their number."""

    points: Tensor
    slopes: Tensor
    bits: int


@lru_cache(maxsize=256)
def tables(gate: Gate, nan_slope: float, dtype: torch.dtype, device: torch.device) -> Tables:
    """Tables for comparison of numbers of a dtype with the breakpoints of a gate, which need not be of that dtype.

    A number lies above a breakpoint if it does so above the next lower number of its dtype; it lies there or above if
    it does so at the next higher one.
    """
    kind = torch.empty(0, dtype=dtype).numpy().dtype.type
    s = np.array(gate.breakpoints, dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = s.astype(kind)
    if gate.side == "right":
        rounded = np.where(rounded < s, np.nextafter(rounded, kind(np.inf)), rounded)
    else:
        rounded = np.where(rounded > s, np.nextafter(rounded, kind(-np.inf)), rounded)
    points = torch.from_numpy(rounded) if len(s) else torch.zeros(1, dtype=dtype)
    slopes = torch.tensor([*gate.slopes, nan_slope], dtype=torch.float64).to(dtype)
    return Tables(points.to(device), slopes.to(device), len(s).bit_length())


def blocks(count: int, out_size: int) -> dict[str, int]:
    """How many rows and columns of the result a program has: what fits into registers, see :data:`OPTIONS`.

    At least 16 of each, which is what the matrix units take, and no more rows than keep :data:`PROCESSORS` busy.
    """
    columns = min(max(triton.next_power_of_2(out_size), 16), MOST_COLUMNS)
    rows = min(64 if columns <= 64 else 16, triton.next_power_of_2(triton.cdiv(count, PROCESSORS)))
    return {"ROWS": max(rows, 16), "CELLS": CELLS, "COLUMNS": columns}


def _launch(x: Tensor, B: Tensor, state: Tensor | None, A: Tensor, C: Tensor, gate: Gate, nan_slope: float) -> Tensor:
    """``(2/M) (a(state A) * (x B)) C^T`` along the last dimension; without a state it is x."""
    out = torch.empty((*x.shape[:-1], C.shape[0]), dtype=x.dtype, device=x.device)
    if not out.numel():
        return out
    kind = computed(x.dtype)
    dense = [t.resolve_neg().contiguous() for t in (x, B, x if state is None else state, A, C)]
    table = tables(gate, nan_slope, kind, x.device)
    count, out_size, mesh = out.numel() // out.shape[-1], C.shape[0], C.shape[1]
    sizes = blocks(count, out_size)
    grid = (triton.cdiv(count, sizes["ROWS"]), triton.cdiv(out_size, sizes["COLUMNS"]))
    constants: dict[str, Any] = {"SAME": state is None, "RIGHT": gate.side == "right", "BITS": table.bits, **sizes}
    with torch.cuda.device_of(x):
        gated_kernel[grid](
            *dense, *table[:2], out, count, B.shape[0], A.shape[0], out_size, mesh, len(gate.breakpoints),
            KIND=KINDS[kind], **constants, **OPTIONS,
        )  # fmt: skip
    return out


def iat_mesh(z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None = None) -> Tensor:
    """``u = (2/M) Q sigma(P^T z)``, IAT (12), as :func:`.reference.iat_mesh` for a gate.

    Args:
        z: coefficients (..., d_in), half precision or float.
        P, Q: (d_in, M) and (d_out, M), of the dtype of z, or float32 where that is half precision.
        pattern_from: coefficients of the shape of z that the slopes are taken from,
            ``u = (2/M) Q diag(a(P^T pattern_from)) P^T z``.

    Returns:
        (..., d_out), of the dtype of z, contiguous.
    """
    return _launch(z, P, pattern_from, P, Q, gate, torch.nan)


def iat_mesh_backward(
    z: Tensor, g: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None = None
) -> Tensor:
    """The gradient of :func:`iat_mesh` with respect to z, IAT (13): ``(2/M) P diag(a(P^T z)) Q^T g``.

    The slopes are found again from z, or from pattern_from, which has no gradient.

    Args:
        g: (..., d_out), of the dtype of z.

    Returns:
        of the shape and dtype of z, contiguous.
    """
    # the gradient of torch.relu, which the reference takes, passes nan
    relu = pattern_from is None and gate.breakpoints == (0.0,) and gate.slopes == (0.0, 1.0)
    return _launch(g, Q, z if pattern_from is None else pattern_from, P, P, gate, 1.0 if relu else torch.nan)
