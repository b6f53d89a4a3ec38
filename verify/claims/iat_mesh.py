"""Claims of the IAT paper on the discretization and on the decoupled network."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Function, Integral, Matrix, Rational, cos, diff, integrate, pi, sin, sqrt

import iatcore

from ..ledger import Proof, Verdict, claim
from ..symbols import reals, s, t

z1, z2, z3 = reals("z1 z2 z3")
a, b, c = reals("a b c")


def relu(x: sympy.Expr) -> sympy.Expr:
    """max(x, 0)."""
    return sympy.Max(x, 0)


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
        "sigma'(s) is not absolutely integrable on (0, 1), so the integral (14) does not exist, although u does",
    )


@claim("IAT-25", "4.3", "The second derivatives of the M-point transform vanish almost everywhere.")
def mesh_second(proof: Proof) -> None:
    proof.note("u-hat is (2/M) Q relu(P^T z): linear on every cell of the arrangement of the hyperplanes P_m^T z = 0.")
    x = sympy.Symbol("x", nonzero=True, real=True)
    for sign in (1, -1):
        y = sympy.Symbol("y", positive=True) * sign
        proof.equal(
            diff(sympy.Piecewise((t, t > 0), (0, True)), t, 2).subs(t, y),
            0,
            f"relu'' = 0 at {'positive' if sign > 0 else 'negative'} numbers",
        )
    proof.note(f"The exceptional set is a finite union of hyperplanes, {x} != 0 in each.")


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


@claim("IAT-25d", "4.3", "As M grows the M-point transform converges to the exact one.")
def mesh_converges(proof: Proof) -> None:
    proof.note(
        "p and q are bounded and continuous outside of finitely many points, so q relu(f) is Riemann integrable,"
    )
    proof.note("and midpoint sums of a Riemann integrable function converge to its integral.")
    w = sympy.Symbol("w", positive=True)
    taylor = a + b * s + c * s**2
    error = w * taylor.subs(s, 0) - integrate(taylor, (s, -w / 2, w / 2))
    proof.equal(
        error,
        -c * w**3 / 12,
        "midpoint on a cell of width w: the error of a + b s + c s^2 is -c w^3/12, so O(w^2) in all",
    )


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


@claim("IAT-26", "(24)-(26)", "For fixed patterns the network is linear in x and in each pair (W^n, b^n).")
def decoupled_linear(proof: Proof) -> None:
    W, x, v, S = Matrix(2, 2, reals("w1:5")), Matrix(reals("x1:3")), Matrix(reals("v1:3")), Matrix(2, 2, reals("S1:5"))
    bias = Matrix(reals("b1:3"))
    layer = lambda y: S * (W * y + bias)  # noqa: E731
    proof.equal(layer(a * x + (1 - a) * v) - a * layer(x) - (1 - a) * layer(v), sympy.zeros(2, 1), "affine in x")
    V, e = Matrix(2, 2, reals("u1:5")), Matrix(reals("e1:3"))
    both = lambda A, y: S * (A * x + y)  # noqa: E731
    proof.equal(both(W + a * V, bias + a * e) - both(W, bias) - a * both(V, e), sympy.zeros(2, 1), "linear in (W, b)")


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
    proof.note(
        "u = S(D(z2)) z1 and abs(S(D) - S(E)) <= max abs(q p) measure of D xor E; D is continuous in measure (IAT-22d)."
    )
    x = Fraction(1, 2)
    iat = iatcore.IATReLU(iatcore.basis("pwl", 3), iatcore.basis("rect", 1))
    one = iat.pattern(np.array([[1.0, 0.0, 0.0]])).measure()[0]
    none = iat.pattern(np.array([[-1.0, 0.0, 0.0]])).measure()[0]
    proof.holds(
        one == 1.0 and none == 0.0,
        f"exception: pwl, z2 = (e, 0, 0) jumps from measure 1 to 0 at e = 0; f = 0 on half of [-1, 1] ({x * 2})",
    )
    proof.assume("the coefficients that make a pattern stay off those where {f = 0} has positive measure")


@claim("IAT-26d", "4.4", "du/dz2 of the decoupled form is the sum over roots of f1 q p^T/abs(f2').")
def decoupled_gradient(proof: Proof) -> None:
    p, q, f1 = Function("p"), Function("q"), Function("f1")
    r = Function("r")(z1)
    left, slope = sympy.Symbol("l", real=True), sympy.Symbol("m", nonzero=True)
    u = Integral(q(s) * f1(s), (s, left, r))
    found = diff(u, z1).subs(diff(r, z1), -p(r) / slope)
    proof.equal(
        found, -q(r) * f1(r) * p(r) / slope, "right end: du/dz2 = q(r) f1(r) dr/dz2 = -q f1 p/f2', and f2' < 0 there"
    )


@claim("IAT-33", "3.3", "The discretized kernel of the GDNN is W-hat = (P^2)^T W^1 Q^1.", Verdict.REFUTED)
def discrete_kernel(proof: Proof) -> None:
    M = 4
    proof.note("The integral over s^1 becomes a sum with weight 2/M: the layer is (2/M) (P^2)^T W^1 Q^1 sigma(z^1).")
    proof.equal(integrate(1, (s, -1, 1)), 2, "constant kernel and state: the integral is 2")
    plain = sum(1 for _ in range(M))
    proof.refute(
        plain != 2, f"p = q = 1, W = 1, M = {M}, u = 1: the formula without 2/M gives {plain}, the integral is 2"
    )
    proof.equal(Rational(2, M) * plain, 2, "with the factor 2/M it is 2")
