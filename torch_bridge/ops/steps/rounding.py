"""Breakpoints as numbers of another precision."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch

from iatcore.steps import Bands


@lru_cache(maxsize=256)
def rounded(bands: Bands, dtype: torch.dtype) -> Bands:
    """Breakpoints as numbers of half precision, so that a breakpoint itself is always met."""
    grids = tuple(tuple(torch.tensor(points, dtype=torch.float64).to(dtype).tolist()) for points in bands.grids)
    return replace(bands, grids=grids)
