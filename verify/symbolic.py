"""Exact closed forms of u and S on a sign cell: the inputs around one z whose roots lie in the same pieces.

On a sign cell every root is a formula in z (pieces of degree at most 2; one frequency), so u and S are expressions in
z that sympy can differentiate.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Matrix, Rational, atan2, floor, pi, sqrt

from iatcore import Basis

from .symbols import on_pieces, rational, reals, s


class NotClosed(ValueError):
    """No formula for the roots: a piece of degree above 2, or more than one frequency."""


@dataclass(frozen=True)
class SignCell:
    """Closed forms that hold near one input.

    Attributes:
        z: symbols.
        at: the input, rational.
        roots: formulas of the roots inside (-1, 1), in the order of their pieces.
        S: (d_out, d_in) expressions in z.
        u: (d_out, 1), ``S z``.
        ends: a symbol for each root.
        by_ends: S with these symbols in place of the formulas.
        pieces: for each root, the functions of p and those of q on its piece, as expressions in s.
    """

    z: tuple[sympy.Symbol, ...]
    at: tuple[Any, ...]
    roots: tuple[Any, ...]
    S: Matrix
    u: Matrix
    ends: tuple[sympy.Symbol, ...]
    by_ends: Matrix
    pieces: tuple[tuple[list[Any], list[Any]], ...]

    def value(self, digits: int = 40) -> tuple[list[Any], list[Any]]:
        """u and S (row by row) at the input, to a number of digits."""
        where: Any = dict(zip(self.z, self.at, strict=True))
        u: Any = self.u
        S: Any = self.S
        return [e.subs(where).evalf(digits) for e in u], [e.subs(where).evalf(digits) for e in S]


def sign_cell(p: Basis, q: Basis, at: Sequence[Fraction | int | float]) -> SignCell:
    """u and S of IAT-ReLU as expressions in z around one input, where no root may be double or lie at a breakpoint.

    Args:
        p, q: named bases, or others whose roots have formulas.
        at: the input, as many numbers as p has functions; taken exactly.

    Raises:
        NotClosed: a basis for which roots have no formula here.
        ValueError: ``at`` has not as many entries as p, or a root there is double or lies at a breakpoint.
    """
    if len(at) != p.size:
        raise ValueError(f"at must have {p.size} entries, got {len(at)}")
    z = reals(" ".join(f"z{j + 1}" for j in range(p.size)))
    point = dict(zip(z, map(rational, at), strict=True))
    roots: dict[sympy.Symbol, Any] = {}
    pieces: list[tuple[list[Any], list[Any]]] = []
    by_ends = sympy.zeros(q.size, p.size)
    for left, right, inputs, outputs in _common_pieces(p, q):
        f: Any = sum(v * e for v, e in zip(z, inputs, strict=True))
        inside = _roots_in(f, point, left, right)
        marks = [sympy.Symbol(f"r{len(roots) + k + 1}", real=True) for k in range(len(inside))]
        roots |= {mark: root for mark, (root, _) in zip(marks, inside, strict=True)}
        pieces += [(inputs, outputs)] * len(inside)
        ends = [left, *marks, right]
        values = [left, *(value for _, value in inside), right]
        for (a, b), (low, high) in zip(itertools.pairwise(ends), itertools.pairwise(values), strict=True):
            middle = f.subs(point).subs(s, (low + high) / 2) if f != 0 else sympy.Integer(0)
            if sympy.sign(sympy.N(middle, 30)) > 0:
                by_ends += Matrix(
                    q.size, p.size, lambda i, j, a=a, b=b, x=inputs, y=outputs: _moment(y[i] * x[j], a, b)
                )
    S = by_ends.subs(roots)
    found = tuple(roots.values())
    return SignCell(z, tuple(point.values()), found, S, S * Matrix(z), tuple(roots), by_ends, tuple(pieces))


def _common_pieces(p: Basis, q: Basis) -> list[tuple[Any, Any, list[Any], list[Any]]]:
    """Pieces of the common refinement with the functions of both bases."""
    (cells_p, functions_p), (cells_q, functions_q) = on_pieces(p), on_pieces(q)
    knots = sorted({x for cell in [*cells_p, *cells_q] for x in cell})
    result = []
    for left, right in itertools.pairwise(knots):
        rows = []
        for cells, functions in ((cells_p, functions_p), (cells_q, functions_q)):
            k = next(k for k, (a, b) in enumerate(cells) if a <= left and right <= b)
            rows.append(functions[k])
        result.append((left, right, *rows))
    return result


def _moment(integrand: Any, a: Any, b: Any) -> Any:
    if integrand == 0:
        return sympy.Integer(0)
    antiderivative = _antiderivative(sympy.expand(integrand))
    return antiderivative.subs(s, b) - antiderivative.subs(s, a)


@functools.cache
def _antiderivative(integrand: Any) -> Any:
    return sympy.integrate(integrand, s)


def _roots_in(f: Any, point: dict[Any, Any], left: Any, right: Any) -> list[tuple[Any, Any]]:
    """Formulas of the roots inside a piece, with their values at the point, in ascending order."""
    if f == 0 or not f.has(s):
        return []
    formulas = _polynomial_roots(f, point) if f.is_polynomial(s) else _wave_roots(f, point, left, right)
    found = []
    for formula in formulas:
        value = formula.subs(point)
        number = sympy.N(value, 40)
        if number.is_real and sympy.N(left, 40) < number < sympy.N(right, 40):
            found.append((formula, value))
        elif number in (sympy.N(left, 40), sympy.N(right, 40)):
            raise ValueError(f"at must not have a root at a breakpoint, got one at {value}")
    found.sort(key=lambda pair: float(pair[1]))
    if any(sympy.N(b[1] - a[1], 30) == 0 for a, b in itertools.pairwise(found)):
        raise ValueError(f"at must not have a double root, got one at {found[0][1]}")
    return found


def _polynomial_roots(f: Any, point: dict[Any, Any]) -> list[Any]:
    c = sympy.Poly(f, s).all_coeffs()[::-1]
    while len(c) > 1 and c[-1].subs(point) == 0:
        raise ValueError("at must not make a leading coefficient vanish: choose other numbers")
    if len(c) == 2:
        return [-c[0] / c[1]]
    if len(c) == 3:
        root = sqrt(c[1] ** 2 - 4 * c[0] * c[2])
        return [(-c[1] - root) / (2 * c[2]), (-c[1] + root) / (2 * c[2])]
    raise NotClosed(f"pieces must have degree at most 2, got {len(c) - 1}")


def _wave_roots(f: Any, point: dict[Any, Any], left: Any, right: Any) -> list[Any]:
    """Roots of ``a sin(k pi s) + b cos(k pi s)``."""
    waves = {e for e in sympy.expand(f).atoms(sympy.sin, sympy.cos)}
    frequencies = {e.args[0] for e in waves}
    if len(frequencies) != 1:
        raise NotClosed("trigonometric state functions must have one frequency")
    angle = frequencies.pop()
    a, b = f.coeff(sympy.sin(angle)), f.coeff(sympy.cos(angle))
    if sympy.expand(f - a * sympy.sin(angle) - b * sympy.cos(angle)) != 0:
        raise NotClosed("trigonometric state functions must have no constant")
    k = angle / (pi * s)
    # a sin x + b cos x vanishes where x = -atan2(b, a) modulo pi
    start = -atan2(b, a) / (k * pi)
    shift = floor((left - start.subs(point)) * k)
    first = int(sympy.N(shift))
    count = int(sympy.ceiling((right - left) * k)) + 2
    return [start + Rational(first + m) / k for m in range(count)]
