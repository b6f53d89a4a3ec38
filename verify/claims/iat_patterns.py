"""Claims of the IAT paper on activation patterns and on the families of bases."""

from __future__ import annotations

import numpy as np
import sympy
from flint import arb
from sympy import Rational, cos, diff, integrate, pi, sin, sqrt

import iatcore

from ..certified import enclose
from ..ledger import Proof, Verdict, claim
from ..symbols import families, integral, on_pieces, reals, s

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


def relu(x: sympy.Expr) -> sympy.Expr:
    """max(x, 0)."""
    return sympy.Max(x, 0)


@claim(
    "IAT-22c",
    "4.2.1",
    "If p and p' are continuous and D is determined by single roots, D(z) is continuous.",
    Verdict.PROVED_IF,
    "continuity is that of the measure of the symmetric difference",
)
def continuous_pattern(proof: Proof) -> None:
    proof.note(
        "f(.; z) has only simple roots r_1 < ... < r_K in (-1, 1), none at the ends. Outside of small intervals around"
    )
    proof.note(
        "them abs(f) has a positive minimum m; inside them f' keeps its sign. For abs(dz) max norm(p) < m no new sign"
    )
    proof.note("changes appear, and each root moves by at most abs(dz) max norm(p)/min abs(f').")
    k, d = sympy.symbols("K delta", positive=True)
    slope = sympy.Symbol("mu", positive=True)
    moved = k * d / slope
    proof.equal(sympy.limit(moved, d, 0, "+"), 0, "measure of the symmetric difference <= K delta/mu -> 0")
    proof.assume("continuity is that of the measure of the symmetric difference")


@claim(
    "IAT-22d",
    "4.2.1",
    "With analytic p the pattern is continuous in z, whatever the roots are.",
    Verdict.PROVED_IF,
    "z != 0, p linearly independent, and continuity in measure",
)
def analytic_pattern(proof: Proof) -> None:
    proof.note(
        "f(.; z) is analytic and not 0 for z != 0: its zeros have measure 0. If z_n -> z then f(s; z_n) -> f(s; z) for"
    )
    proof.note("every s, so 1[f(s; z_n) > 0] -> 1[f(s; z) > 0] wherever f(s; z) != 0, and dominated convergence gives")
    proof.note("measure of D(z_n) xor D(z) -> 0.")
    proof.note("At z = 0 it fails: D(0) is empty and D(e z) = D(z) for all e > 0.")
    empty = enclose(iatcore.IATReLU(iatcore.basis("fourier", 3), iatcore.basis("rect", 2)), np.zeros(3)).intervals
    proof.holds(all(interval.slope == 0 for interval in empty), "fourier, d = 3: D(0) is empty")
    proof.assume("z != 0, p linearly independent, and continuity in measure")


@claim("IAT-22e", "4.2.1", "With rect input the pattern is one of finitely many sets and is not continuous in z.")
def rect_pattern_jumps(proof: Proof) -> None:
    d = 4
    proof.note("f is z_i on cell i, so D is the union of the cells with z_i > 0: 2^d sets.")
    _, functions = on_pieces(iatcore.basis("rect", d))
    proof.holds(
        all(row[i] == (1 if i == k else 0) for k, row in enumerate(functions) for i in range(d)),
        "p_i = 1 on cell i and 0 elsewhere",
    )
    width = Rational(2, d)
    proof.equal(width, Rational(1, 2), "z_1 from e to -e moves the measure of D by h = 1/2 for every e > 0, d = 4")


@claim(
    "IAT-23a",
    "4.2.1",
    "A continuous pattern makes the transform smooth, and vice versa.",
    Verdict.REFUTED,
)
def smooth_iff_continuous(proof: Proof) -> None:
    proof.note(
        "Continuity of D in measure gives a continuous S, so u is C^1; not conversely: antisymmetric local wavelets on"
    )
    proof.note("disjoint supports, q of the same kind. Each lobe of z_i p_i is matched by its mirror image:")
    proof.note("integral of q_i relu(z_i p_i) with p_i = q_i = psi antisymmetric about the centre of its support.")
    psi = sympy.Piecewise((1, s < 0), (-1, True))
    up = integrate(psi * psi * z1, (s, -1, 0))
    down = integrate(psi * psi * z1, (s, 0, 1))
    proof.equal(up, down, "psi = 1 on (-1, 0), -1 on (0, 1): both lobes give z, so u = z for z > 0 and u = z for z < 0")
    proof.refute(
        sympy.simplify(up - down) == 0,
        "u is linear, hence smooth, but D jumps from (-1, 0) to (0, 1) where z changes sign",
    )


