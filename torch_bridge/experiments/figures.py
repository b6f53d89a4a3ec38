"""The figures of the demo, as matplotlib figures; nothing here touches the disk or a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from torch_bridge import plot
from torch_bridge.experiments.demo import ACTIVATIONS, EXACT, MESH, RELU, DemoResult, activation_title
from torch_bridge.experiments.pattern import PatternFit
from torch_bridge.plot.style import BLUE, ORANGE, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTHS = {RELU: 1.6, MESH: 3.6, EXACT: 1.6}
"""Of curves: the mesh curve shows on both sides of the exact one, which it often meets."""

COLOURS = {RELU: "#6b6b6b", MESH: ORANGE, EXACT: BLUE}
FAMILIES = {
    "rect": "Rect",
    "pwl": "PWL",
    "pwq": "PWQ",
    "fourier": "Fourier",
    "rect-w": "Rect-w",
    "pwl-w": "PWL-w",
}
"""Family name -> the paper's name (IAT table 1)."""

PATTERN_ROWS = 240
P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with :data:`STYLE` and leave matplotlib's own settings alone."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@styled
def bases_figure(size: int = 6) -> Figure:
    """The six families of IAT figure 5 with ``size`` functions each."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    for ax, (name, title) in zip(axes.flat, FAMILIES.items(), strict=True):
        plot.basis(name, size, ax=ax).set(xlabel="", ylabel="")
        ax.set_title(f"{title}  ({name})")
        ax.margins(y=0.08)
    for ax in axes[-1]:
        ax.set_xlabel("s")
    for ax in axes[:, 0]:
        ax.set_ylabel("$p_i(s)$")
    figure.align_ylabels()
    figure.suptitle(f"Six families of basis functions, d = {size}")
    return figure


@styled
def curves_figure(result: DemoResult) -> Figure:
    """Training loss over steps: one panel a task, thin lines for runs and a thick one for their mean."""
    settings = result.settings
    titles = {"labels": "Random labels", "function": "Oscillating function", "digits": "Real digits"}
    losses = {"labels": "logistic loss", "function": "mean squared error", "digits": "cross-entropy"}
    figure = Figure(figsize=(12.6, 4.2), layout="constrained")
    for ax, task in zip(figure.subplots(1, 3), titles, strict=True):
        for name in ACTIVATIONS:
            _curves(ax, result, task, name)
        shape = getattr(settings, task)
        ax.set_title(f"{titles[task]}: {shape.hidden_layers} hidden layers of width {shape.width}")
        ax.set_xlabel("optimiser steps")
        ax.set_ylabel(losses[task])
        ax.set_yscale("log" if task != "labels" else "linear")
        ax.margins(x=0.01)
    handles = [
        Line2D([], [], color=COLOURS[name], linewidth=WIDTHS[name], label=activation_title(name, settings))
        for name in ACTIVATIONS
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=10)
    return figure


def _curves(ax: Axes, result: DemoResult, task: str, name: str) -> None:
    runs = result.select(task, name)
    if len(runs) > 1:
        for run in runs:
            ax.plot(run.fit.steps, run.fit.losses, color=COLOURS[name], linewidth=0.4 * WIDTHS[name], alpha=0.4)
    length = min(len(run.fit.steps) for run in runs)
    mean = np.mean([run.fit.losses[:length] for run in runs], axis=0)
    ax.plot(runs[0].fit.steps[:length], mean, color=COLOURS[name], linewidth=WIDTHS[name])


@styled
def pattern_figure(columns: Sequence[PatternFit]) -> Figure:
    """IAT figure 3: fits, activation patterns of the hidden layers over x, and the decoupled models.

    In the middle row, first layer at the top, blue marks the points s of the pattern space [-1, 1] that
    belong to D(z(x)). Green dashed lines mark where a discretized pattern changes.
    """
    figure = Figure(figsize=(4.2 * len(columns) + 0.6, 8.6), layout="constrained")
    axes = figure.subplots(3, len(columns), sharex=True, squeeze=False, height_ratios=(1.0, 1.7, 1.0))
    for k, column in enumerate(columns):
        title = "exact" if column.mesh is None else f"M = {column.mesh}"
        _fit_panel(axes[0, k], column, column.coupled, f"{title}: fit, MSE {column.mse:.1e}")
        _pattern_panel(axes[1, k], column)
        _fit_panel(axes[2, k], column, column.decoupled, f"decoupled, MSE {column.decoupled_mse:.1e}")
        axes[2, k].set_xlabel("x")
        axes[2, k].set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    axes[0, 0].set_ylabel("y")
    layers = len(columns[0].signs) + len(columns[0].intervals)
    axes[1, 0].set_ylabel("      ".join(f"s in layer {layer}" for layer in range(layers, 0, -1)))
    axes[2, 0].set_ylabel("y")
    low, high = _limits(columns)
    for ax in (*axes[0], *axes[2]):
        ax.set_ylim(low, high)
    axes[0, 0].legend(loc="upper right", ncols=2, handlelength=1.4, columnspacing=1.0)
    return figure


def _limits(columns: Sequence[PatternFit]) -> tuple[float, float]:
    """One range for all fits: room for the legend above, and wild jumps may leave it."""
    values = np.concatenate([v for column in columns for v in (column.coupled, column.decoupled)])
    low, high = np.quantile(values, [0.002, 0.998])
    return max(min(low, -1.0), -2.5) - 0.15, min(max(high, 1.0), 2.5) + 0.55


def _fit_panel(ax: Axes, column: PatternFit, values: NDArray[np.float64], title: str) -> None:
    for k in column.changes:
        ax.axvline(_middle(column.x, k), color="#2ca25f", linestyle=(0, (3, 3)), linewidth=0.7, alpha=0.6)
    ax.plot(column.x, column.target, color="#b0b0b0", linewidth=3.0, label=r"$\sin 2\pi x$")
    colour = COLOURS[EXACT if column.mesh is None else MESH]
    x, y = _broken(column.x, values, column.changes)
    ax.plot(x, y, color=colour, linewidth=1.4, label="network")
    ax.set_title(title)
    ax.set_xlim(-1, 1)


def _middle(x: NDArray[np.float64], k: int) -> float:
    return 0.5 * (x[k] + x[k + 1])


def _broken(
    x: NDArray[np.float64], y: NDArray[np.float64], breaks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve with a gap after each index in ``breaks``, so that jumps are not drawn as lines."""
    return np.insert(x, breaks + 1, np.nan), np.insert(y, breaks + 1, np.nan)


