"""Tables 2 and 3 of the TMAF paper."""

from __future__ import annotations

from fractions import Fraction

import sympy
from sympy import Rational, cos, pi, sin

from ...ledger import Proof, claim
from ...symbols import s

TMAF_ACCURACY = {"MNIST": ("91.8", "92.2", "91.5"), "CIFAR-10": ("77.5", "80.2", "78.1")}
"""ReLU, TMAF, parametric ReLU."""


@claim("TMAF-T2a", "table 2", "For the oscillating function the tri-diagonal TMAF has the least loss, then the "
       "diagonal one; both are more than 15 times below ReLU and parametric ReLU.")  # fmt: skip
def tmaf_losses(proof: Proof) -> None:
    relu, diagonal, tridiagonal = Fraction("1.00"), Fraction("6.45e-2"), Fraction("5.81e-2")
    proof.holds(tridiagonal < diagonal < relu, "5.81e-2 < 6.45e-2 < 1.00")
    proof.holds(relu / diagonal > 15 and relu / tridiagonal > 15, "1.00 is 15.5 and 17.2 times the other two")


@claim("TMAF-T2b", "table 2", "The low frequency part sin(pi x) of the function (9) alone has the mean square error 1, "
       "which is the printed loss of the ReLU networks.")  # fmt: skip
def low_frequency(proof: Proof) -> None:
    rest, low = sin(100 * pi * s) + cos(50 * pi * s), sin(pi * s)
    square = sympy.integrate(sympy.expand(rest**2), (s, -1, 1)) / 2
    proof.equal(square, 1, "the mean square of sin(100 pi x) + cos(50 pi x) on [-1, 1] is exactly 1")
    proof.equal(sympy.integrate(sympy.expand(rest * low), (s, -1, 1)), 0, "it is orthogonal to sin(pi x)")
    whole = sympy.integrate(sympy.expand((rest + low) ** 2), (s, -1, 1)) / 2
    proof.equal(whole, Rational(3, 2), "the constant 0 would have the loss 3/2")


@claim("TMAF-T3", "table 3", "TMAF has the best accuracy for MNIST and for CIFAR-10.")
def tmaf_best(proof: Proof) -> None:
    for name, row in TMAF_ACCURACY.items():
        relu, tmaf, prelu = (Fraction(v) for v in row)
        proof.holds(tmaf > max(relu, prelu), f"{name}: by {float(tmaf - max(relu, prelu)):.1f} points")