@claim(
    "IAT-23b",
    "4.3, 6",
    "The exact transform with continuous p is a smooth function.",
    Verdict.REFUTED,
)
def not_smooth(proof: Proof) -> None:
    proof.note("Smooth in the sense of continuously differentiable holds away from 0 (IAT-22d); more does not.")
    x = sympy.Symbol("x", positive=True)
    root = sqrt(x)
    u = integrate(x - s**2, (s, -root, root))
    proof.equal(
        u,
        Rational(4, 3) * x ** Rational(3, 2),
        "p = (1, s^2), z = (x, -1), q = 1: u = (4/3) x^(3/2) for 0 < x < 1, 0 for x < 0",
    )
    proof.equal(diff(u, x, 2), 1 / sqrt(x), "d2u/dx2 = x^(-1/2)")
    proof.refute(
        sympy.limit(diff(u, x, 2), x, 0, "+") == sympy.oo, "the second derivative is unbounded at the tangency x = 0"
    )
    proof.holds(integrate(diff(u, x, 2) ** 2, (x, 0, 1)) == sympy.oo, "and not square integrable: u is not in W^{2,2}")


@claim(
    "IAT-24a",
    "4.2.2",
    "The positive part of f does not change its place when z is scaled by a non-zero constant a.",
    Verdict.PROVED_IF,
    "a > 0",
)
def scaled_pattern(proof: Proof) -> None:
    k = sympy.Symbol("a", positive=True)
    f = sympy.Symbol("f", real=True)
    proof.equal(sympy.sign(k * f), sympy.sign(f), "sign(a f) = sign(f) for a > 0")
    proof.equal(sympy.sign(-f), -sympy.sign(f), "for a < 0 the sign is reversed: D becomes the complement up to zeros")
    proof.assume("a > 0")


@claim(
    "IAT-24b",
    "4.2.2",
    "Each linear piece (the inputs of one pattern) is a straight line through the origin.",
    Verdict.REFUTED,
)
def pieces_are_lines(proof: Proof) -> None:
    e = sympy.Symbol("e", real=True)
    f = sin(pi * s) + e * sin(2 * pi * s)
    factored = sin(pi * s) * (1 + 2 * e * cos(pi * s))
    proof.equal(
        sympy.expand_trig(f), sympy.expand(factored), "sin(pi s) + e sin(2 pi s) = sin(pi s) (1 + 2 e cos(pi s))"
    )
    proof.note("For abs(e) < 1/2 the second factor is positive, so D = (0, 1) for all those e.")
    smallest = 1 - 2 * Rational(1, 4)
    proof.refute(
        smallest > 0, "fourier, z = (1, 0, e, 0), abs(e) <= 1/4: one pattern, inputs on no common line through 0"
    )


@claim(
    "IAT-24c",
    "4.2.2",
    "If every p_i has zero integral then f has a root for every z.",
    Verdict.REFUTED,
)
def zero_integral_root(proof: Proof) -> None:
    proof.note(
        "f has zero integral, so unless f = 0 almost everywhere it takes both signs; continuous f then has a root."
    )
    basis = iatcore.basis("rect-w", 1)
    functions = on_pieces(basis)[1]
    values = [row[0] for row in functions]
    proof.equal(integral(basis, 0), 0, "rect-w, d = 1: the integral is 0")
    proof.refute(all(v != 0 for v in values), f"rect-w, d = 1, z = 1: f takes the values {values} and is never 0")


@claim("IAT-24d", "4.2.2", "If every p_i has zero integral and f is not 0 almost everywhere, f takes both signs.")
def zero_integral_signs(proof: Proof) -> None:
    proof.note(
        "integral of f = sum z_i integral of p_i = 0. If f >= 0 a.e. then integral abs(f) = integral f = 0, f = 0."
    )
    x = sympy.Symbol("x", nonnegative=True)
    proof.equal(sympy.Abs(x), x, "abs(f) = f where f >= 0")
    for name in ("fourier", "rect-w", "pwl-w"):
        for d in (1, 2, 3, 6):
            basis = iatcore.basis(name, d)
            for i in range(d):
                proof.holds(integral(basis, i) == 0, f"{name}, d = {d}: integral of p_{i + 1} is 0")


