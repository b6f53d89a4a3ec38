"""Claims of the IAT paper on activation patterns."""

from __future__ import annotations

import numpy as np
import sympy
from flint import arb
from sympy import Rational, cos, diff, integrate, pi, sin, sqrt

import iatcore

from ..certified import enclose
from ..ledger import Proof, Verdict, claim
from ..symbols import integral, on_pieces, reals, s
from .lemmas import change_of_matrix, patterns_are_near, relu

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


@claim(
    "IAT-22c",
    "4.2.1",
    "If p and p' are continuous and D is determined by single roots, D(z) is continuous.",
    Verdict.PROVED_IF,
    "continuity is that of the measure of the symmetric difference",
)
def continuous_pattern(proof: Proof) -> None:
    proof.assume("continuity is that of the measure of the symmetric difference")
    proof.note("Single roots are isolated, so f has finitely many on [-1, 1]: {f = 0} is a null set.")
    patterns_are_near(proof)
    proof.note("As sets D(z) are not near in every sense: a short interval may appear or vanish.")
    e = sympy.Symbol("e", positive=True)
    proof.equal(sympy.limit(2 * sqrt(e), e, 0), 0, "for p = (1, s^2), z = (e, -1), its length 2 sqrt(e) tends to 0")


@claim(
    "IAT-22d",
    "4.2.1",
    "With analytic p the pattern is continuous in z, whatever the roots are.",
    Verdict.PROVED_IF,
    "z != 0, p linearly independent, and continuity in measure",
)
def analytic_pattern(proof: Proof) -> None:
    proof.assume("z != 0, p linearly independent, and continuity in measure")
    proof.note("f(.; z) is analytic and, p being independent, not 0 for z != 0: its zeros are finitely many.")
    patterns_are_near(proof)
    e = sympy.Symbol("e", positive=True)
    proof.equal(
        sympy.sign(e * z1), sympy.sign(z1), "needed, at z = 0: sign(e f) = sign(f), so D(e z) = D(z) for e > 0,"
    )
    empty = enclose(iatcore.IATReLU(iatcore.basis("fourier", 3), iatcore.basis("rect", 2)), np.zeros(3)).intervals
    proof.holds(all(interval.slope == 0 for interval in empty), "while D(0) is empty: fourier, d = 3")


@claim(
    "IAT-22f",
    "4.2.1",
    "With analytic p the roots of f(.; z) are continuous functions of z.",
    Verdict.REFUTED,
)
def roots_vanish(proof: Proof) -> None:
    proof.note(
        "True for all complex roots together. Real roots in [-1, 1], which make the pattern, come and go in pairs."
    )
    e = sympy.Symbol("e", positive=True)
    f = lambda k: sympy.solveset(s**2 - k, s, sympy.S.Reals)  # noqa: E731
    proof.holds(f(0) == sympy.FiniteSet(0), "p = (1, s^2), z = (-k, 1), f = s^2 - k: k = 0 has the root 0,")
    proof.refute(
        f(-e) == sympy.S.EmptySet, "k = -e < 0 has none, however small e is: the root is not a function of z there"
    )


@claim(
    "IAT-22e",
    "4.2.1",
    "With rect or rect-w input the pattern is one of finitely many sets, and not continuous in z.",
)
def rect_pattern_jumps(proof: Proof) -> None:
    proof.note("f is constant on each cell, so D is the union of the cells where it is positive: at most 2^cells sets.")
    for name in ("rect", "rect-w"):
        for d in range(1, 9):
            pieces, functions = on_pieces(iatcore.basis(name, d))
            constant = all(not e.has(s) for row in functions for e in map(sympy.sympify, row))
            first = functions[0][0] == 1 and not any(functions[0][1:])
            width = pieces[0][1] - pieces[0][0]
            good = constant and first and width == Rational(2, d + (name == "rect-w"))
            proof.holds(good, f"{name}, d = {d}: constant on cells; p_1 = 1, the others 0, on cell 1 of width {width}")
    e = sympy.Symbol("e", positive=True)
    proof.holds(
        [sympy.sign(e), sympy.sign(-e)] == [1, -1], "z_1 from e to -e takes cell 1 out of D, however small e is"
    )


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
    "IAT-23d",
    "4.2.1",
    "A continuous pattern makes the transform smooth, that is continuously differentiable.",
    Verdict.PROVED_IF,
    "continuity in measure, for z at which {f = 0} is a null set",
)
def continuous_gives_smooth(proof: Proof) -> None:
    proof.assume("continuity in measure, for z at which {f = 0} is a null set")
    patterns_are_near(proof)
    change_of_matrix(proof)
    proof.note("There du/dz = S(D(z)) (IAT-21), which is then continuous in z.")


@claim(
    "IAT-23b",
    "4.3, 6",
    "The exact transform with continuous p is a smooth function.",
    Verdict.REFUTED,
)
def not_smooth(proof: Proof) -> None:
    proof.note("Smooth as continuously differentiable: true where {f = 0} is a null set (IAT-23d), not at all z.")
    slopes = [sympy.limit(relu(z1) * 2 / z1, z1, 0, side) for side in "-+"]
    proof.refute(slopes == [0, 2], "p = q = 1: u = 2 relu(z) has one-sided derivatives 0 and 2 at z = 0; pwl: IAT-21c")
    proof.note("Smooth as twice differentiable: not even away from those z.")
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
    independent = sympy.Matrix([[1, 0, 0, 0], [1, 0, Rational(1, 4), 0]]).rank() == 2
    proof.refute(
        smallest > 0 and independent,
        "fourier, z = (1, 0, e, 0), abs(e) <= 1/4: one pattern, inputs on no common line through 0",
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
    proof.assume("f is continuous, of period 2 and not 0, and s = -1 and 1 count once")
    proof.note("f has zero integral, so f(x) > 0 > f(y) for some x, y (IAT-24d). These two points cut the circle of")
    proof.note("length 2 into two arcs, and f vanishes inside each of them (intermediate value theorem): two roots.")
    roots = sympy.solveset(sin(pi * s), s, sympy.Interval.Ropen(-1, 1))
    proof.holds(roots == sympy.FiniteSet(-1, 0), "no more in general: sin(pi s) has the roots -1 and 0 in [-1, 1)")
    ends = sympy.solveset(s, s, sympy.Interval(-1, 1))
    proof.holds(
        ends == sympy.FiniteSet(0), "continuity around the circle is needed: p = s has zero integral and one root"
    )


@claim(
    "IAT-24f",
    "4.2.2",
    "With zero-integral p each z activates approximately half of [-1, 1].",
    Verdict.REFUTED,
)
def half_active(proof: Proof) -> None:
    proof.note("The mean over z and -z of the measure is 1 for every basis (IAT-24g); single values vary.")
    e = sympy.Symbol("e", positive=True)
    total = integrate(1, (s, -1, -1 + e)) - integrate(e / (2 - e), (s, -1 + e, 1))
    proof.equal(total, 0, "p = 1 on [-1, -1 + e), -e/(2 - e) on the rest: the integral is 0 for every e < 2")
    proof.refute((-1 + e) - (-1) == e, "that p, z = 1: D = [-1, -1 + e) has measure e, any number in (0, 2)")
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
