"""Scalar step gates ``sigma(t) = a(t) t``: ReLU, leaky ReLU, AReLU, diagonal TMAF and everything between.

A gate is a step function ``a`` with breakpoints ``s_1 < ... < s_m`` and slopes ``t_0, ..., t_m``. A diagonal matrix
activation applies it to each entry of a vector; an integral activation transform to each point of a function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .attention import clamp_alpha, sigmoid
from .grids import grid as grid_of

Side = Literal["left", "right"]


@dataclass(frozen=True)
class Gate:
    """``sigma(t) = a(t) t`` with ``a = slopes[j]`` between ``breakpoints[j-1]`` and ``breakpoints[j]``.

    Args:
        breakpoints: m strictly ascending finite numbers (m = 0: a linear gate).
        slopes: m + 1 finite numbers.
        side: which slope holds at a breakpoint itself: ``"left"`` (right-closed pieces, TMAF (6)) or ``"right"``
            (AReLU's branch at 0).
        name: what ``repr`` shows.

    Raises:
        TypeError: entries that are not real numbers.
        ValueError: lengths that do not match, breakpoints that do not ascend, entries that are not finite.
    """

    breakpoints: tuple[float, ...]
    slopes: tuple[float, ...]
    side: Side = "left"
    name: str = ""

    def __post_init__(self) -> None:
        s, t = _numbers(self.breakpoints, "breakpoints"), _numbers(self.slopes, "slopes")
        object.__setattr__(self, "breakpoints", s)
        object.__setattr__(self, "slopes", t)
        if len(t) != len(s) + 1:
            raise ValueError(f"slopes must have len(breakpoints) + 1 = {len(s) + 1} entries, got {len(t)}")
        if any(a >= b for a, b in itertools.pairwise(s)):
            raise ValueError(f"breakpoints must ascend strictly, got {s}")
        if self.side not in ("left", "right"):
            raise ValueError(f"side must be 'left' or 'right', got {self.side!r}")

    @cached_property
    def jumps(self) -> tuple[float, ...]:
        """``t_j - t_{j-1}`` at each breakpoint."""
        return tuple(b - a for a, b in zip(self.slopes, self.slopes[1:], strict=False))

    @property
    def is_continuous(self) -> bool:
        """Whether sigma is continuous: no jump of ``a`` away from 0. Then the gradient is the activation matrix."""
        return all(s == 0 or jump == 0 for s, jump in zip(self.breakpoints, self.jumps, strict=True))

    @property
    def is_homogeneous(self) -> bool:
        """Whether ``sigma(c t) = c sigma(t)`` for all c >= 0: no breakpoint away from 0."""
        return all(s == 0 for s in self.breakpoints)

    def derivative(self, t: ArrayLike) -> NDArray[np.float64]:
        """The step function ``a(t)``, ``sigma'(t)`` away from the breakpoints, in the shape of t; nan at nan."""
        x = np.asarray(t, dtype=np.float64)
        values = np.asarray(self.slopes)[np.searchsorted(self.breakpoints, x, side=self.side)]
        return np.where(np.isnan(x), np.nan, values)

    def __call__(self, t: ArrayLike) -> NDArray[np.float64]:
        """``a(t) t`` in the shape of t; a zero slope gives +0 also at infinity."""
        x = np.asarray(t, dtype=np.float64)
        a = self.derivative(x)
        zero = a == 0
        return np.where(zero, 0.0, a * np.where(zero, 0.0, x))

    def __repr__(self) -> str:
        return self.name or f"Gate({self.breakpoints}, {self.slopes}, side={self.side!r})"


def _numbers(values: Sequence[float], name: str) -> tuple[float, ...]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise TypeError(f"{name} must be a sequence of real numbers, got {values!r}")
    if not np.all(np.isfinite(array.astype(np.float64))):
        raise ValueError(f"{name} must be finite, got {values!r}")
    return tuple(float(v) for v in array)


def relu() -> Gate:
    """``max(t, 0)``: the slopes (0, 1) of IAT (15)."""
    return Gate((0.0,), (0.0, 1.0), name="relu()")


def leaky_relu(negative_slope: float = 0.01) -> Gate:
    """``t`` for t > 0 and ``negative_slope t`` otherwise (Maas et al. 2013); with a trained slope this is PReLU."""
    return Gate((0.0,), (negative_slope, 1.0), name=f"leaky_relu({negative_slope!r})")


def absolute() -> Gate:
    """``|t|``: slopes (-1, 1) in the place of those of IAT (15)."""
    return Gate((0.0,), (-1.0, 1.0), name="absolute()")


def identity() -> Gate:
    """``t``: no breakpoint, so that the transform of IAT (4) is linear."""
    return Gate((), (1.0,), name="identity()")


def arelu(alpha: float = 0.9, beta: float = 2.0) -> Gate:
    """``C(alpha) t`` for t < 0 and ``(1 + sigmoid(beta)) t`` for t >= 0, C clamping to [0.01, 0.99] (AReLU 2.4).

    Raises:
        ValueError: alpha or beta is not finite.
    """
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")
    slopes = (clamp_alpha(alpha), 1.0 + sigmoid(beta))
    return Gate((0.0,), slopes, side="right", name=f"arelu({alpha!r}, {beta!r})")


def tmaf(grid: str | Sequence[float], slopes: Sequence[float]) -> Gate:
    """The trainable step function of TMAF (6): slope ``slopes[j]`` on ``(grid[j-1], grid[j]]``; grids also by name."""
    return Gate(grid_of(grid), tuple(slopes), side="left")
