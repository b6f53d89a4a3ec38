"""Rows of the exact transform when at least one side is trigonometric: pattern and moments in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit

from .blocks import (
    INLINE,
    OPTIONS,
    POISON,
    constant_slope,
    gather_product,
    load_columns,
    rescale_block,
    restore_rows,
    scale_levels,
)
from .simd import LANES, address, entry, keep, load, lookup, real_at, scatter, splat, store
from .team import share
from .trig import find_crossings, trig_workspace
from .wavelocal import local_pattern_moments, poly_tests_of_waves, wave_tests_of_poly, wave_tests_of_waves
from .waves import load_waves, unload_waves

WAVE_TO_POLY, POLY_TO_WAVE, WAVE_TO_WAVE = 0, 1, 2
RECOMPUTE, WRITE, READ = 0, 1, 2


@njit(**OPTIONS)
def load_rows(batch, first, lanes, block, exponent):
    """Load eight rows; False if some had to be rescaled or hold nan (then ``exponent`` says which)."""
    size = batch.shape[1]
    ordinary = load_columns(entry(batch, first * size), size, lanes, address(block), size)
    if not ordinary:
        rescale_block(exponent, block, size)
    return ordinary


@njit(**OPTIONS)
def store_rows(block, first, lanes, out, ordinary, exponent, poison):
    """Write eight rows of results."""
    size = out.shape[1]
    if ordinary:
        at = address(block)
        for i in range(size):
            scatter(entry(out, first * size + i), size, lanes, load(at, i))
    else:
        restore_rows(block, first, first + lanes, out, exponent, poison)


@njit(**INLINE)
def first_slope(base, levels, jumps, first_level):
    """Slope of the gate at -1."""
    total = splat(base)
    for j in range(levels):
        total = total + load(first_level, j) * real_at(jumps, j)
    return total


@njit(**INLINE)
def set_deltas(slots, levels, number, direction, jumps, delta):
    """Change of slope at each crossing: ``direction * jumps[level]``."""
    for i in range(slots):
        if levels == 1:
            store(delta, i, load(direction, i) * real_at(jumps, 0))
        else:
            store(delta, i, load(direction, i) * lookup(jumps, load(number, i)))


@njit(**INLINE)
def copy_rows(source, target, rows):
    """Copy rows of vectors between addresses."""
    for i in range(rows):
        store(target, i, load(source, i))


@njit(**OPTIONS)
def crossing_rows(
    z, h, out, kind, same, pattern, integrand, test, grid, frame, side, gate, saved, mode, capacity, start, stop
):
    """Rows ``start .. stop - 1`` when the state function is a trigonometric polynomial.

    Args:
        z: (B, d) coefficients of the state function; h: (B, d_h) of the integrand, ignored if ``same``.
        out: (B, d_test), written.
        kind: WAVE_TO_POLY, POLY_TO_WAVE or WAVE_TO_WAVE, integrand first.
        pattern, integrand, test: wave tables ``(n, row, factor)``; those of a polynomial side are not used.
        grid: ``(half, table)``.
        frame: ``(low, uniform, lefts, inverse, factors, real_ids, full, nodes, rule)``.
        side: tables of the polynomial side on the frame.
        gate: ``(levels, jumps, base, closed)``.
        saved: ``(positions, directions, first, slots)`` of shapes (blocks, capacity, 8) twice, (blocks, 8), (blocks,).
        mode: RECOMPUTE, WRITE or READ ``saved``.
        capacity: crossings that a lane may have.
    """
    n, row_z, factor_z = pattern
    n_h, row_h, factor_h = integrand
    n_t, row_t, factor_t = test
    half, table = grid
    low, uniform, lefts, inverse, factors, real_ids, full, nodes, rule = frame
    ids, degree, ptr, index, value, ptr_t, index_t, value_t = side
    gate_levels, jumps, base, closed = gate
    cells, points, functionals = lefts.shape[0], rule.shape[0], ptr.shape[0] - 1
    block_z, block_h = np.empty((z.shape[1], LANES)), np.empty((h.shape[1], LANES))
    block_out = np.empty((out.shape[1], LANES))
    waves, waves_h = np.empty((2 * n + 2, LANES)), np.empty((2 * n_h + 2, LANES))
    rows_h = np.empty((functionals, LANES))
    sums = np.empty((functionals if kind == WAVE_TO_POLY else 2 * n_t + 2, LANES))
    parts, changes = np.empty((3 * cells, LANES)), np.empty((cells, LANES))
    jumps_at = np.empty((3 * (cells + 1), LANES))
    chi = np.empty((2 * (n_h + n_t + 1) if kind == WAVE_TO_WAVE else 1, LANES))
    work = trig_workspace(n, half, capacity)
    position, number = np.empty((capacity, LANES)), np.empty((capacity, LANES))
    direction, delta = np.empty((capacity, LANES)), np.empty((capacity, LANES))
    crossings = (position, number, direction)
    levels, first_level = np.empty((jumps.shape[0], LANES)), np.zeros((max(jumps.shape[0], 1), LANES))
    counts, scratch = np.zeros((2, LANES)), np.empty((1, LANES))
    exponent, exponent_h = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    at_waves, at_sums, at_out, at_rows_h = address(waves), address(sums), address(block_out), address(rows_h)
    at_integrand = at_waves if same else address(waves_h)
    at_position, at_direction, at_delta = address(position), address(direction), address(delta)
    at_first, at_jumps, m = address(first_level), address(jumps), jumps.shape[0]
    positions, directions, firsts, saved_slots = saved
    at_positions, at_directions, at_firsts = address(positions), address(directions), address(firsts)
    scale_levels(gate_levels, exponent, levels)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        ordinary = load_rows(z, first, lanes, block_z, exponent)
        if not ordinary:
            scale_levels(gate_levels, exponent, levels)
        load_waves(address(block_z), z.shape[1], address(row_z), address(factor_z), at_waves, n)
        kept = (first // LANES) * capacity * 8 * LANES
        if mode == READ:
            slots = saved_slots[first // LANES]
            copy_rows(at_positions + kept, at_position, slots)
            copy_rows(at_directions + kept, at_direction, slots)
            copy_rows(at_firsts + (first // LANES) * 8 * LANES, at_first, 1)
        else:
            slots = find_crossings(waves, n, half, table, levels, closed, work, crossings, first_level, counts)
            if mode == WRITE:
                saved_slots[first // LANES] = slots
                copy_rows(at_position, at_positions + kept, slots)
                copy_rows(at_direction, at_directions + kept, slots)
                copy_rows(at_first, at_firsts + (first // LANES) * 8 * LANES, 1)
        set_deltas(slots, m, address(number), at_direction, at_jumps, at_delta)
        slope = first_slope(base, m, at_jumps, at_first)
        if not same:
            ordinary = load_rows(h, first, lanes, block_h, exponent_h) and ordinary
            if kind == POLY_TO_WAVE:
                gather_product(functionals, address(ptr), address(index), address(value), address(block_h), at_rows_h)
            else:
                load_waves(address(block_h), h.shape[1], address(row_h), address(factor_h), at_integrand, n_h)
        for i in range(sums.shape[0]):
            store(at_sums, i, splat(0.0))
        if kind == WAVE_TO_POLY:
            poly_tests_of_waves(
                slots, at_position, at_delta, slope, at_integrand, n_h, low, cells, uniform, address(lefts),
                address(inverse), address(factors), address(rule), points, degree, address(ids), address(full),
                address(nodes), at_sums, address(parts), address(changes), address(scratch),
            )  # fmt: skip
            gather_product(out.shape[1], address(ptr_t), address(index_t), address(value_t), at_sums, at_out)
        elif kind == POLY_TO_WAVE:
            wave_tests_of_poly(
                slots, at_position, at_delta, slope, at_rows_h, degree, address(ids), address(real_ids), cells, uniform,
                address(lefts), address(inverse), address(factors), address(rule), points, address(full),
                address(nodes), at_sums, n_t, low, address(parts), address(changes), address(jumps_at),
                address(scratch),
            )  # fmt: skip
            unload_waves(at_sums, out.shape[1], address(row_t), address(factor_t), at_out)
        else:
            wave_tests_of_waves(
                slots, at_position, at_delta, slope, at_integrand, n_h, n_t, at_sums,
                address(chi),
            )  # fmt: skip
            unload_waves(at_sums, out.shape[1], address(row_t), address(factor_t), at_out)
        store_rows(block_out, first, lanes, out, ordinary, exponent if same else exponent_h, exponent)
        if not ordinary:
            exponent[:] = 0
            exponent_h[:] = 0
            scale_levels(gate_levels, exponent, levels)
    keep(waves)
    keep(waves_h)
    keep(rows_h)
    keep(sums)
    keep(parts)
    keep(changes)
    keep(jumps_at)
    keep(chi)
    keep(position)
    keep(delta)
    keep(direction)
    keep(number)
    keep(first_level)
    keep(scratch)
    keep(block_z)
    keep(block_h)
    keep(block_out)


@njit(**OPTIONS)
def crossing_batch(team, z, *args):
    """:func:`crossing_rows` on a whole batch."""
    share(team, crossing_rows, (z, *args), z.shape[0])


@njit(**OPTIONS)
def local_wave_rows(z, h, out, kind, pattern, frame, side, waves, whole, gate, start, stop):
    """Rows ``start .. stop - 1`` for a piecewise polynomial state function (degree <= 2) and a trigonometric q.

    Args:
        z: (B, d) coefficients of the state function; h: (B, d_h) of the integrand.
        kind: POLY_TO_WAVE (integrand ``p^T h``, tested with q) or WAVE_TO_POLY (``q^T h``, tested with p).
        pattern: tables of p on the frame.
        frame: ``(lefts, widths, factors, full, rule)``.
        side: tables of p again: integrand or test.
        waves: ``(n, row, factor)`` of q.
        whole: (d_test, d_h) ``integral test integrand`` over [-1, 1], used where the slope is constant.
        gate: ``(levels, jumps, base, closed)``.
    """
    ids_f, degree_f, ptr, index, value, ptr_t, index_t, value_t = pattern
    ids, degree, _, _, _, _, _, _ = side
    lefts, widths, factors, full, rule = frame
    n, row, factor = waves
    gate_levels, jumps, base, closed = gate
    cells, functionals = lefts.shape[0], ptr.shape[0] - 1
    to_poly = kind == WAVE_TO_POLY
    block_z, block_h = np.empty((z.shape[1], LANES)), np.empty((h.shape[1], LANES))
    block_out, state = np.empty((out.shape[1], LANES)), np.empty((functionals, LANES))
    rows_h, waves_h = np.empty((functionals, LANES)), np.empty((2 * n + 2, LANES))
    sums = np.empty((functionals if to_poly else 2 * n + 2, LANES))
    parts, levels = np.empty((3 * cells, LANES)), np.empty((jumps.shape[0], LANES))
    exponent, exponent_h = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    at_sums, at_out = address(sums), address(block_out)
    scale_levels(gate_levels, exponent, levels)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        ordinary = load_rows(z, first, lanes, block_z, exponent)
        if not ordinary:
            scale_levels(gate_levels, exponent, levels)
        gather_product(functionals, address(ptr), address(index), address(value), address(block_z), address(state))
        ordinary = load_rows(h, first, lanes, block_h, exponent_h) and ordinary
        if to_poly:
            load_waves(address(block_h), h.shape[1], address(row), address(factor), address(waves_h), n)
        else:
            gather_product(functionals, address(ptr), address(index), address(value), address(block_h), address(rows_h))
        for i in range(sums.shape[0]):
            store(at_sums, i, splat(0.0))
        slope, varied = local_pattern_moments(
            to_poly, cells, address(lefts), address(widths), address(factors), address(state), address(ids_f), degree_f,
            address(levels), jumps.shape[0], address(jumps), base, closed, address(waves_h), n, address(rows_h),
            address(ids), degree, address(rule), rule.shape[0], address(full), at_sums, address(parts),
        )  # fmt: skip
        if to_poly:
            gather_product(out.shape[1], address(ptr_t), address(index_t), address(value_t), at_sums, at_out)
        else:
            unload_waves(at_sums, out.shape[1], address(row), address(factor), at_out)
        constant_slope(out.shape[1], h.shape[1], slope, varied, address(whole), address(block_h), at_out)
        store_rows(block_out, first, lanes, out, ordinary, exponent_h, exponent)
        if not ordinary:
            exponent[:] = 0
            exponent_h[:] = 0
            scale_levels(gate_levels, exponent, levels)
    keep(block_z)
    keep(block_h)
    keep(block_out)
    keep(state)
    keep(rows_h)
    keep(waves_h)
    keep(sums)
    keep(parts)
    keep(levels)


@njit(**OPTIONS)
def local_wave_batch(team, z, *args):
    """:func:`local_wave_rows` on a whole batch."""
    share(team, local_wave_rows, (z, *args), z.shape[0])


@njit(**OPTIONS)
def crossing_table(z, pattern, grid, gate, capacity, position, number, direction, firsts, unresolved, start, stop):
    """Crossings of rows ``start .. stop - 1``, row by row: the pattern of a trigonometric state function.

    Args:
        position, number, direction: (B, capacity), written; direction 0 past the last crossing of a row. Positions
            are in [-1, 1]; not sorted.
        firsts: (B, m), written: whether f lies above each level at -1.
        unresolved: (B,), written: parts of cells decided by the signs at their ends alone; -1 for nan or inf.
    """
    n, row_z, factor_z = pattern
    half, table = grid
    gate_levels, jumps, _, closed = gate
    block_z, waves = np.empty((z.shape[1], LANES)), np.empty((2 * n + 2, LANES))
    work = trig_workspace(n, half, capacity)
    crossings = (np.empty((capacity, LANES)), np.empty((capacity, LANES)), np.empty((capacity, LANES)))
    levels, first_level = np.empty((jumps.shape[0], LANES)), np.zeros((jumps.shape[0], LANES))
    counts, exponent = np.zeros((2, LANES)), np.zeros(LANES, np.int64)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        load_rows(z, first, lanes, block_z, exponent)
        scale_levels(gate_levels, exponent, levels)
        load_waves(address(block_z), z.shape[1], address(row_z), address(factor_z), address(waves), n)
        slots = find_crossings(waves, n, half, table, levels, closed, work, crossings, first_level, counts)
        for lane in range(lanes):
            row = first + lane
            unresolved[row] = -1 if exponent[lane] == POISON else int(counts[1, lane])
            for i in range(slots):
                position[row, i], number[row, i] = crossings[0][i, lane], int(crossings[1][i, lane])
                direction[row, i] = int(crossings[2][i, lane])
            for i in range(slots, capacity):
                direction[row, i] = 0
            for j in range(jumps.shape[0]):
                firsts[row, j] = first_level[j, lane] > 0.0
        exponent[:] = 0
    keep(block_z)
    keep(waves)


@njit(**OPTIONS)
def crossing_table_batch(team, z, *args):
    """:func:`crossing_table` on a whole batch."""
    share(team, crossing_table, (z, *args), z.shape[0])
