"""Trigonometric polynomials on lanes: ``f(s) = b_0 + sum_k a_k sin(k pi s) + b_k cos(k pi s)``.

A block of functions is the address of an array of ``2 (n + 1)`` rows: ``a_0 .. a_n`` (a_0 unused) and ``b_0 .. b_n``.
"""

from __future__ import annotations

import math

from numba import njit

from .blocks import INLINE
from .memory import int_at, load, load_like, real_at, store
from .simd import absolute, fill, nearest, select, splat, total

_SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(9))
_COSINE = tuple((-1) ** k / math.factorial(2 * k) for k in range(10))


@njit(**INLINE)
def sine_cosine(x):
    """``sin(pi x), cos(pi x)`` for abs x <= 1: reduction to abs(x) <= 1/4, which is exact, then Taylor."""
    quarter = nearest(x * 2.0)
    y = (x - quarter * 0.5) * math.pi
    y2 = y * y
    s = fill(y, _SINE[8])
    c = fill(y, _COSINE[9])
    for k in range(7, -1, -1):
        s = s * y2 + _SINE[k]
    for k in range(8, -1, -1):
        c = c * y2 + _COSINE[k]
    s = s * y
    size = absolute(quarter)
    odd, half = size == 1.0, size == 2.0
    sine, cosine = select(odd, c, s), select(odd, s, c)
    sine = select(half | (odd & (quarter < 0.0)), -sine, sine)
    cosine = select(half | (odd & (quarter > 0.0)), -cosine, cosine)
    return sine, cosine


@njit(**INLINE)
def turn(sine, cosine, s, c):
    """``sin, cos`` of the sum of two angles."""
    return sine * c + cosine * s, cosine * c - sine * s


@njit(**INLINE)
def wave_value(waves, n, low, sine, cosine):
    """The constant and the harmonics up to ``low`` at a point whose ``sin(pi s), cos(pi s)`` are given (Horner)."""
    re, im = fill(sine, 0.0), fill(sine, 0.0)
    for k in range(low, 0, -1):
        real = re * cosine - im * sine + load_like(sine, waves, n + 1 + k)
        im = re * sine + im * cosine - load_like(sine, waves, k)
        re = real
    return re * cosine - im * sine + load_like(sine, waves, n + 1)


@njit(**INLINE)
def wave_antiderivatives(waves, n, low, inverse, sine, cosine):
    """First, second and third antiderivative of the harmonics above ``low``, without constants.

    Args:
        inverse: address of (n + 1, 3): powers 1, 2, 3 of ``1/(k pi)``.
    """
    s, c = sine, cosine
    for _ in range(low):
        s, c = turn(s, c, sine, cosine)
    f1, f2, f3 = fill(sine, 0.0), fill(sine, 0.0), fill(sine, 0.0)
    for k in range(low + 1, n + 1):
        a, b = load_like(sine, waves, k), load_like(sine, waves, n + 1 + k)
        first, second = b * s - a * c, a * s + b * c
        f1 = f1 + first * real_at(inverse, 3 * k)
        f2 = f2 - second * real_at(inverse, 3 * k + 1)
        f3 = f3 - first * real_at(inverse, 3 * k + 2)
        s, c = turn(s, c, sine, cosine)
    return f1, f2, f3


