"""The output folder of a sweep: made once, and opened again only for the same experiment and settings."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch_bridge
from torch_bridge.experiments.engine import Experiment, ExperimentError, digest, plain
from torch_bridge.report.files import environment, fresh_folder, write_json
from torch_bridge.sweep.units import FORMAT, check_format

RECORD = "experiment.json"
RUNS = Path("runs")


def default_folder(reference: str, experiment: Experiment, preset: str, settings: Any) -> Path:
    """``runs/<name>-<preset>``, with a hash of the settings where they are not those of the preset."""
    name = f"{experiment.name}-{preset}"
    changed = settings != experiment.presets[preset].settings
    return RUNS / (f"{name}-{digest([reference, plain(settings)])[:6]}" if changed else name)


def open_folder(path: Path, reference: str, settings: Any, device: str, resume: bool = True) -> Path:
    """The folder with its ``experiment.json``; made if it is absent or empty.

    Args:
        path: of the folder; with ``resume=False`` a name that is taken gets a number.
        reference: the experiment, as :func:`torch_bridge.experiments.engine.load` takes it.
        settings: of the experiment.
        device: of the runs.
        resume: go on in a folder that is there.

    Raises:
        ExperimentError: the folder is of another format, experiment, device, or of other settings.
        OSError: it cannot be made.
    """
    if not resume:
        path = fresh_folder(path)
    if path.exists() and not path.is_dir():
        raise ExperimentError(f"--out {path}: expected a folder, got a file")
    record = path / RECORD
    if record.exists():
        _check_same(read_record(path), reference, plain(settings), device, path)
        return path
    if path.exists() and any(path.iterdir()):
        raise ExperimentError(f"--out {path}: expected an output folder or an empty one, got one without {RECORD}")
    path.mkdir(parents=True, exist_ok=True)
    write_json(
        record,
        {
            "format": FORMAT,
            "experiment": reference,
            "settings": plain(settings),
            "device": device,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": {**environment(), "git": git_commit()},
        },
    )
    return path


def read_record(path: Path) -> dict[str, Any]:
    """``experiment.json`` of an output folder.

    Raises:
        ExperimentError: it is absent, damaged or of another format.
    """
    record = path / RECORD
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ExperimentError(f"--out {path}: expected an output folder, got no {RECORD} there") from None
    except json.JSONDecodeError as error:
        raise ExperimentError(f"--out {path}: {RECORD} cannot be read: {error}") from None
    check_format(content, record)
    return content


def _check_same(record: dict[str, Any], reference: str, settings: dict[str, Any], device: str, path: Path) -> None:
    if record["experiment"] != reference:
        raise ExperimentError(f"--out {path}: holds runs of {record['experiment']}, not of {reference}")
    old = {**record["settings"], "device": record["device"]}
    new = {**settings, "device": device}
    changes = [f"{k} was {old.get(k)!r}, is {new.get(k)!r}" for k in new | old if old.get(k) != new.get(k)]
    if changes:
        raise ExperimentError(
            f"--resume: settings of {path} have changed: {'; '.join(changes)}; "
            "take the old ones, another --out, or --no-resume"
        )


def git_commit() -> str | None:
    """The commit that the code is at, with ``+`` if files differ from it; None if it is not in a repository."""
    folder = Path(torch_bridge.__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words], capture_output=True, text=True, timeout=10
        )
        done.check_returncode()
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.parent:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
