"""Step matrices and two-slope functions in plain torch: every device, every derivative, the same results.

The derivative with respect to z is the matrix itself, which is constant away from the breakpoints; second derivatives
are those of the product of step values with z and with the incoming gradient.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from iatcore.steps import Bands, Entries

LOWEST, HIGHEST = 0.01, 0.99
"""Where AReLU clamps alpha."""


class Layout(NamedTuple):
    """Where a matrix acts and which entries have step values of their own.

    Attributes:
        dim: the dimension of the input that the matrix acts on, negative.
        features: sizes of the last dimensions that have step values of their own: () shared by all, (n,) along
            ``dim``, more for each entry of a sample.
    """

    dim: int
    features: tuple[int, ...] = ()

    def groups(self, z: Tensor) -> Tensor | None:
        """Numbers of the sets of step values, broadcastable to z; None if there is one."""
        if not self.features:
            return None
        numbers = torch.arange(math.prod(self.features), device=z.device)
        if len(self.features) > 1:
            return numbers.view(self.features)
        return numbers.view([-1 if d == self.dim else 1 for d in range(-z.ndim, 0)])


def intervals(z: Tensor, points: tuple[float, ...] | Tensor, side: str) -> Tensor:
    """The interval of every entry, breakpoints rounded to the dtype of z; nan lies in the first."""
    at = torch.as_tensor(points, dtype=torch.float64, device=z.device).to(z.dtype)
    found = torch.bucketize(z.detach().clone(memory_format=torch.contiguous_format), at, right=side == "right")
    return torch.where(z.isnan(), 0, found)


class _Product(torch.autograd.Function):
    """``t x``: +0 where t = 0, also at infinity; its derivatives are x and t, the latter 0 where t = 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(t: Tensor, x: Tensor) -> Tensor:
        return t * torch.where((t == 0) & ~x.isnan(), 0.0, x) + 0.0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        t, x = ctx.saved_tensors
        # 0 only takes the place of 0 inf, so that the derivative with respect to t is still g
        return g * x, t * torch.where((t == 0) & ~g.isfinite(), 0.0, g)

    @staticmethod
    def jvp(ctx: Any, t_tangent: Tensor, x_tangent: Tensor) -> Tensor:
        t, x = ctx.saved_tensors
        return t_tangent * x + t * torch.where((t == 0) & ~x_tangent.isfinite(), 0.0, x_tangent)


def product(t: Tensor, x: Tensor) -> Tensor:
    """``t x`` for tensors of one shape; for t = 0 it is +0 also at infinity, and nan at nan."""
    if torch.compiler.is_compiling():
        # without forward mode and infinite gradients, neither of which a graph can have
        return t * torch.where((t == 0) & x.isinf(), 0.0, x) + 0.0
    return _Product.apply(t, x)


