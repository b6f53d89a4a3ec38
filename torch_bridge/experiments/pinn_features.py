"""Fixed random features and their coefficients by least squares: collocation, or the system of Ritz and Galerkin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_bridge.experiments.pinn_equations import Equation
from torch_bridge.experiments.pinn_training import COLLOCATION, GALERKIN, IAT, SECOND, PinnRun, errors
from torch_bridge.nn import IATReLU

HYPERPLANES = 1.5
"""Offsets are uniform in +-1.5: the hyperplanes cross the box everywhere."""

ROWS_AT_ONCE = 400


class Features:
    """``phi(x) = sigma(z)``, ``z = W x + b``: unit rows of W in uniform directions, b uniform in +-1.5, times a scale.

    Args:
        run: activation, bases, number of features n and their scale; for IAT-ReLU, which is 1-homogeneous, the
            scale is without effect.
        dimension: d.
        seed: of W and b.
    """

    def __init__(self, run: PinnRun, dimension: int, seed: int) -> None:
        assert run.features is not None and run.feature_scale is not None
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(run.features, dimension, dtype=torch.float64, generator=generator)
        offsets = 2 * torch.rand(run.features, dtype=torch.float64, generator=generator) - 1
        self.weight = run.feature_scale * directions / directions.norm(dim=1, keepdim=True)
        self.bias = run.feature_scale * HYPERPLANES * offsets
        self.run, self.size = run, run.features
        if run.activation == IAT:
            self.iat = _transform(run.features, run.input_basis, run.output_basis)

    def value(self, x: Tensor) -> Tensor:
        """phi at points ``(n, d)``, shape ``(n, features)``."""
        return self._sigma(x @ self.weight.T + self.bias)

    def first(self, x: Tensor) -> Tensor:
        """``d phi / dx_i``, shape ``(d, n, features)``."""
        z = x @ self.weight.T + self.bias
        return torch.stack([torch.func.jvp(self._sigma, (z,), (v.expand_as(z),))[1] for v in self.weight.T])

    def second(self, x: Tensor) -> Tensor:
        """``d2 phi / dx_i^2``, shape ``(d, n, features)``; of IAT-ReLU for nodal hats to quadratic B-splines.

        ``d2 u / dx_i^2 = sum over roots r of q(r) (p(r)^T w_i)^2 / abs f'(r)``.
        """
        z = x @ self.weight.T + self.bias
        if self.run.activation == IAT:
            return torch.stack([second_of_hats(z, v) for v in self.weight.T])
        bend = -2 * torch.tanh(z) * (1 - torch.tanh(z).square())
        return torch.stack([bend * v.square() for v in self.weight.T])

    def _sigma(self, z: Tensor) -> Tensor:
        return self.iat(z) if self.run.activation == IAT else torch.tanh(z)


@lru_cache(maxsize=8)
def _transform(size: int, input_basis: str, output_basis: str) -> IATReLU:
    return IATReLU(size, size, input_basis, output_basis, scale=None)


def second_of_hats(z: Tensor, v: Tensor) -> Tensor:
    """``d2/dt2`` at 0 of the unscaled IAT-ReLU of ``z + t v``, hats (``pwl``) in, quadratic B-splines (``pwq``) out.

    Between the nodes i and i + 1, f goes from z_i to z_(i + 1) in a straight line, so a change of sign is a root.

    Args:
        z: ``(n, d)``, d >= 2.
        v: ``(d,)``.

    Returns:
        ``(n, d)``: as many splines as hats.
    """
    n, d = z.shape
    row, node = torch.nonzero((z[:, 1:] > 0) != (z[:, :-1] > 0), as_tuple=True)
    left, right = z[row, node], z[row, node + 1]
    t = left / (left - right)
    along = (1 - t) * v[node] + t * v[node + 1]
    slope = (right - left).abs() * (d - 1) / 2
    amount = along.square() / slope
    place = (node + t) / (d - 1) * d
    cell = place.floor().clamp(max=d - 1).long()
    s = place - cell
    result = z.new_zeros(n, d + 2)
    for shift, spline in enumerate(((1 - s).square() / 2, 0.5 + s - s.square(), s.square() / 2)):
        result.index_put_((row, cell + shift), amount * spline, accumulate=True)
    return result[:, 1:-1]


def collocation_rows(features: Features, equation: Equation, run: PinnRun) -> tuple[Tensor, Tensor]:
    """Matrix and right-hand side of ``-div grad u + c u = f`` at the grid and of the data on the boundary."""
    inside, edge = equation.grid(run.points), equation.boundary(run.points)
    parts = inside.split(ROWS_AT_ONCE)
    blocks = [equation.reaction * features.value(x) - features.second(x).sum(0) for x in parts]
    weight = math.sqrt(run.boundary_weight * len(inside) / len(edge))
    matrix = torch.cat([*blocks, weight * features.value(edge)])
    return matrix, torch.cat([equation.source(inside), weight * equation.exact(edge)])


def galerkin_rows(features: Features, equation: Equation, run: PinnRun) -> tuple[Tensor, Tensor]:
    """``A_ij = integral of grad psi_i . grad psi_j + c psi_i psi_j``, ``b_i = integral of f psi_i``.

    psi is phi times the function that vanishes on the boundary; the box is (-1, 1)^d. Gauss-Legendre quadrature with
    ``points`` nodes along each coordinate.
    """
    matrix = torch.zeros(features.size, features.size, dtype=torch.float64)
    right = torch.zeros(features.size, dtype=torch.float64)
    grid, weights = gauss_legendre(run.points, equation.dimension)
    for x, weight in zip(grid.split(ROWS_AT_ONCE), weights.split(ROWS_AT_ONCE), strict=True):
        root = weight.sqrt()[:, None]
        factor, slope = equation.factor(x), factor_slope(x)
        phi = features.value(x)
        psi = root * factor[:, None] * phi
        gradients = root * (factor[:, None] * features.first(x) + slope[:, :, None] * phi)
        for gradient in gradients:
            matrix += gradient.T @ gradient
        matrix += equation.reaction * psi.T @ psi
        right += psi.T @ (root[:, 0] * equation.source(x))
    return matrix, right


def gauss_legendre(points: int, dimension: int) -> tuple[Tensor, Tensor]:
    """Nodes ``(points**d, d)`` and weights ``(points**d,)`` of (-1, 1)^d."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(points))
    grid = torch.cartesian_prod(*[nodes] * dimension).reshape(-1, dimension)
    return grid, torch.cartesian_prod(*[weights] * dimension).reshape(-1, dimension).prod(1)


