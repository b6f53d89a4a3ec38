"""What a step matrix is made of, checked: diagonals, grids, patterns of entries, values to start from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from . import steps
from .grids import grid as grid_of
from .grids import sample, sample_points

Sharing = Literal["layer", "channel", "neuron"]
SHARINGS = ("layer", "channel", "neuron")


INITIAL: dict[str, tuple[float, float]] = {"relu": (0.0, 1.0), "leaky_relu": (0.01, 1.0), "identity": (1.0, 1.0)}
"""Activations that step values may start as, by name: their slopes below and above 0."""


def check_bands(bands: Any) -> tuple[int, ...]:
    """Numbers of diagonals; TypeError or ValueError unless they are distinct integers, at least one."""
    try:
        numbers = tuple(int(k) for k in bands)
        exact = all(k == j and not isinstance(j, bool) for k, j in zip(numbers, bands, strict=True))
    except (TypeError, ValueError):
        raise TypeError(f"bands must be a sequence of integers, got {bands!r}") from None
    if not exact:
        raise TypeError(f"bands must be a sequence of integers, got {bands!r}")
    if any(abs(k) > 2**31 for k in numbers):
        raise ValueError(f"bands must be of ordinary size, got {bands!r}")
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"bands must be distinct, and at least one, got {bands!r}")
    return numbers


def check_grids(grid: Any, bands: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """Breakpoints for each diagonal, from a name, one grid for all, or a dict from diagonals to grids."""
    if isinstance(grid, dict):
        missing = [k for k in bands if k not in grid]
        if missing or len(grid) > len(bands):
            raise ValueError(f"grid must have the diagonals {bands} as keys, got {tuple(grid)}")
        return tuple(grid_of(grid[k], k) for k in bands)
    return tuple(grid_of(grid, k) for k in bands)


def check_sharing(sharing: Any) -> Sharing:
    """ValueError unless it is one of the three."""
    if sharing not in SHARINGS:
        raise ValueError(f"sharing must be one of {', '.join(SHARINGS)}, got {sharing!r}")
    return sharing


def sizes(matrix: scipy.sparse.csr_array) -> tuple[int, ...]:
    """Its shape."""
    return tuple(matrix.shape or ())


def check_pattern(pattern: Any) -> scipy.sparse.csr_array:
    """A square pattern of entries in canonical form.

    Raises:
        TypeError: not a matrix.
        ValueError: not square, or without entries.
    """
    try:
        matrix = scipy.sparse.csr_array(pattern)
    except (TypeError, ValueError):
        raise TypeError(f"pattern must be a matrix, dense or of scipy.sparse, got {type(pattern).__name__}") from None
    if matrix.ndim != 2 or len(set(sizes(matrix))) > 1:
        raise ValueError(f"pattern must be square, got shape {matrix.shape}")
    if not scipy.sparse.issparse(pattern):
        matrix.eliminate_zeros()
    # stored zeros of a sparse matrix are entries
    parts = (np.ones(matrix.nnz), matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64))
    result = scipy.sparse.csr_array(parts, shape=matrix.shape)
    result.sum_duplicates()
    if not result.nnz:
        raise ValueError("pattern must have entries, got none")
    return result


def initial_values(init: Any, points: tuple[float, ...], band: int = 0) -> NDArray[np.float64]:
    """Step values on one grid: those of an activation on the main diagonal, 0 elsewhere.

    Args:
        init: a name of :data:`INITIAL`, a function of an array (see :func:`iatcore.grids.sample`), or numbers; or a
            dict from diagonals to these, for others than the main one too.

    Raises:
        ValueError: an unknown name, a wrong number of values, values that are not finite.
    """
    if isinstance(init, dict):
        init = init.get(band)
    elif band != 0:
        init = None
    if init is None:
        return np.zeros(len(points) + 1)
    if isinstance(init, str):
        if init not in INITIAL:
            raise ValueError(f"init must be a function, values, or one of {', '.join(INITIAL)}, got {init!r}")
        return np.where(sample_points(points) < 0, *INITIAL[init])
    if callable(init):
        function: Any = init
        return sample(function, points)
    try:
        values = np.asarray(init, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"init must be a function, a name, or numbers, got {init!r}") from None
    if values.ndim != 1 or len(values) != len(points) + 1:
        raise ValueError(f"init must have {len(points) + 1} step values for {len(points)} breakpoints, got {init!r}")
    if not np.isfinite(values).all():
        raise ValueError(f"init must be finite, got {init!r}")
    return values


def entries_of(pattern: scipy.sparse.csr_array, sharing: Sharing) -> tuple[steps.Entries, list[bool]]:
    """Which step function each entry has, and for every function whether it is on the main diagonal."""
    rows = np.repeat(np.arange(sizes(pattern)[0]), np.diff(pattern.indptr))
    diagonal = rows == pattern.indices
    if sharing == "layer":
        kinds = [kind for kind in (True, False) if (diagonal == kind).any()]
        functions = np.where(diagonal, 0, len(kinds) - 1)
    else:
        kinds = diagonal.tolist()
        functions = np.arange(pattern.nnz)
    integers = (np.asarray(a, dtype=np.int64) for a in (pattern.indptr, pattern.indices, functions))
    return steps.Entries(*integers), kinds
