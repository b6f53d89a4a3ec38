"""From a pair of bases to the plain arrays that kernels take.

Everything here happens once per pair, in exact rational arithmetic that is rounded at the end.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bases import Basis
from .bases.core import Coefficients, elevate, restrict

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Sparse(NamedTuple):
    """A matrix in compressed rows."""

    ptr: Integers
    index: Integers
    value: Floats


class Side(NamedTuple):
    """A basis on a frame of pieces: which functionals of the coefficients are the Bernstein coefficients of a piece.

    Attributes:
        ids: (pieces, 3) functional numbers (repeated past the degree).
        degree: common degree on all pieces.
        ptr, index, value: the functionals as compressed rows.
        ptr_t, index_t, value_t: their transpose, times the width of a piece if all pieces are equally wide.
    """

    ids: Integers
    degree: int
    ptr: Integers
    index: Integers
    value: Floats
    ptr_t: Integers
    index_t: Integers
    value_t: Floats


def compress(rows: Sequence[Sequence[tuple[int, float]]]) -> Sparse:
    """Compressed rows from lists of (column, value)."""
    ptr = np.cumsum([0] + [len(r) for r in rows]).astype(np.int64)
    flat = [entry for row in rows for entry in row]
    index = np.array([j for j, _ in flat], dtype=np.int64)
    return Sparse(ptr, index, np.array([v for _, v in flat], dtype=np.float64))


def transpose(rows: Sequence[Sequence[tuple[int, float]]], columns: int) -> list[list[tuple[int, float]]]:
    """The transpose of a list-of-rows matrix."""
    result: list[list[tuple[int, float]]] = [[] for _ in range(columns)]
    for i, row in enumerate(rows):
        for j, v in row:
            result[j].append((i, v))
    return result


def on_frame(basis: Basis, frame: Sequence[Fraction]) -> list[list[tuple[int, Coefficients]]]:
    """The piecewise part restricted to each piece of a refinement of its breakpoints."""
    pieces = []
    for left, right in itertools.pairwise(frame):
        k = bisect_right(basis.knots, left) - 1
        start, width = basis.knots[k], basis.knots[k + 1] - basis.knots[k]
        alpha, beta = (left - start) / width, (right - start) / width
        pieces.append([(j, restrict(c, alpha, beta)) for j, c in basis.pieces[k]])
    return pieces


def refine(*knots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The common refinement of sets of breakpoints, exact."""
    return tuple(sorted(set().union(*knots)))


def widths(frame: Sequence[Fraction]) -> list[Fraction]:
    """Lengths of the pieces of a frame."""
    return [b - a for a, b in itertools.pairwise(frame)]


def uniform_width(frame: Sequence[Fraction]) -> Fraction | None:
    """The width of all pieces if they are equally wide, else None."""
    distinct = set(widths(frame))
    return distinct.pop() if len(distinct) == 1 else None


def side(basis: Basis, frame: Sequence[Fraction]) -> Side:
    """The tables of a piecewise polynomial basis on a frame; equal functionals are kept once."""
    degree = max(basis.degree, 0)
    numbers: dict[tuple[tuple[int, Fraction], ...], int] = {}
    ids = np.zeros((len(frame) - 1, 3), dtype=np.int64)
    for k, piece in enumerate(on_frame(basis, frame)):
        full = [(j, elevate(c, degree)) for j, c in piece]
        for i in range(degree + 1):
            row = tuple((j, c[i]) for j, c in full if c[i])
            ids[k, i] = numbers.setdefault(row, len(numbers))
        ids[k, degree + 1 :] = ids[k, degree]
    factor = uniform_width(frame) or Fraction(1)
    rows = [[(j, float(v)) for j, v in row] for row in numbers]
    weighted = [[(j, float(v * factor)) for j, v in row] for row in numbers]
    return Side(ids, degree, *compress(rows), *compress(transpose(weighted, basis.size)))


def bernstein_mass(test: int, integrand: int) -> Floats:
    """``integral_0^1 B_i^test B_j^integrand dt``."""
    total = test + integrand
    return np.array(
        [
            [
                math.comb(test, i) * math.comb(integrand, j) / math.comb(total, i + j) / (total + 1)
                for j in range(integrand + 1)
            ]
            for i in range(test + 1)
        ]
    )


