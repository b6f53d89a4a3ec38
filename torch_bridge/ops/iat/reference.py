"""The exact integral activation transform in plain torch: any device, basis, gate and order of derivative."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from iatcore import Basis, Gate

from .state import bernstein, bernstein_table, casteljau, cell_ends, find_crossings, halving, is_above

HARMONIC_NODES = 10  # Gauss-Legendre on one cell: error below 2e-18 for a product of two highest harmonics


class Tables(NamedTuple):
    """Constants of a plan on one device, float64.

    ``p`` (d_in, cells * (Kp + 1)) and ``q`` (cells * (Kq + 1), d_out, times the width of the cell) hold
    Bernstein coefficients; ``gram`` (Kp + 1, Kq + 1) integrals of products of Bernstein polynomials.
    """

    p: Tensor
    q: Tensor
    gram: Tensor
    split: Tensor
    nodes: Tensor
    weights: Tensor
    levels: Tensor
    slopes: Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """What :func:`iat` needs to know about p, q and the gate; made by :func:`prepare`."""

    p: Basis
    q: Basis
    gate: Gate
    cells: int
    host: Tables
    on_device: dict[torch.device, Tables] = field(default_factory=dict, repr=False)

    def tables(self, device: torch.device) -> Tables:
        """The constants on a device, moved there once."""
        if device not in self.on_device:
            # outside of inference mode, whose tensors cannot be saved for a derivative later
            with torch.inference_mode(False):
                self.on_device[device] = Tables(*(t.to(device) for t in self.host))
        return self.on_device[device]


@lru_cache(maxsize=64)
def prepare(p: Basis, q: Basis, gate: Gate, frequency: int = 0) -> Plan:
    """The constants of the transform with input basis p, output basis q and a gate.

    Args:
        frequency: the highest harmonic that tables given to :func:`iat` may have.
    """
    ends = cell_ends(p, q, frequency)
    cells = len(ends) - 1
    input_table, output_table = bernstein_table(p, ends), bernstein_table(q, ends)
    output_table *= np.array([float(b - a) for a, b in pairwise(ends)])[:, None]
    kp, kq = input_table.shape[-1] - 1, output_table.shape[-1] - 1
    count = max(
        math.ceil((max(p.degree, 0) + max(q.degree, 0) + 1) / 2),
        HARMONIC_NODES * bool(p.harmonics or q.harmonics),
    )
    x, w = np.polynomial.legendre.leggauss(count)
    host = (
        input_table.reshape(p.size, -1),
        output_table.transpose(1, 2, 0).reshape(-1, q.size),
        _gram(kp, kq),
        halving(kp),
        (x + 1) / 2,
        w / 2,
        *_steps(gate),
    )
    with torch.inference_mode(False):
        tables = Tables(*(torch.from_numpy(np.ascontiguousarray(array, np.float64)) for array in host))
    return Plan(p, q, gate, cells, tables)


def _steps(gate: Gate) -> tuple[np.ndarray, np.ndarray]:
    """Breakpoints and slopes of a gate, without breakpoints that have the same slope on both sides."""
    jumps = np.array(gate.jumps) != 0
    return np.array(gate.breakpoints)[jumps], np.array(gate.slopes)[np.concatenate([[True], jumps])]


def _gram(m: int, n: int) -> np.ndarray:
    """Integrals over [0, 1] of products of Bernstein polynomials of degrees m and n."""
    return np.array(
        [
            [math.comb(m, i) * math.comb(n, j) / ((m + n + 1) * math.comb(m + n, i + j)) for j in range(n + 1)]
            for i in range(m + 1)
        ]
    )


def iat(
    z: Tensor, plan: Plan, pattern_from: Tensor | None = None, newton_steps: int = 2, tables: Tables | None = None
) -> Tensor:
    """``u = integral over [-1, 1] of q(s) a(f(s)) p(s)^T z ds`` with ``f = p^T z``, IAT (4), (17), (18).

    Every crossing of a gate level by f is found; between them the integrand is a polynomial on each cell.
    The crossings are then attached to z again by Newton steps in differentiable arithmetic: k steps make u
    right to its derivative of order ``2**(k + 1) - 1``, with a gate that jumps or pattern_from ``2**k - 1``.

    Args:
        z: coefficients (..., d_in), float32 or float64. Computed in float64 for either.
        plan: made by :func:`prepare`.
        pattern_from: coefficients of the same shape that f is taken from instead of z, IAT (24)-(26).
            Gradients flow to both.
        newton_steps: k >= 0; with 0 the pattern counts as a constant.
        tables: in place of those of the plan, p, q, levels and slopes may depend on tensors that are trained.

    Returns:
        (..., d_out) in the dtype of z. A row with nan or inf (in either argument) is nan.

    Raises:
        ValueError: last dimension not d_in, shapes of z and pattern_from that differ.
    """
    check_shapes(z, plan.p.size, pattern_from)
    tables = plan.tables(z.device) if tables is None else tables
    rows = [x.reshape(-1, plan.p.size).double() for x in ((z,) if pattern_from is None else (z, pattern_from))]
    finite = torch.stack([x.detach().isfinite().all(-1) for x in rows]).all(0)[:, None]
    scaled = [_normalise(torch.where(finite, x, 0.0)) for x in rows]
    coefficients = [(x @ tables.p).unflatten(-1, (plan.cells, -1)) for x, _ in scaled]
    (_, unit), (_, state_unit) = scaled[0], scaled[-1]
    levels = tables.levels / state_unit[0] / state_unit[1]
    u = _moments(coefficients[0], coefficients[-1], levels, plan, tables, newton_steps) @ tables.q
    u = torch.where(finite, u * unit[0] * unit[1], _nan(rows, finite))
    return u.reshape(*z.shape[:-1], plan.q.size).to(z.dtype)


def check_shapes(z: Tensor, size: int, pattern_from: Tensor | None = None) -> None:
    """Raises ValueError unless z is (..., size) and pattern_from, if any, has the same shape."""
    if z.ndim == 0 or z.shape[-1] != size:
        raise ValueError(f"z must have shape (..., {size}), got {tuple(z.shape)}")
    if pattern_from is not None and pattern_from.shape != z.shape:
        raise ValueError(f"pattern_from must have the shape of z, {tuple(z.shape)}, got {tuple(pattern_from.shape)}")


def _normalise(rows: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Rows (n, d) divided by a power of two, and that power as two factors, each of which is in range."""
    exponent = torch.frexp(rows.detach().abs().amax(-1, keepdim=True)).exponent
    first = exponent // 2
    unit = torch.exp2(first.double()), torch.exp2((exponent - first).double())
    return rows / unit[0] / unit[1], unit


