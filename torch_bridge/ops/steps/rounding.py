"""The dtype that step matrices are computed in, and breakpoints as numbers of another precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from iatcore.steps import Bands

from ..dtypes import computable


@lru_cache(maxsize=256)
def rounded(bands: Bands, dtype: torch.dtype) -> Bands:
    """Breakpoints as numbers of half precision, so that a breakpoint itself is always met."""
    grids = tuple(tuple(torch.tensor(points, dtype=torch.float64).to(dtype).tolist()) for points in bands.grids)
    return replace(bands, grids=grids)


def computed(z: Tensor, values: Sequence[Tensor], bands: Bands) -> tuple[Tensor, tuple[Tensor, ...], Bands]:
    """z and step values in the dtype that is computed with, and breakpoints that are numbers of the dtype of z."""
    x = computable(z, "z")
    grids = rounded(bands, z.dtype) if x.dtype != z.dtype else bands
    return x, tuple(v.to(x.dtype) for v in values), grids
