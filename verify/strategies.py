"""Hypothesis strategies for bases, gates and coefficient vectors, also for your own bases.

Example:
    >>> from hypothesis import given
    >>> from verify import strategies
    >>> @given(strategies.transforms())
    ... def test_homogeneous(iat): ...
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import SearchStrategy

import iatcore
from iatcore.bases import FAMILIES

ROUNDING = 2.0**-46
"""Of an entry of u, relative to the largest entries of z and of S at the unit vectors."""
HALVINGS = 60
"""After which two points on a way are neighbours, or as good as that."""


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
    """Step gates of at most ``max_breakpoints``, or (``continuous``) with the one breakpoint 0: sigma is continuous."""
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
    return hnp.arrays(np.float64, (size,) if rows is None else (rows, size), elements=_entries())


def _entries() -> SearchStrategy[float]:
    return st.one_of(
        st.floats(-10, 10, allow_subnormal=False),
        st.integers(-2, 2).map(float),
        st.sampled_from([1e-9, -1e-9, 1e9]),
    )


def hard_coefficients(basis: iatcore.Basis) -> SearchStrategy[np.ndarray]:
    """Vectors z of shape (size,) whose state function in a basis is hard for root finding.

    Nearly tangent (the constraint that f and f' nearly vanish at one point), clustered roots (f nearly vanishes at
    points close to each other), vanishing pieces (runs of zeros), extreme scales (powers of ten up to 1e+-150).
    """
    size = basis.size
    slopes = basis.derivative()

    @st.composite
    def vectors(draw: Any) -> np.ndarray:
        z = draw(hnp.arrays(np.float64, (size,), elements=st.floats(-2, 2, allow_subnormal=False)))
        kind = draw(st.sampled_from(["tangent", "cluster", "pieces", "scale"]))
        at = draw(st.floats(-1, 1))
        if kind == "tangent":
            rows = np.stack([basis(np.array([at]))[:, 0], slopes(np.array([at]))[:, 0]])
            z = _nearly_in_kernel(rows, z, draw(st.sampled_from([0.0, 1e-12, 1e-8, 1e-4])))
        elif kind == "cluster":
            gap = draw(st.sampled_from([1e-6, 1e-4, 1e-2]))
            points = np.clip(at + gap * np.arange(min(3, max(size - 1, 1))), -1, 1)
            z = _nearly_in_kernel(basis(points).T, z, 0.0)
        elif kind == "pieces":
            first = draw(st.integers(0, size))
            z[first : draw(st.integers(first, size))] = 0.0
        return z * 10.0 ** draw(st.integers(-150, 150)) if kind == "scale" else z

    return vectors()


def _nearly_in_kernel(rows: np.ndarray, z: np.ndarray, distance: float) -> np.ndarray:
    """z with its part along the rows made ``distance`` times as large."""
    scale = max(float(np.abs(rows).max(initial=0.0)), 1e-300)
    solution = np.linalg.lstsq(rows / scale, rows @ z / scale, rcond=None)[0]
    return z - (1.0 - distance) * solution


def check_matrix_activation(
    activation: Any,
    size: int,
    *,
    vectors: SearchStrategy[np.ndarray] | None = None,
    homogeneous: bool = False,
    continuous: bool = False,
    gradient: bool = True,
    tolerance: float = 1e-9,
) -> None:
    """Test a matrix activation of your own on vectors that hypothesis chooses; nothing is returned if it passes.

    It needs to be called, and ``activation_matrix(z)`` or ``matrix(z)``. What is tested:

    * linear form: ``u(z) = S(z) z``;
    * gradient: ``u(z + h v) - u(z - h v) = 2 h S(z) v`` where S is the same at all three points; with ``continuous``
      also where S changes less the smaller h is, up to what it changes by;
    * ``continuous``: where S changes at once, u has no jump on the way from z - h v to z + h v;
    * ``homogeneous``: ``u(c z) = c u(z)`` for c > 0, and ``S(c z) = S(z)`` for powers of two;
    * rows of a batch do not depend on each other, and their order does not matter.

    Args:
        activation: the object.
        size: n, the size of z.
        vectors: a strategy for z, of shape (n,); None is :func:`coefficients`.
        homogeneous, continuous, gradient: which of these to test.
        tolerance: relative to ``abs(S) abs(z)``; errors of :data:`ROUNDING` are always allowed.

    Raises:
        AssertionError: a property fails; the message names it and the vector.
        TypeError: the object has no matrix.
    """
    matrix = getattr(activation, "activation_matrix", None) or getattr(activation, "matrix", None)
    if not callable(matrix) or not callable(activation):
        raise TypeError(f"activation must be callable and have activation_matrix or matrix, got {activation!r}")
    strategy = coefficients(size) if vectors is None else vectors
    steepest = max(float(np.abs(np.asarray(matrix(e))).max(initial=0.0)) for e in (*np.eye(size), *-np.eye(size)))

    def near(found: Any, expected: Any, scale: Any, largest: float, text: str) -> None:
        # entries of S below the smallest normal number are lost, whatever they are multiplied by; and where S rounds
        # to another one, entries may change that are 0 else
        floor = (np.finfo(np.float64).tiny * (1.0 + largest) + ROUNDING * steepest * largest) * size
        error, allowed = np.abs(np.asarray(found) - expected), tolerance * np.asarray(scale) + floor
        assert np.all(error <= allowed), f"{text}: off by {error.max():.1e} where {np.max(allowed):.1e} is allowed"

    @settings(deadline=None)  # how long the activation takes is its own affair
    @given(strategy, coefficients(size), st.sampled_from([2.0**-20, 0.37, 3.0, 8.0]))
    def run(z: np.ndarray, v: np.ndarray, c: float) -> None:
        largest = float(np.abs(z).max(initial=0.0))
        S, u = np.asarray(matrix(z)), np.asarray(activation(z))
        scale = np.abs(S) @ np.abs(z)
        near(u, S @ z, scale, largest, f"linear form u = S z at z = {z}")
        if homogeneous:
            near(activation(c * z), c * u, c * scale, c * largest, f"u({c} z) = {c} u(z) at z = {z}")
            if math.frexp(c)[0] == 0.5:
                # other factors round z, and S may change at once where z lies on a tie
                near(matrix(c * z), S, np.abs(S).max(initial=0.0), 0.0, f"S({c} z) = S(z) at z = {z}")
        if gradient:
            h = 1e-4 * max(largest, 1e-300) / max(np.abs(v).max(initial=0.0), 1e-300)
            ends = (z + h * v, z - h * v)
            changes = [np.abs(np.asarray(matrix(end)) - S) for end in ends]
            step = np.asarray(activation(ends[0])) - np.asarray(activation(ends[1]))
            rounding = 4.0 * (scale + np.abs(S) @ np.abs(h * v))
            where = f"at z = {z} along v = {v}"
            if all(not change.any() for change in changes):
                near(step, 2.0 * h * (S @ v), rounding, largest, f"gradient {where}")
            elif continuous and all(_shrinks(matrix, S, z, *w) for w in zip((h * v, -h * v), changes, strict=True)):
                between = 2.0 * (changes[0] + changes[1]) @ np.abs(2.0 * h * v)
                near(step, 2.0 * h * (S @ v), rounding + between / tolerance, largest, f"gradient {where}")
            elif continuous:
                sizes = [np.abs(np.asarray(matrix(end))) @ np.abs(end) for end in ends]
                size_of_u = float(np.max([scale, *sizes], initial=0.0))
                a, b = _steepest(activation, ends[0], ends[1], 0.5 * tolerance * size_of_u)
                near(activation(b), activation(a), size_of_u, largest, f"no jump from z = {a} to {b}")
        near(np.asarray(activation(np.stack([v, z, v])))[1], u, scale, largest, f"row z = {z} of a batch")

    run()


def _shrinks(matrix: Any, S: np.ndarray, z: np.ndarray, step: np.ndarray, change: np.ndarray) -> bool:
    """Whether half a step changes S by clearly less than a whole one."""
    half = np.abs(np.asarray(matrix(z + 0.5 * step)) - S)
    return bool(half.max(initial=0.0) <= 0.75 * change.max(initial=0.0))


def _steepest(activation: Any, a: np.ndarray, b: np.ndarray, enough: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of a part of the way from a to b, halved again and again where u changes most, until that is enough."""
    low, high = np.asarray(activation(a)), np.asarray(activation(b))
    for _ in range(HALVINGS):
        if np.abs(high - low).max(initial=0.0) <= enough:
            break
        middle = 0.5 * (a + b)
        value = np.asarray(activation(middle))
        if np.abs(value - low).max(initial=0.0) >= np.abs(high - value).max(initial=0.0):
            b, high = middle, value
        else:
            a, low = middle, value
    return a, b


def transforms(max_size: int = 8, continuous: bool = True) -> SearchStrategy[iatcore.IAT]:
    """Exact transforms between random :func:`bases` up to ``max_size``, with :func:`gates`, ``continuous`` or not."""
    return st.builds(iatcore.IAT, bases(max_size), bases(max_size), gates(continuous=continuous))
