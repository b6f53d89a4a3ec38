"""Measured convergence of the M-point transform to the exact one, and of plain networks to the continuous one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

import iatcore
from iatcore import Basis

Quantity = Literal["u", "S"]
ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Convergence:
    """Errors on a sequence of meshes.

    Attributes:
        meshes: numbers M of mesh cells.
        errors: root mean square over the batch, one for each mesh.
        order: slope of the least-squares line through ``(log M, -log error)``; inf if all errors are as small as
            rounding, nan if some are.
        interval: of 95 % confidence for the slope, by Student's distribution; nan with fewer than three meshes, and
            where there is no line.
    """

    meshes: tuple[int, ...]
    errors: tuple[float, ...]
    order: float
    interval: tuple[float, float]


def fit(meshes: Sequence[int], errors: Sequence[float], size: float = 0.0) -> Convergence:
    """The line through logarithms of errors.

    Args:
        meshes: M, two at least.
        errors: one for each.
        size: of the exact values; errors of at most 64 eps of it are rounding.

    Raises:
        ValueError: fewer than two meshes.
    """
    if len(meshes) < 2:
        raise ValueError(f"meshes must hold at least two numbers, got {tuple(meshes)}")
    exact = [e <= ROUNDING * size for e in errors]
    if any(exact):
        order = math.inf if all(exact) else math.nan
        return Convergence(tuple(meshes), tuple(errors), order, (math.nan, math.nan))
    line: Any = stats.linregress(np.log(meshes), -np.log(errors))
    order = float(line.slope)
    half = float(stats.t.ppf(0.975, len(meshes) - 2) * line.stderr) if len(meshes) > 2 else math.nan
    return Convergence(tuple(meshes), tuple(errors), order, (order - half, order + half))


def discretization_order(
    iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int] = (50, 100, 200, 400, 800), of: Quantity = "u"
) -> Convergence:
    """The order at which ``iat.discretize(M)`` approaches ``iat`` on a batch.

    Args:
        iat: the exact transform.
        z: shape (B, d_in).
        meshes: M, two at least.
        of: ``"u"``: root mean square of ``norm(u_M - u)``; ``"S"``: of the Frobenius norm of the activation matrices.

    Raises:
        ValueError: fewer than two meshes, or another quantity.
    """
    if of not in ("u", "S"):
        raise ValueError(f"of must be 'u' or 'S', got {of!r}")

    def value(transform: Any) -> np.ndarray:
        found = transform(z) if of == "u" else transform.activation_matrix(z)
        return np.asarray(found).reshape(len(np.asarray(z)), -1)

    exact = value(iat)
    return fit(meshes, [_mean_size(value(iat.discretize(m)) - exact) for m in meshes], _mean_size(exact))


def _mean_size(rows: np.ndarray) -> float:
    """Root mean square of the norms of rows."""
    return float(np.sqrt(np.mean(np.sum(rows**2, axis=-1))))


def predicted_order(p: Basis, q: Basis, meshes: Sequence[int], of: Quantity = "u") -> float:
    """The order of :func:`discretization_order` that theory says; inf where the sum is exact.

    u: 2, since midpoint sums of a continuous, piecewise smooth function have errors O(M^-2), and jumps at mesh points
    do no harm; 1 with a jump inside a mesh cell; exact where p is constant and q linear on every mesh cell, since the
    midpoint rule is exact for linear functions. S: an indicator jumps at roots, which lie anywhere: 1, unless p has
    none but jumps.

    Args:
        p, q: input and output basis.
        meshes: M, which decide whether jumps lie on ends of mesh cells.
        of: ``"u"`` or ``"S"``.
    """
    aligned = all(_on_mesh(basis, m) for basis in (p, q) for m in meshes)
    linear = all(b.is_piecewise and b.degree <= most for b, most in ((p, 0), (q, 1)))
    if linear and all(_are_on_mesh(b.knots, m) for b in (p, q) for m in meshes):
        return math.inf
    if of == "S":
        # piecewise constant p: the pattern consists of whole pieces
        return (2.0 if aligned else 1.0) if p.is_piecewise and p.degree == 0 else 1.0
    return 2.0 if aligned else 1.0


def _on_mesh(basis: Basis, mesh: int) -> bool:
    """Whether every jump of a basis lies on an end of a mesh cell."""
    return _are_on_mesh([x for x in basis.knots[1:-1] if not _is_continuous_at(basis, x)], mesh)


def _are_on_mesh(points: Sequence[Fraction], mesh: int) -> bool:
    return all(((x + 1) * mesh / 2).denominator == 1 for x in points)


def _is_continuous_at(basis: Basis, x: Fraction) -> bool:
    h = 1e-9
    left, right = basis(np.array([float(x) - h])), basis(np.array([float(x) + h]))
    return bool(np.allclose(left, right, atol=1e-5))


def leading_constant(iat: iatcore.IAT, z: ArrayLike, mesh: int) -> tuple[float, float]:
    """``norm(u_M - u) M^2`` as measured, and by the leading term of the error, both root mean squares over a batch.

    Args:
        iat: the exact transform.
        z: shape (B, d_in).
        mesh: M.
    """
    on_mesh = iat.discretize(mesh)
    difference = on_mesh(z) - iat(z)
    leading = on_mesh.leading_error(z)

    return _mean_size(difference) * mesh**2, _mean_size(leading) * mesh**2


def remainder_order(iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int] = (100, 400, 1600)) -> Convergence:
    """The order of what the leading term leaves of the error, ``norm(u_M - u - leading term)``: 3 for continuous bases.

    Errors are root mean squares over a batch.

    Args:
        iat: the exact transform.
        z: shape (B, d_in).
        meshes: M, two at least.

    Raises:
        ValueError: fewer than two meshes.
    """
    exact = iat(z)
    errors = []
    for mesh in meshes:
        on_mesh = iat.discretize(mesh)
        errors.append(_mean_size(on_mesh(z) - exact - on_mesh.leading_error(z)))
    return fit(meshes, errors, _mean_size(exact))


def width_order(network: iatcore.GDNN, x: ArrayLike, widths: Sequence[int] = (50, 100, 200, 400)) -> Convergence:
    """The order at which the plain ReLU network of M points approaches the continuous one, IAT section 2.1.

    Args:
        network: of continuous width.
        x: inputs, shape (B, d_x).
        widths: M, two at least.

    Raises:
        ValueError: fewer than two widths.
    """
    exact = network(x)
    return fit(widths, [_mean_size(network.discretize(m)(x) - exact) for m in widths], _mean_size(exact))
