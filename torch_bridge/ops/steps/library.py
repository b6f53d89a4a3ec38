"""Step matrices and AReLU as operators of torch.library, for graphs: torch.compile, export, meta tensors.

An operator finds its grids by name (:mod:`torch_bridge.ops.handles`); it takes and returns every floating dtype.
Intervals that the derivative can reuse are a result of their own, in bytes. All are differentiable once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from iatcore.gates import Side
from iatcore.steps import Bands, Entries

from ..dtypes import EXACT, computable
from ..handles import held
from . import cpu, kernels, reference
from .kernels import by_tape
from .reference import Layout
from .rounding import computed

ONCE = "an activation in a graph is differentiable once; call the module outside of it for more"


@dataclass(frozen=True)
class Steps:
    """Diagonals with their grids, and the sizes of the dimensions that have step values of their own."""

    bands: Bands
    features: tuple[int, ...]


@dataclass(frozen=True)
class Pattern:
    """A fixed pattern of entries with its grid, and how many step functions the entries share."""

    points: tuple[float, ...]
    side: Side
    entries: Entries
    functions: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "functions", int(self.entries.functions.max()) + 1)


def _bytes(z: Tensor, bands: Bands) -> int:
    """How many intervals are kept."""
    keeps = z.device.type in ("cpu", "meta") and z.dtype in EXACT and max(bands.widths) <= 256
    return len(bands.numbers) * z.numel() if keeps else 0


def _like(u: Tensor, z: Tensor, dtype: torch.dtype) -> Tensor:
    """A result in a dtype and in the memory format that ``empty_like(z)`` has, which fake tensors promise."""
    expected = torch.empty_like(z, dtype=dtype, device="meta").stride()
    return u if u.dtype == dtype and u.stride() == expected else torch.empty_like(z, dtype=dtype).copy_(u)


@torch.library.custom_op("matact::step_matrix", mutates_args=())
def step_matrix(z: Tensor, values: Sequence[Tensor], steps: str, dim: int) -> tuple[Tensor, Tensor]:
    """``u_i = sum_k a_k(z_{i+k}) z_{i+k}``, TMAF (4)-(7), and the intervals that are kept."""
    settings: Steps = held(steps)
    layout = Layout(dim, settings.features)
    x, numbers, grids = computed(z, values, settings.bands)
    count = _bytes(z, settings.bands)
    if z.device.type == "cpu":
        u, bins = cpu.step_matrix_keeping(x, numbers, grids, layout, count > 0)
    else:
        u = kernels.step_matrix(z, tuple(values), settings.bands, layout)
        bins = z.new_empty(0, dtype=torch.uint8)
    return _like(u, z, z.dtype), bins


@torch.library.custom_op("matact::step_matrix_vjp", mutates_args=())
def step_matrix_vjp(z: Tensor, g: Tensor, values: Sequence[Tensor], bins: Tensor, steps: str, dim: int) -> list[Tensor]:
    """``S(z)^T g``, and the gradients of the step values."""
    settings: Steps = held(steps)
    layout = Layout(dim, settings.features)
    x, numbers, grids = computed(z, values, settings.bands)
    if z.device.type == "cpu":
        first, *others = cpu.step_matrix_gradients(x, g.to(x.dtype), numbers, bins, grids, layout)
    else:
        first, *others = kernels.step_matrix_gradients(z, g, tuple(values), settings.bands, layout)
    return [_like(first, z, z.dtype), *(_like(o, v, v.dtype) for o, v in zip(others, values, strict=True))]


@torch.library.custom_op("matact::sparse_step_matrix", mutates_args=())
def sparse_step_matrix(z: Tensor, values: Tensor, pattern: str) -> Tensor:
    """``u_i = sum_j a_ij(z_j) z_j`` along the last dimension for a fixed pattern."""
    x, (numbers,), settings = _sparse(z, values, pattern)
    module = cpu if z.device.type == "cpu" else reference
    return _like(module.sparse_step_matrix(x, numbers, *settings), z, z.dtype)


@torch.library.custom_op("matact::sparse_step_matrix_vjp", mutates_args=())
def sparse_step_matrix_vjp(z: Tensor, g: Tensor, values: Tensor, pattern: str) -> tuple[Tensor, Tensor]:
    """``S(z)^T g``, and the gradient of the step values."""
    x, (numbers,), settings = _sparse(z, values, pattern)
    module = cpu if z.device.type == "cpu" else reference
    first, other = by_tape(lambda y, v: module.sparse_step_matrix(y, v, *settings), g.to(x.dtype), x, numbers)
    return _like(first, z, z.dtype), _like(other, values, values.dtype)


def _sparse(z: Tensor, values: Tensor, pattern: str) -> tuple[Tensor, tuple[Tensor, ...], Any]:
    settings: Pattern = held(pattern)
    x, numbers, bands = computed(z, (values,), Bands((0,), (settings.points,), settings.side))
    return x, numbers, (bands.grids[0], settings.side, settings.entries)


@torch.library.custom_op("matact::arelu", mutates_args=())
def arelu(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    """``C(alpha) x`` for x < 0 and ``(residual + sigmoid(beta)) x`` for x >= 0, AReLU 2.2 and 2.3."""
    if x.device.type == "cpu":
        return _like(cpu.arelu_values(computable(x, "x"), alpha, beta, residual), x, x.dtype)
    return _like(kernels.arelu(x, alpha, beta, residual, keep_alive), x, x.dtype)


@torch.library.custom_op("matact::arelu_vjp", mutates_args=())
def arelu_vjp(
    x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of :func:`arelu`."""
    if x.device.type == "cpu":
        z = computable(x, "x")
        dx, da, db = cpu.arelu_gradients(z, g.to(z.dtype), alpha, beta, residual, keep_alive)
    else:
        dx, da, db = kernels.arelu_gradients(x, g, alpha, beta, residual, keep_alive)
    return _like(dx, x, x.dtype), _like(da, alpha, alpha.dtype), _like(db, beta, beta.dtype)


