"""Second-order differential equations with a solution to compare with: Poisson, Helmholtz, Burgers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

VISCOSITY = 0.01 / math.pi
"""nu of Burgers' equation."""

HERMITE_NODES = 240
"""Of the quadrature behind Burgers' solution; 120 give the same to 1e-13."""

Kind = Literal["poisson", "helmholtz", "indefinite", "burgers"]
SIGNS = {"poisson": 0.0, "helmholtz": 1.0, "indefinite": -1.0, "burgers": 0.0}


@dataclass(frozen=True)
class Equation:
    """An equation on a box with Dirichlet data on some of its faces.

    ``-div grad u + c u = f`` on (-1, 1)^d with ``u = product of sin(m pi x_i)``, or Burgers' equation
    ``u_t + u u_x = nu u_xx`` for t in (0, 1), x in (-1, 1), with ``u(0, x) = -sin(pi x)``, ``u(t, +-1) = 0``.

    Attributes:
        kind: ``"poisson"`` (c = 0), ``"helmholtz"`` (c = k**2: coercive, so it has an energy), ``"indefinite"``
            (c = -k**2: waves, no energy that is bounded below), ``"burgers"``.
        dimension: d; 2 for Burgers, whose points are (t, x).
        frequency: m >= 1, an integer, so that u vanishes on the boundary.
        wave_number: k > 0.
    """

    kind: Kind
    dimension: int
    frequency: int = 1
    wave_number: float = 5.0

    @property
    def reaction(self) -> float:
        """c; 0 for Burgers."""
        return SIGNS[self.kind] * self.wave_number**2

    @property
    def variational(self) -> bool:
        """Whether its solution is the minimum of :meth:`energy`."""
        return self.kind in ("poisson", "helmholtz")

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each coordinate."""
        first = (0.0, 1.0) if self.kind == "burgers" else (-1.0, 1.0)
        return (first, *[(-1.0, 1.0)] * (self.dimension - 1))

    @property
    def faces(self) -> tuple[tuple[int, int], ...]:
        """(coordinate, 0 or 1 for its least or greatest value) of the faces with data."""
        every = tuple((i, side) for i in range(self.dimension) for side in (0, 1))
        return tuple(face for face in every if face != (0, 1)) if self.kind == "burgers" else every

    def exact(self, x: Tensor) -> Tensor:
        """u at points ``(..., d)``, shape ``(...)``; float64."""
        if self.kind == "burgers":
            return burgers(x[..., 0], x[..., 1])
        return torch.sin(self.frequency * math.pi * x.double()).prod(-1)

    def source(self, x: Tensor) -> Tensor:
        """f at points ``(..., d)``; 0 for Burgers."""
        if self.kind == "burgers":
            return torch.zeros_like(x[..., 0])
        factor = self.dimension * (self.frequency * math.pi) ** 2 + self.reaction
        return factor * self.exact(x).to(x.dtype)

    def residual(self, x: Tensor, u: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Left-hand side minus right-hand side.

        Args:
            x: points ``(..., d)``.
            u: values ``(...)``.
            first, second: ``du/dx_i`` and ``d2u/dx_i^2``, ``(..., d)``.
        """
        if self.kind == "burgers":
            return first[..., 0] + u * first[..., 1] - VISCOSITY * second[..., 1]
        return -second.sum(-1) + self.reaction * u - self.source(x)

    def energy(self, x: Tensor, u: Tensor, first: Tensor) -> Tensor:
        """``|grad u|^2 / 2 + c u^2 / 2 - f u``, whose integral the solution minimises among functions with its data."""
        return first.square().sum(-1) / 2 + self.reaction * u.square() / 2 - self.source(x) * u

    def largest_second(self) -> float:
        """Largest ``abs d2u/dx_i^2`` of the solution; for Burgers, in x, on a fine grid of t and x."""
        if self.kind != "burgers":
            return (self.frequency * math.pi) ** 2
        x = torch.linspace(-0.02, 0.02, 401, dtype=torch.float64)
        t = torch.linspace(0.3, 1.0, 141, dtype=torch.float64)
        u = burgers(t[:, None].expand(-1, len(x)), x.expand(len(t), -1))
        step = float(x[1] - x[0])
        return float(u.diff(n=2, dim=1).abs().max()) / step**2

    def mean_square_source(self) -> float:
        """Mean of f^2 over (-1, 1)^d."""
        factor = self.dimension * (self.frequency * math.pi) ** 2 + self.reaction
        return factor**2 * 0.5**self.dimension

    def factor(self, x: Tensor) -> Tensor:
        """``product of 1 - x_i^2``, which vanishes on the boundary of (-1, 1)^d and nowhere inside."""
        return (1 - x.square()).prod(-1)

    def grid(self, points: int, ends: bool = False) -> Tensor:
        """A tensor grid of the box, ``(points**d, d)``: midpoints of equal cells, or with both ends."""
        axes = []
        for low, high in self.box:
            unit = torch.linspace(0, 1, points, dtype=torch.float64) if ends else _midpoints(points)
            axes.append(low + (high - low) * unit)
        return torch.cartesian_prod(*axes).reshape(-1, self.dimension)

    def boundary(self, points: int) -> Tensor:
        """``points**(d - 1)`` points on each of :attr:`faces`."""
        faces = []
        for i, side in self.faces:
            face = self.grid(points)[: points ** (self.dimension - 1)].clone()
            others = [j for j in range(self.dimension) if j != i]
            rest = [self.box[j][0] + (self.box[j][1] - self.box[j][0]) * _midpoints(points) for j in others]
            if rest:
                face[:, others] = torch.cartesian_prod(*rest).reshape(-1, len(others))
            face[:, i] = self.box[i][side]
            faces.append(face)
        return torch.cat(faces)

    def without_second_derivatives(self) -> float | None:
        """Relative L2 error of the u that solves the equation with ``u'' = 0`` in it; None if there is no such u.

        ``c u = f`` has the solution ``(1 + d (m pi)^2 / c)`` times the right one.
        """
        if self.reaction == 0.0:
            return None
        return self.dimension * (self.frequency * math.pi) ** 2 / abs(self.reaction)


