"""What a transform of tensors is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import iatcore
from iatcore import Basis, Gate

from ..handles import handle
from . import reference


@dataclass(frozen=True)
class Transform:
    """Input basis, output basis and gate, and what is prepared from them, once, when needed.

    Copies and pickles carry the bases and the gate alone.

    Attributes:
        name: under which the operators of torch.library find it.
        saves: whether the compiled code keeps crossings for the derivative.
    """

    p: Basis
    q: Basis
    gate: Gate
    name: str = field(init=False, repr=False, compare=False)
    saves: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", handle(self))
        object.__setattr__(self, "saves", self.core.saves)

    @cached_property
    def core(self) -> iatcore.IAT:
        """The compiled transform of numpy arrays."""
        return iatcore.IAT(self.p, self.q, self.gate)

    @cached_property
    def plan(self) -> reference.Plan:
        """The constants of the reference implementation."""
        return reference.prepare(self.p, self.q, self.gate)

    def __getstate__(self) -> dict[str, Any]:
        return {"p": self.p, "q": self.q, "gate": self.gate}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, value)
        self.__post_init__()
