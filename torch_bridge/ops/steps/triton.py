"""Step matrices and two-slope functions on GPUs: Triton kernels, and functions of tensors that launch them.

The formulas are those of :mod:`.reference`. Half precision is computed in float32 and returned in its own dtype. Sums
over a tensor are formed in two stages: a number of programs that depends on sizes alone writes a partial sum each,
then those are added up, so that results repeat bit for bit. Nothing here waits for the device; the one copy to it is
that of breakpoints, in the first call for them (:func:`tables`).
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from iatcore.steps import Bands

from .cpu import Plan, clamp_ends, like, order_of
from .reference import Layout

KINDS = {torch.float32: tl.float32, torch.float64: tl.float64}
BLOCK = 1024
"""Entries of a program that goes over memory once: 8 for each of the 128 threads of 4 warps, 16 bytes in half."""
MOST_PROGRAMS = 1024
"""Partial sums at most: enough to fill a device of 132 multiprocessors several times over."""
TILE = 32768
"""Bytes of sums that a program keeps in registers, 256 for each of 128 threads."""
CHUNK = 128
"""Intervals that a program tells apart; those of a longer grid are shared out between programs."""


@triton.jit
def times(t, x):
    """``t x``: +0 where t = 0, also at infinity; nan at nan."""
    return t * tl.where((t == 0) & (x == x), 0.0, x) + 0.0


@triton.jit
def _slopes(alpha, beta, LOWEST: tl.constexpr, HIGHEST: tl.constexpr, RESIDUAL: tl.constexpr, KIND: tl.constexpr):
    """``C(alpha)`` and ``residual + sigmoid(beta)``."""
    a, b = tl.load(alpha).to(KIND), tl.load(beta).to(KIND)
    lowest, highest = tl.full((), LOWEST, KIND), tl.full((), HIGHEST, KIND)
    low = tl.where(a < lowest, lowest, tl.where(a > highest, highest, a))
    return low, tl.full((), RESIDUAL, KIND) + 1.0 / (1.0 + tl.exp(-b))


@triton.jit
def two_slopes_kernel(
    x, alpha, beta, u, size,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, RESIDUAL: tl.constexpr, KIND: tl.constexpr, INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """``u = low x`` for x < 0 and ``high x`` otherwise, for a block of a flat array."""
    low, high = _slopes(alpha, beta, LOWEST, HIGHEST, RESIDUAL, KIND)
    f = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + f, mask=f < size, other=0).to(KIND)
    tl.store(u + f, times(tl.where(v < 0, low, high), v).to(u.dtype.element_ty), mask=f < size)


@triton.jit
def two_slopes_backward_kernel(
    x, g, alpha, beta, dx, partials, size,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, RESIDUAL: tl.constexpr, KIND: tl.constexpr, INDEX: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient with respect to x, and ``partials[p]``: sums of ``g x`` for x < 0 and for x >= 0 of program p."""
    low, high = _slopes(alpha, beta, LOWEST, HIGHEST, RESIDUAL, KIND)
    program, programs = tl.program_id(0), tl.num_programs(0)
    below, above = tl.zeros((BLOCK,), KIND), tl.zeros((BLOCK,), KIND)
    for start in range(program.to(INDEX) * BLOCK, size, programs * BLOCK):
        f = start + tl.arange(0, BLOCK)
        v = tl.load(x + f, mask=f < size, other=0).to(KIND)
        e = tl.load(g + f, mask=f < size, other=0).to(KIND)
        t = tl.where(v < 0, low, high)
        tl.store(dx + f, tl.where(t == 0, 0.0, t * e).to(dx.dtype.element_ty), mask=f < size)
        below += tl.where(v < 0, v * e, 0.0)
        above += tl.where(v < 0, 0.0, v * e)
    tl.store(partials + 2 * program, tl.sum(below, 0))
    tl.store(partials + 2 * program + 1, tl.sum(above, 0))


