"""The IDX format of MNIST and Fashion-MNIST."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .containers import Images
from .errors import DataError, reading
from .files import open_gz, read_exactly

IMAGES, LABELS = 0x00000803, 0x00000801
"""First four bytes, big-endian: 0, 0, 8 for unsigned bytes, number of dimensions."""
_KINDS = {IMAGES: "images", LABELS: "labels"}
_DIMENSIONS = {IMAGES: 3, LABELS: 1}

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def read_idx(path: Path, magic: int) -> Tensor:
    """One IDX file of unsigned bytes, gzipped or not.

    Args:
        path: the file.
        magic: :data:`IMAGES` or :data:`LABELS`.

    Returns:
        uint8 of shape ``(n, height, width)`` or ``(n,)``.

    Raises:
        DataError: a wrong magic number, a header whose sizes are not those of the bytes that follow, bad compression.
    """
    with reading(path):
        stream, available = open_gz(path)
        with stream:
            found = int.from_bytes(read_exactly(stream, 4, path), "big")
            if found != magic:
                what = f"holds {_KINDS[found]}" if found in _KINDS else f"has magic number 0x{found:08x}"
                raise DataError(path, f"{what}; {_KINDS[magic]} are expected, magic number 0x{magic:08x}")
            shape = [int.from_bytes(read_exactly(stream, 4, path), "big") for _ in range(_DIMENSIONS[magic])]
            size = math.prod(shape)
            if size == 0 or size > available:
                raise DataError(path, f"is no data: its header says {shape}, it can hold {available} bytes at most")
            values = read_exactly(stream, size, path)
            if stream.read(1):
                raise DataError(path, f"goes on after the {size} bytes that its header says")
    return torch.from_numpy(np.frombuffer(values, dtype=np.uint8)).view(shape)


def read_idx_set(paths: Sequence[Path], classes: tuple[str, ...], name: str) -> Images:
    """Training images and labels, test images and labels, in this order, to images of shape ``(n, 1, 28, 28)``.

    Raises:
        DataError: see :func:`read_idx`; another size than 28, numbers that differ, labels out of range.
    """
    parts: list[Tensor] = []
    for image_path, label_path in (paths[:2], paths[2:]):
        images, labels = read_idx(image_path, IMAGES), read_idx(label_path, LABELS)
        if images.shape[1:] != (28, 28):
            raise DataError(image_path, f"must hold images of 28 x 28, got {tuple(images.shape[1:])}")
        if len(images) != len(labels):
            raise DataError(label_path, f"has {len(labels)} labels for {len(images)} images")
        if int(labels.max()) >= len(classes):
            raise DataError(label_path, f"has label {int(labels.max())}, there are {len(classes)} classes")
        parts += [images[:, None], labels.long()]
    return Images(*parts, classes=classes, name=name)
