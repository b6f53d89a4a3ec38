"""A plain ReLU network of width M against the continuous-width network that it discretizes, M growing.

.venv/bin/python scripts/width.py --help
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from iatcore import GDNN, basis
from verify.convergence import width_order

PAIRS = (("pwl", "pwl"), ("fourier", "pwq"), ("pwq", "fourier"), ("rect", "rect"))


def main() -> None:
    """Print the table; draw the errors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--depth", type=int, default=2, help="hidden layers")
    parser.add_argument("--widths", type=int, nargs="+", default=[51, 101, 203, 401, 809])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="picture of the errors, a file that matplotlib knows how to write")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    x = rng.uniform(-1, 1, (100, 2))
    print(f"{'p / q':20}{'order':>8}{'95 %':>18}   errors")
    curves = {}
    for p, q in PAIRS:
        layers = [(basis(p, options.size), basis(q, options.size))] * options.depth
        found = width_order(GDNN.random(2, 1, layers, rng=rng), x, options.widths)
        low, high = found.interval
        errors = "  ".join(f"{e:.2e}" for e in found.errors)
        print(f"{p + ' / ' + q:20}{found.order:8.2f}{f'[{low:.2f}, {high:.2f}]':>18}   {errors}", flush=True)
        curves[f"{p} / {q}"] = found
    if options.figure:
        draw(curves, options.figure)


def draw(curves: dict, path: Path) -> None:
    """Errors of the plain networks against their width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name, found in curves.items():
        axes.loglog(found.meshes, found.errors, marker="o", markersize=3, label=f"{name}: order {found.order:.2f}")
    axes.set(xlabel="width M", ylabel="error")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