@claim(
    "IAT-24e",
    "4.2.2",
    "If p is also cyclic, f has two roots.",
    Verdict.PROVED_IF,
    "f is continuous, of period 2 and not 0, and s = -1 and 1 count once",
)
def two_roots(proof: Proof) -> None:
    proof.note(
        "A continuous function of period 2 that takes both signs changes its sign an even number of times in a period:"
    )
    proof.note("the product of the signs of consecutive arcs around the circle is 1.")
    k = sympy.Symbol("k", integer=True)
    proof.equal(sympy.simplify((-1) ** (2 * k)), 1, "after an odd number of changes the sign would differ from itself")
    proof.assume("f is continuous, of period 2 and not 0, and s = -1 and 1 count once")


@claim(
    "IAT-24f",
    "4.2.2",
    "With zero-integral p each z activates approximately half of [-1, 1].",
    Verdict.REFUTED,
)
def half_active(proof: Proof) -> None:
    proof.note("The mean over z and -z of the measure is 1 for every basis (IAT-24g); single values vary.")
    z = np.zeros(10)
    z[1::2] = [5, 4, 3, 2, 1]
    found = enclose(iatcore.IATReLU(iatcore.basis("fourier", 10), iatcore.basis("rect", 2)), z)
    measure = sum((i.hi - i.lo for i in found.intervals if i.slope == 1), arb(0))
    for k in range(5):
        proof.equal(integral(iatcore.basis("fourier", 10), 2 * k + 1), 0, f"cos({k + 1} pi s) has zero integral")
    text = f"fourier, d = 10, f = sum (6 - k) cos(k pi s), k <= 5: D has measure {float(measure):.6f} of 2, radius"
    proof.refute(bool(measure < arb("0.7")), f"{text} {float(measure.rad()):.0e}")


@claim("IAT-24g", "4.2.2", "The measures of D(z) and D(-z) add up to 2 where f vanishes on a null set only.")
def complement(proof: Proof) -> None:
    x = sympy.Symbol("x", real=True, nonzero=True)
    proof.equal(sympy.Heaviside(x) + sympy.Heaviside(-x), 1, "1[f > 0] + 1[-f > 0] = 1 where f != 0")
    proof.note("Integrate over [-1, 1].")


def _jumps(name: str, d: int, derivative: bool) -> bool:
    """Whether a function of a family (or its slope) jumps inside (-1, 1), from its exact pieces."""
    pieces, functions = on_pieces(iatcore.basis(name, d))
    for k, (_, right) in enumerate(pieces[:-1]):
        for before, after in zip(functions[k], functions[k + 1], strict=True):
            left, then = (diff(before, s), diff(after, s)) if derivative else (before, after)
            if sympy.simplify((left - then).subs(s, right)) != 0:
                return True
    return False


@claim("IAT-T1a", "table 1", "Continuous: pwl, pwq, fourier and pwl-w; not rect and rect-w.")
def table_continuous(proof: Proof) -> None:
    for name in families(4):
        for d in (2, 3, 6):
            jumps = _jumps(name, d, False)
            proof.holds(
                jumps == name.startswith("rect"),
                f"{name}, d = {d}: {'jumps' if jumps else 'continuous'} at its breakpoints",
            )


@claim("IAT-T1b", "table 1", "Smooth: pwq and fourier; the others are not.")
def table_smooth(proof: Proof) -> None:
    for name in families(4):
        for d in (3, 6):
            rough = _jumps(name, d, False) or _jumps(name, d, True)
            proof.holds(
                rough == (name not in ("pwq", "fourier")), f"{name}, d = {d}: {'a kink or jump' if rough else 'C1'}"
            )


@claim("IAT-T1c", "table 1", "Zero integral: fourier, pwl-w and rect-w; the others are not.")
def table_zero_integral(proof: Proof) -> None:
    for name in families(4):
        for d in (2, 3, 6):
            values = [integral(iatcore.basis(name, d), i) for i in range(d)]
            zero = name in ("fourier", "pwl-w", "rect-w")
            proof.holds(
                all((v == 0) == zero for v in values),
                f"{name}, d = {d}: integrals {'all 0' if zero else 'all positive'}",
            )


@claim(
    "IAT-T1d",
    "table 1",
    "Global: every fourier function is non-zero almost everywhere on [-1, 1]; the others have local support.",
)
def table_global(proof: Proof) -> None:
    for name in families(4):
        pieces, functions = on_pieces(iatcore.basis(name, 8))
        for i in range(8):
            support = sum(right - left for (left, right), row in zip(pieces, functions, strict=True) if row[i] != 0)
            proof.holds(
                (support == 2) == (name == "fourier"),
                f"{name}, d = 8: function {i + 1} lives on a set of measure {support}",
            )
