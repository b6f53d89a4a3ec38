"""Files that are either whole or absent, and what is recorded beside every result."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("matact", "torch", "numpy", "scipy", "numba", "matplotlib", "scikit-learn", "rich")
"""Distributions whose versions are recorded."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to in place of ``path``, in the same folder.

    When the block ends, the new file takes the place of ``path`` in one step. When it raises, an interrupt
    included, the new file is deleted and ``path`` stays as it was.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as JSON, whole or not at all; nan and infinities become null, tuples become lists."""
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def write_figure(path: str | os.PathLike[str], figure: Figure, dpi: int = 150) -> None:
    """Write a matplotlib figure in the format that the suffix of ``path`` names, whole or not at all."""
    with atomic(path) as draft:
        figure.savefig(draft, format=Path(path).suffix.lstrip("."), dpi=dpi)


def fresh_folder(path: str | os.PathLike[str]) -> Path:
    """Make and return the folder ``path``; if that name is taken, ``path-2``, ``path-3``, ..."""
    path = Path(path)
    number = 1
    while True:
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


@contextmanager
def output_folder(path: str | os.PathLike[str] | None, default: str) -> Iterator[Path]:
    """The folder ``path``, made if it is absent, or a fresh one called ``default``.

    A folder that was made here goes again if the block raises before it wrote anything.
    """
    made = path is None or not Path(path).exists()
    folder = fresh_folder(default) if path is None else Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        if made and not any(folder.iterdir()):
            folder.rmdir()
        raise


def environment() -> dict[str, Any]:
    """Versions, machine and threads."""
    import torch

    from iatcore.threads import get_num_threads

    return {
        "python": sys.version.split()[0],
        "versions": {name: version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "threads": {"torch": torch.get_num_threads(), "iatcore": get_num_threads()},
    }


def version(distribution: str) -> str | None:
    """The installed version, None if there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines: Sequence[str] = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = ()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
