"""Functions on cells in exact rational arithmetic, and certified roots of their linear combinations.

A cell is ``[left, left + width]``; on it a function is a rational polynomial in the local variable
``t = (s - left)/width`` plus waves ``amplitude pi**w sin(k pi s)`` (or ``cos``) with rational amplitudes.
Only :mod:`iatcore.reference` imports this module.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, wraps
from typing import Any, NamedTuple

from flint import acb, arb, arb_poly, ctx, fmpq, fmpq_poly, fmpz_poly

from .bases import Basis

TAME = fmpq(2) ** 200  # amplitudes that differ by more make clusters near +-i, slow to isolate


class Undecided(ArithmeticError):
    """The working precision was too small; the caller doubles it and tries again."""


class Cell(NamedTuple):
    """``[left, left + width]``."""

    left: fmpq
    width: fmpq


class Wave(NamedTuple):
    """``amplitude pi**pi_power cos(frequency pi s)`` or ``sin``."""

    cosine: bool
    frequency: int
    pi_power: int
    amplitude: fmpq


class Root(NamedTuple):
    """A root at the offset t, exactly 0 or 1 at the ends of the cell; multiplicity None: not known."""

    t: arb
    multiplicity: int | None

    @property
    def at_end(self) -> bool:
        """Whether the root is an end of its cell."""
        return bool(self.t == 0 or self.t == 1)


class Part(NamedTuple):
    """Offsets ``[lo, hi]`` of one cell where the gate has one slope; multiplicity of the root at lo."""

    lo: arb
    hi: arb
    slope: int
    multiplicity: int | None


def rational(value: float | Fraction) -> fmpq:
    """The number as an exact rational."""
    return fmpq(*Fraction(value).as_integer_ratio())


def common_cells(p: Basis, q: Basis) -> list[Cell]:
    """The common refinement of the knots of two bases."""
    knots = sorted({*p.knots, *q.knots})
    return [Cell(rational(a), rational(b - a)) for a, b in itertools.pairwise(knots)]


class Functions:
    """Functions ``h_0, ..., h_{size-1}`` on cells that cover [-1, 1].

    Args:
        size: the number of functions.
        cells: the cells, left to right.
        polys: for each cell the functions with a polynomial part there, as (index, polynomial in t).
        waves: the harmonics, as (index, wave).
    """

    def __init__(
        self,
        size: int,
        cells: Sequence[Cell],
        polys: Sequence[Sequence[tuple[int, fmpq_poly]]],
        waves: Sequence[tuple[int, Wave]],
    ) -> None:
        self.size, self.cells, self.polys, self.waves = size, cells, polys, waves
        self.degree = max((f.degree() for row in polys for _, f in row), default=-1)
        self.max_frequency = max((w.frequency for _, w in waves), default=-1)
        self._factors: dict[tuple[int, int], list[arb]] = {}

    @classmethod
    def of(cls, basis: Basis, cells: Sequence[Cell]) -> Functions:
        """The functions of ``basis``; every knot of it is an end of a cell."""
        knots = [rational(x) for x in basis.knots]
        constants: dict[int, fmpq] = {}
        waves = []
        for h in basis.harmonics:
            wave = Wave(h.cosine, h.frequency, h.pi_power, rational(h.amplitude))
            if h.frequency or (h.cosine and h.pi_power):
                waves.append((h.index, wave))
            elif h.cosine:
                constants[h.index] = constants.get(h.index, fmpq(0)) + wave.amplitude
        polys = []
        for left, width in cells:
            k = bisect_right(knots, left) - 1
            scale = knots[k + 1] - knots[k]
            local = fmpq_poly([(left - knots[k]) / scale, width / scale])
            row = {j: fmpq_poly([c]) for j, c in constants.items()}
            for j, c in basis.pieces[k]:
                row[j] = row.get(j, fmpq_poly()) + _from_bernstein(c)(local)
            polys.append(list(row.items()))
        return cls(basis.size, cells, polys, waves)

    def combined(self, y: Sequence[fmpq]) -> State:
        """The one function ``sum_j y_j h_j``."""
        polys = [sum((y[j] * f for j, f in row), fmpq_poly()) for row in self.polys]
        amplitudes: dict[tuple[bool, int, int], fmpq] = {}
        for j, w in self.waves:
            amplitudes[w[:3]] = amplitudes.get(w[:3], fmpq(0)) + y[j] * w.amplitude
        return State(self.cells, polys, [Wave(*key, a) for key, a in amplitudes.items() if a])

    def position(self, c: int, t: arb) -> arb:
        """``s`` at the offset ``t`` of cell ``c``, its ends rounded once."""
        left, width = self.cells[c]
        return arb(left + width) if t == 1 else arb(left) + width * t

    def values(self, c: int, t: arb, order: int = 0) -> list[arb]:
        """All functions, or derivatives of them with respect to s, from within cell ``c``."""
        result = [arb(0)] * self.size
        for j, f in self.polys[c]:
            for _ in range(order):
                f = f.derivative() / self.cells[c].width
            result[j] += arb(f(int(t == 1))) if t == 0 or t == 1 else arb_poly(f)(t)
        if self.waves:
            table = exponentials(self.position(c, t), self.max_frequency)
            for (j, w), factor in zip(self.waves, self.factors(order), strict=True):
                quarter_turns = order + (0 if w.cosine else 3)
                e = table[w.frequency]
                result[j] += factor * (e.real, -e.imag, -e.real, e.imag)[quarter_turns % 4]
        return result

    def factors(self, order: int = 0) -> list[arb]:
        """``amplitude pi**pi_power (k pi)**order`` of every wave."""
        key = (order, ctx.prec)
        if key not in self._factors:
            self._factors[key] = [
                arb.pi() ** (w.pi_power + order) * (w.amplitude * w.frequency**order) for _, w in self.waves
            ]
        return self._factors[key]

    def wave_integrals(self, a: fmpq_poly, moments: Sequence[Sequence[acb]]) -> Iterator[tuple[int, arb]]:
        """(index, integral of a(t) times the wave), from the moments ``[k][n]`` of ``t**n exp(i k pi s)``."""
        integrals = {k: dot(a, moments[k]) for k in {w.frequency for _, w in self.waves}}
        for (j, w), factor in zip(self.waves, self.factors(), strict=True):
            yield j, factor * (integrals[w.frequency].real if w.cosine else integrals[w.frequency].imag)


def dot(a: fmpq_poly, moments: Sequence[acb]) -> acb:
    """``sum_n a_n moments[n]``."""
    return sum((x * m for x, m in zip(a.coeffs(), moments, strict=False)), acb(0))


def antiderivatives(cell: Cell, t: arb, plan: Sequence[int]) -> list[list[acb]]:
    """Antiderivatives in s of ``t**n exp(i k pi s)`` at t, for n = 0, ..., plan[k]; by parts."""
    powers = [acb(1)]
    for _ in range(max(plan) + 1):
        powers.append(powers[-1] * t)
    result = [[cell.width * powers[n + 1] / (n + 1) for n in range(plan[0] + 1)]]
    waves = exponentials(arb(cell.left) + cell.width * t, len(plan) - 1)
    for k in range(1, len(plan)):
        rate = acb(0, arb.pi() * k)
        row = [waves[k] / rate]
        for n in range(1, plan[k] + 1):
            row.append((powers[n] * waves[k] - n * row[-1] / cell.width) / rate)
        result.append(row)
    return result


def _from_bernstein(coefficients: Sequence[Fraction]) -> fmpq_poly:
    """``sum_m C(n, m) (Delta^m c)_0 t**m``: the forward-difference form of a Bernstein polynomial."""
    row, monomials = [rational(c) for c in coefficients], []
    n = len(row) - 1
    for m in range(n + 1):
        monomials.append(math.comb(n, m) * row[0])
        row = [b - a for a, b in itertools.pairwise(row)]
    return fmpq_poly(monomials)


def exponentials(s: arb, count: int) -> list[acb]:
    """``exp(i k pi s)`` for k = 0, ..., count."""
    sine, cosine = s.sin_cos_pi()
    step, table = acb(cosine, sine), [acb(1)]
    for _ in range(count):
        table.append(table[-1] * step)
    return table


def _naming_cell(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a cell number, with the cell named where it cannot decide."""

    @wraps(method)
    def named(self: State, c: int, *args: Any) -> Any:
        try:
            return method(self, c, *args)
        except Undecided as error:
            left, width = self.cells[c]
            raise Undecided(f"{error}, in cell {c}: [{float(left)}, {float(left + width)}],") from error

    return named


