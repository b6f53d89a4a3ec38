"""Claims of the IAT paper on the transform and its gradient."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Function, Integral, Matrix, Rational, diff, integrate, pi, sin, sqrt

import iatcore

from ..ledger import Proof, Verdict, claim
from ..symbols import on_pieces, reals, s, t

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


def relu(x: sympy.Expr) -> sympy.Expr:
    """max(x, 0)."""
    return sympy.Max(x, 0)


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
    f = 0 * s
    proof.refute(sympy.Interval(-1, 1).measure == 2 and f == 0, "z = 0: f = 0, {f >= 0} = [-1, 1] and {f > 0} is empty")


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
    d = 5
    proof.note("On cell i only p_i and q_i do not vanish and both are 1: f = z_i there, for any sigma.")
    sigma = Function("sigma")
    z = reals("z_1 z_2 z_3 z_4 z_5")
    pieces, functions = on_pieces(iatcore.basis("rect", d))
    for i in range(d):
        u = 0
        for (left, right), row in zip(pieces, functions, strict=True):
            f = sum(v * p for v, p in zip(z, row, strict=True))
            u += integrate(row[i] * sigma(f), (s, left, right))
        proof.equal(u, Rational(2, d) * sigma(z[i]), f"d = 5: u_{i + 1} = h sigma(z_{i + 1}) with h = 2/5")
    width = sympy.Symbol("h", positive=True)
    proof.equal(
        integrate(sigma(a), (s, 0, width)),
        width * sigma(a),
        "any cell of width h: integral of sigma(z_i) is h sigma(z_i)",
    )
    proof.assume("q is scaled by the inverse width 1/h of the cells")


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
            f"on every interval (l, r) of D: u_{i + 1} = sum_j z_j integral of q_{i + 1} p_j",
        )
    proof.note("D is a countable union of disjoint intervals and null sets: sum over them.")


@claim(
    "IAT-16",
    "(15), (16)",
    "Element-wise ReLU is S z with a piecewise constant S, and its gradient is S almost everywhere.",
)
def scalar_relu(proof: Proof) -> None:
    x = sympy.Symbol("x", real=True, nonzero=True)
    proof.equal(relu(x), step(x) * x, "relu(x) = 1[x > 0] x, for x != 0")
    for sign in ("positive", "negative"):
        y = sympy.Symbol("y", **{sign: True})
        proof.equal(
            diff(relu(t), t).subs(t, y), 1 if sign == "positive" else 0, f"derivative at a {sign} number is the step"
        )


@claim(
    "IAT-20",
    "(20)",
    "The boundary terms of the gradient are sum over k of f(r_k) q(r_k) (grad r_k)^T.",
    Verdict.PROVED_IF,
    "each term carries the sign + at a right and - at a left end of an interval of D",
)
def boundary_terms(proof: Proof) -> None:
    left, right, f, q = Function("l")(t), Function("r")(t), Function("f"), Function("q")
    u = Integral(q(s) * f(s, t), (s, left, right))
    derivative = diff(u, t)
    expected = (
        Integral(q(s) * diff(f(s, t), t), (s, left, right))
        + q(right) * f(right, t) * diff(right, t)
        - q(left) * f(left, t) * diff(left, t)
    )
    proof.equal(derivative, expected, "Leibniz on (l, r): d/dt = integral of q f_t + q(r) f(r) r' - q(l) f(l) l'")
    proof.assume("each term carries the sign + at a right and - at a left end of an interval of D")


@claim(
    "IAT-21",
    "(20), (21)",
    "Where f(.; z) has finitely many sign changes, each a simple root or a jump of p, the gradient of u is S(D(z)).",
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
    proof.note("D is a finite union of such intervals; sum over them. At any other z of full measure in s, dominated")
    proof.note("convergence with abs(relu(x) - relu(y)) <= abs(x - y) gives the same wherever {f = 0} has measure 0.")


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
    functions = on_pieces(iatcore.basis("fourier", 1))[1]
    proof.equal(functions[0][0], sin(pi * s), "fourier, d = 1: p = sin(pi s), p(0) = 0")
    proof.refute(
        sin(pi * s).subs(s, 0) == 0, "fourier, d = 1: r = 0 is a simple root of z sin(pi s) for all z != 0; dr/dz = 0"
    )


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
    "IAT-25c",
    "Remark 1",
    "The exact transform has second derivatives sum over roots of q p p^T/abs(f') at simple roots.",
)
def second_derivative(proof: Proof) -> None:
    p = [Function("p1"), Function("p2")]
    q = Function("q")
    r = Function("r")(z1, z2)
    left = sympy.Symbol("l", real=True)
    slope = sympy.Symbol("m", nonzero=True, real=True)
    for j in range(2):
        S = Integral(q(s) * p[j](s), (s, left, r))
        for k, z in enumerate((z1, z2)):
            found = diff(S, z).subs(diff(r, z), -p[k](r) / slope)
            expected = -q(r) * p[j](r) * p[k](r) / slope
            proof.equal(found, expected, f"right end: dS_{j + 1}/dz{k + 1} = -q p{j + 1} p{k + 1}/f' at r")
    x = sympy.Symbol("x", negative=True)
    proof.equal(
        -1 / x,
        1 / sympy.Abs(x),
        "at a right end f' < 0, so -1/f' = 1/abs(f'); at a left end the sign and f' change both",
    )


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
