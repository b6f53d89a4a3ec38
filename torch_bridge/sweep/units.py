"""Units of work: the settings of a run with the seeds that train together, and the folder they live in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from torch_bridge.experiments.engine import ExperimentError, digest, plain

FORMAT = 1
"""Of output folders; a folder of another format is not touched."""

UNIT, RESULT, METRICS, TIMING, FAILED = "unit.json", "result.json", "metrics.jsonl", "timing.json", "failed.json"


@dataclass(frozen=True)
class Options:
    """How a unit is run; nothing here changes a number of its result.

    Attributes:
        checkpoint_seconds: a checkpoint is written at the first recorded step so long after the one before.
        checkpoint_steps: or so many steps after it; None leaves it to the time.
        tensorboard: also write event files.
    """

    checkpoint_seconds: float = 15.0
    checkpoint_steps: int | None = None
    tensorboard: bool = False


@dataclass(frozen=True)
class Unit:
    """One ensemble.

    Attributes:
        root: output folder of the sweep.
        experiment: name, as :func:`torch_bridge.experiments.engine.load` takes it.
        settings: of the run, plain.
        seeds: one a member.
        device: ``"cpu"``, ``"cuda"``, ...; ``"cpu x 2"`` for two processes that share every batch.
        label: for people.
    """

    root: str
    experiment: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    device: str
    label: str

    @property
    def key(self) -> str:
        """Hash of everything that the numbers depend on."""
        return digest([FORMAT, self.experiment, self.settings, list(self.seeds), self.device])

    @property
    def name(self) -> str:
        """Of the folder: label and key."""
        safe = "".join(c if c.isalnum() or c in "-._" else "-" for c in self.label)
        return f"{safe}-{self.key}"

    @property
    def placement(self) -> torch.device:
        """Where its tensors are."""
        return torch.device(self.device.partition(" x ")[0])

    @property
    def folder(self) -> Path:
        """``root/name``."""
        return Path(self.root) / self.name

    def describe(self) -> dict[str, Any]:
        """What ``unit.json`` holds besides the environment."""
        fields = {name: value for name, value in asdict(self).items() if name != "root"}
        return {"format": FORMAT, "key": self.key, **fields}


def read_unit(folder: Path) -> Unit | None:
    """The unit of a folder; None where ``unit.json`` is absent, because the run was killed before it was there.

    Raises:
        ExperimentError: another format, or a file that was changed.
    """
    path = folder / UNIT
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        check_format(record, path)
        fields = {name: record[name] for name in ("experiment", "settings", "device", "label")}
        unit = Unit(root=str(folder.parent), seeds=tuple(record["seeds"]), **fields)
        if unit.key != record["key"]:
            raise ExperimentError(f"{path}: settings do not belong to the key {record['key']}; was it edited?")
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ExperimentError(f"{path} cannot be read ({error!r}); delete its folder to do the run again") from None
    return unit


def check_format(record: Any, path: Path) -> None:
    """Raise ExperimentError unless ``record["format"]`` is :data:`FORMAT`."""
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise ExperimentError(f"{path.parent} was made by another version: format {found}, expected {FORMAT}")


def finished(folder: Path) -> bool:
    """Whether ``result.json`` is there and whole."""
    try:
        json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return True


def failed_members(folder: Path) -> int:
    """How many seeds of a finished unit have a failure in place of metrics; 0 if it is not finished."""
    if not finished(folder):
        return 0
    result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return sum(member["failure"] is not None for member in result["members"])


def existing(root: Path) -> list[Unit]:
    """The units below an output folder, in the order of their names."""
    units = (read_unit(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
    return [unit for unit in units if unit is not None]


def plan(
    root: Path, experiment: str, runs: Sequence[Any], seeds: Sequence[int], device: str
) -> tuple[list[Unit], list[Unit]]:
    """What is to do and what is done.

    For each run, units that are there and hold a wanted seed are kept as they are; seeds that none holds form one
    new unit.

    Returns:
        units to train, finished units; in the order of ``runs``.
    """
    there: dict[str, list[Unit]] = {}
    for unit in existing(root):
        if unit.device == device:
            there.setdefault(digest(unit.settings), []).append(unit)
    todo, done = [], []
    for run in runs:
        settings = plain(run)
        found = [unit for unit in there.get(digest(settings), []) if set(unit.seeds) & set(seeds)]
        held = {seed for unit in found for seed in unit.seeds}
        missing = tuple(seed for seed in seeds if seed not in held)
        if missing:
            found.append(Unit(str(root), experiment, settings, missing, device, run.label))
        for unit in found:
            (done if finished(unit.folder) else todo).append(unit)
    return todo, done