class State(Functions):
    """One function f, with the partition of [-1, 1] into its level sets."""

    def __init__(self, cells: Sequence[Cell], polys: Sequence[fmpq_poly], waves: Sequence[Wave]) -> None:
        super().__init__(1, cells, [[(0, f)] for f in polys], [(0, w) for w in waves])
        self._circle: dict[fmpq, list[tuple[arb, int]]] = {}

    def poly(self, c: int) -> fmpq_poly:
        """The polynomial part on cell ``c``."""
        return self.polys[c][0][1]

    def value(self, c: int, t: arb, order: int = 0) -> arb:
        """f or a derivative of it with respect to s."""
        return self.values(c, t, order)[0]

    def is_level(self, c: int, level: fmpq) -> bool:
        """Whether f is identically ``level`` on cell ``c``."""
        return not self.waves and self.poly(c) == level

    def is_continuous_after(self, c: int) -> bool:
        """Whether f does not jump from cell ``c`` to the next; exact."""
        return self.poly(c)(1) == self.poly(c + 1)(0)

    def partition(self, levels: Sequence[fmpq], side: str) -> list[list[Part]]:
        """For each cell its parts between roots of ``f - level``, with the slope index of the gate on each.

        Roots without a change of sign stay in as ends of parts; where f is identically a level, ``side``
        decides.
        """
        return [
            self._parts(c, [r for level in levels for r in self.roots(c, level) if not r.at_end], levels, side)
            for c in range(len(self.cells))
        ]

    @_naming_cell
    def _parts(self, c: int, inner: Sequence[Root], levels: Sequence[fmpq], side: str) -> list[Part]:
        ends = [Root(arb(0), None), *sorted(inner, key=lambda r: r.t.mid()), Root(arb(1), None)]
        parts = []
        for (lo, multiplicity), (hi, _) in itertools.pairwise(ends):
            middle = ((lo.upper() + hi.lower()) / 2).mid()
            if not (lo < middle and middle < hi):
                raise Undecided("two level crossings cannot be told apart")
            parts.append(Part(lo, hi, self._slope_index(c, middle, levels, side), multiplicity))
        return parts

    def _slope_index(self, c: int, t: arb, levels: Sequence[fmpq], side: str) -> int:
        if self.waves:
            value = self.value(c, t)
            if any(value.contains(level) for level in levels):
                raise Undecided("the sign between two level crossings cannot be decided")
            return sum(1 for level in levels if value > level)
        mantissa, exponent = t.man_exp()
        exact = self.poly(c)(fmpq(mantissa) * fmpq(2) ** int(exponent))
        return (bisect_left if side == "left" else bisect_right)(levels, exact)

    @_naming_cell
    def roots(self, c: int, level: fmpq) -> list[Root]:
        """The distinct roots of ``f - level`` on the closed cell; none where it vanishes identically."""
        poly = self.poly(c) - level
        if not self.waves:
            return polynomial_roots(poly)
        powers, sizes = {w.pi_power for _, w in self.waves}, [abs(w.amplitude) for _, w in self.waves]
        pure = len(powers) == 1 and poly.degree() <= 0 and (poly == 0 or powers == {0})
        if pure and max(sizes) < min(sizes) * TAME:
            return self._circle_roots_on_cell(c, level)
        return _Bisection(self, c, level).roots()

    def _circle_roots_on_cell(self, c: int, level: fmpq) -> list[Root]:
        constant = (self.poly(c) - level)(0)
        if constant not in self._circle:
            self._circle[constant] = circle_roots([w for _, w in self.waves], constant)
        left, right = self.position(c, arb(0)), self.position(c, arb(1))
        ends, inner = [0, 0], []
        for s, multiplicity in self._circle[constant]:
            if s.overlaps(left) or s.overlaps(right):
                end = 0 if s.overlaps(left) else 1
                if not self.value(c, arb(end)).contains(level):
                    raise Undecided("a root cannot be told from an end of its cell")
                ends[end] += multiplicity
            elif s > left and s < right:
                inner.append(Root((s - left) / self.cells[c].width, multiplicity))
        return inner + [Root(arb(end), m) for end, m in enumerate(ends) if m]


