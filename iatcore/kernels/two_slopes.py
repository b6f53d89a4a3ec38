"""Functions with two slopes, on flat arrays: forward, and all derivatives in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .steps import BLOCK, product
from .team import share

SUMS = {**OPTIONS, "fastmath": {"reassoc", "nsz"}}
"""For sums alone, whose terms may be added in any order that is fixed when compiling."""


@njit(**OPTIONS)
def fill_two_slopes(x, low, high, closed, out):
    """``low x`` or ``high x``, for a slice."""
    zero = low - low
    for i in range(x.shape[0]):
        v = x[i]
        # one comparison for both conventions: it is what a mask is made of
        t = low if (v < zero) | ((v == zero) & ~closed) else high
        out[i] = product(t, v, zero)


@njit(**OPTIONS)
def fill_two_gradients(x, g, low, high, closed, out):
    """``low g`` or ``high g``, for a slice; a slope of 0 gives 0."""
    zero = low - low
    for i in range(x.shape[0]):
        v, e = x[i], g[i]
        t = low if (v < zero) | ((v == zero) & ~closed) else high
        out[i] = t * (e if t != zero else zero)


@njit(**SUMS)
def two_sums(x, g):
    """Sums of ``x g`` where the lower and where the upper slope holds, for a slice."""
    below, above = 0.0, 0.0
    for i in range(x.shape[0]):
        v = np.float64(x[i])
        p = v * np.float64(g[i])
        # two terms by selection: a condition on a sum is not turned into vector instructions
        lower = p if v < 0.0 else 0.0
        upper = 0.0 if v < 0.0 else p
        below += lower
        above += upper
    return below, above


@njit(**OPTIONS)
def two_slopes_rows(x, out, low, high, closed, tasks, start, stop):
    """``low x`` for x < 0 and ``high x`` above; 0 itself to ``high`` if ``closed``. Ranges of a flat array."""
    size = x.shape[0]
    for task in range(start, stop):
        begin, end = size * task // tasks, size * (task + 1) // tasks
        fill_two_slopes(x[begin:end], low, high, closed, out[begin:end])


@njit(**OPTIONS)
def two_slopes_gradient_rows(x, g, out, low, high, closed, sums, tasks, start, stop):
    """Ranges of the gradient with respect to x; ``sums``: (tasks, 2), written: with respect to both slopes."""
    size = x.shape[0]
    for task in range(start, stop):
        begin, end = size * task // tasks, size * (task + 1) // tasks
        below, above = 0.0, 0.0
        for block in range(begin, end, BLOCK):
            stop_block = min(block + BLOCK, end)
            part, e = x[block:stop_block], g[block:stop_block]
            fill_two_gradients(part, e, low, high, closed, out[block:stop_block])
            a, b = two_sums(part, e)
            below, above = below + a, above + b
        sums[task, 0], sums[task, 1] = below, above


@njit(**OPTIONS)
def two_slopes_batch(team, x, out, low, high, closed, tasks):
    """:func:`two_slopes_rows` on everything."""
    share(team, two_slopes_rows, (x, out, low, high, closed, tasks), tasks)


@njit(**OPTIONS)
def two_slopes_gradient_batch(team, x, g, out, low, high, closed, sums, tasks):
    """:func:`two_slopes_gradient_rows` on everything."""
    share(team, two_slopes_gradient_rows, (x, g, out, low, high, closed, sums, tasks), tasks)
