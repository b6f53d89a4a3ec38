"""Where a polynomial of degree at most 2 in Bernstein form lies above a level, in closed form, for samples as lanes."""

from __future__ import annotations

from numba import njit

from .blocks import INLINE
from .simd import absolute, fma, maximum, minimum, select, sqrt

NEARLY_ALL = 0.9375
"""Wider parts of a piece are not subtracted from it."""


@njit(**INLINE)
def linear_interval(a0, a1):
    """``{t in [0, 1] : (1 - t) a0 + t a1 > 0}`` for a0, a1 of opposite sign: its start t, its end 1 - t, its width."""
    inverse = 1.0 / (a0 - a1)
    root, rest = a0 * inverse, -(a1 * inverse)
    down = a0 > 0.0
    return select(down, 0.0, root), select(down, rest, 0.0), select(down, root, rest)


@njit(**INLINE)
def discriminant(a0, a1, a2):
    """``a1**2 - a0 a2`` with one rounding error at the end (Kahan)."""
    product = a0 * a2
    return fma(a1, a1, -product) - fma(a0, a2, -product)


@njit(**INLINE)
def quadratic_roots(a0, a1, a2):
    """Both roots of a quadratic in Bernstein form, for coefficients of mixed sign.

    Roots in the projective coordinate ``t/(1 - t)`` solve ``a2 x^2 + 2 a1 x + a0 = 0``; with
    ``w = -(a1 + sign(a1) sqrt(disc))`` they are ``a0/w <= w/a2``, so that t and 1 - t both keep full relative accuracy.

    Returns:
        t and 1 - t of the low root, t and 1 - t of the high one, whether the high one is that in [0, 1] if there is
        one, and the distance of both, 0 if they are not real.
    """
    disc = discriminant(a0, a1, a2)
    radius = sqrt(maximum(disc, 0.0))
    w = select(a1 >= 0.0, -a1 - radius, radius - a1)
    # low root a0/w, high root w/a2
    low_inverse, high_inverse = 1.0 / (a0 + w), 1.0 / (w + a2)
    low_rest = w * low_inverse
    # signs are compared, not multiplied: a product of tiny numbers may underflow
    use_high = ((w > 0.0) & (a2 > 0.0)) | ((w < 0.0) & (a2 < 0.0))
    gap = select(disc > 0.0, radius * 2.0 * absolute(low_rest * high_inverse), 0.0)
    return a0 * low_inverse, low_rest, w * high_inverse, a2 * high_inverse, use_high, gap


@njit(**INLINE)
def quadratic_interval(a0, a1, a2):
    """Where a quadratic in Bernstein form is positive, for coefficients of mixed sign, as one interval.

    Where it is positive at both ends and negative between, the interval between is given instead; unless nearly nothing
    is left beside it, which would then be a difference without digits.

    Returns:
        the start t and the end 1 - t of the interval, and its width; the lanes in which the quadratic is positive
        outside of it instead of inside; those whose two intervals are left to :func:`add_apart`, with width 0.
    """
    low, low_rest, high, high_rest, use_high, gap = quadratic_roots(a0, a1, a2)
    starts, ends = a0 > 0.0, a2 > 0.0
    single, both = starts ^ ends, starts & ends
    one, one_rest = select(use_high, high, low), select(use_high, high_rest, low_rest)
    left = select(single, select(ends, one, 0.0), low)
    right_rest = select(single, select(starts, one_rest, 0.0), high_rest)
    apart = both & (gap > NEARLY_ALL)
    width = select(single, select(starts, one, one_rest), select(apart, 0.0, gap))
    return left, right_rest, width, both & ~apart, apart


@njit(**INLINE)
def level_set(degree, a0, a1, a2, mixed):
    """Where a polynomial of degree 1 or 2 is positive, in the lanes ``mixed`` of mixed sign; width 0 in the others.

    Returns:
        as :func:`quadratic_interval`.
    """
    # the other lanes take part with a harmless polynomial, so that no nan arises
    a0 = select(mixed, a0, 1.0)
    if degree == 1:
        left, right_rest, width = linear_interval(a0, select(mixed, a1, -1.0))
        none = mixed ^ mixed
        return left, right_rest, select(mixed, width, 0.0), none, none
    left, right_rest, width, outside, apart = quadratic_interval(a0, select(mixed, a1, 0.0), select(mixed, a2, -1.0))
    return left, right_rest, select(mixed, width, 0.0), outside, apart


@njit(**INLINE)
def ends_apart(a0, a1, a2, mixed):
    """The two intervals that :func:`quadratic_interval` leaves: the end t and 1 - t of the first, which starts at 0;
    the start t and 1 - t of the second, which ends at 1. Widths are 0 in all other lanes."""
    _, _, _, _, apart = level_set(2, a0, a1, a2, mixed)
    low, low_rest, high, high_rest, _, _ = quadratic_roots(
        select(apart, a0, 1.0), select(apart, a1, 0.0), select(apart, a2, -1.0)
    )
    # in other lanes a root may be at infinity
    low, low_rest = select(apart, low, 0.0), select(apart, low_rest, 0.0)
    return low, low_rest, select(apart, high, 0.0), select(apart, high_rest, 0.0)


@njit(**INLINE)
def extremes(degree, f0, f1, f2):
    """Smallest and largest Bernstein coefficient."""
    low, high = f0, f0
    if degree >= 1:
        low, high = minimum(low, f1), maximum(high, f1)
    if degree == 2:
        low, high = minimum(low, f2), maximum(high, f2)
    return low, high


@njit(**INLINE)
def is_above(low, high, level, closed):
    """Lanes whose polynomial lies above the level almost everywhere; ``closed`` counts equality as above."""
    return (low >= level) if closed else ((low >= level) & (high > level))


@njit(**INLINE)
def is_below(low, high, level, closed):
    """Lanes whose polynomial lies below the level almost everywhere."""
    return ((high <= level) & (low < level)) if closed else (high <= level)
