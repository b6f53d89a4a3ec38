"""IAT with the gates of the two other papers: AReLU and TMAF in function space, against the same entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

import torch_bridge as tb
from torch_bridge.experiments.variants import PerMember, Question, VariantRun, Variants, VariantSettings, quick
from torch_bridge.train.ensemble import ensemble_mlp

P, Q = "fourier", "pwq"


def _each(make: Callable[[int], nn.Module]):
    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Module:
        return ensemble_mlp(
            widths, lambda width: PerMember(make(width), len(generators)), generators, batch_norm=run.batch_norm
        )

    return build


def _shared(make: Callable[[int], nn.Module]):
    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Module:
        return ensemble_mlp(widths, make, generators, batch_norm=run.batch_norm)

    return build


BUILD = {
    "relu": _shared(lambda width: nn.ReLU()),
    "arelu": _each(lambda width: tb.AReLU()),
    "tmaf": _each(lambda width: tb.TMAF()),
    "iat-relu": _shared(lambda width: tb.IATReLU(width, width, P, Q)),
    "iat-arelu": _each(lambda width: tb.TrainableIAT(width, width, P, Q, gate=tb.AReLU(), trainable=())),
    "iat-slopes": _each(lambda width: tb.TrainableIAT(width, width, P, Q, trainable=("slopes",))),
    "iat-tmaf": _each(lambda width: tb.TrainableIAT(width, width, P, Q, gate=tb.TMAF(), trainable=())),
}


@dataclass(frozen=True)
class GatedSettings(VariantSettings):
    """As :class:`VariantSettings`."""

    known: ClassVar[tuple[str, ...]] = tuple(BUILD)


GATED = Variants(
    "gated",
    "IAT with AReLU and TMAF gates",
    "new, in no paper",
    BUILD,
    (
        Question("the exact IAT-ReLU beats ReLU", "iat-relu", "relu"),
        Question("AReLU beats ReLU", "arelu", "relu"),
        Question("TMAF beats ReLU", "tmaf", "relu"),
        Question("an AReLU gate helps IAT-ReLU", "iat-arelu", "iat-relu"),
        Question("two trained slopes help IAT-ReLU", "iat-slopes", "iat-relu"),
        Question("a TMAF gate helps IAT-ReLU", "iat-tmaf", "iat-relu"),
        Question("AReLU gains by acting in function space", "iat-arelu", "arelu"),
        Question("TMAF gains by acting in function space", "iat-tmaf", "tmaf"),
    ),
    (
        f"bases {P} and {Q}; a gate of its own for every layer, shared by its neurons",
        "AReLU starts as (0.9, 2), TMAF as ReLU on the ten intervals of TMAF 3.1",
        "network, BatchNorm before each activation, optimiser, steps: as in iat-bases",
    ),
    (
        "A TMAF gate jumps, so the activation matrix is not its whole derivative: the crossings of its levels add a "
        "term, which grows without bound near tangencies.",
    ),
)
QUICK = {"tasks": ("function",), "batch_size": 300}
EXPERIMENT = GATED.experiment(GatedSettings, quick(GatedSettings, **QUICK))
