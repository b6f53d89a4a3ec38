"""Activation patterns over the input, as in IAT figure 3: coupled and decoupled fits of sin(2 pi x)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import iatcore
import torch_bridge
from iatcore.discrete import midpoints
from torch_bridge.networks import mlp
from torch_bridge.train.loop import OnStep, Training, fit

DECOUPLED_SEED = 1000
"""Added to the seed for the linear weights of the decoupled network, which start anew."""


@dataclass(frozen=True)
class PatternSettings:
    """What the figure shows.

    Attributes:
        meshes: one column each: M of the discretized layer, or None for the exact one.
        width, hidden_layers: of the network (IAT equation (11): 2 hidden layers).
        points: training points, uniform on [-1, 1].
        grid: points at which the fits and the patterns are drawn.
        training: of the network.
        decoupled: of new linear weights on the frozen pattern, in full batches.
    """

    meshes: tuple[int | None, ...] = (10, 20, None)
    width: int = 10
    hidden_layers: int = 2
    points: int = 200
    grid: int = 1201
    training: Training = field(default_factory=lambda: Training(1500, 2e-2))
    decoupled: Training = field(default_factory=lambda: Training(1500, 2e-2))

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("hidden_layers", 1), ("points", 2), ("grid", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.meshes or any(mesh is not None and mesh < 1 for mesh in self.meshes):
            raise ValueError(f"meshes must be None or integers >= 1, at least one of them, got {self.meshes}")
        if self.decoupled.batch_size is not None:
            raise ValueError(f"decoupled must have batch_size None, got {self.decoupled.batch_size}")


@dataclass(frozen=True)
class PatternFit:
    """One column of the figure.

    Attributes:
        mesh: M, or None for the exact layer.
        x: grid of inputs, shape ``(n,)``.
        target, coupled, decoupled: the function and the two networks on the grid, shape ``(n,)``.
        signs: for each hidden layer whether the state is positive at the mesh points, shape ``(n, M)``;
            empty if exact.
        intervals: for each hidden layer and each x the intervals of D, shape ``(k, 2)``; empty on a mesh.
        mse, decoupled_mse: mean squared errors on the grid.
        seconds: wall time of both trainings.
    """

    mesh: int | None
    x: NDArray[np.float64]
    target: NDArray[np.float64]
    coupled: NDArray[np.float64]
    decoupled: NDArray[np.float64]
    signs: tuple[NDArray[np.bool_], ...]
    intervals: tuple[list[NDArray[np.float64]], ...]
    mse: float
    decoupled_mse: float
    seconds: float

    @property
    def changes(self) -> NDArray[np.int64]:
        """All k where a discretized pattern differs between ``x[k]`` and ``x[k + 1]``; none if exact."""
        moved = np.zeros(len(self.x) - 1, dtype=bool)
        for sign in self.signs:
            moved |= np.any(sign[1:] != sign[:-1], axis=1)
        return np.flatnonzero(moved)

    def to_dict(self) -> dict[str, Any]:
        """The numbers behind the column, the curves on every eighth grid point."""
        return {
            "mesh": self.mesh,
            "mse": self.mse,
            "decoupled_mse": self.decoupled_mse,
            "largest_step": float(np.abs(np.diff(self.coupled)).max()),
            "decoupled_largest_step": float(np.abs(np.diff(self.decoupled)).max()),
            "pattern_changes": None if self.mesh is None else len(self.changes),
            "seconds": self.seconds,
            "x": self.x[::8].tolist(),
            "coupled": self.coupled[::8].tolist(),
            "decoupled": self.decoupled[::8].tolist(),
        }


class Decoupled(nn.Module):
    """``y = F(x, W1, D(x, W2))``, IAT (26): linear layers W1, patterns from the network W2, frozen.

    Args:
        linear: alternates linear layers with activations that take ``pattern_from``.
        pattern: the same shape of network; its parameters no longer require gradients.
    """

    def __init__(self, linear: nn.Sequential, pattern: nn.Sequential) -> None:
        super().__init__()
        self.linear, self.pattern = linear, pattern.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        z = w = x
        for ours, theirs in zip(self.linear, self.pattern, strict=True):
            z = ours(z) if isinstance(ours, nn.Linear) else ours(z, pattern_from=w)
            w = theirs(w)
        return z

    def matrices(self, x: Tensor) -> list[Tensor]:
        """S(D(x_i, W2)) of every hidden layer, shapes ``(n, width, width)``."""
        result = []
        with torch.no_grad():
            for layer in self.pattern:
                if not isinstance(layer, nn.Linear):
                    result.append(activation_matrices(layer, x))
                x = layer(x)
        return result


class FixedPattern(nn.Module):
    """:class:`Decoupled` on fixed inputs: alternately linear layers and one fixed matrix for each input."""

    def __init__(self, linear: nn.Sequential, matrices: list[Tensor]) -> None:
        super().__init__()
        self.linear, self.matrices = linear, matrices

    def forward(self, x: Tensor) -> Tensor:
        matrices = iter(self.matrices)
        for layer in self.linear:
            x = layer(x) if isinstance(layer, nn.Linear) else (next(matrices) @ x[..., None])[..., 0]
        return x


def activation_matrices(layer: nn.Module, states: Tensor) -> Tensor:
    """S(D(z_i)) for each row of ``states``, shape ``(n, d, d)``: column j is the image of unit vector j."""
    n, d = states.shape
    units = torch.eye(d, dtype=states.dtype).repeat(n, 1)
    return layer(units, pattern_from=states.repeat_interleave(d, dim=0)).reshape(n, d, -1).transpose(1, 2)


def target(x: Tensor) -> Tensor:
    """sin(2 pi x), the function of IAT figure 3."""
    return torch.sin(2 * math.pi * x)


def hidden_states(network: nn.Sequential, x: Tensor) -> list[NDArray[np.float64]]:
    """What enters each activation, shapes ``(n, width)``."""
    states = []
    with torch.no_grad():
        for layer in network:
            if not isinstance(layer, nn.Linear):
                states.append(x.double().numpy())
            x = layer(x)
    return states


def mesh_signs(basis: iatcore.Basis, states: NDArray[np.float64], mesh: int) -> NDArray[np.bool_]:
    """Whether ``z^T p(s)`` is positive at the M midpoints of IAT (12); shape ``(n, M)``."""
    return states @ basis(midpoints(mesh)) > 0


def fit_pattern(
    settings: PatternSettings,
    mesh: int | None,
    input_basis: str = "fourier",
    output_basis: str = "pwq",
    seed: int = 0,
    on_step: OnStep | None = None,
) -> PatternFit:
    """Train the network, then new linear weights on its frozen pattern, and evaluate both on the grid."""
    start = time.perf_counter()

    def layer(width: int) -> nn.Module:
        return torch_bridge.IATReLU(width, width, input_basis=input_basis, output_basis=output_basis, mesh=mesh)

    def network(seed: int) -> nn.Sequential:
        torch.manual_seed(seed)
        return mlp([1, *[settings.width] * settings.hidden_layers, 1], layer, init="he")

    x = torch.linspace(-1.0, 1.0, settings.points)[:, None]
    coupled = network(seed)
    fit(coupled, x, target(x), F.mse_loss, settings.training, on_step=on_step)
    decoupled = Decoupled(network(seed + DECOUPLED_SEED), coupled)
    fixed = FixedPattern(decoupled.linear, decoupled.matrices(x))
    fit(
        fixed,
        x,
        target(x),
        F.mse_loss,
        settings.decoupled,
        on_step=_after(settings.training.steps, on_step),
    )
    return _evaluate(settings, mesh, input_basis, output_basis, coupled, decoupled, time.perf_counter() - start)


def _after(steps: int, on_step: OnStep | None) -> OnStep | None:
    return None if on_step is None else lambda step, loss: on_step(steps + step, loss)


def _evaluate(
    settings: PatternSettings,
    mesh: int | None,
    input_basis: str,
    output_basis: str,
    coupled: nn.Sequential,
    decoupled: Callable[[Tensor], Tensor],
    seconds: float,
) -> PatternFit:
    grid = torch.linspace(-1.0, 1.0, settings.grid)[:, None]
    truth = target(grid.double())[:, 0].numpy()
    with torch.no_grad():
        values = [model(grid)[:, 0].double().numpy() for model in (coupled, decoupled)]
    p = iatcore.basis(input_basis, settings.width)
    states = hidden_states(coupled, grid)
    signs: tuple[NDArray[np.bool_], ...] = ()
    intervals: tuple[list[NDArray[np.float64]], ...] = ()
    if mesh is None:
        iat = iatcore.IAT(p, iatcore.basis(output_basis, settings.width))
        patterns = [iat.pattern(z) for z in states]
        intervals = tuple([pattern.intervals(i) for i in range(settings.grid)] for pattern in patterns)
    else:
        signs = tuple(mesh_signs(p, z, mesh) for z in states)
    errors = [float(np.mean((v - truth) ** 2)) for v in values]
    x = grid[:, 0].double().numpy()
    return PatternFit(mesh, x, truth, values[0], values[1], signs, intervals, errors[0], errors[1], seconds)
