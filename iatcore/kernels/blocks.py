"""Moving rows of a batch into blocks of eight lanes and back.

A block of vectors is a scratch array ``(n, 8)``: row j holds coefficient j of eight samples. Rows of the batch whose
magnitude is extreme are divided by a power of two on the way in; rows with nan or inf are taken as zeros and marked.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .simd import (
    LANES,
    absolute,
    column,
    int_at,
    is_all,
    load,
    maximum,
    real_at,
    select,
    splat,
    store,
)  # fmt: skip

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
            poison += block[j, lane] * 0.0
            largest = max(largest, abs(block[j, lane]))
        if poison != 0.0 or math.isnan(poison):
            exponent[lane] = POISON
            for j in range(size):
                block[j, lane] = 0.0
        elif largest != 0.0:
            exponent[lane] = max(math.frexp(largest)[1], -1000)
            for j in range(size):
                block[j, lane] = math.ldexp(block[j, lane], -exponent[lane])


@njit(**INLINE)
def load_columns(start, stride, count, block, size):
    """Columns of a batch as rows of a block; True if every lane is finite and of ordinary magnitude."""
    largest, poison = splat(0.0), splat(0.0)
    for j in range(size):
        x = column(start + j, stride, count)
        store(block, j, x)
        largest = maximum(largest, absolute(x))
        poison = poison + x * 0.0
    ordinary = ((largest >= 1.0 / EXTREME) & (largest <= EXTREME)) | (largest == 0.0)
    return is_all((poison == 0.0) & ordinary)


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
                batch[row, j] = math.ldexp(block[j, lane], exponent[lane])


@njit(**OPTIONS)
def scale_levels(levels, exponent, out):
    """``out[j, lane] = levels[j] * 2**-exponent[lane]``: gate levels follow the scale of the rows."""
    for j in range(levels.shape[0]):
        for lane in range(LANES):
            e = exponent[lane]
            out[j, lane] = levels[j] if e == POISON else math.ldexp(levels[j], -e)


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
def constant_slope(rows, columns, slope, varied, matrix, source, out):
    """In lanes of one slope everywhere, ``out = slope * matrix @ source``: no cancellation between pieces."""
    if is_all(varied):
        return
    for i in range(rows):
        total = splat(0.0)
        for j in range(columns):
            total = total + load(source, j) * real_at(matrix, i * columns + j)
        store(out, i, select(varied, load(out, i), total * slope))
