"""The transform with a smooth activation: adaptive Gauss-Legendre quadrature with an error estimate for every row."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bases import Basis, basis
from .checks import check_pair, check_rows
from .discrete import DiscreteIAT
from .plan import gauss_rule, refine, split_frame
from .smooth_functions import Smooth

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Integrand = Callable[[Floats, Floats, Floats, Integers], Floats]
"""From values of p (d_in, n, points), q (d_out, n, points), f (n, points) and the rows (n,), to (n, points, k)."""

POINTS, FEWER = 12, 9
DEEPEST = 40
"""Intervals are halved at most so often."""
NUMBERS_AT_ONCE = 4_000_000
ROUNDING = 32 * 2.0**-52


class SmoothIAT:
    """``u = integral over [-1, 1] of q(s) sigma(p(s)^T z) ds`` for a function sigma, IAT (4).

    z of shape (..., d_in) to u of shape (..., d_out). Every interval between breakpoints is integrated by a
    Gauss-Legendre rule, by the same rule on its halves, and by a lower rule on its halves; where these differ it is
    halved again. The largest difference, which is the error of a cruder value, is taken for that of the best one.

    Args:
        p: input basis (d_in functions), as :func:`iatcore.basis` takes it.
        q: output basis (d_out functions).
        activation: sigma, a :class:`iatcore.Smooth` or a function of float64 arrays; derivatives need a Smooth that
            knows those of sigma. The estimate trusts that sigma is smooth: what has kinks or jumps is a
            :class:`iatcore.Gate`, and exact.
        tolerance: error aimed at, relative to ``integral norm(q) |sigma(f)|``; rounding is about 1e-14 of that.

    Raises:
        TypeError: activation is not callable.
        ValueError: tolerance is not positive and finite.
    """

    def __init__(self, p: Any, q: Any, activation: Smooth | Callable[[Floats], Floats], tolerance: float = 1e-12):
        self.p: Basis = basis(p)
        self.q: Basis = basis(q)
        self.activation = activation if isinstance(activation, Smooth) else Smooth(activation)
        if not (isinstance(tolerance, (int, float)) and math.isfinite(tolerance) and tolerance > 0):
            raise ValueError(f"tolerance must be positive and finite, got {tolerance!r}")
        self.tolerance = float(tolerance)
        n = max(self.p.max_frequency, self.q.max_frequency)
        self._pieces = list(pairwise(split_frame(refine(self.p.knots, self.q.knots), n)))

    def __repr__(self) -> str:
        return f"SmoothIAT({self.p!r}, {self.q!r}, {self.activation!r}, tolerance={self.tolerance!r})"

    def __call__(self, z: ArrayLike) -> NDArray[Any]:
        """u for z of shape (..., d_in): shape (..., d_out); rows with nan or inf give nan.

        Raises:
            TypeError: z is not real.
            ValueError: the last dimension is not d_in.
        """
        return self.with_error(z)[0]

    def with_error(self, z: ArrayLike) -> tuple[NDArray[Any], Floats]:
        """u, and an estimate of ``norm(u - exact)`` for every row, of the leading shape of z."""

        def integrand(p: Floats, q: Floats, f: Floats, rows: Integers) -> Floats:
            return np.einsum("ing,ng->ngi", q, self.activation(f))

        return self._transform(z, integrand, (self.q.size,))

    def jacobian(self, z: ArrayLike) -> NDArray[Any]:
        """``du/dz = integral sigma'(f) q p^T`` at z, shape (..., d_out, d_in), IAT (20); ValueError without sigma'."""

        def integrand(p: Floats, q: Floats, f: Floats, rows: Integers) -> Floats:
            product = np.einsum("ing,jng,ng->ngij", q, p, self.activation.evaluate(f, 1), optimize=True)
            return product.reshape(*f.shape, -1)

        return self._transform(z, integrand, (self.q.size, self.p.size))[0]

    def hessian(self, z: ArrayLike) -> NDArray[Any]:
        """``integral sigma''(f) q p p^T`` at z, shape (..., d_out, d_in, d_in); ValueError without sigma''."""

        def integrand(p: Floats, q: Floats, f: Floats, rows: Integers) -> Floats:
            product = np.einsum("ing,jng,kng,ng->ngijk", q, p, p, self.activation.evaluate(f, 2), optimize=True)
            return product.reshape(*f.shape, -1)

        return self._transform(z, integrand, (self.q.size, self.p.size, self.p.size))[0]

    def vjp(self, z: ArrayLike, g: ArrayLike) -> NDArray[Any]:
        """``J(z)^T g``: z (..., d_in), g (..., d_out), broadcast, to (..., d_in); ValueError as :meth:`jacobian`."""
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", g, self.q.size, "g")
        h = other.astype(np.float64)

        def integrand(p: Floats, q: Floats, f: Floats, rows: Integers) -> Floats:
            weight = np.einsum("ing,ni->ng", q, h[rows]) * self.activation.evaluate(f, 1)
            return np.einsum("jng,ng->ngj", p, weight)

        return self._rows(rows, integrand, self.p.size, h)[0].astype(dtype, copy=False).reshape(*shape, self.p.size)

    def jvp(self, z: ArrayLike, v: ArrayLike) -> NDArray[Any]:
        """``J(z) v``: z and v (..., d_in), broadcast, to (..., d_out); raises as :meth:`vjp`."""
        rows, other, shape, dtype = check_pair(z, self.p.size, "z", v, self.p.size, "v")
        h = other.astype(np.float64)

        def integrand(p: Floats, q: Floats, f: Floats, rows: Integers) -> Floats:
            weight = np.einsum("jng,nj->ng", p, h[rows]) * self.activation.evaluate(f, 1)
            return np.einsum("ing,ng->ngi", q, weight)

        return self._rows(rows, integrand, self.q.size, h)[0].astype(dtype, copy=False).reshape(*shape, self.q.size)

    def discretize(self, mesh: int) -> DiscreteIAT:
        """The M-point transform of IAT (12); raises ValueError unless ``mesh >= 1``."""
        return DiscreteIAT(self.p, self.q, mesh, self.activation)

    def _transform(self, z: ArrayLike, integrand: Integrand, result: tuple[int, ...]) -> tuple[NDArray[Any], Floats]:
        rows, shape, dtype = check_rows(z, self.p.size, "z")
        values, errors = self._rows(rows, integrand, math.prod(result))
        return values.astype(dtype, copy=False).reshape(*shape, *result), errors.reshape(shape)

    def _rows(
        self, z: NDArray[Any], integrand: Integrand, size: int, other: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Integrals for every row and their errors; rows with nan or inf, in z or in ``other``, give nan."""
        finite = np.isfinite(z).all(axis=1)
        if other is not None:
            finite &= np.isfinite(other).all(axis=1)
        values, errors = np.full((len(z), size), np.nan), np.full(len(z), np.nan)
        functions = self.p.size + self.q.size + size
        step = max(1, NUMBERS_AT_ONCE // (len(self._pieces) * POINTS * functions))
        good = np.flatnonzero(finite)
        for start in range(0, len(good), step):
            rows = good[start : start + step]
            values[rows], errors[rows] = self._adaptive(z.astype(np.float64), rows, integrand, size)
        return values, errors

    def _adaptive(self, z: Floats, rows: Integers, integrand: Integrand, size: int) -> tuple[Floats, Floats]:
        total, error, scale = np.zeros((len(rows), size)), np.zeros(len(rows)), np.zeros(len(rows))
        # an interval of the frame, halved ``depth`` times: number ``index`` of 2**depth
        pieces = len(self._pieces)
        owner, piece = np.repeat(np.arange(len(rows)), pieces), np.tile(np.arange(pieces), len(rows))
        index, depth = np.zeros(len(owner), dtype=np.int64), 0
        coarse, _, sizes = self._sums(z, rows, owner, piece, index, depth, integrand)
        np.add.at(scale, owner, sizes)
        while len(owner):
            halves = [np.repeat(a, 2) for a in (owner, piece)]
            index, depth = np.repeat(2 * index, 2) + np.tile([0, 1], len(index)), depth + 1
            parts, lower, _ = self._sums(z, rows, *halves, index, depth, integrand)
            fine = parts.reshape(-1, 2, size).sum(axis=1)
            # two comparisons: where f turns sharply one alone may agree by chance
            gaps = np.linalg.norm(parts - lower, axis=1).reshape(-1, 2).sum(axis=1)
            difference = np.maximum(np.linalg.norm(fine - coarse, axis=1), gaps)
            share = scale[owner] * np.maximum(self.tolerance / (pieces * 2.0 ** (depth - 1)), ROUNDING)
            done = (difference <= share) | (depth > DEEPEST)
            np.add.at(total, owner[done], fine[done])
            np.add.at(error, owner[done], difference[done])
            again = np.repeat(~done, 2)
            owner, piece, index, coarse = halves[0][again], halves[1][again], index[again], parts[again]
        return total, error + 2.0**-52 * pieces * scale

    def _sums(
        self, z: Floats, rows: Integers, owner: Integers, piece: Integers, index: Integers, depth: int, f_of: Integrand
    ) -> tuple[Floats, Floats, Floats]:
        """Gauss-Legendre sums over intervals (n, k), those of a lower rule, and sums of norms of the integrand (n,)."""
        places, which = np.unique(piece * 2**depth + index, return_inverse=True)
        ends = [self._ends(int(place) >> depth, int(place) & (2**depth - 1), depth) for place in places]
        left, width = np.array([float(a) for a, _ in ends]), np.array([float(b - a) for a, b in ends])
        rule = np.concatenate([gauss_rule(POINTS), gauss_rule(FEWER)])
        s = np.clip(left[:, None] + width[:, None] * rule[:, 0], -1.0, 1.0)
        p_values, q_values = self.p(s), self.q(s)
        found: list[tuple[Floats, Floats, Floats]] = []
        step = max(1, NUMBERS_AT_ONCE // (len(rule) * (self.p.size + self.q.size)))
        for start in range(0, len(owner), step):
            part = slice(start, start + step)
            p, q = p_values[:, which[part]], q_values[:, which[part]]
            f = np.einsum("jng,nj->ng", p, z[rows[owner[part]]])
            values = f_of(p, q, f, rows[owner[part]])
            weights = rule[:, 2] * width[which[part], None]
            best, lower = slice(POINTS), slice(POINTS, None)
            norms = np.einsum("ng,ng->n", np.linalg.norm(values[:, best], axis=2), weights[:, best])
            sums = [np.einsum("ngk,ng->nk", values[:, r], weights[:, r]) for r in (best, lower)]
            found.append((sums[0], sums[1], norms))
        first, second, third = zip(*found, strict=True)
        return np.concatenate(first), np.concatenate(second), np.concatenate(third)

    def _ends(self, piece: int, index: int, depth: int) -> tuple[Fraction, Fraction]:
        a, b = self._pieces[piece]
        width = (b - a) / 2**depth
        return a + index * width, a + (index + 1) * width
