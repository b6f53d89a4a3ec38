"""Pictures of what networks on images see: segmentations over the training, Grad-CAM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from torch_bridge.data import Batches
from torch_bridge.experiments.engine import RunResult
from torch_bridge.experiments.figures import styled
from torch_bridge.experiments.image_activations import build, maker
from torch_bridge.experiments.image_figures import member_state
from torch_bridge.experiments.image_runs import ImageRun, normalisation

COLUMNS = 6
"""Epochs that are shown, at most."""
TRUE, PREDICTED = "#ffffff", "#ff5a36"


@styled
def segmentations_figure(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    """A row a group, a column an epoch: the predicted outline of a test slice over the true one, of the first seed."""
    notes = {title: member_state(runs[0])["history"] for title, runs in groups.items()}
    ends = _spread(min((len(history) for history in notes.values()), default=0))
    figure = Figure(figsize=(1.9 * len(ends) + 0.4, 2.1 * len(groups)), layout="constrained")
    rows = figure.subplots(len(groups), len(ends), squeeze=False)
    for ax, k in zip(rows[0], ends, strict=True):
        ax.set_title(f"epoch {k}")
    for axes, (title, history) in zip(rows, notes.items(), strict=True):
        shown = shown_images(groups[title][0])
        for ax, k in zip(axes, ends, strict=True):
            ax.imshow(_pixels(shown["images"][0]))
            for mask, colour in ((shown["targets"][0, 0], TRUE), (history[k]["masks"][0, 0], PREDICTED)):
                if bool((mask > 0).any()) and not bool((mask > 0).all()):
                    ax.contour(np.asarray(mask > 0, dtype=float), levels=[0.5], colors=[colour], linewidths=1.0)
            _bare(ax)
        axes[0].set_ylabel(_lines(title), fontsize=8)
    return figure


@styled
def attention_figure(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    """Test images, and below them a row a group: Grad-CAM of the first activation for the true class, first seed."""
    images = shown_images(next(iter(groups.values()))[0])["images"]
    count = len(images)
    figure = Figure(figsize=(1.7 * count + 0.4, 1.8 * (len(groups) + 1)), layout="constrained")
    rows = figure.subplots(len(groups) + 1, count, squeeze=False)
    for ax, image in zip(rows[0], images, strict=True):
        ax.imshow(_pixels(image))
        _bare(ax)
    rows[0, 0].set_ylabel("test image")
    for axes, (title, runs) in zip(rows[1:], groups.items(), strict=True):
        for ax, image, heat in zip(axes, images, grad_cam(runs[0]), strict=True):
            ax.imshow(_pixels(image))
            ax.imshow(heat, cmap="inferno", alpha=0.65, vmin=0.0, vmax=max(float(heat.max()), 1e-12))
            _bare(ax)
        axes[0].set_ylabel(_lines(title), fontsize=8)
    return figure


def grad_cam(result: RunResult) -> NDArray[np.float64]:
    """``relu(sum over c of mean(dy/dA_c) A_c)`` of the test images that a run keeps, enlarged to their size.

    A is what the first activation of the network gives, y the score of the true class (Selvaraju et al. 2017, by
    captum).

    Returns:
        ``(n, height, width)``.

    Raises:
        ValueError: the state of the run is not there any more.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    run, shown = result.settings, shown_images(result)
    images, targets = shown["images"], shown["targets"].long()
    network = build(run.network, run.activation, run.alpha, run.beta, shown["classes"], images.shape[1])
    network.load_state_dict(member_state(result)["network"])
    network.eval()
    mean, std = normalisation(run)
    inputs = next(iter(Batches(images, targets, len(images), shuffle=False, mean=mean, std=std)))[0]
    cam = LayerGradCam(network, first_activation(network, run))
    heat = cam.attribute(inputs, target=targets, relu_attributions=True)
    assert isinstance(heat, Tensor)
    size = (images.shape[2], images.shape[3])
    return LayerAttribution.interpolate(heat, size, "bilinear")[:, 0].detach().double().numpy()


def shown_images(result: RunResult) -> dict[str, Any]:
    """``images``, ``targets`` and ``classes`` of the test images that a run keeps.

    Raises:
        ValueError: its state is not there any more.
    """
    state = result.state()
    if state is None:
        raise ValueError(f"the checkpoint of {result.settings.label}, seed {result.seed}, is not there any more")
    return state["shown"]


def first_activation(network: nn.Module, run: ImageRun) -> nn.Module:
    """The first of the modules that the activation of a run has put into a network."""
    kind = type(maker(run.activation, run.alpha, run.beta)(2))
    return next(module for module in network.modules() if type(module) is kind)


def _spread(count: int) -> list[int]:
    """From 0 to ``count - 1``, evenly, :data:`COLUMNS` at most."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, COLUMNS))}) if count else []


def _pixels(image: Tensor) -> NDArray[Any]:
    """Bytes ``(channels, height, width)`` as matplotlib takes them."""
    colours = image if image.shape[0] == 3 else image[:1].expand(3, -1, -1)
    return np.asarray(colours.to(torch.uint8).permute(1, 2, 0))


def _lines(title: str) -> str:
    """A line for each part of a label, ``arelu (0.75, 1)`` in one."""
    return re.sub(r", (?![^(]*\))", "\n", title)


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
