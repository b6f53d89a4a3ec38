"""The command line: arguments, exit statuses, folders, and files that are whole or absent."""

import json
import os
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from iatcore import threads
from torch_bridge import cli
from torch_bridge.cli.errors import EXTRAS
from torch_bridge.report import files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Work in an empty folder with a demo that records how it was called."""
    report = pytest.importorskip("torch_bridge.report.demo")
    recorded = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "run_demo", lambda settings, folder, console: recorded.append((settings, folder)))
    before = torch.get_num_threads(), threads.get_num_threads()
    yield recorded
    torch.set_num_threads(before[0])
    threads.set_num_threads(before[1])


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nothing"],
        ["demo", "--seed", "-1"],
        ["demo", "--seed", str(2**32)],
        ["demo", "--threads", "0"],
        ["explore", "--port", "65536"],
        ["completion", "cmd"],
        ["demo", "--seed", "x"],
        ["demo", "--x"],
    ],
)
def test_wrong_usage_ends_with_status_2_and_a_message(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert "usage: matact" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["demo", "--help"]])
def test_version_and_help(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 0
    assert "matact" in capsys.readouterr().out


@pytest.mark.parametrize("module", EXTRAS["experiments"])
def test_a_missing_package_is_named_with_its_extra(module, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["demo"]) == 1
    message = capsys.readouterr().err
    assert module in message and 'pip install "matact[experiments]"' in message
    assert list(tmp_path.iterdir()) == []


def test_demo_passes_its_options_on(calls, tmp_path):
    from torch_bridge.experiments.demo import FULL, QUICK

    assert cli.main(["demo"]) == 0
    assert cli.main(["demo", "--quick", "--seed", "7", "--out", str(tmp_path / "deep" / "folder")]) == 0
    (full, first), (quick, second) = calls
    assert full == FULL
    assert quick.seed == 7 and quick.function == QUICK.function
    assert (first.name, second) == ("matact-demo", tmp_path / "deep" / "folder")


def test_demo_prints_its_table_as_json(calls, monkeypatch, tmp_path, capsys):
    written = {"seconds": 3.5, "summary": [{"task": "function", "mean": float("nan"), "std": None}], "runs": [1, 2]}

    def run_demo(settings, folder, console):
        console.print("progress")
        files.write_json(folder / "results.json", written)

    monkeypatch.setattr("torch_bridge.report.demo.run_demo", run_demo)
    assert cli.main(["demo", "--json", "--out", "here"]) == 0
    printed = capsys.readouterr()
    summary = [{"task": "function", "mean": None, "std": None}]
    assert json.loads(printed.out) == {"folder": str(tmp_path / "here"), "seconds": 3.5, "summary": summary}
    assert printed.err == "progress\n"


def test_explore_passes_its_options_on(monkeypatch):
    recorded = []
    monkeypatch.setitem(sys.modules, "bokeh", ModuleType("bokeh"))
    sys.modules["bokeh"].__spec__ = ModuleSpec("bokeh", None)
    page = ModuleType("torch_bridge.explore")
    page.run = lambda port, show: recorded.append((port, show))
    monkeypatch.setitem(sys.modules, "torch_bridge.explore", page)
    assert cli.main(["explore"]) == cli.main(["explore", "--port", "8000", "--no-browser"]) == 0
    assert recorded == [(5006, True), (8000, False)]


def test_explore_without_bokeh_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    assert cli.main(["explore"]) == 1
    assert 'bokeh not found; install with: pip install "matact[explore]"' in capsys.readouterr().err


def test_each_demo_without_out_gets_a_folder_of_its_own(calls, tmp_path):
    for _ in range(3):
        cli.main(["demo"])
    names = ["matact-demo", "matact-demo-2", "matact-demo-3"]
    assert [folder.name for _, folder in calls] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(("options", "count"), [([], 1), (["--threads", "2"], 2)])
def test_threads_are_set(options, count, calls):
    assert cli.main(["demo", *options]) == 0
    assert (torch.get_num_threads(), threads.get_num_threads()) == (count, count)


def test_an_interrupt_ends_with_130_and_leaves_nothing(calls, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("torch_bridge.report.demo.run_demo", interrupt)
    (tmp_path / "mine").mkdir()
    assert cli.main(["demo"]) == 130
    assert cli.main(["demo", "--out", "mine"]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert "interrupted" in capsys.readouterr().err


def test_out_that_is_a_file_is_an_error(calls, tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert cli.main(["demo", "--out", "taken"]) == 1
    assert "taken" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine" and not calls


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_control_c_while_it_runs(tmp_path):
    command = [sys.executable, "-m", "torch_bridge", "demo", "--quick", "--threads", "1"]
    where = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": where},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert first, err
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_a_file_is_whole_or_absent(error, tmp_path):
    path = tmp_path / "results.json"
    files.write_json(path, {"a": 1})
    for target in (path, tmp_path / "new.json"):
        with pytest.raises(error), files.atomic(target) as draft:
            draft.write_text("half")
            raise error
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
    assert json.loads(path.read_text()) == {"a": 1}


def test_json_has_no_nan_and_a_value_that_is_no_json_leaves_no_file(tmp_path):
    files.write_json(tmp_path / "a.json", {"x": (1, float("nan"), [float("-inf"), 2.5]), "y": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None, [None, 2.5]], "y": None}
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "b.json", {"x": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_output_folder_with_content_survives_an_error(tmp_path):
    with pytest.raises(ValueError), files.output_folder(tmp_path / "new", "unused") as folder:
        (folder / "part.txt").write_text("x")
        raise ValueError
    assert (tmp_path / "new" / "part.txt").exists()


def test_environment_is_recorded():
    recorded = files.environment()
    assert json.loads(json.dumps(recorded)) == recorded
    assert recorded["versions"]["numpy"] and recorded["threads"]["torch"] >= 1
    assert files.version("no-such-distribution") is None


def test_data(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MATACT_DATA", raising=False)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"\0" * 16)
    assert cli.main(["data", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "mnist: MNIST\n  incomplete in" in text and "svhn" in text and "published: " in text
    assert cli.main(["data", "--data", str(tmp_path), "--json", "--no-checksums"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} >= {"mnist", "cifar10", "brain-mri"}
    assert "train-labels-idx1-ubyte" in " ".join(rows[0]["missing"])
    assert cli.main(["data", "--data", str(tmp_path / "absent")]) == 1
    assert "--data must be a folder, got" in capsys.readouterr().err
