"""Anything that converts to :class:`scipy.interpolate.PPoly`, of any degree."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from fractions import Fraction

import numpy as np
from scipy.interpolate import BPoly, BSpline, PPoly

from .core import MINUS_ONE, ONE, Basis, Coefficients, Segment, exact, from_segments, restrict

CONVERTIBLE = (PPoly, BPoly, BSpline)


def from_ppoly(spline: PPoly | BPoly | BSpline) -> Basis:
    """The functions of a scipy piecewise polynomial, restricted to [-1, 1].

    Args:
        spline: its coefficients have shape ``(k, m, *extra)``; the functions are counted by ``extra`` in C order
            (none: one function). Every coefficient is taken as the exact rational number that the float is.

    Raises:
        TypeError: complex coefficients.
        ValueError: it does not cover [-1, 1], or a coefficient is not finite.
    """
    if isinstance(spline, BSpline):
        low, high = spline.t[spline.k], spline.t[-spline.k - 1]
        _check_cover(float(low), float(high))
        columns = spline.c.reshape(len(spline.c), -1).T  # PPoly.from_spline takes one function only
        ppoly = PPoly(np.stack([PPoly.from_spline((spline.t, c, spline.k)).c for c in columns], axis=-1), spline.t)
    elif isinstance(spline, BPoly):
        ppoly = PPoly.from_bernstein_basis(spline)
    else:
        ppoly = spline
    if np.iscomplexobj(ppoly.c):
        raise TypeError("PPoly coefficients must be real, got complex ones")
    if not (np.all(np.isfinite(ppoly.c)) and np.all(np.isfinite(ppoly.x))):
        raise ValueError("PPoly coefficients and breakpoints must be finite, got nan or inf")
    x = [Fraction(float(v)) for v in ppoly.x]
    if x[0] > x[-1]:
        raise ValueError("PPoly breakpoints must ascend, got descending ones")
    _check_cover(float(x[0]), float(x[-1]))
    c = np.asarray(ppoly.c, dtype=np.float64).reshape(ppoly.c.shape[0], ppoly.c.shape[1], -1)
    # scipy extends the first and the last piece, so breakpoints outside [-1, 1] only select pieces
    knots = sorted({MINUS_ONE, ONE, *(v for v in x if -1 < v < 1)})
    functions: list[list[Segment]] = [[] for _ in range(c.shape[2])]
    for left, right in itertools.pairwise(knots):
        k = min(bisect_right(x, left) - 1, c.shape[1] - 1)
        for j in range(c.shape[2]):
            if np.any(c[:, k, j]):
                functions[j].append(Segment(left, right, _bernstein(c[:, k, j], left - x[k], right - x[k])))
    return from_segments(f"basis(<{type(spline).__name__} with {c.shape[2]} functions>)", functions, knots=knots)


def _check_cover(low: float, high: float) -> None:
    if low > -1 or high < 1:
        raise ValueError(f"PPoly must cover [-1, 1], got breakpoints from {low!r} to {high!r}")


def _bernstein(power: np.ndarray, left: Fraction, right: Fraction) -> Coefficients:
    """Bernstein coefficients on [left, right] of ``sum_i power[i] x**(n - i)``, exact."""
    c = [exact(float(v), "PPoly coefficient") for v in power][::-1]
    while len(c) > 1 and c[-1] == 0:
        c.pop()
    n = len(c) - 1
    unit = tuple(
        sum((Fraction(math.comb(i, m), math.comb(n, m)) * c[m] for m in range(i + 1)), Fraction(0))
        for i in range(n + 1)
    )
    return restrict(unit, left, right)
