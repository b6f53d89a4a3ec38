"""Claims of the IAT paper on the continuous-width network."""

from __future__ import annotations

from typing import Any

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
    d0, d1 = sympy.symbols("d0 d1", integer=True, positive=True)
    W, p = sympy.MatrixSymbol("W", d1, d0), sympy.MatrixSymbol("p", d1, 1)
    x, bias = sympy.MatrixSymbol("x", d0, 1), sympy.MatrixSymbol("b", d1, 1)
    state: Any = x.T * (W.T * p) + bias.T * p
    expected: Any = p.T * (W * x + bias)
    proof.holds(
        state.shape == expected.shape == (1, 1), "any d0, d1: x^T w^0(s) + b^0(s) is 1 x 1, so its own transpose"
    )
    proof.holds(
        sympy.Transpose(state).doit().expand() == expected.expand(),
        "its transpose is p(s)^T W^0 x + p(s)^T b^0 = p(s)^T (W^0 x + b^0)",
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
                "d1 = 3, d2 = 2, symbolic P = p^2(s^2), q^1, v: z^2 = P^T (W^1 integral of q v + b^1)")  # fmt: skip
    proof.note("One term for each entry of W^1, so the same for all widths.")


@claim("IAT-10", "(2e), (3e), (9), (10)", "The output of the GDNN is W^2 u^2 + b^2, u^2 the IAT of z^2.")
def output(proof: Proof) -> None:
    W, bias, q, v = _matrix("W", 2, 3), _vector("b", 2), _functions("q", 3), Function("v")(s)
    y = Matrix([Integral(e, (s, -1, 1)).expand() for e in (W * q * v).applyfunc(sympy.expand)]) + bias
    u = Matrix([Integral(q[k] * v, (s, -1, 1)) for k in range(3)])
    proof.equal(
        (y - W * u - bias).applyfunc(lambda e: sympy.expand(e.doit())),
        sympy.zeros(2, 1),
        "d2 = 3, d3 = 2: integral of W^2 q v + b^2 = W^2 u^2 + b^2",
    )
    proof.note("One term for each entry of W^2, so the same for all widths.")


@claim(
    "IAT-11", "(11)", "The GDNN (2) with the parameters (3) is the network (11) with IAT in place of the activation."
)
def equivalence(proof: Proof) -> None:
    for decide in (first_state, second_state, output):
        decide(proof)
    proof.note("Put together: z^1 of (6) gives v = sigma(z^1(s)), u^1 of (8), z^2 of (7), u^2 of (10) and y of (9).")


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
    left, v, w = reals("l v_j w_kj")
    width = sympy.Symbol("h", positive=True)
    plain, scaled = (sympy.integrate(kernel * v, (s, left, left + width)) for kernel in (w, w / width))
    proof.equal(plain, width * w * v, "kernel of height W_kj on cell (k, j): cell j contributes h W_kj v_j, h too much")
    proof.assume("the kernel carries the inverse width of the cells")
    proof.equal(scaled, w * v, "of height W_kj/h_j: it contributes W_kj v_j, for cells of any width")
    proof.note(
        "The sum over j is (W v)_k on cell k of s^2; the same with w^2 in (2e). w^0, b^0, b^1 keep their heights."
    )
    d = 3
    pieces, p = on_pieces(iatcore.basis("rect", d))
    W, vector = _matrix("W", d, d), _vector("v", d)
    for k in range(d):
        total = 0
        for c, (low, high) in enumerate(pieces):
            kernel = sum(W[k, j] * p[c][j] for j in range(d)) * sympy.Rational(d, 2)
            total += sympy.integrate(kernel * vector[c], (s, low, high))
        proof.equal(total, (W * vector)[k], f"in full for d = 3: row cell {k + 1} gets (W v)_{k + 1}")


@claim(
    "IAT-2b",
    "2.1",
    "As M grows the discretized GDNN converges to the GDNN.",
    Verdict.PROVED_IF,
    "sums over mesh points carry the factor 2/M, p and q are Riemann integrable and sigma is Lipschitz",
)
def wide_limit(proof: Proof) -> None:
    proof.assume("sums over mesh points carry the factor 2/M, p and q are Riemann integrable and sigma is Lipschitz")
    proof.note("z^1 has no sum in it: it is the same in both. Let e_n be the error of u^n, d_n(M) that of the midpoint")
    proof.note("sum for the exact z^n, which tends to 0 (IAT-25d). P, Q bound norm(p), norm(q), L is sigma's constant.")
    M, m = sympy.symbols("M m", integer=True, positive=True)
    P, Q, L, W, d1, d2, V = sympy.symbols("P Q L W d_1 d_2 V", nonnegative=True)
    uniform: Any = sympy.summation(2 / M * Q * L * P, (m, 1, M))
    proof.equal(uniform, 2 * P * Q * L, "the M-point transform is Lipschitz with the constant 2 P Q L, for every M")
    first = d1
    second = d2 + uniform * W * first
    proof.equal(
        second.subs({d1: 0, d2: 0}), 0, "e_1 = d_1, e_2 <= d_2 + 2 P Q L norm(W^1) e_1: tends to 0 with d_1, d_2"
    )
    last = V * second
    proof.equal(last.subs({d1: 0, d2: 0}), 0, "error of y <= norm(W^2) e_2 -> 0; further layers in the same way")
    proof.equal(sympy.diff(last, d1, 2), 0, "the bound is linear in d_1, d_2: O(M^-2) sums give an O(M^-2) network")


@claim(
    "IAT-2d",
    "2.1",
    "With weight matrices that are sampled kernels, w^1(s_m, s_n), the discretized GDNN converges to the GDNN.",
    Verdict.REFUTED,
)
def sampled_weights(proof: Proof) -> None:
    M, n = sympy.symbols("M n", integer=True, positive=True)
    proof.note("w^1 = 1 (p = q = 1, W = 1), u^1 = 1: z^2 is the integral of 1 over [-1, 1].")
    proof.equal(sympy.integrate(1, (s, -1, 1)), 2, "z^2 = 2")
    sampled: Any = sympy.summation(1, (n, 1, M))
    proof.refute(sympy.limit(sampled, M, sympy.oo) == sympy.oo, "kernel 1, state 1: the sampled matrix gives M -> oo")
    proof.equal(2 / M * sampled, 2, "with the factor 2/M of (12) it is 2 for every M")


@claim("IAT-2c", "2.1", "In the discretized GDNN the widths are M, and each layer is an affine map of size M x M.")
def plain_network(proof: Proof) -> None:
    M, d1, d2 = sympy.symbols("M d1 d2", integer=True, positive=True)
    P, Q, W = (sympy.MatrixSymbol(*a) for a in (("P", d2, M), ("Q", d1, M), ("W", d2, d1)))
    bias, v = sympy.MatrixSymbol("b", d2, 1), sympy.MatrixSymbol("v", M, 1)
    layer: Any = P.T * (W * (2 / M * Q * v) + bias)
    weight: Any = 2 / M * P.T * W * Q
    shift: Any = P.T * bias
    proof.holds(
        weight.shape == (M, M) and shift.shape == (M, 1), "weight (2/M) P^T W Q is M x M, bias P^T b has M entries"
    )
    proof.holds(
        sympy.expand(layer) == sympy.expand(weight * v + shift),
        "any M and widths: P^T (W (2/M) Q v + b) = ((2/M) P^T W Q) v + P^T b",
    )