def _midpoints(points: int) -> Tensor:
    return (torch.arange(points, dtype=torch.float64) + 0.5) / points


EQUATIONS: dict[str, tuple[Kind, int]] = {
    "poisson-1d": ("poisson", 1),
    "poisson-2d": ("poisson", 2),
    "helmholtz-1d": ("helmholtz", 1),
    "helmholtz-2d": ("helmholtz", 2),
    "indefinite-1d": ("indefinite", 1),
    "indefinite-2d": ("indefinite", 2),
    "burgers": ("burgers", 2),
}
"""Name -> kind and dimension."""


def burgers(t: Tensor, x: Tensor) -> Tensor:
    """Solution of ``u_t + u u_x = nu u_xx``, ``u(0, x) = -sin(pi x)``, by the transform of Cole and Hopf.

    With ``y = x - 2 sqrt(nu t) s`` and the weight ``w(s) = exp(-s^2 - cos(pi y) / (2 pi nu))``,
    ``u = -(integral of sin(pi y) w) / (integral of w)``, by Gauss-Hermite quadrature, as in Basdevant et al.,
    *Spectral and finite difference solutions of the Burgers equation* (1986).

    Args:
        t: times in [0, 1].
        x: places of the same shape.
    """
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite.hermgauss(HERMITE_NODES))
    y = x.double()[..., None] - 2 * (VISCOSITY * t.double()).sqrt()[..., None] * nodes
    exponent = weights.log() - torch.cos(math.pi * y) / (2 * math.pi * VISCOSITY)
    share = torch.softmax(exponent, dim=-1)
    return -(torch.sin(math.pi * y) * share).sum(-1)


def derivatives(u: Tensor, x: Tensor, order: int) -> Sequence[Tensor]:
    """``du/dx_i`` and, for order 2, ``d2u/dx_i^2``, each of the shape of x; part of the graph.

    Args:
        u: values ``(..., n)`` that depend on x pointwise.
        x: points ``(..., n, d)`` that require gradients.
        order: 1 or 2.
    """
    (first,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    if order == 1:
        return (first,)
    second = [
        torch.autograd.grad(first[..., i].sum(), x, create_graph=True, materialize_grads=True)[0][..., i]
        for i in range(x.shape[-1])
    ]
    return first, torch.stack(second, dim=-1)
