"""The look of all pictures: settings of matplotlib, colours, and the Axes to draw on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, Normalize

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
}
BLUE, ORANGE, GREY = "#1f6fb2", "#d9822b", "#8a8a8a"
SIGNED = ("#9c4f0a", "#e59a4f", "#fbfbfb", "#6aa5d8", "#1f5f9e")
"""Colours from negative to positive, for every kind of colour vision."""
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of lines, for every kind of colour vision: those of Okabe and Ito."""
PATTERN_SPACE = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Ticks of an axis of s."""
SIZE = (5.2, 3.4)
"""Of a new figure, in inches."""


def axes_for(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    """``ax``, or the Axes of a new figure in :data:`STYLE`; TypeError for anything else."""
    import matplotlib
    from matplotlib.axes import Axes

    if isinstance(ax, Axes):
        return ax
    if ax is not None:
        raise TypeError(f"ax must be matplotlib Axes or None, got {type(ax).__name__}")
    from matplotlib import pyplot

    with matplotlib.rc_context(STYLE):
        # for square heat maps: "constrained" may cut their labels
        new = pyplot.figure(figsize=size, layout="compressed").add_subplot()
    new.set_prop_cycle(color=LINES)
    return new


def signed_map() -> LinearSegmentedColormap:
    """Orange below 0, nearly white at 0, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", SIGNED)


def signed_norm(values: Any) -> Normalize:
    """A symmetric scale that holds all values."""
    from matplotlib.colors import Normalize

    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    return Normalize(-largest, largest)


def shades(count: int) -> Any:
    """``count`` colours from dark to light, as an array of shape (count, 4)."""
    import matplotlib

    return matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, count))


def check_interval(interval: Any) -> tuple[float, float]:
    """Two ascending finite numbers; ValueError otherwise."""
    ends = np.asarray(interval, dtype=np.float64)
    if ends.shape != (2,) or not np.isfinite(ends).all() or ends[0] >= ends[1]:
        raise ValueError(f"interval must be two ascending finite numbers, got {interval!r}")
    return float(ends[0]), float(ends[1])
