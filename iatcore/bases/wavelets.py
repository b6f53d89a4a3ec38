"""Piecewise functions of zero integral: the families `rect-w` and `pwl-w` of IAT section 5.1."""

from __future__ import annotations

from fractions import Fraction

from .bspline import ZERO, cells, hat
from .core import MINUS_ONE, ONE, Basis, Segment, from_segments


def rect_wavelet(size: int) -> Basis:
    """Indicator of cell i minus indicator of cell i + 1, of ``size + 1`` equal cells."""
    x = cells(size + 1)
    functions = [[Segment(x[i], x[i + 1], (ONE,)), Segment(x[i + 1], x[i + 2], (-ONE,))] for i in range(size)]
    return from_segments(f"basis('rect-w', {size})", functions)


def pwl_wavelet(size: int) -> Basis:
    """``hat_{i-1}/w_{i-1} - hat_i/w_i`` at the nodes ``-1 + 2j/size``, w = 1 inside and 1/2 at the two ends."""
    nodes = cells(size)
    functions = []
    for i in range(1, size + 1):
        pieces: dict[Fraction, Segment] = {}
        for node, sign in ((i - 1, ONE), (i, -ONE)):
            factor = 2 * sign if node in (0, size) else sign
            for left, right, c in hat(nodes, node):
                old = pieces[left].coefficients if left in pieces else (ZERO, ZERO)
                pieces[left] = Segment(left, right, (old[0] + factor * c[0], old[1] + factor * c[1]))
        functions.append([pieces[left] for left in sorted(pieces)])
    return from_segments(f"basis('pwl-w', {size})", functions)


def haar(name: str, size: int, values: tuple[tuple[int, ...], ...]) -> Basis:
    """Scaled and shifted copies of one shape: function i has level ``j = floor(log2 i)`` and shift ``i - 2**j``.

    ``values`` holds the Bernstein coefficients of the shape on equal parts of its support, whose length is 2/2**j.
    """
    functions = []
    for i in range(1, size + 1):
        level = i.bit_length() - 1
        support = Fraction(2, 2**level)
        start = MINUS_ONE + (i - 2**level) * support
        step = support / len(values)
        functions.append(
            [Segment(start + m * step, start + (m + 1) * step, tuple(map(Fraction, c))) for m, c in enumerate(values)]
        )
    return from_segments(f"basis('{name}', {size}, layout='haar')", functions)


def rect_haar(size: int) -> Basis:
    """Haar wavelets of unit height: 1 on the first half of the support and -1 on the second."""
    return haar("rect-w", size, ((1,), (-1,)))


def pwl_haar(size: int) -> Basis:
    """The continuous analogue of the Haar wavelets: the triangle wave 0, 1, 0, -1, 0."""
    return haar("pwl-w", size, ((0, 1), (1, 0), (0, -1), (-1, 0)))
