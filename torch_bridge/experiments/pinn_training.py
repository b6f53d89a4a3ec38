"""Networks that solve an equation by its residual or by its energy, one ensemble a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from torch_bridge.experiments.pinn_equations import EQUATIONS, Equation, derivatives
from torch_bridge.nn import IATReLU
from torch_bridge.train.ensemble import EnsembleJob, EnsembleLinear, Recipe, ensemble_mlp

STRONG, VARIATIONAL = "strong", "variational"
COLLOCATION, GALERKIN = "collocation", "galerkin"
TRAINED, FIXED = (STRONG, VARIATIONAL), (COLLOCATION, GALERKIN)
IAT, TANH, SINE = "iat", "tanh", "sine"
GAINS = {IAT: math.sqrt(2.0), TANH: 1.0, SINE: 1.0}
"""Of the initial weights: He's rule, and 1 / sigma'(0)."""

RELATIVE, SQUARED, SECOND = "relative L2 error", "MSE", "max abs u''"
OBJECTIVE = "objective"
EVALUATED_AT_ONCE = 1000


@dataclass(frozen=True)
class PinnRun:
    """One equation, one form, one activation.

    Attributes:
        equation: a name in :data:`~torch_bridge.experiments.pinn_equations.EQUATIONS`.
        form: ``"strong"`` and ``"variational"`` train networks; ``"collocation"`` and ``"galerkin"`` solve for the
            coefficients of fixed random features.
        activation: ``"iat"``, ``"tanh"``, ``"sine"``.
        input_basis, output_basis, mesh: of IAT-ReLU; mesh None is exact.
        frequency, wave_number: of the equation.
        hidden_layers, width: of the network.
        steps, learning_rate: Adam, to 0 by half a cosine; one step for features.
        points: collocation or quadrature points along each coordinate.
        boundary_weight: of the mean squared error on the boundary, next to the mean squared residual.
        test_points: along each coordinate, ends included.
        features: number of features; None for networks.
        feature_scale: of the features' weights.
    """

    equation: str
    form: Literal["strong", "variational", "collocation", "galerkin"]
    activation: Literal["iat", "tanh", "sine"]
    input_basis: str | None
    output_basis: str | None
    mesh: int | None
    frequency: int
    wave_number: float
    hidden_layers: int
    width: int
    steps: int
    learning_rate: float
    points: int
    boundary_weight: float
    test_points: int
    features: int | None = None
    feature_scale: float | None = None

    @property
    def method(self) -> str:
        """``tanh``, ``iat pwl``, ``iat pwl M=200``."""
        if self.activation != IAT:
            return self.activation
        return f"iat {self.input_basis}" + (f" M={self.mesh}" if self.mesh else "")

    @property
    def label(self) -> str:
        """``poisson-1d-strong-iat-pwl-rate-0.01``, ``poisson-2d-galerkin-tanh-400``."""
        size = f"rate-{self.learning_rate:g}" if self.features is None else self.features
        parts = (self.equation, self.form, self.method.replace(" ", "-").replace("=", ""), size)
        return "-".join(map(str, parts))

    def problem(self) -> Equation:
        """The equation."""
        kind, dimension = EQUATIONS[self.equation]
        return Equation(kind, dimension, self.frequency, self.wave_number)


class Sine(nn.Module):
    """``sin(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


def activation(run: PinnRun, width: int) -> nn.Module:
    """The activation of a hidden layer; the strong form's gradient needs its third derivative."""
    if run.activation != IAT:
        return nn.Tanh() if run.activation == TANH else Sine()
    order: Any = "any" if run.form == STRONG and run.mesh is None else 2
    return IATReLU(width, width, run.input_basis, run.output_basis, mesh=run.mesh, derivatives=order)


class Solution(nn.Module):
    """A network N with the terms of its loss.

    Strong form: u = N, loss = mean of residual^2 + ``boundary_weight`` * mean of (u - data)^2 on the boundary.
    Variational form: u = N times a function that vanishes on the boundary, loss = mean of the energy density.
    Every point is moved within its cell of the grid by its member's generator. Hidden biases start from N(0, 1).

    Shape:
        midpoints of cells ``(E, n, d)`` to terms ``(E, k)``, whose sum is the loss.
    """

    def __init__(self, run: PinnRun, equation: Equation, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.form, self.weight, self.equation = run.form, run.boundary_weight, equation
        self.generators = generators
        widths = [equation.dimension, *[run.width] * run.hidden_layers, 1]
        self.network = ensemble_mlp(widths, lambda width: activation(run, width), generators, GAINS[run.activation])
        self._draw_biases()
        sizes = torch.tensor([high - low for low, high in equation.box], dtype=torch.float64)
        self.cell: Tensor
        self.register_buffer("cell", sizes / run.points, persistent=False)
        edge = equation.boundary(run.points)
        self.edge: Tensor
        self.data: Tensor
        self.register_buffer("edge", edge, persistent=False)
        self.register_buffer("data", equation.exact(edge), persistent=False)

    def _draw_biases(self) -> None:
        layers = [layer for layer in self.network if isinstance(layer, EnsembleLinear)]
        with torch.no_grad():
            for layer in layers[:-1]:
                draws = [torch.randn(layer.bias.shape[1:], generator=g) for g in self.generators]
                layer.bias.copy_(torch.stack(draws))

    def _moved(self, x: Tensor) -> Tensor:
        """Every point anywhere in its cell with equal probability, so that averages have no bias."""
        shifts = [torch.rand(x.shape[1:], generator=g, dtype=torch.float64) - 0.5 for g in self.generators]
        return x + torch.stack(shifts).to(x.device) * self.cell

    def value(self, x: Tensor) -> Tensor:
        """u at ``(E, n, d)``, shape ``(E, n)``."""
        u = self.network(x).squeeze(-1)
        return u * self.equation.factor(x) if self.form == VARIATIONAL else u

    def forward(self, x: Tensor) -> Tensor:
        return self.terms(self._moved(x).requires_grad_())

    def terms(self, x: Tensor) -> Tensor:
        """The terms at points ``(E, n, d)`` that require gradients, which are not moved."""
        u = self.value(x)
        if self.form == VARIATIONAL:
            (first,) = derivatives(u, x, 1)
            return self.equation.energy(x, u, first).mean(1, keepdim=True)
        first, second = derivatives(u, x, 2)
        inside = self.equation.residual(x, u, first, second).square().mean(1)
        outside = (self.value(self.edge.expand(len(x), *self.edge.shape)) - self.data).square().mean(1)
        return torch.stack([inside, self.weight * outside], dim=1)


class SolverJob(EnsembleJob):
    """An ensemble of :class:`Solution` in float64; all points in every step."""

    def __init__(self, run: PinnRun, seeds: Sequence[int], device: torch.device) -> None:
        self.equation, self.run = run.problem(), run
        points = self.equation.grid(run.points)
        super().__init__(
            lambda generators: Solution(run, self.equation, generators),
            points,
            torch.zeros(len(points)),
            lambda terms, _: terms.sum(1),
            {},
            Recipe(run.steps, run.learning_rate, precision="float64"),
            seeds,
            device,
        )

    def evaluate(self) -> dict[str, list[float]]:
        """Errors on the test grid, the largest pure second derivative there, and the objective.

        The objective is the loss at the midpoints of as many cells as there are test points; it knows nothing of the
        solution.
        """
        assert isinstance(self.network, Solution)
        values, second = [], torch.zeros(self.members, dtype=torch.float64, device=self.device)
        test = self.equation.grid(self.run.test_points, ends=True)
        for part in test.split(EVALUATED_AT_ONCE):
            x = part.to(self.device).expand(self.members, *part.shape).clone().requires_grad_()
            u = self.network.value(x)
            _, bend = derivatives(u, x, 2)
            second = torch.maximum(second, bend.detach().abs().flatten(1).amax(1))
            values.append(u.detach())
        objective = torch.zeros_like(second)
        middle = self.equation.grid(self.run.test_points)
        for part in middle.split(EVALUATED_AT_ONCE):
            x = part.to(self.device).expand(self.members, *part.shape).clone().requires_grad_()
            objective += self.network.terms(x).detach().sum(1) * len(part) / len(middle)
        return {
            **errors(torch.cat(values, dim=1).cpu(), self.equation.exact(test)),
            SECOND: second.tolist(),
            OBJECTIVE: objective.tolist(),
        }


def errors(u: Tensor, exact: Tensor) -> dict[str, list[float]]:
    """``|u - exact| / |exact|`` and the mean squared error of each member, ``(E, n)`` and ``(n,)``."""
    squares = (u - exact).square().mean(1)
    return {RELATIVE: (squares / exact.square().mean()).sqrt().tolist(), SQUARED: squares.tolist()}
