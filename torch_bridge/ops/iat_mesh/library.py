"""The M-point transform as operators of torch.library, for graphs: values at all points are never a tensor of one.

An operator finds its gate by name (:mod:`torch_bridge.ops.handles`). It is differentiable once, with respect to z;
under torch.func a graph has the plain formula.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iatcore import Gate
from iatcore.gates import Side

from ..handles import handle, held
from . import kernels
from .reference import Activation, change_and_size

Pair = tuple[Tensor, Tensor]
STUCK = (
    "the cells of this graph left a change of {change:.1e} where {allowed:.1e} was asked for; call the module outside "
    "of a graph on such inputs first, it then keeps finer ones; an activation with kinks belongs on a mesh or is a gate"
)
ONCE = "a transform on a mesh in a graph is differentiable once; call the module outside of it for more"


def gate_name(breakpoints: tuple[float, ...], slopes: tuple[float, ...], side: Side) -> str:
    """The name of a gate. It is given in parts because a graph holds for the numbers that it was traced with."""
    return handle(Gate(breakpoints, slopes, side))


# all that torch.compiler.assume_constant_result does, which would import torch's compiler: a second
gate_name._dynamo_marked_constant = True  # type: ignore[attr-defined]


@torch.library.custom_op("matact::iat_mesh", mutates_args=())
def iat_mesh(z: Tensor, P: Tensor, Q: Tensor, gate: str, pattern_from: Tensor | None) -> Tensor:
    """``u = (2/M) Q sigma(P^T z)``, IAT (12); rows (..., d_in) to (..., d_out)."""
    return kernels.iat_mesh(z, P, Q, held(gate), pattern_from)


@torch.library.custom_op("matact::iat_mesh_vjp", mutates_args=())
def iat_mesh_vjp(z: Tensor, g: Tensor, P: Tensor, Q: Tensor, gate: str, pattern_from: Tensor | None) -> Tensor:
    """``(2/M) P diag(a(P^T z)) Q^T g``, IAT (13)."""
    return kernels.iat_mesh_backward(z, g, P, Q, held(gate), pattern_from)


@iat_mesh.register_fake
def _(z: Tensor, P: Tensor, Q: Tensor, gate: str, pattern_from: Tensor | None) -> Tensor:
    return z.new_empty((*z.shape[:-1], Q.shape[0]))


@iat_mesh_vjp.register_fake
def _(z: Tensor, g: Tensor, P: Tensor, Q: Tensor, gate: str, pattern_from: Tensor | None) -> Tensor:
    return torch.empty_like(z, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    z, P, Q, ctx.gate, pattern_from = inputs
    ctx.save_for_backward(z, P, Q, pattern_from)


def _backward(ctx: Any, g: Tensor) -> Any:
    z, P, Q, pattern_from = ctx.saved_tensors
    return iat_mesh_vjp(z, g, P, Q, ctx.gate, pattern_from), None, None, None, None


def _setup_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _no_more(ctx: Any, *_: Any) -> Any:
    raise RuntimeError(ONCE)


iat_mesh.register_autograd(_backward, setup_context=_setup)
iat_mesh_vjp.register_autograd(_no_more, setup_context=_setup_nothing)


@torch.library.custom_op("matact::converged", mutates_args=())
def converged(u: Tensor, cruder: Tensor, tolerance: float) -> Tensor:
    """A copy of u, whose largest difference from ``cruder`` is at most ``tolerance`` times its largest entry.

    Raises:
        RuntimeError: it is not.
    """
    change, size = change_and_size(u, cruder)
    if not change <= tolerance * size:
        raise RuntimeError(STUCK.format(change=float(change), allowed=float(tolerance * size)))
    return u.clone()


@converged.register_fake
def _(u: Tensor, cruder: Tensor, tolerance: float) -> Tensor:
    return torch.empty_like(u)


converged.register_autograd(lambda ctx, g: (g, None, None))


@converged.register_vmap
def _(info: Any, in_dims: Any, u: Tensor, cruder: Tensor, tolerance: float) -> tuple[Tensor, int]:
    """The batch as one: entries are compared with the largest of all."""
    u, cruder = (
        t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)
        for t, d in zip((u, cruder), in_dims[:2], strict=True)
    )
    return converged(u, cruder, tolerance), 0


def iat_smooth(z: Tensor, coarse: Pair, fine: Pair, activation: Activation, tolerance: float) -> Tensor:
    """:func:`.reference.iat_smooth` where cells cannot depend on the data; it raises where they do not do.

    Args:
        z: coefficients (..., d_in).
        coarse, fine: two pairs of :func:`.reference.gauss_matrices`, the second one of more halvings.
        activation: sigma, entry-wise.
        tolerance: of the change from one to the other, relative to the largest entry.

    Raises:
        RuntimeError: when it is run, if the change is larger.
    """
    (P, Q), (P_fine, Q_fine) = coarse, fine
    with torch.no_grad():
        cruder = activation(z @ P) @ Q.mT
    u = activation(z @ P_fine) @ Q_fine.mT
    if torch.compiler.is_compiling():
        return converged(u, cruder, tolerance)
    # for its error alone: the derivative of an operator is unknown to torch.func
    converged(u.detach(), cruder, tolerance)
    return u
