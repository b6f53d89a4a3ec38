"""Activation patterns as sets and as points of a metric space: unions, distances, counts, and data for figures.

These are the methods of :class:`iatcore.ActivationPattern`, as functions of patterns. A pattern D stands for the set
``{s in [-1, 1] : a(f(s)) != 0}`` up to null sets (for ReLU this is D(z), IAT (19)) or, where a function is
``weighted``, for the step function ``a(f(s))`` itself. Each row is a pattern of its own. Rows of nan stay rows of nan
in sets made from them, are nan in whatever is measured, and 0 in or left out of whatever is counted.

Patterns on the same pieces are combined in the pieces' local coordinates; patterns on different ones are moved to the
common refinement first, whose breakpoints are exact fractions. Narrow intervals keep their relative width either way.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .batches import texts
from .kernels import sets
from .plan import refine, widths

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
P = TypeVar("P", bound=Any)
"""An ActivationPattern; the class lies above this module."""
PIVOTS = 16
"""Patterns whose distances to all rows keep far rows from being compared."""
BEFORE_THE_END = -np.nextafter(0.0, 1.0)
"""The signed position next to the right end of a piece."""


# -- sets ------------------------------------------------------------------------------------------------------------


def union(a: P, b: P) -> P:
    """Where at least one of two patterns of the same batch has a slope that is not zero, row by row.

    Returns:
        a pattern with slopes 0 and 1 on the common refinement of both sets of knots; it is kept in canonical form:
        crossings ascend strictly, inside the pieces. ``unresolved`` is the sum of both.

    Raises:
        TypeError: b is not an ActivationPattern.
        ValueError: the batches differ in shape.
    """
    return _combine(a, b, np.logical_or)


def intersection(a: P, b: P) -> P:
    """Where both patterns have slopes that are not zero; otherwise as :func:`union`."""
    return _combine(a, b, np.logical_and)


def symmetric_difference(a: P, b: P) -> P:
    """Where exactly one of both patterns has a slope that is not zero; otherwise as :func:`union`."""
    return _combine(a, b, np.logical_xor)


def _combine(a: P, b: P, rule: Callable[..., Any]) -> P:
    a, b = _together(a, b)
    table = np.asarray(rule.outer(_support(a), _support(b)), dtype=np.int64)  # pyright: ignore[reportFunctionMemberAccess]
    room = len(a.piece) + len(b.piece)
    initial, offsets = np.empty_like(a.initial), np.empty(len(a) + 1, np.int64)
    piece, offset, rising = np.empty(room, np.int64), np.empty(room), np.empty(room, np.bool_)
    used = sets.combine(a.arrays(), b.arrays(), table, initial, offsets, piece, offset, rising)
    return replace(
        a,
        gate_slopes=(0.0, 1.0),
        initial=initial,
        offsets=offsets,
        piece=piece[:used].copy(),
        offset=offset[:used].copy(),
        level=np.zeros(used, np.int64),
        rising=rising[:used].copy(),
        finite=a.finite & b.finite,
        unresolved=a.unresolved + b.unresolved,
    )


def _support(pattern: Any) -> NDArray[np.bool_]:
    return np.array(pattern.gate_slopes) != 0


def _together(a: P, b: P) -> tuple[P, P]:
    """Two checked patterns on the same knots."""
    if not isinstance(b, type(a)):
        raise TypeError(f"other must be an {type(a).__name__}, got {type(b).__name__}")
    if a.batch_shape != b.batch_shape:
        raise ValueError(f"other must have batch shape {a.batch_shape}, got {b.batch_shape}")
    if a.knots == b.knots:
        return a, b
    knots = refine(a.knots, b.knots)
    return on_knots(a, knots), on_knots(b, knots)


def on_knots(pattern: P, knots: Sequence[Fraction]) -> P:
    """The same pattern, recorded on finer pieces.

    A position t on a coarse piece becomes ``(t - alpha)/(beta - alpha)`` on its part ``[alpha, beta]``; alpha and beta
    are taken as sums of two floats, so that nothing is lost where t is close to them.

    Raises:
        ValueError: knots that do not ascend or that leave out one of the pattern's.
    """
    fine = tuple(knots)
    if fine == pattern.knots:
        return pattern
    ascending = all(x < y for x, y in itertools.pairwise(fine))
    if not ascending or not set(pattern.knots) <= set(fine) or (fine[0], fine[-1]) != (-1, 1):
        raise ValueError(f"knots must ascend from -1 to 1 and contain {texts(pattern.knots)}, got {texts(fine)}")
    first = np.array([bisect_left(fine, x) for x in pattern.knots], dtype=np.int64)
    cuts = np.array([_cut(pattern.knots, x, y) for x, y in itertools.pairwise(fine)])
    initial = np.empty((len(pattern), len(fine) - 1), np.int64)
    piece, offset = np.empty_like(pattern.piece), np.empty_like(pattern.offset)
    sets.split(pattern.arrays(), first, cuts, initial, piece, offset)
    return replace(pattern, knots=fine, initial=initial, piece=piece, offset=offset)


def _cut(knots: Sequence[Fraction], x: Fraction, y: Fraction) -> list[float]:
    """A part [x, y] of a piece as :func:`iatcore.kernels.sets.relocate` takes it."""
    k = bisect_right(knots, x) - 1
    width = knots[k + 1] - knots[k]
    alpha, beta = (x - knots[k]) / width, (y - knots[k]) / width
    return [x for end in (alpha, beta, 1 - alpha, 1 - beta) for x in _two_floats(end)] + [float(beta - alpha)]


def _two_floats(x: Fraction) -> tuple[float, float]:
    high = float(x)
    return high, float(x - Fraction(high))


# -- a metric --------------------------------------------------------------------------------------------------------


def distance(a: P, b: P, weighted: bool = False) -> Floats:
    """The measure of the symmetric difference, ``integral |1[a(f) != 0] - 1[a'(f') != 0]| ds``: a metric.

    It takes values in [0, 2], and two patterns have distance 0 if and only if they are equal up to null sets.

    Args:
        weighted: take ``integral |a(f) - a'(f')| ds`` instead, the distance of the slopes themselves; the same for
            ReLU. It bounds activation matrices: ``|S(D) - S(D')| <= distance * max |q(s) p(s)^T|``, IAT (18).

    Returns:
        shape ``batch_shape``; nan where one of both rows is nan.

    Raises:
        TypeError: b is not an ActivationPattern.
        ValueError: the batches differ in shape.
    """
    a, b = _together(a, b)
    rows = np.arange(len(a))
    return _distances(a, rows, b, rows, weighted).reshape(a.batch_shape)


def _distances(a: Any, rows_a: Integers, b: Any, rows_b: Integers, weighted: bool) -> Floats:
    result = sets.distances(a.arrays(), rows_a, b.arrays(), rows_b, _lengths(a), _weights(a, b, weighted))
    result[~(a.finite[rows_a] & b.finite[rows_b])] = np.nan
    return result


def _lengths(pattern: Any) -> Floats:
    return np.array([float(w) for w in widths(pattern.knots)])


def _weights(a: Any, b: Any, weighted: bool) -> Floats:
    first, second = (np.array(p.gate_slopes) if weighted else _support(p).astype(np.float64) for p in (a, b))
    return np.abs(np.subtract.outer(first, second))


def equals(a: P, b: P, tolerance: float = 0.0, weighted: bool = False) -> NDArray[np.bool_]:
    """Whether ``distance(a, b, weighted) <= tolerance``, shape ``batch_shape``; rows of nan equal nothing.

    Raises:
        TypeError, ValueError: as :func:`distance`, or a tolerance that is not a number >= 0.
    """
    _check_tolerance(tolerance)
    return distance(a, b, weighted) <= tolerance


def _check_tolerance(tolerance: float) -> None:
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be a number >= 0, got {tolerance!r}")


# -- statistics of a batch -------------------------------------------------------------------------------------------


def number_of_intervals(pattern: Any) -> Integers:
    """Number of maximal intervals of one slope that is not zero, shape ``batch_shape``; 0 for rows of nan.

    For ReLU these are the intervals of D(z). Neighbours of different slopes count as two; for the components of the
    set where the slope is not zero take the union of the pattern with itself.
    """
    return _run_counts(pattern)[:, 1].reshape(pattern.batch_shape)


def number_of_crossings(pattern: Any) -> Integers:
    """Number of points inside (-1, 1) where the slope changes, shape ``batch_shape``; 0 for rows of nan.

    Jumps of f across a breakpoint of the gate count; touching one does not, nor do crossings between equal slopes.
    """
    return np.maximum(_run_counts(pattern)[:, 0] - 1, 0).reshape(pattern.batch_shape)


def _run_counts(pattern: Any) -> Integers:
    counts, nothing = np.empty((len(pattern), 2), np.int64), np.empty(0)
    slopes = np.array(pattern.gate_slopes)
    sets.runs(pattern.arrays(), slopes, _float_knots(pattern), _lengths(pattern), counts, False, *[nothing] * 3)
    counts[~pattern.finite] = 0
    return counts


def _float_knots(pattern: Any) -> Floats:
    return np.array([float(x) for x in pattern.knots])


def number_of_distinct(pattern: Any, tolerance: float = 0.0, weighted: bool = False) -> int:
    """Number of different patterns in the batch: of linear pieces seen by the samples, IAT 4.2.2.

    Greedy: rows are taken in C order, and a row is counted unless its distance to an earlier *counted* row is at most
    ``tolerance``. So counted rows are more than ``tolerance`` apart from each other, and every row lies within
    ``tolerance`` of a counted one. For tolerance 0 that is the number of classes of equal patterns, whatever the
    order; otherwise it depends on the order. A pattern that a path comes back to counts once; the number of pieces
    *along* a path is ``1 + np.count_nonzero(steps(pattern) > tolerance)``. Equal patterns computed from different z
    differ by rounding: 1e-12 is a sensible least tolerance.

    Rows of nan do not count. The work grows with the square of the number of counted rows of similar measure.

    Args:
        weighted: as in :func:`distance`: whether patterns are compared as step functions instead of sets.

    Raises:
        ValueError: a tolerance that is not a number >= 0.
    """
    _check_tolerance(tolerance)
    rows = np.flatnonzero(pattern.finite)
    if not len(rows):
        return 0
    lengths, weights = _lengths(pattern), _weights(pattern, pattern, weighted)
    slopes = np.abs(pattern.gate_slopes) if weighted else _support(pattern)
    nothing = _empty(pattern)
    bounds = [sets.distances(pattern.arrays(), rows, nothing, np.zeros_like(rows), lengths, slopes[:, None] * 1.0)]
    for pivot in rows[:: -(-len(rows) // PIVOTS)]:
        bounds.append(_distances(pattern, rows, pattern, np.full_like(rows, pivot), weighted))
    most = int(np.diff(pattern.offsets).max())
    # each bound and each distance is a sum of so many products of up to 2 max(weights)
    rounding = 8 * np.finfo(float).eps * (2 * most + len(lengths) + 4) * 2 * max(slopes.max(), weights.max())
    window = tolerance + rounding
    spread = float(np.ptp(bounds[0]))
    buckets = min(max(int(spread / (1.001 * window)), 1), len(rows)) if window > 0 else 1
    return sets.count_clusters(
        pattern.arrays(), lengths, weights, rows, np.stack(bounds, axis=1), window, float(tolerance), buckets
    )


def _empty(pattern: Any) -> Any:
    """Arrays of one row of slope number 0 on the knots of a pattern."""
    whole, none = np.zeros((1, pattern.initial.shape[1]), np.int64), np.empty(0, np.int64)
    return whole, np.zeros(2, np.int64), none, np.empty(0), none, np.empty(0, np.bool_)


def steps(pattern: Any, axis: int = -1, weighted: bool = False) -> Floats:
    """Distances between neighbours along an axis of the batch: ``batch_shape`` with that axis shorter by one.

    nan where one of both rows is nan.

    Raises:
        ValueError: the batch has no such axis, or nothing lies along it.
    """
    shape = pattern.batch_shape
    if not -len(shape) <= axis < len(shape) or shape[axis] == 0:
        raise ValueError(f"axis must be one of the batch shape {shape} with entries along it, got {axis}")
    rows = np.moveaxis(np.arange(len(pattern)).reshape(shape), axis, -1)
    left, right = rows[..., :-1], rows[..., 1:]
    result = _distances(pattern, left.ravel(), pattern, right.ravel(), weighted)
    return np.moveaxis(result.reshape(left.shape), -1, axis)


def total_variation(pattern: Any, axis: int = -1, weighted: bool = False) -> Floats:
    """Sum of the distances between neighbours along an axis: how far the pattern moves along a path, IAT 4.2.

    For samples of a path it is a lower bound of the path's variation. On a grid of inputs, batch shape (n1, n2),
    ``axis=0`` gives the variation along the first axis for each entry of the second, shape (n2,), and so on.

    Returns:
        ``batch_shape`` without the axis; nan where a row along it is nan.

    Raises:
        ValueError: as :func:`steps`.
    """
    return steps(pattern, axis, weighted).sum(axis=axis)


# -- figures ---------------------------------------------------------------------------------------------------------


class Outline(NamedTuple):
    """All intervals of a batch as flat arrays, ascending row by row.

    Attributes:
        row: row number, in C order.
        low, high: ends.
        slope: the slope there, not zero.
    """

    row: Integers
    low: Floats
    high: Floats
    slope: Floats


def outline(pattern: Any) -> Outline:
    """The intervals of all rows, as matplotlib draws them: IAT figure 3.

    With x the inputs of the rows, ``row, low, high, slope = outline(pattern)`` gives for instance
    ``axes.vlines(x[row], low, high)`` or ``axes.bar(x[row], high - low, bottom=low, width=dx)``. Rows of nan have none.
    An interval may have ``low == high`` where it is too narrow for two floats.
    """
    counts, nothing = np.empty((len(pattern), 2), np.int64), np.empty(0)
    args = (pattern.arrays(), np.array(pattern.gate_slopes), _float_knots(pattern), _lengths(pattern), counts)
    sets.runs(*args, False, nothing, nothing, nothing)
    low, high, slope = np.empty((3, int(counts[:, 0].sum())))
    sets.runs(*args, True, low, high, slope)
    row = np.repeat(np.arange(len(pattern)), counts[:, 0])
    kept = (slope != 0) & pattern.finite[row]
    return Outline(row[kept], low[kept], high[kept], slope[kept])


def raster(pattern: Any, points: ArrayLike) -> Floats:
    """The slope ``a(f(s))`` at given points, for all rows: the picture of a pattern over its batch.

    Where the slope changes at a point itself the one to its right holds, at 1 the one to its left.

    Args:
        points: (n,) numbers in [-1, 1], in any order.

    Returns:
        shape ``(*batch_shape, n)``; nan for rows of nan.

    Raises:
        TypeError: points are not real.
        ValueError: points have not one dimension or leave [-1, 1].
    """
    values = np.asarray(points)
    if values.size and values.dtype.kind not in "iuf":
        raise TypeError(f"points must be real numbers, got dtype {values.dtype}")
    s = values.astype(np.float64)
    if s.ndim != 1 or not np.all(np.abs(s) <= 1):
        raise ValueError(f"points must be of shape (n,) and in [-1, 1], got shape {s.shape}, {_reach(s)}")
    order = np.argsort(s, kind="stable")
    piece, position = _locate(pattern.knots, s[order])
    out = np.empty((len(pattern), len(s)))
    sets.raster(pattern.arrays(), np.array(pattern.gate_slopes), piece, position, order, out)
    out[~pattern.finite] = np.nan
    return out.reshape(*pattern.batch_shape, len(s))


def _reach(s: Floats) -> str:
    return f"from {s.min()} to {s.max()}" if s.size else "empty"


def _locate(knots: Sequence[Fraction], s: Floats) -> tuple[Integers, Floats]:
    """Piece and signed position of ascending points; a knot belongs to the piece on its right, 1 to the last one."""
    high, low = np.array([_two_floats(x) for x in knots]).T
    k = np.minimum(np.searchsorted(high, s, side="right") - 1, len(knots) - 2)
    k -= (s - high[k]) - low[k] < 0
    left, right = (s - high[k]) - low[k], (high[k + 1] - s) + low[k + 1]
    width = np.array([float(w) for w in widths(knots)])[k]
    position = np.where(left <= right, np.minimum(left / width, 0.5), np.maximum(-right / width, -0.5))
    return k, np.where(s == 1, BEFORE_THE_END, position)
