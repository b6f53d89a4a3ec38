"""Random numbers for the tests of modules and kernels."""

from __future__ import annotations

import torch


def data(shape, dtype=torch.float64, seed=0):
    """Standard normal numbers, drawn in float64: those of two dtypes differ by rounding alone."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def randomised(module):
    """The module, with standard normal parameters."""
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(generator=torch.Generator().manual_seed(3))
    return module
