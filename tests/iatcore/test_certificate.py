"""Root counts, built to break: what bounds decide is right, what they do not decide is said."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from scipy.interpolate import PPoly

from iatcore import IAT, Gate, basis, reference
from iatcore.bases import FAMILIES
from iatcore.kernels import double_double as dd
from tests.cases import nasty_inputs, near_tangency


def counts(p, z, gate=None, certified=False):
    """Changes of the slope, however near to each other or to a breakpoint; certificate; nearest pair."""
    pattern = IAT(p, basis("rect", 1), gate).pattern(z, certified=certified)
    pieces = len(pattern.knots) - 1
    states = {}  # by place: of several changes at one place, the last holds
    for k in range(pieces):
        states[k, 0, 0.0] = pattern.initial[0, k]
        for i in np.flatnonzero(pattern.piece == k):
            offset = pattern.offset[i]
            place = (k + 1, 0, 0.0) if offset == 1.0 else (k, int(offset < 0), offset)
            states[place] = pattern.level[i] + pattern.rising[i]
    states.pop((pieces, 0, 0.0), None)
    values = [states[place] for place in sorted(states)]
    return int(np.count_nonzero(np.diff(values))), bool(pattern.certified[0]), pattern.closest()[0]


def true_count(p, z, gate=None):
    found = reference.IAT(p, basis("rect", 1), *([gate] if gate else [])).crossings(z)
    # roots of waves are found as absolute positions: what is nearer to an end than doubles are is there
    near = [c for c in found if p.harmonics and 1 - abs(float(c.position)) < 1e-16]
    return len(found) - len(near)


@pytest.mark.parametrize("first", ["fourier", "pwq"])
@pytest.mark.parametrize("d", [6, 10, 33])
@pytest.mark.parametrize("gap", [1e-3, 1.1e-6, 1e-7, 1e-8, 1e-9, 1e-10])
def test_close_pairs(first, d, gap):
    """Found by default down to 1e-6; below that flagged, and decided where a certificate is asked for."""
    p = basis(first, d)
    for seed in range(8):
        z = near_tangency(p, np.random.default_rng(seed).normal(size=d), gap)
        if z is None:
            continue
        expected = true_count(p, z)
        found, certified, closest = counts(p, z)
        if gap > 1e-6:
            assert found == expected and certified
        else:
            assert not certified or closest < 1e-6
        assert not certified or found == expected
        assert counts(p, z, certified=True)[:2] == (expected, True)


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("d", [3, 7, 10])
def test_a_certificate_is_never_wrong(first, d):
    p = basis(first, d)
    for name, z in nasty_inputs(p, seed=d).items():
        expected = true_count(p, z)
        for ask in (False, True):
            found, certified, _ = counts(p, z, certified=ask)
            assert found == expected or not certified, name


def test_three_roots_in_one_cell():
    """Two extrema of small height between neighbouring points of the grid of 8 cells a harmonic."""
    p = basis("fourier", 10)
    powers = np.array([0.1003, 0.1009, 0.1016])
    s = np.linspace(-1, 1, 4001)
    # the least-squares trigonometric polynomial that vanishes at three near points and at few others
    rows = p(powers).T
    z = np.linalg.svd(np.vstack([rows, 1e-6 * p.derivative()(s[::400]).T]))[2][-1]
    expected = true_count(p, z)
    assert counts(p, z, certified=True)[:2] == (expected, True)
    assert counts(p, z)[0] == expected
    assert sum(0.1 < float(c.position) < 0.102 for c in reference.IAT(p, basis("rect", 1)).crossings(z)) == 3


@pytest.mark.parametrize(
    "gate", [Gate((-0.5, 0.5), (0.0, 1.0, 0.0)), Gate(tuple(np.linspace(-1, 1, 100)), (1.0,) * 101)]
)
@pytest.mark.parametrize("first", ["fourier", "pwl", "pwq", "pwl-w"])
def test_levels(first, gate):
    gate = Gate(gate.breakpoints, tuple(np.arange(len(gate.slopes)) + 1.0))
    p = basis(first, 6)
    for seed in range(3):
        z = np.random.default_rng(seed).normal(size=6)
        expected = true_count(p, z, gate)
        for ask in (False, True):
            found, certified, _ = counts(p, z, gate, certified=ask)
            assert (found, certified) == (expected, True)


def test_exact_tangency_stays_open():
    """No arithmetic of finite precision tells a double root from a close pair: it is said, and costs nothing."""
    square = basis(PPoly(np.array([[[1.0]], [[-2.5]], [[1.5625]]]), [-1.0, 1.0]))  # (s - 1/4)^2
    for ask in (False, True):
        pattern = IAT(square, basis("rect", 1)).pattern([1.0], certified=ask)
        assert not pattern.certified[0]
        assert pattern.measure() == pytest.approx(2.0, abs=1e-7)


def test_only_open_rows_change():
    p = basis("fourier", 10)
    z = np.random.default_rng(1).normal(size=(50, 10))
    z[7] = near_tangency(p, z[7], 1e-9)
    z[9] = np.nan
    iat = IAT(p, basis("pwq", 4))
    default, certified = iat.pattern(z), iat.pattern(z, certified=True)
    assert certified.certified.sum() == 49 and not certified.certified[9]
    assert default.flagged[7] and default.flagged.sum() == 1
    for i in range(50):
        if i not in (7, 9):
            np.testing.assert_array_equal(certified.positions(i), default.positions(i))
    np.testing.assert_allclose(iat.apply(certified, z), iat(z), atol=1e-12)


@pytest.mark.parametrize("general", [basis("pwl", 3) + basis("fourier", 4), basis("fourier", 5).derivative()])
def test_general_bases(general):
    for name, z in nasty_inputs(general, seed=2).items():
        expected = true_count(general, z)
        found, certified, _ = counts(general, z, certified=True)
        assert found == expected or not certified, name


def test_double_double_arithmetic():
    """About 30 digits of everything, against ball arithmetic."""
    rng = np.random.default_rng(0)
    with ctx.workprec(200):
        check_sine_cosine(rng)
    a, b = Fraction(1, 3), Fraction(-7, 11)
    product = dd.multiply(dd.split(a), dd.split(b))
    assert abs(sum(map(Fraction, product)) / (a * b) - 1) < 1e-31
    total = dd.add(dd.split(a), dd.split(b))
    assert abs(sum(map(Fraction, total)) / (a + b) - 1) < 1e-31


def check_sine_cosine(rng):
    for x in [*rng.uniform(-1, 1, 50), 0.0, 0.25, 0.5, 1.0, -1.0, -0.75, 1e-20]:
        sine, cosine = dd.sine_cosine((x, 0.0))
        for value, exact in ((sine, arb(x).sin_pi()), (cosine, arb(x).cos_pi())):
            assert abs(arb(value[0]) + arb(value[1]) - exact) < 4e-31
