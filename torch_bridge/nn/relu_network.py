"""Networks with exact transforms as ordinary networks: the discretization of IAT (5)-(11), with its error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iatcore import Gate, mesh_bound
from iatcore.checks import check_size

from ..ops.iat_mesh.reference import mesh_matrices
from .iat import IAT
from .trainable import TrainableIAT

IGNORED = (nn.Identity, nn.Dropout)
"""Modules that do nothing in evaluation mode."""
CONTRACTIONS = (nn.ReLU, nn.Tanh)
"""Activations of Lipschitz constant 1 that leave 0 at 0, and have no settings."""
LARGEST_MESH = 1 << 22


class ReLUNetwork(nn.Sequential):
    """What :func:`to_relu_network` returns: linear maps and entry-wise activations, and the error of what they replace.

    Args:
        modules: in the order of the data.
        mesh, slope, offset: see the attributes.

    Attributes:
        mesh: M, the width of the layers that stand for transforms.
        slope, offset: the error is at most ``slope norm(x) + offset``.

    Shape:
        that of the network which it stands for.
    """

    def __init__(self, modules: list[nn.Module], mesh: int, slope: float, offset: float) -> None:
        super().__init__(*modules)
        self.mesh, self.slope, self.offset = mesh, slope, offset

    def error_bound(self, norm: float = 1.0) -> float:
        """A bound of the Euclidean norm of the error for every row x of Euclidean norm at most ``norm``.

        In exact arithmetic but for the transforms, whose rounding errors in float64 are included.
        """
        return self.slope * norm + self.offset


def to_relu_network(
    model: nn.Module,
    mesh: int | None = None,
    tolerance: float | None = None,
    norm: float = 1.0,
    merge: bool = False,
) -> ReLUNetwork:
    """A network whose exact transforms are replaced by those of M points, IAT (12), written as ordinary layers.

    ``u = (2/M) Q sigma(P^T z)`` is a linear map to M numbers, an activation, a linear map back. With the linear maps
    before and after multiplied into them (``merge``) this is the discretized network of continuous width, IAT (8)-(11).

    The error is carried through the layers: with ``E_M`` of :func:`iatcore.mesh_bound`, Lipschitz constants L of what
    follows and bounds n of the states for inputs of a norm, ``error -> L error``, and ``error -> L error + E_M n`` at a
    transform.

    Args:
        model: an IAT, a Linear, or Sequential modules of these, Flatten as the first, Dropout (left out), and
            activations of Lipschitz constant 1: ReLU, LeakyReLU, ELU, Tanh, Hardtanh. Transforms are exact, along the
            last dimension, of a gate whose only breakpoint is 0 and that does not jump.
        mesh: M >= 1.
        tolerance: in place of mesh: the least M, up to a factor of about 1.01, whose bound is at most this, > 0.
        norm: the Euclidean norm of inputs that the tolerance is meant for, > 0.
        merge: multiply neighbouring linear maps: fewer layers, of M x M weights.

    Returns:
        a new network with copies of the weights, in their dtype and on their device, in evaluation mode.

    Raises:
        TypeError: a module that cannot be represented, with its name.
        ValueError: mesh and tolerance both or neither given, or out of range; a tolerance that no mesh reaches.
    """
    if (mesh is None) == (tolerance is None):
        raise ValueError(f"one of mesh and tolerance must be given, got mesh={mesh!r}, tolerance={tolerance!r}")
    for name, value in (("tolerance", tolerance), ("norm", norm)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {value!r}")
    layers = _layers(model, "model")
    if any(isinstance(layer, nn.Flatten) for layer in layers[1:]):
        raise TypeError("a Flatten must be the first module, so that rows are those of the input")
    if mesh is None:
        mesh = _mesh_for(layers, tolerance or 0.0, norm)
    mesh = check_size(mesh, "mesh")
    modules = _modules(layers, mesh)
    return ReLUNetwork(_merged(modules) if merge else modules, mesh, *_bound(layers, mesh)).eval()


def _layers(module: nn.Module, name: str) -> list[nn.Module]:
    """The modules in their order, checked."""
    if isinstance(module, nn.Sequential):
        return [layer for key, child in module.named_children() for layer in _layers(child, f"{name}.{key}")]
    if isinstance(module, TrainableIAT):
        raise TypeError(f"{name} must be a transform without trained bases or gate, got {module!r}")
    if isinstance(module, IAT):
        gate = module.gate
        exact = module.mesh is None and module.activation is None and module.dim == -1
        if not exact or gate.breakpoints not in ((), (0.0,)) or not gate.is_continuous:
            raise TypeError(
                f"{name} must be an exact transform along the last dimension, of a gate with slopes below and above 0, "
                f"got {module!r}"
            )
        return [module]
    if isinstance(module, IGNORED):
        return []
    if isinstance(module, (nn.Linear, nn.Flatten)) or _contracts(module):
        return [module]
    raise TypeError(
        f"{name} must be a Linear, an IAT, an activation of Lipschitz constant 1, or a Sequential of these, "
        f"got {type(module).__name__}"
    )


def _contracts(module: nn.Module) -> bool:
    """Whether it is an activation of Lipschitz constant 1 with value 0 at 0."""
    if isinstance(module, nn.Hardtanh):
        return module.min_val <= 0 <= module.max_val
    if isinstance(module, nn.ELU):
        return 0 <= module.alpha <= 1
    if isinstance(module, nn.LeakyReLU):
        return abs(module.negative_slope) <= 1
    return isinstance(module, CONTRACTIONS)


def _bound(layers: list[nn.Module], mesh: int) -> tuple[float, float]:
    """slope and offset of the error as a function of the norm of the input."""
    # both the norms of states and the error are functions a |x| + b
    size, error = np.array([1.0, 0.0]), np.zeros(2)
    for layer in layers:
        if isinstance(layer, nn.Linear):
            factor = float(torch.linalg.matrix_norm(layer.weight.detach().double(), 2)) * (1 + 1e-12)
            shift = 0.0 if layer.bias is None else float(torch.linalg.vector_norm(layer.bias.detach().double()))
            size, error = factor * size + [0.0, shift], factor * error
        elif isinstance(layer, IAT):
            core = layer.transform.core
            lipschitz, apart = core.lipschitz(), mesh_bound(core.p, core.q, mesh, core.gate)
            size, error = (lipschitz + apart) * size, lipschitz * error + apart * size
    return float(error[0]), float(error[1])


def _mesh_for(layers: list[nn.Module], tolerance: float, norm: float) -> int:
    """The least M, up to a factor, with a bound of at most the tolerance."""

    def bound(mesh: int) -> float:
        slope, offset = _bound(layers, mesh)
        return slope * norm + offset

    high, least = 1, math.inf
    while (found := bound(high)) > tolerance:
        least, high = min(least, found), 2 * high
        if high > LARGEST_MESH:
            raise ValueError(f"tolerance must be at least about {least:.1e}, what {LARGEST_MESH} points reach, "
                             f"got {tolerance!r}")  # fmt: skip
    low = high // 2
    while high - low > max(1, low // 128):
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= tolerance else (middle, high)
    return high


def _modules(layers: list[nn.Module], mesh: int) -> list[nn.Module]:
    """Ordinary layers, with copies of the weights."""
    result: list[nn.Module] = []
    weights = [layer.weight for layer in layers if isinstance(layer, nn.Linear)]
    placement: dict[str, Any] = {"device": weights[0].device, "dtype": weights[0].dtype} if weights else {}
    for layer in layers:
        if isinstance(layer, nn.Linear):
            placement = {"device": layer.weight.device, "dtype": layer.weight.dtype}
            result.append(_linear(layer.weight, layer.bias, placement))
        elif isinstance(layer, IAT):
            P, Q = mesh_matrices(layer.input_basis, layer.output_basis, mesh)
            activation, sign, factor = _activation(layer.gate)
            result += [
                _linear(sign * P.T, None, placement),
                activation,
                _linear(Q * (factor * 2.0 / mesh), None, placement),
            ]
        else:
            result.append(_copy(layer))
    return result


def _activation(gate: Gate) -> tuple[nn.Module, float, float]:
    """An activation, and factors before and after it, that together are the gate."""
    below, above = gate.slopes[0], gate.slopes[-1]
    if below == above:
        return nn.Identity(), 1.0, above
    if below == 0:
        return nn.ReLU(), 1.0, above
    if above == 0:
        return nn.ReLU(), -1.0, -below
    return nn.LeakyReLU(below / above), 1.0, above


def _copy(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Flatten):
        return nn.Flatten(layer.start_dim, layer.end_dim)
    if isinstance(layer, nn.LeakyReLU):
        return nn.LeakyReLU(layer.negative_slope)
    if isinstance(layer, nn.Hardtanh):
        return nn.Hardtanh(layer.min_val, layer.max_val)
    return nn.ELU(layer.alpha) if isinstance(layer, nn.ELU) else type(layer)()


def _linear(weight: Tensor, bias: Tensor | None, placement: dict[str, Any]) -> nn.Linear:
    result = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, **placement)
    with torch.no_grad():
        result.weight.copy_(weight)
        if bias is not None:
            result.bias.copy_(bias)
    return result


def _merged(modules: list[nn.Module]) -> list[nn.Module]:
    """Neighbouring linear maps as one, multiplied in float64."""
    result: list[nn.Module] = []
    for module in modules:
        before = result[-1] if result else None
        if not (isinstance(module, nn.Linear) and isinstance(before, nn.Linear)):
            result.append(module)
            continue
        second = module.weight.detach().double()
        bias = None if before.bias is None else second @ before.bias.detach().double()
        if module.bias is not None:
            bias = module.bias.detach().double() + (0.0 if bias is None else bias)
        placement = {"device": before.weight.device, "dtype": before.weight.dtype}
        result[-1] = _linear(second @ before.weight.detach().double(), bias, placement)
    return result
