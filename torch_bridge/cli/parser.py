"""The options of ``matact`` and the texts of its help."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch_bridge.report.files import version

from . import commands

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DESCRIPTION = """\
Train networks whose activation functions are matrices, compare them, and check
the mathematics. A first look: matact demo --quick"""

WIDTH = 79

SHELLS = ("bash", "zsh", "fish")

STATUS = "exit status: 0 done, 1 error, 2 wrong usage, 130 interrupted"


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; each sets ``run``, which takes the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog="matact",
        description=DESCRIPTION,
        epilog=f"examples of each: matact COMMAND --help\n{STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    options = parser.add_argument_group("options")
    options.add_argument("-h", "--help", action="help", help="show this help and exit")
    options.add_argument(
        "-V",
        "--version",
        action="version",
        version=f"matact {version('matact') or '(not installed)'}",
        help="show the version and exit",
    )
    for add in (_add_run, _add_report, _add_list, _add_data, _add_demo, _add_explore, _add_verify, _add_completion):
        add(subcommands)
    return parser


def _add_run(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "run",
        "train the networks of an experiment, or the rest of them",
        "Train the networks of an experiment, one for each setting and seed. What is "
        "there already is kept: killed at any moment, the same command goes on to the "
        "same numbers.",
        [
            ("matact run iat-bases", "preset quick"),
            ("matact run iat-bases --preset paper", "the sizes of the paper"),
            ("matact run iat-mesh --set steps=500 --seeds 3", "other settings"),
            ("matact run gated --scheduler tcp://host:8786", "on a Dask cluster"),
        ],
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="one of matact list, or module:ATTRIBUTE")
    add("--preset", default="quick", metavar="PRESET", help="smoke, quick (default) or paper")
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help="change a setting")
    add("--seeds", metavar="N|A,B,", help="number of seeds, or the seeds (default: the preset's)")
    add("--device", default="cpu", metavar="DEVICE", help="where to train (default: cpu)")
    add("--workers", type=_integer(1), metavar="N", help="processes (default: all processors; 1: this process)")
    add(
        "--scheduler",
        default="local",
        metavar="WHERE",
        help="local (default), local-dask, or a Dask scheduler such as tcp://host:8786",
    )
    add("--out", type=Path, metavar="DIR", help="output folder (default: runs/NAME-PRESET)")
    add(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on in an output folder that is there (default), or take a new one",
    )
    add("--tensorboard", action="store_true", help="also write TensorBoard event files")
    _add_json(parser, "print what the folder holds as JSON; progress goes to standard error")
    parser.set_defaults(run=commands.run, interrupted="the same command goes on from here")


def _add_report(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "report",
        "write the report of an experiment beside the paper's numbers",
        "Write markdown and HTML from the folders of an experiment's runs, beside the "
        "numbers of the paper. Nothing is trained.",
        [
            ("matact report iat-bases", "of the last run"),
            ("matact report iat-bases --out runs/iat-bases-paper", "of another folder"),
        ],
    )
    parser.add_argument("name", metavar="NAME", help="the experiment")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder of its runs (default: the last one)")
    _add_json(parser, "print what the folder holds as JSON")
    parser.set_defaults(run=commands.report)


def _add_list(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "list",
        "show the experiments and how long they take here",
        "Show the experiments: what they reproduce, what data they need, and how long the "
        "preset quick takes here, which is estimated from some steps of some runs.",
        [("matact list", ""), ("matact list --json", "with the sizes of all presets")],
    )
    _add_json(parser)
    parser.set_defaults(run=commands.list_)


def _add_data(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "data",
        "show which data sets are here and which are missing",
        "Show which data sets are here, which are missing, and where they are published. Nothing is downloaded.",
        [("matact data --data ~/data", ""), ("MATACT_DATA=~/data matact data --no-checksums", "at once")],
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with data sets (default: $MATACT_DATA)")
    parser.add_argument("--no-checksums", action="store_true", help="do not read the files")
    _add_json(parser)
    parser.set_defaults(run=commands.data)


def _add_demo(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "demo",
        "see what it does: three tasks, a table, figures",
        "Train with ReLU, the M-point and the exact IAT-ReLU on three tasks; print a table, "
        "write results and figures. Four minutes at most.",
        [("matact demo --quick", "half a minute"), ("matact demo --out first --seed 7", "")],
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps and one seed")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder for the results (default: a new one, {commands.DEMO_FOLDER} or {commands.DEMO_FOLDER}-2, ...)",
    )
    parser.add_argument(
        "--seed", type=_integer(0, 2**32 - 1), default=0, metavar="N", help="seed of the first run (default: 0)"
    )
    parser.add_argument(
        "--threads",
        type=_integer(1, 1024),
        default=1,
        metavar="N",
        help="threads to use (default: 1: the networks are small, more gain little)",
    )
    _add_json(parser, "print the table as JSON; all else goes to standard error")
    parser.set_defaults(run=commands.demo, interrupted="unfinished results were not written")


def _add_explore(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "explore",
        "turn the inputs of one transform, in the browser",
        "Serve a page to this machine's browser alone: sliders for the input, menus for the "
        "bases, and the state function, the matrix and the output beside them. Ctrl-C ends it.",
        [("matact explore", ""), ("matact explore --port 8000 --no-browser", "open the printed address yourself")],
    )
    parser.add_argument(
        "--port", type=_integer(0, 65535), default=5006, metavar="N", help="port (default: 5006; 0: any that is free)"
    )
    parser.add_argument("--no-browser", action="store_false", dest="browser", help="do not open a browser")
    parser.set_defaults(run=commands.explore, interrupted="the page has ended")


def _add_verify(subcommands: Commands) -> None:
    parser = _add(
        subcommands,
        "verify",
        "decide the claims of the three papers, with proofs",
        "Decide the mathematical claims of the three papers: a table of all, in under a "
        "minute, or the proofs of some. A verdict that differs from the recorded one is an "
        "error.",
        [
            ("matact verify", "the table"),
            ("matact verify IAT-21", "a proof, step by step"),
            ("matact verify AReLU --json", "the claims of a paper"),
        ],
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="claims, such as IAT-21, or a paper; with their proofs")
    form = parser.add_mutually_exclusive_group()
    _add_json(form)
    form.add_argument("--latex", action="store_true", help="print a LaTeX table")
    parser.set_defaults(run=commands.verify)


def _add_completion(subcommands: Commands) -> None:
    bash = "~/.local/share/bash-completion/completions"
    parser = _add(
        subcommands,
        "completion",
        "print a script that completes words in bash, zsh or fish",
        "Print a script that completes commands, options, experiments and claims in a shell. "
        "Write it again after an update.",
        [
            (f"matact completion bash > {bash}/matact", ""),
            ("matact completion zsh > ~/.zfunc/_matact", "a folder of $fpath"),
            ("matact completion fish > ~/.config/fish/completions/matact.fish", ""),
        ],
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=commands.completion)


def _add(
    subcommands: Commands, name: str, summary: str, description: str, examples: Sequence[tuple[str, str]]
) -> argparse.ArgumentParser:
    """A subcommand; examples are commands with what is to be said about them."""
    width = max(len(command) for command, note in examples if note) if any(note for _, note in examples) else 0
    lines = [f"  {command:{width}}  {note}".rstrip() if note else f"  {command}" for command, note in examples]
    return subcommands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, WIDTH),
        epilog="\n".join(["examples:", *lines, "", STATUS]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_json(parser: argparse._ActionsContainer, text: str = "print JSON") -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """A converter for argparse."""
    expected = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r}")
        return value

    return parse
