"""Closed forms on sign cells agree with the core at rational points, and with its derivatives."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

import iatcore
from verify.symbolic import NotClosed, sign_cell

NAMES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
AT = (Fraction(-1, 3), Fraction(5, 7))


@pytest.mark.parametrize("q", NAMES)
@pytest.mark.parametrize("p", NAMES)
def test_the_core_agrees_to_the_last_digits(p, q):
    iat = iatcore.IATReLU(iatcore.basis(p, 2), iatcore.basis(q, 2))
    z = np.array([float(x) for x in AT])
    # at the doubles themselves, which are not quite these fractions
    exact = sign_cell(iat.p, iat.q, [Fraction(float(x)) for x in AT])
    u, S = exact.value()
    # functions are at most 1, or 2 for wavelets, on an interval of length 2
    yardstick = 4 * np.finfo(float).eps * 2 * np.abs(z).sum()
    np.testing.assert_allclose(iat(z), [float(v) for v in u], rtol=0, atol=yardstick)
    np.testing.assert_allclose(iat.activation_matrix(z).reshape(-1), [float(v) for v in S], atol=2e-15)
    crossings = sum(len(interval) for interval in iat.pattern(z).intervals(0)) - 2
    assert p.startswith("rect") or crossings <= len(exact.roots) <= crossings + 2


@pytest.mark.parametrize(("p", "q"), [("pwl", "pwq"), ("fourier", "rect"), ("pwq", "pwl")])
def test_second_derivatives_are_the_hessian(p, q):
    iat = iatcore.IATReLU(iatcore.basis(p, 2), iatcore.basis(q, 2))
    at = (Fraction(7, 5), Fraction(-3, 4))
    cell = sign_cell(iat.p, iat.q, at)
    where: Any = dict(zip(cell.z, cell.at, strict=True))
    entries: Any = cell.u
    expected = [[[float(u.diff(a, b).subs(where).evalf(30)) for b in cell.z] for a in cell.z] for u in entries]
    np.testing.assert_allclose(iat.hessian(np.array([1.4, -0.75])), expected, atol=1e-12)


def test_three_functions():
    iat = iatcore.IATReLU(iatcore.basis("pwl", 3), iatcore.basis("pwl", 3))
    at = (Fraction(1), Fraction(-2, 5), Fraction(7, 10))
    cell = sign_cell(iat.p, iat.q, at)
    assert len(cell.roots) == 2
    assert sympy.simplify(cell.u.jacobian(sympy.Matrix(cell.z)) - cell.S) == sympy.zeros(3, 3)


def test_what_has_no_formula_is_said():
    rect = iatcore.basis("rect", 1)
    with pytest.raises(NotClosed, match="one frequency"):
        sign_cell(iatcore.basis("fourier", 3), rect, (1, 1, 1))
    with pytest.raises(ValueError, match="at must have 2 entries, got 1"):
        sign_cell(iatcore.basis("pwl", 2), rect, (1,))
    with pytest.raises(ValueError, match="root at a breakpoint"):
        sign_cell(iatcore.basis("pwl", 2), rect, (1, 0))
