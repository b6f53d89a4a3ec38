"""Sweeps: plans, processes, Dask, workers and whole sweeps that are killed, and wrong input."""

import io
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from tests.torch_bridge.engine_toy import REFERENCE, ToySettings, toy_runs
from torch_bridge import cli
from torch_bridge.experiments import engine
from torch_bridge.experiments.engine import ExperimentError, load
from torch_bridge.experiments.overrides import override
from torch_bridge.sweep import cluster, command, training
from torch_bridge.sweep.command import Request, parse_seeds
from torch_bridge.sweep.local import run_here, run_in_workers
from torch_bridge.sweep.outcomes import SweepError
from torch_bridge.sweep.progress import PlainProgress, Progress, duration, progress_on
from torch_bridge.sweep.units import METRICS, RESULT, UNIT, Options, plan

ROOT = Path(__file__).parents[2]
OFTEN = Options(checkpoint_steps=2)


def results(folder):
    return {path.name: [(path / file).read_bytes() for file in (RESULT, METRICS)] for path in folder.iterdir()}


def planned(folder, seeds=(0, 1), **settings):
    folder.mkdir(exist_ok=True)
    return plan(folder, REFERENCE, toy_runs(ToySettings(**settings)), seeds, "cpu")


def trained_here(folder, seeds=(0, 1), **settings):
    units, _ = planned(folder, seeds, **settings)
    run_here(units, Options(), Progress(units))
    return results(folder)


def with_deaths(tmp_path, *rates_steps_times):
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    for rate, step, times in rates_steps_times:
        for i in range(times):
            (deaths / f"{rate}-{step}-{i}").touch()
    return str(deaths)


def run(tmp_path, *words):
    return cli.main(["run", REFERENCE, "--workers", "1", "--out", str(tmp_path / "out"), *words])


def test_seeds_that_are_there_are_not_done_again(tmp_path):
    trained_here(tmp_path, (0, 1))
    todo, done = planned(tmp_path, (0, 1))
    assert not todo and len(done) == 3
    todo, done = planned(tmp_path, (1, 2, 3))
    assert [unit.seeds for unit in todo] == [(2, 3)] * 3 and len(done) == 3
    todo, done = planned(tmp_path, (0,), rates=(0.1, 0.7))
    assert [unit.settings["rate"] for unit in todo] == [0.7] and len(done) == 1


def test_an_unfinished_unit_is_planned_as_it_is(tmp_path):
    trained_here(tmp_path, (0, 1, 2), rates=(0.1,))
    (folder,) = tmp_path.iterdir()
    (folder / RESULT).unlink()
    todo, done = planned(tmp_path, (0,), rates=(0.1,))
    assert [unit.seeds for unit in todo] == [(0, 1, 2)] and not done


def test_spawned_workers_give_the_same_and_one_that_dies_is_replaced(tmp_path):
    units, _ = planned(tmp_path / "workers", deaths=with_deaths(tmp_path, (0.1, 20, 1)))
    progress = Progress(units)
    run_in_workers(units, OFTEN, progress, 2)
    assert progress.done == 6 and not progress.failed
    (note,) = progress.notes
    assert "rate 0.1" in note and "signal 9" in note and "done again" in note
    trained_here(tmp_path / "here")
    assert _numbers(tmp_path / "workers") == _numbers(tmp_path / "here")


def test_a_unit_that_kills_its_workers_is_marked_as_failed_and_tried_by_the_next_sweep(tmp_path, forked):
    deaths = with_deaths(tmp_path, (0.05, 2, 4))
    units, _ = planned(tmp_path / "workers", deaths=deaths)
    progress = Progress(units)
    run_in_workers(units, OFTEN, progress, 2, method=forked)
    assert [outcome.unit for outcome in progress.failed] == [units[1].name]
    assert "3 workers died" in progress.failed[0].error and len(progress.notes) == 3
    next(Path(deaths).iterdir()).unlink()
    todo, done = planned(tmp_path / "workers", deaths=deaths)
    assert todo == [units[1]] and len(done) == 2
    run_here(todo, OFTEN, Progress(todo))
    assert not planned(tmp_path / "workers", deaths=deaths)[0]


@pytest.fixture
def forked():
    """A start method whose workers are there at once: they are forks of a process that has imported everything."""
    multiprocessing.set_forkserver_preload(["torch_bridge.sweep.local", "tests.torch_bridge.engine_toy"])
    return "forkserver"


