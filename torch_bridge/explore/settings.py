"""What the page shows: one input z, two bases, a gate and a mesh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import iatcore
from iatcore import Basis, Gate, gates
from iatcore.bases import FAMILIES
from iatcore.checks import check_size, real_array
from torch_bridge.nn.iat import GATES

SIZES = 2, 16
"""The least and the largest d."""
MOST_POINTS = 10_000
"""The largest M."""
LEAST_ENTRY, LARGEST_ENTRY = 1e-6, 1e6
BASES = {
    family if k == 0 else f"{family}/{layout}": (family, layout)
    for family, layouts in FAMILIES.items()
    for k, layout in enumerate(layouts)
}
"""Names of bases: families in their default layout, and ``family/layout`` for the others."""
SLOPED = "leaky_relu"
"""The gate that :attr:`Settings.slope` belongs to."""


@dataclass(frozen=True)
class Settings:
    """One state of the page.

    Args:
        z: coefficients z_1 ... z_d, d from 2 to 16; each is 0 or of modulus 1e-6 to 1e6.
        input_basis, output_basis: names in :data:`BASES`, of d functions each.
        gate: sigma, a name in :data:`torch_bridge.nn.iat.GATES`.
        slope: of ``leaky_relu`` below 0, finite; a trained one is PReLU.
        mesh: M from 1 to 10,000.
        output: i from 0 to d - 1, whose derivatives are shown.
        direction: k from 0 to d - 1; derivatives are taken along the unit vector e_k.

    Raises:
        TypeError: mesh, output or direction is not an integer, z or slope not of real numbers.
        ValueError: a name or number out of range.
    """

    z: tuple[float, ...]
    input_basis: str = "fourier"
    output_basis: str = "pwq"
    gate: str = "relu"
    slope: float = 0.1
    mesh: int = 50
    output: int = 0
    direction: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", _coefficients(self.z))
        for name in ("input_basis", "output_basis"):
            _check_name(getattr(self, name), BASES, name)
        _check_name(self.gate, GATES, "gate")
        if isinstance(self.slope, bool) or not isinstance(self.slope, (int, float)):
            raise TypeError(f"slope must be a real number, got {self.slope!r}")
        if not math.isfinite(self.slope):
            raise ValueError(f"slope must be finite, got {self.slope!r}")
        if check_size(self.mesh, "mesh") > MOST_POINTS:
            raise ValueError(f"mesh must be at most {MOST_POINTS}, got {self.mesh}")
        for name in ("output", "direction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer, got {value!r}")
            if not 0 <= value < self.size:
                raise ValueError(f"{name} must be from 0 to d - 1 = {self.size - 1}, got {value}")

    @property
    def size(self) -> int:
        """d."""
        return len(self.z)

    def transform(self) -> iatcore.IAT:
        """The exact transform; equal settings give the same object."""
        return _transform(self.input_basis, self.output_basis, self.size, self._gate())

    def discrete(self) -> iatcore.DiscreteIAT:
        """The transform on M points; equal settings give the same object."""
        return _discrete(self.input_basis, self.output_basis, self.size, self._gate(), self.mesh)

    def _gate(self) -> Gate:
        return gates.leaky_relu(float(self.slope)) if self.gate == SLOPED else GATES[self.gate]()


def _coefficients(z: tuple[float, ...]) -> tuple[float, ...]:
    values = real_array(z, "z")
    if values.ndim != 1 or not SIZES[0] <= len(values) <= SIZES[1]:
        raise ValueError(f"z must have {SIZES[0]} to {SIZES[1]} entries, got shape {values.shape}")
    moduli = np.abs(values)
    if not np.all((moduli == 0) | (moduli >= LEAST_ENTRY) & (moduli <= LARGEST_ENTRY)):
        raise ValueError(f"entries of z must be 0 or of modulus {LEAST_ENTRY:g} to {LARGEST_ENTRY:g}, got {z!r}")
    return tuple(float(x) for x in values)


def _check_name(value: object, known: Mapping[str, object], name: str) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


@lru_cache(maxsize=128)
def _basis(name: str, size: int) -> Basis:
    family, layout = BASES[name]
    return iatcore.basis(family, size, layout=layout)


@lru_cache(maxsize=64)
def _transform(first: str, second: str, size: int, gate: Gate) -> iatcore.IAT:
    return iatcore.IAT(_basis(first, size), _basis(second, size), gate)


@lru_cache(maxsize=64)
def _discrete(first: str, second: str, size: int, gate: Gate, mesh: int) -> iatcore.DiscreteIAT:
    return _transform(first, second, size, gate).discretize(mesh)