class _Picked(torch.autograd.Function):
    """``values[index]`` for flat values, with sums of gradients formed in float64."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, index: Tensor) -> Tensor:
        return values[index]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])
        ctx.size = inputs[0].shape[0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _Summed.apply(g, ctx.saved_tensors[0], ctx.size), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent[ctx.saved_tensors[0]]


class _Summed(torch.autograd.Function):
    """The transpose of :class:`_Picked`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(g: Tensor, index: Tensor, size: int) -> Tensor:
        sums = torch.zeros(size, dtype=torch.float64, device=g.device)
        return sums.index_add(0, index.reshape(-1), g.reshape(-1).double()).to(g.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return _Picked.apply(g, ctx.saved_tensors[0]), None, None


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Entries of all step values, flattened, by number."""
    if torch.compiler.is_compiling():
        # in float64, so that sums of gradients are formed there
        return values.reshape(-1).double()[index].to(values.dtype)
    return _Picked.apply(values.reshape(-1), index)


class Diagonal(NamedTuple):
    """One diagonal of a step matrix on a tensor.

    Attributes:
        first, last: the rows that it has entries in, ``first .. last - 1``.
        x: the components that these entries belong to.
        interval: where each lies in the grid.
        base: entry in the flat step values at which those of each row start.
    """

    first: int
    last: int
    x: Tensor
    interval: Tensor
    base: Tensor | int

    def widened(self, part: Tensor, dim: int, n: int) -> Tensor:
        """A part of u with zeros in all other rows."""
        if self.last - self.first == n:
            return part
        before, after = list(part.shape), list(part.shape)
        before[dim], after[dim] = self.first, n - self.last
        return torch.cat([part.new_zeros(before), part, part.new_zeros(after)], dim)


def diagonal(
    z: Tensor, k: int, points: tuple[float, ...] | Tensor, side: str, layout: Layout, width: int
) -> Diagonal | None:
    """What diagonal k has to do with z; None if it lies outside of the matrix."""
    if not z.ndim:
        return Diagonal(0, 1, z, intervals(z, points, side), 0)
    n = z.shape[layout.dim]
    first, last = max(0, -k), min(n, n - k)
    if first >= last:
        return None
    x = z.narrow(layout.dim, first + k, last - first)
    groups = layout.groups(z)
    base = 0 if groups is None else groups.narrow(layout.dim, first, last - first) * width
    return Diagonal(first, last, x, intervals(x, points, side), base)


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}`` along ``layout.dim``, TMAF (4)-(7).

    Args:
        values: for each diagonal ``(groups, intervals)``, or ``(intervals,)``.
    """
    u: Tensor | None = None
    for k, points, steps in zip(bands.numbers, bands.grids, values, strict=True):
        found = diagonal(z, k, points, bands.side, layout, steps.shape[-1])
        if found is not None:
            part = product(pick(steps, found.base + found.interval), found.x)
            part = found.widened(part, layout.dim, z.shape[layout.dim] if z.ndim else 1)
            u = part if u is None else u + part
    if u is not None:
        return u
    # nothing to compute, but the result still depends on its arguments
    return z.where(torch.zeros_like(z, dtype=torch.bool), 0.0) + sum(v.reshape(-1)[:0].sum() for v in values)


def trained_step_matrix(
    z: Tensor, values: tuple[Tensor, ...], points: tuple[Tensor, ...], bands: Bands, layout: Layout, width: float
) -> Tensor:
    """:func:`step_matrix` with a gradient for breakpoints: that of the average of u over windows of a width.

    For z within half a window of its nearest breakpoint ``s_j``, du/ds_j is ``-(t_{j+1} - t_j) z/w_j``, where the
    window ``w_j`` is ``width`` or, if that is less, the smaller of the gaps to the neighbours of ``s_j``.
    """
    u = step_matrix(z, values, replace(bands, grids=points), layout)  # type: ignore[arg-type]
    for k, s, steps in zip(bands.numbers, points, values, strict=True):
        found = diagonal(z, k, s.detach(), bands.side, layout, steps.shape[-1])
        if found is None:
            continue
        x, at = found.x.detach(), s.detach().to(z.dtype)
        left = (found.interval - 1).clamp(min=0)
        right = found.interval.clamp(max=len(at) - 1)
        nearest = torch.where((x - at[left]).abs() <= (x - at[right]).abs(), left, right)
        flat = steps.detach().reshape(-1)
        jump = flat[found.base + nearest + 1] - flat[found.base + nearest]
        gaps = at.diff()
        room = torch.cat([gaps.new_full((1,), width), gaps, gaps.new_full((1,), width)])
        window = torch.minimum(room[:-1], room[1:]).clamp(max=width)[nearest]
        weight = torch.where((x - at[nearest]).abs() <= window / 2, -jump * x / window, 0.0)
        moved = weight * (s - s.detach()).to(z.dtype)[nearest]
        u = u + found.widened(moved, layout.dim, z.shape[layout.dim] if z.ndim else 1)
    return u


def entries(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """S(z) as a dense matrix, (..., n, n): the dimension it acts on last."""
    rows = z.movedim(layout.dim, -1)
    n = rows.shape[-1]
    result = rows.new_zeros(*rows.shape, n)
    for k, points, steps in zip(bands.numbers, bands.grids, values, strict=True):
        found = diagonal(z, k, points, bands.side, layout, steps.shape[-1])
        if found is not None:
            t = steps.reshape(-1)[found.base + found.interval].to(z.dtype).where(~found.x.isnan(), torch.nan)
            t = t.movedim(layout.dim, -1)
            result.diagonal(k, -2, -1).copy_(t.expand(found.x.movedim(layout.dim, -1).shape))
    return result


def sparse_entries(
    z: Tensor, values: Tensor, points: tuple[float, ...] | Tensor, side: str, pattern: Entries
) -> Tensor:
    """S(z) for a fixed pattern as a dense matrix, (..., n, n)."""
    rows, columns, functions = places(pattern, z.device)
    x = z[..., columns]
    t = values[functions, intervals(x, points, side)].to(z.dtype).where(~x.isnan(), torch.nan)
    result = z.new_zeros(*z.shape, z.shape[-1])
    result[..., rows, columns] = t
    return result


def places(pattern: Entries, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and step functions of the entries of a pattern."""
    columns, functions = (torch.from_numpy(a).to(device) for a in (pattern.columns, pattern.functions))
    counts = torch.from_numpy(pattern.indptr).diff()
    return torch.repeat_interleave(torch.arange(len(counts)), counts).to(device), columns, functions


def sparse_step_matrix(z: Tensor, values: Tensor, points: tuple[float, ...], side: str, pattern: Entries) -> Tensor:
    """``u_i = sum_j a_ij(z_j) z_j`` along the last dimension for a fixed pattern of entries."""
    rows, columns, functions = places(pattern, z.device)
    x = z[..., columns]
    index = intervals(x, points, side) + functions * values.shape[-1]
    parts = product(pick(values, index), x)
    return torch.zeros_like(z).index_add(-1, rows, parts)


def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """``C(alpha) x`` for x < 0 and ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.2 and 2.3."""
    # sums over all entries in float64
    slopes = attention_slopes(alpha, beta, residual, keep_alive).to(x.dtype)
    return product(pick(slopes, torch.where(x < 0, 0, 1)), x)


def attention_slopes(alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """``(C(alpha), residual + sigmoid(beta))``, AReLU 2.2 and 2.3."""
    low = InwardClamp.apply(alpha) if keep_alive else alpha.clamp(LOWEST, HIGHEST)
    return torch.cat([low.reshape(1), (residual + torch.sigmoid(beta)).reshape(1)])


class InwardClamp(torch.autograd.Function):
    """C(alpha) with a gradient outside of its interval too, as long as a descent step leads back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(alpha: Tensor) -> Tensor:
        return alpha.clamp(LOWEST, HIGHEST)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (alpha,) = ctx.saved_tensors
        outward = ((alpha > HIGHEST) & (g < 0)) | ((alpha < LOWEST) & (g > 0))
        return g.masked_fill(outward, 0.0)
