"""Quadrature and roots of functions known by their values alone, with no use of what the exact transform knows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]
NOISE = 1e-14
"""Changes of sign between values below this part of the largest one are rounding."""


@lru_cache(maxsize=16)
def _gauss(order: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(order)


def composite_gauss(edges: Floats, order: int) -> tuple[Floats, Floats]:
    """Nodes and weights of the rule of ``order`` points on each interval between edges."""
    x, w = _gauss(order)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1] + edges[1:])[:, None] / 2 + half * x).ravel(), (half * w).ravel()


def sampled_crossings(f: Function, levels: Sequence[float], edges: Floats, density: int) -> Floats:
    """Where f, continuous between edges, crosses a level; ``density`` samples on [-1, 1], or more, find them."""
    ends = itertools.pairwise(edges)
    samples = [_samples(f, a, b, 8 + math.ceil(density * (b - a) / 2)) for a, b in ends]
    noise = NOISE * max(np.abs(values).max() for _, values in samples)
    return np.array([r for s, values in samples for level in levels for r in _roots(f, level, s, values, noise)])


def _samples(f: Function, a: float, b: float, count: int) -> tuple[Floats, Floats]:
    """Ascending points of [a, b) and f there: equidistant ones, and the extrema that parabolas through them have."""
    s = np.linspace(a, np.nextafter(b, a), count)
    values = f(s)
    rise, bend = values[2:] - values[:-2], values[2:] - 2 * values[1:-1] + values[:-2]
    near = (np.abs(rise) <= 2 * np.abs(bend)) & (bend != 0)
    extrema = s[1:-1][near] - (s[1] - s[0]) * rise[near] / (2 * bend[near])
    s = np.sort(np.concatenate([s, np.clip(extrema, s[0], s[-1])]))
    return s, f(s)


def _roots(f: Function, level: float, s: Floats, values: Floats, noise: float) -> list[float]:
    """Changes of sign of ``f - level``, given the values of f at s."""

    def g(t: float) -> float:
        return float(f(np.array([t]))[0] - level)

    above, size = values > level, np.abs(values - level)
    changes = np.flatnonzero((above[1:] != above[:-1]) & (np.maximum(size[1:], size[:-1]) > noise))
    return [_root(g, s[k], s[k + 1]) for k in changes]


def _root(g: Callable[[float], float], a: float, b: float) -> float:
    """A root between a and b, or an end next to it if g has one sign at both after all, by rounding."""
    first, last = g(a), g(b)
    if (first > 0) == (last > 0):
        return a if abs(first) < abs(last) else b
    from scipy.optimize import brentq  # imported for the few transforms that look for roots by samples

    return float(brentq(g, a, b, xtol=1e-15, rtol=1e-15))  # type: ignore[arg-type]
