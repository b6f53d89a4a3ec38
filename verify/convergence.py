"""Measured convergence of the M-point transform to the exact one, and of plain networks to the continuous one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

import iatcore
from iatcore import Basis

Quantity = Literal["u", "S"]


@dataclass(frozen=True)
class Convergence:
    """Errors on a sequence of meshes.

    Attributes:
        meshes: numbers M of mesh cells.
        errors: root mean square over the batch, one for each mesh.
        order: slope of the least-squares line through ``(log M, -log error)``; nan if an error is 0.
        interval: of 95 % confidence for the slope, by Student's distribution; nan with fewer than three meshes.
    """

    meshes: tuple[int, ...]
    errors: tuple[float, ...]
    order: float
    interval: tuple[float, float]


def fit(meshes: Sequence[int], errors: Sequence[float]) -> Convergence:
    """The line through logarithms of errors.

    Raises:
        ValueError: fewer than two meshes.
    """
    if len(meshes) < 2:
        raise ValueError(f"meshes must hold at least two numbers, got {tuple(meshes)}")
    if not all(errors):
        return Convergence(tuple(meshes), tuple(errors), math.nan, (math.nan, math.nan))
    line: Any = stats.linregress(np.log(meshes), -np.log(errors))
    order = float(line.slope)
    half = float(stats.t.ppf(0.975, len(meshes) - 2) * line.stderr) if len(meshes) > 2 else math.nan
    return Convergence(tuple(meshes), tuple(errors), order, (order - half, order + half))


def discretization_order(
    iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int] = (50, 100, 200, 400, 800), of: Quantity = "u"
) -> Convergence:
    """The order at which ``iat.discretize(M)`` approaches ``iat`` on a batch z of shape (B, d_in).

    Args:
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
    errors = [float(np.sqrt(np.mean(np.sum((value(iat.discretize(m)) - exact) ** 2, axis=1)))) for m in meshes]
    return fit(meshes, errors)


def predicted_order(p: Basis, q: Basis, meshes: Sequence[int], of: Quantity = "u") -> float:
    """The order of :func:`discretization_order` that theory says; inf where the sum is exact.

    u: 2, since midpoint sums of a continuous, piecewise smooth function have errors O(M^-2), and jumps at mesh points
    do no harm; 1 with a jump inside a mesh cell; exact where p and q are constant on every mesh cell. S: an indicator
    jumps at roots, which lie anywhere: 1, unless p has none but jumps.
    """
    aligned = all(_on_mesh(basis, m) for basis in (p, q) for m in meshes)
    constant = all(basis.is_piecewise and basis.degree == 0 for basis in (p, q))
    if constant and aligned:
        return math.inf
    if of == "S":
        # piecewise constant p: the pattern consists of whole pieces
        return (2.0 if aligned else 1.0) if p.is_piecewise and p.degree == 0 else 1.0
    return 2.0 if aligned else 1.0


def _on_mesh(basis: Basis, mesh: int) -> bool:
    """Whether every jump of a basis lies on an end of a mesh cell."""
    width = Fraction(2, mesh)
    jumps = [x for x in basis.knots[1:-1] if not _is_continuous_at(basis, x)]
    return all(((x + 1) / width).denominator == 1 for x in jumps)


def _is_continuous_at(basis: Basis, x: Fraction) -> bool:
    h = 1e-9
    left, right = basis(np.array([float(x) - h])), basis(np.array([float(x) + h]))
    return bool(np.allclose(left, right, atol=1e-5))


def leading_constant(iat: iatcore.IAT, z: ArrayLike, mesh: int) -> tuple[float, float]:
    """``norm(u_M - u) M^2`` over a batch as measured, and by the leading term of the error, both root mean squares."""
    on_mesh = iat.discretize(mesh)
    difference = on_mesh(z) - iat(z)
    leading = on_mesh.leading_error(z)

    def size(error: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.sum(error**2, axis=-1)))) * mesh**2

    return size(difference), size(leading)


def remainder_order(iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int] = (100, 400, 1600)) -> Convergence:
    """The order of what the leading term leaves of the error, ``norm(u_M - u - leading term)``: 3 for continuous bases.

    Errors are root mean squares over a batch z of shape (B, d_in).

    Raises:
        ValueError: fewer than two meshes.
    """
    exact = iat(z)
    errors = []
    for mesh in meshes:
        on_mesh = iat.discretize(mesh)
        rest = on_mesh(z) - exact - on_mesh.leading_error(z)
        errors.append(float(np.sqrt(np.mean(np.sum(rest**2, axis=-1)))))
    return fit(meshes, errors)


def width_order(network: iatcore.GDNN, x: ArrayLike, widths: Sequence[int] = (50, 100, 200, 400)) -> Convergence:
    """The order at which the plain ReLU network of M points approaches the continuous one, IAT section 2.1.

    Raises:
        ValueError: fewer than two widths.
    """
    exact = network(x)
    plain: Callable[[int], np.ndarray] = lambda m: network.discretize(m)(x)  # noqa: E731
    return fit(widths, [float(np.sqrt(np.mean(np.sum((plain(m) - exact) ** 2, axis=-1)))) for m in widths])
