"""The exact transform and its derivatives without a tape: which code computes them on which device.

All functions take coefficients (..., d_in) and cotangents (..., d_out) of one dtype, float32 or float64, one device and
one leading shape, and return new tensors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from iatcore.runners import Crossings

from .. import gpu
from . import cpu, reference
from .transform import Transform

TRITON = ("iat.triton_local", "iat.triton_waves", "iat.triton_local_waves")


def serve(z: Tensor, transform: Transform) -> bool:
    """Whether there are GPU kernels for the tensor and the transform."""
    return _module(z, transform) is not None


def _module(z: Tensor, transform: Transform) -> tuple[str, Any] | None:
    """The kernels for a tensor, by name."""
    if z.device.type == "cuda":
        for name in TRITON:
            module = gpu.kernels(name, z.device)
            if module is not None and _served(module, transform):
                return name, module
    return None


@lru_cache(maxsize=1024)
def _served(module: Any, transform: Transform) -> bool:
    return module.serves(transform.p, transform.q, transform.gate)


@lru_cache(maxsize=256)
def _tables(module: Any, transform: Transform, device: torch.device, dtype: torch.dtype) -> Any:
    return module.prepare(transform, device, dtype)


def _launched(function: str, transform: Transform, size: int, z: Tensor, *args: Any, **options: Any) -> Tensor | None:
    """A function of kernels on rows, in the leading shape of z; None where there are none."""
    found = _module(z, transform)
    if found is None:
        return None
    name, module = found
    tables = _tables(module, transform, z.device, z.dtype)
    rows = [t.reshape(-1, t.shape[-1]).contiguous() for t in (z, *args)]
    result = gpu.launched(name, module, function, *rows, tables, **options)
    return None if result is None else result.view(*z.shape[:-1], size)


def forward(z: Tensor, transform: Transform) -> Tensor:
    """``u(z)``, IAT (4)."""
    if z.device.type == "cpu":
        return cpu.tensor(transform.core.forward(cpu.rows(z))[0], z, transform.q.size)
    found = _launched("forward", transform, transform.q.size, z)
    if found is not None:
        return found
    with torch.no_grad():
        return reference.iat(z, transform.plan)


def vjp(z: Tensor, g: Tensor, transform: Transform) -> Tensor:
    """``J(z)^T g``, IAT (21)."""
    if z.device.type == "cpu":
        return cpu.gradient(z, g, transform.core, None)
    found = _launched("apply", transform, transform.p.size, z, g, transpose=True)
    if found is not None:
        return found
    return _gradient(z, g, transform, create_graph=False)[1]


def jvp(z: Tensor, v: Tensor, transform: Transform) -> Tensor:
    """``J(z) v``."""
    if z.device.type == "cpu":
        return cpu.tensor(transform.core.jvp(cpu.rows(z), cpu.rows(v)), z, transform.q.size)
    found = _launched("apply", transform, transform.q.size, z, v)
    if found is not None:
        return found
    # the derivative of the gradient, which is linear in g, with respect to g
    g = z.new_zeros((*z.shape[:-1], transform.q.size), requires_grad=True)
    with torch.enable_grad():
        _, gradient = _gradient(z, g, transform, create_graph=True)
        return torch.autograd.grad(gradient, g, v)[0]


def second(z: Tensor, g: Tensor, v: Tensor, transform: Transform) -> Tensor:
    """``sum_i g_i H_i(z) v`` with the second derivatives H_i of u_i, IAT (22)."""
    if z.device.type == "cpu":
        found = transform.core.second_rows(cpu.rows(z), cpu.rows(g), cpu.rows(v))
        return cpu.tensor(found, z, transform.p.size).to(z.dtype)
    found = _launched("second", transform, transform.p.size, z, g, v)
    if found is not None:
        return found
    with torch.enable_grad():
        x, gradient = _gradient(z, g, transform, create_graph=True)
        return torch.autograd.grad(gradient, x, v)[0]


def second_jvp(z: Tensor, v: Tensor, w: Tensor, transform: Transform) -> Tensor:
    """``(v^T H_i(z) w)_i``."""
    units = torch.eye(transform.q.size, dtype=z.dtype, device=z.device)
    columns = [(second(z, unit.expand(*z.shape[:-1], -1), v, transform) * w).sum(-1) for unit in units]
    return torch.stack(columns, -1)


def decoupled(z: Tensor, x: Tensor, transform: Transform) -> Tensor:
    """``S(D(x)) z``, IAT (24)-(26)."""
    if z.device.type == "cpu":
        return cpu.tensor(transform.core.forward(cpu.rows(x), h=cpu.rows(z))[0], z, transform.q.size)
    with torch.no_grad():
        return reference.iat(z, transform.plan, x)


def decoupled_vjp(z: Tensor, x: Tensor, g: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
    """The gradients of ``g^T S(D(x)) z`` with respect to z and to x."""
    if z.device.type == "cpu":
        core = transform.core
        pattern = core.pattern(cpu.rows(x)) if core.needs_pattern else None
        linear = core.matrix_rows(cpu.rows(x), cpu.rows(g), transpose=True, saved=pattern)
        motion = core.motion_rows(cpu.rows(x), cpu.rows(z), cpu.rows(g))
        return cpu.tensor(linear, z, transform.p.size), cpu.tensor(motion, x, transform.p.size).to(x.dtype)
    with torch.enable_grad():
        y, source = z.detach().requires_grad_(), x.detach().requires_grad_()
        u = reference.iat(y, transform.plan, source)
        first, other = torch.autograd.grad(u, (y, source), g)
    return first, other


def _gradient(z: Tensor, g: Tensor, transform: Transform, create_graph: bool) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = z.detach().requires_grad_()
        return x, torch.autograd.grad(reference.iat(x, transform.plan), x, g, create_graph=create_graph)[0]


class Saved(NamedTuple):
    """Crossings of a trigonometric state function as tensors; without entries where nothing is worth keeping."""

    positions: Tensor
    signs: Tensor
    slots: Tensor

    @property
    def crossings(self) -> Crossings | None:
        """What the compiled code takes."""
        if not self.slots.numel():
            return None
        addresses = self.positions.data_ptr(), self.signs.data_ptr(), self.slots.data_ptr()
        return Crossings(addresses, tuple(t.numpy() for t in self))


def saved_like(z: Tensor, transform: Transform) -> Saved:
    """Room for the crossings of a batch; zeros, so that results of operators are the same every time."""
    count = 1
    for size in z.shape[:-1]:
        count = count * size
    shapes = transform.core.saved_shapes(count) if z.device.type == "cpu" else ((0,), (0, 1), (0,))
    kinds = (torch.float64, torch.int64, torch.int64)
    return Saved(*(z.new_zeros(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)))


def forward_saving(z: Tensor, transform: Transform) -> tuple[Tensor, Saved]:
    """:func:`forward`, and what :func:`vjp_saved` can reuse."""
    saved = saved_like(z, transform)
    if z.device.type != "cpu" or not saved.slots.numel():
        return forward(z, transform), saved
    u = transform.core.forward(cpu.rows(z), saved.crossings or False)[0]
    return cpu.tensor(u, z, transform.q.size), saved


def vjp_saved(z: Tensor, g: Tensor, saved: Saved, transform: Transform) -> Tensor:
    """:func:`vjp` from saved crossings."""
    if z.device.type != "cpu" or not saved.slots.numel():
        return vjp(z, g, transform)
    return cpu.gradient(z, g, transform.core, saved.crossings)
