"""Hypothesis strategies for bases, gates and coefficient vectors, also for your own bases.

Example:
    >>> from hypothesis import given
    >>> from verify import strategies
    >>> @given(strategies.transforms())
    ... def test_homogeneous(iat): ...
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import SearchStrategy

import iatcore
from iatcore.bases import FAMILIES


def bases(max_size: int = 8, mixtures: bool = True) -> SearchStrategy[iatcore.Basis]:
    """Every family in every layout, of size 1 .. ``max_size``, and mixtures of two of them."""
    named = st.builds(
        lambda choice, size, scale: iatcore.basis(choice[0], size, layout=choice[1], scale=scale),
        st.sampled_from([(family, layout) for family, layouts in FAMILIES.items() for layout in layouts]),
        st.integers(1, max_size),
        st.sampled_from([0.5, 1.0, 3.0]),
    )
    if not mixtures:
        return named
    return st.one_of(named, st.builds(lambda a, b: a + b, named, named))


def gates(max_breakpoints: int = 5, continuous: bool = False) -> SearchStrategy[iatcore.Gate]:
    """Step gates: any, or (``continuous``) those whose only breakpoint is 0, so that sigma is continuous."""
    slope = st.floats(-2, 2, allow_subnormal=False)
    side: Any = st.sampled_from(["left", "right"])
    if continuous:
        return st.builds(lambda a, b, s: iatcore.Gate((0.0,), (a, b), side=s), slope, slope, side)
    points = st.lists(st.integers(-40, 40), max_size=max_breakpoints, unique=True).map(sorted)
    return points.flatmap(
        lambda x: st.builds(
            lambda slopes, s: iatcore.Gate(tuple(v / 10 for v in x), tuple(slopes), side=s),
            st.lists(slope, min_size=len(x) + 1, max_size=len(x) + 1),
            side,
        )
    )


def coefficients(size: int, rows: int | None = None) -> SearchStrategy[np.ndarray]:
    """Vectors z of shape (size,), or batches (rows, size): ordinary numbers, zeros, ties and tiny entries."""
    entry = st.one_of(
        st.floats(-10, 10, allow_subnormal=False),
        st.integers(-2, 2).map(float),
        st.sampled_from([1e-9, -1e-9, 1e9]),
    )
    return hnp.arrays(np.float64, (size,) if rows is None else (rows, size), elements=entry)


def transforms(max_size: int = 8, continuous: bool = True) -> SearchStrategy[iatcore.IAT]:
    """Exact transforms between random bases with random gates."""
    return st.builds(iatcore.IAT, bases(max_size), bases(max_size), gates(continuous=continuous))
