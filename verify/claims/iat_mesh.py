"""Claims of the IAT paper on the discretization and on the decoupled network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy
from sympy import Function, Integral, Matrix, cos, diff, integrate, pi, sin, sqrt

import iatcore

from ..ledger import Proof, Verdict, claim
from ..symbols import reals, s, t
from .lemmas import change_of_matrix, patterns_are_near, relu

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


@claim(
    "IAT-13",
    "(13)",
    "The gradient of the M-point transform is (2/M) Q diag(sigma'(P^T z)) P^T for differentiable sigma.",
)
def mesh_gradient(proof: Proof) -> None:
    sigma = Function("sigma")
    P, Q = Matrix(2, 3, sympy.symbols("p:6", real=True)), Matrix(2, 3, sympy.symbols("q:6", real=True))
    z = Matrix([z1, z2])
    M = sympy.Symbol("M", positive=True)
    f = P.T * z
    u = 2 * Q * f.applyfunc(sigma) / M
    slope = f.applyfunc(lambda v: sympy.Subs(diff(sigma(t), t), t, v))
    proof.equal((u.jacobian(z) - 2 * Q * sympy.diag(*slope) * P.T / M).applyfunc(lambda e: e.doit()), sympy.zeros(2, 2),
                "d = 2, three points, symbolic P, Q and sigma: chain rule entry by entry")  # fmt: skip
    proof.note("Every entry of u is a sum over points of one term each: the same computation holds for any d and M.")


@claim(
    "IAT-13b", "(13), (14)", "The gradient (13) of the discretization is the discretization (12) of the gradient (14)."
)
def gradient_of_sum(proof: Proof) -> None:
    p, q = [Function(f"p{k}") for k in (1, 2)], [Function(f"q{k}") for k in (1, 2)]
    points = reals("s1:4")
    slope = Function("D")
    z = Matrix([z1, z2])
    P, Q = Matrix(2, 3, lambda k, m: p[k](points[m])), Matrix(2, 3, lambda k, m: q[k](points[m]))
    f = P.T * z
    sums = Matrix(2, 2, lambda i, j: sum(q[i](x) * p[j](x) * slope(z1 * p[0](x) + z2 * p[1](x)) for x in points))
    found = Q * sympy.diag(*f.applyfunc(slope)) * P.T
    proof.equal(found, sums, "D = sigma', three points: Q diag(D(P^T z)) P^T is the sum of q p^T D(z^T p) over points")
    proof.note("Both carry the factor 2/M; one term for each point, so the same for any M and d.")


@claim(
    "IAT-14",
    "(14)",
    "Differentiability of sigma(z^T p(s)) for all z and almost all s allows to differentiate under the integral.",
    Verdict.REFUTED,
)
def leibniz_hypothesis(proof: Proof) -> None:
    proof.note("The Leibniz rule also needs the derivative to be dominated by an integrable function near z.")
    proof.note("sigma(x) = x^2 sin(1/x^2), sigma(0) = 0; p = (1, s), q = 1, z = (0, 1): f = s, and (14) for z_1 is")
    proof.note("the integral of sigma'(s).")
    x, v = sympy.symbols("x v", positive=True)
    sigma = x**2 * sin(1 / x**2)
    proof.equal(sympy.limit(sigma / x, x, 0), 0, "sigma is differentiable at 0: sigma'(0) = lim sigma(x)/x = 0")
    proof.equal(
        diff(sigma, x),
        2 * x * sin(1 / x**2) - 2 * cos(1 / x**2) / x,
        "and elsewhere: 2 x sin(1/x^2) - (2/x) cos(1/x^2)",
    )
    substituted = sympy.simplify((2 * cos(1 / x**2) / x).subs(x, 1 / sqrt(v)) * sympy.Abs(diff(1 / sqrt(v), v)))
    proof.equal(substituted, cos(v) / v, "v = 1/x^2 turns (2/x) cos(1/x^2) dx on (0, 1) into cos(v)/v dv on (1, oo)")
    proof.equal(
        integrate(sympy.Abs(cos(v)), (v, 0, pi)),
        2,
        "integral of abs(cos v) over [k pi, (k + 1) pi] is 2, so that of abs(cos v)/v is >= 2/((k + 1) pi)",
    )
    n = sympy.Symbol("n", integer=True, positive=True)
    series: Any = sympy.Sum(2 / ((n + 1) * pi), (n, 1, sympy.oo))
    diverges = series.is_convergent() == sympy.false
    proof.refute(
        diverges,
        "sigma'(s) is not absolutely integrable on (0, 1): the Lebesgue integral (14) does not exist, although u does",
    )


@claim(
    "IAT-14b",
    "(14)",
    "The gradient of the transform is the integral (14) for a differentiable sigma.",
    Verdict.PROVED_IF,
    "sigma' is continuous, p and q are bounded",
)
def leibniz(proof: Proof) -> None:
    sigma = Function("sigma")
    p, q = [Function("p1"), Function("p2")], Function("q")
    f = z1 * p[0](s) + z2 * p[1](s)
    proof.assume("sigma' is continuous, p and q are bounded")
    proof.note("For norm(z) <= R: abs(f) <= R P, so abs(q p_j sigma'(f)) <= Q P max of abs(sigma') on [-R P, R P], a")
    proof.note("constant: difference quotients in z are dominated by it (mean value theorem), as Leibniz's rule asks.")
    for j, z in enumerate((z1, z2)):
        slope = sympy.Subs(diff(sigma(t), t), t, f)
        found = diff(Integral(q(s) * sigma(f), (s, -1, 1)), z)
        expected = Integral(q(s) * p[j](s) * slope, (s, -1, 1))
        proof.equal((found - expected).doit(), 0, f"du/dz{j + 1} = integral of q p{j + 1} sigma'(f), p and q symbolic")
    proof.note("ReLU is not differentiable at f = 0, so not at z = 0 for any s: for it see IAT-21.")


@claim("IAT-25", "4.3", "The M-point transform is piecewise linear; its second derivatives vanish almost everywhere.")
def mesh_second(proof: Proof) -> None:
    proof.note("u-hat is (2/M) Q relu(P^T z): a sum over points m of Q_m relu(f_m), f_m = P_m^T z.")
    p1, p2 = reals("p1 p2")
    f = p1 * z1 + p2 * z2
    for value, sign in ((f, "f_m > 0"), (sympy.Integer(0), "f_m < 0")):
        hessian = sympy.hessian(value, (z1, z2))
        proof.equal(hessian, sympy.zeros(2, 2), f"{sign}: relu(f_m) = {value} is linear in z, its Hessian is 0")
    proof.note(
        "P_m = 0: f_m = 0 for all z, the term is 0. Else P_m^T z = 0 is a hyperplane, and M of them are a null set."
    )


@claim(
    "IAT-25f",
    "4.3",
    "For p = (1, s) the M-point transform has 2 M patterns, more without bound as M grows; with rect p and any M there "
    "are at most 2^d.",
)
def number_of_patterns(proof: Proof) -> None:
    m, n, M = sympy.symbols("m n M", integer=True, positive=True)
    point = lambda k: -1 + (2 * k - 1) / M  # noqa: E731
    lines = Matrix([[1, point(m)], [1, point(n)]])
    proof.equal(lines.det(), 2 * (n - m) / M, "p = (1, s): normals at points m, n have determinant 2 (n - m)/M, "
                "so the M lines z1 + z2 s_m = 0 differ for m != n")  # fmt: skip
    proof.note("M lines through 0 cut the plane into 2 M sectors, and crossing a line changes the sign at its point.")
    d = sympy.Symbol("d", integer=True, positive=True)
    proof.equal(sympy.product(2, (m, 1, d)), 2**d, "rect: the signs at points of cell i are that of z_i: 2^d patterns")


@claim(
    "IAT-25b",
    "Remark 1",
    "The M-point transform has zero second derivatives everywhere.",
    Verdict.REFUTED,
)
def mesh_second_everywhere(proof: Proof) -> None:
    proof.note("On the hyperplanes P_m^T z = 0 it is not differentiable even once, unless Q_m = 0.")
    left, right = sympy.limit((relu(t) - 0) / t, t, 0, "-"), sympy.limit((relu(t) - 0) / t, t, 0, "+")
    proof.refute(left != right, f"M = 1, p = q = 1: one-sided slopes of relu at 0 are {left} and {right}")


@claim(
    "IAT-25d",
    "4.3",
    "As M grows the M-point transform converges to the exact one.",
    Verdict.PROVED_IF,
    "p and q are Riemann integrable",
)
def mesh_converges(proof: Proof) -> None:
    proof.assume("p and q are Riemann integrable")
    proof.note(
        "Then so is q relu(f) (Lebesgue's criterion), and midpoint sums of a Riemann integrable function converge"
    )
    proof.note("to its integral. The six families are: they have finitely many jumps.")
    w = sympy.Symbol("w", positive=True)
    x, slope = reals("x slope")
    taylor = a + b * s + c * s**2
    error = w * taylor.subs(s, 0) - integrate(taylor, (s, -w / 2, w / 2))
    proof.equal(
        error,
        -c * w**3 / 12,
        "cell of width w where q relu(f) = a + b s + c s^2: the error is -c w^3/12; 2/w cells make -c w^2/6",
    )
    up = integrate(slope * (s - x), (s, x, w / 2)) - w * slope * (0 - x)
    proof.equal(
        up, slope * (w / 2 + x) ** 2 / 2, "cell with a kink slope relu(s - x): error slope (w/2 + x)^2/2 if x < 0,"
    )
    proof.equal(up.subs(x, 0), slope * w**2 / 8, "at most slope w^2/8, at x = 0: O(w^2) for finitely many kinks")
    m, M = sympy.symbols("m M", integer=True, positive=True)
    proof.holds(
        (-1 + (2 * m - 1) / M).is_rational, "needed: q = 1, p = 1 at rational s, else 0; midpoints are rational,"
    )
    proof.equal(sympy.summation(2 / M, (m, 1, M)), 2, "so for z = 1 every sum is 2, while the (Lebesgue) integral is 0")


@claim(
    "IAT-25g",
    "4.3, Remark 1",
    "For piecewise linear p the root in a segment is an explicit function of z; its gradient is (22).",
)
def linear_root(proof: Proof) -> None:
    left, h = sympy.Symbol("l", real=True), sympy.Symbol("h", positive=True)
    u, v = Matrix(reals("u1:3")), Matrix(reals("v1:3"))
    z = Matrix([z1, z2])
    p = u + (v - u) * (s - left) / h
    f, f0, f1 = ((e.T * z)[0] for e in (p, u, v))
    root = left + h * f0 / (f0 - f1)
    proof.equal(f.subs(s, root), 0, "p = u at l and v at l + h: f vanishes at r = l + h f(l)/(f(l) - f(l + h))")
    for j in range(2):
        expected = (-p[j] / diff(f, s)).subs(s, root)
        proof.equal(diff(root, z[j]), expected, f"dr/dz{j + 1} = -p{j + 1}(r)/f'(r)")


@claim(
    "IAT-25h",
    "Remark 1",
    "A root taken as a constant r0 and given the gradient (22) makes the second derivatives of the transform exact.",
)
def reattached_root(proof: Proof) -> None:
    p, q = [Function("p1"), Function("p2")], Function("q")
    fixed, left = reals("r0 l")
    f = lambda x: z1 * p[0](x) + z2 * p[1](x)  # noqa: E731
    slope = f(s).diff(s).subs(s, fixed)
    root = fixed - f(fixed) / slope
    proof.note("r = r0 - f(r0; z)/f'(r0; z), a Newton step whose value is r0: one way to insert the gradient.")
    for k, z in enumerate((z1, z2)):
        rest = f(fixed) * p[k](s).diff(s).subs(s, fixed) / slope**2
        inserted = diff(root, z) - (-p[k](fixed) / slope + rest)
        proof.equal(inserted.doit(), 0, f"dr/dz{k + 1} = -p{k + 1}(r0)/f'(r0) + f(r0) p{k + 1}'(r0)/f'(r0)^2; "
                    "f(r0) = 0 leaves (22)")  # fmt: skip
        r = Function("r")(z1, z2)
        for j in range(2):
            S = Integral(q(s) * p[j](s), (s, left, r))
            proof.equal(diff(S, z), q(r) * p[j](r) * diff(r, z), f"dS_{j + 1}/dz{k + 1} = q p{j + 1} dr/dz{k + 1}: "
                        "needs the first derivative of r alone, so IAT-25c follows")  # fmt: skip


@claim(
    "IAT-25e",
    "4.3",
    "The exact transform needs more computational resources than the two matrix products of (12).",
    Verdict.REFUTED,
)
def cheaper(proof: Proof) -> None:
    d, M = 10, 500
    f0, f1, g0, g1 = reals("f0 f1 g0 g1")
    proof.note("Operations for a sample, pwl input and output: (12) takes two products with d x M matrices.")
    root = f0 / (f0 - f1)
    moment = integrate((f0 * (1 - t) + f1 * t) * (g0 * (1 - t) + g1 * t), t)
    closed = sympy.factor(sympy.simplify(moment.subs(t, 1) - moment.subs(t, root)))
    count = int(sympy.count_ops(closed))
    proof.note(f"exactly, for each of the d - 1 pieces and its two functions q, at most: {closed}")
    proof.holds(4 * d * M == 20_000, "(12) with d = 10, M = 500: 20,000 additions and multiplications")
    proof.refute(2 * count * (d - 1) < 4 * d * M, f"pwl/pwl, d = 10: at most {2 * count * (d - 1)} operations")


@claim(
    "IAT-26",
    "(24)-(26)",
    "For fixed patterns the network (24) is affine in x and affine in each pair (W^n, b^n), n = 0, 1, 2.",
)
def decoupled_linear(proof: Proof) -> None:
    W = [Matrix(2, 2, reals(f"w{n}_1:5")) for n in range(3)]
    bias = [Matrix(reals(f"b{n}_1:3")) for n in range(3)]
    S = [Matrix(2, 2, reals(f"S{n}_1:5")) for n in (1, 2)]
    x, v = Matrix(reals("x1:3")), Matrix(reals("v1:3"))

    def network(x: Any, W: Sequence[Any], bias: Sequence[Any]) -> Any:
        return W[2] * S[1] * (W[1] * S[0] * (W[0] * x + bias[0]) + bias[1]) + bias[2]

    mean = network(a * x + (1 - a) * v, W, bias) - a * network(x, W, bias) - (1 - a) * network(v, W, bias)
    proof.equal(mean, sympy.zeros(2, 1), "all widths 2: y(a x + (1 - a) v) = a y(x) + (1 - a) y(v)")
    for n in range(3):
        others = [list(W), list(bias)]
        others[0][n], others[1][n] = Matrix(2, 2, reals("V1:5")), Matrix(reals("e1:3"))
        mixed = [
            [a * g + (1 - a) * h for g, h in zip(*pair, strict=True)] for pair in zip((W, bias), others, strict=True)
        ]
        gap = network(x, *mixed) - a * network(x, W, bias) - (1 - a) * network(x, *others)
        proof.equal(gap, sympy.zeros(2, 1), f"the same for (W^{n}, b^{n}) with the other two fixed")
    proof.note("The terms are the same for any widths. Linear, without a constant, it is not: b^1, b^2 are added.")


@claim("IAT-26b", "4.4", "Decoupling the pattern of ReLU makes the model discontinuous.")
def decoupled_relu(proof: Proof) -> None:
    e = sympy.Symbol("e", positive=True)
    y = sympy.Piecewise((1, z2 > 0), (0, True))
    below, above = y.subs(z2, -e), y.subs(z2, e)
    proof.holds(below != above, f"1[z2 > 0] z1 at z1 = 1 is {below} for all z2 < 0 and {above} for all z2 > 0")


@claim(
    "IAT-26c",
    "4.4",
    "The decoupled model with continuous p is continuous.",
    Verdict.PROVED_IF,
    "the coefficients that make a pattern stay off those where {f = 0} has positive measure",
)
def decoupled_continuous(proof: Proof) -> None:
    proof.note("u = S(D(z2)) z1; z1 and z2 are continuous functions of the input.")
    proof.assume("the coefficients that make a pattern stay off those where {f = 0} has positive measure")
    patterns_are_near(proof)
    change_of_matrix(proof)
    iat = iatcore.IATReLU(iatcore.basis("pwl", 3), iatcore.basis("rect", 1))
    one = iat.pattern(np.array([[1.0, 0.0, 0.0]])).measure()[0]
    none = iat.pattern(np.array([[-1.0, 0.0, 0.0]])).measure()[0]
    proof.holds(
        one == 1.0 and none == 0.0,
        "needed: pwl, d = 3, z2 = (e, 0, 0) jumps from measure 1 to 0 at e = 0; for jumps off 0 see IAT-5.1a",
    )


@claim(
    "IAT-26d",
    "4.4",
    "du/dz2 of the decoupled form is the sum over roots of f1 q p^T/abs(f2') where all ends of D are simple roots.",
)
def decoupled_gradient(proof: Proof) -> None:
    p, q, f1 = Function("p"), Function("q"), Function("f1")
    r = Function("r")(z1)
    other = sympy.Symbol("l", real=True)
    for end, limits, slope in (
        ("right end, f2' < 0", (s, other, r), sympy.Symbol("m", negative=True)),
        ("left end, f2' > 0", (s, r, other), sympy.Symbol("m", positive=True)),
    ):
        found = diff(Integral(q(s) * f1(s), limits), z1).subs(diff(r, z1), -p(r) / slope)
        proof.equal(found, q(r) * f1(r) * p(r) / sympy.Abs(slope), f"{end}: du/dz2 = q f1 p/abs(f2') at r, by (22)")
    proof.note(
        "f1, the state function of the linear part, does not vanish at a root of f2: the pattern can be trained."
    )


@claim("IAT-33", "3.3", "The kernel (3c) at the mesh points is the M x M matrix W-hat = (P^2)^T W^1 Q^1.")
def discrete_kernel(proof: Proof) -> None:
    p, q = [Function(f"p{k}") for k in (1, 2)], [Function(f"q{k}") for k in (1, 2, 3)]
    x, y = reals("x1:4"), reals("y1:4")
    W = Matrix(2, 3, reals("w1:7"))
    P, Q = Matrix(2, 3, lambda k, m: p[k](x[m])), Matrix(3, 3, lambda k, n: q[k](y[n]))
    kernel = Matrix(3, 3, lambda m, n: sum(p[k](x[m]) * W[k, l] * q[l](y[n]) for k in range(2) for l in range(3)))
    proof.equal(P.T * W * Q, kernel, "three points, d1 = 3, d2 = 2, symbolic p, q, W: entry (m, n) is w^1(s_m, s_n)")
    M, d1, d2 = sympy.symbols("M d1 d2", integer=True, positive=True)
    matrix: Any = sympy.MatrixSymbol("P", d2, M).T * sympy.MatrixSymbol("W", d2, d1) * sympy.MatrixSymbol("Q", d1, M)
    proof.holds(matrix.shape == (M, M), "any M, d1, d2: it is M x M")
    proof.note("As weights of a plain network these values lack the factor 2/M: IAT-2d.")
