"""What data are there, what is missing, and where it is published."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder
from .catalogue import LAYOUTS, candidates, data_folder, find
from .errors import DataError, reading
from .files import CHUNK
from .published import PUBLISHED

SEVERAL = 12
"""More files than that are shown as one line with one checksum."""


@dataclass(frozen=True)
class FileRow:
    """A file that is there, or a folder with many.

    Attributes:
        name: relative to the folder of the data set.
        count: number of files.
        size: bytes.
        sha256: of the file; of a folder, that of the text ``sha256sum`` would print for its files, sorted by name and
            relative to it. None if checksums were not asked for.
        published: of the file of that name as it is published, None if unknown.
    """

    name: str
    count: int
    size: int
    sha256: str | None
    published: str | None

    @property
    def verdict(self) -> str:
        """``"as published"``, ``"differs from the published file"`` or an empty string if one checksum is unknown."""
        if self.sha256 is None or self.published is None:
            return ""
        return "as published" if self.sha256 == self.published else "differs from the published file"


@dataclass(frozen=True)
class Row:
    """A data set.

    Attributes:
        name, title: short and for people.
        folder, layout: where it was found and how it is kept; None if it was not.
        files: that it is made of.
        missing: names of files of a layout that is there in part.
        problem: why it cannot be used though it was found, or an empty string.
        where, terms: address and terms of its publication.
    """

    name: str
    title: str
    folder: Path | None
    layout: str | None
    files: tuple[FileRow, ...]
    missing: tuple[str, ...]
    problem: str
    where: str
    terms: str


def status(folder: str | os.PathLike[str] | None = None, checksums: bool = True) -> list[Row]:
    """One row for every data set that the package reads.

    Args:
        folder: as in :func:`torch_bridge.data.load`.
        checksums: compute SHA-256 of all files that are there; a second or two for 500 MB.
    """
    return [_row(name, folder, checksums) for name in LAYOUTS]


def describe(rows: Sequence[Row], folder: str | os.PathLike[str] | None = None) -> str:
    """The rows of :func:`status` as text for people.

    Args:
        rows: to describe.
        folder: that was passed to :func:`status`.
    """
    chosen = data_folder(folder)
    lines = [
        f"data folder: {chosen if chosen is not None else 'none; pass --data DIR or set MATACT_DATA'}",
        f"cache: {cache_folder()} ($MATACT_CACHE)",
    ]
    for row in rows:
        lines += ["", f"{row.name}: {row.title}", *(f"  {line}" for line in _lines(row))]
    return "\n".join(lines)


def _lines(row: Row) -> list[str]:
    published = f"published: {row.where}"
    if row.folder is None:
        return ["missing", published, f"terms: {row.terms}"]
    if row.missing:
        return [f"incomplete in {row.folder}: {', '.join(row.missing)} missing", published, f"terms: {row.terms}"]
    lines = [f"here: {row.folder} ({row.layout})"]
    for file in row.files:
        files = f", {file.count} files" if file.count > 1 else ""
        lines.append(f"{file.name}: {_bytes(file.size)}{files}{', ' + file.verdict if file.verdict else ''}")
        if file.sha256 is not None:
            lines.append(f"  sha256 {file.sha256}")
        if file.published is not None and file.published != file.sha256:
            lines.append(f"  published as {file.published}")
    if row.problem:
        lines.append(f"cannot be used: {row.problem}")
    return [*lines, published, f"terms: {row.terms}"]


def _row(name: str, folder: str | os.PathLike[str] | None, checksums: bool) -> Row:
    published = PUBLISHED[name]
    place = find(name, folder)
    if place is None:
        where, missing = _incomplete(name, data_folder(folder))
        return Row(name, published.title, where, None, (), missing, "", published.where, published.terms)
    files: tuple[FileRow, ...] = ()
    problem = ""
    try:
        paths = place.layout.files(place.paths)
        if len(paths) > SEVERAL:
            files = (_many(place.folder, paths, checksums),)
        else:
            files = tuple(_one(place.folder, path, published.sha256, checksums) for path in paths)
    except DataError as error:
        problem = str(error)
    return Row(
        name, published.title, place.folder, place.layout.title, files, (), problem, published.where, published.terms
    )


def _incomplete(name: str, folder: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    """The folder and layout of which something but not all is there."""
    for place in candidates(name, folder):
        for layout in LAYOUTS[name]:
            paths, missing = layout.find(place)
            if paths:
                return place, tuple(missing)
    return None, ()


def _one(folder: Path, path: Path, published: dict[str, str], checksums: bool) -> FileRow:
    with reading(path):
        size = path.stat().st_size
    digest = sha256(path) if checksums else None
    return FileRow(str(path.relative_to(folder)), 1, size, digest, published.get(path.name))


def _many(folder: Path, paths: Sequence[Path], checksums: bool) -> FileRow:
    common = Path(os.path.commonpath(paths))
    with reading(common):
        size = sum(path.stat().st_size for path in paths)
    digest = None
    if checksums:
        names = sorted((path.relative_to(common).as_posix(), path) for path in paths)
        text = "".join(f"{sha256(path)}  {name}\n" for name, path in names)
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return FileRow(str(common.relative_to(folder)), len(paths), size, digest, None)


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal digits.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    with reading(path), path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} bytes"
