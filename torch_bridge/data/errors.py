"""The one error of this package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """Data that cannot be used.

    Attributes:
        file: the file or folder, of an archive with the member, ``archive.zip: train/cat/1.png``.
        reason: what is wrong with it.
    """

    def __init__(self, file: str | os.PathLike[str], reason: str) -> None:
        self.file, self.reason = str(file), reason
        super().__init__(self.file, reason)

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@contextmanager
def reading(file: str | os.PathLike[str]) -> Iterator[None]:
    """Turns whatever a decoder raises on bad bytes into a :class:`DataError` that names the file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(file, f"cannot be read: {type(error).__name__}: {error}") from error
