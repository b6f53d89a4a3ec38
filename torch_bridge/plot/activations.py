"""Pictures of learned activations: curves over the histogram of what goes into them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iatcore.checks import check_size

from ..nn import IAT, TMAF, Activation, Maxout, RescaledTMAF
from ..nn.registry import ACTIVATIONS
from .style import BLUE, GREY, axes_for, check_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 1001
MOST_CURVES = 8
MOST_INPUTS = 100_000
MOST_ENTRIES = 4_000_000
"""Of a tensor that curves are computed from; those of many features are computed in parts."""
EARLIER: dict[str, Any] = {"color": GREY, "linestyle": "--"}
LATER: dict[str, Any] = {"color": BLUE}
KINDS = (Activation, IAT, nn.PReLU, *(e.make for e in ACTIVATIONS.values() if isinstance(e.make, type)))
"""Classes of activations."""


@contextmanager
def record_inputs(network: nn.Module, most: int = MOST_INPUTS) -> Iterator[dict[str, Tensor]]:
    """Collect what goes into the activations of a network while the block runs.

    Activations are those of :data:`torch_bridge.ACTIVATIONS`, :class:`torch.nn.PReLU` and every IAT.

    Args:
        network: any module.
        most: entries that are kept of an input, >= 1.

    Raises:
        ValueError: ``most`` is no integer >= 1.

    Yields:
        a dict from names of modules (``""`` if the network is an activation itself) to flat float64 tensors: evenly
        spaced entries of what went in in the last forward pass.
    """
    check_size(most, "most")
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


def activation(
    module: nn.Module,
    inputs: Tensor | None = None,
    before: nn.Module | None = None,
    inputs_before: Tensor | None = None,
    interval: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A learned activation over the histogram of its inputs, and what it was before training; TMAF (5)-(7), AReLU 2.3.

    Curves are ``u_i(z)`` against ``z_i``, :data:`MOST_CURVES` at most; of a matrix that is not diagonal the components
    of ``u(t e_j)`` that do not vanish, j the middle one. The histogram fills the lowest third, on Axes of its own.

    Args:
        module: an activation of this package that has its sizes, or an entry-wise one of torch.
        inputs: what goes into it, of any shape; see :func:`record_inputs`.
        before: the same activation as it was before, drawn grey and dashed.
        inputs_before: what went into it, of any shape.
        interval: of the horizontal axis; None covers the middle 99.8 % of the inputs, or [-3, 3].
        ax: None makes a new figure.

    Raises:
        TypeError: ``module`` is no module, ``ax`` is something else.
        ValueError: an empty interval.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be an nn.Module, got {module!r}")
    given = [x for x in (inputs, inputs_before) if x is not None]
    low, high = _interval(given) if interval is None else check_interval(interval)
    ax = axes_for(ax, (4.6, 3.4))
    for model, label, style in ((before, "before", EARLIER), (module, "after", LATER)):
        if model is not None:
            curves, t = _curves(model, low, high)
            lines = ax.plot(t, curves, **style)
            lines[0].set_label(label if before is not None else type(model).__name__)
    ax.set(xlim=(low, high), xlabel="z", ylabel="u")
    ax.legend(loc="upper left", frameon=False, fontsize=9)
    _histograms(ax, [(inputs_before, EARLIER), (inputs, LATER)], (low, high))
    return ax


def _histograms(ax: Axes, inputs: Sequence[tuple[Tensor | None, dict[str, Any]]], ends: tuple[float, float]) -> None:
    """In the lowest third of the Axes."""
    histogram = ax.twinx()
    for x, style in inputs:
        values = np.empty(0) if x is None else _finite(x)
        if ((ends[0] <= values) & (values <= ends[1])).any():
            histogram.hist(values, bins=80, range=ends, density=True, histtype="step", alpha=0.6, **style)
    top = histogram.get_ylim()[1]
    histogram.set(ylim=(0, 3 * top), yticks=[])
    histogram.grid(False)
    histogram.spines[:].set_visible(False)


def _finite(x: Tensor) -> NDArray[np.float64]:
    values = x.detach().double().reshape(-1).cpu().numpy()
    return values[np.isfinite(values)]


def _interval(inputs: Sequence[Tensor]) -> tuple[float, float]:
    ends = []
    for x in map(_finite, inputs):
        if x.size:
            ends += np.quantile(x, (0.001, 0.999)).tolist()
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
