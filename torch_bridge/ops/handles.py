"""Names for settings: the operators of torch.library take tensors, numbers and strings, not objects."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from functools import lru_cache
from typing import Any

import numpy as np

_contents: dict[str, bytes] = {}


def handle(settings: Any) -> str:
    """The name under which an operator finds settings: equal contents have one name, in every process."""
    digest = hashlib.sha256()
    _feed(digest, settings)
    name = f"{type(settings).__name__}:{digest.hexdigest()[:32]}"
    if name not in _contents:
        _contents[name] = pickle.dumps(settings)
    return name


def _feed(digest: Any, value: Any) -> None:
    """What makes a value equal to another, without what it has cached."""
    if dataclasses.is_dataclass(value):
        entries = [getattr(value, f.name) for f in dataclasses.fields(value) if f.compare]
    elif isinstance(value, (tuple, list)):
        entries = value
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
        return
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())
        return
    digest.update(f"{type(value).__name__} {len(entries)}(".encode())
    for entry in entries:
        _feed(digest, entry)


@lru_cache(maxsize=512)
def held(name: str) -> Any:
    """A copy of the settings of a name, always the same one while it is in use.

    Raises:
        KeyError: nothing of that name was made in this process.
    """
    if name not in _contents:
        raise KeyError(f"no settings named {name!r} here: construct the module that the graph was traced from first")
    return pickle.loads(_contents[name])
