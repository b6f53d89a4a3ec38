"""Claims of the IAT paper on the transform and its gradient."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import sympy
from sympy import Function, Integral, Matrix, Rational, diff, integrate, pi, sin, sqrt

import iatcore

from ..ledger import Proof, Verdict, claim
from ..symbols import on_pieces, reals, s, t
from .lemmas import change_of_matrix, first_order, relu

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


def step(x: Any) -> Any:
    """1 for x > 0, else 0."""
    heaviside: Any = sympy.Heaviside
    return heaviside(x, 0)


@claim(
    "IAT-0",
    "1, (19)",
    "The pattern {f >= 0} of the introduction and the pattern {f > 0} of (19) are the same set.",
    Verdict.REFUTED,
)
def two_patterns(proof: Proof) -> None:
    proof.note("Both give the same integrals: they differ where f = 0, where the integrand q f vanishes.")
    f, whole = 0 * z1 + 0 * z2 * s, sympy.Interval(-1, 1)
    weak, strict = (sympy.Interval(-1, 1) if truth else sympy.S.EmptySet for truth in (f >= 0, f > 0))
    proof.refute(weak == whole and strict == sympy.S.EmptySet, "z = 0: {f >= 0} = [-1, 1] and {f > 0} is empty")
    f = s
    sets = [sympy.solveset(relation, s, whole) for relation in (f >= 0, f > 0)]
    proof.refute(sets == [sympy.Interval(0, 1), sympy.Interval.Lopen(0, 1)], "p = s, z = 1: [0, 1] and (0, 1]")


@claim("IAT-0b", "1", "The activation pattern is a compact subset of [-1, 1].", Verdict.REFUTED)
def compact(proof: Proof) -> None:
    proof.note("With >= and continuous p it is closed. With > as in (19), or with a jump of p, it need not be.")
    strict = sympy.solveset(sin(pi * s) > 0, s, sympy.Interval(-1, 1))
    proof.refute(strict == sympy.Interval.open(0, 1), "fourier, d = 1, z = 1, by (19): D = (0, 1) is not closed")
    basis = iatcore.basis("rect", 2)
    proof.holds([row[0] for row in on_pieces(basis)[1]] == [1, 0], "rect, d = 2: p_1 is 1 on the left cell alone")
    value = [float(v) for v in basis(np.array([0.0]))[:, 0]]
    proof.holds(value == [0.0, 1.0], "and 0 belongs to the right cell")
    left = sympy.Interval.Ropen(-1, 0)
    proof.refute(not left.is_closed, "rect, d = 2, z = (1, -1), by either definition: D = [-1, 0) is not closed")


@claim("IAT-0c", "1", "With continuous p the pattern takes infinitely many values; with rect p at most 2^d.")
def infinitely_many(proof: Proof) -> None:
    x = sympy.Symbol("x", real=True)
    solved = sympy.solveset(s - x > 0, s, sympy.S.Reals)
    proof.holds(solved == sympy.Interval.open(x, sympy.oo), "p = (1, s), z = (-x, 1): f > 0 if and only if s > x")
    proof.note("so D = (x, 1] for x in (-1, 1): no two of these are equal. For rect see IAT-22e.")


@claim(
    "IAT-1",
    "(1)",
    "With W^n of shape d_n x d_{n-1} and b^n in R^{d_{n+1}} the network (1) is well formed.",
    Verdict.REFUTED,
)
def dimensions(proof: Proof) -> None:
    d = sympy.symbols("d0:4", integer=True, positive=True)
    x = sympy.MatrixSymbol("x", d[0], 1)
    right: Any = sympy.MatrixSymbol("W", d[1], d[0]) * x + sympy.MatrixSymbol("b", d[1], 1)
    proof.holds(right.shape == (d[1], 1), "W^n of shape d_{n+1} x d_n: z^1 = W^0 x + b^0 is in R^{d1}")
    proof.note("As printed W^1 is d1 x d0 and acts on u^1 in R^{d1}, b^1 is in R^{d2}.")
    try:
        _ = sympy.MatrixSymbol("W", 4, 3) * sympy.MatrixSymbol("u", 4, 1)
        fits = True
    except sympy.ShapeError:
        fits = False
    proof.refute(not fits, "d0 = 3, d1 = 4: W^1 is 4 x 3 and cannot act on u^1 in R^4")


@claim(
    "IAT-5",
    "(5)",
    "With rectangular p and q the transform is the element-wise activation.",
    Verdict.PROVED_IF,
    "q is scaled by the inverse width 1/h of the cells",
)
def rectangles(proof: Proof) -> None:
    sigma = Function("sigma")
    count, i = sympy.symbols("d i", integer=True, positive=True)
    value = sympy.Symbol("z_i", real=True)
    proof.note("On cell i of d only p_i and q_i do not vanish: f = z_i there, for any sigma, and u_i is an integral")
    proof.note("over that cell alone.")
    left, right = -1 + 2 * (i - 1) / count, -1 + 2 * i / count
    proof.equal(right - left, 2 / count, "cell i = [-1 + 2 (i - 1)/d, -1 + 2 i/d] has the width h = 2/d")
    plain = integrate(sigma(value), (s, left, right))
    proof.equal(plain, 2 / count * sigma(value), "q_i of height 1: u_i = h sigma(z_i), so (5) fails by the factor h")
    proof.assume("q is scaled by the inverse width 1/h of the cells")
    scaled = integrate(count / 2 * sigma(value), (s, left, right))
    proof.equal(scaled, sigma(value), "q_i of height 1/h: u_i = sigma(z_i), for every d and i")
    for d in range(1, 8):
        pieces, functions = on_pieces(iatcore.basis("rect", d))
        cells = [(-1 + Rational(2 * k, d), -1 + Rational(2 * k + 2, d)) for k in range(d)]
        same = pieces == cells and functions == [[int(j == k) for j in range(d)] for k in range(d)]
        proof.holds(same, f"the core's rect, d = {d}: p_j = 1 on cell j, 0 on the others")


@claim(
    "IAT-9",
    "(17), (18)",
    "u = S(D(z)) z with S the integral of q p^T over the pattern.",
)
def linear_form(proof: Proof) -> None:
    p, q = [Function(f"p{k}")(s) for k in (1, 2)], [Function(f"q{k}")(s) for k in (1, 2)]
    f = z1 * p[0] + z2 * p[1]
    proof.note("relu(f) = 1[f > 0] f pointwise, so u_i = integral over D of q_i f.")
    proof.equal(relu(t), step(t) * t, "max(t, 0) = 1[t > 0] t")
    left, right = reals("l r")
    for i in range(2):
        u = Integral(q[i] * f, (s, left, right))
        S = [Integral(q[i] * p[j], (s, left, right)) for j in range(2)]
        proof.equal(
            sympy.expand(u.expand()),
            sympy.expand(z1 * S[0] + z2 * S[1]),
            f"integral over (l, r): u_{i + 1} = sum_j z_j integral of q_{i + 1} p_j",
        )
    proof.note(
        "D is measurable, and the integral over it is linear in the same way; a longer p adds terms of this form."
    )


@claim(
    "IAT-16",
    "(15), (16)",
    "Element-wise ReLU is S z with a piecewise constant S, and its gradient is S almost everywhere.",
)
def scalar_relu(proof: Proof) -> None:
    proof.note("d = 2, all four sign patterns with symbols: d = 1 is their part, any d the same entry by entry.")
    up, down = sympy.symbols("x1:3", positive=True), sympy.symbols("y1:3", negative=True)
    for signs in itertools.product((1, 0), repeat=2):
        z = Matrix([(up if on else down)[k] for k, on in enumerate(signs)])
        u, S = z.applyfunc(relu), sympy.diag(*signs)
        proof.equal(u, S * z, f"1[z > 0] = {signs}: relu(z) = S z, S = diag{signs}")
        proof.equal(u.jacobian(z), S, "and its Jacobian is S, which is constant there")
    proof.equal(relu(sympy.Integer(0)), 0, "z_i = 0: relu(0) = 0 times 0 or 1")
    slopes = [sympy.limit(relu(t) / t, t, 0, side) for side in "-+"]
    proof.holds(
        slopes == [0, 1], "where a z_i is 0 there is no derivative (one-sided ones 0, 1); these z are a null set"
    )


@claim(
    "IAT-18",
    "4.2.1",
    "S is absolutely continuous with respect to D: abs(S_ij(D) - S_ij(E)) <= max abs(q_i p_j) times the measure of D "
    "xor E.",
)
def absolutely_continuous(proof: Proof) -> None:
    change_of_matrix(proof)


@claim(
    "IAT-20",
    "(20)",
    "The derivative of an integral of q f over D(z) has the boundary terms sum over k of f(r_k) q(r_k) (grad r_k)^T.",
    Verdict.PROVED_IF,
    "each term carries the sign + at a right and - at a left end of an interval of D",
)
def boundary_terms(proof: Proof) -> None:
    left, right, f, q = Function("l")(t), Function("r")(t), Function("f"), Function("q")
    u = Integral(q(s) * f(s, t), (s, left, right))
    proof.assume("each term carries the sign + at a right and - at a left end of an interval of D")
    inside = Integral(q(s) * diff(f(s, t), t), (s, left, right))
    ends = ((1, right), (-1, left))
    terms = sum(sign * q(r) * f(r, t) * diff(r, t) for sign, r in ends)
    proof.equal(diff(u, t), inside + terms, "Leibniz on (l, r): integral of q f_t + q(r) f(r) r' - q(l) f(l) l'")
    x = sympy.Symbol("x", real=True)
    unsigned = diff(integrate(1, (s, x, 1)), x)
    proof.holds(unsigned == -1, "needed: D = (x, 1), q f = 1: the derivative is -1, the term without a sign is +1")


@claim(
    "IAT-20b",
    "(20)",
    "As printed, without signs, (20) holds where each r_k is a differentiable root of f or a fixed jump of p.",
)
def unsigned_terms(proof: Proof) -> None:
    p, q, r = Function("p"), Function("q"), Function("r")(z1)
    root = q(r) * z1 * p(r) * diff(r, z1)
    proof.equal(root.subs(p(r), 0), 0, "root: z p(r) = 0, so the term is 0 with either sign")
    fixed = sympy.Symbol("x", real=True)
    proof.equal(q(fixed) * z1 * p(fixed) * diff(fixed, z1), 0, "jump: grad r = 0, so the term is 0 with either sign")


@claim(
    "IAT-21",
    "(20), (21)",
    "Where f(.; z) vanishes on a null set only, u is differentiable and its gradient is S(D(z)).",
)
def gradient_is_matrix(proof: Proof) -> None:
    p = [Function("p1"), Function("p2")]
    q = Function("q")
    r = Function("r")(z1, z2)
    f = z1 * p[0](s) + z2 * p[1](s)
    at_root = f.subs(s, r)
    proof.note(
        "Scenario 1: an end of an interval of D is a simple root r(z): f(r(z); z) = 0 near z, r differentiable by the"
    )
    proof.note("implicit function theorem. p and q are symbolic functions; l is the other end.")
    left = sympy.Symbol("l", real=True)
    u = Integral(q(s) * f, (s, left, r))
    for j, z in enumerate((z1, z2)):
        gradient = diff(u, z)
        S = Integral(q(s) * p[j](s), (s, left, r))
        boundary = q(r) * at_root * diff(r, z)
        proof.equal(gradient - S, boundary, f"du/dz{j + 1} = integral of q p{j + 1} + q(r) f(r) dr/dz{j + 1}")
        proof.equal(boundary.subs(at_root, 0), 0, f"f(r) = 0: the boundary term vanishes (z{j + 1})")
    proof.note("Scenario 2: the end is a fixed jump x of p: dx/dz = 0.")
    fixed = sympy.Symbol("x", real=True)
    u = Integral(q(s) * f, (s, left, fixed))
    for j, z in enumerate((z1, z2)):
        proof.equal(
            diff(u, z), Integral(q(s) * p[j](s), (s, left, fixed)), f"du/dz{j + 1} = S_{j + 1}, whatever f(x) is"
        )
    proof.note("Both, and all others (double roots, infinitely many roots), for bounded p and q in one step: f at z,")
    proof.note("g at z + w, P = max norm(p), Q = max abs(q_i).")
    first_order(proof)
    proof.note("So abs(u_i(z + w) - u_i(z) - (S w)_i) <= Q P norm(w) times the measure of {abs(f) <= P norm(w)}; these")
    proof.note("sets decrease to {f = 0}, a null set, so their measure tends to 0: the remainder is o(norm(w)).")


@claim("IAT-21c", "(21)", "The gradient is S(D(z)) at every z.", Verdict.REFUTED)
def gradient_everywhere(proof: Proof) -> None:
    slopes = [sympy.limit(relu(t) * 2 / t, t, 0, side) for side in "-+"]
    for sign in (1, -1):
        z = sign * sympy.Symbol("y", positive=True)
        proof.equal(integrate(relu(z), (s, -1, 1)), 2 * relu(z), f"p = q = 1, d = 1: u = 2 relu(z) for z = {z}, y > 0")
    proof.refute(slopes == [0, 2], "p = q = 1, z = 0: one-sided derivatives 0 and 2, so there is no gradient")
    pieces, functions = on_pieces(iatcore.basis("pwl", 3))
    moment = sum(integrate(row[0], (s, *cell)) for cell, row in zip(pieces, functions, strict=True))
    alone = [j for j, e in enumerate(functions[0]) if e != 0] == [0, 1] and functions[1][0] == 0
    proof.holds(
        alone and moment == Rational(1, 2), "pwl, d = 3: p_1 lives on [-1, 0], where p_3 = 0; its integral is 1/2"
    )
    proof.refute(
        [sympy.limit(moment * relu(t) / t, t, 0, side) for side in "-+"] == [0, Rational(1, 2)],
        "pwl, d = 3, q = 1, z = (0, 0, -1): f = 0 on [-1, 0], u(t, 0, -1) = relu(t)/2 has no derivative at 0",
    )


@claim(
    "IAT-21b",
    "1, 4.1",
    "That the gradient is the activation matrix follows from Euler's theorem for homogeneous functions.",
    Verdict.REFUTED,
)
def euler(proof: Proof) -> None:
    proof.note("Euler: F homogeneous of degree 1 and differentiable gives J(z) z = F(z); it does not determine J.")
    F = Matrix([sqrt(z1**2 + z2**2)])
    z = Matrix([z1, z2])
    J = F.jacobian(z)
    proof.equal((J * z)[0], F[0], "F(z) = norm(z): J z = F")
    S = Matrix([[F[0] / z1, 0]])
    proof.equal((S * z)[0], F[0], "S = (norm(z)/z1, 0) also gives S z = F")
    difference = sympy.simplify((S - J)[0].subs({z1: 3, z2: 4}))
    proof.refute(difference != 0, f"at z = (3, 4) this activation matrix differs from the gradient by {difference}")


@claim("IAT-22", "(22)", "At a simple root dr/dz = -p(r)/(z^T p'(r)).")
def root_gradient(proof: Proof) -> None:
    p = [Function("p1"), Function("p2")]
    r = Function("r")(z1, z2)
    f = z1 * p[0](r) + z2 * p[1](r)
    slope = z1 * diff(p[0](s), s).subs(s, r) + z2 * diff(p[1](s), s).subs(s, r)
    for j, z in enumerate((z1, z2)):
        total = diff(f, z).doit()
        solved = sympy.solve(total, diff(r, z))
        proof.holds(len(solved) == 1, f"d/dz{j + 1} of f(r(z); z) = 0 is linear in dr/dz{j + 1}")
        expected = -p[j](r) / slope
        proof.equal(sympy.simplify((solved[0] - expected).doit()), 0, f"dr/dz{j + 1} = -p{j + 1}(r)/(z^T p'(r))")
    proof.note("At a simple root z^T p'(r) != 0, and the implicit function theorem gives a differentiable r(z).")


@claim(
    "IAT-22b",
    "4.1, 4.4",
    "A root has a non-zero gradient with respect to z.",
    Verdict.REFUTED,
)
def root_without_gradient(proof: Proof) -> None:
    proof.note("The numerator of (22) is p(r), which vanishes where all basis functions do.")
    function = on_pieces(iatcore.basis("fourier", 1))[1][0][0]
    proof.equal(function, sin(pi * s), "fourier, d = 1: p = sin(pi s)")
    slope = (z1 * diff(function, s)).subs(s, 0)
    proof.equal(slope, pi * z1, "f'(0) = pi z: 0 is a simple root of f for every z != 0")
    proof.refute(-function.subs(s, 0) / slope == 0, "fourier, d = 1, r = 0: dr/dz = -p(r)/f'(r) = 0, for all z != 0")


@claim(
    "IAT-23",
    "(23)",
    "IAT with a1 p and a2 q at a3 z is a1 a2 a3 times IAT with p and q at z, for scalars a1, a2, a3.",
    Verdict.PROVED_IF,
    "a1 a3 >= 0",
)
def homogeneity(proof: Proof) -> None:
    k, x = sympy.Symbol("k", nonnegative=True), sympy.Symbol("x", real=True)
    for name, y in (("x >= 0", sympy.Symbol("y", nonnegative=True)), ("x <= 0", sympy.Symbol("y", nonpositive=True))):
        proof.equal(relu(k * y), k * relu(y), f"relu(k x) = k relu(x) for k = a1 a3 >= 0 and {name}")
    proof.note("Inside the integral: a2 q relu(a1 a3 f) = a1 a2 a3 q relu(f).")
    minus = sympy.simplify(relu(-x).subs(x, 1) - (-1) * relu(x).subs(x, 1))
    proof.holds(minus != 0, "k = -1 fails: relu(-1) = 0 is not -relu(1) = -1")
    proof.assume("a1 a3 >= 0")


@claim(
    "IAT-23c",
    "6",
    "Since IAT-ReLU is 1-homogeneous only the angle of the input matters.",
    Verdict.REFUTED,
)
def angle(proof: Proof) -> None:
    proof.note("D and S depend on the direction of z alone (IAT-24a); u does not.")
    u = integrate(relu(z1), (s, -1, 1))
    proof.refute(u.subs(z1, 2) != u.subs(z1, 1), "p = q = 1: z = 1 and z = 2 have one direction, u is 2 and 4")


@claim(
    "IAT-25c",
    "Remark 1",
    "The exact transform has second derivatives sum over roots of q p p^T/abs(f') where all ends of D are simple roots "
    "at which p and q are continuous.",
)
def second_derivative(proof: Proof) -> None:
    p = [Function("p1"), Function("p2")]
    q = Function("q")
    r = Function("r")(z1, z2)
    other = sympy.Symbol("l", real=True)
    for end, limits, slope in (
        ("right", (s, other, r), sympy.Symbol("m", negative=True)),
        ("left", (s, r, other), sympy.Symbol("m", positive=True)),
    ):
        for j in range(2):
            S = Integral(q(s) * p[j](s), limits)
            for k, z in enumerate((z1, z2)):
                found = diff(S, z).subs(diff(r, z), -p[k](r) / slope)
                expected = q(r) * p[j](r) * p[k](r) / sympy.Abs(slope)
                sign = "f' < 0" if end == "right" else "f' > 0"
                proof.equal(
                    found, expected, f"{end} end, {sign}: dS_{j + 1}/dz{k + 1} = q p{j + 1} p{k + 1}/abs(f') at r"
                )
    proof.note("dr/dz = -p(r)/f'(r) by (22), d2u/dz2 = dS/dz by (21); fixed ends do not contribute. Sum over the ends.")


@claim(
    "IAT-L",
    "4 (ours)",
    "The transform is Lipschitz with constant sqrt(lambda_max(G_p) lambda_max(G_q)), G Gram matrices.",
)
def lipschitz(proof: Proof) -> None:
    proof.note("norm(u - v)^2 <= lambda_max(G_q) integral of (relu f - relu g)^2, by duality: for a unit vector w,")
    proof.note(
        "(w^T (u - v))^2 = (integral of (w^T q)(relu f - relu g))^2 <= integral (w^T q)^2 integral (relu f - relu g)^2."
    )
    high, low = sympy.symbols("P R", positive=True), sympy.Symbol("N", nonpositive=True)
    proof.equal(
        (relu(high[0]) - relu(high[1])) ** 2, (high[0] - high[1]) ** 2, "x, y > 0: (relu x - relu y)^2 = (x - y)^2"
    )
    gap = sympy.expand((high[0] - low) ** 2 - (relu(high[0]) - relu(low)) ** 2)
    proof.equal(gap, low**2 - 2 * high[0] * low, "x > 0 >= y: (x - y)^2 - (relu x - relu y)^2 = y^2 - 2 x y")
    proof.holds(bool((low**2).is_nonnegative) and bool((-2 * high[0] * low).is_nonnegative), "and both terms are >= 0")
    proof.equal(relu(low), 0, "x, y <= 0: relu x - relu y = 0")
    proof.note("integral of (f - g)^2 = (z - w)^T G_p (z - w) <= lambda_max(G_p) norm(z - w)^2.")
