"""Certified numerics: balls that contain u, S and the pattern, and how far the core's float64 results are from them.

The balls come from :mod:`iatcore.reference`: every float64 is the rational number that it is, roots are isolated in
exact arithmetic or by ball arithmetic that counts them (none can be missed), integrals are closed forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from flint import arb
from numpy.typing import ArrayLike, NDArray

import iatcore
from iatcore import reference

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Enclosure:
    """Balls around what one z gives.

    Attributes:
        u: (d_out,) balls.
        matrix: (d_out, d_in) balls, S(D(z)).
        intervals: the pattern: maximal intervals of one slope, their ends as balls. Exactly these: signs between
            them are proved.
        decided: for each end inside (-1, 1) how it was found: ``root`` or ``jump``, with its multiplicity if known.
    """

    u: list[arb]
    matrix: list[list[arb]]
    intervals: list[reference.Interval]
    decided: list[reference.Crossing]

    def radius(self) -> float:
        """The largest radius of a ball of u or S."""
        return max((float(ball.rad()) for ball in [*self.u, *(b for row in self.matrix for b in row)]), default=0.0)


@dataclass(frozen=True)
class Certificate:
    """The core's float64 results against an enclosure.

    Attributes:
        u_inside, matrix_inside: whether a result is one of the two float64 numbers that the ball lies between (or the
            one that it holds), shapes (d_out,) and (d_out, d_in).
        u_ulps, matrix_ulps: distance from the middle of the ball in units in the last place of the result; inf where
            the result is 0 and the middle is not.
        u_error: distance over ``integral of abs(q_i) abs(f)``, the yardstick that the core's accuracy is stated in.
        same_pattern: whether the core found as many intervals, with the same slopes.
        enclosure: the balls.
    """

    u_inside: NDArray[np.bool_]
    u_ulps: Floats
    u_error: Floats
    matrix_inside: NDArray[np.bool_]
    matrix_ulps: Floats
    same_pattern: bool
    enclosure: Enclosure


def enclose(iat: iatcore.IAT, z: ArrayLike, prec: int = 320) -> Enclosure:
    """Rigorous balls for one vector z.

    Args:
        iat: bases and gate.
        z: (d_in,), finite.
        prec: working precision in bits, doubled until balls are narrower than 1e-32 of the scale.

    Raises:
        ValueError: z is not one finite vector.
        ArithmeticError: a cell that could not be decided with the highest precision; the message says which.
    """
    judge = reference.IAT(iat.p, iat.q, iat.gate, prec)
    vector = np.asarray(z, dtype=np.float64)
    intervals = judge.pattern(vector)
    u, matrix = judge.enclose(vector)
    return Enclosure(u, matrix, intervals, judge.crossings(vector))


def certify(iat: iatcore.IAT, z: ArrayLike, prec: int = 320) -> Certificate:
    """Whether the core is right for one vector z, and to how many units in the last place.

    Args:
        iat, z, prec: as for :func:`enclose`; z of shape (d_in,).

    Raises as :func:`enclose`.
    """
    found = enclose(iat, z, prec)
    vector = np.asarray(z, dtype=np.float64)
    u, matrix = iat(vector), iat.activation_matrix(vector)
    judge = reference.IAT(iat.p, iat.q, iat.gate, prec)
    scale = judge.magnitude(vector)
    pattern = iat.pattern(vector)
    slopes = [iat.gate.slopes[i.slope] for i in found.intervals]
    errors = [abs(float(ball - arb(float(v)))) for ball, v in zip(found.u, u, strict=True)]
    flat = [ball for row in found.matrix for ball in row]
    inside = np.array([is_inside(b, float(v)) for b, v in zip(flat, matrix.reshape(-1), strict=True)], dtype=np.bool_)
    ulps = np.array([ulps_from(b, float(v)) for b, v in zip(flat, matrix.reshape(-1), strict=True)])
    return Certificate(
        np.array([is_inside(b, float(v)) for b, v in zip(found.u, u, strict=True)], dtype=np.bool_),
        np.array([ulps_from(b, float(v)) for b, v in zip(found.u, u, strict=True)]),
        np.array([e / s if s else (0.0 if not e else math.inf) for e, s in zip(errors, scale, strict=True)]),
        inside.reshape(matrix.shape),
        ulps.reshape(matrix.shape),
        pattern.partition(0)[1].tolist() == slopes,
        found,
    )


def is_inside(ball: arb, value: float) -> bool:
    """Whether a float64 value is a neighbour of, or inside, a ball: no other float64 lies between them."""
    if not math.isfinite(value):
        return False
    low, high = math.nextafter(value, -math.inf), math.nextafter(value, math.inf)
    return bool(ball > arb(low)) and bool(ball < arb(high))


def ulps_from(ball: arb, value: float) -> float:
    """Distance of a float64 value from the middle of a ball in units in the last place of the value."""
    distance = abs(float(ball.mid() - arb(value)))
    if distance == 0.0:
        return 0.0
    return distance / math.ulp(value) if value else math.inf
