"""Figures of experiments on images; nothing here touches the disk or a screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from iatcore.grids import grid
from torch_bridge.experiments.engine import RunResult
from torch_bridge.experiments.figures import styled

Groups = Mapping[str, Mapping[str, Sequence[RunResult]]]
"""Panel -> line -> runs."""


@styled
def epochs_figure(groups: Groups, measure: str) -> Figure:
    """A panel a place: the measure after every epoch in percent, means over seeds."""
    figure, panels = _panels(groups)
    for ax, (title, lines) in zip(panels, groups.items(), strict=False):
        for (name, runs), style in zip(lines.items(), _styles(len(lines)), strict=True):
            ends = range(_epochs(runs, measure))
            means = [np.mean([100 * run.metrics[f"{measure} {k}"] for run in runs]) for k in ends]
            ax.plot(list(ends), means, label=name, **style)
        ax.set_title(title)
        ax.set_xlabel("epoch")
        ax.set_ylabel(f"test {measure} in %")
    _legend(figure, panels)
    return figure


@styled
def losses_figure(groups: Groups) -> Figure:
    """A panel a place: the training loss by step, means over seeds."""
    figure, panels = _panels(groups)
    for ax, (title, lines) in zip(panels, groups.items(), strict=False):
        for (name, runs), style in zip(lines.items(), _styles(len(lines)), strict=True):
            losses = [run.losses for run in runs if len(run.losses) == len(runs[0].losses)]
            ax.plot(runs[0].steps, np.mean(losses, axis=0), label=name, **style)
        ax.set_title(title)
        ax.set_xlabel("step")
        ax.set_ylabel("training loss")
    _legend(figure, panels)
    return figure


@styled
def paths_figure(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    """A row a group: alpha and beta of every layer over epochs, of the first seed."""
    figure = Figure(figsize=(10, 2.6 * len(groups)), layout="constrained")
    rows = figure.subplots(len(groups), 2, squeeze=False)
    for axes, (title, runs) in zip(rows, groups.items(), strict=True):
        history = member_state(runs[0]).get("history", [])
        for ax, name in zip(axes, ("alpha", "beta"), strict=True):
            paths = list(zip(*(note[name] for note in history), strict=True))
            for i, (path, colour) in enumerate(zip(paths, _shades(len(paths)), strict=True)):
                ax.plot(path, "-o", markersize=3, color=colour, label=_layer(i, len(paths)))
            ax.set_title(f"{name}: {title}")
            ax.set_xlabel("epoch")
        if axes[0].lines:
            axes[0].legend()
    return figure


@styled
def steps_figure(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    """A panel a group: ``a(t) t`` with the learned steps a of every layer, and ReLU."""
    figure, panels = _panels({key: {} for key in groups})
    points = np.array(grid("gaussian10"))
    edges = np.concatenate([[-2.0], points, [2.0]])
    for ax, (title, runs) in zip(panels, groups.items(), strict=False):
        network = member_state(runs[0]).get("network", {})
        learned = [v for key, v in network.items() if key.endswith("values.0") and v.shape[-1] == len(points) + 1]
        for i, (values, colour) in enumerate(zip(learned, _shades(len(learned)), strict=True)):
            t = np.stack([edges[:-1], edges[1:], np.full(len(edges) - 1, np.nan)], axis=1)
            slopes = np.asarray(values.detach().double().cpu()).reshape(-1, len(points) + 1)[0]
            ax.plot(t.ravel(), (t * slopes[:, None]).ravel(), color=colour, label=_layer(i, len(learned)))
        ax.plot([-2, 0, 2], [0, 0, 2], ":", color="#888888", label="ReLU")
        ax.set_title(title)
        ax.set_xlabel("input")
    _legend(figure, panels)
    return figure


def member_state(run: RunResult) -> dict[str, Any]:
    """What the job kept of the network of this seed; empty if it is not there any more."""
    state = run.state()
    return {} if state is None else state["members"][run.member]


def _layer(i: int, count: int) -> str | None:
    """A name for the legend: of every layer, or of the first and the last of many."""
    return f"layer {i + 1}" if count <= 6 or i in (0, count - 1) else None


def _shades(count: int) -> NDArray[np.float64]:
    return matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, count))


def _epochs(runs: Sequence[RunResult], measure: str) -> int:
    return sum(f"{measure} {k}" in runs[0].metrics for k in range(len(runs[0].metrics)))


def _panels(groups: Mapping[str, Any]) -> tuple[Figure, list[Axes]]:
    columns = min(max(len(groups), 1), 4)
    rows = max(math.ceil(len(groups) / columns), 1)
    figure = Figure(figsize=(max(4.2 * columns, 7.0), 3.4 * rows), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _styles(count: int) -> list[dict[str, Any]]:
    colours = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    return [{"color": colours[i % 10], "linestyle": ("-", "--", ":")[i // 10 % 3]} for i in range(count)]


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    named: dict[str, Any] = {}
    for ax in panels:
        named |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if named:
        figure.legend(named.values(), named.keys(), loc="outside right upper")
