"""Units of work: the runs and seeds that train together, and the folder they live in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from torch_bridge.experiments.engine import ExperimentError, Together, digest, plain

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
        settings: of the run, plain; a list of those of several runs that train together.
        seeds: each with every run; members are the seeds of the first run, then those of the second, and so on.
        device: ``"cpu"``, ``"cuda"``, ...; ``"cpu x 2"`` for two processes that share every batch.
        label: for people.
    """

    root: str
    experiment: str
    settings: dict[str, Any] | list[dict[str, Any]]
    seeds: tuple[int, ...]
    device: str
    label: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The settings of each run."""
        return self.settings if isinstance(self.settings, list) else [self.settings]

    @property
    def members(self) -> list[tuple[int, int]]:
        """Number of the run, and seed, of each member."""
        return [(i, seed) for i in range(len(self.runs)) for seed in self.seeds]

    @cached_property
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
    root: Path,
    experiment: str,
    runs: Sequence[Any],
    seeds: Sequence[int],
    device: str,
    together: Together | None = None,
) -> tuple[list[Unit], list[Unit]]:
    """What is to do and what is done.

    For each run, units that are there and hold a wanted seed are kept as they are; seeds that none holds form one
    new unit, with those of other runs that may train together.

    Returns:
        units to train, finished units; in the order of ``runs``.
    """
    there: dict[str, list[Unit]] = {}
    for unit in existing(root):
        if unit.device == device:
            for settings in unit.runs:
                there.setdefault(digest(settings), []).append(unit)
    found: dict[str, Unit] = {}
    new: list[tuple[Any, tuple[int, ...]]] = []
    for run in runs:
        kept = [unit for unit in there.get(digest(plain(run)), []) if set(unit.seeds) & set(seeds)]
        found |= {unit.name: unit for unit in kept}
        held = {seed for unit in kept for seed in unit.seeds}
        missing = tuple(seed for seed in seeds if seed not in held)
        if missing:
            new.append((run, missing))
    for group, missing in _groups(new, together):
        settings = [plain(run) for run in group]
        label = group[0].label if len(group) == 1 else f"{group[0].label} and {len(group) - 1} more"
        one = settings[0] if len(group) == 1 else settings
        unit = Unit(str(root), experiment, one, missing, device, label)
        found[unit.name] = unit
    todo = [unit for unit in found.values() if not finished(unit.folder)]
    return todo, [unit for unit in found.values() if finished(unit.folder)]


def _groups(
    new: Sequence[tuple[Any, tuple[int, ...]]], together: Together | None
) -> list[tuple[list[Any], tuple[int, ...]]]:
    """Runs and seeds of each new unit, in the order of the first runs."""
    groups: list[tuple[list[Any], tuple[int, ...]]] = []
    open_groups: dict[Any, list[Any]] = {}
    for run, missing in new:
        kind = None if together is None else together.alike(run)
        if together is None or kind is None:
            groups.append(([run], missing))
            continue
        group = open_groups.get((kind, missing))
        if group is None or len(group) == together.most:
            group = open_groups[kind, missing] = []
            groups.append((group, missing))
        group.append(run)
    return groups
