"""Orders of the M-point transform and of its activation matrix, all pairs of families, against the predicted ones.

.venv/bin/python scripts/mesh_order.py --help
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from iatcore import IATReLU, bases, basis
from verify.convergence import discretization_order, predicted_order

FAMILIES = tuple(bases.FAMILIES)


def main() -> None:
    """Print the table; draw the errors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=6, help="functions in a basis")
    parser.add_argument("--batch", type=int, default=200, help="random inputs")
    parser.add_argument("--meshes", type=int, nargs="+", default=[101, 203, 401, 809, 1601], help="numbers of points")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="picture of the errors, a file that matplotlib knows how to write")
    options = parser.parse_args()
    z = np.random.default_rng(options.seed).standard_normal((options.batch, options.size))
    print(f"{'p / q':20}{'u':>8}{'95 %':>18}{'theory':>8}{'S':>8}{'95 %':>18}{'theory':>8}")
    curves = {}
    for p, q in itertools.product(FAMILIES, FAMILIES):
        iat = IATReLU(basis(p, options.size), basis(q, options.size))
        cells = [f"{p + ' / ' + q:20}"]
        for of in ("u", "S"):
            found = discretization_order(iat, z, options.meshes, of)
            low, high = found.interval
            theory = predicted_order(iat.p, iat.q, options.meshes, of)
            cells.append(f"{found.order:8.2f}{f'[{low:.2f}, {high:.2f}]':>18}{theory:8.0f}")
            curves[p, q, of] = found
        print("".join(cells), flush=True)
    if options.figure:
        draw(curves, options.figure)


def draw(curves: dict, path: Path) -> None:
    """Errors of u and S against M, a panel for each input family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots(2, len(FAMILIES), sharex=True, sharey="row")
    for (p, q, of), found in curves.items():
        ax = axes[("u", "S").index(of)][FAMILIES.index(p)]
        ax.loglog(found.meshes, found.errors, marker="o", markersize=3, label=q)
        ax.set_title(f"{p}: {of}")
    for ax in axes[-1]:
        ax.set_xlabel("M")
    axes[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
