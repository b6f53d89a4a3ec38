"""The exact transform as operators of torch.library, for graphs: torch.compile, export, meta tensors.

An operator finds its bases and gate by name (:mod:`torch_bridge.ops.handles`). Shapes of results follow from shapes of
arguments alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..handles import held
from . import kernels
from .cpu import TWICE
from .functions import in_front
from .transform import Transform


def _transform(name: str) -> Transform:
    return held(name)


@torch.library.custom_op("matact::iat", mutates_args=())
def iat(z: Tensor, transform: str) -> Tensor:
    """``u(z)``, IAT (4); rows (..., d_in) to (..., d_out)."""
    return kernels.forward(z, _transform(transform))


@torch.library.custom_op("matact::iat_vjp", mutates_args=())
def iat_vjp(z: Tensor, g: Tensor, transform: str) -> Tensor:
    """``J(z)^T g``, IAT (21)."""
    return kernels.vjp(z, g, _transform(transform))


@torch.library.custom_op("matact::iat_jvp", mutates_args=())
def iat_jvp(z: Tensor, v: Tensor, transform: str) -> Tensor:
    """``J(z) v``."""
    return kernels.jvp(z, v, _transform(transform))


@torch.library.custom_op("matact::iat_second", mutates_args=())
def iat_second(z: Tensor, g: Tensor, v: Tensor, transform: str) -> Tensor:
    """``sum_i g_i H_i(z) v``, IAT (22)."""
    return kernels.second(z, g, v, _transform(transform))


@torch.library.custom_op("matact::iat_saving", mutates_args=())
def iat_saving(z: Tensor, transform: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``u(z)``, and the crossings that its derivative can reuse."""
    u, saved = kernels.forward_saving(z, _transform(transform))
    return u, saved.positions, saved.signs, saved.slots


@torch.library.custom_op("matact::iat_vjp_saved", mutates_args=())
def iat_vjp_saved(z: Tensor, g: Tensor, positions: Tensor, signs: Tensor, slots: Tensor, transform: str) -> Tensor:
    """:func:`iat_vjp` from saved crossings."""
    return kernels.vjp_saved(z, g, kernels.Saved(positions, signs, slots), _transform(transform))


@torch.library.custom_op("matact::iat_decoupled", mutates_args=())
def iat_decoupled(z: Tensor, x: Tensor, transform: str) -> Tensor:
    """``S(D(x)) z``, IAT (24)-(26)."""
    return kernels.decoupled(z, x, _transform(transform))


@torch.library.custom_op("matact::iat_decoupled_vjp", mutates_args=())
def iat_decoupled_vjp(z: Tensor, x: Tensor, g: Tensor, transform: str) -> tuple[Tensor, Tensor]:
    """The gradients of ``g^T S(D(x)) z`` with respect to z and x."""
    return kernels.decoupled_vjp(z, x, g, _transform(transform))


def _outputs(z: Tensor, *args: Any) -> Tensor:
    return z.new_empty((*z.shape[:-1], _transform(args[-1]).q.size))


def _inputs(z: Tensor, *args: Any) -> Tensor:
    return torch.empty_like(z, memory_format=torch.contiguous_format)


for _op in (iat, iat_jvp, iat_decoupled):
    _op.register_fake(_outputs)
for _op in (iat_vjp, iat_second, iat_vjp_saved):
    _op.register_fake(_inputs)


@iat_saving.register_fake
def _(z: Tensor, transform: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    saved = kernels.saved_like(z, _transform(transform))
    return _outputs(z, transform), saved.positions, saved.signs, saved.slots


@iat_decoupled_vjp.register_fake
def _(z: Tensor, x: Tensor, g: Tensor, transform: str) -> tuple[Tensor, Tensor]:
    return _inputs(z), _inputs(x)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.transform = inputs
    ctx.save_for_backward(*tensors)


def _setup_saving(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    z, ctx.transform = inputs
    ctx.save_for_backward(z, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, g: Tensor) -> Any:
    (z,) = ctx.saved_tensors
    return iat_vjp(z, g, ctx.transform), None


def _backward_saving(ctx: Any, g: Tensor, *_: Any) -> Any:
    z, *saved = ctx.saved_tensors
    return iat_vjp_saved(z, g, *saved, ctx.transform), None


def _backward_vjp(ctx: Any, v: Tensor) -> Any:
    z, g, *saved = ctx.saved_tensors
    return iat_second(z, g, v, ctx.transform), iat_jvp(z, v, ctx.transform), *(None for _ in saved), None


def _backward_jvp(ctx: Any, g: Tensor) -> Any:
    z, v = ctx.saved_tensors
    return iat_second(z, g, v, ctx.transform), iat_vjp(z, g, ctx.transform), None


def _backward_decoupled(ctx: Any, g: Tensor) -> Any:
    z, x = ctx.saved_tensors
    return *iat_decoupled_vjp(z, x, g, ctx.transform), None


def _no_more(ctx: Any, *_: Any) -> Any:
    raise RuntimeError(TWICE)


iat.register_autograd(_backward, setup_context=_setup)
iat_saving.register_autograd(_backward_saving, setup_context=_setup_saving)
iat_vjp.register_autograd(_backward_vjp, setup_context=_setup)
iat_vjp_saved.register_autograd(_backward_vjp, setup_context=_setup)
iat_jvp.register_autograd(_backward_jvp, setup_context=_setup)
iat_second.register_autograd(_no_more, setup_context=_setup)
iat_decoupled.register_autograd(_backward_decoupled, setup_context=_setup)
iat_decoupled_vjp.register_autograd(_no_more, setup_context=_setup)


def _register_vmap(op: Any) -> None:
    @op.register_vmap
    def _(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        *tensors, transform = args
        out = op(*in_front(info, in_dims, *tensors), transform)
        return out, (0,) * len(out) if isinstance(out, tuple) else 0


for _op in (iat, iat_vjp, iat_jvp, iat_second, iat_decoupled, iat_decoupled_vjp):
    _register_vmap(_op)


def graph_iat(z: Tensor, transform: Transform) -> Tensor:
    """``u(z)`` in a graph: keeps crossings if a gradient will be asked for, and there are some to keep."""
    if transform.saves and z.requires_grad and torch.is_grad_enabled():
        return iat_saving(z, transform.name)[0]
    return iat(z, transform.name)
