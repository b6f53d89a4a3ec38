"""Compile all kernels now and keep them on disk: ``python -m iatcore.precompile``.

Without this each kernel is compiled when it is first called, once on a machine.
"""

from __future__ import annotations

import numpy as np

from .bases import basis
from .certificate import certified_crossings
from .operators import TMAF, AReLU
from .transform import IAT

KINDS = (("pwq", "pwq"), ("pwq", "fourier"), ("fourier", "pwq"))
"""One pair of families for every fused kernel."""


def precompile() -> None:
    """Call every kernel once in float32 and float64."""
    for first, second in KINDS:
        iat = IAT(basis(first, 2), basis(second, 2))
        for dtype in (np.float32, np.float64):
            z = np.ones((1, 2), dtype=dtype)
            iat.vjp(z, iat(z))
        one = np.array([1.0, -0.5])
        pattern = iat.pattern(one)
        iat.apply(pattern, one)
        iat.activation_matrix(pattern=pattern)
        iat.pattern(one, certified=True)
        certified_crossings(iat.p, one[None], np.zeros((1, 1)), False)
        iat.hessian(one)
        iat.gate_vjp(one, one)
        pattern.distance(pattern.complement())
        pattern.number_of_intervals()
    for dtype in (np.float32, np.float64):
        z = np.ones((1, 2), dtype=dtype)
        for activation in (TMAF(bands=(0, 1)), TMAF(pattern=np.eye(2)), AReLU()):
            activation.vjp(z, activation.apply(z))


if __name__ == "__main__":
    precompile()
