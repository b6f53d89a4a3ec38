"""Numbers as unevaluated sums of two doubles: about 32 digits, for the few places that 16 cannot decide.

A number is a pair (high, low) with ``abs(low) <= ulp(high)/2``; sums and products are off by a few ``2**-104``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .blocks import INLINE, OPTIONS

ROUNDING = 2.0**-100
"""Relative error of a sum of products, for each term."""


def split(value: Fraction) -> tuple[float, float]:
    """The nearest pair to a rational number."""
    high = float(value)
    return high, float(value - Fraction(high))


PI = (math.pi, 1.2246467991473532e-16)
_SINE = np.array([split(Fraction((-1) ** k, math.factorial(2 * k + 1))) for k in range(15)])
_COSINE = np.array([split(Fraction((-1) ** k, math.factorial(2 * k))) for k in range(15)])


@intrinsic
def fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.f64"), args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@njit(**INLINE)
def two_sum(a, b):
    """The sum of two doubles, exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@njit(**INLINE)
def add(a, b):
    """a + b."""
    s, e = two_sum(a[0], b[0])
    t, f = two_sum(a[1], b[1])
    s, e = two_sum(s, e + t)
    return two_sum(s, e + f)


@njit(**INLINE)
def multiply(a, b):
    """a b."""
    p = a[0] * b[0]
    return two_sum(p, fused(a[0], b[0], -p) + (a[0] * b[1] + a[1] * b[0]))


@njit(**INLINE)
def negative(a):
    """-a."""
    return -a[0], -a[1]


@njit(**INLINE)
def entry(table, i):
    """Number i of an array of pairs."""
    return table[i, 0], table[i, 1]


@njit(**INLINE)
def taylor(table, y2):
    """``sum table[k] y2**k``."""
    total = entry(table, table.shape[0] - 1)
    for k in range(table.shape[0] - 2, -1, -1):
        total = add(multiply(total, y2), entry(table, k))
    return total


@njit(**OPTIONS)
def sine_cosine(x):
    """``sin(pi x), cos(pi x)`` for abs x <= 1."""
    quarter = np.rint(2.0 * x[0])
    y = multiply(add(x, (-0.5 * quarter, 0.0)), PI)
    y2 = multiply(y, y)
    s, c = multiply(taylor(_SINE, y2), y), taylor(_COSINE, y2)
    turn = int(quarter) % 4
    if turn == 1:
        return c, negative(s)
    if turn == 2:
        return negative(s), negative(c)
    if turn == 3:
        return negative(c), s
    return s, c


@njit(**OPTIONS)
def polynomial(coefficients, degree, t):
    """Value and derivative with respect to t of a polynomial in Bernstein form, t a double in [0, 1]."""
    row = coefficients[: degree + 1].copy()
    x, y = (t, 0.0), two_sum(1.0, -t)
    for step in range(degree - 1):
        for i in range(degree - step):
            row[i] = add(multiply(entry(row, i), y), multiply(entry(row, i + 1), x))
    if degree == 0:
        return entry(row, 0), (0.0, 0.0)
    value = add(multiply(entry(row, 0), y), multiply(entry(row, 1), x))
    return value, multiply(add(entry(row, 1), negative(entry(row, 0))), (float(degree), 0.0))


@njit(**OPTIONS)
def trigonometric(waves, n, s):
    """f and f'/pi at s, ``waves`` holding ``a_0 .. a_n, b_0 .. b_n`` as pairs."""
    sine, cosine = sine_cosine(s)
    zero = (0.0, 0.0)
    re, im, dre, dim = zero, zero, zero, zero
    for k in range(n, -1, -1):
        a, b, order = entry(waves, k), entry(waves, n + 1 + k), (float(k), 0.0)
        re, im = (
            add(add(multiply(re, cosine), negative(multiply(im, sine))), b),
            add(add(multiply(re, sine), multiply(im, cosine)), negative(a)),
        )
        dre, dim = (
            add(add(multiply(dre, cosine), negative(multiply(dim, sine))), multiply(a, order)),
            add(add(multiply(dre, sine), multiply(dim, cosine)), multiply(b, order)),
        )
    return re, dre