@step_matrix.register_fake
def _(z: Tensor, values: Any, steps: str, dim: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(z), z.new_empty(_bytes(z, held(steps).bands), dtype=torch.uint8)


@step_matrix_vjp.register_fake
def _(z: Tensor, g: Tensor, values: Any, bins: Tensor, steps: str, dim: int) -> list[Tensor]:
    return [torch.empty_like(z), *(torch.empty_like(v) for v in values)]


@sparse_step_matrix.register_fake
def _(z: Tensor, values: Tensor, pattern: str) -> Tensor:
    return torch.empty_like(z)


@sparse_step_matrix_vjp.register_fake
def _(z: Tensor, g: Tensor, values: Tensor, pattern: str) -> tuple[Tensor, Tensor]:
    return torch.empty_like(z), torch.empty_like(values)


@arelu.register_fake
def _(x: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Tensor:
    return torch.empty_like(x)


@arelu_vjp.register_fake
def _(x: Tensor, g: Tensor, alpha: Tensor, beta: Tensor, residual: float, keep_alive: bool) -> Any:
    return torch.empty_like(x), torch.empty_like(alpha), torch.empty_like(beta)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    z, values, *ctx.settings = inputs
    ctx.save_for_backward(z, output[1], *values)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, g: Tensor, _: Any) -> Any:
    z, bins, *values = ctx.saved_tensors
    first, *others = step_matrix_vjp(z, g, values, bins, *ctx.settings)
    return first, others, None, None


def _setup_plain(count: int) -> Any:
    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:count])
        ctx.settings = inputs[count:]

    return setup


def _backward_sparse(ctx: Any, g: Tensor) -> Any:
    z, values = ctx.saved_tensors
    return *sparse_step_matrix_vjp(z, g, values, *ctx.settings), None


def _backward_arelu(ctx: Any, g: Tensor) -> Any:
    x, alpha, beta = ctx.saved_tensors
    return *arelu_vjp(x, g, alpha, beta, *ctx.settings), None, None


def _no_more(ctx: Any, *_: Any) -> Any:
    raise RuntimeError(ONCE)


step_matrix.register_autograd(_backward, setup_context=_setup)
sparse_step_matrix.register_autograd(_backward_sparse, setup_context=_setup_plain(2))
arelu.register_autograd(_backward_arelu, setup_context=_setup_plain(3))
for _op in (step_matrix_vjp, sparse_step_matrix_vjp, arelu_vjp):
    _op.register_autograd(_no_more, setup_context=_setup_plain(0))
