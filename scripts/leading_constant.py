"""The constant in front of M^-2: measured against the leading term of the error.

.venv/bin/python scripts/leading_constant.py --help
"""

from __future__ import annotations

import argparse

import numpy as np

from iatcore import IATReLU, basis
from verify.convergence import leading_constant

PAIRS = (("pwl", "pwl"), ("pwl", "pwq"), ("pwq", "pwq"), ("fourier", "pwq"), ("fourier", "fourier"), ("pwl-w", "pwl-w"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--meshes", type=int, nargs="+", default=[100, 400, 1600, 6400])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    z = np.random.default_rng(options.seed).standard_normal((options.batch, options.size))
    print(f"{'p / q':20}" + "".join(f"{f'M = {m}':>24}" for m in options.meshes) + "   (measured, leading term)")
    for p, q in PAIRS:
        iat = IATReLU(basis(p, options.size), basis(q, options.size))
        row = [leading_constant(iat, z, m) for m in options.meshes]
        print(f"{p + ' / ' + q:20}" + "".join(f"{a:12.5f}{b:12.5f}" for a, b in row), flush=True)


if __name__ == "__main__":
    main()