def _numbers(folder):
    return {path.name.rsplit("-", 1)[0]: (path / RESULT).read_bytes() for path in folder.iterdir()}


def test_dask_gives_the_same_and_replaces_workers(tmp_path):
    pytest.importorskip("distributed")
    deaths = with_deaths(tmp_path, (0.1, 20, 1))
    units, _ = planned(tmp_path / "dask", deaths=deaths, rates=(0.1, 0.05))
    progress = Progress(units)
    cluster.run_on_dask(units, OFTEN, progress, cluster.LOCAL, 2)
    assert progress.done == 4 and not progress.failed and not list(Path(deaths).iterdir())
    assert set(progress.total_steps.values()) == {40} and len(progress.total_steps) == 2
    trained_here(tmp_path / "here", rates=(0.1, 0.05))
    assert _numbers(tmp_path / "dask") == _numbers(tmp_path / "here")


def test_dask_hands_on_what_units_say(tmp_path):
    pytest.importorskip("distributed")
    units, _ = planned(tmp_path / "dask", nan_seed=1, rates=(0.1,))
    progress = Progress(units)
    cluster.run_on_dask(units, OFTEN, progress, cluster.LOCAL, 1)
    assert any("loss became nan" in note for note in progress.notes)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "TIMEOUT", 0.3)
    assert run(tmp_path, "--scheduler", "tcp://127.0.0.1:1") == 1
    assert "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers" in capsys.readouterr().err


