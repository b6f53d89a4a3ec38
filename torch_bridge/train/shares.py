"""Shares of a batch for the processes of a group of torch.distributed; without one, the whole batch."""

from __future__ import annotations

import torch.distributed
from torch import Tensor


def process_count() -> int:
    """Processes of the group; 1 without one."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def process_rank() -> int:
    """This process's place in the group; 0 without one."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def share(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """This process's part of a batch, and the weight that makes means over the parts the mean over the batch.

    A batch with fewer images than there are processes is given to all of them.
    """
    count, size = process_count(), len(x)
    if count == 1 or size < count:
        return x, y, 1.0
    first, last = (size * k // count for k in (process_rank(), process_rank() + 1))
    return x[first:last], y[first:last], (last - first) * count / size


def mean_of_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes of the group, written into it."""
    if process_count() > 1:
        torch.distributed.all_reduce(value)
        value /= process_count()
    return value
