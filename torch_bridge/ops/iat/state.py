"""The state function ``f = p^T z`` on cells in Bernstein form, and every crossing of a level.

On each cell, f is one polynomial in the local coordinate t in [0, 1]; harmonics enter by their Taylor
polynomials, which on cells this narrow are exact to rounding. The Bernstein coefficients of ``f - level``
count crossings: their number of sign changes is at least the number of roots, and of the same parity. So none
means no root, one means exactly one, and a cell with more is halved until its parts have at most one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iatcore import Basis
from iatcore.bases.core import restrict

RADIANS = 1.0  # the highest harmonic turns by at most this much on half a cell
TAYLOR_DEGREE = 18  # remainder RADIANS**19 / 19! = 8e-18
HALVINGS = 40  # sub-cells narrower than 2**-40 of a cell are decided by the signs at their ends
NEWTON_LIMIT = 64


class Crossings(NamedTuple):
    """Where f crosses a level: index of row, cell and level, local coordinate t in [0, 1], direction."""

    row: Tensor
    cell: Tensor
    level: Tensor
    t: Tensor
    rising: Tensor


# -- tables -------------------------------------------------------------------------------------------------


def cell_ends(p: Basis, q: Basis, frequency: int = 0) -> list[Fraction]:
    """Ends of cells on which every function of both collections is a polynomial, to rounding.

    Args:
        frequency: the highest harmonic there may be, where that is more than those of p and q.
    """
    frequency, degree = max(p.max_frequency, q.max_frequency, frequency), max(p.degree, q.degree)
    ends = [Fraction(-1)]
    for a, b in pairwise(sorted({*p.knots, *q.knots})):
        turn = frequency * math.pi * float(b - a) / 2
        parts = max(1, math.ceil(turn / RADIANS), degree if degree > 3 else 1)
        ends += [a + (b - a) * Fraction(i, parts) for i in range(1, parts + 1)]
    return ends


def bernstein_table(basis: Basis, ends: list[Fraction]) -> NDArray[np.float64]:
    """Bernstein coefficients of every function on every cell, shape (size, cells, K + 1)."""
    degree = max(basis.degree, TAYLOR_DEGREE if basis.harmonics else 0)
    table = np.zeros((basis.size, len(ends) - 1, degree + 1))
    for c, (a, b) in enumerate(pairwise(ends)):
        k = bisect_right(basis.knots, a) - 1
        left, width = basis.knots[k], basis.knots[k + 1] - basis.knots[k]
        for j, coefficients in basis.pieces[k]:
            part = restrict(coefficients, (a - left) / width, (b - left) / width)
            table[j, c] += elevation(len(part) - 1, degree) @ [float(v) for v in part]
    for h in basis.harmonics:
        table[h.index] += h.factor * _harmonic(h.frequency, h.cosine, ends, degree)
    return table


def elevation(low: int, high: int) -> NDArray[np.float64]:
    """The matrix (high + 1, low + 1) that raises the degree of Bernstein coefficients."""
    return np.array(
        [
            [
                math.comb(low, j) * math.comb(high - low, i - j) / math.comb(high, i) if j <= i else 0.0
                for j in range(low + 1)
            ]
            for i in range(high + 1)
        ]
    )


def _harmonic(frequency: int, cosine: bool, ends: list[Fraction], degree: int) -> NDArray[np.float64]:
    """Bernstein coefficients of ``sin(k pi s)`` (or cos) on every cell, by Taylor polynomials."""
    half = Fraction(1, 2)
    phase = [frequency * s + (half if cosine else 0) for s in ends]
    middle = [(a + b) / 2 for a, b in pairwise(phase)]
    rho = math.pi / 2 * np.array([float(b - a) for a, b in pairwise(phase)])
    sine, cosine_ = np.array([_sinpi(x) for x in middle]), np.array([_sinpi(x + half) for x in middle])
    table = np.zeros((len(middle), degree + 1))
    for m, derivative in zip(range(degree + 1), (degree // 4 + 1) * [sine, cosine_, -sine, -cosine_], strict=False):
        power = elevation(m, degree) @ [(-1.0) ** (m - i) for i in range(m + 1)]  # (2 t - 1)**m
        table += np.outer(rho**m / math.factorial(m) * derivative, power)
    at_ends = np.array([_sinpi(x) for x in phase])
    table[:, 0], table[:, -1] = at_ends[:-1], at_ends[1:]  # neighbours share their end values bit for bit
    return table


def _sinpi(x: Fraction) -> float:
    """``sin(pi x)``, exact at multiples of 1/2."""
    r = (x + 1) % 2 - 1
    if abs(r) > Fraction(1, 2):
        r = (1 if r > 0 else -1) - r
    return math.sin(math.pi * float(r))


def halving(degree: int) -> NDArray[np.float64]:
    """The matrix (K + 1, 2 K + 1) from Bernstein coefficients to those on both halves, which share one."""
    split = np.zeros((degree + 1, 2 * degree + 1))
    for i in range(degree + 1):
        for j in range(i + 1):
            split[j, i] = split[degree - j, 2 * degree - i] = math.comb(i, j) / 2**i
    return split


# -- Bernstein form -----------------------------------------------------------------------------------------


def casteljau(b: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Value and derivative at t (n,) of polynomials with Bernstein coefficients b (n, K + 1)."""
    degree = b.shape[-1] - 1
    if degree == 0:
        return b[:, 0], torch.zeros_like(t)
    x, y = t[:, None], 1 - t[:, None]
    for _ in range(degree - 1):
        b = y * b[:, :-1] + x * b[:, 1:]
    return (y * b[:, :1] + x * b[:, 1:]).squeeze(-1), degree * (b[:, 1] - b[:, 0])


