"""Claims of the IAT paper on the continuous-width network."""

from __future__ import annotations

import sympy
from sympy import Function, Integral, Matrix

import iatcore

from ..ledger import Proof, Verdict, claim
from ..symbols import on_pieces, reals, s


def _vector(name: str, size: int) -> Matrix:
    return Matrix(reals(f"{name}1:{size + 1}"))


def _matrix(name: str, rows: int, columns: int) -> Matrix:
    return Matrix(rows, columns, reals(f"{name}1:{rows * columns + 1}"))


def _functions(name: str, size: int) -> Matrix:
    return Matrix([Function(f"{name}{k + 1}")(s) for k in range(size)])


@claim("IAT-6", "(2a), (3a), (3b), (6)", "The first state function of the GDNN is p^T (W^0 x + b^0).")
def first_state(proof: Proof) -> None:
    W, x, bias, p = _matrix("W", 3, 2), _vector("x", 2), _vector("b", 3), _functions("p", 3)
    weight, shift = W.T * p, (bias.T * p)[0]
    proof.equal(
        (x.T * weight)[0] + shift,
        (p.T * (W * x + bias))[0],
        "d0 = 2, d1 = 3, symbolic p: x^T w^0(s) + b^0(s) = p(s)^T (W^0 x + b^0)",
    )
    proof.note(
        "Linearly independent p: the coefficient vector of a function in their span is unique, so z^1 = W^0 x + b^0."
    )


@claim(
    "IAT-7", "(2c), (3c), (3d), (7), (8)", "The second state function is (p^2)^T (W^1 u^1 + b^1), u^1 the IAT of z^1."
)
def second_state(proof: Proof) -> None:
    W, bias = _matrix("W", 2, 3), _vector("b", 2)
    outer = Matrix(reals("P1:3"))
    q, sigma = _functions("q", 3), Function("v")(s)
    kernel = (outer.T * W * q)[0]
    left = Integral(sympy.expand(kernel * sigma), (s, -1, 1)).expand() + (bias.T * outer)[0]
    u = Matrix([Integral(q[k] * sigma, (s, -1, 1)) for k in range(3)])
    proof.equal(sympy.expand(left.doit()), sympy.expand((outer.T * (W * u + bias))[0].doit()),
                "p^2(s^2) = P, q^1 and activated state v symbolic: z^2 = P^T (W^1 integral of q v + b^1)")  # fmt: skip


@claim("IAT-10", "(2e), (3e), (9), (10)", "The output of the GDNN is W^2 u^2 + b^2, u^2 the IAT of z^2.")
def output(proof: Proof) -> None:
    W, bias, q, v = _matrix("W", 2, 3), _vector("b", 2), _functions("q", 3), Function("v")(s)
    y = Matrix([Integral(e, (s, -1, 1)).expand() for e in (W * q * v).applyfunc(sympy.expand)]) + bias
    u = Matrix([Integral(q[k] * v, (s, -1, 1)) for k in range(3)])
    proof.equal(
        (y - W * u - bias).applyfunc(lambda e: sympy.expand(e.doit())),
        sympy.zeros(2, 1),
        "integral of W^2 q v + b^2 = W^2 u^2 + b^2",
    )


@claim(
    "IAT-11", "(11)", "The GDNN (2) with the parameters (3) is the network (11) with IAT in place of the activation."
)
def equivalence(proof: Proof) -> None:
    for decide in (first_state, second_state, output):
        decide(proof)


@claim(
    "IAT-11b",
    "3.2",
    "The equivalence needs linearly independent basis functions.",
    Verdict.REFUTED,
)
def independence(proof: Proof) -> None:
    proof.note(
        "Uniqueness of z^1 needs it, equality of outputs does not: (6)-(10) hold with z^n := W^{n-1} u^{n-1} + b^{n-1}."
    )
    w = sympy.Symbol("w", real=True)
    p = Matrix([s, s])
    W = Matrix([w, 2 * w])
    x = sympy.Symbol("x", real=True)
    proof.refute(sympy.expand((x * (W.T * p))[0] - (p.T * (W * x))[0]) == 0,
                 "p = (s, s) is dependent; x^T w^0(s) and p^T (W^0 x) are still the same function")  # fmt: skip


@claim(
    "IAT-2",
    "2.1",
    "A plain network is a GDNN with piecewise constant weights.",
    Verdict.PROVED_IF,
    "the kernel carries the inverse width of the cells",
)
def special_case(proof: Proof) -> None:
    d = 3
    pieces, p = on_pieces(iatcore.basis("rect", d))
    W = _matrix("W", d, d)
    v = _vector("v", d)
    width = sympy.Rational(2, d)
    for k in range(d):
        total = 0
        for c, (left, right) in enumerate(pieces):
            kernel = sum(W[k, j] * p[c][j] for j in range(d)) / width
            total += sympy.integrate(kernel * v[c], (s, left, right))
        proof.equal(
            total, (W * v)[k], f"d = 3: the integral of the kernel on row cell {k + 1} against v is (W v)_{k + 1}"
        )
    proof.assume("the kernel carries the inverse width of the cells")


@claim("IAT-2b", "2.1", "As M grows the discretized GDNN converges to the GDNN.")
def wide_limit(proof: Proof) -> None:
    proof.note(
        "Each layer is a finite combination of midpoint sums, which converge (IAT-25d), of continuous functions of that"
    )
    proof.note("before; compositions of uniformly convergent continuous maps converge uniformly on bounded sets.")
    w, L, e = sympy.symbols("w L e", positive=True)
    proof.equal(
        sympy.limit(L * e * w + e * w, w, 0),
        0,
        "error after a layer <= Lipschitz constant times the error before + its own error",
    )


@claim("IAT-2c", "2.1", "In the discretized GDNN the widths are M, and each layer is an affine map of size M x M.")
def plain_network(proof: Proof) -> None:
    P, Q, W = _matrix("P", 2, 3), _matrix("Q", 2, 3), _matrix("W", 2, 2)
    bias, v = _vector("b", 2), _vector("v", 3)
    M = 3
    layer = P.T * (W * (sympy.Rational(2, M) * Q * v) + bias)
    weight, shift = sympy.Rational(2, M) * P.T * W * Q, P.T * bias
    proof.holds(
        weight.shape == (M, M) and shift.shape == (M, 1), "weight (2/M) P^T W Q is M x M, bias P^T b has M entries"
    )
    proof.equal(layer - weight * v - shift, sympy.zeros(M, 1), "P^T (W (2/M) Q v + b) = ((2/M) P^T W Q) v + P^T b")
