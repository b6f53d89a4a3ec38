"""B-splines of degree 0, 1, 2: the families `rect`, `pwl`, `pwq` of IAT section 5.1."""

from __future__ import annotations

from fractions import Fraction

from .core import MINUS_ONE, ONE, Basis, Segment, from_segments

HALF, ZERO = Fraction(1, 2), Fraction(0)


def cells(count: int) -> list[Fraction]:
    """End points of ``count`` equal cells of [-1, 1], exact."""
    return [MINUS_ONE + Fraction(2 * k, count) for k in range(count + 1)]


def rect(size: int) -> Basis:
    """Indicators of ``size`` equal cells."""
    x = cells(size)
    return from_segments(f"basis('rect', {size})", [[Segment(x[i], x[i + 1], (ONE,))] for i in range(size)])


def hat(nodes: list[Fraction], i: int) -> list[Segment]:
    """The piecewise linear function that is 1 at ``nodes[i]`` and 0 at the others, on ``[nodes[0], nodes[-1]]``."""
    sides = []
    if i > 0:
        sides.append(Segment(nodes[i - 1], nodes[i], (ZERO, ONE)))
    if i + 1 < len(nodes):
        sides.append(Segment(nodes[i], nodes[i + 1], (ONE, ZERO)))
    return sides


def pwl(size: int) -> Basis:
    """Hats at the ``size`` nodes ``-1 + 2 (i - 1)/(size - 1)``; for size 1 the constant 1."""
    name = f"basis('pwl', {size})"
    if size == 1:
        return from_segments(name, [[Segment(MINUS_ONE, ONE, (ONE,))]])
    nodes = cells(size - 1)
    return from_segments(name, [hat(nodes, i) for i in range(size)])


def pwl_centred(size: int) -> Basis:
    """Hats of half-width ``2/size`` at the centres of ``size`` equal cells, clipped to [-1, 1]."""
    h = Fraction(2, size)
    functions = []
    for i in range(size):
        centre = MINUS_ONE + h * (i + HALF)
        left, right = max(centre - h, MINUS_ONE), min(centre + h, ONE)
        functions.append(
            [
                Segment(left, centre, (1 - (centre - left) / h, ONE)),
                Segment(centre, right, (ONE, 1 - (right - centre) / h)),
            ]
        )
    return from_segments(f"basis('pwl', {size}, layout='centred')", functions)


def pwq(size: int) -> Basis:
    """Quadratic B-splines ``B2((s - c_i)/h)``, h = 2/size, c_i the cell centres, clipped to [-1, 1]."""
    x = cells(size)
    shapes = {-1: (ZERO, ZERO, HALF), 0: (HALF, ONE, HALF), 1: (HALF, ZERO, ZERO)}
    functions = [
        [Segment(x[i + m], x[i + m + 1], c) for m, c in shapes.items() if 0 <= i + m < size] for i in range(size)
    ]
    return from_segments(f"basis('pwq', {size})", functions)
