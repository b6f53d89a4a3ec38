"""Checks of user input; each error names the argument, what came and what was expected."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS = (np.float16, np.float32, np.float64)


def real_array(array: Any, name: str) -> NDArray[Any]:
    """An array of real numbers; TypeError for anything else, or a wider type than float64."""
    values = np.asarray(array)
    if values.dtype.kind not in "iuf" or values.dtype.itemsize > 8:
        raise TypeError(f"{name} must be real numbers of at most 64 bits, got dtype {values.dtype}")
    return values


class _Unlocked:
    """The memory of a read-only array, which is kept alive, as one that may be written."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        facts = array.__array_interface__
        self.__array_interface__ = {**facts, "data": (facts["data"][0], False)}


def for_kernels(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """A contiguous array of a dtype for compiled functions, which must not write to it.

    Without a copy where that is possible, also of a read-only array: numba has a type of its own for these, for which
    every kernel would be compiled again.
    """
    array = np.ascontiguousarray(values, dtype=dtype)
    return array if array.flags.writeable else np.asarray(_Unlocked(array))


def check_rows(array: Any, size: int, name: str) -> tuple[NDArray[Any], tuple[int, ...], np.dtype[Any]]:
    """Rows of a batch as a contiguous (B, size) array.

    Returns:
        the rows in float32 (if they came so) or float64, the leading shape, and the dtype for results: float16,
        float32 and float64 keep theirs, integers give float64.

    Raises:
        TypeError: not real numbers, or a wider type than float64.
        ValueError: the last dimension is not ``size``.
    """
    values = real_array(array, name)
    if values.ndim == 0 or values.shape[-1] != size:
        raise ValueError(f"{name} must have last dimension {size}, got shape {values.shape}")
    result = values.dtype if values.dtype.type in FLOATS else np.dtype(np.float64)
    compute = np.float32 if result == np.float32 else np.float64
    return for_kernels(values.reshape(-1, size), compute), values.shape[:-1], result


def check_pair(
    first: Any, size: int, name: str, second: Any, other_size: int, other_name: str
) -> tuple[NDArray[Any], NDArray[Any], tuple[int, ...], np.dtype[Any]]:
    """Two batches broadcast to one leading shape, with the wider of both dtypes.

    Raises:
        TypeError, ValueError: as :func:`check_rows`, or leading shapes that do not broadcast.
    """
    a, shape, result = check_rows(first, size, name)
    b, other_shape, other_result = check_rows(second, other_size, other_name)
    if shape != other_shape:
        try:
            common = np.broadcast_shapes(shape, other_shape)
        except ValueError:
            raise ValueError(
                f"leading shapes of {name} and {other_name} must broadcast, got {shape} and {other_shape}"
            ) from None
        a = for_kernels(np.broadcast_to(a.reshape(*shape, size), (*common, size)).reshape(-1, size), a.dtype)
        b = np.broadcast_to(b.reshape(*other_shape, other_size), (*common, other_size)).reshape(-1, other_size)
        b, shape = for_kernels(b, b.dtype), common
    compute = np.promote_types(a.dtype, b.dtype)
    return a.astype(compute, copy=False), b.astype(compute, copy=False), shape, np.promote_types(result, other_result)


def check_size(value: Any, name: str) -> int:
    """``value`` as an int >= 1.

    Raises:
        TypeError: not an integer.
        ValueError: below 1.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer >= 1, got {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {number}")
    return number


def nan_rows(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows (B, d) in float64, entirely nan where an entry is not finite."""
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.nan).astype(np.float64)
