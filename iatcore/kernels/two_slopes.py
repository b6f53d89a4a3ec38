"""Functions with two slopes, on arrays given by their addresses: forward, and all derivatives in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import OPTIONS
from .memory import address, entries_at, store_lane
from .steps import BLOCK, product
from .team import share

SUMS = {**OPTIONS, "fastmath": {"reassoc", "nsz"}}
"""For sums alone, whose terms may be added in any order that is fixed when compiling."""


@njit(**OPTIONS)
def fill_two_slopes(x, low, high, out):
    """``low x`` or ``high x``, for a slice."""
    zero = low - low
    for i in range(x.shape[0]):
        v = x[i]
        t = low if v < zero else high
        out[i] = product(t, v, zero)


@njit(**OPTIONS)
def fill_two_gradients(x, g, low, high, out):
    """``low g`` or ``high g``, for a slice; a slope of 0 gives 0."""
    zero = low - low
    for i in range(x.shape[0]):
        v, e = x[i], g[i]
        t = low if v < zero else high
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
def two_slopes_rows(x, out, size, low, high, tasks, start, stop):
    """Ranges of :func:`two_slopes_batch`."""
    for task in range(start, stop):
        begin = size * task // tasks
        count = size * (task + 1) // tasks - begin
        fill_two_slopes(entries_at(low, x, begin, count), low, high, entries_at(low, out, begin, count))


@njit(**OPTIONS)
def two_slopes_gradient_rows(x, g, out, size, low, high, sums, tasks, start, stop):
    """Ranges of :func:`two_slopes_gradient_batch`; ``sums``: address of (2, tasks), written: one sum a range."""
    for task in range(start, stop):
        begin, end = size * task // tasks, size * (task + 1) // tasks
        below, above = 0.0, 0.0
        for block in range(begin, end, BLOCK):
            count = min(BLOCK, end - block)
            part, e = entries_at(low, x, block, count), entries_at(low, g, block, count)
            fill_two_gradients(part, e, low, high, entries_at(low, out, block, count))
            a, b = two_sums(part, e)
            below, above = below + a, above + b
        store_lane(sums, task, below)
        store_lane(sums, tasks + task, above)


@njit(**OPTIONS)
def two_slopes_batch(team, x, out, size, low, high, tasks):
    """``low x`` for x < 0, ``high x`` from 0 on; ``x``, ``out``: addresses of ``size`` numbers of the type of low."""
    share(team, two_slopes_rows, (x, out, size, low, high, tasks), tasks)


@njit(**OPTIONS)
def two_slopes_gradient_batch(team, x, g, out, size, low, high, tasks):
    """The gradient with respect to x, written; returns those with respect to both slopes."""
    sums = np.empty((2, tasks))
    share(team, two_slopes_gradient_rows, (x, g, out, size, low, high, address(sums), tasks), tasks)
    below, above = 0.0, 0.0
    for task in range(tasks):
        below, above = below + sums[0, task], above + sums[1, task]
    return below, above
