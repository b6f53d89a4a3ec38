"""Triton kernels of the transform for trigonometric input bases, continuous gates, and outputs of either kind.

The state function is ``f(s) = b_0 + sum_k a_k sin(k pi s) + b_k cos(k pi s)``. Three steps, everything in float64
(antiderivatives cancel, and a crossing is as sharp as f is exact), arrays with one column for each row of the batch:

* :func:`march_kernel`: from -1 to 1 in steps that halve and double. On a step the cubic Hermite interpolant is within
  ``L4 w^4/384`` of f and its derivative within ``sqrt(3)/216 L4 w^3``: these bounds prove that there is no crossing,
  or at most one; what they leave open is halved, and a step on which f is 0 to rounding is decided by its ends.
* :func:`polish_kernel`: Halley steps held inside the brackets.
* moments: with ``a = base + jump 1[f > 0]``, an integral of ``a h t`` is a sum over the crossings r of what lies
  between the start of the cell of r and r, and over cells times their last slope. Against harmonics only
  ``integral of 1[f > 0] exp(i m pi s)``, m <= n + n', is needed, IAT (18) being Toeplitz plus Hankel in it.

Linear maps with constant matrices are left to matrix products. Sums have a fixed order, shapes depend on nothing but
the shapes of the arguments, and nothing waits for the host.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor

from iatcore import Basis, Gate
from iatcore.bases.core import elevate
from iatcore.plan import gauss_points, gauss_rule, on_frame, split_frame, wave_table, waves, widths

from .triton_local import served
from .triton_waves_kernels import (
    cells_kernel,
    curvature_kernel,
    march_kernel,
    parts_kernel,
    point_sums_kernel,
    polish_kernel,
    toeplitz_kernel,
    wave_parts_kernel,
)

OPTIONS = {"LANES": 64, "num_warps": 2}
"""Rows of the batch in a program, a column each."""
SCRATCH = 2**25
"""Numbers of scratch for one chunk of a batch, about."""
MOST_FREQUENCY = 512
SMALLEST_ANGLE = 0.5
"""Harmonics that turn by less across a cell are integrated by quadrature, the others by parts."""

# -- tables ---------------------------------------------------------------------------------------------------------


class Tables(NamedTuple):
    """Constants on one device, float64.

    ``p``: (2 n + 2, d_in) coefficients of the waves; ``q``: the same, or (3 cells, d_out) Bernstein coefficients;
    ``full``: (3 cells, 2 n + 2) integrals over cells of Bernstein polynomials times waves.
    """

    n: int
    n_q: int
    p: Tensor
    q: Tensor
    full: Tensor
    lefts: Tensor
    ends: Tensor
    rule: Tensor
    lowest: int
    base: Tensor
    part: Tensor
    jump: Tensor
    negate: bool
    closed: bool
    parities: Tensor
    inverse: Tensor


def serves(p: Basis, q: Basis, gate: Gate) -> bool:
    """Whether these kernels compute the transform: p of harmonics, q of harmonics or splines of degree <= 2."""
    output = q.is_trigonometric or (q.is_piecewise and q.degree <= 2)
    frequency = max(p.max_frequency, q.max_frequency)
    return gate.is_continuous and p.is_trigonometric and 0 < p.max_frequency and frequency <= MOST_FREQUENCY and output


def wave_matrix(basis: Basis) -> np.ndarray:
    """Functions as coefficients of sines (rows k) and cosines (rows n + 1 + k), (2 n + 2, size)."""
    n, rows, factors = waves(basis)
    matrix = np.zeros((2 * n + 2, basis.size))
    matrix[rows, np.arange(basis.size)] = factors
    return matrix


def prepare(transform: Any, device: torch.device | str, dtype: torch.dtype) -> Tables:
    """The constants for inputs of any dtype on a device; ``transform`` has the bases p, q and the gate.

    Raises:
        ValueError: bases or a gate that :func:`serves` refuses.
    """
    p, q, gate = served(transform, serves)
    n, n_q = p.max_frequency, q.max_frequency
    m = np.arange(n + n_q + 1)
    lefts, ends, rule, full, matrix = np.zeros(1), np.zeros(1), np.zeros((1, 3)), np.zeros((3, 1)), np.zeros((3, 1))
    if q.is_trigonometric:
        matrix = wave_matrix(q)
    else:
        lefts, ends, rule, full, matrix = cell_tables(q, n)

    def table(values: Any) -> Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), device=device).contiguous()

    return Tables(
        n,
        n_q,
        table(wave_matrix(p)),
        table(matrix),
        table(full),
        table(lefts),
        table(ends),
        table(rule),
        int(SMALLEST_ANGLE / np.pi / np.min(ends - lefts)) if not q.is_trigonometric else 0,
        table([gate.base]),
        table([gate.part]),
        table([gate.jump]),
        gate.negate,
        gate.closed,
        table((-1.0) ** m[:, None]),
        table(np.where(m > 0, 1 / (np.pi * np.maximum(m, 1)), 0.0)),
    )


def cell_tables(q: Basis, n: int) -> tuple[np.ndarray, ...]:
    """Cells on which q is quadratic and the highest harmonic turns little.

    Returns:
        left ends, right ends, a quadrature rule for parts of cells, the matrices ``full`` and ``q`` of :class:`Tables`.
    """
    frame = split_frame(q.knots, n)
    edges = np.array([float(x) for x in frame])
    width = np.array([float(w) for w in widths(frame)])
    rule = gauss_rule(gauss_points(n * np.pi * width.max() / 2, 2) + 2)
    t, rest, weights = rule.T
    bernstein = np.stack([rest**2, 2 * t * rest, t**2]) * weights
    values = wave_table(n, (edges[:-1, None] + width[:, None] * t).ravel()).reshape(len(width), len(t), 2 * n + 2)
    full = np.einsum("c,kg,cgr->ckr", width, bernstein, values).reshape(3 * len(width), 2 * n + 2)
    matrix = np.zeros((len(width), 3, q.size))
    for c, piece in enumerate(on_frame(q, frame)):
        for j, coefficients in piece:
            matrix[c, :, j] += [float(x) for x in elevate(coefficients, 2)]
    return edges[:-1], edges[1:], rule, full, matrix.reshape(-1, q.size)


# -- launchers ------------------------------------------------------------------------------------------------------


class Crossings(NamedTuple):
    """Crossings of a chunk of rows: whether f > 0 at -1, their number (B), positions and directions (room, B)."""

    starts: Tensor
    counts: Tensor
    position: Tensor
    turn: Tensor


class Rows(NamedTuple):
    """Rows divided by powers of two, (B, d), zeros where they hold nan or inf; the powers as two factors (B, 1)."""

    values: Tensor
    unit: tuple[Tensor, Tensor]
    finite: Tensor


def forward(z: Tensor, tables: Tables) -> Tensor:
    """``u(z)``, IAT (17): (B, d_in) to (B, d_out) in the dtype of z; rows with nan or inf are nan."""
    return apply(z, z, tables)


def apply(z: Tensor, h: Tensor, tables: Tables, transpose: bool = False) -> Tensor:
    """``S(z) h`` for h (B, d_in), or ``S(z)^T h`` for h (B, d_out) if ``transpose``, IAT (18), (21).

    The result has the dtype of h; rows with nan or inf in z or h are nan.
    """
    return by_chunks(apply_chunk, h, (z, h), (tables.p if transpose else tables.q).shape[1], tables, transpose)


def second(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` with ``H_i`` the second derivatives of u_i: (B, d_in) in the dtype of z.

    Shapes (B, d_in), (B, d_out), (B, d_in). Crossings without slope are left out; rows with nan or inf are nan.
    """
    return by_chunks(second_chunk, z, (z, g, v), z.shape[1], tables)


