"""Triton kernels of the transform for piecewise polynomials of degree at most 2 on both sides and continuous gates.

With ``f = p^T z`` and ``a`` the slopes of the gate, for IAT (17)-(18), (21) and the derivative of (21):

* :func:`forward`: ``u_i = integral of q_i a(f) f``;
* :func:`apply`: ``S(z) h`` or ``S(z)^T h`` with ``S = integral of a(f) q p^T``, the Jacobian and its transpose;
* :func:`second`: ``sum_i g_i H_i(z) v = sum over crossings r of jump (q^T g)(r) (p^T v)(r) p(r) / |f'(r)|``.

A lane is one output of one row: it visits the pieces on which its own basis function lives (one to three for
splines), finds where f is positive there in closed form, at most two intervals, and integrates by an exact
Gauss-Legendre rule. Neighbouring lanes read neighbouring coefficients, every output is written once and summed in a
fixed order, and nothing depends on the values, so launches may be captured in graphs.

float64 input is computed in float64. float32 and half precision are computed in float32: roots and intervals keep
full relative accuracy in closed form, so the error is a few roundings of ``|S| |z|``: measured, half of what the mesh
formula, IAT (12), makes in float32, and never twice as much. Second derivatives divide by slopes, and are computed in
float64 for every input.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor

from iatcore import Basis, Gate
from iatcore.bases.core import elevate
from iatcore.plan import gauss_rule, on_frame, refine, widths

from .triton_local_kernels import apply_kernel, second_kernel

DEGREE = 2
MOST_TERMS = 16
"""Functions that may overlap on one piece."""
MOST_WASTE = 32
"""Pieces that lanes may visit, as a multiple of the pieces that there are."""
LANES = 512
"""Outputs of a program."""

# -- tables ---------------------------------------------------------------------------------------------------------


class Side(NamedTuple):
    """Tables of one direction; ``constants`` are the compile-time arguments of the kernels."""

    visits: Tensor
    z_offsets: Tensor
    z_weights: Tensor
    h_offsets: Tensor
    h_weights: Tensor
    tests: Tensor
    constants: dict[str, int]


class Tables(NamedTuple):
    """Constants on one device: for ``S``, for ``S^T``, and in float64 for second derivatives."""

    forward: Side
    backward: Side
    second: Side
    rule: Tensor
    slopes: Tensor
    jump: Tensor
    gate: dict[str, bool]


Piece = list[tuple[int, tuple[Fraction, ...]]]


class Slopes(NamedTuple):
    """A continuous gate: slope ``base + jump`` where f, or -f, is positive; ``jump``: by how much it rises at 0."""

    base: float
    part: float
    negate: bool
    closed: bool
    jump: float


def gate_slopes(gate: Gate) -> Slopes:
    """The smaller slope is taken as the base, so that where the gate vanishes nothing has to cancel."""
    for level, low, high in zip(gate.breakpoints, gate.slopes, gate.slopes[1:], strict=False):
        if level == 0 and low != high:
            closed = gate.side == "right"
            if abs(low) <= abs(high):
                return Slopes(low, high - low, False, closed, high - low)
            return Slopes(high, low - high, True, not closed, high - low)
    return Slopes(gate.slopes[0], 0.0, False, False, 0.0)


def pieces_of(basis: Basis, frame: Sequence[Fraction]) -> list[Piece]:
    """Functions that do not vanish on a piece, with Bernstein coefficients of one degree, for each piece."""
    degree = max(basis.degree, 0)
    return [sorted((j, tuple(elevate(c, degree))) for j, c in piece if any(c)) for piece in on_frame(basis, frame)]


def most_visits(pieces: list[Piece], size: int) -> int:
    """The largest number of pieces on which one function lives, at least 1."""
    count = np.zeros(size, dtype=np.int64)
    for piece in pieces:
        for j, _ in piece:
            count[j] += 1
    return max(1, int(count.max(initial=0)))


def serves(p: Basis, q: Basis, gate: Gate) -> bool:
    """Whether these kernels compute the transform: continuous gates, splines of degree <= 2 that overlap little."""
    if not gate.is_continuous or not all(b.is_piecewise and b.degree <= DEGREE for b in (p, q)):
        return False
    frame = refine(p.knots, q.knots)
    for basis in (p, q):
        pieces = pieces_of(basis, frame)
        if max(map(len, pieces)) > MOST_TERMS:
            return False
        if most_visits(pieces, basis.size) * basis.size > MOST_WASTE * max(len(pieces), basis.size):
            return False
    return True


def served(transform: Any, serves: Callable[[Basis, Basis, Gate], bool]) -> tuple[Basis, Basis, Slopes]:
    """The bases p, q and the gate of a transform.

    Raises:
        ValueError: ``serves`` refuses them.
    """
    p, q, gate = transform.p, transform.q, transform.gate
    if not serves(p, q, gate):
        raise ValueError(f"no kernel for {p!r}, {q!r}, {gate!r}")
    return p, q, gate_slopes(gate)


def prepare(transform: Any, device: torch.device | str, dtype: torch.dtype) -> Tables:
    """The constants for inputs of a dtype on a device; ``transform`` has the bases p, q and the gate.

    Raises:
        ValueError: bases or a gate that :func:`serves` refuses.
    """
    p, q, gate = served(transform, serves)
    kind = torch.float64 if dtype == torch.float64 else torch.float32
    frame = refine(p.knots, q.knots)
    lengths = widths(frame)
    p_pieces, q_pieces = pieces_of(p, frame), pieces_of(q, frame)

    def side(integrand: Basis, h_pieces: list[Piece], test: Basis, t_pieces: list[Piece], kind: torch.dtype) -> Side:
        return make_side((p, p_pieces), (integrand, h_pieces), (test, t_pieces), lengths, device, kind)

    rule = gauss_rule((max(p.degree, 0) + max(q.degree, 0)) // 2 + 1)
    return Tables(
        side(p, p_pieces, q, q_pieces, kind),
        side(q, q_pieces, p, p_pieces, kind),
        side(q, q_pieces, p, p_pieces, torch.float64),
        torch.tensor(rule, dtype=kind, device=device),
        torch.tensor([gate.base, gate.part], dtype=kind, device=device),
        torch.tensor([gate.jump], dtype=torch.float64, device=device),
        {"NEGATE": gate.negate, "CLOSED": gate.closed, "HAS_BASE": gate.base != 0, "HAS_JUMP": gate.part != 0},
    )


def make_side(
    pattern: tuple[Basis, list[Piece]],
    integrand: tuple[Basis, list[Piece]],
    test: tuple[Basis, list[Piece]],
    lengths: Sequence[Fraction],
    device: torch.device | str,
    dtype: torch.dtype,
) -> Side:
    """The tables of one direction from three bases with their pieces, and the lengths of the pieces."""
    (f, f_pieces), (h, h_pieces), (t, t_pieces) = pattern, integrand, test
    f_terms, h_terms = max(1, *map(len, f_pieces)), max(1, *map(len, h_pieces))
    count = most_visits(t_pieces, t.size)
    zero = (Fraction(0),) * (max(t.degree, 0) + 1)
    nothing = (terms([], f_terms, f)[1], terms([], h_terms, h)[1], zero)
    kinds = {nothing: 0}
    visits, used = np.zeros((count, 3, t.size), dtype=np.int32), np.zeros(t.size, dtype=np.int64)
    for f_piece, h_piece, t_piece, length in zip(f_pieces, h_pieces, t_pieces, lengths, strict=True):
        (first, f_kind), (h_first, h_kind) = terms(f_piece, f_terms, f), terms(h_piece, h_terms, h)
        for j, c in t_piece:
            key = (f_kind, h_kind, tuple(x * length for x in c))
            visits[used[j], :, j] = first, h_first, kinds.setdefault(key, len(kinds))
            used[j] += 1

    def table(values: Any, number: torch.dtype) -> Tensor:
        return torch.tensor(np.array(values, dtype=np.float64), dtype=number, device=device).contiguous()

    return Side(
        torch.tensor(visits, device=device),
        table([key[0][0] for key in kinds], torch.int32),
        table([key[0][1] for key in kinds], dtype),
        table([key[1][0] for key in kinds], torch.int32),
        table([key[1][1] for key in kinds], dtype),
        table([key[2] for key in kinds], dtype),
        {
            "VISITS": count,
            "Z_DEGREE": max(f.degree, 0),
            "Z_TERMS": f_terms,
            "H_DEGREE": max(h.degree, 0),
            "H_TERMS": h_terms,
            "T_DEGREE": max(t.degree, 0),
        },
    )


def terms(piece: Piece, count: int, basis: Basis) -> tuple[int, tuple]:
    """The first function of a piece; distances of all from it and their coefficients, filled up to ``count``."""
    first = piece[0][0] if piece else 0
    missing = count - len(piece)
    zero = (Fraction(0),) * (max(basis.degree, 0) + 1)
    return first, (tuple(j - first for j, _ in piece) + (0,) * missing, tuple(c for _, c in piece) + (zero,) * missing)


# -- launchers ------------------------------------------------------------------------------------------------------


def forward(z: Tensor, tables: Tables) -> Tensor:
    """``u(z)``, IAT (17): (B, d_in) to (B, d_out) in the dtype of z; rows with nan or inf are nan."""
    return launch(z, z, tables, tables.forward, same=True)


def apply(z: Tensor, h: Tensor, tables: Tables, transpose: bool = False) -> Tensor:
    """``S(z) h`` for h (B, d_in), or ``S(z)^T h`` for h (B, d_out) if ``transpose``, IAT (18), (21).

    Rows with nan or inf in z or h are nan.
    """
    return launch(z, h, tables, tables.backward if transpose else tables.forward, same=False)


def launch(z: Tensor, h: Tensor, tables: Tables, side: Side, same: bool) -> Tensor:
    """Launch :func:`apply_kernel`; returns (B, outputs of the side) in the dtype of h."""
    z, h = unit_columns(z), unit_columns(h)
    size = side.visits.shape[2]
    out = torch.empty((len(z), size), dtype=h.dtype, device=z.device)
    if out.numel():
        rows, outs, warps = tile(len(z), size)
        apply_kernel[(triton.cdiv(len(z), rows),)](
            z, z.stride(0), h, h.stride(0), out, len(z), z.shape[1], h.shape[1], size,
            *side[:6], tables.rule, tables.slopes, **side.constants, POINTS=len(tables.rule), SAME=same,
            **tables.gate, ROWS=rows, OUTS=outs, num_warps=warps,
        )  # fmt: skip
    return out


def second(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` with ``H_i`` the second derivatives of u_i: (B, d_in) in the dtype of z.

    Shapes (B, d_in), (B, d_out), (B, d_in). Crossings without slope are left out; rows with nan or inf are nan.
    """
    z, g, v = unit_columns(z), unit_columns(g), unit_columns(v)
    out = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    side = tables.second
    names = {"Z_DEGREE": "Z_DEGREE", "Z_TERMS": "Z_TERMS", "H_DEGREE": "G_DEGREE", "H_TERMS": "G_TERMS"}
    if out.numel():
        rows, outs, warps = tile(len(z), z.shape[1])
        second_kernel[(triton.cdiv(len(z), rows),)](
            z, z.stride(0), g, g.stride(0), v, v.stride(0), out, len(z), z.shape[1], g.shape[1],
            *side[:6], tables.jump, VISITS=side.constants["VISITS"],
            **{new: side.constants[old] for old, new in names.items()}, ROWS=rows, OUTS=outs, num_warps=warps,
        )  # fmt: skip
    return out


def unit_columns(rows: Tensor) -> Tensor:
    """Rows whose entries are neighbours in memory; a copy only if they are not."""
    return rows if rows.stride(1) == 1 or rows.shape[1] == 1 else rows.contiguous()


def tile(batch: int, size: int) -> tuple[int, int, int]:
    """Rows and outputs of a program, powers of two, and its warps."""
    outs = min(64, triton.next_power_of_2(size))
    rows = min(LANES // outs, triton.next_power_of_2(batch))
    return rows, outs, 4 if rows * outs >= 256 else 1
