"""The M-point transform and its derivative without a tape: which code computes them on which device.

On a GPU one kernel goes over the points with nothing written but the result. Elsewhere rows are done a block at a time.
All functions take tensors of one dtype, float32 or float64, and return new contiguous ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from iatcore import Gate

from .. import gpu
from . import reference

TRITON = "iat_mesh.triton"
BLOCK = 1 << 18
"""Values of the state function that are held at a time on other devices than GPUs with kernels."""
SMALL = 8
"""Up to so many blocks are faster done at once."""


def is_small(z: Tensor, P: Tensor) -> bool:
    """Whether all values at all points may be held at once."""
    return z.device.type == "cpu" and z.numel() // max(z.shape[-1], 1) * P.shape[-1] <= SMALL * BLOCK


def iat_mesh(z: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None) -> Tensor:
    """:func:`.reference.iat_mesh`, IAT (12)."""
    found = _by_kernels("iat_mesh", z, P, Q, gate, pattern_from)
    if found is not None:
        return found
    u = z.new_empty((*z.shape[:-1], Q.shape[0]))
    with torch.no_grad():
        for into, x, source in _blocks(_size(z, P), u, z, pattern_from):
            into.copy_(reference.iat_mesh(x, P, Q, gate, source))
    return u


def iat_mesh_backward(
    z: Tensor, g: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None
) -> Tensor:  # fmt: skip
    """:func:`.reference.iat_mesh_backward`, IAT (13)."""
    found = _by_kernels("iat_mesh_backward", z, g, P, Q, gate, pattern_from)
    if found is not None:
        return found
    result = torch.empty_like(z, memory_format=torch.contiguous_format)
    with torch.no_grad():
        for into, x, h, source in _blocks(_size(z, P), result, z, g, pattern_from):
            into.copy_(reference.iat_mesh_backward(x, h, P, Q, gate, source))
    return result


def _by_kernels(name: str, z: Tensor, *args: Tensor | Gate | None) -> Tensor | None:
    module = gpu.kernels(TRITON, z.device)
    return None if module is None else gpu.launched(TRITON, module, name, z, *args)


def _size(z: Tensor, P: Tensor) -> int:
    """Rows of a block."""
    return max(z.numel(), 1) if is_small(z, P) else max(BLOCK // P.shape[-1], 16)


def _blocks(size: int, into: Tensor, *tensors: Tensor | None) -> Iterator[list]:
    """Blocks of rows of tensors with one leading shape; the first is written and has to be contiguous."""
    first, *others = (None if t is None else t.reshape(-1, t.shape[-1]) for t in (into, *tensors))
    assert first is not None
    for start in range(0, len(first), size):
        yield [None if t is None else t[start : start + size] for t in (first, *others)]
