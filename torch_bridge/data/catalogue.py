"""Which files a data set can be read from, and how."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import brain, cifar, idx, pictures, svhn
from .cache import cached
from .containers import Data, Images
from .errors import DataError
from .published import PUBLISHED

SYSTEM = Path("/usr/share/datasets")
"""Where Debian's packages of data sets put them."""

Files = Sequence[Path]


@dataclass(frozen=True)
class Layout:
    """One way to keep a data set.

    Attributes:
        title: for people.
        names: for each file or folder that is needed, relative to one of ``folders``, the patterns it may have.
        read: from the paths in this order to the data.
        folders: that they may lie in.
        all_files: every file behind the paths, for checksums and the cache; the paths themselves if None.
    """

    title: str
    names: tuple[tuple[str, ...], ...]
    read: Callable[[Files], Data]
    folders: tuple[str, ...] = ("",)
    all_files: Callable[[Files], list[Path]] | None = field(default=None, repr=False)

    def find(self, folder: Path) -> tuple[list[Path], list[str]]:
        """The paths that are there, and the names of those that are missing, where the fewest are."""
        results = [self._find(folder / inside) for inside in self.folders]
        return min(results, key=lambda result: len(result[1]))

    def _find(self, folder: Path) -> tuple[list[Path], list[str]]:
        found, missing = [], []
        for patterns in self.names:
            matches = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
            if matches:
                found.append(matches[0])
            else:
                missing.append(patterns[0])
        return found, missing

    def files(self, paths: Files) -> list[Path]:
        """Every file behind the paths."""
        return list(paths) if self.all_files is None else self.all_files(paths)


@dataclass(frozen=True)
class Place:
    """A data set that was found: its folder, layout and paths."""

    folder: Path
    layout: Layout
    paths: list[Path]


def _idx(classes: tuple[str, ...], name: str) -> Layout:
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return Layout(
        "IDX",
        tuple((f"{n}.gz", n, n.replace("-idx", ".idx"), f"{n.replace('-idx', '.idx')}.gz") for n in names),
        lambda paths: idx.read_idx_set(paths, classes, name),
        ("", "raw"),
    )


def _cifar(spec: cifar.Cifar, stem: str) -> tuple[Layout, ...]:
    def tar(names: tuple[str, ...], decode: Callable[..., cifar.Batch]) -> Callable[[Files], Images]:
        return lambda paths: cifar.read_tar(paths[0], names, spec, decode)

    def files(decode: Callable[..., cifar.Batch]) -> Callable[[Files], Images]:
        return partial(cifar.read_files, cifar=spec, decode=decode)

    batches = "batches-" if spec is cifar.CIFAR10 else ""
    binary = f"{stem}-batches-bin" if batches else f"{stem}-binary"
    python = f"{stem}-batches-py" if batches else f"{stem}-python"
    parts = tuple((f"{part}/{name}",) for part in pictures.PARTS for name in spec.classes)
    return (
        Layout("binary files", tuple((n,) for n in spec.binary), files(cifar.binary_batch), ("", binary)),
        Layout("binary archive", ((f"{stem}-binary.tar.gz",),), tar(spec.binary, cifar.binary_batch)),
        Layout("Python files", tuple((n,) for n in spec.python), files(cifar.python_batch), (python,)),
        Layout("Python archive", ((f"{stem}-python.tar.gz",),), tar(spec.python, cifar.python_batch)),
        Layout(
            "folder of pictures",
            parts,
            lambda paths: pictures.read_picture_folder(paths[0].parents[1], spec.classes, spec.name),
            all_files=lambda paths: pictures.picture_paths(paths[0].parents[1], spec.classes),
        ),
        Layout(
            "zip of a folder of pictures",
            # not cifar100.zip for cifar10
            (tuple(pattern for name in (spec.name, stem) for pattern in (f"{name}.zip", f"{name}[!0-9]*.zip")),),
            lambda paths: pictures.read_picture_zip(paths[0], spec.classes, spec.name),
        ),
    )


def _brain_files(paths: Files) -> list[Path]:
    return [file for _, image, mask in brain.slice_paths(paths[0]) for file in (image, mask)]


LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "mnist": (_idx(idx.DIGITS, "mnist"),),
    "fashion-mnist": (_idx(idx.FASHION, "fashion-mnist"),),
    "cifar10": _cifar(cifar.CIFAR10, "cifar-10"),
    "cifar100": _cifar(cifar.CIFAR100, "cifar-100"),
    "svhn": (Layout("MATLAB", (("train_32x32.mat",), ("test_32x32.mat",)), svhn.read_svhn),),
    "brain-mri": (
        Layout("folders of patients", (("kaggle_3m",),), lambda paths: brain.read_brain(paths[0]),
               ("", "lgg-mri-segmentation"), _brain_files),
    ),
}  # fmt: skip
"""Ways to keep each data set, in the order in which they are looked for."""

FOLDERS = {
    "mnist": ("mnist", "MNIST"),
    "fashion-mnist": ("fashion-mnist", "fashion_mnist", "FashionMNIST"),
    "cifar10": ("cifar10", "cifar-10", "CIFAR10"),
    "cifar100": ("cifar100", "cifar-100", "CIFAR100"),
    "svhn": ("svhn", "SVHN"),
    "brain-mri": ("brain-mri", "lgg-mri-segmentation"),
}
"""Folders of the data folder in which each is looked for; then in the data folder itself."""


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder given, else that of the environment variable ``MATACT_DATA``, else None."""
    chosen = folder or os.environ.get("MATACT_DATA")
    return Path(chosen) if chosen else None


def candidates(name: str, folder: Path | None) -> list[Path]:
    """Folders to look for a data set in, those that exist; without a data folder, the system's alone."""
    found = [root / inside for root in (folder, SYSTEM) if root is not None for inside in FOLDERS[name]]
    if folder is not None and _may_hold(folder, name):
        found.append(folder)
    return [path for path in found if path.is_dir()]


def _may_hold(folder: Path, name: str) -> bool:
    """Files of MNIST and Fashion-MNIST have the same names: the name of their folder tells them apart."""
    fashion = "fashion" in folder.name.lower()
    return {"mnist": not fashion, "fashion-mnist": fashion}.get(name, True)


def find(name: str, folder: str | os.PathLike[str] | None = None) -> Place | None:
    """Where a data set is, the first layout of which everything is there; None if there is none.

    Raises:
        ValueError: an unknown name.
    """
    if name not in LAYOUTS:
        raise ValueError(f"name must be one of {', '.join(LAYOUTS)}, got {name!r}")
    for place in candidates(name, data_folder(folder)):
        for layout in LAYOUTS[name]:
            paths, missing = layout.find(place)
            if not missing:
                return Place(place, layout, paths)
    return None


def load(name: str, folder: str | os.PathLike[str] | None = None, *, partial: bool = False, cache: bool = True) -> Data:
    """A data set, decoded into memory or mapped from the cache.

    Args:
        name: of :data:`LAYOUTS`.
        folder: that has it, or a folder of its own within; None takes that of ``MATACT_DATA``.
        partial: accept another number of images than is published. Of the brain MRI any patients are accepted.
        cache: use :func:`torch_bridge.data.cache.cached`.

    Returns:
        :class:`Images`, of the brain MRI :class:`Scans`.

    Raises:
        ValueError: an unknown name. DataError: it is not there, incomplete, damaged, or not what it should be.
    """
    place = find(name, folder)
    published = PUBLISHED[name]
    if place is None:
        where = data_folder(folder)
        looked = where if where is not None else "MATACT_DATA"
        state = "" if where is None or where.is_dir() else ", which is no folder"
        wanted = "; ".join(_wanted(layout) for layout in LAYOUTS[name])
        raise DataError(looked, f"{published.title} is not here{state}. Needed: {wanted}. From {published.where}")

    def read() -> Data:
        return place.layout.read(place.paths)

    data = cached(name, place.layout.title, place.layout.files(place.paths), read) if cache else read()
    if isinstance(data, Images) and not partial:
        for part, expected in (("train", published.train), ("test", published.test)):
            if len(getattr(data, part)) != expected:
                raise DataError(
                    place.folder,
                    f"has {len(getattr(data, part))} images to {part}, published are {expected}; "
                    "partial=True accepts it as it is",
                )
    return data


def _wanted(layout: Layout) -> str:
    names = [patterns[0] for patterns in layout.names]
    return ", ".join(names if len(names) <= 6 else [names[0], "...", names[-1]])