@triton.jit
def two_slopes_sums_kernel(
    partials, alpha, beta, dalpha, dbeta, count,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, KEEP_ALIVE: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    """Gradients with respect to alpha and beta from the partial sums, in float64 by a single program."""
    p = tl.arange(0, PROGRAMS)
    low = tl.sum(tl.load(partials + 2 * p, mask=p < count, other=0).to(tl.float64), 0)
    high = tl.sum(tl.load(partials + 2 * p + 1, mask=p < count, other=0).to(tl.float64), 0)
    a, b = tl.load(alpha).to(tl.float64), tl.load(beta).to(tl.float64)
    lowest, highest = tl.full((), LOWEST, tl.float64), tl.full((), HIGHEST, tl.float64)
    if KEEP_ALIVE:
        # a descent step leads back if the gradient has the sign of the side; nan stays nan
        stopped = ((a > highest) & (low < 0)) | ((a < lowest) & (low > 0))
    else:
        stopped = (a > highest) | (a < lowest)
    tl.store(dalpha, tl.where(stopped, 0.0, low).to(dalpha.dtype.element_ty))
    # sigmoid(b) sigmoid(-b), without overflow
    e = tl.exp(-tl.abs(b))
    tl.store(dbeta, (high * (e / ((1.0 + e) * (1.0 + e)))).to(dbeta.dtype.element_ty))


@triton.jit
def interval_of(x, points, count, inside, RIGHT: tl.constexpr, BITS: tl.constexpr):
    """How many of ``count < 2**BITS`` breakpoints lie below x, or at it if ``RIGHT``; nan is in the first interval."""
    found = tl.zeros_like(x).to(tl.int32)
    for bit in tl.static_range(BITS):
        probe = found + (1 << (BITS - 1 - bit))
        within = inside & (probe <= count)
        s = tl.load(points + probe - 1, mask=within, other=0)
        if RIGHT:
            found = tl.where(within & (x >= s), probe, found)
        else:
            found = tl.where(within & (x > s), probe, found)
    return found


@triton.jit
def matrix_kernel(
    z, g, values, points, numbers, out, size, n, inner, groups, repeat, bands,
    TRANSPOSED: tl.constexpr, RIGHT: tl.constexpr, DIAGONAL: tl.constexpr, BITS: tl.constexpr, KIND: tl.constexpr,
    INDEX: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}``, or ``dz_j = sum_k a_k(z_j) g_{j-k}`` if ``TRANSPOSED``.

    For a block of a flat array ``(outer, n, inner)``, see :class:`_Call`.
    """
    f = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK)
    inside = f < size
    total = tl.zeros((BLOCK,), KIND)
    for band in range(bands):
        k, first = tl.load(numbers + 3 * band), tl.load(numbers + 3 * band + 1)
        count = tl.load(numbers + 3 * band + 2)
        partner = -k if TRANSPOSED else k
        valid = inside
        if not DIAGONAL:
            i = (f // inner) % n + partner
            valid = inside & (i >= 0) & (i < n)
        other = f + partner.to(INDEX) * inner
        # step values belong to rows, and what they are functions of to columns
        row, column = (other, f) if TRANSPOSED else (f, other)
        x = tl.load(z + column, mask=valid, other=0).to(KIND)
        # before this diagonal there are `first` breakpoints, and one interval more than breakpoints for each diagonal
        at = (first + band).to(INDEX) * groups + (tl.where(valid, row, 0) // repeat) % groups * (count + 1)
        at += interval_of(x, points + first, count, valid, RIGHT, BITS)
        t = tl.load(values + at, mask=valid, other=0).to(KIND)
        if TRANSPOSED:
            total += tl.where(t == 0, 0.0, t * tl.load(g + row, mask=valid, other=0).to(KIND))
        else:
            total += times(t, x)
    tl.store(out + f, total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def values_backward_kernel(
    z, g, values, points, numbers, dz, partials, entries, parts, per_group, chunks, n, inner, groups, repeat,
    WITH_Z: tl.constexpr, RIGHT: tl.constexpr, DIAGONAL: tl.constexpr, BITS: tl.constexpr, KIND: tl.constexpr,
    INDEX: tl.constexpr, WIDTH: tl.constexpr, SIDE_BY_SIDE: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Partial sums of ``g_i z_{i+k}`` for each step value, and also ``dz`` for a diagonal matrix if ``WITH_Z``.

    A program has ``SIDE_BY_SIDE`` groups, a part of their rows, one diagonal and ``WIDTH`` intervals. Row e of group c
    has the flat index ``((e // repeat) groups + c) repeat + e % repeat``.

    Args:
        partials: (parts, entries), entries as in ``values``.
        per_group: rows of a group.
    """
    part, band, chunk = tl.program_id(0) % parts, tl.program_id(1) // chunks, tl.program_id(1) % chunks
    lane = tl.arange(0, LANES)
    group = (tl.program_id(0) // parts).to(INDEX) * SIDE_BY_SIDE + lane % SIDE_BY_SIDE
    together: tl.constexpr = LANES // SIDE_BY_SIDE
    k, first = tl.load(numbers + 3 * band), tl.load(numbers + 3 * band + 1)
    count = tl.load(numbers + 3 * band + 2)
    at = (first + band).to(INDEX) * groups + group * (count + 1)
    interval = chunk * WIDTH + tl.arange(0, WIDTH)
    sums = tl.zeros((WIDTH, LANES), KIND)
    for start in range(part.to(INDEX) * together, per_group, parts * together):
        e = start + lane // SIDE_BY_SIDE
        f = ((e // repeat) * groups + group) * repeat + e % repeat
        valid = (e < per_group) & (group < groups)
        if not DIAGONAL:
            j = (f // inner) % n + k
            valid = valid & (j >= 0) & (j < n)
        x = tl.load(z + f + k.to(INDEX) * inner, mask=valid, other=0).to(KIND)
        d = tl.load(g + f, mask=valid, other=0).to(KIND)
        found = interval_of(x, points + first, count, valid, RIGHT, BITS)
        if WITH_Z:
            t = tl.load(values + at + found, mask=valid, other=0).to(KIND)
            # every chunk of intervals has the whole of dz
            tl.store(dz + f, tl.where(t == 0, 0.0, t * d).to(dz.dtype.element_ty), mask=valid & (chunk == 0))
        sums += tl.where(found[None, :] == interval[:, None], (x * d)[None, :], 0.0)
    total = sums if together == 1 else tl.sum(tl.reshape(sums, (WIDTH, together, SIDE_BY_SIDE)), 1)
    group = (tl.program_id(0) // parts).to(INDEX) * SIDE_BY_SIDE + tl.arange(0, SIDE_BY_SIDE)
    at = (first + band).to(INDEX) * groups + group * (count + 1)
    where = part.to(INDEX) * entries + at[None, :] + interval[:, None]
    tl.store(partials + where, total, mask=(interval[:, None] <= count) & (group[None, :] < groups))


def computed(dtype: torch.dtype) -> torch.dtype:
    """The dtype that kernels compute in: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def in_dense_memory(z: Tensor) -> Tensor:
    """The tensor itself if its entries fill memory without gaps in some order of dimensions, else a copy."""
    z = z.resolve_neg()
    return z if z.is_contiguous() or z.permute(order_of(z) or ()).is_contiguous() else z.contiguous()


def _index(size: int) -> tl.dtype:
    """The dtype of flat indices, masked ones past the end included."""
    return tl.int32 if size < 2**31 - 2**24 else tl.int64


def two_slopes(x: Tensor, alpha: Tensor, beta: Tensor, residual: float) -> Tensor:
    """``C(alpha) x`` for x < 0, ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.3; ELSA with residual 0.

    Args:
        x: any shape, half precision or float; alpha, beta: tensors of one entry, of any of these dtypes.

    Returns:
        of the shape and dtype of x; also in its strides if these leave no gaps.
    """
    x = in_dense_memory(x)
    u = torch.empty_like(x, memory_format=torch.preserve_format)
    if x.numel():
        lowest, highest = clamp_ends(alpha.dtype)
        with torch.cuda.device_of(x):
            two_slopes_kernel[(triton.cdiv(x.numel(), BLOCK),)](
                x, alpha, beta, u, x.numel(), lowest, highest, float(residual), KINDS[computed(x.dtype)],
                _index(x.numel()), BLOCK,
            )  # fmt: skip
    return u


def two_slopes_backward(
    x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of :func:`two_slopes` with respect to x, alpha and beta.

    With ``low = sum of g x over x < 0`` and ``high`` that over x >= 0, the gradient of beta is ``high sigmoid'(beta)``.
    That of alpha is ``low``, or 0 where the clamp acts; ``keep_alive`` passes it if a descent step leads back.

    Args:
        g: of the shape of x.
    """
    x = in_dense_memory(x)
    g = like(g, order_of(x))
    dx = torch.empty_like(x, memory_format=torch.preserve_format)
    dalpha, dbeta = torch.empty_like(alpha), torch.empty_like(beta)
    kind, size = computed(x.dtype), x.numel()
    if not size:
        return dx, dalpha.zero_(), dbeta.zero_()
    programs = min(triton.cdiv(size, BLOCK), MOST_PROGRAMS)
    partials = torch.empty((programs, 2), dtype=kind, device=x.device)
    ends = clamp_ends(alpha.dtype)
    with torch.cuda.device_of(x):
        two_slopes_backward_kernel[(programs,)](
            x, g, alpha, beta, dx, partials, size, *ends, float(residual), KINDS[kind], _index(size), BLOCK
        )
        two_slopes_sums_kernel[(1,)](partials, alpha, beta, dalpha, dbeta, programs, *ends, keep_alive, MOST_PROGRAMS)
    return dx, dalpha, dbeta


class Tables(NamedTuple):
    """Breakpoints on a device.

    Attributes:
        points: those of all diagonals, one after another, at least one entry.
        numbers: (diagonals, 3) int32: diagonal, first of its entries in ``points``, number of them.
        bits: ``2**bits`` is greater than the number of breakpoints of any diagonal.
    """

    points: Tensor
    numbers: Tensor
    bits: int


@lru_cache(maxsize=256)
def tables(bands: Bands, dtype: torch.dtype, device: torch.device) -> Tables:
    """Breakpoints rounded to a dtype, on a device; kept, so that only the first call copies anything there."""
    flat = [s for points in bands.grids for s in points]
    points = torch.tensor(flat or [0.0], dtype=torch.float64).to(dtype).to(computed(dtype))
    counts = [len(points) for points in bands.grids]
    rows = [[k, sum(counts[:i]), counts[i]] for i, k in enumerate(bands.numbers)]
    numbers = torch.tensor(rows or [[0, 0, 0]], dtype=torch.int32)
    return Tables(points.to(device), numbers.to(device), max(counts, default=0).bit_length())


class _Call:
    """What all kernels of a step matrix need to know about a tensor.

    A flat array is ``(outer, n, inner)`` in the order of memory, the matrix acts on n; its entry f belongs to set
    ``(f // repeat) % groups`` of step values.
    """

    def __init__(self, z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> None:
        self.z = in_dense_memory(z)
        self.plan = Plan(self.z, bands, layout)
        if not self.plan.serves:
            self.z = z.contiguous()
            self.plan = Plan(self.z, bands, layout)
        self.size, self.bands, self.layout = z.numel(), bands, layout
        self.kind = computed(z.dtype)
        n, inner, self.groups = self.plan.view
        self.repeat = max(self.size, 1) if self.groups == 1 else (inner if self.groups == n else 1)
        self.view = (n, inner, self.groups, self.repeat)
        self.tables = tables(bands, z.dtype, z.device)
        arranged = [self._arranged(v).reshape(-1) for v in values]
        joined = torch.cat(arranged) if len(arranged) > 1 else (arranged or [z.new_empty(1)])[0]
        self.values = joined.to(self.kind)
        self.shared = (bands.side == "right", bands.numbers == (0,), self.tables.bits, KINDS[self.kind])
        self.index = _index(max(self.size, self.values.numel()))

    def _arranged(self, v: Tensor) -> Tensor:
        if self.plan.features is None:
            return v.detach().resolve_neg().contiguous()
        return v.detach().reshape(*self.layout.features, -1).permute(*self.plan.features, -1)

    def restored(self, sums: Tensor, v: Tensor) -> Tensor:
        """The inverse of the arrangement, in the shape and dtype of step values."""
        features = self.plan.features
        if features is not None:
            back = sorted(range(len(features)), key=lambda d: features[d])
            sums = sums.view(*(self.layout.features[d] for d in features), -1).permute(*back, len(back))
        return sums.reshape(v.shape).to(v.dtype)

    def lanes(self) -> tuple[int, int, int]:
        """Intervals, groups side by side and lanes of a program of :func:`values_backward_kernel`."""
        width = min(triton.next_power_of_2(max(self.bands.widths)), CHUNK)
        lanes = min(max(TILE // (width * self.kind.itemsize), 32), 512)
        # neighbours in memory go to neighbouring lanes: entries of a group if it is contiguous, else groups
        return width, (min(triton.next_power_of_2(self.groups), lanes) if self.repeat == 1 else 1), lanes


def step_matrix(z: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout) -> Tensor:
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}`` along ``layout.dim``, TMAF (4)-(7), as :func:`.reference.step_matrix`.

    Args:
        z: any shape, half precision or float; its breakpoints are rounded to its dtype.
        values: step values of each diagonal, ``(groups, intervals)`` or ``(intervals,)``, in any of these dtypes.

    Returns:
        of the shape and dtype of z; in its strides if these leave no gaps and the features that have step values of
        their own are the fastest in memory, else contiguous.
    """
    call = _Call(z, values, bands, layout)
    u = torch.empty_like(call.z, memory_format=torch.preserve_format)
    if call.size:
        with torch.cuda.device_of(z):
            matrix_kernel[(triton.cdiv(call.size, BLOCK),)](
                call.z, call.z, call.values, *call.tables[:2], u, call.size, *call.view, len(bands.numbers), False,
                *call.shared, call.index, BLOCK,
            )  # fmt: skip
    return u


def step_matrix_backward(
    z: Tensor, g: Tensor, values: tuple[Tensor, ...], bands: Bands, layout: Layout, with_values: bool = True
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of :func:`step_matrix`: ``dz_j = sum_k a_k(z_j) g_{j-k}``, and for ``a_k = t`` the sum of
    ``g_i z_{i+k}`` over all entries where that step value is used.

    Args:
        g: of the shape of z.
        with_values: False leaves the second away.

    Returns:
        dz, as the result of :func:`step_matrix`, and one tensor like each of ``values``.
    """
    call = _Call(z, values, bands, layout)
    g = like(g, call.plan.order)
    dz = torch.empty_like(call.z, memory_format=torch.preserve_format)
    if not call.size or not bands.numbers:
        return dz.zero_(), [torch.zeros_like(v) for v in values] if with_values else []
    tensors = (call.z, g, call.values, *call.tables[:2], dz)
    with_z = with_values and bands.numbers == (0,)
    with torch.cuda.device_of(z):
        if not with_z:
            matrix_kernel[(triton.cdiv(call.size, BLOCK),)](
                *tensors, call.size, *call.view, len(bands.numbers), True, *call.shared, call.index, BLOCK
            )
        if not with_values:
            return dz, []
        width, beside, lanes = call.lanes()
        per_group, tiles = call.size // call.groups, triton.cdiv(call.groups, beside)
        chunks = triton.cdiv(max(bands.widths), width)
        steps = triton.cdiv(per_group, lanes // beside)
        parts = max(1, min(triton.cdiv(steps, 8), MOST_PROGRAMS // (tiles * chunks * len(bands.numbers))))
        entries = call.values.numel()
        partials = torch.empty((parts, entries), dtype=call.kind, device=z.device)
        values_backward_kernel[(tiles * parts, len(bands.numbers) * chunks)](
            *tensors, partials, entries, parts, per_group, chunks, *call.view, with_z, *call.shared,
            call.index, width, beside, lanes,
        )  # fmt: skip
    sums = (partials.sum(0) if parts > 1 else partials[0]).split([v.numel() for v in values])
    return dz, [call.restored(s, v) for s, v in zip(sums, values, strict=True)]
