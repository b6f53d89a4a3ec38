"""Claims of the IAT paper for every pair of families, by closed forms on a sign cell."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy
from sympy import Matrix, atan2

import iatcore

from ..ledger import Proof, claim
from ..symbolic import SignCell, sign_cell

AT = (Fraction(7, 5), Fraction(-3, 4))
FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
SCALE = sympy.Symbol("a", positive=True)


def _scaled(root: Any, cell: SignCell) -> Any:
    """The root at a z; atan2(a y, a x) = atan2(y, x) for a > 0, which sympy does not know."""
    result = root.subs({v: SCALE * v for v in cell.z}, simultaneous=True)
    return result.replace(atan2, lambda y, x: atan2(sympy.cancel(y / SCALE), sympy.cancel(x / SCALE)))


def _vanishes(expression: Any) -> bool:
    """Whether an expression is 0.

    Sines and cosines become symbols, roots of D symbols R with R^2 = D, by which the numerator is reduced. If the
    result is 0 so is the expression. Else sympy simplifies it.
    """
    waves = {e: sympy.Dummy() for e in expression.atoms(sympy.sin, sympy.cos, sympy.atan2)}
    plain = expression.xreplace(waves)
    roots = {e.base: sympy.Dummy() for e in plain.atoms(sympy.Pow) if e.exp.is_Rational and e.exp.q == 2}
    for base, symbol in roots.items():
        plain = plain.replace(
            lambda e, base=base: e.is_Pow and e.base == base and e.exp.is_Rational and e.exp.q == 2,
            lambda e, symbol=symbol: symbol ** (2 * e.exp),
        )
    numerator = sympy.expand(sympy.fraction(sympy.together(plain))[0])
    for base, symbol in roots.items():
        numerator = sympy.expand(sympy.rem(numerator, symbol**2 - base, symbol))
    return numerator == 0 or sympy.simplify(expression) == 0


def _register(name: str) -> None:
    @claim(
        f"IAT-21-{name}",
        "(17), (21), (23)",
        f"{name} input, every family as output, d = 2: du/dz = S, J z = u, and u(a z) = a u(z) for a > 0.",
    )
    def closed_forms(proof: Proof) -> None:
        p = iatcore.basis(name, 2)
        proof.note(f"The sign cell of z = ({AT[0]}, {AT[1]}): u = S z with expressions in z1, z2, roots as formulas.")
        for output in FAMILIES:
            cell = sign_cell(p, iatcore.basis(output, 2), AT)
            difference = [e for e in cell.u.jacobian(Matrix(cell.z)) - cell.S]
            proof.holds(all(_vanishes(e) for e in difference), f"{name}/{output}: du/dz - S simplifies to 0")
        proof.note(
            "So J z = S z = u. S depends on z through the roots alone, so it is homogeneous of degree 0 if they are:"
        )
        for root in cell.roots:
            proof.holds(sympy.simplify(_scaled(root, cell) - root) == 0, f"the root {root} is the same at a z")


for _name in FAMILIES:
    _register(_name)