@njit(**INLINE)
def wave_slope(waves, n, sine, cosine):
    """f and f' at a point (derivative with respect to s): Horner in steps of two, odd and even harmonics apart."""
    zero = fill(sine, 0.0)
    sine_2, cosine_2 = turn(sine, cosine, sine, cosine)
    re, im, re1, im1 = zero, zero, zero, zero
    odd_re, odd_im, odd_re1, odd_im1 = zero, zero, zero, zero
    if n % 2 == 0:
        a, b = load_like(sine, waves, n), load_like(sine, waves, 2 * n + 1)
        re, im, re1, im1 = b, -a, a * float(n), b * float(n)
    for k in range(n - 1 + n % 2, 1, -2):
        a, b = load_like(sine, waves, k), load_like(sine, waves, n + 1 + k)
        a1, b1 = a * float(k), b * float(k)
        odd_re, odd_im = odd_re * cosine_2 - odd_im * sine_2 + b, odd_re * sine_2 + odd_im * cosine_2 - a
        odd_re1, odd_im1 = odd_re1 * cosine_2 - odd_im1 * sine_2 + a1, odd_re1 * sine_2 + odd_im1 * cosine_2 + b1
        a, b = load_like(sine, waves, k - 1), load_like(sine, waves, n + k)
        a1, b1 = a * float(k - 1), b * float(k - 1)
        re, im = re * cosine_2 - im * sine_2 + b, re * sine_2 + im * cosine_2 - a
        re1, im1 = re1 * cosine_2 - im1 * sine_2 + a1, re1 * sine_2 + im1 * cosine_2 + b1
    a, b = load_like(sine, waves, 1), load_like(sine, waves, n + 2)
    odd_re, odd_im = odd_re * cosine_2 - odd_im * sine_2 + b, odd_re * sine_2 + odd_im * cosine_2 - a
    odd_re1, odd_im1 = odd_re1 * cosine_2 - odd_im1 * sine_2 + a, odd_re1 * sine_2 + odd_im1 * cosine_2 + b
    f = (odd_re * cosine - odd_im * sine) + (re * cosine_2 - im * sine_2) + load_like(sine, waves, n + 1)
    return f, ((odd_re1 * cosine - odd_im1 * sine) + (re1 * cosine_2 - im1 * sine_2)) * math.pi


@njit(**INLINE)
def wave_jet(waves, n, sine, cosine):
    """f, f' and f'' at a point (derivatives with respect to s)."""
    zero = fill(sine, 0.0)
    re, im, re1, im1, re2, im2 = zero, zero, zero, zero, zero, zero
    for k in range(n, 0, -1):
        a, b = load_like(sine, waves, k), load_like(sine, waves, n + 1 + k)
        a1, b1 = a * float(k), b * float(k)
        re, im = re * cosine - im * sine + b, re * sine + im * cosine - a
        re1, im1 = re1 * cosine - im1 * sine + a1, re1 * sine + im1 * cosine + b1
        re2, im2 = re2 * cosine - im2 * sine - b1 * float(k), re2 * sine + im2 * cosine + a1 * float(k)
    return (
        re * cosine - im * sine + load_like(sine, waves, n + 1),
        (re1 * cosine - im1 * sine) * math.pi,
        (re2 * cosine - im2 * sine) * (math.pi * math.pi),
    )


@njit(**INLINE)
def add_wave_tests(sums, n, low, sine, cosine, weight):
    """Add ``weight sin(k pi s)`` to row k and ``weight cos(k pi s)`` to row n + 1 + k of ``sums``, k = 0 .. low."""
    s, c = weight * 0.0, weight
    for k in range(low + 1):
        store(sums, k, load(sums, k) + total(s))
        store(sums, n + 1 + k, load(sums, n + 1 + k) + total(c))
        s, c = turn(s, c, sine, cosine)


@njit(**INLINE)
def add_wave_parts(sums, n, low, inverse, sine, cosine, h0, h1, h2):
    """Add ``h0 E1 - h1 E2 + h2 E3`` for the antiderivatives E1, E2, E3 of every wave above ``low``."""
    s, c = sine, cosine
    for _ in range(low):
        s, c = turn(s, c, sine, cosine)
    for k in range(low + 1, n + 1):
        even = h2 * real_at(inverse, 3 * k + 2) - h0 * real_at(inverse, 3 * k)
        odd = h1 * real_at(inverse, 3 * k + 1)
        store(sums, k, load(sums, k) + total(even * c + odd * s))
        store(sums, n + 1 + k, load(sums, n + 1 + k) + total(odd * c - even * s))
        s, c = turn(s, c, sine, cosine)


@njit(**INLINE)
def load_waves(block, size, row, factor, waves, n):
    """Coefficients of a trigonometric basis as waves: function j is ``factor[j]`` times wave ``row[j]``."""
    for k in range(2 * (n + 1)):
        store(waves, k, splat(0.0))
    for j in range(size):
        k = int_at(row, j)
        store(waves, k, load(waves, k) + load(block, j) * real_at(factor, j))


@njit(**INLINE)
def unload_waves(sums, size, row, factor, block):
    """The transpose of :func:`load_waves`."""
    for j in range(size):
        store(block, j, load(sums, int_at(row, j)) * real_at(factor, j))
