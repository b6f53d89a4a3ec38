"""State functions: of what transform, of what input; and their picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import iatcore
from iatcore import ActivationPattern, Basis, Gate
from iatcore.checks import check_rows
from iatcore.discrete import midpoints
from iatcore.pattern import activation_pattern

from ..nn import IAT, TrainableIAT
from .jumps import Piece, draw_pieces, mark_breakpoints, pieces_of
from .style import BLUE, GREY, ORANGE, PATTERN_SPACE, axes_for, signed_map, signed_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Transform = iatcore.IAT | iatcore.DiscreteIAT | IAT
"""What has state functions that go through a gate."""
TINT = 0.35
"""Opacity of shades behind a curve."""


class States(NamedTuple):
    """State functions ``f = z^T p`` of a batch, and the gate of ``u = integral q sigma(f) ds``, IAT (4).

    On a mesh p is constant on each of the M cells, and z holds the values of f there.

    Attributes:
        basis: p. gate: sigma. z: (..., d).
    """

    basis: Basis
    gate: Gate
    z: Floats

    @property
    def pattern(self) -> ActivationPattern:
        """D(z), IAT (19)."""
        return activation_pattern(self.basis, self.gate, self.z)


def array(values: Any) -> NDArray[Any]:
    """Numbers, an array or a tensor on any device, as an array."""
    return values.detach().double().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def states(transform: Transform, z: Any) -> States:
    """The state functions of a transform.

    Args:
        z: (..., d_in); the state lies along the last dimension, whatever ``dim`` of a module is.

    Raises:
        TypeError: ``transform`` is none, or z is not real.
        ValueError: the transform has no step gate, or trained frequencies; z has not d_in entries.
    """
    values = array(z)
    if isinstance(transform, IAT):
        p, gate, mesh = transform.input_basis, transform.gate, transform.mesh
        if transform.activation is not None:
            raise ValueError(f"transform must have a step gate, got activation={transform.activation!r}")
        if isinstance(transform, TrainableIAT):
            gate, values = transform.current_gate(), _through_coefficients(transform, values)
    elif isinstance(transform, iatcore.IAT | iatcore.DiscreteIAT):
        p, gate, mesh = transform.p, transform.gate, getattr(transform, "mesh", None)
        if not isinstance(gate, Gate):
            raise ValueError(f"transform must have a step gate, got {gate!r}")
    else:
        raise TypeError(f"transform must be an IAT of iatcore or torch_bridge, got {type(transform).__name__}")
    rows, shape, _ = check_rows(values, p.size, "z")
    rows = rows.astype(np.float64)
    if mesh is not None:
        with np.errstate(invalid="ignore"):
            rows = rows @ p(midpoints(mesh))
        p = iatcore.basis("rect", mesh)
    return States(p, gate, rows.reshape(*shape, p.size))


def _through_coefficients(module: TrainableIAT, z: NDArray[Any]) -> NDArray[Any]:
    """``C^T z``: the state in terms of the functions that a trained basis consists of."""
    if module.input_frequencies is not None:
        raise ValueError("transform must have fixed input frequencies, got trained ones")
    if module.input_coefficients is None:
        return z
    rows = check_rows(z, module.in_features, "z")[0].reshape(z.shape)
    c = array(module.input_coefficients)
    return rows * c if c.ndim == 1 else rows @ c


def states_over(transform: Transform, state: Callable[[Any], Any] | nn.Module, x: Floats) -> States:
    """The state functions over inputs x of shape (n, k).

    Args:
        state: a function of x that gives z, (n, d_in); or a module, called as it is and without gradients: a network
            that contains ``transform``, where z is what its pattern is taken from, or one whose output is z.

    Raises:
        TypeError: ``state`` is not callable. ValueError: it gives another shape, or never calls ``transform``.
    """
    if not callable(state):
        raise TypeError(f"state must be a function, a module or an array, got {type(state).__name__}")
    z = array(_run(transform, state, x) if isinstance(state, nn.Module) else state(x))
    if z.ndim != 2 or len(z) != len(x):
        raise ValueError(f"state must give shape ({len(x)}, d_in), got {z.shape}")
    return states(transform, z)


def _run(transform: Transform, network: nn.Module, x: Floats) -> Tensor:
    first = next(network.parameters(), None)
    place: dict[str, Any] = {} if first is None else {"dtype": first.dtype, "device": first.device}
    inputs = torch.from_numpy(x).to(**place)
    if not any(module is transform for module in network.modules()):
        with torch.no_grad():
            return network(inputs)
    assert isinstance(transform, IAT)
    found: list[Tensor] = []

    def keep(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        z = arguments[0] if arguments else named["z"]
        source = arguments[1] if len(arguments) > 1 else named.get("pattern_from")
        found.append((z if source is None else source).movedim(transform.dim, -1))

    handle = transform.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        handle.remove()
    if len(found) != 1:
        raise ValueError(f"state must call transform once for each input, got {len(found)} calls")
    return found[0]


def state_function(transform: Transform, z: Any, ax: Axes | None = None) -> Axes:
    """``f(s) = z^T p(s)`` of IAT (4) on [-1, 1], its crossings and, shaded, its activation pattern, IAT (19).

    Dots are the points where f crosses a breakpoint of the gate, for ReLU its roots; jumps across one have none. The
    intervals where the gate has a slope ``a(f(s)) != 0`` are shaded, for ReLU the set D(z) where f is positive; with
    several slopes the colour says which. Short ticks at the bottom mark the breakpoints of p. On a mesh f is drawn as
    the steps that IAT (12) sees. Parts are labelled; ``ax.legend()`` names them.

    Args:
        transform: an :class:`iatcore.IAT`, a :class:`iatcore.DiscreteIAT` or a module :class:`torch_bridge.IAT`.
        z: one state, (d_in,), finite.
        ax: None makes a new figure.

    Raises:
        TypeError: ``transform`` or ``ax`` is something else, z is not real.
        ValueError: the transform has no step gate, or trained frequencies; z is not one finite state of d_in entries.
    """
    found = states(transform, z)
    if found.z.ndim != 1 or not np.isfinite(found.z).all():
        raise ValueError(f"z must be one finite state of shape (d_in,), got shape {np.shape(array(z))}")
    ax = axes_for(ax)
    _shade(ax, found)
    for level in found.gate.breakpoints:
        ax.axhline(level, color=GREY, linewidth=0.9, linestyle="-" if level == 0 else (0, (4, 3)), zorder=1)
    draw_pieces(
        ax, [Piece(s, found.z @ p) for s, p in pieces_of(found.basis)], color=BLUE, linewidth=1.8, label="$f(s)$"
    )
    pattern = found.pattern
    if len(pattern.piece):
        levels = np.array(found.gate.breakpoints)[pattern.level]
        dots: dict[str, Any] = {"color": ORANGE, "markeredgecolor": "white", "markersize": 6.5, "zorder": 4}
        ax.plot(pattern.positions(0), levels, "o", linestyle="none", label="crossings", **dots)
    mark_breakpoints(ax, np.asarray(found.basis.breakpoints))
    ax.grid(False)
    ax.set(xlim=(-1, 1), xticks=PATTERN_SPACE, xlabel="s", ylabel=r"$f(s) = z^\top p(s)$")
    return ax


def _shade(ax: Axes, found: States) -> None:
    """The intervals of one state, and a scale where the gate has several slopes."""
    from matplotlib.cm import ScalarMappable

    colours = ScalarMappable(signed_norm(found.gate.slopes), signed_map())
    outline = found.pattern.outline()
    for k, (low, high, slope) in enumerate(zip(*outline[1:], strict=True)):
        label = "pattern" if k == 0 else f"_pattern {k}"
        ax.axvspan(low, high, color=colours.to_rgba(slope), alpha=TINT, linewidth=0, label=label, zorder=0)
    if has_several_slopes(found.gate):
        ax.figure.colorbar(colours, ax=ax, alpha=TINT, label="slope $a(f(s))$")


def has_several_slopes(gate: Gate) -> bool:
    """Whether colours have to tell slopes apart."""
    return len({slope for slope in gate.slopes if slope}) > 1
