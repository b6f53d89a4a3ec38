"""Figures of the IAT experiments, as matplotlib figures; nothing here touches the disk or a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from torch_bridge.experiments.engine import RunResult
from torch_bridge.experiments.figures import styled
from torch_bridge.experiments.iat_runs import LABELS, METRICS


@styled
def curves_figure(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    """Training loss by step: the geometric mean over seeds, and a band from the least to the greatest."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ax = figure.subplots()
    for name, runs in groups.items():
        losses = np.array([run.losses for run in runs if len(run.losses) == len(runs[0].losses)])
        losses = np.where(losses > 0, losses, np.nan)
        steps = runs[0].steps
        (line,) = ax.plot(steps, np.exp(np.mean(np.log(losses), axis=0)), label=f"{name} (n = {len(losses)})")
        if len(losses) > 1:
            ax.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
    ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("training loss")
    if groups:
        ax.legend()
    return figure


@styled
def tables_figure(
    task: str,
    ours: Mapping[tuple[str, str], float],
    paper: Mapping[tuple[str, str], float],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Figure:
    """Heat maps of our means and of the paper's table, each on its own scale; darker is better."""
    figure = Figure(figsize=(12, 0.6 * len(inputs) + 2), layout="constrained")
    for ax, table, title in zip(figure.subplots(1, 2), (ours, paper), ("ours", "the paper's"), strict=True):
        values = np.array([[table.get((p, q), np.nan) for q in outputs] for p in inputs])
        shade = values if task == LABELS else -np.log10(np.maximum(values, 1e-300))
        image = ax.imshow(shade, cmap=matplotlib.colormaps["Blues"], aspect="auto")
        middle = float(np.nanmean(image.get_clim()))
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                text = f"{100 * values[i, j]:.1f}" if task == LABELS else f"{values[i, j]:.1e}"
                colour = "white" if shade[i, j] > middle else "black"
                ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
        ax.set_xticks(range(len(outputs)), outputs)
        ax.set_yticks(range(len(inputs)), inputs)
        ax.grid(False)
        ax.set_xlabel("output basis q")
        ax.set_ylabel("input basis p")
        ax.set_title(f"{METRICS[task]}{' in %' if task == LABELS else ''}, {title}")
    return figure


@styled
def mesh_figure(task: str, columns: Mapping[str, Sequence[float]]) -> Figure:
    """IAT figure 6: every run as a dot, the mean as a line, against the mesh ratio."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    ax = figure.subplots()
    places = range(len(columns))
    for place, values in zip(places, columns.values(), strict=True):
        ax.plot([place] * len(values), values, "o", color="#c0392b", markersize=4, alpha=0.7)
    means = np.array([np.mean(values) if len(values) else np.nan for values in columns.values()])
    ax.plot(list(places), means, "-o", color="#1f6fb2", label="mean")
    ax.set_xticks(places, list(columns))
    if task != LABELS:
        ax.set_yscale("log")
    ax.set_xlabel("mesh ratio M / d")
    ax.set_ylabel(METRICS[task])
    ax.legend()
    return figure
