"""What the sweep trains: a job with one or more members that train side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor


class Job(Protocol):
    """E networks that are trained together, one a seed; ``E = members``.

    Everything that decides the numbers to come is in ``state_dict``: a job that is started with the same settings
    and seeds and given that state goes on as the first one did, bit for bit.
    """

    @property
    def members(self) -> int:
        """E >= 1."""
        ...

    @property
    def total_steps(self) -> int:
        """Number of calls of :meth:`step` that finish the job, >= 1."""
        ...

    def step(self) -> Tensor:
        """Do one optimiser step and return the losses before it, detached, shape ``(E,)``, still on the device."""
        ...

    def gradients(self) -> Tensor:
        """A copy of the gradients of the last step, shape ``(E, number of parameters of a member)``."""
        ...

    def freeze(self, members: Sequence[int]) -> None:
        """Take these members out for good: their loss is 0 from now on and no step changes them."""
        ...

    def evaluate(self) -> dict[str, list[float]]:
        """Metrics by name, one value a member; a pure function of the state."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, lists and dicts alone, as ``torch.load(weights_only=True)`` accepts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where :meth:`state_dict` was taken."""
        ...