def _nan(rows: list[Tensor], finite: Tensor) -> Tensor:
    """nan (n, 1) whose gradient is nan in the rows that are not finite and 0 in the others."""
    return sum((torch.where(finite, 0.0, x) * torch.nan).sum(-1, keepdim=True) for x in rows)  # type: ignore


def _moments(b: Tensor, f: Tensor, levels: Tensor, plan: Plan, tables: Tables, newton_steps: int) -> Tensor:
    """Integrals over the cells of ``a(f) b`` times Bernstein polynomials: (rows, cells * (Kq + 1)).

    ``a(f)`` on a cell is its value at the right end minus the jumps at the crossings to the right of s.
    """
    closed = plan.gate.side == "right"
    above = is_above(f.detach()[..., -1, None] - levels[:, None, :], closed)
    slope = tables.slopes[above.sum(-1)]
    whole = slope[..., None] * (b @ tables.gram)
    found = find_crossings(f.detach(), levels, tables.split, closed)
    cells, level = (found.row, found.cell), levels[found.row, found.level]
    partial = _partial_moments(b[cells], torch.zeros_like(found.t), found.t, tables)
    if newton_steps and torch.is_grad_enabled():
        shift = _attach(f[cells], level, found.t, newton_steps) - found.t
        partial = partial + _partial_moments(_exact_at(b, f, cells, level, found.t), found.t, shift, tables)
    jump = (tables.slopes[1:] - tables.slopes[:-1])[found.level] * torch.where(found.rising, -1.0, 1.0)
    index = found.row * plan.cells + found.cell
    moments = whole.flatten(0, 1).index_add(0, index, jump[:, None] * partial)
    return moments.reshape(whole.shape).flatten(1)


def _attach(f: Tensor, level: Tensor, t: Tensor, steps: int) -> Tensor:
    """The crossings t as functions of the coefficients f: Newton steps that leave their values as they are.

    Where the slope vanishes a crossing has no derivative; it stays a constant.
    """
    for _ in range(steps):
        value, slope = casteljau(f - level[:, None], t)
        slope = torch.where(slope == 0, torch.inf, slope)
        t = t - (value - value.detach()) / slope
    return t


def _exact_at(b: Tensor, f: Tensor, cells: tuple[Tensor, Tensor], level: Tensor, t: Tensor) -> Tensor:
    """Coefficients of b on cells; if b is f, less the constant that makes its value at t the level exactly.

    Otherwise the rounding error of f(t), which a slope near 0 divides, would enter the first derivative.
    """
    if b is not f:
        return b[cells]
    residual = casteljau(f.detach()[cells] - level.detach()[:, None], t)[0]
    return b[cells] - residual[:, None]


def _partial_moments(b: Tensor, start: Tensor, length: Tensor, tables: Tables) -> Tensor:
    """Integrals of ``B_k b`` over ``[start, start + length]`` by Gauss-Legendre quadrature, (n, Kq + 1)."""
    kp, kq = (k - 1 for k in tables.gram.shape)
    points = start[:, None] + length[:, None] * tables.nodes
    values = (bernstein(points, kp) * b[:, None, :]).sum(-1) * tables.weights
    return length[:, None] * (values[..., None] * bernstein(points, kq)).sum(-2)
