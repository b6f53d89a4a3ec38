"""Matrix activations with step functions for entries, on flat arrays: forward, and all derivatives in one pass.

An array is seen as ``(outer, n, inner)``: n is the dimension that the matrix acts on. The entry on diagonal k of row i
is a step function of component i + k, so that

    u[o, i, r] = sum_k a_k(z[o, i + k, r]) z[o, i + k, r],

and in the flat array component i + k lies ``k inner`` further. Ranges of the flat array are independent; sums over the
array are formed in float64, for a number of ranges that does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import INLINE, OPTIONS
from .team import share

BLOCK = 4096
"""Entries of which all diagonals are done before the next: they stay in the nearest cache."""
CHUNK = 1024
"""Entries that go through one simple loop after the other."""
WAYS = 4
"""Histograms side by side: additions to one entry would wait for each other."""


@njit(**INLINE)
def interval_of(x, cell, zero, top, cells, at, below, thresholds):
    """The interval of a grid that x lies in, by the tables of :mod:`iatcore.lookup`; nan lies in the first.

    Args:
        cell: ``x rate + shift``; cells: 0 for bisection of ``top`` thresholds from entry ``at`` on.
    """
    if cells > 0:
        cell = cell if cell > zero else zero
        cell = cell if cell < top else top
        c = at + int(cell)
        return below[c] + (x > thresholds[c])
    low, count = at, int(top)
    while count > 0:
        half = count // 2
        if x > thresholds[low + half]:
            low, count = low + half + 1, count - half - 1
        else:
            count = half
    return low - at


@njit(**INLINE)
def product(t, x, zero):
    """``t x``; for t = 0 it is +0 also at infinity, and nan at nan."""
    return t * (x if (t != zero) | (x != x) else zero) + zero


@njit(**INLINE)
def position(f, shape, groups):
    """Component and group at a flat index, and by how much they change from there to the next.

    Args:
        shape: ``(n, inner)``; groups: 1, n (one for each component) or a multiple of n inner (one for each entry of
            a block of memory that repeats).
    """
    n, inner = shape
    j, step = (f // inner) % n, 1 if inner == 1 else 0
    if groups == 1:
        return j, step, 0, 0
    return (j, 0, j, 0) if groups == n and inner > 1 else (j, step, f % groups, 1)


@njit(**OPTIONS)
def forward_span(z, out, values, tables, band, n, where, lo, hi, first, bins, keep):
    """A range of the output for one diagonal: written if it is the ``first``, else added to.

    Args:
        tables: ``(rate, shift, top, cells, entry in tables, below, thresholds)`` of :mod:`iatcore.lookup`.
        band: ``(diagonal, shift in the flat array, shift of groups, entry in values, width, groups)``.
        where: :func:`position` at ``lo``; components alternate, or stay the same up to ``hi``.
        bins: intervals found, kept if ``keep``.
    """
    rate, shift, top, cells, at, below, thresholds = tables
    zero = rate - rate
    k, offset, _, value_at, width, groups = band
    j, step, group, group_step = where
    for f in range(lo, hi):
        p = zero
        if 0 <= j + k < n:
            x = z[f + offset]
            b = interval_of(x, x * rate + shift, zero, top, cells, at, below, thresholds)
            p = product(values[value_at + group * width + b], x, zero)
            if keep:
                bins[f + offset] = b
        out[f] = p if first else out[f] + p
        j += step
        group += group_step
        if step > 0 and j == n:
            j = 0
        if group == groups:
            group = 0


@njit(**OPTIONS)
def backward_span(z, g, out, values, tables, band, n, where, lo, hi, first, bins, kept, sums):
    """What :func:`forward_span` is for the output, for the gradient with respect to z; adds to the ``sums``.

    Args:
        sums: (WAYS, entries of values) float64.
    """
    rate, shift, top, cells, at, below, thresholds = tables
    zero = rate - rate
    k, offset, group_offset, value_at, width, groups = band
    j, step, group, group_step = where
    for h in range(lo, hi):
        d = zero
        if 0 <= j - k < n:
            x, e = z[h], g[h - offset]
            b = bins[h] if kept else interval_of(x, x * rate + shift, zero, top, cells, at, below, thresholds)
            index = value_at + (group - group_offset) * width + b
            t = values[index]
            d = t * e if t != zero else zero
            sums[h % WAYS, index] += np.float64(x) * np.float64(e)
        out[h] = d if first else out[h] + d
        j += step
        group += group_step
        if step > 0 and j == n:
            j = 0
        if group == groups:
            group = 0


# Simple loops over slices: the compiler turns them into vector instructions, and indices from 0 need no checks.


@njit(**OPTIONS)
def fill_cells(x, rate, shift, top, cells):
    """Numbers of the cells of a lookup table; nan is in the first."""
    zero = rate - rate
    for i in range(x.shape[0]):
        cell = x[i] * rate + shift
        cell = cell if cell > zero else zero
        cells[i] = np.int32(cell if cell < top else top)


@njit(**OPTIONS)
def fill_bins(x, cells, below, thresholds, bins):
    """Intervals of the grid."""
    for i in range(x.shape[0]):
        c = np.uint32(cells[i])
        bins[i] = below[c] + (x[i] > thresholds[c])


@njit(**OPTIONS)
def fill_products(x, bins, values, out):
    """``values[bin] x``."""
    zero = values[0] - values[0]
    for i in range(x.shape[0]):
        out[i] = product(values[np.uint32(bins[i])], x[i], zero)


@njit(**OPTIONS)
def fill_gradient(g, bins, values, out):
    """``values[bin] g``; 0 where the value is 0."""
    zero = values[0] - values[0]
    for i in range(g.shape[0]):
        # loaded in any case, so that the choice needs no branch
        t, e = values[np.uint32(bins[i])], g[i]
        out[i] = t * (e if t != zero else zero)


@njit(**OPTIONS)
def fill_terms(x, g, out):
    """``x g`` in float64."""
    for i in range(x.shape[0]):
        out[i] = np.float64(x[i]) * np.float64(g[i])


@njit(**OPTIONS)
def add_up(part, out):
    """``out += part``."""
    for i in range(part.shape[0]):
        out[i] += part[i]


@njit(**OPTIONS)
def add_by_bin(terms, bins, sums, value_at):
    """Terms added to the sum of their interval."""
    for i in range(terms.shape[0]):
        sums[i % WAYS, value_at + np.uint32(bins[i])] += terms[i]


@njit(**INLINE)
def clear_outside(part, start, k, n, inner):
    """Zeros where row ``component - k`` (k > 0: ``component + k`` of a target) is not in ``0 .. n - 1``.

    Args:
        part: what belongs to flat indices from ``start`` on; k: how far the partner of a component is, in components.
    """
    if k == 0:
        return
    slab = n * inner
    first, last = (max(n - k, 0) * inner, slab) if k > 0 else (0, min(-k, n) * inner)
    stop = start + part.shape[0]
    base = start - start % slab
    while base < stop:
        for f in range(max(base + first, start), min(base + last, stop)):
            part[f - start] = 0.0
        base += slab


@njit(**OPTIONS)
def find_bins(x, table, cells, bins):
    """Intervals of the entries of a slice, by the tables of one diagonal."""
    rate, shift, top, _, at, below, thresholds = table
    fill_cells(x, rate, shift, top, cells)
    fill_bins(x, cells, below[at:], thresholds[at:], bins)


@njit(**OPTIONS)
def forward_chunk(z, out, values, table, band, shape, group, lo, hi, first, bins, keep, scratch):
    """:func:`forward_span` for at most ``CHUNK`` entries that share their step values."""
    cells, found, part, _ = scratch
    n, inner = shape
    k, offset, _, value_at, width, _ = band
    begin, end = max(lo + offset, 0), min(hi + offset, z.shape[0])
    if first:
        out[lo:hi] = 0.0
    if begin >= end:
        return
    x = z[begin:end]
    to = bins[begin:end] if keep else found[: end - begin]
    find_bins(x, table, cells, to)
    row = values[value_at + group * width : value_at + (group + 1) * width]
    if k == 0:
        if first:
            fill_products(x, to, row, out[lo:hi])
            return
        fill_products(x, to, row, part)
    else:
        fill_products(x, to, row, part)
        clear_outside(part[: end - begin], begin - offset, k, n, inner)
    add_up(part[: end - begin], out[begin - offset : end - offset])


@njit(**OPTIONS)
def backward_chunk(z, g, out, values, table, band, shape, group, lo, hi, first, bins, kept, sums, scratch):
    """:func:`backward_span` for at most ``CHUNK`` entries that share their step values."""
    cells, found, part, terms = scratch
    n, inner = shape
    k, offset, _, value_at, width, _ = band
    begin, end = max(lo, offset), min(hi, z.shape[0] + offset)
    if first:
        out[lo:hi] = 0.0
    if begin >= end:
        return
    x, e = z[begin:end], g[begin - offset : end - offset]
    to = bins[begin:end] if kept else found[: end - begin]
    if not kept:
        find_bins(x, table, cells, to)
    row = values[value_at + group * width : value_at + (group + 1) * width]
    fill_terms(x, e, terms)
    if k == 0 and first:
        fill_gradient(e, to, row, out[begin:end])
    else:
        fill_gradient(e, to, row, part)
        clear_outside(part[: end - begin], begin, -k, n, inner)
        clear_outside(terms[: end - begin], begin, -k, n, inner)
        add_up(part[: end - begin], out[begin:end])
    add_by_bin(terms[: end - begin], to, sums, value_at + group * width)


@njit(**OPTIONS)
def scratch_for(values):
    """Cells, intervals, a part of the result, and terms of sums, for a chunk."""
    return np.empty(CHUNK, np.int32), np.empty(CHUNK, np.uint8), np.empty(CHUNK, values.dtype), np.empty(CHUNK)


@njit(**INLINE)
def table_of(reals, integers, below, thresholds, band):
    """The tables of one diagonal."""
    return (
        reals[band, 0], reals[band, 1], reals[band, 2], integers[band, 0], integers[band, 1], below, thresholds,
    )  # fmt: skip


@njit(**INLINE)
def band_of(integers, shape, groups, band):
    """The numbers of one diagonal."""
    n, inner = shape
    k = integers[band, 2]
    by = 0 if groups == 1 else (k if groups == n else k * inner)
    return k, k * inner, by, integers[band, 3], integers[band, 4], groups


@njit(**INLINE)
def end_of_span(f, stop, shape, groups, table, band):
    """Where the span that starts at f ends, and whether it can be done by simple loops.

    These need that all entries share their step values and that a byte holds the number of an interval.
    """
    inner = shape[1]
    simple = table[3] > 0 and band[4] <= 256
    if groups == 1 and simple:
        return min(f + CHUNK, stop), True
    if inner == 1:
        return stop, False
    to = min((f // inner + 1) * inner, stop)
    if simple and groups == shape[0]:
        row = (f // inner) % shape[0]
        # outside of the matrix there are no step values
        inside = min(row - band[0], row + band[0]) >= 0 and max(row - band[0], row + band[0]) < shape[0]
        return min(f + CHUNK, to), inside
    return to, False


@njit(**OPTIONS)
def forward_rows(z, out, values, tables, shape, groups, bins, keep, tasks, start, stop):
    """Ranges ``start .. stop - 1`` of ``tasks`` of the output.

    Args:
        z, out: flat arrays; values: all step values, flat.
        tables: ``(reals, integers, below, thresholds)``: per diagonal (rate, shift, top), and (cells, entry in
            tables, diagonal, entry in values, intervals).
        shape: ``(n, inner)``; groups: sets of step values, as in :func:`position`.
        bins: (diagonals, size) intervals found, kept if ``keep``.
    """
    reals, integers, below, thresholds = tables
    size = z.shape[0]
    scratch = scratch_for(values)
    for task in range(start, stop):
        begin, end = size * task // tasks, size * (task + 1) // tasks
        for block in range(begin, end, BLOCK):
            stop_block = min(block + BLOCK, end)
            for band in range(reals.shape[0]):
                table = table_of(reals, integers, below, thresholds, band)
                numbers = band_of(integers, shape, groups, band)
                row = bins[band if keep else 0]
                f = block
                while f < stop_block:
                    to, in_chunks = end_of_span(f, stop_block, shape, groups, table, numbers)
                    where = position(f, shape, groups)
                    if in_chunks:
                        forward_chunk(
                            z, out, values, table, numbers, shape, where[2], f, to, band == 0, row, keep, scratch
                        )
                    else:
                        forward_span(z, out, values, table, numbers, shape[0], where, f, to, band == 0, row, keep)
                    f = to


@njit(**OPTIONS)
def backward_rows(z, g, out, values, tables, shape, groups, bins, kept, sums, tasks, start, stop):
    """Ranges ``start .. stop - 1`` of ``tasks`` of the gradient with respect to z; see :func:`forward_rows`.

    Args:
        sums: (tasks, entries of values) float64, written: gradients with respect to step values.
    """
    reals, integers, below, thresholds = tables
    size = z.shape[0]
    scratch, total = scratch_for(values), np.empty((WAYS, values.shape[0]))
    for task in range(start, stop):
        begin, end = size * task // tasks, size * (task + 1) // tasks
        # memory of its own: what two threads write must not share a cache line
        total[:] = 0.0
        for block in range(begin, end, BLOCK):
            stop_block = min(block + BLOCK, end)
            for band in range(reals.shape[0]):
                table = table_of(reals, integers, below, thresholds, band)
                numbers = band_of(integers, shape, groups, band)
                row = bins[band if kept else 0]
                f = block
                while f < stop_block:
                    to, in_chunks = end_of_span(f, stop_block, shape, groups, table, numbers)
                    where = position(f, shape, groups)
                    if in_chunks:
                        # the step values are those of the row, which is k components before
                        backward_chunk(
                            z, g, out, values, table, numbers, shape, where[2] - numbers[2], f, to, band == 0, row,
                            kept, total, scratch,
                        )  # fmt: skip
                    else:
                        backward_span(
                            z, g, out, values, table, numbers, shape[0], where, f, to, band == 0, row, kept, total
                        )
                    f = to
        for entry in range(total.shape[1]):
            sums[task, entry] = (total[0, entry] + total[1, entry]) + (total[2, entry] + total[3, entry])


@njit(**OPTIONS)
def forward_batch(team, z, out, values, tables, shape, groups, bins, keep, tasks):
    """:func:`forward_rows` on everything."""
    share(team, forward_rows, (z, out, values, tables, shape, groups, bins, keep, tasks), tasks)


@njit(**OPTIONS)
def backward_batch(team, z, g, out, values, tables, shape, groups, bins, kept, sums, tasks):
    """:func:`backward_rows` on everything."""
    share(team, backward_rows, (z, g, out, values, tables, shape, groups, bins, kept, sums, tasks), tasks)
