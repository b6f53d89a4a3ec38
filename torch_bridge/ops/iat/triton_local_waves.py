"""Triton kernels of the transform for splines of degree at most 2 as inputs, harmonics as outputs, continuous gates.

With ``a = base + jump 1[f > 0]``, the part of ``base`` is a product with the constant matrix ``integral of q p^T``. The
rest is a sum over the intervals where ``f = p^T z`` is positive, at most two on a piece, in closed form. On an interval
of length L and middle m, with Legendre polynomials P_l of the interval and spherical Bessel functions j_l,

    integral of P_l(s) exp(i k pi s) ds = i^l L exp(i k pi m) j_l(k pi L / 2),

which is integration by parts in a form that keeps its digits: the powers of ``1/(k pi)`` of the terms ``h``, ``h'``,
``h''`` are inside of j_0, j_1, j_2, and those are sums of series where the harmonic turns little. So neither low
harmonics nor short intervals are a case of their own.

* :func:`forward`, :func:`apply`: ``h`` in Legendre form on each interval, a lane is a harmonic of a row;
* its transpose: moments of the harmonics against P_l, summed over lanes, are moments against the functions of p;
* :func:`second`: ``sum_i g_i H_i(z) v = sum over crossings r of jump (q^T g)(r) (p^T v)(r) p(r) / |f'(r)|``.

All in float64, in one pass over rows without scratch; every sum has a fixed order, and nothing depends on the values,
so launches may be captured in graphs.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor

from iatcore import Basis, Gate
from iatcore.gram import gram
from iatcore.plan import refine, waves, widths

from .triton_local import DEGREE, MOST_TERMS, Piece, pieces_of, served, terms, unit_columns
from .triton_local_waves_kernels import harmonics_kernel, pieces_kernel, second_waves_kernel

MOST_FREQUENCY = 512
MOST_NUMBERS = 2**22
"""Of the table of p: pieces times functions."""
LANES = 256
"""Of a program: rows times harmonics, or times outputs where those are more."""
MOST_WAVES, MOST_OUTS = 32, 64

# -- tables ---------------------------------------------------------------------------------------------------------


class Tables(NamedTuple):
    """Constants on one device, numbers in float64.

    ``pieces``: left ends, widths, and which coefficients matter on them; ``tests``: (pieces, degree + 1, d_in)
    Bernstein coefficients of p; ``spans``: pieces that a program for outputs visits; ``waves``: where the sines and
    cosines of each frequency are among the outputs, -1 if nowhere, their factors, and the frequencies; ``gram``:
    (d_in, d_out), ``base`` times ``integral of p q^T``, or None if that is 0.
    """

    pieces: tuple[Tensor, ...]
    tests: Tensor
    spans: Tensor
    waves: tuple[Tensor, ...]
    part: Tensor
    jump: Tensor
    gram: Tensor | None
    sizes: tuple[int, int]
    constants: dict[str, int]
    gate: dict[str, bool]


def serves(p: Basis, q: Basis, gate: Gate) -> bool:
    """Whether these kernels compute the transform: p splines of degree <= 2, q harmonics, each of them once."""
    if not (gate.is_continuous and p.is_piecewise and p.degree <= DEGREE and q.is_trigonometric):
        return False
    if q.max_frequency > MOST_FREQUENCY or len(p.knots) * p.size > MOST_NUMBERS:
        return False
    return max(map(len, pieces_of(p, p.knots))) <= MOST_TERMS and len(set(waves(q).row.tolist())) == q.size


def prepare(transform: Any, device: torch.device | str, dtype: torch.dtype) -> Tables:
    """The constants for inputs of any dtype on a device; ``transform`` has the bases p, q and the gate.

    Raises:
        ValueError: bases or a gate that :func:`serves` refuses.
    """
    p, q, gate = served(transform, serves)

    def table(values: Any, kind: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), dtype=kind, device=device).contiguous()

    frame, degree = refine(p.knots), max(p.degree, 0)
    pieces = pieces_of(p, frame)
    most = max(1, *map(len, pieces))
    kinds: dict[tuple, int] = {}
    firsts, numbers = [], []
    for piece in pieces:
        first, kind = terms(piece, most, p)
        firsts.append(first)
        numbers.append(kinds.setdefault(kind, len(kinds)))
    return Tables(
        (
            table([float(x) for x in frame[:-1]]),
            table([float(w) for w in widths(frame)]),
            table(firsts, torch.int32),
            table(numbers, torch.int32),
            table([kind[0] for kind in kinds], torch.int32),
            table([[[float(x) for x in c] for c in kind[1]] for kind in kinds]),
        ),
        table(function_table(pieces, degree, p.size)),
        table(spans(pieces, p.size), torch.int32),
        tuple(table(values, kind) for values, kind in wave_columns(q)),
        table([gate.part]),
        table([gate.jump]),
        table(gate.base * gram(p, q).T) if gate.base else None,
        (p.size, q.size),
        {"DEGREE": degree, "TERMS": most},
        {"NEGATE": gate.negate, "CLOSED": gate.closed},
    )


def function_table(pieces: list[Piece], degree: int, size: int) -> np.ndarray:
    """Bernstein coefficients of all functions on all pieces."""
    result = np.zeros((len(pieces), degree + 1, size))
    for c, piece in enumerate(pieces):
        for j, coefficients in piece:
            result[c, :, j] = [float(x) for x in coefficients]
    return result


def spans(pieces: list[Piece], size: int) -> list[tuple[int, int]]:
    """For each group of outputs, the first piece on which one of them lives and the one after the last."""
    outs = min(MOST_OUTS, triton.next_power_of_2(size))
    result = []
    for first in range(0, size, outs):
        some = [c for c, piece in enumerate(pieces) if any(first <= j < first + outs for j, _ in piece)]
        result.append((some[0], some[-1] + 1) if some else (0, 0))
    return result


def wave_columns(q: Basis) -> tuple[tuple[Any, torch.dtype], ...]:
    """The ``waves`` of :class:`Tables`, with their dtypes."""
    n, rows, factors = waves(q)
    where = dict(zip(rows.tolist(), range(q.size), strict=True))
    frequencies = sorted({row % (n + 1) for row in where})
    columns = [[where.get(k + shift, -1) for k in frequencies] for shift in (0, n + 1)]
    by_wave = [[factors[j] if j >= 0 else 0.0 for j in column] for column in columns]
    return (
        (columns[0], torch.int32),
        (columns[1], torch.int32),
        (by_wave, torch.float64),
        (frequencies, torch.float64),
    )


# -- launchers ------------------------------------------------------------------------------------------------------


def forward(z: Tensor, tables: Tables) -> Tensor:
    """``u(z)``, IAT (17): (B, d_in) to (B, d_out) in the dtype of z; rows with nan or inf are nan."""
    return to_waves(z, z, tables, same=True)


def apply(z: Tensor, h: Tensor, tables: Tables, transpose: bool = False) -> Tensor:
    """``S(z) h`` for h (B, d_in), or ``S(z)^T h`` for h (B, d_out) if ``transpose``, IAT (18), (21).

    The result has the dtype of h; rows with nan or inf in z or h are nan.
    """
    return to_pieces(z, h, tables) if transpose else to_waves(z, h, tables, same=False)


def to_waves(z: Tensor, h: Tensor, tables: Tables, same: bool) -> Tensor:
    """``S(z) h``, (B, d_out)."""
    z, h, kind = rows_in(z), rows_in(h), h.dtype
    count = len(tables.waves[-1])
    out = torch.empty((len(z), tables.sizes[1]), dtype=result_kind(h, tables), device=z.device)
    if out.numel():
        wide = min(MOST_WAVES, triton.next_power_of_2(count))
        rows = rows_of(len(z), wide)
        with torch.cuda.device_of(z):
            harmonics_kernel[(triton.cdiv(len(z), rows), triton.cdiv(count, wide))](
                z, z.stride(0), h, h.stride(0), out, len(z), z.shape[1], out.shape[1], *tables.pieces,
                len(tables.tests), *tables.waves, count, tables.part, **tables.constants, SAME=same, **tables.gate,
                ROWS=rows, WAVES=wide, num_warps=warps(rows * wide),
            )  # fmt: skip
    return (out if tables.gram is None else out.addmm_(h.double(), tables.gram)).to(kind)


def to_pieces(z: Tensor, h: Tensor, tables: Tables) -> Tensor:
    """``S(z)^T h``, (B, d_in)."""
    z, h, kind = rows_in(z), rows_in(h), h.dtype
    out = torch.empty(z.shape, dtype=result_kind(h, tables), device=z.device)
    if out.numel():
        grid, options = by_outputs(len(z), tables)
        with torch.cuda.device_of(z):
            pieces_kernel[grid](
                z, z.stride(0), h, h.stride(0), out, len(z), z.shape[1], h.shape[1], *tables.pieces, tables.tests,
                tables.spans, *tables.waves, len(tables.waves[-1]), tables.part, **tables.constants, **tables.gate,
                **options,
            )  # fmt: skip
    return (out if tables.gram is None else out.addmm_(h.double(), tables.gram.T)).to(kind)


def second(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` with ``H_i`` the second derivatives of u_i: (B, d_in) in the dtype of z.

    Shapes (B, d_in), (B, d_out), (B, d_in). Crossings without slope are left out; rows with nan or inf are nan.
    """
    z, g, v, kind = rows_in(z), rows_in(g), rows_in(v), z.dtype
    out = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    if out.numel():
        grid, options = by_outputs(len(z), tables)
        with torch.cuda.device_of(z):
            second_waves_kernel[grid](
                z, z.stride(0), g, g.stride(0), v, v.stride(0), out, len(z), z.shape[1], g.shape[1], *tables.pieces,
                tables.tests, tables.spans, *tables.waves, len(tables.waves[-1]), tables.jump, **tables.constants,
                **options,
            )  # fmt: skip
    return out.to(kind)


def rows_in(rows: Tensor) -> Tensor:
    """Rows as a kernel takes them: neighbours in memory, of at least 32 bits."""
    return unit_columns(rows if rows.dtype.itemsize >= 4 else rows.float())


def result_kind(h: Tensor, tables: Tables) -> torch.dtype:
    """What a kernel writes: the dtype of h, or float64 if something is still to be added."""
    return h.dtype if tables.gram is None else torch.float64


def by_outputs(batch: int, tables: Tables) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid and the sizes of programs for functions of p."""
    outs = min(MOST_OUTS, triton.next_power_of_2(tables.sizes[0]))
    wide = min(MOST_WAVES, triton.next_power_of_2(len(tables.waves[-1])))
    rows = rows_of(batch, max(outs, wide))
    options = {"ROWS": rows, "WAVES": wide, "OUTS": outs, "num_warps": warps(rows * max(outs, wide))}
    return (triton.cdiv(batch, rows), len(tables.spans)), options


def rows_of(batch: int, wide: int) -> int:
    """Rows of a program, a power of two."""
    return min(LANES // wide, triton.next_power_of_2(batch))


def warps(lanes: int) -> int:
    """Warps of a program."""
    return 4 if lanes >= 256 else 1
