"""Pictures of learned activations: curves with the histogram of their inputs, and matrices as heat maps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from torch_bridge.experiments.figures import styled
from torch_bridge.nn import IAT, TMAF, Activation, Maxout, RescaledTMAF
from torch_bridge.nn.registry import ACTIVATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 1001
MOST_CURVES = 8
MOST_INPUTS = 100_000
MOST_ENTRIES = 4_000_000
"""Of a tensor that curves are computed from; those of many features are computed in parts."""
EARLIER: dict[str, Any] = {"color": "#9a9a9a", "linestyle": "--"}
LATER: dict[str, Any] = {"color": "#1f6fb2"}
KINDS = (Activation, IAT, *(e.make for e in ACTIVATIONS.values() if isinstance(e.make, type)))
"""Classes of activations."""


@contextmanager
def record_inputs(network: nn.Module, most: int = MOST_INPUTS) -> Iterator[dict[str, Tensor]]:
    """Collect what goes into every activation of a network while the block runs.

    Yields:
        a dict from names of modules (``""`` if the network is an activation itself) to flat float64 tensors: evenly
        spaced entries, ``most`` at most, of what went in in the last forward pass.
    """
    found: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def keep(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            tensors = [t for t in (*arguments, *named.values()) if isinstance(t, Tensor)]
            if tensors:
                flat = tensors[0].detach().reshape(-1)
                found[name] = flat[:: max(1, -(-flat.numel() // most))].double().cpu()

        return keep

    handles = [m.register_forward_pre_hook(hook(name), with_kwargs=True) for name, m in activations_of(network)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def activations_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The activations in a network by name."""
    return [(name, module) for name, module in network.named_modules() if isinstance(module, KINDS)]