def _pattern_panel(ax: Axes, column: PatternFit) -> None:
    images = [sign.T.astype(float) for sign in column.signs]
    images += [coverage(intervals, PATTERN_ROWS) for intervals in column.intervals]
    layers = len(images)
    half = 0.5 * (column.x[1] - column.x[0])
    colour = LinearSegmentedColormap.from_list("pattern", ["#f4f4f4", "#31588a"])
    for layer, image in enumerate(images):
        bottom = 2.0 * (layers - 1 - layer)
        extent = ((column.x[0] - half, column.x[-1] + half), (bottom, bottom + 2.0))
        ax.pcolorfast(*extent, image, cmap=colour, vmin=0, vmax=1)
    for edge in range(1, layers):
        ax.axhline(2.0 * edge, color="#d7191c", linewidth=2.0)
    ax.set_xlim(-1, 1)
    ax.set_ylim(0, 2 * layers)
    ax.set_yticks([2.0 * layer + t for layer in range(layers) for t in (0.5, 1.0, 1.5)])
    ax.set_yticklabels(["-0.5", "0", "0.5"] * layers)
    ax.grid(False)
    ax.set_title("activation patterns")


def coverage(intervals: Iterable[NDArray[np.float64]], rows: int) -> NDArray[np.float64]:
    """An image of intervals in [-1, 1]: the share of each of ``rows`` equal cells that is covered.

    Args:
        intervals: one array of shape ``(k, 2)`` a column, disjoint intervals.

    Returns:
        array of shape ``(rows, columns)``, row 0 at s = -1.
    """
    edges = np.linspace(-1.0, 1.0, rows + 1)
    columns: list[Any] = []
    for ends in intervals:
        ends = np.asarray(ends, dtype=np.float64).reshape(-1, 2)
        below = np.clip(edges[:, None], ends[:, 0], ends[:, 1]) - ends[:, 0]
        columns.append(np.diff(below.sum(axis=1)) * rows / 2.0)
    return np.array(columns).T.clip(0.0, 1.0)
