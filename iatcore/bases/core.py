"""The one class behind every family of basis functions on [-1, 1].

A :class:`Basis` is a piecewise polynomial part plus a list of harmonics. Both are kept in exact rational
arithmetic, so that common refinements of breakpoints, restrictions to sub-intervals and the reference in ball
arithmetic start from the same numbers; floating-point tables are derived from them once, when they are needed.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Coefficients = tuple[Fraction, ...]
MINUS_ONE, ONE = Fraction(-1), Fraction(1)


class Harmonic(NamedTuple):
    """``amplitude * pi**pi_power * sin(k pi s)`` (or ``cos``), which is the basis function number ``index``."""

    index: int
    cosine: bool
    frequency: int
    amplitude: Fraction
    pi_power: int = 0

    @property
    def factor(self) -> float:
        """The amplitude as a float."""
        return float(self.amplitude) * math.pi**self.pi_power


class Segment(NamedTuple):
    """A polynomial on ``[left, right]`` by its Bernstein coefficients there."""

    left: Fraction
    right: Fraction
    coefficients: Coefficients


def restrict(coefficients: Coefficients, alpha: Fraction, beta: Fraction) -> Coefficients:
    """Bernstein coefficients on ``[alpha, beta]`` of a polynomial given by those on ``[0, 1]`` (blossoming)."""
    if alpha == 0 and beta == 1:
        return coefficients
    n = len(coefficients) - 1
    result = []
    for i in range(n + 1):
        row = list(coefficients)
        for step in range(n):
            t = beta if step < i else alpha
            row = [(1 - t) * row[m] + t * row[m + 1] for m in range(n - step)]
        result.append(row[0])
    return tuple(result)


def elevate(coefficients: Coefficients, degree: int) -> Coefficients:
    """The same polynomial with ``degree + 1`` Bernstein coefficients."""
    row = list(coefficients)
    while len(row) <= degree:
        n = len(row)
        row = [
            (row[i - 1] * i if i > 0 else Fraction(0)) / n + (row[i] * (n - i) if i < n else Fraction(0)) / n
            for i in range(n + 1)
        ]
    return tuple(row)


class PieceTables(NamedTuple):
    """Floating-point form of the piecewise part: functions ``index[ptr[k]:ptr[k+1]]`` live on piece ``k``."""

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    width: NDArray[np.float64]
    ptr: NDArray[np.int64]
    index: NDArray[np.int64]
    coefficients: NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """A collection of ``size`` functions on [-1, 1]: ``p(s) = (p_1(s), ..., p_d(s))``, IAT section 3.1.

    Build one with :func:`iatcore.basis`. Calling it evaluates all functions; ``p + other`` concatenates two
    collections (a mixture, IAT section 6).

    Attributes:
        name: what ``repr`` shows.
        size: the number d of functions.
        knots: exact breakpoints ``-1 = x_0 < ... < x_m = 1`` of the piecewise part.
        pieces: for each piece, the functions that do not vanish there, as (index, Bernstein coefficients).
        harmonics: the trigonometric part.
    """

    name: str
    size: int
    knots: tuple[Fraction, ...] = (MINUS_ONE, ONE)
    pieces: tuple[tuple[tuple[int, Coefficients], ...], ...] = ((),)
    harmonics: tuple[Harmonic, ...] = ()

    # -- what kind of functions these are ------------------------------------------------------------------------

    @cached_property
    def degree(self) -> int:
        """Degree of the piecewise polynomial part; -1 if there is none."""
        return max((len(c) - 1 for piece in self.pieces for _, c in piece), default=-1)

    @cached_property
    def max_frequency(self) -> int:
        """The largest k of the harmonics ``sin(k pi s)``, ``cos(k pi s)``; 0 if there are none."""
        return max((h.frequency for h in self.harmonics), default=0)

    @property
    def is_piecewise(self) -> bool:
        """Whether all functions are piecewise polynomials."""
        return not self.harmonics

    @property
    def is_trigonometric(self) -> bool:
        """Whether all functions are trigonometric polynomials of period 2."""
        return bool(self.harmonics) and self.degree < 0

    @cached_property
    def breakpoints(self) -> NDArray[np.float64]:
        """Breakpoints of the functions and the ends -1 and 1, ascending."""
        return np.array([float(x) for x in self.knots])

    @cached_property
    def is_continuous(self) -> bool:
        """Whether every function is continuous on [-1, 1]; decided exactly."""
        for k in range(len(self.pieces) - 1):
            before = {j: c[-1] for j, c in self.pieces[k]}
            after = {j: c[0] for j, c in self.pieces[k + 1]}
            if any(before.get(j, 0) != after.get(j, 0) for j in before.keys() | after.keys()):
                return False
        return True

    @cached_property
    def has_zero_integral(self) -> bool:
        """Whether every function has integral 0 over [-1, 1] (IAT table 1); decided exactly."""
        totals = [Fraction(0)] * self.size
        for k, piece in enumerate(self.pieces):
            for j, c in piece:
                totals[j] += (self.knots[k + 1] - self.knots[k]) * sum(c) / len(c)
        constant = any(h.cosine and h.frequency == 0 and h.amplitude for h in self.harmonics)
        return not any(totals) and not constant

    # -- values --------------------------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> PieceTables:
        """The piecewise part in floating point, every number rounded once."""
        degree = max(self.degree, 0)
        rows = [(j, elevate(c, degree)) for piece in self.pieces for j, c in piece]
        return PieceTables(
            left=self.breakpoints[:-1],
            right=self.breakpoints[1:],
            width=np.array([float(b - a) for a, b in zip(self.knots, self.knots[1:], strict=False)]),
            ptr=np.cumsum([0] + [len(piece) for piece in self.pieces]).astype(np.int64),
            index=np.array([j for j, _ in rows], dtype=np.int64),
            coefficients=np.array([[float(v) for v in c] for _, c in rows]).reshape(len(rows), degree + 1),
        )

    def __call__(self, s: ArrayLike) -> NDArray[np.float64]:
        """Values of all functions.

        Args:
            s: points in [-1, 1], any shape. Cells are half-open to the right, the last one is closed.

        Returns:
            array of shape ``(size, *s.shape)``; nan where ``s`` is nan.

        Raises:
            TypeError: ``s`` is not real.
            ValueError: a point lies outside [-1, 1].
        """
        points = np.asarray(s)
        if points.dtype.kind not in "iuf":
            raise TypeError(f"s must be real numbers, got dtype {points.dtype}")
        points = points.astype(np.float64)
        if np.any(np.abs(points) > 1):
            raise ValueError(f"s must lie in [-1, 1], got values in [{np.nanmin(points)}, {np.nanmax(points)}]")
        flat = points.ravel()
        values = np.zeros((self.size, flat.size))
        if self.degree >= 0:
            left = self.tables.left
            piece = np.clip(np.searchsorted(left, flat, side="right") - 1, 0, len(left) - 1)
            self._add_piecewise(flat, values, piece)
        self._add_harmonics(flat, values)
        values[:, np.isnan(flat)] = np.nan
        return values.reshape(self.size, *points.shape)

    def on_pieces(self, piece: NDArray[np.int64], s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at points s of shape (n,), each taken on its given piece: one-sided limits at breakpoints."""
        values = np.zeros((self.size, s.size))
        if self.degree >= 0:
            self._add_piecewise(s, values, piece)
        self._add_harmonics(s, values)
        return values

    def _add_harmonics(self, flat: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        for h in self.harmonics:
            phase = np.pi * np.remainder(h.frequency * flat + 1.0, 2.0) - np.pi
            values[h.index] += h.factor * (np.cos(phase) if h.cosine else np.sin(phase))

    def _add_piecewise(self, flat: NDArray[np.float64], values: NDArray[np.float64], piece: NDArray[np.int64]) -> None:
        t = self.tables
        degree = t.coefficients.shape[1] - 1
        binomials = [math.comb(degree, i) for i in range(degree + 1)]
        for k in np.unique(piece):
            where = np.flatnonzero(piece == k)
            x = (flat[where] - t.left[k]) / t.width[k]
            y = (t.right[k] - flat[where]) / t.width[k]
            bernstein = np.array([b * x**i * y ** (degree - i) for i, b in enumerate(binomials)])
            rows = slice(t.ptr[k], t.ptr[k + 1])
            values[np.ix_(t.index[rows], where)] += t.coefficients[rows] @ bernstein

    # -- new collections from old --------------------------------------------------------------------------------

    def derivative(self) -> Basis:
        """The derivatives ``p_i'(s)`` inside the pieces (jumps at breakpoints are left out)."""
        pieces = []
        for k, piece in enumerate(self.pieces):
            width = self.knots[k + 1] - self.knots[k]
            pieces.append(tuple((j, _differentiate(c, width)) for j, c in piece if len(c) > 1))
        harmonics = tuple(
            h._replace(
                cosine=not h.cosine,
                amplitude=h.amplitude * h.frequency * (-1 if h.cosine else 1),
                pi_power=h.pi_power + 1,
            )
            for h in self.harmonics
            if h.frequency
        )
        return Basis(f"{self.name}.derivative()", self.size, self.knots, tuple(pieces), harmonics)

    def scaled(self, scale: float | Fraction) -> Basis:
        """The collection ``scale * p``; raises ValueError unless ``scale`` is finite."""
        factor = exact(scale, "scale")
        if factor == 1:
            return self
        pieces = tuple(tuple((j, tuple(factor * v for v in c)) for j, c in piece) for piece in self.pieces)
        harmonics = tuple(h._replace(amplitude=factor * h.amplitude) for h in self.harmonics)
        name = f"{self.name}.scaled({float(factor):g})"
        return replace(self, name=name, pieces=pieces, harmonics=harmonics)

    def __add__(self, other: Basis) -> Basis:
        if not isinstance(other, Basis):
            return NotImplemented
        from .mixture import concatenate

        return concatenate(self, other)

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return self.name

    def segments(self) -> list[list[Segment]]:
        """For each function its polynomial pieces, left to right."""
        result: list[list[Segment]] = [[] for _ in range(self.size)]
        for k, piece in enumerate(self.pieces):
            for j, c in piece:
                result[j].append(Segment(self.knots[k], self.knots[k + 1], c))
        return result


def _differentiate(coefficients: Coefficients, width: Fraction) -> Coefficients:
    n = len(coefficients) - 1
    return tuple(n * (b - a) / width for a, b in itertools.pairwise(coefficients))


def exact(value: float | int | Fraction, name: str) -> Fraction:
    """The number as an exact fraction; raises TypeError or ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction, np.integer, np.floating)):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if not isinstance(value, Fraction) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return value if isinstance(value, Fraction) else Fraction(value.item() if isinstance(value, np.generic) else value)


def from_segments(
    name: str,
    functions: Sequence[Iterable[Segment]],
    knots: Iterable[Fraction] = (),
    harmonics: Sequence[Harmonic] = (),
) -> Basis:
    """A basis from the polynomial pieces of each function, on the common refinement of all their ends."""
    functions = [list(f) for f in functions]
    ends = {MINUS_ONE, ONE, *knots}
    for function in functions:
        for segment in function:
            ends.update(segment[:2])
    grid = sorted(ends)
    pieces: list[list[tuple[int, Coefficients]]] = [[] for _ in grid[1:]]
    for j, function in enumerate(functions):
        for left, right, c in function:
            if not any(c):
                continue
            width = right - left
            for k in range(bisect_left(grid, left), bisect_left(grid, right)):
                part = restrict(c, (grid[k] - left) / width, (grid[k + 1] - left) / width)
                pieces[k].append((j, part))
    return Basis(name, len(functions), tuple(grid), tuple(map(tuple, pieces)), tuple(harmonics))
