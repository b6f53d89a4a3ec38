"""Every fused kernel is compiled ahead, for both dtypes."""

from __future__ import annotations

import numpy as np

import iatcore
from iatcore.kernels import blocks, fused, local, steps
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


def test_read_only_arrays_compile_nothing():
    """Numba has a type of its own for them."""
    precompile()
    kernels = (local.local_rows, fused.crossing_rows, fused.local_wave_rows, steps.forward_chunk, blocks.load_rows)
    locked = np.random.default_rng(0).normal(size=(1, 3))
    locked.setflags(write=False)
    many = np.broadcast_to(locked, (2, 3))
    transforms = [iatcore.IAT(iatcore.basis(p, 3), iatcore.basis(q, 3)) for p, q in PAIRS]
    operator = iatcore.operators.TMAF()
    # patterns and derivatives of jumping gates have kernels that are not compiled ahead
    calls = [call for iat in transforms for call in (iat, lambda z, iat=iat: iat.vjp(z, z))] + [operator]
    expected = [call(many.copy()) for call in calls]
    before = [len(kernel.signatures) for kernel in kernels]
    for call, values in zip(calls, expected, strict=True):
        np.testing.assert_array_equal(call(many), values)
        np.testing.assert_array_equal(call(locked), values[:1])
    transforms[0].vjp(locked, np.ones((2, 3)))
    assert [len(kernel.signatures) for kernel in kernels] == before
    assert not locked.flags.writeable
