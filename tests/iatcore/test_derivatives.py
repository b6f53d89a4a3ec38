"""Derivatives that come from the motion of the crossings, against ball arithmetic and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PPoly

import iatcore
from iatcore import IAT, Gate, SingularWarning, basis, gates, reference
from iatcore.bases import FAMILIES
from tests.cases import PAIRS, near_tangency

GATES = {
    "relu": gates.relu(),
    "absolute": gates.absolute(),
    "jumps": Gate((-0.5, 0.4), (0.0, 1.0, 0.3)),
    "ten intervals": gates.tmaf([-1.4, -0.92, -0.56, -0.26, 0, 0.26, 0.56, 0.92, 1.4], np.linspace(-1, 1, 10) ** 2),
}


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def differences(function, x, h=1e-6):
    """Central differences of a function of one vector; the last axis is that of x."""
    return np.stack([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(x.size)], axis=-1)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_against_ball_arithmetic(first, second, gate):
    iat, judge = (kind(basis(first, 5), basis(second, 4), GATES[gate]) for kind in (IAT, reference.IAT))
    z, g, v = rows(2, 5), rows(2, 4, seed=1), rows(2, 5, seed=2)
    expected = judge.hessian(z)
    size = max(1.0, np.abs(expected).max())
    h = iat.hessian(z)
    # roots here are well apart
    assert np.linalg.norm(h - expected) <= 1e-12 * max(1.0, np.linalg.norm(expected))
    np.testing.assert_allclose(h, h.transpose(0, 1, 3, 2), rtol=0, atol=1e-14 * size)
    contracted = np.einsum("bijl,bi,bl->bj", expected, g, v)
    np.testing.assert_allclose(iat.hessian_vjp(z, g, v), contracted, rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(iat.vjp(z, g), judge.vjp(z, g), rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(iat.jvp(z, v), judge.jvp(z, v), rtol=0, atol=1e-13 * size)


@pytest.mark.parametrize("first", ["pwl", "pwq", "fourier"])
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_error_grows_as_the_inverse_of_the_slope(first, gap):
    """S and the Hessian are within C eps / min |f'(r)| of the exact ones, C = 100."""
    p, q = basis(first, 6), basis("pwl", 4)
    z = near_tangency(p, rows(6, seed=3), gap)
    if z is None:
        pytest.skip("no extremum inside (-1, 1)")
    iat, judge = IAT(p, q), reference.IAT(p, q)
    pattern = iat.pattern(z)
    slope = np.abs(z @ p.derivative().on_pieces(pattern.piece, pattern.positions(0))).min() / np.abs(z).max()
    limit = 100 * 2.2e-16 / slope
    s, h = judge.activation_matrix(z), judge.hessian(z)
    assert np.abs(iat.activation_matrix(z) - s).max() <= limit * np.abs(s).max()
    # the Hessian is itself an inverse slope: its relative error is that of the slope at a root that is off by eps/slope
    assert np.abs(iat.hessian(z) - h).max() <= limit / slope * np.abs(h).max()


def test_general_bases():
    """A mixture, a cubic spline, jumps inside, against differences of the exact Jacobian."""
    rng = np.random.default_rng(5)
    cubic = basis(PPoly(rng.normal(size=(4, 3, 3)), [-1.0, -0.3, 0.4, 1.0]))
    for p in (cubic, basis("pwl", 3) + basis("fourier", 3), basis("pwq", 4, scale=3.0)):
        for gate in (gates.relu(), GATES["jumps"]):
            iat, z = IAT(p, basis("fourier", 3), gate), rows(p.size, seed=6)
            expected = differences(lambda x, iat=iat: iat.jvp(np.tile(x, (x.size, 1)), np.eye(x.size)).T, z)
            size = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(iat.hessian(z), expected, rtol=0, atol=1e-6 * size)


@pytest.mark.parametrize(
    ("p", "q", "z"),
    [
        (basis("pwl", 3), basis("pwl", 3), [1.0, 0.0, -1.0]),
        (basis("pwl", 3), basis("rect", 2), [1.0, 0.0, -2.0]),
        (basis("fourier", 3), basis("rect", 2), [1.0, 0.0, 0.0]),
        (basis("pwq", 4), basis("rect", 4), [1.0, 1.0, -1.0, -1.0]),
    ],
)
def test_crossing_at_a_breakpoint_counts_half_from_each_side(p, q, z):
    np.testing.assert_allclose(IAT(p, q).hessian(z), reference.IAT(p, q).hessian(z), rtol=0, atol=1e-12)


def parabola(vertex):
    """``(s - vertex)^2`` on [-1, 1]."""
    return basis(PPoly(np.array([[[1.0]], [[-2.0 * (1 + vertex)]], [[(1 + vertex) ** 2]]]), [-1.0, 1.0]))


