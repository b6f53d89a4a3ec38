"""Optimisation on the sphere: IAT-ReLU is 1-homogeneous, so the length of a layer's weights only scales its output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

import torch_bridge as tb
from torch_bridge.experiments.variants import Question, VariantRun, Variants, VariantSettings, quick
from torch_bridge.train.ensemble import EnsembleBatchNorm, EnsembleLinear

P, Q = "fourier", "pwq"
LAYER, ROWS = "layer", "rows"


class SphereLinear(EnsembleLinear):
    """``y = r V x / |V|`` with a bias inside V (a column of its own), for E members.

    Args:
        sphere: ``"layer"``: |V| is the Frobenius norm of a member's (W, b); ``"rows"``: the norm of each of its rows.
        others: of :class:`EnsembleLinear`. The radius r is the length of the start, and stays.
    """

    def __init__(self, d_in: int, d_out: int, gain: float, generators: Sequence[torch.Generator], sphere: str) -> None:
        super().__init__(d_in, d_out, gain, generators)
        self.dims = (1, 2) if sphere == LAYER else (2,)
        self.register_buffer("radius", self._length().detach().clone())
        self.radius: Tensor

    def _length(self) -> Tensor:
        return torch.cat([self.weight, self.bias.transpose(1, 2)], dim=2).norm(dim=self.dims, keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.radius / self._length()
        bias = self.bias * (scale if scale.shape[1] == 1 else scale.transpose(1, 2))
        return torch.baddbmm(bias, x, (scale * self.weight).transpose(1, 2))


def _network(activation: str, sphere: str | None):
    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Module:
        layers: list[nn.Module] = []
        for i, (d_in, d_out) in enumerate(pairwise(widths)):
            last = i == len(widths) - 2
            gain = 1.0 if last else math.sqrt(2.0)
            if last or sphere is None:
                layers.append(EnsembleLinear(d_in, d_out, gain, generators))
            else:
                layers.append(SphereLinear(d_in, d_out, gain, generators, sphere))
            if not last and run.batch_norm:
                layers.append(EnsembleBatchNorm(len(generators), d_out))
            if not last:
                layers.append(nn.ReLU() if activation == "relu" else tb.IATReLU(d_out, d_out, P, Q))
        return nn.Sequential(*layers)

    return build


BUILD = {
    "iat": _network("iat", None),
    "iat-sphere": _network("iat", LAYER),
    "iat-rows": _network("iat", ROWS),
    "relu": _network("relu", None),
    "relu-sphere": _network("relu", LAYER),
}


@dataclass(frozen=True)
class AngleSettings(VariantSettings):
    """As :class:`VariantSettings`, without BatchNorm."""

    known: ClassVar[tuple[str, ...]] = tuple(BUILD)
    batch_norm: bool = False


ANGLE = Variants(
    "angle",
    "weights on the sphere",
    "new; proposed in IAT section 6",
    BUILD,
    (
        Question("IAT-ReLU gains by weights on one sphere a layer", "iat-sphere", "iat"),
        Question("IAT-ReLU gains by rows of weights on spheres", "iat-rows", "iat"),
        Question("ReLU gains by weights on one sphere a layer", "relu-sphere", "relu"),
        Question("IAT-ReLU on the sphere beats plain ReLU", "iat-sphere", "relu"),
    ),
    (
        "hidden layers have weights and bias r V / |V|, r their length at the start; the last layer is free",
        "Adam in all variants: on the sphere it sees gradients that are tangential",
        "network, optimiser, steps: as in iat-bases, without BatchNorm, which would undo any length",
    ),
)
EXPERIMENT = ANGLE.experiment(AngleSettings, quick(AngleSettings))