def polynomial_roots(f: fmpq_poly) -> list[Root]:
    """The distinct roots in [0, 1] of a rational polynomial; none if it is zero."""
    if f == 0:
        return []
    rest, roots = f.numer(), []
    for end in (0, 1):
        multiplicity = 0
        while rest(end) == 0:
            rest, multiplicity = rest // fmpz_poly([-end, 1]), multiplicity + 1
        if multiplicity:
            roots.append(Root(arb(end), multiplicity))
    for t, multiplicity in _real_roots(rest):
        if not (t < 0 or t > 1):
            if not (t > 0 and t < 1):
                raise Undecided("a root cannot be told from an end of its cell")
            roots.append(Root(t, multiplicity))
    return roots


def _real_roots(f: Any) -> list[tuple[arb, int]]:
    """Disjoint balls and multiplicities; flint gives real roots an imaginary part that is exactly 0."""
    if f.degree() == 2:  # by the formula that does not cancel: flint is slow where the coefficients differ much
        c, b, a = f.coeffs()
        discriminant = b * b - 4 * a * c
        if discriminant <= 0:
            return [(arb(-b) / (2 * a), 2)] if discriminant == 0 else []
        w = -(arb(b) + arb(discriminant).sqrt() * (1 if b >= 0 else -1)) / 2
        return [(w / a, 1), (c / w, 1)]
    return [(z.real, multiplicity) for z, multiplicity in f.complex_roots() if z.imag == 0]


