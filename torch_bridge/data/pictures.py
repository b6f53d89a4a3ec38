"""Encoded pictures (JPEG, PNG, TIFF), and folders or zip archives of them, one folder a class."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .containers import Images
from .errors import DataError, reading
from .files import read_file, zip_members

SUFFIXES = (".jpg", ".jpeg", ".png")
FORMATS = ("JPEG", "PNG")
PARTS = ("train", "test")


def decode(data: bytes, mode: str, size: tuple[int, int], formats: Sequence[str], file: str | os.PathLike[str]) -> Any:
    """The pixels of a picture as an uint8 array of shape ``(height, width)`` or ``(height, width, 3)``.

    Args:
        data: the encoded picture.
        mode: ``"L"`` or ``"RGB"``, which it must have.
        size: width and height that it must have; checked before pixels are decoded.
        formats: names of formats in Pillow.
        file: named in errors.

    Raises:
        DataError: it is none of that, truncated or corrupt.
    """
    from PIL import Image

    with reading(file), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Pillow warns of metadata that end too early
        with Image.open(io.BytesIO(data), formats=list(formats)) as picture:
            if picture.size != size or picture.mode != mode:
                raise DataError(
                    file,
                    f"must be {size[0]} x {size[1]} {mode}, got {picture.size[0]} x {picture.size[1]} {picture.mode}",
                )
            return np.array(picture)


def picture_paths(folder: Path, classes: Sequence[str]) -> list[Path]:
    """All pictures ``train/<class>/*`` and ``test/<class>/*``, sorted.

    Raises:
        DataError: a folder that cannot be listed.
    """
    found: list[Path] = []
    for part in PARTS:
        for name in classes:
            with reading(folder / part / name), os.scandir(folder / part / name) as entries:
                found += sorted(Path(entry.path) for entry in entries if _is_picture(entry.name))
    return found


def read_picture_folder(folder: Path, classes: tuple[str, ...], name: str, side: int = 32) -> Images:
    """Colour pictures in folders ``train/<class>`` and ``test/<class>``, ordered by class and file name.

    Raises:
        DataError: see :func:`decode`; a part without pictures.
    """
    pictures = ((path.as_posix(), str(path), read_file(path)) for path in picture_paths(folder, classes))
    return _collect(pictures, folder, classes, name, side)


def read_picture_zip(path: Path, classes: tuple[str, ...], name: str, side: int = 32) -> Images:
    """The same from a zip archive, by name: members that end with ``train/<class>/<file>`` and ``test/<class>/<file>``.

    Raises:
        DataError: see :func:`decode` and :func:`torch_bridge.data.files.zip_members`; a class without a name in
            ``classes``; a part without pictures.
    """
    pictures = ((member, f"{path}: {member}", data) for member, data in zip_members(path, _is_sample))
    return _collect(pictures, path, classes, name, side)


def _collect(
    pictures: Iterable[tuple[str, str, bytes]], source: Path, classes: tuple[str, ...], name: str, side: int
) -> Images:
    label_of = {label: number for number, label in enumerate(classes)}
    pixels: dict[str, list[Any]] = {part: [] for part in PARTS}
    labels: dict[str, list[int]] = {part: [] for part in PARTS}
    for member, where, data in pictures:
        part, label = PurePosixPath(member).parts[-3:-1]
        if label not in label_of:
            raise DataError(where, f"is of class {label!r}, which {name} does not have")
        pixels[part].append(decode(data, "RGB", (side, side), FORMATS, where))
        labels[part].append(label_of[label])
    tensors: list[Tensor] = []
    for part in PARTS:
        if not pixels[part]:
            raise DataError(source, f"has no pictures {part}/<class>/*{SUFFIXES[0]} or {SUFFIXES[2]}")
        stacked = np.ascontiguousarray(np.stack(pixels[part]).transpose(0, 3, 1, 2))
        tensors += [torch.from_numpy(stacked), torch.tensor(labels[part], dtype=torch.int64)]
    return Images(*tensors, classes=classes, name=name)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _is_sample(member: str) -> bool:
    parts = PurePosixPath(member).parts
    return len(parts) >= 3 and parts[-3] in PARTS and _is_picture(parts[-1])
