"""CIFAR-10 and CIFAR-100 in their binary and Python versions, as files or in the published archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from .containers import Images
from .errors import DataError
from .files import read_file, tar_members
from .pickles import load_pickle

PIXELS = 3 * 32 * 32
File = str | os.PathLike[str]
Batch = tuple[Tensor, Tensor]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm"""
CIFAR100_CLASSES = tuple(_FINE.split())


@dataclass(frozen=True)
class Cifar:
    """How one of the two is laid out.

    Attributes:
        name: of the data set.
        classes: names of the classes by label; for CIFAR-100 the fine ones.
        binary, python: file names, the last one for testing.
        label_bytes: bytes before the pixels of a binary record, the label last.
        label_key: of the labels in a Python batch.
    """

    name: str
    classes: tuple[str, ...]
    binary: tuple[str, ...]
    python: tuple[str, ...]
    label_bytes: int
    label_key: bytes


CIFAR10 = Cifar(
    "cifar10",
    CIFAR10_CLASSES,
    (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
    (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
    1,
    b"labels",
)
CIFAR100 = Cifar("cifar100", CIFAR100_CLASSES, ("train.bin", "test.bin"), ("train", "test"), 2, b"fine_labels")


def binary_batch(data: bytes, cifar: Cifar, file: File) -> Batch:
    """Images ``(n, 3, 32, 32)`` and labels of one binary file: records of the label bytes and 3072 pixels.

    Raises:
        DataError: no whole number of records, none at all, or a label out of range.
    """
    record = cifar.label_bytes + PIXELS
    if not data or len(data) % record:
        raise DataError(file, f"must be records of {record} bytes, got {len(data)} bytes: truncated or another format")
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, record)
    return _batch(rows[:, cifar.label_bytes :], rows[:, cifar.label_bytes - 1].astype(np.int64), cifar, file)


def python_batch(data: bytes, cifar: Cifar, file: File) -> Batch:
    """Images ``(n, 3, 32, 32)`` and labels of one pickled batch, read by :func:`load_pickle`.

    Raises:
        DataError: a pickle of anything else, other shapes, or a label out of range.
    """
    batch = load_pickle(data, file)
    if not isinstance(batch, dict):
        raise DataError(file, f"must be a pickled dict, got {type(batch).__name__}")
    fields = {key.encode() if isinstance(key, str) else key: value for key, value in batch.items()}
    pixels, labels = fields.get(b"data"), fields.get(cifar.label_key)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise DataError(file, "must have a two-dimensional array of bytes as its data")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise DataError(file, f"must have a list of small integers as its {cifar.label_key.decode()}")
    if pixels.shape != (len(labels), PIXELS) or not labels:
        raise DataError(file, f"must have {PIXELS} pixels a label, got {pixels.shape} for {len(labels)} labels")
    return _batch(pixels, np.array(labels, dtype=np.int64), cifar, file)


def read_files(paths: Sequence[Path], cifar: Cifar, decode: Callable[[bytes, Cifar, File], Batch]) -> Images:
    """All batches, the last one for testing; ``decode`` is :func:`binary_batch` or :func:`python_batch`.

    Raises:
        DataError: see ``decode``.
    """
    return _join([decode(read_file(path), cifar, path) for path in paths], cifar)


def read_tar(path: Path, names: Iterable[str], cifar: Cifar, decode: Callable[[bytes, Cifar, File], Batch]) -> Images:
    """The same from a tar archive, gzipped or not, in which files are found by their last names.

    Raises:
        DataError: see ``decode`` and :func:`torch_bridge.data.files.tar_members`; a file missing or there twice.
    """
    names = tuple(names)
    batches: dict[str, Batch] = {}
    for member, data in tar_members(path, lambda member: PurePosixPath(member).name in names):
        name = PurePosixPath(member).name
        if name in batches:
            raise DataError(path, f"has two files {name}")
        batches[name] = decode(data, cifar, f"{path}: {member}")
    missing = [name for name in names if name not in batches]
    if missing:
        raise DataError(path, f"lacks {', '.join(missing)}")
    return _join([batches[name] for name in names], cifar)


def _batch(pixels: np.ndarray, labels: np.ndarray, cifar: Cifar, file: File) -> Batch:
    if int(labels.max()) >= len(cifar.classes):
        raise DataError(file, f"has label {int(labels.max())}, {cifar.name} has {len(cifar.classes)} classes")
    images = np.array(pixels, dtype=np.uint8, order="C").reshape(-1, 3, 32, 32)
    return torch.from_numpy(images), torch.from_numpy(labels)


def _join(batches: Sequence[Batch], cifar: Cifar) -> Images:
    images, labels = zip(*batches, strict=True)
    return Images(torch.cat(images[:-1]), torch.cat(labels[:-1]), images[-1], labels[-1], cifar.classes, cifar.name)
