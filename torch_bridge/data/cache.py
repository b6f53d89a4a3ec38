"""Decoded data sets in memory-mapped files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from .containers import Data, from_plain, to_plain

VERSION = 1
"""Of what readers make of their files; a cache of another version is not used."""


def cache_folder() -> Path:
    """``$MATACT_CACHE``, or ``matact`` in the platform's folder for caches."""
    if chosen := os.environ.get("MATACT_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "matact" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "matact"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matact"


def cache_key(name: str, layout: str, files: Sequence[Path]) -> str:
    """Changes with the path, size or time of change of any file."""
    digest = hashlib.sha256(f"{VERSION} {name} {layout}".encode())
    for file in files:
        seen = file.stat()
        digest.update(f"\n{file.resolve()}\0{seen.st_size}\0{seen.st_mtime_ns}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def cached(name: str, layout: str, files: Sequence[Path], read: Callable[[], Data]) -> Data:
    """What ``read()`` returns, from a memory-mapped file when the same files were read before.

    The cache file is written whole or not at all. One that is damaged is replaced; where none can be written, the data
    stay in memory.
    """
    path = cache_folder() / f"{name}-{cache_key(name, layout, files)}.pt"
    found = _load(path)
    if found is not None:
        return found
    data = read()
    try:
        _save(path, data)
    except (OSError, RuntimeError):
        return data
    return _load(path) or data


def _load(path: Path) -> Data | None:
    if not path.is_file():
        return None
    try:
        return from_plain(torch.load(path, weights_only=True, mmap=True))
    except Exception:
        return None


def _save(path: Path, data: Data) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            torch.save(to_plain(data), stream)
        os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
