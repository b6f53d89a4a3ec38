"""``matact list``, ``run`` and ``report``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from torch_bridge.experiments.engine import REGISTRY, Experiment, ExperimentError, load, plain, unknown
from torch_bridge.experiments.overrides import override
from torch_bridge.report.demo import make_console
from torch_bridge.report.documents import write_report
from torch_bridge.report.runs import load_results
from torch_bridge.sweep.distributed import check_shared, follow, lead, processes, several
from torch_bridge.sweep.folder import RUNS, default_folder, open_folder, read_record
from torch_bridge.sweep.local import run_here, run_in_workers
from torch_bridge.sweep.outcomes import SweepError
from torch_bridge.sweep.progress import Progress, duration, progress_on
from torch_bridge.sweep.training import deterministic
from torch_bridge.sweep.units import Options, Unit, failed_members, plan

PRESET = "quick"
LOCAL = "local"
GENERATED = "generated"
SAMPLED_RUNS, SAMPLED_STEPS = 8, 3
"""What :func:`estimate` times."""
SAMPLED_SECONDS = 1.0
"""After which no further run is timed."""


@dataclass(frozen=True)
class Request:
    """What ``matact run`` was asked for; see its ``--help``."""

    experiment: str
    preset: str = PRESET
    assignments: tuple[str, ...] = ()
    seeds: str | None = None
    device: str = "cpu"
    workers: int | None = None
    scheduler: str = LOCAL
    out: Path | None = None
    resume: bool = True
    options: Options = field(default_factory=Options)


def run(request: Request, console: Console | None = None) -> Path | None:
    """Do the runs that are not there yet; returns the output folder.

    Of several processes that torchrun has started, the first does this, with a share of every batch done by each of
    the others; they print and write nothing, and return None.

    Raises:
        ExperimentError: wrong input.
        SweepError: the disk is full, the scheduler does not answer, or runs failed; all others are done then.
    """
    console = console or make_console()
    experiment, settings = resolve(request.experiment, request.preset, request.assignments)
    seeds = parse_seeds(request.seeds, experiment.presets[request.preset].seeds)
    device = check_device(request.device)
    rank, count = processes()
    check_shared(experiment, count)
    if rank > 0:
        follow(device)
        return None
    workers = check_workers(request.workers, device)
    check_scheduler(request.scheduler)
    out = request.out or default_folder(request.experiment, experiment, request.preset, settings)
    place = several(device, count)
    folder = open_folder(out, request.experiment, settings, place, request.resume).resolve()
    todo, done = plan(folder, request.experiment, experiment.runs(settings), seeds, place, experiment.together)
    with progress_on(console, todo, sum(len(unit.members) for unit in done)) as progress:
        progress.say(f"{experiment.title}: {progress.runs} runs, {progress.done} of them done, in {folder}")
        if count > 1:
            lead(todo, request.options, progress, device)
        else:
            train(todo, request.options, progress, workers, request.scheduler)
    broken = sum(failed_members(unit.folder) for unit in (*todo, *done))
    trained = progress.done - _failed_runs(progress)
    tail = f", {broken} of them failed because their numbers turned nan or infinite" if broken else ""
    console.print(f"{trained} of {progress.runs} runs done{tail}", highlight=False)
    console.print(f"matact report {request.experiment} --out {folder}", highlight=False, markup=False, soft_wrap=True)
    if progress.failed:
        raise SweepError(f"{len(progress.failed)} units failed; the same command tries them again")
    return folder


def train(units: Sequence[Unit], options: Options, progress: Progress, workers: int, scheduler: str = LOCAL) -> None:
    """Train units here (one worker), in local processes, or on a Dask cluster; the results are the same.

    Raises:
        SweepError: the disk is full or the scheduler does not answer.
    """
    if not units:
        return
    if scheduler != LOCAL:
        from torch_bridge.sweep.cluster import run_on_dask

        run_on_dask(units, options, progress, scheduler, workers)
    elif workers == 1:
        run_here(units, options, progress)
    else:
        run_in_workers(units, options, progress, workers)


def resolve(name: str, preset: str, assignments: Sequence[str]) -> tuple[Experiment, Any]:
    """The experiment and its settings."""
    experiment = load(name)
    if preset not in experiment.presets:
        raise ExperimentError(f"--preset: {unknown('preset', preset, experiment.presets)}")
    return experiment, override(experiment.presets[preset].settings, assignments)


def parse_seeds(text: str | None, default: int) -> tuple[int, ...]:
    """``"3"`` is 0, 1, 2; ``"4,7"`` and ``"4,"`` are those; None is the default number of them."""
    parts = str(default if text is None else text).split(",")
    try:
        numbers = [int(part) for part in parts if part.strip()]
    except ValueError:
        numbers = []
    many = len(parts) == 1
    good = numbers and len(set(numbers)) == len(numbers) and min(numbers) >= int(many) and max(numbers) < 2**63
    if not good:
        raise ExperimentError(f"--seeds: expected a number >= 1 or distinct seeds >= 0 with commas, got {text!r}")
    return tuple(range(numbers[0])) if many else tuple(numbers)


def check_device(text: str) -> str:
    """The device's name, if tensors can be made there."""
    try:
        torch.zeros(1, device=text).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ExperimentError(f"--device {text}: expected a device of this machine, such as cpu ({reason})") from None
    return text


def check_workers(workers: int | None, device: str) -> int:
    """The number of workers; by default the processors that this process may use, one on other devices."""
    if workers is None:
        affinity = getattr(os, "sched_getaffinity", None)
        usable = len(affinity(0)) if affinity else os.cpu_count() or 1
        return usable if device.startswith("cpu") else 1
    if workers < 1:
        raise ExperimentError(f"--workers: expected an integer >= 1, got {workers}")
    return workers