@pytest.mark.parametrize(
    ("p", "z"),
    [
        (basis("fourier", 4), np.zeros(4)),
        (parabola(0.25) + basis("rect", 1), np.array([1.0, 0.0])),
        (basis("pwq", 4), np.zeros(4)),
        (basis("rect", 4), np.array([1.0, 0.0, 2.0, 1.0])),
        (basis("pwl", 5), np.array([1.0, 0.0, 0.0, 1.0, -1.0])),
    ],
)
def test_no_second_derivative_is_said(p, z):
    """At z = 0, at double roots, and where f equals a level on an interval."""
    iat, other = IAT(p, basis("pwl", 2)), rows(p.size, seed=20)
    regular = iat.hessian(other)
    with pytest.warns(SingularWarning, match="in 1 of 2 rows, the first is row 1"):
        both = iat.hessian(np.stack([other, z]))
    np.testing.assert_array_equal(both[0], regular)
    assert np.isnan(both[1]).all()
    # what automatic differentiation uses leaves such places out and stays finite
    assert np.isfinite(iat.hessian_vjp(z, np.ones(2), np.ones(p.size))).all()


def test_tangent_waves_have_no_second_derivative():
    """1 + cos(2 pi s), as a mixture, has double roots at -1/2 and 1/2."""
    p = basis("rect", 1) + basis("fourier", 4)
    with pytest.warns(SingularWarning):
        assert np.isnan(IAT(p, basis("pwl", 2)).hessian([1.0, 0.0, 0.0, 0.0, 1.0])).all()


def test_scale_and_dtype():
    iat, z = IAT(basis("pwq", 5), basis("pwl", 4)), rows(3, 5)
    for scale in (2.0**-500, 2.0**500):
        np.testing.assert_array_equal(iat.hessian(z * scale), iat.hessian(z) / scale)
    assert iat.hessian(z.astype(np.float32)).dtype == np.float32
    assert iat.hessian(z[None]).shape == (1, 3, 4, 5, 5)
    z[1, 2] = np.nan
    h = iat.hessian(z)
    assert np.isnan(h[1]).all() and np.isfinite(h[[0, 2]]).all()


@pytest.mark.parametrize("gate", ["jumps", "ten intervals"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_gradients_of_the_gate(first, second, gate):
    p, q, gate = basis(first, 5), basis(second, 4), GATES[gate]
    z, g = rows(3, 5, seed=7), rows(3, 4, seed=8)
    slopes, points = IAT(p, q, gate).gate_vjp(z, g)

    def by_slopes(t):
        return (IAT(p, q, Gate(gate.breakpoints, tuple(t)))(z) * g).sum(-1)

    def by_points(s):
        return (IAT(p, q, Gate(tuple(s), gate.slopes))(z) * g).sum(-1)

    np.testing.assert_allclose(slopes, differences(by_slopes, np.array(gate.slopes), 1e-3), rtol=0, atol=1e-11)
    np.testing.assert_allclose(points, differences(by_points, np.array(gate.breakpoints)), rtol=0, atol=1e-6)
    if first == "rect":
        assert not points.any()
    slopes, points = IAT(p, q, gate).gate_vjp(z[:0], g[:0])
    assert slopes.shape == (0, len(gate.slopes)) and points.shape == (0, len(gate.breakpoints))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("first", FAMILIES)
def test_motion_of_the_pattern(first, gate):
    """Derivative of S(D(z)) x with respect to z, the weights that make the pattern (IAT (24))."""
    iat = IAT(basis(first, 5), basis("pwq", 4), GATES[gate])
    z, x, g = rows(5, seed=9), rows(5, seed=10), rows(4, seed=11)
    expected = differences(lambda y: iat.apply(iat.pattern(y), x), z)
    np.testing.assert_allclose(iat.pattern_vjp(z, x, g), g @ expected, rtol=0, atol=1e-6)


def test_bad_input():
    iat = IAT(basis("pwl", 3), basis("pwl", 2))
    with pytest.raises(ValueError, match=r"z, g and v must have one leading shape, got \(2,\), \(\), \(2,\)"):
        iat.hessian_vjp(rows(2, 3), rows(2), rows(2, 3))
    with pytest.raises(ValueError, match=r"x must have last dimension 3, got shape \(2,\)"):
        iat.pattern_vjp(rows(3), rows(2), rows(2))
    with pytest.raises(TypeError, match="z must be real numbers"):
        iat.hessian(np.zeros(3, complex))
    assert iatcore.IAT(basis("rect", 3), basis("pwl", 2)).hessian(rows(0, 3)).shape == (0, 2, 3, 3)


@pytest.mark.parametrize("q", ["pwl", "pwq", "fourier"])
@pytest.mark.parametrize("size", [17, 33, 65, 129])
def test_roots_of_a_pure_sine_at_ends_and_knots(size, q):
    """The roots j/k of sin k pi s in closed form: those at -1 and 1 count half, those at knots of q whole."""
    p = iatcore.basis("fourier", size)
    iat = iatcore.IATReLU(p, iatcore.basis(q, 5))
    rng = np.random.default_rng(0)
    g, v = rng.normal(size=5), rng.normal(size=size)
    for h in p.harmonics:
        if h.cosine or h.frequency == 0:
            continue
        k, z = h.frequency, np.zeros(size)
        z[h.index] = 1.0
        roots, weights = np.arange(-k, k + 1) / k, np.ones(2 * k + 1)
        weights[[0, -1]] = 0.5
        at = p(roots)
        # f = factor sin, so |f'| = factor k pi at every root, and the other terms of IAT (22) have the value f there, 0
        expected = at @ (weights * (g @ iat.q(roots)) * (v @ at)) / (abs(h.factor) * k * np.pi)
        error = np.linalg.norm(iat.hessian_vjp(z, g, v) - expected)
        assert error <= 1e-15 * size * np.linalg.norm(expected), k
