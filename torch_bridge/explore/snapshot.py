"""All that the page shows, as arrays: a pure function of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from iatcore import Basis, gates
from iatcore.pattern import activation_pattern

from .derivatives import ROUNDING, Derivatives, derivatives, roots_of
from .settings import Settings

Floats = NDArray[np.float64]
POINTS = 400
"""Of the curve of f, about."""
LEAST_POINTS = 48
"""On each piece: more than a polynomial or a trigonometric sum of the sizes offered has roots."""
REACH = 1.5
"""u is shown on [z_k - REACH, z_k + REACH]."""
STEPS = 81


@dataclass(frozen=True)
class Snapshot:
    """What there is to see for one state of the page; d functions in p and in q.

    Attributes:
        settings: what it belongs to.
        s, f: points and the state function ``f = z^T p``, (n,); where p jumps, a nan divides the pieces.
        activated: ``sigma(f)`` there, (n,).
        roots: where f crosses 0, ascending; not where it jumps over 0.
        positive: the set where f > 0 as intervals, (k, 2).
        intervals, slopes: the activation pattern: the slope of the gate on maximal intervals, (k, 2) and (k,).
        measure: the length of the set where f > 0.
        certified: whether bounds decided every sign of f.
        matrix: S(z), (d, d), IAT (18).
        u: the exact transform, (d,); u_mesh: on M points, IAT (12).
        leading: the leading term of ``u_mesh - u``, (d,); bound: of the modulus of ``u_mesh - u``, (d,).
        mesh_points, mesh_f: the M midpoints and f there, (M,).
        gradient: of u_i, (d,); nan where :attr:`Derivatives.missing` has a reason.
        derivatives: the second derivatives, and those along e_k of orders one to three.
        line: values of z_k, (STEPS,), the middle one being that of z.
        line_u, line_mesh: u_i and its M-point version there.
        taylor: Taylor polynomials of u_i of orders one to three there, (3, STEPS); nan from the first order missing.
    """

    settings: Settings
    s: Floats
    f: Floats
    activated: Floats
    roots: Floats
    positive: Floats
    intervals: Floats
    slopes: Floats
    measure: float
    certified: bool
    matrix: Floats
    u: Floats
    u_mesh: Floats
    leading: Floats
    bound: Floats
    mesh_points: Floats
    mesh_f: Floats
    gradient: Floats
    derivatives: Derivatives
    line: Floats
    line_u: Floats
    line_mesh: Floats
    taylor: Floats

    @property
    def error(self) -> Floats:
        """``u_mesh - u``, (d,)."""
        return self.u_mesh - self.u

    @property
    def hessian(self) -> Floats:
        """The second derivatives of u_i, (d, d)."""
        return self.derivatives.hessian[self.settings.output]


def snapshot(settings: Settings) -> Snapshot:
    """Compute everything for one state of the page."""
    iat, mesh, z = settings.transform(), settings.discrete(), np.array(settings.z)
    curve = _curve(iat.p)
    f = z @ curve.values
    # f's own signs, whatever the gate does with them
    above = activation_pattern(iat.p, gates.relu(), z)
    intervals, slopes = iat.pattern(z).partition(0)
    positive = above.intervals(0)
    roots = roots_of(iat, z, positive)
    unit = np.eye(settings.size)
    along = derivatives(iat, z, unit[settings.direction], roots, _flat(iat.p, z))
    gradient = iat.vjp(z, unit[settings.output])
    steps = np.linspace(-REACH, REACH, STEPS)
    line = z + steps[:, None] * unit[settings.direction]
    u, line_u = iat(z), iat(line)[:, settings.output]
    powers = steps ** np.arange(1, 4)[:, None] / np.array([1.0, 2.0, 6.0])[:, None]
    terms = along.along[:, settings.output, None] * powers
    return Snapshot(
        settings=settings,
        s=curve.s,
        f=f,
        activated=iat.gate(f),
        roots=roots,
        positive=positive,
        intervals=intervals,
        slopes=slopes,
        measure=float(above.measure()),
        certified=bool(above.certified[0]),
        matrix=iat.activation_matrix(z),
        u=u,
        u_mesh=mesh(z),
        leading=mesh.leading_error(z),
        bound=mesh.error_bound(z),
        mesh_points=mesh.points,
        mesh_f=z @ mesh.p_values,
        gradient=np.full_like(gradient, np.nan) if along.missing[0] else gradient,
        derivatives=along,
        line=z[settings.direction] + steps,
        line_u=line_u,
        line_mesh=mesh(line)[:, settings.output],
        taylor=u[settings.output] + np.cumsum(terms, axis=0),
    )


@dataclass(frozen=True)
class _Curve:
    """Points piece by piece, (n,), and p there, (d, n), nan between pieces where p jumps."""

    s: Floats
    values: Floats


@lru_cache(maxsize=64)
def _pieces(p: Basis) -> tuple[Floats, Floats]:
    """Points on each piece, both ends included, (pieces, m), and p there from inside, (d, pieces, m)."""
    t = p.tables
    m = max(LEAST_POINTS, POINTS // len(t.width))
    s = t.left[:, None] + t.width[:, None] * np.linspace(0, 1, m)
    s[:, -1] = t.right
    piece = np.repeat(np.arange(len(t.width)), m)
    return s, p.on_pieces(piece, s.ravel()).reshape(p.size, *s.shape)


@lru_cache(maxsize=64)
def _curve(p: Basis) -> _Curve:
    s, values = _pieces(p)
    if not p.is_continuous:
        s = np.pad(s, [(0, 0), (0, 1)], constant_values=np.nan)
        values = np.pad(values, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)
    return _Curve(s.ravel(), values.reshape(p.size, -1))


def _flat(p: Basis, z: Floats) -> list[tuple[float, float]]:
    """Maximal intervals on which f vanishes: it does at more points of a piece than it can have roots."""
    s, values = _pieces(p)
    f, size = np.einsum("j,jkm->km", z, values), np.einsum("j,jkm->km", np.abs(z), np.abs(values))
    joined: list[tuple[float, float]] = []
    for k in np.flatnonzero(np.all(np.abs(f) <= ROUNDING * size, axis=1)):
        left, right = float(s[k, 0]), float(s[k, -1])
        if joined and joined[-1][1] == left:
            left = joined.pop()[0]
        joined.append((left, right))
    return joined