def check_scheduler(scheduler: str) -> None:
    """``local``, ``local-dask`` or an address."""
    if scheduler not in (LOCAL, "local-dask") and "://" not in scheduler:
        raise ExperimentError(
            f"--scheduler: expected local, local-dask or an address such as tcp://host:8786, got {scheduler!r}"
        )


def estimate(experiment: Experiment, preset: str, workers: int) -> float:
    """Seconds that a preset takes here: from the start, some steps and the evaluation of some of its runs."""
    chosen = experiment.presets[preset]
    runs = experiment.runs(chosen.settings)
    count = min(SAMPLED_RUNS, len(runs))
    seconds, sampled, first = 0.0, 0, time.perf_counter()
    with deterministic():
        for i in range(count):
            begin = time.perf_counter()
            if sampled and begin - first > SAMPLED_SECONDS:
                break
            job = experiment.start(runs[i * len(runs) // count], range(chosen.seeds), torch.device("cpu"))
            job.step()
            start = time.perf_counter()
            for _ in range(SAMPLED_STEPS):
                job.step()
            end = time.perf_counter()
            job.evaluate()
            seconds += start - begin + time.perf_counter() - end + (end - start) / SAMPLED_STEPS * job.total_steps
            sampled += 1
    return seconds / sampled * len(runs) / min(workers, len(runs))


@dataclass(frozen=True)
class Entry:
    """One experiment as ``matact list`` shows it.

    Attributes:
        name: as on the command line.
        experiment: itself.
        workers: processors that the estimate is for.
        seconds: that the preset ``quick`` takes here; None for data sets, which are not read for this.
    """

    name: str
    experiment: Experiment
    workers: int
    seconds: float | None

    def lines(self) -> tuple[str, str]:
        """The entry for people."""
        time = "not estimated" if self.seconds is None else f"{duration(self.seconds)} (workers: {self.workers})"
        facts = (self.experiment.reproduces, f"data: {self.experiment.data}", f"{PRESET} {time}")
        return f"{self.name}: {self.experiment.title}", f"    {'; '.join(facts)}"

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON knows it, with the number of runs of every preset."""
        presets = {
            name: {"runs": len(self.experiment.runs(preset.settings)) * preset.seeds, "seeds": preset.seeds}
            for name, preset in self.experiment.presets.items()
        }
        return {
            "name": self.name,
            "title": self.experiment.title,
            "reproduces": self.experiment.reproduces,
            "data": self.experiment.data,
            "presets": presets,
            "workers": self.workers,
            f"{PRESET}_seconds": self.seconds,
        }


def entries() -> Iterator[Entry]:
    """Every experiment, one after another: each takes a moment to estimate."""
    workers = check_workers(None, "cpu")
    for name in REGISTRY:
        experiment = load(name)
        generated = experiment.data == GENERATED
        yield Entry(name, experiment, workers, estimate(experiment, PRESET, workers) if generated else None)


def list_experiments(console: Console | None = None) -> None:
    """Print every experiment: what it reproduces, what data it needs, how long the default preset takes here."""
    console = console or make_console()
    for entry in entries():
        for line in entry.lines():
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def summary(folder: Path) -> dict[str, Any]:
    """What an output folder holds, as JSON knows it.

    Args:
        folder: output folder.

    Raises:
        ExperimentError: it is none, or of another version.
    """
    record = read_record(folder)
    _, results = load_results(folder, load(record["experiment"]), record)
    runs = [
        {
            "label": run.settings.label,
            "settings": plain(run.settings),
            "seed": run.seed,
            "failure": run.failure,
            "metrics": dict(run.metrics),
        }
        for run in results.runs
    ]
    return {
        "experiment": record["experiment"],
        "folder": str(folder.resolve()),
        "settings": record["settings"],
        "device": record["device"],
        "seconds": results.seconds,
        "failed": sum(run.failure is not None for run in results.runs),
        "unfinished": list(results.unfinished),
        "waiting": results.waiting,
        "runs": runs,
    }


def report(name: str, out: Path | None = None, console: Console | None = None) -> Path:
    """Write ``report/report.md`` and ``report.html`` from the folders of runs; returns their folder.

    Raises:
        ExperimentError: there is no such output folder, or it is of another experiment or format.
    """
    console = console or make_console()
    experiment = load(name)
    folder = out or _latest(name)
    record = read_record(folder)
    if record["experiment"] != name:
        raise ExperimentError(f"--out {folder}: holds runs of {record['experiment']}, not of {name}")
    settings, results = load_results(folder, experiment, record)
    target = folder / "report"
    write_report(target, experiment.report(settings, results), experiment, settings, results, record)
    console.print(f"{len(results.runs)} runs; the report is in", highlight=False)
    console.print(str((target / "report.md").resolve()), highlight=False, markup=False, soft_wrap=True)
    console.print(str((target / "report.html").resolve()), highlight=False, markup=False, soft_wrap=True)
    return target


def _latest(name: str) -> Path:
    folders = []
    for path in RUNS.iterdir() if RUNS.is_dir() else ():
        try:
            record = read_record(path)
        except ExperimentError:
            continue
        if record["experiment"] == name:
            folders.append((record["started"], path))
    if not folders:
        raise ExperimentError(f"no runs of {name} under {RUNS}; expected --out, or matact run {name} first")
    return max(folders)[1]


def _failed_runs(progress: Progress) -> int:
    return sum(len(progress.units[outcome.unit].members) for outcome in progress.failed)
