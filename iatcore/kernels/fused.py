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
    load_rows,
    scale_levels,
    store_rows,
)
from .localwave import local_pattern_moments
from .memory import ROW, address, first_line, int_at, keep, load, lookup, real_at, store, store_int
from .simd import LANES, bits, lanes_of, select, splat
from .tables import GATE, SIDE, WAVES, gate_at, gate_entries, pack, side_at, side_entries, waves_at
from .team import share
from .trig import find_crossings, trig_rows
from .wavelocal import poly_tests_of_waves, wave_tests_of_poly, wave_tests_of_waves
from .waves import load_waves, unload_waves

WAVE_TO_POLY, POLY_TO_WAVE, WAVE_TO_WAVE = 0, 1, 2
RECOMPUTE, WRITE, READ = 0, 1, 2


@njit(**INLINE)
def first_slope(base, levels, jumps, first_level):
    """Slope of the gate at -1."""
    total = splat(base)
    for j in range(levels):
        total = total + load(first_level, j) * real_at(jumps, j)
    return total


@njit(**INLINE)
def set_deltas(slots, levels, number, direction, jumps, delta):
    """Change of slope at each crossing: ``direction * jumps[level]``; none in the row after the last."""
    store(delta, slots, splat(0.0))
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


@njit(**INLINE)
def store_directions(signs, slots, direction, first_level):
    """Directions of crossings and whether f starts above the level, a bit each: entry 0 is for the start."""
    store_int(signs, 0, bits(load(first_level, 0) > 0.0))
    for i in range(slots):
        direct = load(direction, i)
        store_int(signs, i + 1, bits(direct > 0.0) | (bits(direct < 0.0) << LANES))


@njit(**INLINE)
def load_directions(signs, slots, direction, first_level):
    """What :func:`store_directions` wrote."""
    store(first_level, 0, select(lanes_of(int_at(signs, 0)), 1.0, 0.0))
    for i in range(slots):
        word = int_at(signs, i + 1)
        store(direction, i, select(lanes_of(word), 1.0, 0.0) - select(lanes_of(word >> LANES), 1.0, 0.0))


def crossing_tables(pattern, integrand, test, side, grid, frame, gate, capacity, room):
    """The tables of :func:`crossing_rows`.

    Args:
        pattern, integrand, test: wave tables ``(n, row, factor)``; those of a polynomial side are not used.
        side: the polynomial side on the frame.
        grid: ``(half, table)``.
        frame: ``(low, uniform, symmetric, lefts, inverse, factors, full, nodes, powers, rule)``.
        gate: ``(levels, jumps, base, closed)``.
        capacity: crossings that a lane may have; room: those that are saved.
    """
    sizes = (len(frame[3]), len(frame[-1]), capacity, room)
    return pack(pattern, integrand, test, side_entries(side), gate_entries(*gate), grid, frame, sizes)


