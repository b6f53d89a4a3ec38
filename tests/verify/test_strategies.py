"""Identities of the papers on random bases, gates and inputs; these also exercise the strategies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import iatcore
from iatcore import reference
from verify import strategies


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
