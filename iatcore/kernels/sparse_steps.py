"""Matrix activations with step functions on a fixed pattern of entries: ``S_ij(z) = a_ij(z_j)``."""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import INLINE, OPTIONS
from .steps import interval_of, product
from .team import share


@njit(**INLINE)
def fill_bins(row, tables, bins):
    """The interval of every component."""
    reals, integers, below, thresholds = tables
    rate, shift, top = reals[0, 0], reals[0, 1], reals[0, 2]
    zero, cells = rate - rate, integers[0, 0]
    for j in range(row.shape[0]):
        bins[j] = interval_of(row[j], row[j] * rate + shift, zero, top, cells, 0, below, thresholds)


@njit(**OPTIONS)
def forward_rows(z, values, out, tables, entries, start, stop):
    """Rows ``start .. stop - 1`` of ``S(z) z``.

    Args:
        values: (functions, intervals); entries: ``(indptr, columns, functions)``, row by row.
    """
    indptr, columns, functions = entries
    zero = values[0, 0] - values[0, 0]
    bins = np.empty(z.shape[1], np.int64)
    for r in range(start, stop):
        fill_bins(z[r], tables, bins)
        for i in range(out.shape[1]):
            total = zero
            for e in range(indptr[i], indptr[i + 1]):
                j = columns[e]
                total += product(values[functions[e], bins[j]], z[r, j], zero)
            out[r, i] = total


@njit(**OPTIONS)
def backward_rows(z, g, values, out, sums, tables, entries, tasks, start, stop):
    """Ranges ``start .. stop - 1`` of ``tasks`` of the rows of ``S(z)^T g``.

    Args:
        sums: (tasks, functions, intervals) float64, zeros: gradients with respect to ``values`` are added.
    """
    indptr, columns, functions = entries
    zero = values[0, 0] - values[0, 0]
    bins = np.empty(z.shape[1], np.int64)
    for task in range(start, stop):
        for r in range(z.shape[0] * task // tasks, z.shape[0] * (task + 1) // tasks):
            fill_bins(z[r], tables, bins)
            out[r] = zero
            for i in range(g.shape[1]):
                e_i = g[r, i]
                for e in range(indptr[i], indptr[i + 1]):
                    j = columns[e]
                    t = values[functions[e], bins[j]]
                    if t != zero:
                        out[r, j] += t * e_i
                    sums[task, functions[e], bins[j]] += np.float64(z[r, j]) * np.float64(e_i)


@njit(**OPTIONS)
def forward_batch(team, z, *args):
    """:func:`forward_rows` on a whole batch."""
    share(team, forward_rows, (z, *args), z.shape[0])


@njit(**OPTIONS)
def backward_batch(team, z, g, values, out, sums, tables, entries, tasks):
    """:func:`backward_rows` on a whole batch."""
    share(team, backward_rows, (z, g, values, out, sums, tables, entries, tasks), tasks)
