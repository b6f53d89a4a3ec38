"""Breakpoint grids for trainable step functions, by the names of the sections of the TMAF paper that use them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import numpy as np

Points = tuple[float, ...]


def _gaussian10(band: int) -> Points:
    half = (0.26, 0.56, 0.92, 1.4)
    return (*(-x for x in reversed(half)), 0.0, *half)


def _uniform(band: int) -> Points:
    # correctly rounded: k h is formed in hundredths
    if band == 0:
        first, count = -100, 101
    elif band > 0:
        first, count = -199, 100
    else:
        first, count = 1, 101
    return tuple(float(Fraction(first + 2 * k, 100)) for k in range(count))


GRIDS: dict[str, Callable[[int], Points]] = {"gaussian10": _gaussian10, "uniform": _uniform}
"""Named grids: from the number of a diagonal to its breakpoints."""


def grid(points: str | Sequence[float] | np.ndarray, band: int = 0) -> Points:
    """Breakpoints ``s_1 < ... < s_m`` of a step function.

    Args:
        points: numbers in ascending order, shape (m,), or a name:

            * ``"gaussian10"``: 0, +-.26, +-.56, +-.92, +-1.4, ten intervals of a probability of about .1 each under
              the standard normal distribution (TMAF section 3.1);
            * ``"uniform"``: step h = .02, on [-1, 1] for the diagonal, -1.99 ... -.01 above it, .01 ... 2.01 below
              it (TMAF section 3.2: alpha, beta and gamma).
        band: the diagonal that the grid is for: positive above the main one.

    Raises:
        TypeError: neither a name nor real numbers.
        ValueError: an unknown name, breakpoints that are not finite or do not ascend strictly.
    """
    if isinstance(points, str):
        if points not in GRIDS:
            raise ValueError(f"grid must be numbers or one of {', '.join(GRIDS)}, got {points!r}")
        return GRIDS[points](band)
    if not isinstance(points, Iterable):
        raise TypeError(f"grid must be a name or a sequence of real numbers, got {points!r}")
    try:
        values = np.asarray(points)
    except ValueError:
        raise TypeError(f"grid must be a sequence of real numbers, got {points!r}") from None
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iuf"):
        raise TypeError(f"grid must be a sequence of real numbers, got {points!r}")
    result = tuple(float(v) for v in values)
    if not all(math.isfinite(v) for v in result):
        raise ValueError(f"grid must be finite, got {result}")
    for k, (a, b) in enumerate(itertools.pairwise(result)):
        if a >= b:
            raise ValueError(f"grid must ascend strictly, got {a!r} and then {b!r} at positions {k} and {k + 1}")
    return result


def sample_points(points: Points) -> np.ndarray:
    """A point of each interval of a grid that is not 0: where the slopes of TMAF (6) start from a function.

    The grid is given by its ``points``. Taken are the middles of the bounded intervals (a middle of 0 is taken at a
    quarter of the interval), and in the two unbounded ones a point half as far out as the nearest interval is wide;
    with one breakpoint s, ``s -+ max(abs(s), 1)``, and without any 1.
    """
    if not points:
        return np.array([1.0])
    s = np.array(points)
    with np.errstate(over="ignore"):
        gap = np.diff(s) if len(s) > 1 else np.array([2.0 * max(abs(s[0]), 1.0)])
        at = np.concatenate([[s[0] - gap[0] / 2], s[:-1] / 2 + s[1:] / 2, [s[-1] + gap[-1] / 2]])
    widths = np.concatenate([gap[:1], np.diff(s), gap[-1:]])
    at = np.where(at == 0, widths / 4, at)
    return np.clip(at, -np.finfo(float).max, np.finfo(float).max)


def sample(function: Callable[[np.ndarray], np.ndarray], points: Points) -> np.ndarray:
    """Step values ``a_j = sigma(x)/x`` of TMAF (6) at :func:`sample_points`, so that ``a(x) x`` is sigma there.

    Args:
        function: sigma, from arrays of shape (m + 1,) to arrays of that shape.
        points: m breakpoints, see :func:`grid`.

    Raises:
        ValueError: sigma is not finite there.
    """
    at = sample_points(points)
    with np.errstate(all="ignore"):
        values = np.asarray(function(at), dtype=np.float64) / at
    if values.shape != at.shape or not np.isfinite(values).all():
        raise ValueError(f"init must be a function of an array with finite values, got {function!r}")
    return values + 0.0
