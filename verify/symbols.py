"""Symbols and basis functions that the proofs share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy import Rational, cos, pi, sin

import iatcore
from iatcore import Basis

s = sympy.Symbol("s", real=True)
"""The variable of basis functions, in [-1, 1]."""
t = sympy.Symbol("t", real=True)


def reals(names: str) -> tuple[sympy.Symbol, ...]:
    """Real symbols."""
    found = sympy.symbols(names, real=True)
    return found if isinstance(found, tuple) else (found,)


def rational(value: Fraction | int | float) -> Any:
    """A number as the exact sympy number that it is."""
    exact = Fraction(value)
    return Rational(exact.numerator, exact.denominator)


def bernstein(coefficients: Sequence[Any], left: Any, right: Any, x: Any = s) -> Any:
    """The polynomial on [left, right] with given Bernstein coefficients."""
    degree = len(coefficients) - 1
    u = (x - left) / (right - left)
    return sympy.expand(
        sum(
            rational(c) * sympy.binomial(degree, i) * u**i * (1 - u) ** (degree - i) for i, c in enumerate(coefficients)
        )
    )


def on_pieces(basis: Basis) -> tuple[list[tuple[Any, Any]], list[list[Any]]]:
    """A basis as exact expressions in :data:`s`.

    Returns:
        the pieces of [-1, 1], and for every piece a list with one expression for each function.
    """
    knots = [rational(x) for x in basis.knots]
    pieces = list(itertools.pairwise(knots))
    functions = []
    for k, (left, right) in enumerate(pieces):
        row: list[Any] = [sympy.Integer(0)] * basis.size
        for j, c in basis.pieces[k]:
            row[j] += bernstein(c, left, right)
        for h in basis.harmonics:
            row[h.index] += rational(h.amplitude) * pi**h.pi_power * (cos if h.cosine else sin)(h.frequency * pi * s)
        functions.append(row)
    return pieces, functions


def families(size: int) -> dict[str, Basis]:
    """The six families of IAT section 5.1 with ``size`` functions."""
    return {name: iatcore.basis(name, size) for name in ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")}


def integral(basis: Basis, i: int) -> Any:
    """The integral of function i over [-1, 1], exact."""
    pieces, functions = on_pieces(basis)
    total: Any = sum(sympy.integrate(row[i], (s, a, b)) for (a, b), row in zip(pieces, functions, strict=True))
    return sympy.simplify(total)
