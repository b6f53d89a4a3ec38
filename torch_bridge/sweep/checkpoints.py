"""Checkpoints that are whole or not there: written beside, checked by a sum, the last two kept."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from torch_bridge.report.files import atomic

MAGIC = b"matact checkpoint 1\n"
SUM_BYTES = 32
KEPT = 2


class DamagedError(Exception):
    """A checkpoint that cannot be read; the message says why."""


def save(folder: Path, step: int, state: dict[str, Any], keep: int = KEPT) -> Path:
    """Write ``checkpoint-<step>.pt`` in one step, then delete all but the newest ``keep``."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    path = folder / f"checkpoint-{step:010d}.pt"
    with atomic(path) as draft, open(draft, "wb") as file:
        file.write(MAGIC + hashlib.sha256(content).digest() + content)
        file.flush()
        os.fsync(file.fileno())
    for old in paths(folder)[:-keep]:
        old.unlink()
    return path


def paths(folder: Path) -> list[Path]:
    """The checkpoints, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def read(path: Path) -> dict[str, Any]:
    """The state in a checkpoint.

    Raises:
        DamagedError: it is not a whole checkpoint.
    """
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise DamagedError("it does not begin as a checkpoint does")
    start = len(MAGIC) + SUM_BYTES
    if hashlib.sha256(content[start:]).digest() != content[len(MAGIC) : start]:
        raise DamagedError("its checksum is wrong")
    return torch.load(io.BytesIO(content[start:]), map_location="cpu", weights_only=True)


def newest(folder: Path, accept: Callable[[dict[str, Any]], str | None], note: Callable[[str], None]) -> Any:
    """The state of the newest checkpoint that can be used, or None.

    Args:
        folder: of the run.
        accept: says why a state cannot be used, None if it can.
        note: hears of every checkpoint that is passed over; it is deleted.
    """
    for path in reversed(paths(folder)):
        try:
            state = read(path)
            reason = accept(state)
        except DamagedError as damage:
            state, reason = None, str(damage)
        if reason is None:
            return state
        path.unlink()
        left = paths(folder)
        before = f"going on from {left[-1].name}" if left else "starting again from step 0"
        note(f"{path.name} is damaged: {reason}; {before}")
    return None