@njit(**OPTIONS)
def crossing_rows(z, h, out, kind, same, tables, saved, mode, start, stop):
    """Rows ``start .. stop - 1`` when the state function is a trigonometric polynomial.

    Args:
        z: (B, d) coefficients of the state function; h: (B, d_h) of the integrand, ignored if ``same``.
        out: (B, d_test), written.
        kind: WAVE_TO_POLY, POLY_TO_WAVE or WAVE_TO_WAVE, integrand first.
        tables: numbers of :func:`crossing_tables`.
        saved: addresses of positions, signs and slots, of shapes (blocks, room, 8), (blocks, room + 1), (blocks,);
            slots are -1 where the room did not suffice.
        mode: RECOMPUTE, WRITE or READ ``saved``.
    """
    at = address(tables)
    n, row_z, factor_z = waves_at(at, 0)
    n_h, row_h, factor_h = waves_at(at, WAVES)
    n_t, row_t, factor_t = waves_at(at, 2 * WAVES)
    ids, degree, functionals, ptr, index, value, ptr_t, index_t, value_t = side_at(at, 3 * WAVES)
    gate_levels, jumps, m, base, closed = gate_at(at, 3 * WAVES + SIDE)
    at += 8 * (3 * WAVES + SIDE + GATE)
    half, table, low, uniform = int_at(at, 0), int_at(at, 1), int_at(at, 2), int_at(at, 3) != 0
    symmetric, lefts, inverse, factors = int_at(at, 4) != 0, int_at(at, 5), int_at(at, 6), int_at(at, 7)
    full, nodes, powers, rule = int_at(at, 8), int_at(at, 9), int_at(at, 10), int_at(at, 11)
    cells, points, capacity, room = int_at(at, 12), int_at(at, 13), int_at(at, 14), int_at(at, 15)
    size, size_h, size_t = z.shape[1], h.shape[1], out.shape[1]
    wave_rows, test_rows = 2 * n + 2, functionals if kind == WAVE_TO_POLY else 2 * n_t + 2
    chi_rows = 2 * (n_h + n_t + 1) if kind == WAVE_TO_WAVE else 1
    total = size + size_h + size_t + 2 * n_h + 2 + functionals + test_rows + 3 * cells + cells + 3 * (cells + 1)
    total += wave_rows + 4 * capacity + m + max(m, 1) + 2 + trig_rows(n, half, capacity)
    scratch = np.empty((total + chi_rows + 2, LANES))
    at_z = first_line(scratch)
    at_h = at_z + size * ROW
    at_out = at_h + size_h * ROW
    at_waves_h = at_out + size_t * ROW
    at_rows_h = at_waves_h + (2 * n_h + 2) * ROW
    at_sums = at_rows_h + functionals * ROW
    at_parts = at_sums + test_rows * ROW
    at_changes = at_parts + 3 * cells * ROW
    at_ends = at_changes + cells * ROW
    at_chi = at_ends + 3 * (cells + 1) * ROW
    at_delta = at_chi + chi_rows * ROW
    at_scratch = at_delta + capacity * ROW
    at_waves = at_scratch + ROW
    at_position = at_waves + wave_rows * ROW
    at_number = at_position + capacity * ROW
    at_direction = at_number + capacity * ROW
    at_levels = at_direction + capacity * ROW
    at_first = at_levels + m * ROW
    at_counts = at_first + max(m, 1) * ROW
    at_work = at_counts + 2 * ROW
    at_integrand = at_waves if same else at_waves_h
    exponent, exponent_h = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    positions, signs, saved_slots = saved
    scale_levels(gate_levels, m, exponent, at_levels)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        ordinary = load_rows(z, first, lanes, at_z, exponent)
        if not ordinary:
            scale_levels(gate_levels, m, exponent, at_levels)
        load_waves(at_z, size, row_z, factor_z, at_waves, n)
        block = first // LANES
        kept = block * room * ROW
        slots = int_at(saved_slots, block) if mode == READ else -1
        if slots >= 0:
            copy_rows(positions + kept, at_position, slots)
            load_directions(signs + block * 8 * (room + 1), slots, at_direction, at_first)
        else:
            slots = find_crossings(
                at_waves, n, half, table, at_levels, m, closed, at_work, capacity,
                (at_position, at_number, at_direction), at_first, at_counts,
            )  # fmt: skip
            if mode == WRITE:
                store_int(saved_slots, block, slots if slots <= room else -1)
            if mode == WRITE and slots <= room:
                copy_rows(at_position, positions + kept, slots)
                store_directions(signs + block * 8 * (room + 1), slots, at_direction, at_first)
        store(at_position, slots, splat(0.0))
        set_deltas(slots, m, at_number, at_direction, jumps, at_delta)
        slope = first_slope(base, m, jumps, at_first)
        if not same:
            ordinary = load_rows(h, first, lanes, at_h, exponent_h) and ordinary
            if kind == POLY_TO_WAVE:
                gather_product(functionals, ptr, index, value, at_h, at_rows_h)
            else:
                load_waves(at_h, size_h, row_h, factor_h, at_integrand, n_h)
        for i in range(test_rows):
            store(at_sums, i, splat(0.0))
        if kind == WAVE_TO_POLY:
            poly_tests_of_waves(
                slots, at_position, at_delta, slope, at_integrand, n_h, low, cells, uniform, symmetric, lefts, inverse,
                factors, rule, points, powers, degree, ids, full, nodes, at_sums, at_parts, at_ends, at_scratch,
            )  # fmt: skip
            gather_product(size_t, ptr_t, index_t, value_t, at_sums, at_out)
        elif kind == POLY_TO_WAVE:
            wave_tests_of_poly(
                slots, at_position, at_delta, slope, at_rows_h, degree, ids, cells, uniform, symmetric, lefts, inverse,
                factors, rule, points, powers, full, nodes, at_sums, n_t, low, at_parts, at_changes,
                at_ends, at_scratch,
            )  # fmt: skip
            unload_waves(at_sums, size_t, row_t, factor_t, at_out)
        else:
            wave_tests_of_waves(
                slots, at_position, at_delta, slope, at_integrand, n_h, n_t, at_sums, at_chi,
            )  # fmt: skip
            unload_waves(at_sums, size_t, row_t, factor_t, at_out)
        store_rows(at_out, first, lanes, out, ordinary, exponent if same else exponent_h, exponent)
        if not ordinary:
            exponent[:] = 0
            exponent_h[:] = 0
            scale_levels(gate_levels, m, exponent, at_levels)
    keep(scratch)