def response(module: nn.Module, t: Tensor) -> Tensor:
    """Curves of an activation: (points, curves).

    Where each output depends on one input alone, ``u_i`` against ``z_i = t`` (as many curves as there are features,
    :data:`MOST_CURVES` at most). Elsewhere all components of ``u(t e_j)`` that do not vanish, j the middle one.
    """
    sizes, dim, mixes = _features(module)
    if dim >= 0 and len(sizes) == 1:
        # the points take some other dimension
        shape = [1] * max(dim + 1, 2)
        points = 1 if dim == 0 else 0
        shape[dim], shape[points] = sizes[0], len(t)
    else:
        points = 0
        shape = [len(t), *sizes, *[1] * max(0, -dim - len(sizes))]
    points_at_once = max(1, MOST_ENTRIES // (math.prod(shape) // len(t)))
    if len(t) > points_at_once:
        return torch.cat([response(module, part) for part in t.split(points_at_once)])
    x = torch.zeros(shape, dtype=t.dtype, device=t.device)
    along = x.movedim(points, -1)
    place = along.movedim(dim % len(shape) - (dim % len(shape) > points), 0)
    (place[place.shape[0] // 2] if mixes else along).copy_(t)
    with torch.no_grad():
        u = module(x).movedim(points, 0).reshape(len(t), -1)
    if mixes and (u != 0).any():
        u = u[:, (u != 0).any(0)]
    return u[:, : 1 if mixes and not u.any() else MOST_CURVES]


def _features(module: nn.Module) -> tuple[tuple[int, ...], int, bool]:
    """Sizes of the features, the dimension that the module acts on, and whether it mixes components."""
    dim = getattr(module, "dim", -1)
    if isinstance(module, IAT):
        return (module.in_features,), dim, True
    if isinstance(module, Maxout):
        return (max(module.pool, 1),), dim, module.pool > 1
    bands = getattr(module, "bands", (0,))
    mixes = isinstance(module, (TMAF, RescaledTMAF)) and bands != (0,)
    sizes = getattr(module, "num_features", None)
    if isinstance(module, nn.PReLU):
        sizes, dim = module.num_parameters, 1
    if sizes is None:
        sizes = 2 * max(map(abs, bands)) + 1 if mixes else 1
    return sizes if isinstance(sizes, tuple) else (sizes,), dim, mixes


@styled
def draw_activation(
    module: nn.Module,
    inputs: Tensor | None = None,
    before: nn.Module | None = None,
    inputs_before: Tensor | None = None,
    interval: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """A learned activation over the histogram of its inputs, and what it was before training.

    Args:
        module: an activation of this package or of torch.
        inputs: what goes into it, of any shape; see :func:`record_inputs`.
        before: the same activation as it was before, drawn grey and dashed, with its inputs.
        interval: of the horizontal axis; None covers the middle 99.8 % of the inputs, or [-3, 3].

    Raises:
        TypeError: ``module`` is no module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be an nn.Module, got {module!r}")
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    _panel(figure.add_subplot(), module, inputs, before, inputs_before, interval, title)
    return figure


@styled
def draw_network(
    after: nn.Module,
    inputs: dict[str, Tensor],
    before: nn.Module | None = None,
    inputs_before: dict[str, Tensor] | None = None,
) -> Figure:
    """:func:`draw_activation` for every activation of a network, in one figure.

    Args:
        after: the network; before: a copy of it from before training.
        inputs, inputs_before: of :func:`record_inputs`.

    Raises:
        ValueError: the network has no activation.
    """
    named = activations_of(after)
    if not named:
        raise ValueError("after must contain an activation, got none")
    columns = min(3, len(named))
    rows = -(-len(named) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    earlier = dict(activations_of(before)) if before is not None else {}
    for k, (name, module) in enumerate(named):
        axes = figure.add_subplot(rows, columns, k + 1)
        title = f"{name or 'activation'}: {type(module).__name__}"
        _panel(axes, module, inputs.get(name), earlier.get(name), (inputs_before or {}).get(name), None, title)
    return figure


def _panel(
    axes: Axes,
    module: nn.Module,
    inputs: Tensor | None,
    before: nn.Module | None,
    inputs_before: Tensor | None,
    interval: tuple[float, float] | None,
    title: str,
) -> None:
    low, high = interval or _interval([x for x in (inputs, inputs_before) if x is not None])
    for model, label, style in ((before, "before", EARLIER), (module, "after", LATER)):
        if model is not None:
            curves, t = _curves(model, low, high)
            lines = axes.plot(t, curves, **style)
            lines[0].set_label(label if before is not None else type(model).__name__)
    axes.set(xlim=(low, high), xlabel="z", ylabel="u", title=title)
    axes.legend(loc="upper left")
    histogram = axes.twinx()
    for x, style in ((inputs_before, EARLIER), (inputs, LATER)):
        if x is not None:
            finite = x.detach().double().reshape(-1).cpu().numpy()
            finite = finite[np.isfinite(finite)]
            histogram.hist(finite, bins=80, range=(low, high), density=True, histtype="step", alpha=0.6, **style)
    top = histogram.get_ylim()[1]
    # the lowest third of the panel
    histogram.set(ylim=(0, 3 * top), yticks=[])
    histogram.grid(False)


def _interval(inputs: Sequence[Tensor]) -> tuple[float, float]:
    ends = []
    for x in inputs:
        finite = x.detach().double().reshape(-1).cpu().numpy()
        finite = finite[np.isfinite(finite)]
        if finite.size:
            ends += np.quantile(finite, (0.001, 0.999)).tolist()
    if not ends or min(ends) == max(ends):
        return -3.0, 3.0
    return min(ends), max(ends)


def _curves(module: nn.Module, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    first = next(module.parameters(), None)
    dtype, device = (torch.float32, None) if first is None else (first.dtype, first.device)
    t = torch.linspace(low, high, POINTS, dtype=dtype, device=device)
    training = module.training
    try:
        return response(module.eval(), t).double().cpu().numpy(), t.double().cpu().numpy()
    finally:
        module.train(training)


@styled
def draw_matrix(module: TMAF | RescaledTMAF, z: Tensor, title: str = "") -> Figure:
    """S(z) of one input as a heat map, white where it is 0.

    Args:
        z: one vector (n,), or an input of any shape, of which the first vector along the module's ``dim`` is taken.

    Raises:
        TypeError: the module has no matrix. ValueError: z is empty.
    """
    if not isinstance(module, (TMAF, RescaledTMAF)):
        raise TypeError(f"module must be a TMAF or RescaledTMAF, got {type(module).__name__}")
    if not z.numel():
        raise ValueError(f"z must have entries, got shape {tuple(z.shape)}")
    if z.ndim == 1:
        after = -module.dim - 1 if module.dim < 0 else 0
        z = z.reshape(*[1] * max(module.dim, 0), -1, *[1] * after)
    n = z.shape[module.dim]
    matrix = module.matrix(z).reshape(-1, n, n)[0].double().cpu().numpy()
    size = max(float(np.abs(matrix).max(initial=0.0)), 1e-12)
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-size, vmax=size, interpolation="nearest")
    axes.set(xlabel="j", ylabel="i", title=title or "S(z)")
    axes.grid(False)
    figure.colorbar(image, ax=axes)
    return figure
