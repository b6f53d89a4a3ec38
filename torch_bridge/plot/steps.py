"""Pictures of step functions: gates, AReLU and the learned entries of TMAF."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import iatcore
from iatcore import Gate

from ..nn import IAT, TMAF, AReLU, TrainableIAT
from .jumps import Piece, draw_pieces, mark_breakpoints
from .states import array
from .style import LINES, axes_for, check_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
MOST_FUNCTIONS = 8
"""That are drawn of one diagonal."""


class Steps(NamedTuple):
    """Step functions on one grid: slopes (functions, m + 1) between breakpoints (m,)."""

    name: str
    breakpoints: Floats
    slopes: Floats


def step_functions(
    source: Any,
    ax: Axes | None = None,
    interval: tuple[float, float] | None = None,
    label: str | None = None,
    **style: Any,
) -> Axes:
    """The step functions a of ``u_i = sum_j a_ij(z_j) z_j``, TMAF (5)-(7), AReLU 2.3, or of a gate ``a(t) t``.

    Values jump at the breakpoints, which short ticks at the bottom mark. A TMAF has a colour for each diagonal, and
    where features have functions of their own the first :data:`MOST_FUNCTIONS` are drawn. Call it twice on the same
    Axes to show what training changed.

    Args:
        source: a :class:`iatcore.Gate`; an IAT of iatcore or torch_bridge, for its gate as it is now; a module
            :class:`torch_bridge.TMAF`, :class:`torch_bridge.AReLU` or :class:`torch_bridge.ELSA`.
        ax: None makes a new figure.
        interval: of t; None covers all breakpoints and their surroundings.
        label: in place of the names of diagonals; they come into a legend.
        style: properties of :class:`matplotlib.lines.Line2D`.

    Raises:
        TypeError: ``source`` or ``ax`` is something else.
        ValueError: a transform without step gate, an empty interval.
    """
    found = _steps(source)
    points = np.unique(np.concatenate([steps.breakpoints for steps in found]))
    low, high = _interval(points) if interval is None else check_interval(interval)
    ax = axes_for(ax)
    for steps, colour in zip(found, itertools.cycle(LINES), strict=False):
        names = [steps.name if label is None else label, *["_same"] * (len(steps.slopes) - 1)]
        for slopes, name in zip(steps.slopes, names, strict=True):
            inside = steps.breakpoints[(low < steps.breakpoints) & (steps.breakpoints < high)]
            shown = slopes[np.searchsorted(steps.breakpoints, [*inside, high])]
            edges = [low, *inside, high]
            pieces = [
                Piece(np.array([a, b]), np.full(2, v)) for a, b, v in zip(edges[:-1], edges[1:], shown, strict=True)
            ]
            draw_pieces(ax, pieces, **{"color": colour, "linewidth": 1.8, "label": name} | style)
    mark_breakpoints(ax, points[(low <= points) & (points <= high)])
    if label is not None or len(found) > 1:
        ax.legend(frameon=False, fontsize=9)
    ax.set(xlim=(low, high), xlabel="t", ylabel="$a(t)$")
    return ax


def _steps(source: Any) -> list[Steps]:
    if isinstance(source, TMAF):
        return _of_tmaf(source)
    if isinstance(source, AReLU):
        return [Steps("", np.zeros(1), array(source.slopes())[None])]
    if isinstance(source, IAT | iatcore.IAT | iatcore.DiscreteIAT):
        if getattr(source, "activation", None) is not None or not isinstance(source.gate, Gate):
            raise ValueError(f"source must have a step gate, got {source!r}")
        source = source.current_gate() if isinstance(source, TrainableIAT) else source.gate
    if not isinstance(source, Gate):
        raise TypeError(f"source must be a Gate, an IAT, or a module AReLU, ELSA or TMAF, got {type(source).__name__}")
    return [Steps("", np.array(source.breakpoints), np.array([source.slopes]))]


def _of_tmaf(module: TMAF) -> list[Steps]:
    names = [f"diagonal {k:+d}" if k else "main diagonal" for k in module.bands] or ["pattern"]
    tables = [array(values) for values in module.values]
    return [
        Steps(name, np.array(points), table.reshape(-1, table.shape[-1])[:MOST_FUNCTIONS])
        for name, points, table in zip(names, module.current_grids(), tables, strict=True)
    ]


def _interval(points: Floats) -> tuple[float, float]:
    """All breakpoints with a quarter more on both sides, or [-1, 1] around a single one."""
    if not len(points):
        return -1.0, 1.0
    margin = 0.25 * (points[-1] - points[0]) or 1.0
    return float(points[0] - margin), float(points[-1] + margin)
