"""The exact transform with a gate that is trained.

Slopes enter u linearly and breakpoints through the crossings: ``du/dt_j = integral over {s_j < f <= s_{j+1}} of q f``,
``du/ds_j = -(t_j - t_{j-1}) s_j sum q(r) / |f'(r)|``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iatcore import Gate

from ..dtypes import EXACT, check_floating, computable
from ..handles import held
from . import cpu, reference
from .cpu import TWICE
from .functions import in_front
from .op import Derivatives, iat
from .transform import Transform

# -- two slopes -------------------------------------------------------------------------------------------------


def two_slopes(
    z: Tensor,
    slopes: Tensor,
    gram: Tensor,
    transform: Transform,
    pattern_from: Tensor | None = None,
    derivatives: Derivatives = 2,
) -> Tensor:
    """``t_0 integral q f + (t_1 - t_0) integral q relu(f)``: a gate whose only breakpoint is 0.

    Args:
        z: coefficients (..., d_in) of a real floating dtype.
        slopes: t (2,).
        gram: ``integral of q p^T``, (d_out, d_in).
        transform: of the slopes 0 and 1.
        pattern_from, derivatives: as for :func:`.op.iat`.
    """
    x = computable(z, "z")
    whole = x @ gram.to(x.device, x.dtype).mT
    positive = iat(x, transform, pattern_from, derivatives)
    below, above = slopes.to(x.dtype)
    return (below * whole + (above - below) * positive).to(z.dtype)


# -- any gate ---------------------------------------------------------------------------------------------------


def iat_gated(
    z: Tensor,
    points: Tensor,
    slopes: Tensor,
    transform: Transform,
    pattern_from: Tensor | None = None,
    derivatives: Derivatives = 2,
) -> Tensor:
    """``u = sum_j t_j integral over {s_j < f <= s_{j+1}} of q f ds`` with s and t as tensors, IAT (17), (18).

    Args:
        z: coefficients (..., d_in) of a real floating dtype.
        points: breakpoints s (m,), ascending. slopes: t (m + 1,).
        transform: bases and, of its gate, which side a breakpoint belongs to.
        pattern_from: as for :func:`.op.iat`; through plain torch.
        derivatives: 1 or 2: on the CPU by compiled code, all second derivatives through plain torch;
            ``"any"``: plain torch.

    Returns:
        (..., d_out). All nan if a breakpoint or slope is not finite, else nan in rows with nan or inf.

    Raises:
        TypeError, ValueError: as :func:`.op.iat`. RuntimeError: a third derivative unless ``derivatives`` is ``"any"``.
    """
    x = computable(z, "z")
    if pattern_from is not None:
        pattern_from = check_floating(pattern_from, "pattern_from").to(x.dtype)
    reference.check_shapes(x, transform.p.size, pattern_from)
    numbers = points.double(), slopes.double()
    if torch.compiler.is_compiling() or z.device.type == "meta":
        if pattern_from is not None:
            raise RuntimeError(
                "pattern_from with a trained gate cannot be compiled; call the module outside of a graph"
            )
        return _graph_gated(x, *numbers, transform.name).to(z.dtype)
    if pattern_from is not None or derivatives == "any":
        return _plain(x, *numbers, transform, pattern_from).to(z.dtype)
    return _Gated.apply(x, *numbers, transform).to(z.dtype)


def _plain(
    z: Tensor, points: Tensor, slopes: Tensor, transform: Transform, pattern_from: Tensor | None = None
) -> Tensor:
    tables = transform.plan.tables(z.device)._replace(levels=points, slopes=slopes)
    return nan_unless_finite(reference.iat(z, transform.plan, pattern_from, tables=tables), points, slopes)


def nan_unless_finite(u: Tensor, *numbers: Tensor) -> Tensor:
    """u, or nan everywhere if one of some numbers is nan or infinite."""
    return u + sum(0.0 * x.sum() for x in numbers).to(u.dtype)  # type: ignore[union-attr]


def _core(z: Tensor, points: Tensor, slopes: Tensor, transform: Transform) -> Any:
    """The compiled transform for numbers on the CPU; None if plain torch is to be used."""
    if z.device.type != "cpu" or z.dtype not in EXACT:
        return None
    s, t = points.tolist(), slopes.tolist()
    if not all(map(math.isfinite, [*s, *t])):
        return None
    return transform.core.with_gate(Gate(tuple(s), tuple(t), transform.gate.side))


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(z: Tensor, points: Tensor, slopes: Tensor, transform: Transform) -> Tensor:
        core = _core(z, points, slopes, transform)
        if core is None:
            return _plain(z, points, slopes, transform)
        return cpu.tensor(core.forward(cpu.rows(z))[0], z, core.out_size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.transform = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return *_GatedGradient.apply(*ctx.saved_tensors, g, ctx.transform, ctx.needs_input_grad[:3]), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        z, points, slopes = ctx.saved_tensors
        size = ctx.transform.q.size
        v = [torch.zeros_like(t) if d is None else d for t, d in zip(ctx.saved_tensors, tangents, strict=False)]
        nothing = z.new_zeros((*z.shape[:-1], size))
        return _GatedSecond.apply(z, points, slopes, nothing, *v, ctx.transform)[3]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        return _mapped(_Gated, info, in_dims, args, 1)[0], 0


class _GatedGradient(torch.autograd.Function):
    """Gradients of ``g^T u``."""

    @staticmethod
    def forward(
        z: Tensor, points: Tensor, slopes: Tensor, g: Tensor, transform: Transform, wanted: tuple[bool, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        core = _core(z, points, slopes, transform)
        if core is None:
            with torch.enable_grad():
                inputs = [t.detach().requires_grad_() for t in (z, points, slopes)]
                return torch.autograd.grad(_plain(*inputs, transform), inputs, g, materialize_grads=True)  # type: ignore
        y, h = cpu.rows(z), cpu.rows(g)
        y64, h64 = y.astype(np.float64, copy=False), h.astype(np.float64, copy=False)
        first = cpu.tensor(core.backward(y, h), z, core.in_size) if wanted[0] else torch.zeros_like(z)
        second = torch.from_numpy(core.breakpoint_rows(y64, h64).sum(0)) if wanted[1] else torch.zeros_like(points)
        third = torch.from_numpy(core.slope_rows(y64, h64).sum(0)) if wanted[2] else torch.zeros_like(slopes)
        return first, second, third

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.transform, _ = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        return *_GatedSecond.apply(*ctx.saved_tensors, *cotangents, ctx.transform), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return _mapped(_GatedGradient, info, in_dims, args, 2), (0, 0, 0)


class _GatedSecond(torch.autograd.Function):
    """Gradients of ``<gradients of g^T u, cotangents>`` with respect to z, points, slopes and g."""

    @staticmethod
    def forward(
        z: Tensor, points: Tensor, slopes: Tensor, g: Tensor, a: Tensor, b: Tensor, c: Tensor, transform: Transform
    ) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = [t.detach().requires_grad_() for t in (z, points, slopes, g)]
            u = _plain(inputs[0], inputs[1], inputs[2], transform)
            first = torch.autograd.grad(u, inputs[:3], inputs[3], create_graph=True, materialize_grads=True)
            parts = [torch.sum(x * y.to(x.dtype)).double() for x, y in zip(first, (a, b, c), strict=True)]
            return torch.autograd.grad(torch.stack(parts).sum(), inputs, materialize_grads=True)  # type: ignore

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return _mapped(_GatedSecond, info, in_dims, args, 1), (0, 0, 0, 0)


def _mapped(function: Any, info: Any, in_dims: tuple[Any, ...], args: tuple[Any, ...], plain: int) -> tuple[Any, ...]:
    """A function of tensors for each index of a mapped dimension, since gates differ from one to the next."""
    tensors = in_front(info, in_dims[: len(args) - plain], *args[: len(args) - plain])
    found = [function.apply(*(t[i] for t in tensors), *args[len(args) - plain :]) for i in range(info.batch_size)]
    if isinstance(found[0], Tensor):
        return (torch.stack(found),)
    return tuple(map(torch.stack, zip(*found, strict=True)))


# -- in graphs --------------------------------------------------------------------------------------------------


@torch.library.custom_op("matact::iat_gated", mutates_args=())
def _graph_gated(z: Tensor, points: Tensor, slopes: Tensor, transform: str) -> Tensor:
    """:func:`iat_gated` of a transform by its name."""
    return _Gated.forward(z, points, slopes, held(transform))


@torch.library.custom_op("matact::iat_gated_vjp", mutates_args=())
def _graph_gradient(
    z: Tensor, points: Tensor, slopes: Tensor, g: Tensor, transform: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``g^T u`` with respect to z, points and slopes."""
    return _GatedGradient.forward(z, points, slopes, g, held(transform), (True, True, True))


@_graph_gated.register_fake
def _(z: Tensor, points: Tensor, slopes: Tensor, transform: str) -> Tensor:
    return z.new_empty((*z.shape[:-1], held(transform).q.size))


@_graph_gradient.register_fake
def _(z: Tensor, points: Tensor, slopes: Tensor, g: Tensor, transform: str) -> tuple[Tensor, Tensor, Tensor]:
    first = torch.empty_like(z, memory_format=torch.contiguous_format)
    return first, torch.empty_like(points), torch.empty_like(slopes)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.transform = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, g: Tensor) -> Any:
    return *_graph_gradient(*ctx.saved_tensors, g, ctx.transform), None


def _no_more(ctx: Any, *_: Any) -> Any:
    raise RuntimeError("a trained gate in a graph is differentiable once; call the module outside of it for more")


_graph_gated.register_autograd(_backward, setup_context=_setup)
_graph_gradient.register_autograd(_no_more, setup_context=_setup)
