"""Certificates agree with the core where it is right and notice where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from flint import arb, ctx
from scipy.interpolate import PPoly

import iatcore
from iatcore import reference
from verify.certified import certify, enclose, is_inside, ulps_from

NAMES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")


@pytest.mark.parametrize("q", NAMES)
@pytest.mark.parametrize("p", NAMES)
def test_the_core_is_within_a_few_units_of_its_yardstick(p, q):
    iat = iatcore.IATReLU(iatcore.basis(p, 5), iatcore.basis(q, 4))
    for seed in range(3):
        z = np.random.default_rng(seed).standard_normal(5)
        found = certify(iat, z)
        assert found.same_pattern
        assert found.u_error.max() < 1e-14
        assert found.enclosure.radius() < 1e-30
        assert found.u_inside.shape == (4,) and found.matrix_inside.shape == found.matrix_ulps.shape == (4, 5)


def test_balls_hold_what_is_known_exactly():
    # pwl, d = 2: f = z_1 (1 - s)/2 + z_2 (1 + s)/2; z = (-1, 1) gives f = s, D = (0, 1)
    iat = iatcore.IATReLU(iatcore.basis("pwl", 2), iatcore.basis("rect", 1))
    found = enclose(iat, [-1.0, 1.0])
    assert found.u[0].contains(arb("0.5"))
    assert [i.slope for i in found.intervals] == [0, 1]
    assert found.intervals[1].lo.contains(0) and found.decided[0].kind == "root" and found.decided[0].multiplicity == 1
    assert found.matrix[0][0].contains(arb("0.25")) and found.matrix[0][1].contains(arb("0.75"))


def test_distances():
    with ctx.workprec(300):
        third = arb(1) / 3
    assert is_inside(third, 1 / 3) and not is_inside(third, 1 / 3 + 2.0**-53)
    assert ulps_from(arb(1), 1.0) == 0.0
    assert 0 < ulps_from(third, 1 / 3) < 0.5
    assert ulps_from(third, 0.0) == math.inf
    assert not is_inside(third, math.nan)


def test_a_wrong_result_is_noticed(monkeypatch):
    iat = iatcore.IATReLU(iatcore.basis("pwl", 3), iatcore.basis("pwl", 3))
    z = np.array([1.0, -0.4, 0.7])
    assert certify(iat, z).u_error.max() < 1e-15
    right = iat(z)
    monkeypatch.setattr(iatcore.IAT, "__call__", lambda self, _: right * (1 + 1e-9))
    assert certify(iat, z).u_error.max() > 1e-10
    assert not certify(iat, z).u_inside.any()


def test_bad_input_is_named():
    iat = iatcore.IATReLU(iatcore.basis("pwl", 3), iatcore.basis("pwl", 3))
    with pytest.raises(ValueError, match="z must be one finite vector"):
        enclose(iat, [1.0, math.nan, 0.0])


def test_what_cannot_be_decided_names_its_cell(monkeypatch):
    """Roots 1e-60 from the left ends of two cells are out of reach of 128 bits, and in reach of more."""
    # 1 and s - left on [-1, 0) and on [0, 1]
    pieces = PPoly(np.array([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]), [-1.0, 0.0, 1.0])
    iat = iatcore.IATReLU(iatcore.basis(pieces) + iatcore.basis("fourier", 2), iatcore.basis("rect", 1))
    z = [-1e-60, 1.0, 1e-3, 0.0]
    assert len(enclose(iat, z).intervals) == 4
    monkeypatch.setattr(reference, "DOUBLINGS", 0)
    with pytest.raises(ArithmeticError, match=r"end of its cell, in cell 0: \[-1\.0, 0\.0\], at 128 bits"):
        enclose(iat, z, prec=128)