def factor_slope(x: Tensor) -> Tensor:
    """``d/dx_i`` of the factor of :class:`Equation`, shape ``(d, n)``."""
    keep = 1 - x.square()
    others = [torch.cat([keep[:, :i], keep[:, i + 1 :]], dim=1).prod(1) for i in range(x.shape[1])]
    return torch.stack([-2 * x[:, i] * rest for i, rest in enumerate(others)])


class FeatureJob:
    """A job of one step, which solves for the coefficients of every member by ``torch.linalg.lstsq``, driver gelsd.

    The loss is the mean squared residual of the rows; members differ in their random features.
    """

    def __init__(self, run: PinnRun, seeds: Sequence[int], device: torch.device) -> None:
        self.run, self.seeds, self.equation = run, list(seeds), run.problem()
        self.solutions = torch.zeros(len(self.seeds), run.features or 0, dtype=torch.float64)

    @property
    def members(self) -> int:
        """One a seed."""
        return len(self.seeds)

    @property
    def total_steps(self) -> int:
        """1."""
        return 1

    def step(self) -> Tensor:
        """Solve; returns the mean squared residuals ``(E,)``."""
        losses = []
        rows = {COLLOCATION: collocation_rows, GALERKIN: galerkin_rows}[self.run.form]
        for i, seed in enumerate(self.seeds):
            matrix, right = rows(Features(self.run, self.equation.dimension, seed), self.equation, self.run)
            self.solutions[i] = torch.linalg.lstsq(matrix, right[:, None], driver="gelsd").solution[:, 0]
            losses.append((matrix @ self.solutions[i] - right).square().mean())
        return torch.stack(losses)

    def gradients(self) -> Tensor:
        """Zeros ``(E, 1)``: nothing is trained."""
        return torch.zeros(self.members, 1)

    def freeze(self, members: Sequence[int]) -> None:
        """Nothing is left to be done for any member."""

    def evaluate(self) -> dict[str, list[float]]:
        """Errors on the test grid, and where it is defined the largest second derivative there."""
        test = self.equation.grid(self.run.test_points, ends=True)
        values, bends = [], []
        for solution, seed in zip(self.solutions, self.seeds, strict=True):
            features, bend = Features(self.run, self.equation.dimension, seed), 0.0
            parts = []
            for x in test.split(ROWS_AT_ONCE):
                u = features.value(x) @ solution
                parts.append(u * self.equation.factor(x) if self.run.form == GALERKIN else u)
                if self.run.form == COLLOCATION:
                    bend = max(bend, float((features.second(x) @ solution).abs().max()))
            values.append(torch.cat(parts))
            bends.append(bend)
        result = errors(torch.stack(values), self.equation.exact(test))
        return result | ({SECOND: bends} if self.run.form == COLLOCATION else {})

    def state_dict(self) -> dict[str, Any]:
        """The coefficients."""
        return {"solutions": self.solutions}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.solutions = state["solutions"]
