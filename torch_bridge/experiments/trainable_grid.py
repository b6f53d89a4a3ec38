"""The grid of a TMAF learned inside an IAT: what the TMAF paper names as future work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

import torch_bridge as tb
from iatcore import gates
from torch_bridge.experiments.variants import Question, Variants, VariantSettings, per_member, quick

GRID = (-0.75, 0.0, 0.75)
START = gates.tmaf(GRID, (0.0, 0.0, 1.0, 1.0))
"""ReLU, with two breakpoints more that slopes may separate."""
WIDTH = 0.1
P, Q = "pwl", "pwq"


def _iat(*parts: tb.nn.trainable.Part) -> Callable[[int], nn.Module]:
    return lambda width: tb.TrainableIAT(width, width, P, Q, gate=START, trainable=parts)


BUILD = {
    "iat-relu": per_member(_iat()),
    "iat-slopes": per_member(_iat("slopes")),
    "iat-grid": per_member(_iat("slopes", "breakpoints")),
    "tmaf-fixed": per_member(lambda width: tb.TMAF(list(GRID))),
    "tmaf-surrogate": per_member(lambda width: tb.TMAF(list(GRID), trainable_grid=WIDTH)),
}


@dataclass(frozen=True)
class GridSettings(VariantSettings):
    """As :class:`VariantSettings`."""

    known: ClassVar[tuple[str, ...]] = tuple(BUILD)


GRIDS = Variants(
    "trainable-grid",
    "the breakpoints of a TMAF, trained",
    "new; named as future work in TMAF section 5",
    BUILD,
    (
        Question("training the slopes helps the IAT", "iat-slopes", "iat-relu"),
        Question("training the grid as well helps the IAT", "iat-grid", "iat-slopes"),
        Question("a surrogate for the grid's gradient helps the entry-wise TMAF", "tmaf-surrogate", "tmaf-fixed"),
        Question("the IAT with a trained grid beats the entry-wise TMAF with one", "iat-grid", "tmaf-surrogate"),
    ),
    (
        f"bases {P} and {Q}: continuous, so that breakpoints have a derivative",
        f"the grid starts as {GRID}, the slopes as those of ReLU; one gate a layer",
        f"the surrogate's window is {WIDTH}",
        "network, BatchNorm before each activation, optimiser, steps: as in iat-bases",
    ),
    (
        "In an entry-wise TMAF the derivative with respect to a breakpoint is 0 almost everywhere, so a surrogate is "
        "used; in function space it is -(t_j - t_{j-1}) s_j sum q(r) / |f'(r)|, which is 0 for a breakpoint at 0.",
    ),
)
QUICK = {"tasks": ("function",), "batch_size": 300}
EXPERIMENT = GRIDS.experiment(GridSettings, quick(GridSettings, **QUICK))
