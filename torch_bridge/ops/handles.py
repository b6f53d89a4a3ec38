"""Names for settings: the operators of torch.library take tensors, numbers and strings, not objects."""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache
from typing import Any

_contents: dict[str, bytes] = {}


def handle(settings: Any) -> str:
    """The name under which an operator finds settings: equal contents have one name, in every process."""
    content = pickle.dumps(settings)
    name = f"{type(settings).__name__}:{hashlib.sha256(content).hexdigest()[:32]}"
    _contents[name] = content
    return name


@lru_cache(maxsize=512)
def held(name: str) -> Any:
    """A copy of the settings of a name, always the same one while it is in use.

    Raises:
        KeyError: nothing of that name was made in this process.
    """
    if name not in _contents:
        raise KeyError(f"no settings named {name!r} here: construct the module that the graph was traced from first")
    return pickle.loads(_contents[name])
