"""Numeric arrays in MATLAB files of version 5.

``scipy.io.loadmat`` reads them too, but a damaged file can end the process in its compiled code.
Format: MathWorks, MAT-File Format (R2019b), chapter 1.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from .errors import DataError, reading
from .files import CHUNK, DEFLATE_RATIO, MAX_BYTES, Readable, read_exactly

HEADER = 128
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored numbers by the code in their tag."""
NUMERIC_CLASSES = range(6, 16)
"""double, single and integers; others are cells, structs, objects, characters and sparse matrices."""
COMPLEX = 0x0800
MAX_DIMENSIONS = 32
MAX_NAME = 63


def read_mat5(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """The real numeric arrays of some names; other variables are skipped.

    Arrays have the type that their numbers are stored in, which may be smaller than that of the variable.

    Raises:
        DataError: no MATLAB file of version 5, sizes that its bytes do not bear out, a damaged compressed variable, a
            name that is missing or there twice, an array that is not real and numeric.
    """
    found: dict[str, np.ndarray] = {}
    with reading(path), path.open("rb") as stream:
        header = stream.read(HEADER)
        if len(header) < HEADER or header[124:128] not in (b"\x00\x01IM", b"\x01\x00MI") or 0 in header[:4]:
            raise DataError(path, "is no MATLAB file of version 5")
        order = "<" if header[126:128] == b"IM" else ">"
        left = path.stat().st_size - HEADER
        for kind, size, element in _elements(stream, left, order, path):
            if kind == MATRIX:
                variable = _Variable(element, size, order, path)
                _keep(variable, names, found, path)
            elif kind == COMPRESSED:
                inflated = _Inflated(element, path)
                inner, inner_size = _tag(inflated, order, path)
                if inner != MATRIX or inner_size > min(DEFLATE_RATIO * size, MAX_BYTES):
                    raise DataError(path, f"has a compressed element of type {inner} and {inner_size} bytes")
                variable = _Variable(inflated, inner_size, order, path)
                if _keep(variable, names, found, path):
                    inflated.finish()
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(path, f"lacks the variables {', '.join(missing)}: truncated or another file")
    return found


def _keep(variable: _Variable, names: Collection[str], found: dict[str, np.ndarray], path: Path) -> bool:
    if variable.name not in names:
        return False
    if variable.name in found:
        raise DataError(path, f"has {variable.name} twice")
    found[variable.name] = variable.values()
    return True


def _elements(stream: Readable, left: int, order: str, path: Path) -> Iterator[tuple[int, int, Readable]]:
    """Type, size and stream of every element of the file; what is not read of one is skipped."""
    while left > 0:
        kind, size = _tag(stream, order, path)
        left -= 8 + size
        if left < 0:
            raise DataError(path, f"is truncated: an element of {size} bytes has {left + size} only")
        element = _Part(stream, size)
        yield kind, size, element
        while element.read(CHUNK):
            pass


def _tag(stream: Readable, order: str, path: Path) -> tuple[int, int]:
    kind, size = np.frombuffer(read_exactly(stream, 8, path), dtype=f"{order}u4").tolist()
    return kind, size


class _Variable:
    """A matrix element: flags, dimensions, name, then numbers, each an element within it."""

    def __init__(self, stream: Readable, size: int, order: str, path: Path) -> None:
        self.stream, self.left, self.order, self.path = stream, size, order, path
        flags = np.frombuffer(self._numbers(6, 8), dtype=f"{order}u4")
        self.kind = int(flags[0])
        self.shape = np.frombuffer(self._numbers(5, 4 * MAX_DIMENSIONS), dtype=f"{order}i4").tolist()
        self.name = bytes(self._numbers(1, MAX_NAME)).decode("ascii")

    def values(self) -> np.ndarray:
        if (self.kind & 0xFF) not in NUMERIC_CLASSES or self.kind & COMPLEX or min(self.shape, default=0) < 1:
            raise DataError(self.path, f"must have real numbers as {self.name}, of a shape without zeros")
        code, size, inline = self._sub_tag()
        if code not in NUMBERS or math.prod(self.shape) * np.dtype(NUMBERS[code]).itemsize != size:
            raise DataError(self.path, f"says that {self.name} of shape {tuple(self.shape)} has {size} bytes")
        data = self._take(size) if inline is None else inline[:size]
        return np.frombuffer(data, dtype=self.order + NUMBERS[code]).reshape(self.shape, order="F")

    def _numbers(self, expected: int, most: int) -> bytearray:
        """The bytes of a small element of one type, without its padding."""
        code, size, inline = self._sub_tag()
        if code != expected or size > most or (code != 1 and size % 4):
            raise DataError(self.path, f"has an element of type {code} and {size} bytes, type {expected} is expected")
        if inline is not None:
            return inline[:size]
        data = self._take(size)
        self._take(-size % 8)
        return data

    def _sub_tag(self) -> tuple[int, int, bytearray | None]:
        """Type and size, and the bytes themselves where there are four at most."""
        first = self._take(4)
        word = int(np.frombuffer(first, dtype=f"{self.order}u4")[0])
        if word >> 16:
            if word >> 16 > 4:
                raise DataError(self.path, f"has a small element of {word >> 16} bytes")
            return word & 0xFFFF, word >> 16, self._take(4)
        return word, int(np.frombuffer(self._take(4), dtype=f"{self.order}u4")[0]), None

    def _take(self, size: int) -> bytearray:
        if size > self.left:
            raise DataError(self.path, f"is truncated: a variable of {self.left} bytes more claims {size}")
        self.left -= size
        return read_exactly(self.stream, size, self.path)


class _Part:
    """The next bytes of a stream, so many at most."""

    def __init__(self, stream: Readable, size: int) -> None:
        self.stream, self.left = stream, size

    def read(self, size: int, /) -> bytes:
        piece = self.stream.read(min(size, self.left, CHUNK))
        self.left -= len(piece)
        return piece


class _Inflated:
    """A zlib stream decompressed as it is read, a piece at most at a time."""

    def __init__(self, stream: Readable, path: Path) -> None:
        self.stream, self.path, self.decompressor = stream, path, zlib.decompressobj()

    def read(self, size: int = CHUNK, /) -> bytes:
        while not self.decompressor.eof:
            source = self.decompressor.unconsumed_tail or self.stream.read(CHUNK)
            piece = self.decompressor.decompress(source, max(1, min(size, CHUNK)))
            if piece:
                return piece
            if not source:
                raise DataError(self.path, "is truncated in a compressed variable")
        return b""

    def finish(self) -> None:
        """Go to the end, where the checksum is; only padding may be left."""
        rest = self.read(CHUNK)
        if len(rest) > 8 or self.read(1):
            raise DataError(self.path, f"goes on after a compressed variable, by {len(rest)} bytes or more")
