"""Batches of activation patterns: rows taken out, put into another shape, joined.

These are methods of :class:`iatcore.ActivationPattern`, as functions of patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
P = TypeVar("P", bound=Any)
"""An ActivationPattern; the class lies above this module."""


def texts(knots: Sequence[Fraction]) -> list[str]:
    return [str(x) for x in knots]


def take(pattern: P, rows: Integers) -> P:
    """The pattern of some rows, numbered in C order; ``rows`` of any shape gives the batch shape."""
    flat = rows.ravel()
    counts = np.diff(pattern.offsets)[flat]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    which = np.repeat(pattern.offsets[flat] - offsets[:-1], counts) + np.arange(offsets[-1])
    return replace(
        pattern,
        initial=pattern.initial[flat],
        offsets=offsets,
        piece=pattern.piece[which],
        offset=pattern.offset[which],
        level=pattern.level[which],
        rising=pattern.rising[which],
        finite=pattern.finite[flat],
        unresolved=pattern.unresolved[flat],
        batch_shape=rows.shape,
    )


def select(pattern: P, key: Any) -> P:
    """``pattern[key]``: the part of the batch that numpy's indexing gives on an array of shape ``batch_shape``.

    Raises:
        IndexError: the key does not fit the batch shape.
    """
    try:
        rows = np.arange(len(pattern)).reshape(pattern.batch_shape)[key]
    except IndexError as error:
        raise IndexError(f"index {key!r} does not fit batch shape {pattern.batch_shape}: {error}") from None
    return take(pattern, np.asarray(rows))


def reshape(pattern: P, batch_shape: int | Sequence[int]) -> P:
    """The same rows with another batch shape; one entry may be -1.

    Raises:
        ValueError: the number of rows differs.
    """
    try:
        shape = np.empty(len(pattern), np.bool_).reshape(batch_shape).shape
    except ValueError:
        raise ValueError(f"batch_shape must hold {len(pattern)} rows, got {batch_shape}") from None
    return replace(pattern, batch_shape=shape)


def concatenate(patterns: Sequence[P], axis: int = 0) -> P:
    """Patterns joined along an axis of their batches.

    Raises:
        TypeError: what is given is no ActivationPattern.
        ValueError: no pattern is given, knots or slopes differ, or batch shapes do not fit.
    """
    if not len(patterns):
        raise ValueError("patterns must hold at least one pattern, got none")
    head = patterns[0]
    for i, other in enumerate(patterns):
        if not hasattr(other, "gate_slopes"):
            raise TypeError(f"patterns must be ActivationPatterns, got {type(other).__name__} at {i}")
        if other.knots != head.knots:
            raise ValueError(f"patterns must have the knots {texts(head.knots)}, got {texts(other.knots)} at {i}")
        if other.gate_slopes != head.gate_slopes:
            raise ValueError(f"patterns must have the slopes {head.gate_slopes}, got {other.gate_slopes} at {i}")
    starts = np.cumsum([0, *(len(p) for p in patterns)])
    try:
        rows = np.concatenate(
            [start + np.arange(len(p)).reshape(p.batch_shape) for start, p in zip(starts, patterns, strict=False)], axis
        )
    except ValueError:
        shapes = [p.batch_shape for p in patterns]
        raise ValueError(f"patterns must have batch shapes that join along axis {axis}, got {shapes}") from None
    return take(_stack(patterns), rows)


def _stack(patterns: Sequence[P]) -> P:
    names = ("initial", "piece", "offset", "level", "rising", "finite", "unresolved")
    joined = {name: np.concatenate([getattr(p, name) for p in patterns]) for name in names}
    counts = np.concatenate([np.diff(p.offsets) for p in patterns])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(patterns[0], offsets=offsets, batch_shape=(len(counts),), **joined)