@lru_cache(maxsize=64)
def _half_angle(n: int) -> list[tuple[fmpz_poly, fmpz_poly]]:
    """Real and imaginary part of ``(1 + x*x)**n exp(ik pi s) = (1 + ix)**(n+k) (1 - ix)**(n-k)``, k <= n."""
    one, x = fmpz_poly([1]), fmpz_poly([0, 1])
    result = []
    for k in range(n + 1):
        real, imag = (one + x * x) ** (n - k), fmpz_poly()
        for _ in range(2 * k):
            real, imag = real - x * imag, imag + x * real
        result.append((real, imag))
    return result


def circle_roots(waves: Sequence[Wave], constant: fmpq) -> list[tuple[arb, int]]:
    """Roots in [-1, 1] of a trigonometric polynomial plus a constant, with multiplicities.

    With ``x = tan(pi s/2)`` it is a polynomial of degree at most 2n over ``(1 + x*x)**n``; what is missing of
    the degree is the multiplicity of the root at s = -1 and s = 1.
    """
    n = max(w.frequency for w in waves)
    table = _half_angle(n)
    f = constant * fmpq_poly(table[0][0])
    for w in waves:
        f += w.amplitude * fmpq_poly(table[w.frequency][0 if w.cosine else 1])
    roots = [(2 * x.atan() / arb.pi(), multiplicity) for x, multiplicity in _real_roots(f)]
    missing = 2 * n - f.degree()
    return roots + ([(arb(-1), missing), (arb(1), missing)] if missing else [])


