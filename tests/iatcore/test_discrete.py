"""The M-point transform against its formula, and its convergence to the exact one."""

from __future__ import annotations

import numpy as np
import pytest

from iatcore import IAT, basis, gates
from tests.cases import PAIRS

SMOOTH = ("pwl", "pwq", "fourier", "pwl-w")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_formula(first, second):
    p, q, mesh = basis(first, 4), basis(second, 3), 37
    z = np.random.default_rng(0).normal(size=(5, 4))
    s = -1 + (np.arange(mesh) + 0.5) * 2 / mesh
    f = z @ p(s)
    discrete = IAT(p, q).discretize(mesh)
    np.testing.assert_allclose(discrete(z), 2 / mesh * np.maximum(f, 0) @ q(s).T, atol=1e-14)
    jacobian = np.stack([2 / mesh * (q(s) * (row > 0)) @ p(s).T for row in f])
    np.testing.assert_allclose(discrete.activation_matrix(z), jacobian, atol=1e-14)
    g, v = np.ones(3), np.arange(4.0)
    np.testing.assert_allclose(discrete.vjp(z, g), np.einsum("bij,i->bj", jacobian, g), atol=1e-14)
    np.testing.assert_allclose(discrete.jvp(z, v), np.einsum("bij,j->bi", jacobian, v), atol=1e-14)


@pytest.mark.parametrize("first", SMOOTH)
@pytest.mark.parametrize("second", SMOOTH)
def test_second_order_for_continuous_bases(first, second):
    iat = IAT(basis(first, 5), basis(second, 5))
    z = np.random.default_rng(1).normal(size=(40, 5))
    exact = iat(z)
    errors = [np.sqrt(np.mean((iat.discretize(m)(z) - exact) ** 2)) for m in (100, 400, 1600)]
    orders = np.log(np.divide(errors[:-1], errors[1:])) / np.log(4)
    assert np.all(orders > 1.8), orders


def test_exact_on_a_fitting_mesh_for_cells():
    iat = IAT(basis("rect", 5), basis("rect", 5))
    z = np.random.default_rng(2).normal(size=(4, 5))
    np.testing.assert_allclose(iat.discretize(20)(z), iat(z), atol=1e-15)


def test_dtypes_and_bad_rows():
    discrete = IAT(basis("pwl", 3), basis("pwl", 2), gates.leaky_relu(0.1)).discretize(10)
    assert discrete(np.ones((2, 3), np.float32)).dtype == np.float32
    u = discrete(np.array([[1.0, np.nan, 0], [1, 2, 3]]))
    assert np.isnan(u[0]).all() and np.isfinite(u[1]).all()
    assert discrete(np.empty((0, 3))).shape == (0, 2)
    with pytest.raises(ValueError, match="z must have last dimension 3"):
        discrete(np.ones(4))