def gauss_rule(points: int) -> Floats:
    """Gauss-Legendre on [0, 1]: rows (t, 1 - t, weight)."""
    x, w = np.polynomial.legendre.leggauss(points)
    return np.stack([(1 + x) / 2, (1 - x) / 2, w / 2], axis=1)


class LocalPlan(NamedTuple):
    """Tables of :mod:`iatcore.kernels.local` for a pair of piecewise polynomial bases of degree at most 2."""

    p: Side
    q: Side
    widths: Floats
    mass_qp: Floats
    mass_pq: Floats
    rule: Floats


def local_plan(p: Basis, q: Basis) -> LocalPlan:
    """Tables for the local kernel."""
    frame = refine(p.knots, q.knots)
    a, b = side(p, frame), side(q, frame)
    same_width = uniform_width(frame) is not None
    factors = np.ones(len(frame) - 1) if same_width else np.array([float(w) for w in widths(frame)])
    return LocalPlan(
        a,
        b,
        factors,
        bernstein_mass(b.degree, a.degree),
        bernstein_mass(a.degree, b.degree),
        gauss_rule((a.degree + b.degree) // 2 + 1),
    )


class Waves(NamedTuple):
    """A trigonometric basis: function j is ``factor[j]`` times wave ``row[j]`` (sine k: k; cosine k: n + 1 + k)."""

    n: int
    row: Integers
    factor: Floats


def waves(basis: Basis) -> Waves:
    """Tables of a trigonometric basis."""
    n = basis.max_frequency
    rows, factors = np.zeros(basis.size, dtype=np.int64), np.zeros(basis.size)
    for h in basis.harmonics:
        rows[h.index] = h.frequency + (n + 1 if h.cosine else 0)
        factors[h.index] = h.factor
    return Waves(n, rows, factors)


def wave_table(n: int, points: Floats) -> Floats:
    """``sin(k pi s)`` and ``cos(k pi s)``: shape (points, 2, n + 1); exact at multiples of 1/2."""
    x = np.remainder(np.outer(points, np.arange(n + 1)) + 1.0, 2.0) - 1.0
    table = np.stack([np.sin(np.pi * x), np.cos(np.pi * x)], axis=1)
    table[:, 0][x == np.round(x)] = 0.0
    table[:, 1][np.abs(x) == 0.5] = 0.0
    return table


CELLS_PER_HARMONIC = 8
LARGEST_PHASE = 1.6
"""Half the angle by which the highest harmonic may turn across a cell of a frame."""


class Grid(NamedTuple):
    """The fixed grid of :mod:`iatcore.kernels.trig`."""

    half: int
    table: Floats


def wave_grid(n: int) -> Grid:
    """A grid with ``CELLS_PER_HARMONIC`` cells for each harmonic, symmetric about 0."""
    half = max(CELLS_PER_HARMONIC * n // 2, 4)
    return Grid(half, wave_table(n, np.arange(half + 1) / half))


def split_frame(frame: Sequence[Fraction], n: int) -> tuple[Fraction, ...]:
    """Pieces cut into equal parts across which harmonic n turns by at most ``2 LARGEST_PHASE``."""
    result = [frame[0]]
    for left, right in itertools.pairwise(frame):
        parts = max(1, math.ceil(n * math.pi * float(right - left) / 2 / LARGEST_PHASE - 1e-9))
        result += [left + (right - left) * i / parts for i in range(1, parts + 1)]
    return tuple(result)


def gauss_points(phase: float, degree: int) -> int:
    """Gauss-Legendre points that integrate ``x^degree exp(i phase x)`` on [-1, 1] to rounding."""
    for m in range(1, 200):
        log_error = (
            (2 * m + 1) * math.log(2)
            + 4 * math.lgamma(m + 1)
            - math.log(2 * m + 1)
            - 3 * math.lgamma(2 * m + 1)
            + 2 * m * math.log(max(phase, 1e-300))
        )
        if phase == 0 or log_error < math.log(1e-17):
            return max(m + (degree + 1) // 2, degree // 2 + 1)
    raise ArithmeticError(f"no Gauss-Legendre rule up to 200 points for phase {phase}")


SMALLEST_ANGLE = 0.5
"""Harmonics that turn by less across a cell are integrated by quadrature, the others by parts."""


class WaveFrame(NamedTuple):
    """Cells on which one side is polynomial while the other is trigonometric.

    Attributes:
        low: harmonics up to this one (and the constant) are left to quadrature.
        uniform: whether cells are equally wide; symmetric: whether cells mirror each other about 0.
        lefts, widths, inverse: left ends, widths, 1/widths.
        factors_test: width of a cell, or 1 where the side's transpose contains it; factors: the width.
        full_test, full: ``factor integral_0^1 B_k(t) wave_r dt``, shape (cells, degree + 1, 2 (n + 1)).
        nodes: first, second and third antiderivative of every wave above ``low`` at the ends of cells, shape
            (cells + 1, 3, 2 (n + 1)).
        powers: powers 1, 2, 3 of ``1/(k pi)``, shape (n + 1, 3).
        rule: Gauss-Legendre rule for parts of a cell; empty if nothing is left to quadrature.
        side: tables of the polynomial side.
    """

    low: int
    uniform: bool
    symmetric: bool
    lefts: Floats
    widths: Floats
    inverse: Floats
    factors_test: Floats
    factors: Floats
    full_test: Floats
    full: Floats
    nodes: Floats
    powers: Floats
    rule: Floats
    side: Side


def wave_frame(basis: Basis, n: int, by_parts: bool, constant: bool) -> WaveFrame:
    """The frame of a piecewise polynomial basis of degree at most 2, facing harmonics up to n.

    Args:
        by_parts: whether high harmonics are integrated by parts; otherwise cells are cut until quadrature serves all.
        constant: whether the trigonometric side has a constant term.
    """
    low = n
    if by_parts:
        low = min(n, int(SMALLEST_ANGLE / (math.pi * min(float(w) for w in widths(basis.knots)))))
    frame = split_frame(basis.knots, low)
    tables = side(basis, frame)
    width = np.array([float(w) for w in widths(frame)])
    lefts = np.array([float(x) for x in frame[:-1]])
    uniform = uniform_width(frame) is not None
    # the harmonics above ``low`` are integrated by parts and need no table
    phase = low * math.pi * width.max() / 2
    nodes = gauss_rule(gauss_points(phase, tables.degree) + 2)
    t, weight = nodes[:, 0], nodes[:, 2]
    bernstein = np.stack(
        [math.comb(tables.degree, k) * t**k * (1 - t) ** (tables.degree - k) for k in range(tables.degree + 1)]
    )
    table = wave_table(n, (lefts[:, None] + width[:, None] * t).ravel()).reshape(len(lefts), len(t), 2 * (n + 1))
    full = np.einsum("kg,g,cgr->ckr", bernstein, weight, table)
    full[..., np.tile(np.arange(n + 1), 2) > low] = 0.0
    factors_test = np.ones_like(width) if uniform else width
    rule = gauss_rule(gauss_points(low * math.pi * width.max() / 2, tables.degree))
    return WaveFrame(
        low,
        uniform,
        all(a == -b for a, b in zip(frame, reversed(frame), strict=True)),
        lefts,
        width,
        1 / width,
        factors_test,
        width,
        full * factors_test[:, None, None],
        full * width[:, None, None],
        wave_antiderivative_table(n, low, np.array([float(x) for x in frame])),
        (1 / (np.maximum(np.arange(n + 1), 1) * math.pi))[:, None] ** np.arange(1, 4),
        rule if low or constant else rule[:0],
        tables,
    )


def wave_antiderivative_table(n: int, low: int, points: Floats) -> Floats:
    """Antiderivatives 1, 2, 3 (without constants) of the waves above ``low``: shape (points, 3, 2 (n + 1))."""
    sine, cosine = np.moveaxis(wave_table(n, points), 1, 0)
    k = np.arange(n + 1)
    inverse = np.where(k > low, 1 / (np.maximum(k, 1) * math.pi), 0.0)
    return np.stack(
        [
            np.concatenate([-cosine * inverse, sine * inverse], axis=1),
            np.concatenate([-sine * inverse**2, -cosine * inverse**2], axis=1),
            np.concatenate([cosine * inverse**3, -sine * inverse**3], axis=1),
        ],
        axis=1,
    )


def harmonic_tables(basis: Basis) -> tuple[Integers, Floats, Integers]:
    """Harmonics one by one: wave row (sine k: k; cosine k: n + 1 + k), factor, function."""
    n = basis.max_frequency
    return (
        np.array([h.frequency + (n + 1 if h.cosine else 0) for h in basis.harmonics], dtype=np.int64),
        np.array([h.factor for h in basis.harmonics], dtype=np.float64),
        np.array([h.index for h in basis.harmonics], dtype=np.int64),
    )


class Cuts(NamedTuple):
    """How pattern pieces are cut by a frame: pieces ``first[k] .. first[k + 1] - 1``, in local coordinates of k."""

    first: Integers
    alpha: Floats
    beta: Floats
    alpha_rest: Floats
    beta_rest: Floats


class MomentPlan(NamedTuple):
    """Tables of :mod:`iatcore.kernels.quadrature` for patterns on given knots."""

    cuts: Cuts
    lefts: Floats
    widths: Floats
    rule: Floats
    p: tuple
    q: tuple


def moment_plan(p: Basis, q: Basis, knots: Sequence[Fraction]) -> MomentPlan:
    """Tables for moments of p and q over patterns whose pieces are ``knots``."""
    n = max(p.max_frequency, q.max_frequency)
    frame = split_frame(refine(p.knots, q.knots, knots), n)
    width = np.array([float(w) for w in widths(frame)])
    degree = max(p.degree, 0) + max(q.degree, 0)
    # q h multiplies two waves: the phase of the product is at most the sum of both
    phase = (p.max_frequency + q.max_frequency) * math.pi * width.max() / 2
    points = gauss_points(phase, degree) if n else degree // 2 + 1
    return MomentPlan(
        _cuts(frame, knots),
        np.array([float(x) for x in frame[:-1]]),
        width,
        gauss_rule(points),
        _moment_side(p, frame),
        _moment_side(q, frame),
    )


class CrossingPlan(NamedTuple):
    """Tables of :mod:`iatcore.kernels.crossings` for patterns on given knots; sides are p, q, p', q', p''."""

    cuts: Cuts
    frame: tuple[Floats, Floats]
    sides: tuple


def crossing_plan(p: Basis, q: Basis, knots: Sequence[Fraction]) -> CrossingPlan:
    """Tables for sums over the crossings of patterns whose pieces are ``knots``."""
    frame = refine(p.knots, q.knots, knots)
    slopes = p.derivative()
    return CrossingPlan(
        _cuts(frame, knots),
        (np.array([float(x) for x in frame[:-1]]), np.array([float(w) for w in widths(frame)])),
        tuple(_moment_side(b, frame) for b in (p, q, slopes, q.derivative(), slopes.derivative())),
    )


def _cuts(frame: Sequence[Fraction], knots: Sequence[Fraction]) -> Cuts:
    """How the pieces between ``knots`` are cut by a frame that refines them."""
    first, cuts = [0], []
    for k in range(len(knots) - 1):
        left, length = knots[k], knots[k + 1] - knots[k]
        for a, b in itertools.pairwise(frame):
            if left <= a and b <= knots[k + 1]:
                alpha, beta = (a - left) / length, (b - left) / length
                cuts.append((float(alpha), float(beta), float(1 - alpha), float(1 - beta)))
        first.append(len(cuts))
    return Cuts(np.array(first, dtype=np.int64), *(np.ascontiguousarray(c) for c in np.array(cuts).T))


def _moment_side(basis: Basis, frame: Sequence[Fraction]) -> tuple:
    degree = max(basis.degree, 0)
    pieces = on_frame(basis, frame)
    rows = [(j, elevate(c, degree)) for piece in pieces for j, c in piece]
    ptr = np.cumsum([0] + [len(piece) for piece in pieces]).astype(np.int64)
    index = np.array([j for j, _ in rows], dtype=np.int64)
    table = np.array([[float(v) for v in c] for _, c in rows], dtype=np.float64).reshape(len(rows), degree + 1)
    return ptr, index, table, *harmonic_tables(basis), (basis.max_frequency if basis.harmonics else -1)
