"""Measured convergence of the M-point transform to the exact one (IAT section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

import iatcore


@dataclass(frozen=True)
class Convergence:
    """Errors on a sequence of meshes.

    Attributes:
        meshes: numbers M of mesh cells.
        errors: root mean square of ``norm(u_M - u)`` over the batch, one for each mesh.
        order: slope of the least-squares line through ``(log M, -log error)``; nan if an error is 0.
    """

    meshes: tuple[int, ...]
    errors: tuple[float, ...]
    order: float


def discretization_order(
    iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int] = (50, 100, 200, 400, 800)
) -> Convergence:
    """The order at which ``iat.discretize(M)`` approaches ``iat`` on a batch z of shape (B, d_in).

    For continuous bases u converges with order 2; where p or q jumps off the mesh, with order 1.

    Raises:
        ValueError: fewer than two meshes.
    """
    if len(meshes) < 2:
        raise ValueError(f"meshes must hold at least two numbers, got {tuple(meshes)}")
    exact = iat(z)
    errors = [float(np.sqrt(np.mean(np.sum((iat.discretize(m)(z) - exact) ** 2, axis=-1)))) for m in meshes]
    order = float(-np.polyfit(np.log(meshes), np.log(errors), 1)[0]) if all(errors) else float("nan")
    return Convergence(tuple(meshes), tuple(errors), order)
