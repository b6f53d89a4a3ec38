"""The scale that keeps the variance of a network of transforms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import iatcore
from iatcore import Basis, Gate, gates
from iatcore.scaling import Activation, expected_square, he_scale

SIGMAS = {
    "relu": gates.relu(),
    "absolute": gates.absolute(),
    "arelu": gates.arelu(),
    "jumping": gates.tmaf([-0.3, 0.0, 0.4], [0.2, 1.0, -0.5, 0.7]),
    "tanh": np.tanh,
}
PAIRS = [("fourier", "pwq"), ("pwl", "rect"), ("rect-w", "pwl-w"), ("pwq", "fourier")]
QUADRATURE = 3e-3  # relative error that the docstring grants, rounded up


def monte_carlo(p: Basis, q: Basis, sigma: Gate | Activation, count: int, mesh: int) -> tuple[float, float]:
    """Mean of |u|**2 on a mesh and its standard error."""
    s = -1 + (2 * np.arange(mesh) + 1) / mesh
    z = np.random.default_rng(0).standard_normal((count, p.size))
    square = ((sigma(z @ p(s)) @ (q(s).T * (2 / mesh))) ** 2).sum(1)
    return float(square.mean()), float(square.std() / np.sqrt(count))


@pytest.mark.parametrize("name", SIGMAS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_against_monte_carlo(first: str, second: str, name: str) -> None:
    p, q = iatcore.basis(first, 6), iatcore.basis(second, 5)
    mean, error = monte_carlo(p, q, SIGMAS[name], count=10_000, mesh=420)  # rect and rect-w are exact there
    # 4 standard errors of a fixed sample, 1% for the mesh (O(1/M) at jumps of sigma)
    assert abs(expected_square(p, q, SIGMAS[name]) - mean) <= 4 * error + (QUADRATURE + 0.01) * mean


@pytest.mark.parametrize("gate", [gates.relu(), gates.absolute(), gates.arelu(), gates.identity()], ids=repr)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_closed_form_agrees_with_expansion(first: str, second: str, gate: Gate) -> None:
    p, q = iatcore.basis(first, 6), iatcore.basis(second, 5)
    closed = expected_square(p, q, gate)
    assert expected_square(p, q, gate.__call__) == pytest.approx(closed, rel=1e-3)


@pytest.mark.parametrize("size", [1, 4, 10])
def test_rect_becomes_relu(size: int) -> None:
    """u = h relu(z) has E |u|**2 = h**2 d / 2, so the scale is 1/h, h = 2/d."""
    p = iatcore.basis("rect", size)
    assert he_scale(p, p, gates.relu()) == pytest.approx(size / 2, rel=1e-12)


def test_identity_is_the_norm_of_a_matrix() -> None:
    """E |A z|**2 = sum of the squares of A = integral of q p^T."""
    p, q = iatcore.basis("fourier", 7), iatcore.basis("pwq", 5)
    x, w = np.polynomial.legendre.leggauss(200)
    edges = np.linspace(-1, 1, 6)
    nodes = ((a + b) / 2 + 0.2 * x for a, b in pairwise(edges))
    matrix = np.sum([(q(s) * w * 0.2) @ p(s).T for s in nodes], axis=0)
    assert expected_square(p, q, gates.identity()) == pytest.approx((matrix**2).sum(), rel=1e-10)


def test_scale_reaches_its_aim() -> None:
    p, q = iatcore.basis("fourier", 8), iatcore.basis("pwl", 6)
    for sigma in SIGMAS.values():
        assert expected_square(p, q.scaled(he_scale(p, q, sigma)), sigma) == pytest.approx(3, rel=1e-12)


def test_functions_that_vanish_together() -> None:
    """sin(pi s) alone is 0 at -1, 0 and 1: no division by the norm there."""
    p = iatcore.basis("fourier", 1)
    assert np.isfinite(he_scale(p, p, gates.relu()))
    assert np.isfinite(he_scale(p, p, np.tanh))


def test_nothing_to_scale() -> None:
    p = iatcore.basis("pwl", 3)
    with pytest.raises(ValueError, match="must be positive and finite"):
        he_scale(p, p.scaled(0), gates.relu())
    with pytest.raises(ValueError, match="must be positive and finite"):
        he_scale(p, p, Gate((), (0.0,)))