class _Bisection:
    """Roots of ``g = f - level`` on one cell from point values and bounds ``L`` of ``|f''|``.

    On a sub-cell of midpoint m and half-width h, ``|g - g(m)| <= |g'(m)| h + L h*h/2`` and
    ``|g' - g'(m)| <= L h``. So either g keeps its sign (no root), or g' does (at most one root, refined by
    interval Newton), or the sub-cell is halved. What is undecided below a width of 2**-(2 prec/5), 4e-39 at
    320 bits, holds a multiple root or a cluster. It is replaced by its midpoint (multiplicity None): that
    changes u by about the third power of this width, and S by about the width.
    """

    def __init__(self, state: State, c: int, level: fmpq) -> None:
        self.state, self.c, self.level = state, c, level
        self.width = arb(state.cells[c].width)
        self.second, self.sixth = self._bound(2), self._bound(6)
        self.smallest = arb(2) ** (-2 * ctx.prec // 5)

    def _bound(self, order: int) -> arb:
        """A bound of a derivative of f on the whole cell."""
        poly = self.state.poly(self.c)
        for _ in range(order):
            poly = poly.derivative()
        bound = sum((abs(a) for a in poly.coeffs()), fmpq(0)) / self.width**order
        return bound + sum((abs(v) for v in self.state.factors(order)), arb(0))

    def _curvatures(self, middle: arb, h: arb) -> Iterator[arb]:
        """Bounds of ``|f''|``: a cheap one; on small sub-cells also Taylor's, for multiplicities 3 to 7."""
        yield self.second
        if h < self.width / 256:
            bound = self.sixth
            for order in (5, 4, 3, 2):
                bound = abs(self.state.value(self.c, middle, order)) + h * bound
            yield bound

    def g(self, t: arb) -> arb:
        return self.state.value(self.c, t) - self.level

    def slope(self, t: arb) -> arb:
        return self.state.value(self.c, t, 1)

    def roots(self) -> list[Root]:
        found: list[tuple[arb, bool]] = []
        stack = [(arb(0), arb(1))]
        while stack:
            lo, hi = stack.pop()
            middle, h = (lo + hi) / 2, (hi - lo) / 2 * self.width
            value, slope = self.g(middle), self.slope(middle)
            for second in self._curvatures(middle, h):
                if value.abs_lower() > (abs(slope) * h + second * h * h / 2).upper():
                    break
                if slope.abs_lower() > (second * h).upper():
                    found += [(t, True) for t in self._monotone(lo, hi, second)]
                    break
            else:
                if hi - lo < self.smallest:
                    found.append((lo.union(hi), False))
                else:
                    stack += [(lo, middle), (middle, hi)]
        return [self._root(t, simple) for t, simple in _merged(found)]

    def _monotone(self, lo: arb, hi: arb, second: arb) -> list[arb]:
        """The root of a strictly monotone g on ``[lo, hi]``; an end where g cannot be told from 0 is one."""
        a, b = self.g(lo), self.g(hi)
        if a.contains(0) or b.contains(0):
            return [lo if a.contains(0) else hi]
        if (a > 0) == (b > 0):
            return []
        while True:
            middle, h, width = ((lo + hi) / 2).mid(), (hi - lo) / 2 * self.width, hi - lo
            value, derivative = self.g(middle), self.slope(middle) + arb(0, (second * h).upper())
            if not derivative.contains(0):
                root = middle - value / derivative / self.width
                lo, hi = lo.max(root.lower()), hi.min(root.upper())
            elif value.contains(0):
                raise Undecided("a root in a monotone cell cannot be refined")
            else:  # 0 only because radii are rounded to 30 bits
                lo, hi = (middle, hi) if (value > 0) == (a > 0) else (lo, middle)
            if value.contains(0) or not hi - lo < 3 * width / 4:  # the exact step halves it: rounding level
                return [lo.union(hi)]

    def _root(self, t: arb, simple: bool) -> Root:
        for end in (arb(0), arb(1)):
            if t.overlaps(end):
                if not self.g(end).contains(0):
                    raise Undecided("a root cannot be told from an end of its cell")
                return Root(end, 1 if simple else None)
        return Root(t if simple else t.mid(), 1 if simple else None)


def _merged(found: list[tuple[arb, bool]]) -> list[tuple[arb, bool]]:
    """Candidates from left to right, overlapping ones (the same root, met from both sides) united."""
    result: list[tuple[arb, bool]] = []
    for t, simple in sorted(found, key=lambda item: item[0].mid()):
        if result and result[-1][0].overlaps(t):
            result[-1] = (result[-1][0].union(t), result[-1][1] and simple)
        else:
            result.append((t, simple))
    return result