def by_chunks(
    function: Callable[..., Tensor], like: Tensor, rows: tuple[Tensor, ...], size: int, tables: Tables, *options: bool
) -> Tensor:
    """Rows of results in the dtype of ``like``, computed for so many rows at a time that the scratch stays small."""
    out = torch.empty((len(like), size), dtype=like.dtype, device=like.device)
    step = max(1024, SCRATCH // (8 * room(tables) + 4 * len(tables.full)))
    for first in range(0, len(like), step):
        chunk = slice(first, first + step)
        out[chunk] = function(*(r[chunk] for r in rows), tables, *options)
    return out


def room(tables: Tables) -> int:
    """Rows for the crossings of a function: all that it can have, and one for what rounding may add."""
    return 2 * tables.n + 2


def scale(rows: Tensor) -> Rows:
    """Rows in float64, divided by powers of two near their largest entries."""
    values = rows.double()
    finite = values.isfinite().all(1, keepdim=True)
    values = torch.where(finite, values, 0.0)
    exponent = torch.frexp(values.abs().amax(1, keepdim=True)).exponent
    half = torch.div(exponent, 2, rounding_mode="floor")
    unit = torch.exp2(half.double()), torch.exp2((exponent - half).double())
    return Rows(values / unit[0] / unit[1], unit, finite)


def find_crossings(state: Tensor, tables: Tables) -> Crossings:
    """Crossings of functions given by waves, (2 n + 2, B)."""
    n, batch, slots = tables.n, state.shape[1], room(tables)
    low, position, turn = (state.new_empty((slots, batch)) for _ in range(3))
    starts, counts = state.new_empty(batch), torch.empty(batch, dtype=torch.int64, device=state.device)
    grid = triton.cdiv(batch, OPTIONS["LANES"])
    coarse = triton.next_power_of_2(4 * n)
    march_kernel[(grid,)](state, batch, n, coarse, starts, low, turn, position, counts, slots, **OPTIONS)
    polish_kernel[(grid, slots)](state, batch, n, counts, low, turn, position, **OPTIONS)
    if tables.closed:
        starts = torch.where((state == 0).all(0), 1.0, starts)
    return Crossings(starts, counts, position, turn)


def apply_chunk(z: Tensor, h: Tensor, tables: Tables, transpose: bool) -> Tensor:
    """``S(z) h`` or ``S(z)^T h`` for one chunk, in float64."""
    z_rows, h_rows = scale(z), scale(h)
    state = tables.p @ z_rows.values.T
    found = find_crossings(-state if tables.negate else state, tables)
    if tables.n_q:
        integrand, test = (tables.q, tables.p) if transpose else (tables.p, tables.q)
        sums = between_waves(found, integrand @ h_rows.values.T, tables, test.shape[0] // 2 - 1)
    elif transpose:
        sums, test = waves_of_pieces(found, tables.q @ h_rows.values.T, tables), tables.p
    else:
        sums, test = pieces_of_waves(found, tables.p @ h_rows.values.T, tables), tables.q
    result = (sums.T @ test) * h_rows.unit[0] * h_rows.unit[1]
    return torch.where(z_rows.finite & h_rows.finite, result, torch.nan)


def launch_grid(found: Crossings, *others: int) -> tuple[int, ...]:
    """Programs for all rows of a chunk, times others."""
    return (triton.cdiv(len(found.starts), OPTIONS["LANES"]), *others)


def point_sums(found: Crossings, weight: Tensor, most: int) -> Tensor:
    """``sum w_r sin(m pi r)``, m = 0 .. most, and the same with cosines: (2 most + 2, B)."""
    sums = weight.new_empty((2 * most + 2, weight.shape[1]))
    point_sums_kernel[launch_grid(found, most + 1)](
        found.position, weight, found.counts, weight.shape[1], most, sums, **OPTIONS
    )
    return sums


def between_waves(found: Crossings, integrand: Tensor, tables: Tables, tests: int) -> Tensor:
    """Integrals of ``a h`` times waves up to frequency ``tests``, (2 tests + 2, B), ``h`` given by waves."""
    n, most = integrand.shape[0] // 2 - 1, tables.n + tables.n_q
    sums = point_sums(found, found.turn, most)
    inverse = tables.inverse[:, None]
    sine = (sums[most + 1 :] - found.turn.sum(0) * tables.parities) * inverse
    cosine = -sums[: most + 1] * inverse
    cosine[0] = 2.0 * found.starts + (found.turn * (1.0 - found.position)).sum(0)
    chi = torch.cat([sine, cosine]) * tables.part
    chi[most + 1] += 2.0 * tables.base
    result = chi.new_empty((2 * tests + 2, chi.shape[1]))
    toeplitz_kernel[launch_grid(found, tests + 1)](
        chi, integrand, chi.shape[1], n, most, tests, result, **OPTIONS
    )  # fmt: skip
    return result


def pieces_of_waves(found: Crossings, integrand: Tensor, tables: Tables) -> Tensor:
    """Integrals of ``a h`` times the Bernstein polynomials of all cells, (3 cells, B), ``h`` given by waves."""
    slots, batch = found.position.shape
    parts = integrand.new_empty((3 * slots, batch))
    parts_kernel[launch_grid(found, slots)](
        integrand, batch, tables.n, found.position, tables.lefts, tables.ends, len(tables.lefts), tables.rule, parts,
        POINTS=len(tables.rule), STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    return slopes_times(found, tables.full @ integrand, parts, tables, True)


def slopes_times(found: Crossings, moments: Tensor, parts: Tensor, tables: Tables, has_parts: bool) -> Tensor:
    """Three rows a cell times its last slope, less the parts before crossings; in place."""
    cells_kernel[launch_grid(found, len(tables.lefts))](
        moments, moments.shape[1], found.starts, found.turn, found.position, found.counts, tables.lefts, tables.ends,
        parts, tables.base, tables.part, HAS_PARTS=has_parts, **OPTIONS,
    )  # fmt: skip
    return moments


def waves_of_pieces(found: Crossings, pieces: Tensor, tables: Tables) -> Tensor:
    """Integrals of ``a h`` times waves up to frequency n, (2 n + 2, B), ``h`` given by cells."""
    sums = tables.full.T @ slopes_times(found, pieces.clone(), pieces, tables, False)
    wave_parts_kernel[launch_grid(found, tables.n + 1)](
        pieces, pieces.shape[1], tables.n, tables.lowest, found.position, found.turn, found.counts, tables.lefts,
        tables.ends, len(tables.lefts), tables.rule, tables.part, sums,
        POINTS=len(tables.rule), STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    return sums


def second_chunk(z: Tensor, g: Tensor, v: Tensor, tables: Tables) -> Tensor:
    """``sum_i g_i H_i(z) v`` for one chunk, in float64."""
    z_rows, g_rows, v_rows = scale(z), scale(g), scale(v)
    state, integrand = tables.p @ z_rows.values.T, tables.q @ g_rows.values.T
    found = find_crossings(state, tables)
    slots, batch = found.position.shape
    weight = torch.empty_like(found.position)
    curvature_kernel[launch_grid(found, slots)](
        state, tables.p @ v_rows.values.T, integrand, batch, tables.n, tables.n_q, found.position, found.turn,
        tables.lefts, tables.ends, len(tables.lefts), tables.jump, weight,
        WAVES=tables.n_q > 0, STEPS=steps(tables), **OPTIONS,
    )  # fmt: skip
    result = point_sums(found, weight, tables.n).T @ tables.p
    for up, up_2, down in zip(g_rows.unit, v_rows.unit, z_rows.unit, strict=True):
        result = result / down * up * up_2
    return torch.where(z_rows.finite & g_rows.finite & v_rows.finite, result, torch.nan)


def steps(tables: Tables) -> int:
    """Halvings that leave one cell of all."""
    return max(1, (len(tables.lefts) - 1).bit_length())
