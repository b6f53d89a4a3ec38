"""Claims of the IAT paper on the six families: closed forms on sign cells, and the properties of table 1."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import sympy
from sympy import Matrix, Rational, atan2, diff, pi

import iatcore

from ..ledger import Proof, claim
from ..symbolic import SignCell, sign_cell
from ..symbols import integral, on_pieces, rational, s

AT: tuple[Any, ...] = (Rational(7, 5), Rational(-3, 4))
FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
SCALE = sympy.Symbol("a", positive=True)
LEFT, WIDTH = sympy.Symbol("l", real=True), sympy.Symbol("h", positive=True)
LOCAL = ("rect", "pwl", "pwq", "rect-w", "pwl-w")
SUPPORT = {"rect": (1, 0), "pwl": (2, -1), "pwq": (3, 0), "rect-w": (2, 1), "pwl-w": (3, 0)}
"""Name -> (c, k): an inner function lives on c cells of width 2/(d + k)."""
SIZES = range(4, 13)


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


def _critical(name: str) -> list[Any]:
    """Slopes m for which the roots of p_1 + m p_2 may change in number or place: f vanishes at a breakpoint of a
    family, the leading coefficient of a piece vanishes, or a piece has a double root. Ascending, exact."""
    m = sympy.Symbol("m", real=True)
    knots = sorted({rational(x) for output in FAMILIES for x in iatcore.basis(output, 2).knots})
    slopes: set[Any] = set()
    for (left, right), row in zip(*on_pieces(iatcore.basis(name, 2)), strict=True):
        f = sympy.expand(row[0] + m * row[1])
        forms = [f.subs(s, x) for x in knots if left <= x <= right]
        if f.is_polynomial(s) and f.has(s):
            piece = sympy.Poly(f, s)
            forms += [piece.LC(), *([sympy.discriminant(piece)] if piece.degree() == 2 else [])]
        for form in forms:
            c = sympy.Poly(form, m).all_coeffs()
            if len(c) == 2:
                slopes.add(-c[1] / c[0])
            elif len(c) == 3:
                slopes |= set(sympy.Poly(form, m).real_roots())
    return sorted(slopes, key=lambda x: sympy.N(x, 40))


def _between(slopes: list[Any]) -> list[Any]:
    """A rational number below all of the slopes, one between each two and one above."""
    near = [Rational(Fraction(float(x)).limit_denominator(1000)) for x in slopes]
    return [near[0] - 1, *((a + b) / 2 for a, b in itertools.pairwise(near)), near[-1] + 1]


def _chain_rule(proof: Proof, cell: SignCell, done: set[Any]) -> bool:
    """Whether du/dz = S on a sign cell, by the chain rule over the roots; what was shown before is in ``done``.

    With S_ij as a function of the roots r_k alone, du_i/dz_l - S_il = sum_k (sum_j z_j dS_ij/dr_k) dr_k/dz_l. The
    bracket is q_i(r_k) f(r_k) or its negative, identically in r_k, and f(r_k(z); z) = 0.
    """
    good = cell.by_ends.free_symbols <= set(cell.ends)
    for end, root, (inputs, outputs) in zip(cell.ends, cell.roots, cell.pieces, strict=True):
        f: Any = sum(v * e for v, e in zip(cell.z, inputs, strict=True))
        if (root, f) not in done:
            done.add((root, f))
            proof.holds(_vanishes(f.subs(s, root)), f"f(r; z) = 0 identically in z for r = {root}")
            proof.holds(sympy.simplify(_scaled(root, cell) - root) == 0, "and r is the same at a z, a > 0")
        bracket = cell.by_ends.diff(end) * Matrix(cell.z)
        value = Matrix(outputs).subs(s, end) * f.subs(s, end)
        good = good and any(
            all(sympy.expand(e) == 0 or sympy.simplify(e) == 0 for e in bracket + sign * value) for sign in (1, -1)
        )
    return good


def _register(name: str) -> None:
    @claim(
        f"IAT-21-{name}",
        "(17), (21), (23)",
        f"{name} input, every family as output, d = 2: du/dz = S, J z = u, and u(a z) = a u(z) for a > 0, for all z "
        "off finitely many lines through 0.",
    )
    def closed_forms(proof: Proof) -> None:
        p, slopes = iatcore.basis(name, 2), _critical(name)
        proof.note(
            f"z = z1 (1, m), z1 > 0. Roots change their number or piece only at m = {', '.join(map(str, slopes))}:"
        )
        proof.note(
            "f is 0 at a breakpoint, a piece has a double root, or its leading coefficient is 0. Between them one"
        )
        proof.note("formula for each root, S and u holds; one z of each sector selects it.")
        points, done = _between(slopes), set()
        proof.holds(
            all(bool(a < m) and bool(m < b) for (a, b), m in zip(itertools.pairwise(slopes), points[1:-1], strict=True))
            and bool(points[0] < slopes[0]) and bool(slopes[-1] < points[-1]),
            f"m = {', '.join(map(str, points))} are one in each sector",
        )  # fmt: skip
        for m in points:
            cells = {output: sign_cell(p, iatcore.basis(output, 2), (1, m)) for output in FAMILIES}
            good = all(_chain_rule(proof, cell, done) for cell in cells.values())
            proof.holds(good, f"m = {m}, all six outputs: sum_j z_j dS_ij/dr = +- q_i(r) f(r), so du/dz = S")
        proof.note("z1 < 0: relu(-f) = relu(f) - f, so u(-z) = u(z) - G z, S(-z) = G - S(z), G = integral of q p^T.")
        positive = sympy.Symbol("f", positive=True)
        proof.equal(sympy.Max(-positive, 0), sympy.Max(positive, 0) - positive, "f > 0: relu(-f) = relu(f) - f")
        proof.equal(sympy.Max(positive, 0), sympy.Max(-positive, 0) + positive, "f < 0: the same")
        proof.note("J z = S z = u. S depends on z through the roots alone, so S(a z) = S(z), u(a z) = a u(z), a > 0.")
        cell = sign_cell(p, iatcore.basis("pwl", 2), AT)
        difference = [e for e in cell.u.jacobian(Matrix(cell.z)) - cell.S]
        proof.holds(all(_vanishes(e) for e in difference), f"once more without the chain rule: {name}/pwl at {AT}")


for _name in FAMILIES:
    _register(_name)


def _generic(name: str) -> list[tuple[Any, Any]]:
    """An inner function of a family on its support, with pieces of symbolic width h: (expression in s, left end)."""
    u = (s - LEFT) / WIDTH
    at = [LEFT + k * WIDTH for k in range(4)]
    shapes = {
        "rect": [sympy.Integer(1)],
        "pwl": [u, 2 - u],
        "pwq": [u**2 / 2, (-2 * u**2 + 6 * u - 3) / 2, (3 - u) ** 2 / 2],
        "rect-w": [sympy.Integer(1), sympy.Integer(-1)],
        "pwl-w": [u, 3 - 2 * u, u - 3],
    }
    return list(zip(shapes[name], at, strict=False))


def _is_generic(name: str, d: int) -> bool:
    """Whether the inner functions of the core's basis are shifts of :func:`_generic`, exactly; the outermost two at
    each end (clipped, or with the weight 1/2) are looked at one by one where it matters."""
    count, offset = SUPPORT[name]
    width = Rational(2, d + offset)
    pieces, functions = on_pieces(iatcore.basis(name, d))
    for i in range(2, d - 2):
        support = [(cell, row[i]) for cell, row in zip(pieces, functions, strict=True) if row[i] != 0]
        left = support[0][0][0]
        if [b - a for (a, b), _ in support] != [width] * count:
            return False
        for (expression, _), (_, found) in zip(_generic(name), support, strict=True):
            if sympy.expand(expression.subs({LEFT: left, WIDTH: width}) - found) != 0:
                return False
    return True


def _limits(name: str, order: int) -> list[Any]:
    """Jumps of the derivative of that order of the generic function, at its ends and between its pieces."""
    expressions = [(sympy.Integer(0), LEFT), *_generic(name)]
    end = expressions[-1][1] + WIDTH
    expressions.append((sympy.Integer(0), end))
    return [
        sympy.simplify((diff(after, s, order) - diff(before, s, order)).subs(s, at))
        for (before, _), (after, at) in itertools.pairwise(expressions)
    ]


def _jumps(name: str, d: int, derivative: bool) -> bool:
    """Whether a function of a family (or its slope) jumps inside (-1, 1), from its exact pieces."""
    pieces, functions = on_pieces(iatcore.basis(name, d))
    for k, (_, right) in enumerate(pieces[:-1]):
        for before, after in zip(functions[k], functions[k + 1], strict=True):
            left, then = (diff(before, s), diff(after, s)) if derivative else (before, after)
            if sympy.simplify((left - then).subs(s, right)) != 0:
                return True
    return False


def _same_shape(proof: Proof) -> None:
    proof.note("Inner functions of the five local families have one shape, with pieces of width h:")
    for name in LOCAL:
        good = all(_is_generic(name, d) for d in SIZES[1:])
        proof.holds(good, f"{name}: {', '.join(str(e) for e, _ in _generic(name))}; the core's are this, d = 5 .. 12")


@claim("IAT-T1a", "table 1", "Continuous, for d >= 2: pwl, pwq, fourier and pwl-w; not rect and rect-w.")
def table_continuous(proof: Proof) -> None:
    _same_shape(proof)
    for name in LOCAL:
        jumps = _limits(name, 0)
        rough = name.startswith("rect")
        proof.holds(any(jumps) == rough, f"{name}, any d: jumps {jumps} at its breakpoints")
    proof.note("fourier: sines and cosines. At the ends functions are these, clipped or scaled on whole pieces:")
    for name in FAMILIES:
        for d in (2, 3, 6):
            jumps = _jumps(name, d, False)
            proof.holds(
                jumps == name.startswith("rect"),
                f"{name}, d = {d}: {'jumps' if jumps else 'continuous'} at its breakpoints",
            )


@claim("IAT-T1b", "table 1", "Smooth, for d >= 3: pwq and fourier; the others are not.")
def table_smooth(proof: Proof) -> None:
    proof.note("Smooth is continuously differentiable; pwl with d <= 2 and pwl-w with d = 1 are straight lines.")
    for name in LOCAL:
        jumps = [*_limits(name, 0), *_limits(name, 1)]
        proof.holds((not any(jumps)) == (name == "pwq"), f"{name}, any d: jumps of it and its slope {jumps}")
    for name in FAMILIES:
        for d in (3, 6):
            rough = _jumps(name, d, False) or _jumps(name, d, True)
            proof.holds(
                rough == (name not in ("pwq", "fourier")), f"{name}, d = {d}: {'a kink or jump' if rough else 'C1'}"
            )


@claim("IAT-T1c", "table 1", "Zero integral: fourier, pwl-w and rect-w; the others are not.")
def table_zero_integral(proof: Proof) -> None:
    for name in LOCAL:
        parts: Any = sum(sympy.integrate(e, (s, at, at + WIDTH)) for e, at in _generic(name))
        total = sympy.simplify(parts)
        text = f"{name}, any d: an inner function has the integral {total}"
        proof.holds(total == 0 if name.endswith("-w") else total.is_positive, text)
    k = sympy.Symbol("k", integer=True, positive=True)
    for wave in (sympy.sin, sympy.cos):
        proof.equal(sympy.integrate(wave(k * pi * s), (s, -1, 1)), 0, f"fourier: {wave(k * pi * s)}, any k")
    for name in FAMILIES:
        for d in (1, 2, 3, 6):
            values = [integral(iatcore.basis(name, d), i) for i in range(d)]
            zero = name in ("fourier", "pwl-w", "rect-w")
            proof.holds(
                all((v == 0) == zero for v in values),
                f"{name}, d = {d}, with the functions at the ends: integrals {'all 0' if zero else 'all positive'}",
            )


@claim(
    "IAT-T1d",
    "table 1",
    "Global, for d >= 4: every fourier function is non-zero almost everywhere on [-1, 1]; the others are local.",
)
def table_global(proof: Proof) -> None:
    d = sympy.Symbol("n", integer=True, nonnegative=True) + 4
    for name, (count, offset) in SUPPORT.items():
        room = sympy.together(2 - count * 2 / (d + offset))
        proof.holds(room.is_positive, f"{name}, any d = n + 4 >= 4: support at most {count} of {d + offset} cells")
    proof.note("fourier: sin(k pi s), cos(k pi s) vanish at finitely many points. The core's bases:")
    for name in FAMILIES:
        for size in (4, 8):
            pieces, functions = on_pieces(iatcore.basis(name, size))
            sizes = {
                sum(right - left for (left, right), row in zip(pieces, functions, strict=True) if row[i] != 0)
                for i in range(size)
            }
            proof.holds(
                (sizes == {2}) == (name == "fourier"), f"{name}, d = {size}: supports of measure {sorted(sizes)}"
            )
    pieces, functions = on_pieces(iatcore.basis("pwl", 3))
    proof.holds(all(row[1] != 0 for row in functions), "d >= 4 is needed: pwl, d = 3 has a hat on all of [-1, 1]")


@claim("IAT-5.1a", "5.1", "PWL, PWQ and PWL-w lack globally continuous activation patterns: for d >= 4 there are "
       "z != 0 at which D jumps.")  # fmt: skip
def local_jumps(proof: Proof) -> None:
    proof.note(
        "z = (e, 0, ..., 0, 1): p_d vanishes where p_1 does not, so f = e p_1 there, and D has there {p_1 > 0} for"
    )
    proof.note("e > 0 and {p_1 < 0} for e < 0. At e = 0 it jumps by the measure of the support of p_1.")
    for name in ("pwl", "pwq", "pwl-w"):
        for d in SIZES:
            pieces, functions = on_pieces(iatcore.basis(name, d))
            apart = all(row[0] == 0 or row[d - 1] == 0 for row in functions)
            size = sum(b - a for (a, b), row in zip(pieces, functions, strict=True) if row[0] != 0)
            proof.holds(apart and size > 0, f"{name}, d = {d}: disjoint supports, the jump is {size}")
    proof.note(
        "Any d >= 4: p_1 lives on the first two cells or fewer, p_d on the last two or fewer, of 3 or more in all"
    )
    proof.note("(pwl has d - 1 cells and hats at the ends on one cell each; pwq and pwl-w have d cells).")


@claim("IAT-5.1b", "5.1", "Their jumps are few: f vanishes on a piece for z in finitely many subspaces, of codimension "
       "2 or more for PWL, PWQ and PWL-w, where for Rect and Rect-w it is 1.")  # fmt: skip
def codimension(proof: Proof) -> None:
    proof.note("The codimension for a piece is the rank of the functions that live on it. A line in general position")
    proof.note("meets no subspace of codimension 2 or more but crosses hyperplanes.")
    for name in LOCAL:
        ranks = set()
        for d in SIZES:
            for row in on_pieces(iatcore.basis(name, d))[1]:
                columns = [sympy.Poly(e, s).all_coeffs()[::-1] for e in row if e != 0]
                ranks.add(sympy.Matrix([c + [0] * (3 - len(c)) for c in columns]).rank())
        one = name.startswith("rect")
        proof.holds((ranks == {1}) if one else min(ranks) >= 2, f"{name}, d = 4 .. 12: ranks {sorted(ranks)}")
    proof.note("Inner pieces look alike for all d (IAT-T1a), and so do the two at the ends.")
