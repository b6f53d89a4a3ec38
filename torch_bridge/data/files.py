"""Files and archives read into memory, within limits, and never unpacked to disk."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from .errors import DataError, reading

CHUNK = 1 << 20
MAX_BYTES = 1 << 31
"""A file, and all members of an archive together, decode to at most so many bytes (all of CIFAR to 1.8e8)."""
MAX_MEMBER = 1 << 28
MAX_MEMBERS = 1_000_000
DEFLATE_RATIO = 1032
"""Deflate makes at most so many bytes of one."""
GZIP_MAGIC = b"\x1f\x8b"


class Readable(Protocol):
    """Anything that gives bytes."""

    def read(self, size: int, /) -> bytes: ...


def read_exactly(stream: Readable, size: int, file: str | os.PathLike[str]) -> bytearray:
    """So many bytes, taken in pieces, so that memory grows with what is there and not with what is asked for.

    Raises:
        DataError: there are fewer.
    """
    found = bytearray()
    while len(found) < size:
        piece = stream.read(min(CHUNK, size - len(found)))
        if not piece:
            raise DataError(file, f"is truncated: {size} bytes expected here, {len(found)} found")
        found += piece
    return found


def read_all(stream: Readable, limit: int, file: str | os.PathLike[str]) -> bytes:
    """All bytes of a stream.

    Raises:
        DataError: there are more than ``limit``.
    """
    found = bytearray()
    while piece := stream.read(CHUNK):
        found += piece
        if len(found) > limit:
            raise DataError(file, f"is larger than {limit} bytes")
    return bytes(found)


def read_file(path: Path, limit: int = MAX_MEMBER) -> bytes:
    """A whole file.

    Raises:
        DataError: it cannot be read, or is larger than ``limit``.
    """
    with reading(path), path.open("rb") as stream:
        return read_all(stream, limit, path)


def open_gz(path: Path) -> tuple[io.BufferedIOBase, int]:
    """An open file, decompressed if its first bytes say gzip, and how many bytes it can hold at most."""
    with path.open("rb") as stream:
        compressed = stream.read(2) == GZIP_MAGIC
    size = path.stat().st_size
    if compressed:
        return gzip.open(path, "rb"), min(DEFLATE_RATIO * size, MAX_BYTES)
    return path.open("rb"), min(size, MAX_BYTES)


def tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted files of a tar archive, gzipped or not, in its order.

    Raises:
        DataError: the archive is damaged or too large; any member, wanted or not, lies outside it (``..``, an absolute
            name), or is a link or a device.
    """
    with reading(path):
        stream, limit = open_gz(path)
        limited = _Limited(stream, limit, path)
        with stream, tarfile.open(fileobj=limited, mode="r|") as archive:  # type: ignore[arg-type]
            for number, member in enumerate(archive):
                where = f"{path}: {member.name}"
                _check_name(member.name, where)
                if number >= MAX_MEMBERS or member.size < 0:
                    raise DataError(path, "is no archive of images: too many members, or one of negative size")
                if not (member.isdir() or (member.isreg() and not member.issparse())):
                    raise DataError(where, "is a link or a device, which is refused")
                if member.isreg() and wanted(member.name):
                    source = archive.extractfile(member)
                    if source is not None:
                        _check_size(member.size, where)
                        yield member.name, bytes(read_exactly(source, member.size, where))
            limited.drain()


def zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted files of a zip archive, sorted by name.

    Raises:
        DataError: as :func:`tar_members`.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            where = f"{path}: {member.filename}"
            _check_name(member.filename, where)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(where, "is a link, which is refused")
        chosen = sorted((m for m in members if not m.is_dir() and wanted(m.filename)), key=lambda m: m.filename)
        if len(members) > MAX_MEMBERS or sum(m.file_size for m in chosen) > MAX_BYTES:
            raise DataError(path, f"has more than {MAX_MEMBERS} members or {MAX_BYTES} bytes")
        for member in chosen:
            where = f"{path}: {member.filename}"
            _check_size(member.file_size, where)
            with reading(where), archive.open(member) as stream:
                yield member.filename, read_all(stream, member.file_size, where)


class _Limited:
    """A stream that raises once more than ``limit`` bytes were taken."""

    def __init__(self, stream: Readable, limit: int, path: Path) -> None:
        self.stream, self.left, self.path, self.limit = stream, limit, path, limit

    def read(self, size: int) -> bytes:
        piece = self.stream.read(min(size, CHUNK))
        self.left -= len(piece)
        if self.left < 0:
            raise DataError(self.path, f"decompresses to more than {self.limit} bytes")
        return piece

    def drain(self) -> None:
        """Take the rest, at the end of which gzip has its checksum."""
        while self.read(CHUNK):
            pass


def _check_name(name: str, where: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (len(name) > 1 and name[1] == ":"):
        raise DataError(where, "points outside the archive, which is refused")


def _check_size(size: int, where: str) -> None:
    if size > MAX_MEMBER:
        raise DataError(where, f"is larger than {MAX_MEMBER} bytes")
