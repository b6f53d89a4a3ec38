"""The constant in front of M^-2: measured against the leading term of the error, and the order of what that leaves.

.venv/bin/python scripts/leading_constant.py --help
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from iatcore import IATReLU, basis
from verify.convergence import leading_constant, remainder_order

PAIRS = (("pwl", "pwl"), ("pwl", "pwq"), ("pwq", "pwq"), ("fourier", "pwq"), ("fourier", "fourier"), ("pwl-w", "pwl-w"))


def main() -> None:
    """Print the table; draw the constants and the remainders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--meshes", type=int, nargs="+", default=[100, 400, 1600, 6400])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="picture of both, a file that matplotlib knows how to write")
    options = parser.parse_args()
    z = np.random.default_rng(options.seed).standard_normal((options.batch, options.size))
    heads = "".join(f"{f'M = {m}':>24}" for m in options.meshes)
    print(f"{'p / q':20}{heads}   (measured, leading term){'order of the rest':>20}{'95 %':>18}")
    curves = {}
    for p, q in PAIRS:
        iat = IATReLU(basis(p, options.size), basis(q, options.size))
        row = [leading_constant(iat, z, m) for m in options.meshes]
        rest = remainder_order(iat, z, options.meshes)
        low, high = rest.interval
        cells = "".join(f"{a:12.5f}{b:12.5f}" for a, b in row)
        print(f"{p + ' / ' + q:20}{cells}{rest.order:44.2f}{f'[{low:.2f}, {high:.2f}]':>18}", flush=True)
        curves[f"{p} / {q}"] = row, rest
    if options.figure:
        draw(curves, options.figure)


def draw(curves: dict, path: Path) -> None:
    """Measured constants over those of the leading term, and what the leading term leaves, against M."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for name, (row, rest) in curves.items():
        left.semilogx(rest.meshes, [a / b for a, b in row], marker="o", markersize=3, label=name)
        right.loglog(rest.meshes, rest.errors, marker="o", markersize=3)
    left.set(xlabel="M", title="measured over leading term")
    right.set(xlabel="M", title="error less its leading term")
    left.legend(fontsize=7)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
