"""Patterns as sets: against exact fractions, dense samples and plain Python; a metric; counts; rows of a batch."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iatcore import IAT, ActivationPattern, basis, batches, from_intervals, gates, pattern_sets
from iatcore.bases import FAMILIES

Q = basis("rect", 1)
STEPS = gates.tmaf([-0.5, 0.0, 0.7], [2.0, 0.0, 3.0, -1.0])
EPS = np.finfo(float).eps
OPERATIONS = {
    "union": lambda x, y: x or y,
    "intersection": lambda x, y: x and y,
    "symmetric_difference": lambda x, y: x != y,
}


def pattern(p, z, gate=None):
    return IAT(p, Q, gate).pattern(np.asarray(z, dtype=float))


def samples(family, size, shape, seed, gate=None):
    return pattern(basis(family, size), np.random.default_rng(seed).normal(size=(*shape, size)), gate)


def exact_steps(d, row):
    """The step function of a row in exact arithmetic: where it changes, and its values in between."""
    ends, values = [], []
    for k, (left, right) in enumerate(itertools.pairwise(d.knots)):
        state = d.initial[row, k]
        ends.append(left)
        for m in range(d.offsets[row], d.offsets[row + 1]):
            if d.piece[m] == k:
                o = Fraction(d.offset[m])
                values.append(d.gate_slopes[state])
                ends.append((left if o >= 0 else right) + (right - left) * o)
                state = d.level[m] + d.rising[m]
        values.append(d.gate_slopes[state])
    return [*ends, Fraction(1)], values


def exact_integral(a, b, row, rule):
    """``integral rule(a, b) ds`` of two exact step functions."""
    (x, u), (y, v) = exact_steps(a, row), exact_steps(b, row)
    cuts = sorted({*x, *y})
    middles = [(lo + hi) / 2 for lo, hi in itertools.pairwise(cuts)]
    values = [Fraction(rule(u[bisect_right(x, s) - 1], v[bisect_right(y, s) - 1])) for s in middles]
    return sum(((hi - lo) * w for (lo, hi), w in zip(itertools.pairwise(cuts), values, strict=True)), Fraction(0))


def assert_valid(d):
    """A pattern in canonical form: strictly ascending inside pieces, every crossing changes the state."""
    assert d.gate_slopes == (0.0, 1.0) and not d.level.any()
    assert d.initial.dtype == d.piece.dtype == d.level.dtype == np.int64
    assert d.offsets[0] == 0 and d.offsets[-1] == len(d.piece) == len(d.offset) == len(d.rising)
    assert np.all((d.offset > 0) & (d.offset <= 0.5) | (d.offset < 0) & (d.offset >= -0.5))
    for row in range(len(d)):
        which = slice(d.offsets[row], d.offsets[row + 1])
        assert np.all(np.diff(d.piece[which]) >= 0)
        for k in range(len(d.knots) - 1):
            inside = d.piece[which] == k
            t = [Fraction(o) if o >= 0 else 1 + Fraction(o) for o in d.offset[which][inside]]
            assert all(x < y for x, y in itertools.pairwise(t))
            ups = d.rising[which][inside]
            assert np.array_equal(ups, (np.arange(len(ups)) + d.initial[row, k]) % 2 == 0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gate", [None, STEPS], ids=["relu", "steps"])
def test_sets_on_the_same_knots_against_fractions(family, gate):
    a, b = samples(family, 6, (2, 8), 0, gate), samples(family, 6, (2, 8), 1, gate)
    for name, rule in OPERATIONS.items():
        got = getattr(a, name)(b)
        assert got.batch_shape == (2, 8) and got.knots == a.knots
        assert_valid(got)
        want = [float(exact_integral(a, b, i, lambda u, v, r=rule: int(r(u != 0, v != 0)))) for i in range(16)]
        # a sum of at most 50 positive lengths
        np.testing.assert_allclose(got.measure().ravel(), want, rtol=50 * EPS)
        if name == "symmetric_difference":
            np.testing.assert_allclose(a.distance(b).ravel(), want, rtol=50 * EPS)
    want = [float(exact_integral(a, b, i, lambda u, v: abs(u - v))) for i in range(16)]
    np.testing.assert_allclose(a.distance(b, weighted=True).ravel(), want, rtol=50 * EPS)


@pytest.mark.parametrize("first, second", list(itertools.pairwise([*FAMILIES, "rect"])))
def test_sets_on_different_knots_against_fractions(first, second):
    a, b = samples(first, 7, (10,), 2, STEPS), samples(second, 5, (10,), 3)
    knots = tuple(sorted({*a.knots, *b.knots}))
    for name, rule in OPERATIONS.items():
        got = getattr(a, name)(b)
        assert got.knots == knots
        assert_valid(got)
        want = [float(exact_integral(a, b, i, lambda u, v, r=rule: int(r(u != 0, v != 0)))) for i in range(10)]
        np.testing.assert_allclose(got.measure(), want, atol=50 * EPS)
    want = [float(exact_integral(a, b, i, lambda u, v: abs(u - v))) for i in range(10)]
    np.testing.assert_allclose(a.distance(b, weighted=True), want, atol=200 * EPS)
    np.testing.assert_array_equal(a.distance(b), b.distance(a))


ENDS = st.lists(
    st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, -1 / 3, 0.0, 1e-20, 1 / 3, 0.5, 1.0])), max_size=8, unique=True
)


@given(ENDS, ENDS)
@settings(max_examples=80, deadline=None)
def test_any_intervals_against_fractions(x, y):
    a, b = (from_intervals([np.reshape(sorted(ends)[: len(ends) // 2 * 2], (-1, 2))]) for ends in (x, y))
    finer = pattern_sets.on_knots(b, (Fraction(-1), Fraction(-1, 3), Fraction(0), Fraction(1, 7), Fraction(1)))
    for name, rule in OPERATIONS.items():
        want = float(exact_integral(a, b, 0, lambda u, v, r=rule: int(r(u != 0, v != 0))))
        got = getattr(a, name)(b)
        assert_valid(got)
        assert got.measure()[0] == pytest.approx(want, rel=20 * EPS, abs=0)
        got = getattr(a, name)(finer)
        assert_valid(got)
        assert got.measure()[0] == pytest.approx(want, abs=20 * EPS)
    assert a.distance(finer)[0] == pytest.approx(a.distance(b)[0], abs=20 * EPS)
    assert a.union(a).number_of_intervals() == len(a.union(a).intervals(0))


def test_narrow_intervals_keep_their_width():
    for narrow, wide in (([1e-9, -1.0], [3e-9, -1.0]), ([-1.0, 1e-9], [-1.0, 3e-9])):
        a, b = pattern(basis("pwl", 2), narrow), pattern(basis("pwl", 2), wide)
        want = 2 * (3e-9 / (1 + 3e-9) - 1e-9 / (1 + 1e-9))
        for got in (a.distance(b), a.symmetric_difference(b).measure(), b.intersection(a.complement()).measure()):
            np.testing.assert_allclose(got, want, rtol=1e-14)
        # the same with a knot in the middle
        c = pattern(basis("pwl", 3), [narrow[0], -1.0, narrow[1]])
        want = 2e-9 / (1 + 1e-9) - 1e-9 / (1 + 1e-9)
        np.testing.assert_allclose(a.distance(c), want, rtol=1e-14)
    for width in (1e-20, 1e-300):
        a = pattern(basis("pwl", 3), [-1.0, width, -1.0])
        np.testing.assert_allclose(a.distance(pattern(basis("rect", 5), -np.ones(5))), 2 * width, rtol=1e-14)
        assert a.number_of_intervals() == 1


def test_narrow_intervals_at_a_knot_that_is_no_float():
    # ends near 1/3 recorded on [-1, 1] and on [1/3, 1]: what is stored is combined without further loss
    a = from_intervals([[[1 / 3 - 1e-9, 1 / 3 + 2e-9]]])
    b = pattern(basis("pwl", 4), [[-1.0, -1.0, 1e-9, -1.0]])
    for name, rule in OPERATIONS.items():
        want = float(exact_integral(a, b, 0, lambda u, v, r=rule: int(r(u, v))))
        np.testing.assert_allclose(getattr(a, name)(b).measure(), want, rtol=1e-14)
    np.testing.assert_allclose(a.distance(b), float(exact_integral(a, b, 0, lambda u, v: abs(u - v))), rtol=1e-14)


def test_the_middle_of_a_piece_is_met_from_both_sides():
    # 1/2 and -1/2 are one position; on a part of the piece the two formulas for it round apart, in the wrong order
    d = replace(from_intervals([[[-0.1, 0.1]]]), offset=np.array([0.5, -0.5]))
    fine = pattern_sets.on_knots(d, (Fraction(-1), Fraction(-3, 5), Fraction(24, 41), Fraction(1)))
    assert np.all(np.diff(fine.offset) >= 0) and fine.measure() == 0
    assert d.union(d).measure() == 0 and len(d.union(d).piece) == 0
    # a point in the middle of a piece is 0.5000000000000001 of its width from both ends
    d = pattern_sets.on_knots(
        from_intervals([[[0.5, 0.7]]]), (Fraction(-1), Fraction(-535, 549), Fraction(148, 183), Fraction(1))
    )
    np.testing.assert_array_equal(d.raster([-0.08287795992714025, 0.6, 0.75]), [[0, 1, 0]])


@pytest.mark.parametrize("family", FAMILIES)
def test_sets_against_dense_samples(family):
    a, b, c = samples(family, 6, (12,), 4), samples(family, 6, (12,), 5, STEPS), samples("pwl", 9, (12,), 6)
    s = -1 + (2 * np.arange(20_000) + 1) / 20_000
    x, y, w = (d.raster(s) for d in (a, b, c))
    for u, v, first, second in ((a, b, x, y), (b, c, y, w), (c, a, w, x)):
        for name, rule in (("union", np.logical_or), ("intersection", np.logical_and)):
            np.testing.assert_array_equal(getattr(u, name)(v).raster(s), rule(first, second))
        np.testing.assert_array_equal(u.symmetric_difference(v).raster(s), (first != 0) != (second != 0))
        # a mean over midpoints errs by at most half a cell times the jump for each end
        error = 0.5e-4 * (u.number_of_crossings() + v.number_of_crossings())
        got = abs(u.distance(v) - 2 * ((first != 0) != (second != 0)).mean(axis=1))
        assert np.all(got <= error + 1e-12)
        got = abs(u.distance(v, weighted=True) - 2 * abs(first - second).mean(axis=1))
        assert np.all(got <= 4 * error + 1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_distance_is_a_metric(weighted):
    families = ["fourier", "pwl", "rect-w"]
    a, b, c = (samples(f, 5 + i, (200,), i, STEPS) for i, f in enumerate(families))
    ab, bc, ac = a.distance(b, weighted), b.distance(c, weighted), a.distance(c, weighted)
    assert np.all(ab > 0) and np.all(ac <= ab + bc + 100 * EPS)
    np.testing.assert_array_equal(ab, b.distance(a, weighted))
    np.testing.assert_array_equal(a.distance(a, weighted), 0)
    assert np.all(a.equals(a, weighted=weighted)) and not np.any(a.equals(b, weighted=weighted))
    np.testing.assert_array_equal(a.equals(b, 1.0, weighted), ab <= 1.0)
    scaled = pattern(basis("fourier", 5), 3 * np.random.default_rng(0).normal(size=(200, 5)))
    assert np.all(scaled.equals(samples("fourier", 5, (200,), 0), 1e-12))


def test_weights_tell_slopes_apart():
    z = np.random.default_rng(7).normal(size=(9, 4))
    a, b = pattern(basis("pwl", 4), z, gates.absolute()), pattern(basis("pwl", 4), -z, gates.absolute())
    np.testing.assert_array_equal(a.distance(b), 0)
    np.testing.assert_allclose(a.distance(b, weighted=True), 4, rtol=10 * EPS)
    np.testing.assert_array_equal(a.number_of_intervals(), a.number_of_crossings() + 1)
    np.testing.assert_array_equal(a.union(a).number_of_intervals(), 1)
    assert a.number_of_distinct() == 1 and a.number_of_distinct(weighted=True) == 9


def test_sets_feed_any_transform():
    rng = np.random.default_rng(8)
    a, b = samples("pwl", 5, (2, 3), 9), samples("fourier", 7, (2, 3), 10)
    iat = IAT(basis("pwq", 4), basis("rect-w", 3))
    z = rng.normal(size=(2, 3, 4))
    both = iat.apply(a.union(b), z) + iat.apply(a.intersection(b), z)
    np.testing.assert_allclose(both, iat.apply(a, z) + iat.apply(b, z), atol=1e-14)
    apart = iat.activation_matrix(pattern=a.symmetric_difference(b))
    want = iat.activation_matrix(pattern=a.union(b)) - iat.activation_matrix(pattern=a.intersection(b))
    np.testing.assert_allclose(apart, want, atol=1e-15)
    np.testing.assert_array_equal(iat.apply(a[1], z[1]), iat.apply(a, z)[1])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gate", [None, STEPS], ids=["relu", "steps"])
def test_counts_and_outline_agree_with_partitions(family, gate):
    d = samples(family, 7, (5, 6), 11, gate)
    partitions = [d.partition(i) for i in range(30)]
    np.testing.assert_array_equal(d.number_of_crossings().ravel(), [len(s) - 1 for _, s in partitions])
    np.testing.assert_array_equal(d.number_of_intervals().ravel(), [np.count_nonzero(s) for _, s in partitions])
    assert d.number_of_intervals().shape == d.number_of_crossings().shape == (5, 6)
    row, low, high, slope = d.outline()
    np.testing.assert_array_equal(row, np.repeat(np.arange(30), d.number_of_intervals().ravel()))
    np.testing.assert_array_equal(np.stack([low, high], axis=1), np.concatenate([d.intervals(i) for i in range(30)]))
    np.testing.assert_array_equal(slope, np.concatenate([d.slopes(i) for i in range(30)]))


def test_touching_is_not_counted():
    # touches at a knot, at both ends of a piece, and inside
    assert pattern(basis("pwl", 3), [1, 0, 1]).number_of_crossings() == 0
    assert pattern(basis("pwl", 3), [-1, 0, -1]).number_of_intervals() == 0
    assert pattern(basis("pwl", 5), [0, 0, 1, 0, 0]).number_of_crossings() == 2
    assert pattern(basis("pwq", 3), [3, -1, 3]).number_of_intervals() == 1
    assert pattern(basis("rect", 4), [1, -1, 2, 3]).number_of_crossings() == 2
    # an end shared by two sets leaves neither a gap nor a point
    left, right = from_intervals([[[-0.5, 0.1]]]), from_intervals([[[0.1, 1.0]]])
    assert left.union(right).number_of_intervals() == 1 and left.union(right).number_of_crossings() == 1
    assert left.intersection(right).number_of_intervals() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_raster_against_the_state_function(family):
    p = basis(family, 6)
    z = np.random.default_rng(12).normal(size=(2, 4, 6))
    s = np.random.default_rng(13).uniform(-1, 1, 500)
    f = z @ p(s)
    # away from breakpoints of the gate the sign of f is certain
    clear = np.abs(f[..., None] - np.array(STEPS.breakpoints)).min(axis=-1) > 1e-9
    got = pattern(p, z, STEPS).raster(s)
    assert got.shape == (2, 4, 500) and clear.mean() > 0.7
    np.testing.assert_array_equal(got[clear], STEPS.derivative(f)[clear])


def test_raster_at_ends_and_knots():
    d = pattern(basis("rect", 3), [[1.0, -1.0, 2.0], [-1.0, 1.0, -2.0]])
    s = [1.0, -1.0, -1 / 3, np.nextafter(-1 / 3, -1), 1 / 3, np.nextafter(1 / 3, 1)]
    # -1/3 as a float lies right of the knot, 1/3 left of it
    assert Fraction(-1 / 3) > Fraction(-1, 3) and Fraction(1 / 3) < Fraction(1, 3)
    np.testing.assert_array_equal(d.raster(s), [[1, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0]])
    d = from_intervals([[[-0.5, 0.25]], [[0.25, 1.0]]])
    np.testing.assert_array_equal(d.raster([0.25, -0.5, 1.0]), [[0, 1, 0], [1, 0, 1]])
    # falls through 0 at the very end
    np.testing.assert_array_equal(pattern(basis("pwl", 2), [1.0, 0.0]).raster([1.0]), [1])
    assert d.raster([]).shape == (2, 0)


def greedy(d, tolerance, weighted):
    """Leaders in C order, by all distances."""
    flat, leaders = d.reshape(-1), []
    for i in np.flatnonzero(d.finite):
        others = flat[np.array(leaders, dtype=int)]
        here = flat[np.full(len(leaders), i)]
        if not np.any(here.distance(others, weighted) <= tolerance):
            leaders.append(i)
    return len(leaders)


@pytest.mark.parametrize("family", ["pwl", "fourier"])
@pytest.mark.parametrize("weighted", [False, True])
def test_number_of_distinct_against_all_pairs(family, weighted):
    rng = np.random.default_rng(14)
    z = rng.normal(size=(40, 5))
    z = np.concatenate([z, 2 * z[:10], z[:20] + 1e-3 * rng.normal(size=(20, 5))]).reshape(10, 7, 5)
    z[3, 2, 0] = np.nan
    d = pattern(basis(family, 5), z, STEPS)
    for tolerance in (0.0, 1e-12, 0.01, 0.3, 1.0, np.inf):
        assert d.number_of_distinct(tolerance, weighted) == greedy(d, tolerance, weighted)
    relu = pattern(basis(family, 5), z)
    assert relu.number_of_distinct(1e-12) == 59 and relu.number_of_distinct(2.0) == 1


def test_number_of_distinct_patterns_of_a_piecewise_constant_function():
    z = np.random.default_rng(15).normal(size=(5000, 6))
    d = pattern(basis("rect", 6), z)
    signs = {tuple(row > 0) for row in z}
    assert d.number_of_distinct() == len(signs) == 64
    assert d.number_of_distinct(0.3) == 64 and d.number_of_distinct(0.34) < 64
    assert d[:0].number_of_distinct() == 0


def test_variation_along_paths_and_grids():
    rng = np.random.default_rng(16)
    z = rng.normal(size=(5, 6)).cumsum(axis=0)[None] + rng.normal(size=(4, 6))[:, None]
    d = pattern(basis("rect", 6), z)
    for axis in (0, 1, -1, -2):
        flips = (np.diff((z > 0).astype(int), axis=axis if axis >= 0 else axis - 1) != 0).sum(axis=-1) / 3
        np.testing.assert_allclose(d.steps(axis), flips, atol=10 * EPS)
        np.testing.assert_allclose(d.total_variation(axis), flips.sum(axis=axis), atol=40 * EPS)
    # the pattern of cos(t) p_1 + sin(t) p_2 turns once: ends move at one speed, each through [-1, 1]
    t = np.linspace(0, 2 * np.pi, 1001)
    path = pattern(basis("fourier", 2), np.stack([np.cos(t), np.sin(t)], axis=1))
    np.testing.assert_allclose(path.total_variation(), 4, rtol=1e-12)
    np.testing.assert_allclose(path.total_variation(weighted=True), path.total_variation())
    assert path[:1].total_variation() == 0 and path[:1].steps().shape == (0,)
    # the discretized pattern of IAT 4.3 has few pieces along a path, the exact one has one for each sample
    assert 1 + np.count_nonzero(path.steps() > 1e-12) == 1001
    assert path.number_of_distinct(1e-12) == 1000


def test_rows_of_nan():
    z = np.random.default_rng(17).normal(size=(4, 3))
    z[1, 0], z[2, 2] = np.nan, np.inf
    d, other = pattern(basis("pwl", 3), z), samples("fourier", 4, (4,), 18)
    bad = [False, True, True, False]
    unions = d.union(other).measure(), other.union(d).measure()
    for got in (d.distance(other), other.distance(d), *unions, d.raster([0.0])[:, 0]):
        np.testing.assert_array_equal(np.isnan(got), bad)
    np.testing.assert_array_equal(d.equals(d, 2.0), ~np.array(bad))
    np.testing.assert_array_equal(d.number_of_intervals() == 0, bad)
    assert not d.number_of_crossings()[1:3].any() and d.number_of_distinct() == 2
    assert not np.isin(pattern_sets.outline(d).row, [1, 2]).any()
    assert np.isnan(d.total_variation()) and np.isnan(d.steps()).all()
    np.testing.assert_array_equal(d.intersection(other).finite, ~np.array(bad))


def rows_equal(d, e):
    assert d.batch_shape == e.batch_shape and len(d) == len(e)
    for i in range(len(d)):
        np.testing.assert_array_equal(d.positions(i), e.positions(i))
        np.testing.assert_array_equal(d.initial[i], e.initial[i])
        np.testing.assert_array_equal(np.stack(d.partition(i)[0]), np.stack(e.partition(i)[0]))


@pytest.mark.parametrize("family", ["pwl", "fourier", "rect"])
def test_rows_of_a_batch(family):
    p, z = basis(family, 5), np.random.default_rng(19).normal(size=(4, 3, 5))
    d = pattern(p, z, STEPS)
    keys = [2, -1, (1, 2), slice(1, 3), (slice(None), 1), ..., None, [2, 0, 0], z[..., 0] > 0, (slice(1, None), [0])]
    for key in keys:
        rows_equal(d[key], pattern(p, z[(*key, slice(None))] if isinstance(key, tuple) else z[key], STEPS))
    rows_equal(d.row(7), pattern(p, z[2, 1], STEPS))
    rows_equal(d.reshape((6, -1)), pattern(p, z.reshape(6, 2, 5), STEPS))
    rows_equal(d.reshape(12), d.reshape(-1))
    rows_equal(ActivationPattern.concatenate([d[:1], d[1:]]), d)
    rows_equal(ActivationPattern.concatenate([d[:, 2:], d[:, :2]], axis=1), pattern(p, np.roll(z, 1, axis=1), STEPS))


def test_a_large_batch():
    d = samples("fourier", 6, (200, 500), 20)
    e = samples("pwl", 6, (200, 500), 21)
    np.testing.assert_allclose(
        d.union(e).measure() + d.intersection(e).measure(), d.measure() + e.measure(), atol=60 * EPS
    )
    np.testing.assert_allclose(d.symmetric_difference(e).measure(), d.distance(e), rtol=60 * EPS)
    assert d.total_variation().shape == (200,) and d.total_variation(axis=0).shape == (500,)
    assert len(d.outline()[0]) == d.number_of_intervals().sum()
    assert d.raster(np.linspace(-1, 1, 9)).shape == (200, 500, 9)
    assert 10 < d.number_of_distinct(0.5) < 10_000
    assert len(d[:, ::2]) == 50_000


def test_bad_input():
    d, numbers = pattern(basis("pwl", 3), np.ones((2, 3))), [[0.0, 1.0]]
    calls: list[Any] = [d.union, d.intersection, d.symmetric_difference, d.distance, d.equals]
    for call in calls:
        with pytest.raises(ValueError, match=re.escape("other must have batch shape (2,), got (1,)")):
            call(from_intervals([[]]))
        with pytest.raises(TypeError, match="other must be an ActivationPattern, got list"):
            call(numbers)
    for tolerance in (-1e-3, np.nan):
        for call in (d.number_of_distinct, lambda t: d.equals(d, t)):
            with pytest.raises(ValueError, match="tolerance must be a number >= 0, got"):
                call(tolerance)
    for axis, of in ((1, d), (-2, d), (0, d[0]), (0, d[:0])):
        with pytest.raises(ValueError, match=re.escape(f"axis must be one of the batch shape {of.batch_shape}")):
            of.total_variation(axis)
    for points in ([1.5], [np.nan], [[0.0]]):
        with pytest.raises(ValueError, match=r"points must be of shape \(n,\) and in \[-1, 1\]"):
            d.raster(points)
    with pytest.raises(TypeError, match="points must be real numbers, got dtype complex128"):
        d.raster([1j])
    for key in (2, (0, 0), "x", [0.5]):
        with pytest.raises(IndexError, match=r"does not fit batch shape \(2,\)"):
            d[key]
    with pytest.raises(ValueError, match=re.escape("batch_shape must hold 2 rows, got (3,)")):
        d.reshape((3,))


def test_bad_parts():
    d, join = pattern(basis("pwl", 3), np.ones((2, 3))), batches.concatenate
    with pytest.raises(ValueError, match="patterns must hold at least one pattern, got none"):
        join([])
    with pytest.raises(TypeError, match="patterns must be ActivationPatterns, got int at 1"):
        join([d, 1])
    with pytest.raises(ValueError, match=r"patterns must have the knots .* at 1"):
        join([d, from_intervals([[]])])
    with pytest.raises(ValueError, match=r"patterns must have the slopes .* at 1"):
        join([d, d.complement()])
    with pytest.raises(ValueError, match="patterns must have batch shapes that join along axis 0, got"):
        join([d, d[:, None]])
    for knots in ((-1, 1), (-1, 0, 0, 1), (-2, -1, 0, 1)):
        with pytest.raises(ValueError, match="knots must ascend from -1 to 1 and contain"):
            pattern_sets.on_knots(d, [Fraction(x) for x in knots])