def bernstein(t: Tensor, degree: int) -> Tensor:
    """The Bernstein polynomials of a degree at t (...), shape (..., degree + 1)."""
    x, y = [torch.ones_like(t)], [torch.ones_like(t)]
    for _ in range(degree):
        x.append(x[-1] * t)
        y.append(y[-1] * (1 - t))
    return torch.stack([math.comb(degree, i) * x[i] * y[degree - i] for i in range(degree + 1)], dim=-1)


# -- crossings ----------------------------------------------------------------------------------------------


def is_above(g: Tensor, closed: bool) -> Tensor:
    """The sign rule used everywhere: ``g > 0``, or ``g >= 0`` if the right slope holds at a breakpoint."""
    return g >= 0 if closed else g > 0


@torch.no_grad()
def find_crossings(b: Tensor, levels: Tensor, split: Tensor, closed: bool) -> Crossings:
    """All crossings of all levels.

    Zero counts as one sign throughout, which is what an infinitesimally shifted level would give: pieces that
    equal a level have no crossings, and the counts stay consistent with the signs at the ends of each cell.

    Args:
        b: Bernstein coefficients (rows, cells, K + 1) of the state function.
        levels: (rows, m).
        split: the matrix of :func:`halving`.
        closed: whether the region above a level contains the level.
    """
    found = [_cross_level(b, levels[:, j, None, None], j, split, closed) for j in range(levels.shape[1])]
    if not found:
        empty = torch.zeros(0, dtype=torch.int64, device=b.device)
        return Crossings(empty, empty, empty, empty.to(b.dtype), empty.bool())
    return Crossings(*map(torch.cat, zip(*found, strict=True)))


def _cross_level(b: Tensor, level: Tensor, j: int, split: Tensor, closed: bool) -> Crossings:
    g = b - level
    row, cell = torch.nonzero(_sign_changes(g, closed), as_tuple=True)
    owner, left, width, coefficients = _isolate(g[row, cell], split, closed)
    rising = is_above(coefficients[:, -1], closed)
    t = left + width * _root(coefficients, rising, closed)
    return Crossings(row[owner], cell[owner], torch.full_like(owner, j), t, rising)


def _sign_changes(g: Tensor, closed: bool) -> Tensor:
    above = is_above(g, closed)
    return (above[..., 1:] != above[..., :-1]).sum(-1)


def _isolate(g: Tensor, split: Tensor, closed: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sub-cells with one crossing each: index of the polynomial, left end, width, Bernstein coefficients."""
    degree = g.shape[-1] - 1
    owner, left = torch.arange(len(g), device=g.device), g.new_zeros(len(g))
    found = []
    for step in range(HALVINGS + 1):
        width = 0.5**step
        changes = _sign_changes(g, closed)
        one = changes == 1 if step < HALVINGS else changes % 2 == 1
        found.append((owner[one], left[one], g.new_full((int(one.sum()),), width), g[one]))
        more = changes > 1
        if not more.any():
            break
        halves = g[more] @ split
        g = torch.cat([halves[:, : degree + 1], halves[:, degree:]])
        owner, left = owner[more].repeat(2), torch.cat([left[more], left[more] + width / 2])
    return tuple(map(torch.cat, zip(*found, strict=True)))  # type: ignore[return-value]


def _polygon_crossing(g: Tensor, above: Tensor) -> Tensor:
    """Where the polygon through ``(i / K, g_i)``, which changes sign once, does so; kept off the ends."""
    degree = g.shape[-1] - 1
    k = (above[:, 1:] != above[:, :-1]).int().argmax(-1, keepdim=True)
    before, after = g.gather(1, k), g.gather(1, k + 1)
    t = (k + before / (before - after)).squeeze(-1) / degree
    return t.clamp(0.5 / degree, 1 - 0.5 / degree)


def _root(g: Tensor, rising: Tensor, closed: bool) -> Tensor:
    """The one root in [0, 1] of each polynomial: Newton's method, held inside a shrinking bracket.

    A polynomial that is 0 at an end may cross inside as well, and then that crossing was counted. So an end
    is the root only if there is no coefficient of the other sign, and it is never a start.
    """
    if len(g) == 0:
        return g.new_zeros(0)
    low, high = torch.zeros_like(g[:, 0]), torch.ones_like(g[:, 0])
    above = is_above(g, closed)
    at_end = ((g == 0) | (above != closed)).all(-1)
    end = torch.where(rising != closed, low, high)
    t = _polygon_crossing(g, above)
    for iteration in range(NEWTON_LIMIT):
        value, slope = casteljau(g, t)
        beyond = is_above(value, closed) == rising
        low, high = torch.where(beyond, low, t), torch.where(beyond, t, high)
        step = t - value / slope
        settled = at_end | (value == 0) | ((step - t).abs() <= torch.finfo(t.dtype).eps)
        if settled.all():
            break
        bisect = ~((step > low) & (step < high))
        if iteration > 8 and iteration % 2:
            bisect = torch.ones_like(bisect)
        t = torch.where(settled, t, torch.where(bisect, (low + high) / 2, step))
    return torch.where(at_end, end, t)
