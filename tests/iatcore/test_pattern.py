"""Activation patterns: rules for zeros and ties, sets, narrow intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import iatcore
from iatcore import IAT, basis, from_intervals, gates
from iatcore.bases import FAMILIES

Q = basis("rect", 1)


def pattern(p, z, gate=None):
    return IAT(p, Q, gate).pattern(np.asarray(z, dtype=float))


def test_known_patterns():
    np.testing.assert_allclose(pattern(basis("fourier", 1), [1.0]).intervals(0), [[0, 1]], atol=1e-16)
    np.testing.assert_allclose(pattern(basis("fourier", 2), [0.0, 1.0]).intervals(0), [[-0.5, 0.5]], atol=1e-16)
    np.testing.assert_allclose(pattern(basis("pwl", 2), [1.0, -3.0]).intervals(0), [[-1, -0.5]])
    np.testing.assert_allclose(pattern(basis("rect", 4), [1, -1, 2, 3]).intervals(0), [[-1, -0.5], [0, 1]])
    np.testing.assert_allclose(pattern(basis("pwl-w", 1), [-1.0]).intervals(0), [[0, 1]])


def test_touching_and_vanishing_contribute_nothing():
    # cos(pi s) + cos(2 pi s) touches 0 at the ends and crosses it at +-1/3
    np.testing.assert_allclose(pattern(basis("fourier", 4), [0, 1, 0, 1]).intervals(0), [[-1 / 3, 1 / 3]], atol=1e-12)
    np.testing.assert_allclose(pattern(basis("pwl", 5), [0, 0, 1, 0, 0]).intervals(0), [[-0.5, 0.5]])
    # touches 0 at 0 and stays positive: one interval
    np.testing.assert_allclose(pattern(basis("pwl", 3), [1, 0, 1]).intervals(0), [[-1, 1]])
    # a quadratic with a double root inside a piece
    assert pattern(basis("pwq", 3), [3, -1, 3]).intervals(0).tolist() == [[-1, 1]]
    assert pattern(basis("pwq", 5), np.zeros(5)).intervals(0).shape == (0, 2)


def test_the_side_of_a_gate_decides_on_level_pieces():
    left = iatcore.Gate((1.0,), (0.0, 1.0), side="left")
    right = iatcore.Gate((1.0,), (0.0, 1.0), side="right")
    for p, z in ((basis("rect", 2), [1.0, 0.5]), (basis("pwl", 3), [1.0, 1.0, 0.0])):
        assert pattern(p, z, left).measure() == 0
        assert pattern(p, z, right).measure() == 1
        assert IAT(p, Q, left)(np.array(z))[0] == 0
        assert IAT(p, Q, right)(np.array(z))[0] == 1


def test_slopes_of_a_gate():
    d = pattern(basis("pwl", 2), [-1.0, 1.0], gates.tmaf([-0.5, 0.0, 0.5], [2.0, 0.0, 3.0, -1.0]))
    np.testing.assert_allclose(d.intervals(0), [[-1, -0.5], [0, 0.5], [0.5, 1]])
    np.testing.assert_allclose(d.slopes(0), [2, 3, -1])
    edges, slopes = d.partition(0)
    np.testing.assert_allclose(edges[:, 1] - edges[:, 0], 0.5)
    np.testing.assert_allclose(slopes, [2, 0, 3, -1])
    np.testing.assert_allclose(d.measure(), 1.5)


def test_narrow_intervals_keep_their_width():
    for z, where in (([1e-9, -1.0], -1), ([-1.0, 1e-9], 1)):
        d = pattern(basis("pwl", 2), z)
        np.testing.assert_allclose(d.measure(), 2 * 1e-9 / (1 + 1e-9), rtol=1e-15)
        assert abs(d.intervals(0) - where).max() < 1e-8
    # in the middle of [-1, 1], at a node
    d = pattern(basis("pwl", 3), [-1.0, 1e-12, -1.0])
    np.testing.assert_allclose(d.measure(), 2e-12 / (1 + 1e-12), rtol=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
def test_complement_and_difference(family):
    p = basis(family, 6)
    z = np.random.default_rng(0).normal(size=(2, 3, 6))
    d = IAT(p, Q).pattern(z)
    assert len(d) == 6 and d.measure().shape == (2, 3)
    np.testing.assert_allclose(d.measure() + d.complement().measure(), 2, atol=1e-14)
    np.testing.assert_allclose(d.symmetric_difference(d).measure(), 0, atol=1e-14)
    np.testing.assert_allclose(d.symmetric_difference(d.complement()).measure(), 2, atol=1e-14)
    mirrored = IAT(p, Q).pattern(-z)
    gap = d.symmetric_difference(mirrored.complement()).measure()
    zeros = 2 - d.measure() - mirrored.measure()
    np.testing.assert_allclose(gap, zeros, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_pattern_against_signs_on_a_mesh(family):
    p = basis(family, 7)
    z = np.random.default_rng(1).normal(size=(20, 7))
    d = IAT(p, Q).pattern(z)
    s = np.linspace(-1, 1, 4001)
    f = z @ p(s)
    for i in range(len(z)):
        inside = np.zeros(s.size, dtype=bool)
        for lo, hi in d.intervals(i):
            inside |= (s > lo) & (s < hi)
        away = np.abs(s[:, None] - p.breakpoints).min(axis=1) > 1e-9
        clear = (np.abs(f[i]) > 1e-9) & away
        np.testing.assert_array_equal(inside[clear], (f[i] > 0)[clear])
        assert np.all(np.diff(d.intervals(i).ravel()) >= 0)


@given(st.lists(st.floats(-1, 1), max_size=10, unique=True))
@settings(max_examples=60)
def test_from_intervals_round_trip(edges):
    edges = sorted(edges)[: len(edges) // 2 * 2]
    rows = np.reshape(edges, (-1, 2))
    d = from_intervals([rows])
    assert d.measure()[0] == pytest.approx(np.sum(rows[:, 1] - rows[:, 0]), abs=1e-15)
    got = d.intervals(0)
    kept = rows[rows[:, 1] - rows[:, 0] > 1e-15]
    if len(kept) == len(rows) and (len(rows) < 2 or np.min(rows[1:, 0] - rows[:-1, 1]) > 1e-15):
        np.testing.assert_allclose(got, rows, atol=1e-15)


def test_bad_input():
    d = pattern(basis("pwl", 3), np.ones((2, 3)))
    with pytest.raises(IndexError, match="row must be below 2, got 2"):
        d.intervals(2)
    assert d.intervals(-1).tolist() == d.intervals(1).tolist()
    with pytest.raises(ValueError, match=r"batch shape \(2,\), got \(1,\)"):
        d.symmetric_difference(from_intervals([[]]))
    for rows in ([[0.5, 0.2]], [[-2.0, 0.0]], [[0.0, 0.5], [0.4, 1.0]]):
        with pytest.raises(ValueError, match="intervals of row 0 must ascend"):
            from_intervals([rows])


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("first", ["pwl", "fourier"])
def test_levels_crossed_at_one_place_follow_each_other(first, sign):
    """A slope so steep that several levels are crossed at the same double."""
    gate = iatcore.gates.tmaf([-0.26, 0.0, 0.26], [2.0, 3.0, 4.0, 5.0])
    p = iatcore.basis(first, 2)
    iat = iatcore.IAT(p, iatcore.basis("rect", 2), gate)
    z = sign * (np.array([1e17, -1e17]) if first == "pwl" else np.array([1e17, 0.0]))
    pattern = iat.pattern(z)
    np.testing.assert_allclose(iat.apply(pattern, z), iat(z), rtol=1e-14)
    assert set(pattern.slopes(0)) == {2.0, 5.0}
