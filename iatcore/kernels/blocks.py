"""Moving rows of a batch into blocks of eight lanes and back.

A block of vectors is a scratch array ``(n, 8)``: row j holds coefficient j of eight samples. Rows of the batch whose
magnitude is extreme are divided by a power of two on the way in; rows with nan or inf are taken as zeros and marked.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .memory import column, entry, int_at, load, load_tile, real_at, scatter, store, store_lane, store_tile
from .simd import LANES, absolute, is_all, maximum, select, splat

EXTREME = 2.0**400
"""Rows are rescaled when their largest entry lies outside ``[1/EXTREME, EXTREME]``: squares then stay finite."""
POISON = -9999
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
INLINE = {"forceinline": True, **OPTIONS}


@njit(**OPTIONS)
def rescale_block(exponent, block, size):
    """Divide lanes by powers of two that bring them near 1; ``exponent[lane]`` is ``POISON`` for nan or inf."""
    for lane in range(LANES):
        largest, poison = 0.0, 0.0
        for j in range(size):
            value = real_at(block, j * LANES + lane)
            poison += value * 0.0
            largest = max(largest, abs(value))
        if poison != 0.0 or math.isnan(poison):
            exponent[lane] = POISON
            for j in range(size):
                store_lane(block, j * LANES + lane, 0.0)
        elif largest != 0.0:
            exponent[lane] = max(math.frexp(largest)[1], -1000)
            for j in range(size):
                at = j * LANES + lane
                store_lane(block, at, math.ldexp(real_at(block, at), -exponent[lane]))


@njit(**INLINE)
def load_columns(start, stride, count, block, size):
    """Columns of a batch as rows of a block; True if every lane is finite and of ordinary magnitude."""
    if count == LANES and size >= LANES:
        for tile in range((size + LANES - 1) // LANES):
            # the last tile overlaps the one before
            j = min(tile * LANES, size - LANES)
            load_tile(start + j, stride, block, j)
    else:
        for j in range(size):
            store(block, j, column(start + j, stride, count))
    largest, total = splat(0.0), splat(0.0)
    for j in range(size):
        x = absolute(load(block, j))
        largest = maximum(x, largest)
        # finite if all are, unless the numbers are extreme anyway
        total = total + x
    return is_all((total <= EXTREME) & ((largest >= 1.0 / EXTREME) | (largest == 0.0)))


@njit(**INLINE)
def store_columns(start, stride, count, block, size):
    """Rows of a block as columns of a batch."""
    if count == LANES and size >= LANES:
        for tile in range((size + LANES - 1) // LANES):
            j = min(tile * LANES, size - LANES)
            store_tile(start + j, stride, block, j)
    else:
        for j in range(size):
            scatter(start + j, stride, count, load(block, j))


@njit(**OPTIONS)
def restore_rows(block, first, stop, batch, exponent, poison):
    """Write lanes back as rows, times ``2**exponent``; rows marked in ``exponent`` or ``poison`` become nan."""
    size = batch.shape[1]
    for lane in range(min(LANES, stop - first)):
        row = first + lane
        for j in range(size):
            if exponent[lane] == POISON or poison[lane] == POISON:
                batch[row, j] = np.nan
            else:
                batch[row, j] = math.ldexp(real_at(block, j * LANES + lane), exponent[lane])


@njit(**OPTIONS)
def scale_levels(levels, count, exponent, out):
    """``out[j, lane] = levels[j] * 2**-exponent[lane]``: gate levels follow the scale of the rows."""
    for j in range(count):
        level = real_at(levels, j)
        for lane in range(LANES):
            e = exponent[lane]
            store_lane(out, j * LANES + lane, level if e == POISON else math.ldexp(level, -e))


@njit(**OPTIONS)
def load_rows(batch, first, lanes, block, exponent):
    """Load eight rows; False if some had to be rescaled or hold nan (then ``exponent`` says which)."""
    size = batch.shape[1]
    ordinary = load_columns(entry(batch, first * size), size, lanes, block, size)
    if not ordinary:
        rescale_block(exponent, block, size)
    return ordinary


@njit(**OPTIONS)
def store_rows(block, first, lanes, out, ordinary, exponent, poison):
    """Write eight rows of results."""
    size = out.shape[1]
    if ordinary:
        store_columns(entry(out, first * size), size, lanes, block, size)
    else:
        restore_rows(block, first, first + lanes, out, exponent, poison)


@njit(**INLINE)
def gather_product(rows, ptr, index, value, source, out):
    """Sparse matrix (CSR) times a block of vectors: ``out[i] = sum value * source[index]``; all by address."""
    k = int_at(ptr, 0)
    for i in range(rows):
        total = splat(0.0)
        end = int_at(ptr, i + 1)
        while k < end:
            total = total + load(source, int_at(index, k)) * real_at(value, k)
            k += 1
        store(out, i, total)


@njit(**INLINE)
def gather_products(rows, ptr, index, value, source, out, second):
    """:func:`gather_product` for two blocks; those of the second start ``second`` bytes later."""
    k = int_at(ptr, 0)
    for i in range(rows):
        total, total_2 = splat(0.0), splat(0.0)
        end = int_at(ptr, i + 1)
        while k < end:
            j, factor = int_at(index, k), real_at(value, k)
            total = total + load(source, j) * factor
            total_2 = total_2 + load(source + second, j) * factor
            k += 1
        store(out, i, total)
        store(out + second, i, total_2)


@njit(**INLINE)
def constant_slope(rows, columns, slope, varied, matrix, source, out):
    """In lanes of one slope everywhere, ``out = slope * matrix @ source``: no cancellation between pieces."""
    if is_all(varied):
        return
    for i in range(rows):
        total = splat(0.0)
        for j in range(columns):
            total = total + load(source, j) * real_at(matrix, i * columns + j)
        store(out, i, select(varied, load(out, i), total * slope))
