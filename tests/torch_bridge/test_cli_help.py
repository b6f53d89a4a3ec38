"""The help of the command, JSON for other programs, quiet ends, and completion in shells."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torch_bridge.engine_toy import REFERENCE
from torch_bridge import cli
from torch_bridge.experiments import engine
from torch_bridge.sweep import command

SUBCOMMANDS = ("run", "report", "list", "data", "demo", "explore", "verify", "completion")
PRINTS_JSON = ("run", "report", "list", "data", "demo", "verify")


def help_of(capsys, monkeypatch, *words):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_fits_a_screen_and_names_every_subcommand(capsys, monkeypatch):
    lines = help_of(capsys, monkeypatch).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    shown = [line.split()[0] for line in lines if re.match(r"    \w", line)]
    assert shown == list(SUBCOMMANDS)
    assert lines[-1] == "exit status: 0 done, 1 error, 2 wrong usage, 130 interrupted"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_of_a_subcommand_has_examples_that_parse(name, capsys, monkeypatch):
    text = help_of(capsys, monkeypatch, name)
    assert max(map(len, text.splitlines())) <= 80 and "exit status: 0" in text
    examples = re.findall(rf"^  (?:\w+=\S+ )?matact {name}(.*)$", text.partition("examples:")[2], flags=re.MULTILINE)
    assert examples and ("--json" in text) == (name in PRINTS_JSON)
    for example in examples:
        words = re.split(r"  | > ", example.strip())[0].split()
        assert cli.build_parser().parse_args([name, *words]).run


def test_list_as_json(monkeypatch, capsys):
    monkeypatch.setattr(engine, "REGISTRY", {REFERENCE: "unused"})
    monkeypatch.setattr(command, "REGISTRY", {REFERENCE: "unused"})
    assert cli.main(["list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["name"] == REFERENCE and entry["data"] == "generated"
    assert entry["presets"]["quick"] == {"runs": 9, "seeds": 3}
    assert 0 < entry["quick_seconds"] < 60 and entry["workers"] >= 1


def test_run_and_report_as_json(tmp_path, capsys):
    out = str(tmp_path / "out")
    words = ["--workers", "1", "--out", out, "--seeds", "2", "--set", "nan_seed=1", "--json"]
    assert cli.main(["run", REFERENCE, *words]) == 0
    printed = capsys.readouterr()
    done = json.loads(printed.out)
    assert "6 of 6 runs done" in printed.err
    assert (done["experiment"], done["folder"], done["failed"]) == (REFERENCE, out, 3) and not done["unfinished"]
    assert done["settings"]["steps"] == 40 and len(done["runs"]) == 6
    for run in done["runs"]:
        assert bool(run["metrics"]) == (run["seed"] == 0) == (run["failure"] is None)

    assert cli.main(["report", REFERENCE, "--out", out, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert Path(written.pop("markdown")).is_file() and Path(written.pop("html")).is_file()
    assert written == done


def test_verify_as_json(capsys):
    assert cli.main(["verify", "AReLU-2.2a", "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)
    assert claim["id"] == "AReLU-2.2a"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "nonsense"], "no claim 'nonsense'"),
        (["run", "no-such"], "unknown experiment 'no-such'"),
        (["run", REFERENCE, "--device", "nowhere"], "--device nowhere"),
        (["report", "gated", "--out", "absent"], "--out absent"),
        (["data", "--data", "absent"], "--data must be a folder, got absent"),
    ],
)
def test_a_mistake_is_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    message = capsys.readouterr().err
    assert message.startswith("matact: ") and said in message and message.count("\n") == 1


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["completion", "bash"]])
def test_a_closed_pipe_is_quiet(words, monkeypatch, capsys):
    monkeypatch.setattr(command, "REGISTRY", {REFERENCE: "unused"})
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        try:
            status = cli.main(words)
        except SystemExit as ended:  # how rich ends the process
            status = ended.code
    assert status == 1 and capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("out", "no_color", "coloured"), [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False)]
)
def test_colours(out, no_color, coloured, monkeypatch, tmp_path):
    screen = out()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys, "stdout", screen)
    words = ["--workers", "1", "--set", "steps=4", "--out", str(tmp_path / "out")]
    assert cli.main(["run", REFERENCE, *words]) == 0
    assert "runs done" in screen.getvalue()
    assert bool(re.search(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m", screen.getvalue())) is coloured
    if out is not Terminal:
        assert "\x1b" not in screen.getvalue()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ver"], {"verify"}),
        (["run", "iat-m"], {"iat-mesh"}),
        (["report", "tmaf-c"], {"tmaf-cifar10", "tmaf-cifar100"}),
        (["run", "gated", "--preset", ""], {"smoke", "quick", "paper"}),
        (["verify", "AReLU-2.2a"], {"AReLU-2.2a"}),
        (["run", "--sche"], {"--scheduler"}),
    ],
)
def test_completion_in_bash(words, expected, scripts):
    bash = shutil.which("bash") or pytest.skip("needs bash")
    lines = [
        f"source {scripts['bash']}",
        f"COMP_WORDS=(matact {' '.join(words) if words[-1] else ' '.join(words[:-1]) + ' ' + repr('')})",
        f"COMP_CWORD={len(words)}",
        '"$(complete -p matact | sed -E "s/.* -F ([^ ]+) .*/\\1/")"',
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    done = subprocess.run([bash, "--norc", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=20)
    assert {line.strip() for line in done.stdout.split()} == expected, done.stderr


def test_completion_names_the_extra_that_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "flint", None)
    assert cli.main(["completion", "bash"]) == 1
    assert "matact[verify]" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_of_other_shells_is_a_script_with_the_names(shell, scripts):
    text = scripts[shell].read_text()
    assert "iat-mesh" in text and "AReLU-2.2a" in text and "--scheduler" in text
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n", scripts[shell]], capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    from torch_bridge.cli.completion import completion_script

    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(completion_script(cli.build_parser(), shell))
    return {shell: folder / shell for shell in ("bash", "zsh", "fish")}
