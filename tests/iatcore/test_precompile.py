"""Every fused kernel is compiled ahead, for both dtypes."""

from __future__ import annotations

import numpy as np

import iatcore
from iatcore.kernels import fused, local
from iatcore.precompile import precompile
from tests.cases import PAIRS


def test_nothing_is_left_to_compile():
    precompile()
    kernels = (local.local_rows, fused.crossing_rows, fused.local_wave_rows)
    before = [len(kernel.signatures) for kernel in kernels]
    for first, second in PAIRS:
        iat = iatcore.IAT(iatcore.basis(first, 3), iatcore.basis(second, 4))
        for dtype in (np.float32, np.float64):
            z = np.ones((2, 3), dtype=dtype)
            iat.vjp(z, iat(z))
    assert [len(kernel.signatures) for kernel in kernels] == before
