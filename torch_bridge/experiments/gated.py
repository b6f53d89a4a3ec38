"""IAT with the gates of the two other papers: AReLU and TMAF in function space, against the same entry by entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

import torch_bridge as tb
from torch_bridge.experiments.variants import Question, Variants, VariantSettings, per_member, quick, shared

P, Q = "fourier", "pwq"

BUILD = {
    "relu": shared(lambda width: nn.ReLU()),
    "arelu": per_member(lambda width: tb.AReLU()),
    "tmaf": per_member(lambda width: tb.TMAF()),
    "iat-relu": shared(lambda width: tb.IATReLU(width, width, P, Q)),
    "iat-arelu": per_member(lambda width: tb.TrainableIAT(width, width, P, Q, gate=tb.AReLU(), trainable=())),
    "iat-slopes": per_member(lambda width: tb.TrainableIAT(width, width, P, Q, trainable=("slopes",))),
    "iat-tmaf": per_member(lambda width: tb.TrainableIAT(width, width, P, Q, gate=tb.TMAF(), trainable=())),
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
