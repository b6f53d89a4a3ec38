"""The transform with smooth activations, against scipy's adaptive quadrature and against itself on a fine mesh."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from iatcore import IAT, Smooth, SmoothIAT, basis, gates, smooth_functions
from tests.cases import PAIRS

FUNCTIONS = {name: getattr(smooth_functions, name) for name in ("tanh", "gelu", "softplus", "sigmoid", "sine")}


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize(("first", "second"), [("fourier", "pwq"), ("rect", "rect-w"), ("pwl-w", "fourier")])
def test_against_quadpack(first, second, scale, name):
    p, q, sigma = basis(first, 6), basis(second, 3), FUNCTIONS[name]
    z = rows(6, seed=1) * scale
    u, error = SmoothIAT(p, q, sigma).with_error(z)
    ends = np.union1d(p.breakpoints, q.breakpoints)
    for i in range(3):
        expected = sum(
            quad(lambda s, i=i: q(s)[i] * sigma(z @ p(s)), a, b, epsabs=1e-12, epsrel=1e-10, limit=400)[0]
            for a, b in pairwise(ends)
        )
        assert abs(u[i] - expected) <= 1e-10 * np.linalg.norm(u) + 3e-12 + error
    assert error <= 1e-11 * max(np.linalg.norm(u), np.abs(sigma(z @ p(np.linspace(-1, 1, 50)))).max())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_error_estimates_hold(first, second):
    """Against a tolerance a thousand times smaller."""
    p, q, z = basis(first, 5), basis(second, 4), rows(20, 5, seed=2) * 10
    fine = SmoothIAT(p, q, smooth_functions.tanh, tolerance=1e-14)(z)
    for tolerance in (1e-4, 1e-9):
        u, error = SmoothIAT(p, q, smooth_functions.tanh, tolerance=tolerance).with_error(z)
        assert (np.linalg.norm(u - fine, axis=1) <= error).all()


def test_a_kink_costs_halvings_and_some_trust():
    """An estimate cannot see a lobe between two nodes; gates are for that."""
    p, q, z = basis("fourier", 6), basis("pwq", 4), rows(10, 6, seed=3)
    u, error = SmoothIAT(p, q, lambda t: np.maximum(t, 0), tolerance=1e-10).with_error(z)
    difference = np.linalg.norm(u - IAT(p, q, gates.relu())(z), axis=1)
    assert difference.max() < 1e-7 and error.max() < 1e-9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_against_differences(name):
    iat = SmoothIAT(basis("pwq", 4), basis("fourier", 3), FUNCTIONS[name])
    z, g, v = rows(2, 4), rows(2, 3, seed=4), rows(2, 4, seed=5)
    h = 1e-5
    j = np.stack([(iat(z + h * e) - iat(z - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    np.testing.assert_allclose(iat.jacobian(z), j, atol=1e-9)
    np.testing.assert_allclose(iat.vjp(z, g), np.einsum("bij,bi->bj", iat.jacobian(z), g), atol=1e-12)
    np.testing.assert_allclose(iat.jvp(z, v), np.einsum("bij,bj->bi", iat.jacobian(z), v), atol=1e-12)
    hessian = np.stack([(iat.jacobian(z + h * e) - iat.jacobian(z - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    np.testing.assert_allclose(iat.hessian(z), hessian, atol=1e-8)


def test_mesh_converges_to_it():
    iat, z = SmoothIAT(basis("fourier", 6), basis("pwq", 4), smooth_functions.gelu), rows(6)
    errors = [np.linalg.norm(iat.discretize(m)(z) - iat(z)) for m in (100, 200, 400)]
    assert errors[0] / errors[2] > 12


def test_shapes_dtypes_and_nan():
    iat = SmoothIAT(basis("pwl", 3), basis("pwl", 2), np.tanh)
    z = rows(4, 5, 3)
    assert iat(z).shape == (4, 5, 2) and iat.with_error(z)[1].shape == (4, 5)
    assert iat(z.astype(np.float32)).dtype == np.float32 and iat(np.ones(3, int)).dtype == np.float64
    assert iat(np.zeros((0, 3))).shape == (0, 2)
    np.testing.assert_array_equal(iat(np.zeros(3)), np.zeros(2))
    z[1, 2, 0] = np.nan
    u = iat(z)
    assert np.isnan(u[1, 2]).all() and np.isnan(u).sum() == 2


def test_bad_input():
    p = basis("pwl", 3)
    for tolerance in (0.0, -1.0, np.nan, np.inf, "small"):
        with pytest.raises(ValueError, match="tolerance must be positive and finite, got"):
            SmoothIAT(p, p, np.tanh, tolerance=tolerance)
    with pytest.raises(TypeError, match="function must be callable"):
        SmoothIAT(p, p, "tanh")
    with pytest.raises(ValueError, match="must have its derivative"):
        SmoothIAT(p, p, np.tanh).vjp(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="must have its second"):
        SmoothIAT(p, p, Smooth(np.sin, np.cos)).hessian(np.ones(3))
    with pytest.raises(TypeError, match="SmoothIAT takes functions"):
        IAT(p, p, np.tanh)
