"""The command ``matact``. What a subcommand needs is imported when it runs."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from torch_bridge.report.files import output_folder, version

EXPERIMENTS_EXTRA = ("matplotlib", "sklearn", "rich", "PIL")
"""Modules of the extra ``experiments``."""

VERIFY_EXTRA = ("flint",)
"""Modules of the extra ``verify`` that the command needs."""

FOLDER = "matact-demo"


class CommandError(Exception):
    """Ends the command with a message and exit status 1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 after an error, 130 when interrupted.

    Raises:
        SystemExit: with status 2 for wrong usage, 0 after ``--help`` and ``--version``.
    """
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print(f"matact: interrupted; {getattr(arguments, 'interrupted', 'nothing was written')}", file=sys.stderr)
        return 130
    except (CommandError, OSError) as error:
        print(f"matact: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; each sets ``run``, which takes the parsed arguments."""
    parser = argparse.ArgumentParser(prog="matact", description="Matrix activations, exactly.")
    parser.add_argument("--version", action="version", version=f"matact {version('matact') or '(not installed)'}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_list(commands)
    _add_run(commands)
    _add_report(commands)
    _add_data(commands)
    _add_verify(commands)
    return parser


def _add_list(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "show the experiments: what they reproduce, what data they need, how long they take here"
    parser = commands.add_parser("list", help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> None:
    _need(EXPERIMENTS_EXTRA, "experiments")
    from torch_bridge.sweep.command import list_experiments

    list_experiments()


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "do the runs of an experiment that are not there yet; killed at any moment, it goes on to the same numbers"
    parser = commands.add_parser("run", help=text, description=text[0].upper() + text[1:] + ".")
    add = parser.add_argument
    add("name", metavar="NAME", help="one of matact list, or module:ATTRIBUTE")
    add("--preset", default="quick", metavar="NAME", help="smoke, quick (default) or paper")
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help="change a setting")
    add("--seeds", metavar="N|A,B,", help="number of seeds, or the seeds (default: the preset's)")
    add("--device", default="cpu", help="where to train (default: cpu)")
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
        help="go on in an output folder that is there (default); otherwise take a new one",
    )
    add("--tensorboard", action="store_true", help="also write TensorBoard event files")
    parser.set_defaults(run=_run, interrupted="the same command goes on from here")


def _run(arguments: argparse.Namespace) -> None:
    _need(EXPERIMENTS_EXTRA, "experiments")
    if arguments.scheduler != "local":
        _need(("distributed",), "experiments")
    if arguments.tensorboard:
        _need(("tensorboard",), "experiments")
    from torch_bridge.experiments.engine import ExperimentError
    from torch_bridge.sweep.command import Request, run
    from torch_bridge.sweep.outcomes import SweepError
    from torch_bridge.sweep.units import Options

    request = Request(
        experiment=arguments.name,
        preset=arguments.preset,
        assignments=tuple(arguments.assignments),
        seeds=arguments.seeds,
        device=arguments.device,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        out=arguments.out,
        resume=arguments.resume,
        options=Options(tensorboard=arguments.tensorboard),
    )
    try:
        run(request)
    except (ExperimentError, SweepError) as error:
        raise CommandError(error) from None


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write markdown and HTML from the folders of an experiment's runs"
    parser = commands.add_parser("report", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("name", metavar="NAME", help="the experiment")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder of its runs (default: the last one)")
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> None:
    _need(EXPERIMENTS_EXTRA, "experiments")
    from torch_bridge.experiments.engine import ExperimentError
    from torch_bridge.sweep.command import report

    try:
        report(arguments.name, arguments.out)
    except ExperimentError as error:
        raise CommandError(error) from None


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "show which data sets are here, which are missing, and where they are published"
    parser = commands.add_parser("data", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with data sets (default: $MATACT_DATA)")
    parser.add_argument("--no-checksums", action="store_true", help="do not read the files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_data)


def _data(arguments: argparse.Namespace) -> None:
    _need(EXPERIMENTS_EXTRA, "experiments")
    import json
    from dataclasses import asdict

    from torch_bridge.data import DataError, describe, status

    if arguments.data is not None and not arguments.data.is_dir():
        raise CommandError(f"--data must be a folder, got {arguments.data}")
    try:
        rows = status(arguments.data, checksums=not arguments.no_checksums)
    except DataError as error:
        raise CommandError(error) from None
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, default=str))
    else:
        print(describe(rows, arguments.data))


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "decide the mathematical claims of the three papers: a table, or the proof of one"
    parser = commands.add_parser("verify", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("ids", nargs="*", metavar="ID", help="claims, such as IAT-21, or a paper; with their proofs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--latex", action="store_true", help="print a LaTeX table")
    parser.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> None:
    _need(VERIFY_EXTRA, "verify")
    from verify.command import run

    try:
        status = run(arguments)
    except KeyError as error:
        raise CommandError(error.args[0]) from None
    if status:
        raise CommandError("verdicts differ from the recorded ones")


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "train with ReLU, the M-point and the exact IAT-ReLU on three tasks; write results and figures"
    parser = commands.add_parser("demo", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument(
        "--quick", action="store_true", help="fewer steps and one seed: half a minute, not some minutes"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder for the results (default: a new one, {FOLDER} or {FOLDER}-2, ...)",
    )
    parser.add_argument("--seed", type=_integer(0), default=0, metavar="N", help="seed of the first run (default: 0)")
    parser.add_argument(
        "--threads",
        type=_integer(1),
        default=1,
        metavar="N",
        help="threads to use (default: 1: the networks are small, more gain little)",
    )
    parser.set_defaults(run=_demo, interrupted="unfinished results were not written")


def _demo(arguments: argparse.Namespace) -> None:
    _need(EXPERIMENTS_EXTRA, "experiments")
    from dataclasses import replace

    from torch_bridge.experiments.demo import FULL, QUICK
    from torch_bridge.report.demo import run_demo

    _set_threads(arguments.threads)
    settings = replace(QUICK if arguments.quick else FULL, seed=arguments.seed)
    with output_folder(arguments.out, FOLDER) as folder:
        run_demo(settings, folder)


def _set_threads(count: int) -> None:
    import torch

    from iatcore.threads import set_num_threads

    torch.set_num_threads(count)
    set_num_threads(count)


def _need(modules: Sequence[str], extra: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(f'{", ".join(missing)} not found; install with: pip install "matact[{extra}]"')


def _integer(least: int):
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(f"must be an integer >= {least}, got {text!r}")
        return value

    return parse