@pytest.mark.slow
def test_twenty_random_kills_change_nothing(tmp_path, forked):
    settings = {"rates": (0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01), "steps": 300, "delay": 0.004}
    units, _ = planned(tmp_path / "killed", **settings)
    dice, kills, over = random.Random(20), [], threading.Event()

    def kill():
        while len(kills) < 20 and not over.wait(dice.uniform(0.05, 0.5)):
            workers = [process for process in multiprocessing.active_children() if process.pid]
            if workers:
                victim = dice.choice(workers)
                os.kill(victim.pid, signal.SIGKILL)
                kills.append(victim.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    progress = Progress(units)
    try:
        run_in_workers(units, Options(checkpoint_steps=4), progress, 2, method=forked, max_deaths=1000)
    finally:
        over.set()
        killer.join()
    assert len(kills) == 20
    assert not progress.failed and len(progress.notes) >= 15
    quick = {**settings, "delay": 0.0}
    trained_here(tmp_path / "undisturbed", **quick)
    assert _numbers(tmp_path / "killed") == _numbers(tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_sweep_that_is_killed_as_a_whole_goes_on(tmp_path):
    """SIGKILL to the supervisor alone; its workers end by themselves and let go of their folders."""
    words = [
        "--set",
        "steps=300",
        "--set",
        "delay=0.003",
        "--seeds",
        "2",
        "--workers",
        "2",
        "--out",
        str(tmp_path / "out"),
    ]
    program = "import sys; from torch_bridge.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "run", REFERENCE, *words], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not list((tmp_path / "out").glob(f"*/{METRICS}")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    todo, _ = planned(tmp_path / "out", steps=300, delay=0.003)
    assert len(todo) == 3
    run_here(todo, OFTEN, Progress(todo))
    trained_here(tmp_path / "undisturbed", steps=300)
    (tmp_path / "out" / "experiment.json").unlink()
    assert _numbers(tmp_path / "out") == _numbers(tmp_path / "undisturbed")


def test_run_resumes_and_says_what_it_did(tmp_path, capsys):
    assert run(tmp_path, "--seeds", "2") == 0
    first = capsys.readouterr().out
    assert "6 runs, 0 of them done" in first and "[6/6] rate 0.02, 2 seeds" in first and "6 of 6 runs done" in first
    assert run(tmp_path, "--seeds", "3") == 0
    assert "9 runs, 6 of them done" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert record["settings"]["rates"] == [0.1, 0.05, 0.02] and "git" in record["environment"]
    assert run(tmp_path, "--no-resume", "--set", "steps=7") == 0
    assert (tmp_path / "out-2" / "experiment.json").exists()


def test_runs_that_turned_nan_are_counted(tmp_path, capsys):
    assert run(tmp_path, "--seeds", "2", "--set", "nan_seed=1") == 0
    assert "6 of 6 runs done, 3 of them failed" in capsys.readouterr().out


def test_failed_units_end_the_command_with_status_1(tmp_path, capsys):
    assert run(tmp_path, "--set", "fails=true") == 1
    printed = capsys.readouterr()
    assert "ArithmeticError: as told" in printed.out and "3 units failed" in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run", "iat-base"], ["unknown experiment 'iat-base'", "iat-bases"]),
        (["run", "zzz"], ["unknown experiment 'zzz'", "iat-bases", "iat-mesh"]),
        (["run", "no.such:THING"], ["no.such:THING", "cannot be loaded"]),
        (["run", ":THING"], [":THING", "cannot be loaded"]),
        (["run", ".no:THING"], [".no:THING", "cannot be loaded"]),
        (["report", "iat-base"], ["unknown experiment 'iat-base'", "iat-bases"]),
        (["run", "iat-bases", "--preset", "qick"], ["--preset", "'qick'", "quick"]),
        (["run", "iat-bases", "--set", "stepz=3"], ["--set", "unknown setting 'stepz'", "steps"]),
        (["run", "iat-bases", "--set", "steps"], ["--set", "key=value", "'steps'"]),
        (["run", "iat-bases", "--set", "steps=x"], ["--set steps", "an integer", "'x'"]),
        (["run", "iat-bases", "--set", "steps=0"], ["--set", "steps", "at least 1", "0"]),
        (["run", "iat-bases", "--set", "steps=1", "--set", "steps=2"], ["steps is set twice"]),
        (["run", "iat-bases", "--set", "learning_rate=nan"], ["learning_rate", "positive", "nan"]),
        (["run", "iat-bases", "--set", "optimizer=adm"], ["--set optimizer", "adam, sgd", "'adm'"]),
        (["run", "iat-bases", "--set", "inputs=fourrier"], ["inputs", "fourier", "'fourrier'"]),
        (["run", "iat-bases", "--set", "inputs="], ["inputs", "empty"]),
        (["run", "iat-bases", "--set", "mesh=0"], ["mesh", "at least 1", "0"]),
        (["run", "iat-bases", "--set", "layout=har"], ["layout", "haar", "'har'"]),
        (["run", "iat-mesh", "--set", "ratios=1,0"], ["ratios", "at least 1"]),
        (["run", "iat-bases", "--seeds", "x"], ["--seeds", "'x'", "number >= 1"]),
        (["run", "iat-bases", "--seeds", "0"], ["--seeds", "'0'"]),
        (["run", "iat-bases", "--seeds", "1,1"], ["--seeds", "distinct", "'1,1'"]),
        (["run", "iat-bases", "--device", "nothing"], ["--device nothing", "such as cpu"]),
        (["run", "iat-bases", "--device", "meta"], ["--device meta", "such as cpu"]),
        (["run", "iat-bases", "--scheduler", "here"], ["--scheduler", "'here'", "local-dask"]),
        (["report", "iat-bases"], ["no runs of iat-bases", "--out"]),
        (["report", "iat-bases", "--out", "absent"], ["--out absent", "experiment.json"]),
    ],
)
def test_wrong_input_is_one_line_that_names_it(words, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    message = capsys.readouterr().err
    assert message.startswith("matact: ") and message.count("\n") == 1
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words", "parts"),
    [
        (None, ["--set", "steps=9"], ["--resume", "steps was 40, is 9", "--no-resume"]),
        (lambda record: {**record, "format": 99}, [], ["made by another version", "format 99", "expected 1"]),
        (lambda record: {**record, "experiment": "other"}, [], ["holds runs of other"]),
        (lambda record: {**record, "device": "cuda"}, [], ["--resume", "device was 'cuda', is 'cpu'"]),
        (lambda record: "{", [], ["experiment.json cannot be read"]),
    ],
)
def test_a_folder_of_something_else_is_refused(change, words, parts, tmp_path, capsys):
    assert run(tmp_path, "--seeds", "1") == 0
    record = tmp_path / "out" / "experiment.json"
    if change is not None:
        changed = change(json.loads(record.read_text()))
        record.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    capsys.readouterr()
    assert run(tmp_path, *words) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in parts:
        assert part in message
    assert before == sorted(path.name for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("content", ["{", '{"format": 2}', "edited"])
def test_a_unit_of_another_version_or_edited_is_refused(content, tmp_path, capsys):
    assert run(tmp_path, "--seeds", "1") == 0
    unit = next((tmp_path / "out").glob(f"*/{UNIT}"))
    unit.write_text(unit.read_text().replace('"steps": 40', '"steps": 41') if content == "edited" else content)
    assert run(tmp_path, "--seeds", "1") == 1
    message = capsys.readouterr().err
    assert str(unit.parent) in message and message.count("\n") == 1


def test_other_folders_and_files_are_refused(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert run(tmp_path) == 1
    assert "expected an output folder or an empty one" in capsys.readouterr().err
    assert cli.main(["run", REFERENCE, "--out", str(tmp_path / "out" / "mine.txt")]) == 1
    assert "expected a folder, got a file" in capsys.readouterr().err


def test_a_full_disk_ends_the_command(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.checkpoints, "save", full)
    assert run(tmp_path) == 1
    message = capsys.readouterr().err
    assert "--out: no space left" in message and message.count("\n") == 1


@pytest.mark.parametrize(("text", "seeds"), [("2", (0, 1)), ("4,7", (4, 7)), ("4,", (4,)), (None, (0, 1, 2))])
def test_seeds(text, seeds):
    assert parse_seeds(text, 3) == seeds


def test_settings_from_text():
    base = load("iat-bases").presets["paper"].settings
    words = ["steps=7", "batch_size=none", "mesh=500", "inputs=rect, pwl", "batch-norm=yes", "learning_rate=1e-3"]
    changed = override(base, words)
    assert (changed.steps, changed.batch_size, changed.mesh) == (7, None, 500)
    assert (changed.inputs, changed.batch_norm, changed.learning_rate) == (("rect", "pwl"), True, 1e-3)
    assert override(base, []) == base
    with pytest.raises(ExperimentError, match="integer or none"):
        override(base, ["mesh=1.5"])


def test_list_shows_data_and_times(monkeypatch, capsys):
    monkeypatch.setattr(engine, "REGISTRY", {REFERENCE: "unused"})
    monkeypatch.setattr(command, "REGISTRY", {REFERENCE: "unused"})
    assert cli.main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "a tiny experiment" in printed and "generated" in printed and "quick 0 s (workers" in printed


@pytest.mark.parametrize("name", engine.REGISTRY)
def test_registered_experiments_are_whole(name):
    experiment = load(name)
    assert experiment.name == name and set(experiment.presets) == {"smoke", "quick", "paper"}
    assert experiment.presets["paper"].seeds >= 3
    for preset in experiment.presets.values():
        runs = experiment.runs(preset.settings)
        assert len(set(runs)) == len(runs) > 0 and len({run.label for run in runs}) == len(runs)
        for run in runs:
            assert engine.from_plain(experiment.run, engine.plain(run)) == run


def test_bases_paper_preset_has_all_pairs():
    runs = load("iat-bases").runs(load("iat-bases").presets["paper"].settings)
    assert len(runs) == 2 * (36 + 3)


def test_bars_on_a_terminal(tmp_path):
    screen = io.StringIO()
    units, _ = planned(tmp_path)
    with progress_on(Console(file=screen, force_terminal=True, width=140), units, 2) as progress:
        run_here(units, OFTEN, progress)
    assert "8/8" in screen.getvalue() and "loss" in screen.getvalue()
    with progress_on(Console(file=screen), units, 0) as progress:
        assert isinstance(progress, PlainProgress)


def test_time_left(monkeypatch, tmp_path):
    units, _ = planned(tmp_path)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(units)
    progress.hear(training.Event(units[0].name, 1, 4, 1.0))
    now[0] = 10.0
    progress.hear(training.Event(units[0].name, 4, 4, 1.0))
    assert progress.seconds_left() == pytest.approx(10.0 * (2 / 3) / (1 / 4))
    assert [duration(40), duration(600), duration(7200)] == ["40 s", "10 min", "2.0 h"]


def test_a_sweep_stops_when_a_worker_reports_a_full_disk(tmp_path, monkeypatch):
    units, _ = planned(tmp_path)
    monkeypatch.setattr(training.checkpoints, "save", _full)
    with pytest.raises(SweepError, match="no space left"):
        run_here(units, OFTEN, Progress(units))


def _full(*_, **__):
    raise OSError(28, "No space left on device")


def test_request_defaults_to_the_presets_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    console = Console(file=io.StringIO())
    first = command.run(Request(REFERENCE, preset="smoke", seeds="1", workers=1), console)
    second = command.run(Request(REFERENCE, "smoke", ("steps=5",), "1", workers=1), console)
    assert first == (tmp_path / "runs" / "toy-smoke").resolve()
    assert second.parent == first.parent and second.name.startswith("toy-smoke-")
