"""The weights that make the pattern and the linear weights trained apart, IAT section 4.4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

import torch_bridge as tb
from torch_bridge.experiments.variants import Question, VariantRun, Variants, VariantSettings, quick, shared
from torch_bridge.train.ensemble import ensemble_mlp

Q = "pwq"


class DecoupledNetwork(nn.Module):
    """``y = F(x, W1, D(x, W2))``, IAT (24)-(26), for an ensemble.

    Args:
        linear: W1: linear layers and, between them, activations that take ``pattern_from``.
        pattern: W2: the same shape of network; its output is not used.
        train_pattern: whether the weights W2 are trained.
    """

    def __init__(self, linear: nn.Sequential, pattern: nn.Sequential, train_pattern: bool) -> None:
        super().__init__()
        self.linear = linear
        self.pattern = nn.ModuleList(list(pattern)[:-1]).requires_grad_(train_pattern)

    def forward(self, x: Tensor) -> Tensor:
        z = w = x
        for ours, theirs in zip(self.linear, self.pattern, strict=False):
            z = ours(z, pattern_from=w) if isinstance(ours, tb.IATReLU) else ours(z)
            w = theirs(w)
        return self.linear[-1](z)


def _decoupled(make: Callable[[int], nn.Module], train_pattern: bool):
    def build(run: VariantRun, widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Module:
        linear, pattern = (ensemble_mlp(widths, make, generators, batch_norm=run.batch_norm) for _ in range(2))
        return DecoupledNetwork(linear, pattern, train_pattern)

    return build


def _exact(p: str) -> Callable[[int], nn.Module]:
    return lambda width: tb.IATReLU(width, width, p, Q)


def _mesh(width: int) -> nn.Module:
    return tb.IATReLU(width, width, "fourier", Q, mesh=50 * width)


BUILD = {
    "coupled": shared(_exact("fourier")),
    "frozen": _decoupled(_exact("fourier"), False),
    "both": _decoupled(_exact("fourier"), True),
    "coupled-pwl": shared(_exact("pwl")),
    "both-pwl": _decoupled(_exact("pwl"), True),
    "mesh-both": _decoupled(_mesh, True),
}


@dataclass(frozen=True)
class DecoupledSettings(VariantSettings):
    """As :class:`VariantSettings`, without BatchNorm."""

    known: ClassVar[tuple[str, ...]] = tuple(BUILD)
    batch_norm: bool = False


DECOUPLED = Variants(
    "decoupled",
    "patterns and linear weights trained apart",
    "new; the model of IAT section 4.4",
    BUILD,
    (
        Question("a random pattern, frozen, beats the coupled network", "frozen", "coupled"),
        Question("training the pattern's weights beats a frozen pattern", "both", "frozen"),
        Question("training both sets of weights beats the coupled network (fourier)", "both", "coupled"),
        Question("training both sets of weights beats the coupled network (pwl)", "both-pwl", "coupled-pwl"),
        Question("the exact gradient of the pattern beats the mesh's, which is 0", "both", "mesh-both"),
    ),
    (
        f"input basis fourier (or pwl where named), output basis {Q}; W1 and W2 start apart, by He's rule",
        "the decoupled network has twice the weights of the coupled one",
        "on the mesh (M = 50 d) a pattern is constant almost everywhere, so W2 gets no gradient and stays as it starts",
        "network, optimiser, steps: as in iat-bases, without BatchNorm",
    ),
)
EXPERIMENT = DECOUPLED.experiment(DecoupledSettings, quick(DecoupledSettings))
