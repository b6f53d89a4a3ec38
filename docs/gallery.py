"""Draw every picture of torch_bridge.plot to docs/images/gallery.

.venv/bin/python docs/gallery.py --help
"""

from __future__ import annotations

import argparse
import copy
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from torch import nn

import iatcore
import torch_bridge as tb
from torch_bridge import plot

FOLDER = Path(__file__).parent / "images" / "gallery"
DPI = 90


def trained(network: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int = 400) -> nn.Module:
    """The network after full-batch Adam on a mean squared error."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), y).backward()
        optimizer.step()
    return network


def bases() -> dict[str, Any]:
    """Functions that are continuous, that jump, and waves."""
    return {
        "basis-pwq": plot.basis("pwq", 6),
        "basis-rect-w": plot.basis("rect-w", 4),
        "basis-fourier": plot.basis("fourier", 4),
    }


def states(rng: np.random.Generator) -> dict[str, Any]:
    """One state under ReLU, under a gate of four slopes, and on a mesh."""
    z = rng.normal(size=9)
    steps = iatcore.Gate((-1.0, 0.0, 1.0), (-0.5, 0.0, 0.5, 1.0))
    fourier = iatcore.IAT(iatcore.basis("fourier", 9), iatcore.basis("pwq", 9))
    jumping = iatcore.basis("rect-w", 4, layout="haar") + iatcore.basis("pwl", 5)
    drawn = {
        "state-relu": plot.state_function(fourier, z),
        "state-jumps": plot.state_function(iatcore.IATReLU(jumping, iatcore.basis("pwq", 9)), z),
        "state-gate": plot.state_function(fourier.with_gate(steps), z),
        "state-mesh": plot.state_function(fourier.discretize(24), z),
    }
    for name in ("state-relu", "state-jumps"):
        drawn[name].legend(loc="best", framealpha=0.8)
    return drawn


def patterns(generator: torch.Generator) -> dict[str, Any]:
    """Trained on sin(2 pi x): the second hidden layer, exact and on a mesh; and a gate of several slopes."""
    x = np.linspace(-1, 1, 801)
    inputs = torch.linspace(-1, 1, 200)[:, None]
    drawn = {}
    for name, settings in {
        "pattern-exact": {},
        "pattern-mesh": {"mesh": 20},
        "pattern-gate": {"gate": iatcore.Gate((-1.0, 0.0, 1.0), (-0.5, 0.1, 0.5, 1.0))},
    }.items():
        torch.manual_seed(generator.initial_seed())
        layers = [tb.IAT(10, 10, **settings) for _ in range(2)]
        network = nn.Sequential(nn.Linear(1, 10), layers[0], nn.Linear(10, 10), layers[1], nn.Linear(10, 1))
        drawn[name] = plot.pattern(layers[1], trained(network, inputs, torch.sin(2 * torch.pi * inputs)), x)
    return drawn


def planes(generator: torch.Generator) -> dict[str, Any]:
    """A layer of a network from the plane, in three quantities."""
    torch.manual_seed(generator.initial_seed())
    layer = tb.IATReLU(8, 8, "pwl", "pwq")
    network = nn.Sequential(nn.Linear(2, 8), layer, nn.Linear(8, 1))
    x = torch.rand(400, 2, generator=generator) * 2 - 1
    network = trained(network, x, torch.sin(3 * x.sum(1, keepdim=True)) * x[:, :1])
    return {f"plane-{q}": plot.pattern_2d(layer, network, q, points=300) for q in ("measure", "intervals", "regions")}


def matrices(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Any]:
    """S of an integral transform and of a banded TMAF."""
    iat = iatcore.IATReLU(iatcore.basis("fourier", 10), iatcore.basis("pwq", 10))
    banded = tb.TMAF(bands=(-1, 0, 1))
    for values in banded.values:
        nn.init.normal_(values, generator=generator)
    return {
        "matrix-iat": plot.activation_matrix(iat, rng.normal(size=10)),
        "matrix-tmaf": plot.activation_matrix(banded, torch.randn(12, generator=generator)),
    }


def learned(generator: torch.Generator) -> dict[str, Any]:
    """Step functions and curves before and after training."""
    torch.manual_seed(generator.initial_seed())
    network = nn.Sequential(
        nn.Linear(1, 20), tb.TMAF(bands=(-1, 0, 1)), nn.Linear(20, 20), tb.AReLU(), nn.Linear(20, 1)
    )
    before = copy.deepcopy(network)
    x = torch.linspace(-1, 1, 400)[:, None]
    recorded = []
    for model in (before, trained(network, x, torch.sin(3 * torch.pi * x))):
        with plot.record_inputs(model) as inputs:
            model(x)
        recorded.append(inputs)
    arelu = plot.step_functions(before[3], label="before", color=plot.style.GREY, linestyle="--")
    return {
        "steps-tmaf": plot.step_functions(network[1]),
        "steps-arelu": plot.step_functions(network[3], ax=arelu, label="after"),
        "activation-tmaf": plot.activation(network[1], recorded[1]["1"], before[1], recorded[0]["1"]),
        "activation-arelu": plot.activation(network[3], recorded[1]["3"], before[3], recorded[0]["3"]),
    }


def orders(rng: np.random.Generator) -> dict[str, Any]:
    """A continuous pair of bases, and one that jumps inside of mesh cells."""
    z, meshes = rng.normal(size=(100, 6)), [25, 49, 101, 199, 401, 799]
    ax = None
    for p, q in (("pwl", "pwq"), ("fourier", "fourier"), ("rect", "pwl")):
        iat = iatcore.IATReLU(iatcore.basis(p, 6), iatcore.basis(q, 6))
        ax = plot.convergence(meshes, plot.mesh_errors(iat, z, meshes), ax, label=f"{p} / {q}")
    return {"convergence": ax}


def main() -> None:
    """Draw and write all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where to write, {FOLDER} if not given")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    matplotlib.use("agg")
    rng, generator = np.random.default_rng(options.seed), torch.Generator().manual_seed(options.seed)
    groups = (
        bases,
        partial(states, rng),
        partial(patterns, generator),
        partial(planes, generator),
        partial(matrices, rng, generator),
        partial(learned, generator),
        partial(orders, rng),
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    for draw in groups:
        for name, ax in draw().items():
            path = options.folder / f"{name}.png"
            ax.figure.savefig(path, dpi=DPI)
            print(path)
        pyplot.close("all")


if __name__ == "__main__":
    main()
