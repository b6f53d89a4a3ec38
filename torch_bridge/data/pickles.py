"""Pickles of numpy arrays and plain values, and of nothing else."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from .errors import DataError, reading

_NEEDED = """
PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
BYTEARRAY8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD"""
OPCODES = frozenset(_NEEDED.split())
MAX_TUPLES = 1000
"""Tuples nest at most so deep; hashing one recurses in C."""


def load_pickle(data: bytes, file: str | os.PathLike[str]) -> Any:
    """The value of a pickle made of dicts, lists, tuples, numbers, strings, bytes and numeric numpy arrays.

    Nothing that the pickle names is imported or called: arrays are put together here from their shape, dtype and
    bytes. Strings of Python 2 come as bytes. Arrays are found in the values of a dict at the top, or as the whole.

    Raises:
        DataError: anything else, damage, or a size that the bytes do not bear out.
    """
    with reading(file):
        _scan(data, file)
        value = _Unpickler(data, file).load()
        if isinstance(value, dict):
            return {key: getattr(item, "array", item) for key, item in value.items()}
        return getattr(value, "array", value)


def _scan(data: bytes, file: str | os.PathLike[str]) -> None:
    """Refuse opcodes that are not needed, and those that make the unpickler allocate by a number alone."""
    tuples = 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in OPCODES:
            raise DataError(file, f"is a pickle with {opcode.name}: only numpy arrays and plain values are read")
        if opcode.name in ("PUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= count:
            raise DataError(file, f"is a damaged pickle: memo {argument} after {count} steps")
        tuples += opcode.name.startswith("TUPLE")
    if tuples > MAX_TUPLES:
        raise DataError(file, f"is a pickle with more than {MAX_TUPLES} tuples")


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, file: str | os.PathLike[str]) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self.file, self.allowed = file, _stand_ins()

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in self.allowed:
            raise DataError(self.file, f"is a pickle that asks for {module}.{name}: only numpy arrays are read")
        return self.allowed[module, name]


def _stand_ins() -> dict[tuple[str, str], Any]:
    """What the names in a pickle of arrays stand for here; new for each pickle, which can change them."""

    class DType:
        def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
            self.code = code.decode("ascii") if isinstance(code, bytes) else str(code)
            self.order = "|"
            if not re.fullmatch("[biuf][1248]", self.code):
                raise ValueError(f"arrays must be numeric, got dtype {self.code!r}")

        def __setstate__(self, state: Any) -> None:
            order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
            if order not in ("|", "<", ">", "="):
                raise ValueError(f"unknown byte order {order!r}")
            self.order = order

    class Array:
        array: Any = None

        def __setstate__(self, state: Any) -> None:
            _, shape, dtype, fortran, values = state
            self.fill(values, dtype, shape, "F" if fortran else "C")

        def fill(self, values: Any, dtype: Any, shape: Any, order: Any) -> None:
            if not (isinstance(dtype, DType) and isinstance(values, (bytes, bytearray)) and isinstance(shape, tuple)):
                raise ValueError("an array must be made of a shape, a dtype and bytes")
            flat = np.frombuffer(values, dtype=np.dtype(dtype.order + dtype.code))
            self.array = flat.reshape([int(n) for n in shape], order="F" if order == "F" else "C")

    def reconstruct(kind: Any, shape: Any, code: Any) -> Array:
        if kind is not Array:
            raise ValueError("_reconstruct makes arrays alone")
        return Array()

    def from_buffer(values: Any, dtype: Any, shape: Any, order: Any) -> Array:
        result = Array()
        result.fill(values, dtype, shape, order)
        return result

    def encode(text: Any, codec: Any = "latin1") -> bytes:
        if not isinstance(text, str) or codec not in ("latin1", b"latin1"):
            raise ValueError(f"strings are encoded as latin1 alone, got {codec!r}")
        return text.encode("latin1")

    def no_bytes() -> bytes:
        return b""

    allowed: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): DType,
        ("_codecs", "encode"): encode,
        ("builtins", "bytes"): no_bytes,
        ("__builtin__", "bytes"): no_bytes,
    }
    for core in ("numpy.core", "numpy._core"):
        allowed[f"{core}.multiarray", "_reconstruct"] = reconstruct
        allowed[f"{core}.numeric", "_frombuffer"] = from_buffer
    return allowed