@njit(**OPTIONS)
def crossing_batch(team, z, *args):
    """:func:`crossing_rows` on a whole batch."""
    share(team, crossing_rows, (z, *args), z.shape[0])


def local_wave_tables(side, frame, waves, whole, gate):
    """The tables of :func:`local_wave_rows`.

    Args:
        side: tables of p on the frame.
        frame: ``(lefts, widths, factors, full, rule)``.
        waves: ``(n, row, factor)`` of q.
        whole: (d_test, d_h) ``integral test integrand`` over [-1, 1], used where the slope is constant.
        gate: ``(levels, jumps, base, closed)``.
    """
    sizes = (len(frame[0]), len(frame[-1]))
    return pack(side_entries(side), waves, gate_entries(*gate), frame, whole, sizes)


@njit(**OPTIONS)
def local_wave_rows(z, h, out, kind, tables, start, stop):
    """Rows ``start .. stop - 1`` for a piecewise polynomial state function (degree <= 2) and a trigonometric q.

    Args:
        z: (B, d) coefficients of the state function; h: (B, d_h) of the integrand.
        out: (B, d_test), written.
        kind: POLY_TO_WAVE (integrand ``p^T h``, tested with q) or WAVE_TO_POLY (``q^T h``, tested with p).
        tables: numbers of :func:`local_wave_tables`.
    """
    at = address(tables)
    ids, degree, functionals, ptr, index, value, ptr_t, index_t, value_t = side_at(at, 0)
    n, row, factor = waves_at(at, SIDE)
    gate_levels, jumps, m, base, closed = gate_at(at, SIDE + WAVES)
    at += 8 * (SIDE + WAVES + GATE)
    lefts, widths, factors, full, rule = int_at(at, 0), int_at(at, 1), int_at(at, 2), int_at(at, 3), int_at(at, 4)
    whole, cells, points = int_at(at, 5), int_at(at, 6), int_at(at, 7)
    to_poly = kind == WAVE_TO_POLY
    size, size_h, size_t = z.shape[1], h.shape[1], out.shape[1]
    test_rows = functionals if to_poly else 2 * n + 2
    rows = size + size_h + size_t + 2 * functionals + 2 * n + 2 + test_rows + 3 * cells + m
    scratch = np.empty((rows + 1, LANES))
    at_z = first_line(scratch)
    at_h = at_z + size * ROW
    at_out = at_h + size_h * ROW
    at_state = at_out + size_t * ROW
    at_rows_h = at_state + functionals * ROW
    at_waves_h = at_rows_h + functionals * ROW
    at_sums = at_waves_h + (2 * n + 2) * ROW
    at_parts = at_sums + test_rows * ROW
    at_levels = at_parts + 3 * cells * ROW
    exponent, exponent_h = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    scale_levels(gate_levels, m, exponent, at_levels)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        ordinary = load_rows(z, first, lanes, at_z, exponent)
        if not ordinary:
            scale_levels(gate_levels, m, exponent, at_levels)
        gather_product(functionals, ptr, index, value, at_z, at_state)
        ordinary = load_rows(h, first, lanes, at_h, exponent_h) and ordinary
        if to_poly:
            load_waves(at_h, size_h, row, factor, at_waves_h, n)
        else:
            gather_product(functionals, ptr, index, value, at_h, at_rows_h)
        for i in range(test_rows):
            store(at_sums, i, splat(0.0))
        slope, varied = local_pattern_moments(
            to_poly, cells, lefts, widths, factors, at_state, ids, degree, at_levels, m, jumps, base, closed,
            at_waves_h, n, at_rows_h, ids, degree, rule, points, full, at_sums, at_parts,
        )  # fmt: skip
        if to_poly:
            gather_product(size_t, ptr_t, index_t, value_t, at_sums, at_out)
        else:
            unload_waves(at_sums, size_t, row, factor, at_out)
        constant_slope(size_t, size_h, slope, varied, whole, at_h, at_out)
        store_rows(at_out, first, lanes, out, ordinary, exponent_h, exponent)
        if not ordinary:
            exponent[:] = 0
            exponent_h[:] = 0
            scale_levels(gate_levels, m, exponent, at_levels)
    keep(scratch)


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
    m = jumps.shape[0]
    block_z, waves = np.empty((z.shape[1], LANES)), np.empty((2 * n + 2, LANES))
    work, crossings = np.empty((trig_rows(n, half, capacity), LANES)), np.empty((3, capacity, LANES))
    levels, first_level = np.empty((m, LANES)), np.zeros((m, LANES))
    counts, exponent = np.zeros((2, LANES)), np.zeros(LANES, np.int64)
    at_crossings = (address(crossings), address(crossings) + capacity * ROW, address(crossings) + 2 * capacity * ROW)
    for first in range(start, stop, LANES):
        lanes = min(LANES, stop - first)
        load_rows(z, first, lanes, address(block_z), exponent)
        scale_levels(address(gate_levels), m, exponent, address(levels))
        load_waves(address(block_z), z.shape[1], address(row_z), address(factor_z), address(waves), n)
        slots = find_crossings(
            address(waves), n, half, address(table), address(levels), m, closed, address(work), capacity, at_crossings,
            address(first_level), address(counts),
        )  # fmt: skip
        for lane in range(lanes):
            row = first + lane
            unresolved[row] = -1 if exponent[lane] == POISON else int(counts[1, lane])
            for i in range(slots):
                position[row, i], number[row, i] = crossings[0, i, lane], int(crossings[1, i, lane])
                direction[row, i] = int(crossings[2, i, lane])
            for i in range(slots, capacity):
                direction[row, i] = 0
            for j in range(m):
                firsts[row, j] = first_level[j, lane] > 0.0
        exponent[:] = 0
    keep(block_z)
    keep(waves)
    keep(work)
    keep(crossings)
    keep(levels)
    keep(first_level)
    keep(counts)
    keep(table)
    keep(gate_levels)
    keep(row_z)
    keep(factor_z)


@njit(**OPTIONS)
def crossing_table_batch(team, z, *args):
    """:func:`crossing_table` on a whole batch."""
    share(team, crossing_table, (z, *args), z.shape[0])
