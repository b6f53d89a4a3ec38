"""Results read back from the folders of runs; nothing is trained."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from torch_bridge.experiments.engine import Experiment, ExperimentError, Results, RunResult, digest, from_plain, plain


def load_results(folder: Path, experiment: Experiment, record: dict[str, Any]) -> tuple[Any, Results]:
    """The settings of the experiment and all runs below ``folder`` that have ended.

    Args:
        folder: output folder.
        experiment: whose runs they are.
        record: its ``experiment.json``.

    Raises:
        ExperimentError: settings that the experiment does not know, or a damaged ``unit.json``.
    """
    from torch_bridge.sweep.units import FAILED, RESULT, TIMING, existing

    try:
        settings = from_plain(experiment.settings, record["settings"])
        units = [(unit, [from_plain(experiment.run, run) for run in unit.runs]) for unit in existing(folder)]
    except ExperimentError:
        raise
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"--out {folder}: settings of another version: {error}") from None
    runs: list[RunResult] = []
    unfinished: list[str] = []
    seconds = 0.0
    for unit, own in units:
        result = _json(unit.folder / RESULT)
        if result is None:
            reason = (_json(unit.folder / FAILED) or {}).get("reason")
            unfinished.append(unit.label + (f" ({reason})" if reason else ""))
            continue
        spent = (_json(unit.folder / TIMING) or {}).get("seconds", 0.0)
        seconds += spent
        steps, losses = curves(unit.folder, len(unit.members))
        share = spent / len(unit.members)
        state = partial(_last_state, unit.folder)
        for i, member in enumerate(result["members"]):
            runs.append(
                RunResult(
                    settings=own[unit.members[i][0]],
                    seed=member["seed"],
                    failure=member["failure"],
                    metrics=member["metrics"],
                    steps=steps,
                    losses=losses[:, i],
                    seeds=tuple(unit.seeds),
                    member=i,
                    seconds=share,
                    state=state,
                )
            )
    begun = {digest(run) for unit, _ in units for run in unit.runs}
    waiting = sum(digest(plain(run)) not in begun for run in experiment.runs(settings))
    return settings, Results(tuple(runs), tuple(unfinished), waiting, record["environment"], seconds)


def curves(folder: Path, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Recorded steps ``(k,)`` and losses ``(k, members)``, nan where a member had failed; whole lines alone."""
    from torch_bridge.sweep.units import METRICS

    try:
        lines = (folder / METRICS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        lines = []
    records = [json.loads(line) for line in lines]
    losses = [[np.nan if loss is None else loss for loss in record["loss"]] for record in records]
    return np.array([record["step"] for record in records]), np.array(losses, dtype=float).reshape(-1, members)


def _last_state(folder: Path) -> dict[str, Any] | None:
    from torch_bridge.sweep import checkpoints

    state = checkpoints.newest(folder, lambda state: None, lambda note: None)
    return None if state is None else state["job"]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
