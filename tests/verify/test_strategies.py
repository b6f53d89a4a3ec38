"""Identities of the papers on random bases, gates and inputs; these also exercise the strategies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import iatcore
from iatcore import operators, reference
from verify import strategies
from verify.strategies import check_matrix_activation, hard_coefficients


@st.composite
def cases(draw, continuous=True):
    iat = draw(strategies.transforms(6, continuous))
    return iat, draw(strategies.coefficients(iat.in_size, rows=3))


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([0.5, 2.0, 1024.0]))
def test_homogeneous(case, factor):
    """IAT (23) for factors > 0."""
    iat, z = case
    u = iat(z)
    np.testing.assert_allclose(iat(factor * z), factor * u, atol=1e-13 * factor * (1 + np.abs(z).max()) * 40)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_linear_form(case):
    """u = S(z) z, IAT (17)."""
    iat, z = case
    s = iat.activation_matrix(z)
    size = np.linalg.norm(np.einsum("bij,bj->bi", np.abs(s), np.abs(z)), axis=1)
    # where S vanishes by cancellation over [-1, 1] only rounding of the integrand is left
    bound = 1e-14 * (size + np.abs(z).max(axis=1))
    assert np.all(np.linalg.norm(iat(z) - np.einsum("bij,bj->bi", s, z), axis=1) <= bound)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_reference_in_ball_arithmetic(case):
    iat, z = case
    judge = reference.IAT(iat.p, iat.q, iat.gate)
    slope = max(map(abs, iat.gate.slopes), default=0) + 1
    for row in z:
        bound = 1e-13 * np.linalg.norm(judge.magnitude(row)) * slope
        assert np.linalg.norm(iat(row) - judge(row)) <= bound


@settings(max_examples=40, deadline=None)
@given(strategies.bases(), st.integers(0, 2**32 - 1))
def test_both_signs_share_out_the_interval(p, seed):
    """D(z) and D(-z) fill [-1, 1] up to where f vanishes."""
    iat = iatcore.IATReLU(p, iatcore.basis("rect", 1))
    z = np.random.default_rng(seed).normal(size=p.size)
    total = iat.pattern(z).measure() + iat.pattern(-z).measure()
    assert total <= 2 + 1e-12


@pytest.mark.parametrize("p", ["pwl", "pwq", "fourier", "pwl-w", "rect"])
def test_transforms_are_matrix_activations(p):
    basis = iatcore.basis(p, 5)
    iat = iatcore.IATReLU(basis, iatcore.basis("pwq", 3))
    check_matrix_activation(iat, 5, homogeneous=True, continuous=p != "rect")
    check_matrix_activation(iat, 5, vectors=hard_coefficients(basis), continuous=p != "rect")


def test_operators_are_matrix_activations():
    for bands in ((0,), (-1, 0, 1)):
        op = operators.TMAF(bands=bands)
        op.values = [np.random.default_rng(1).standard_normal(v.shape) for v in op.values]
        check_matrix_activation(op, 6)
    check_matrix_activation(operators.AReLU(), 6, homogeneous=True, continuous=True)
    check_matrix_activation(operators.TMAF(pattern=np.ones((4, 4)), sharing="neuron"), 4)


class _Wrong:
    def __init__(self, fault):
        self.fault = fault

    def __call__(self, z):
        z = np.asarray(z)
        u = np.maximum(z, 0.0)
        if self.fault == "linear":
            return u + 1e-6
        if self.fault == "rows":
            return u + 1e-6 * z.mean(axis=0) if z.ndim > 1 else u
        return u * np.where(np.abs(z) > 1, 1.0, 2.0) if self.fault == "homogeneous" else u

    def matrix(self, z):
        slopes = (np.asarray(z) > 0) * 1.0
        if self.fault == "homogeneous":
            slopes = slopes * np.where(np.abs(z) > 1, 1.0, 2.0)
        if self.fault == "gradient":
            # also S z = u, but not the gradient
            total = np.maximum(z, 0.0)
            n = len(total)
            return np.outer(total, np.sign(z)) / max(np.abs(z).sum(), 1e-300) if np.any(z) else np.zeros((n, n))
        return np.diag(slopes)


class _Sort:
    """Continuous, and S changes wherever two entries meet."""

    def __call__(self, z):
        return np.sort(z)

    def matrix(self, z):
        return np.eye(len(z))[np.argsort(z, kind="stable")]


class _Jump:
    """``a(t) t`` with another slope above 1e-9 times the largest entry: a jump, and not a large one."""

    def matrix(self, z):
        z = np.asarray(z)
        return np.diag(np.where(z > 1e-9 * np.abs(z).max(), 2.0, 1.0))

    def __call__(self, z):
        z = np.asarray(z)
        return np.stack([self(row) for row in z]) if z.ndim > 1 else self.matrix(z) @ z


def test_continuity_is_decided_where_the_matrix_changes():
    close = st.lists(st.sampled_from([0.0, 1e-9, 1e-5, 1.0]), min_size=5, max_size=5).map(np.array)
    for vectors in (None, close):
        check_matrix_activation(_Sort(), 5, vectors=vectors, homogeneous=True, continuous=True)
    with pytest.raises(AssertionError, match="no jump from z"):
        check_matrix_activation(_Jump(), 3, continuous=True, tolerance=1e-12)


@pytest.mark.parametrize("fault", ["linear", "homogeneous", "gradient", "rows"])
def test_faults_are_found(fault):
    with pytest.raises(AssertionError, match=r"linear form|u\(|S\(|gradient|jump|row"):
        check_matrix_activation(_Wrong(fault), 3, homogeneous=True, continuous=True)
    with pytest.raises(TypeError, match="must be callable and have"):
        check_matrix_activation(np.tanh, 3)
