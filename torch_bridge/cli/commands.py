"""What the subcommands call. Each takes the parsed arguments; none computes anything itself."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from torch_bridge.report.files import output_folder

from .errors import CommandError, need

if TYPE_CHECKING:
    from rich.console import Console

DEMO_FOLDER = "matact-demo"


def run(arguments: argparse.Namespace) -> None:
    """``matact run``: do the runs of an experiment that are not there yet."""
    need("experiments")
    if arguments.scheduler != "local":
        need("experiments", ["distributed"])
    if arguments.tensorboard:
        need("experiments", ["tensorboard"])
    from torch_bridge.experiments.engine import ExperimentError
    from torch_bridge.sweep import command
    from torch_bridge.sweep.outcomes import SweepError
    from torch_bridge.sweep.units import Options

    request = command.Request(
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
        folder = command.run(request, _console(arguments))
        if arguments.json and folder is not None:
            _print_json(command.summary(folder))
    except (ExperimentError, SweepError) as error:
        raise CommandError(error) from None


def report(arguments: argparse.Namespace) -> None:
    """``matact report``: write markdown and HTML from the folders of runs."""
    need("experiments")
    from torch_bridge.experiments.engine import ExperimentError
    from torch_bridge.sweep import command

    try:
        folder = command.report(arguments.name, arguments.out, _console(arguments)).resolve()
        if arguments.json:
            pages = {"markdown": folder / "report.md", "html": folder / "report.html"}
            _print_json(command.summary(folder.parent) | pages)
    except ExperimentError as error:
        raise CommandError(error) from None


def list_(arguments: argparse.Namespace) -> None:
    """``matact list``: the experiments."""
    need("experiments")
    from torch_bridge.sweep import command

    if arguments.json:
        _print_json([entry.as_dict() for entry in command.entries()])
    else:
        command.list_experiments()


def data(arguments: argparse.Namespace) -> None:
    """``matact data``: which data sets are here."""
    from dataclasses import asdict

    from torch_bridge.data import DataError, describe, status

    if arguments.data is not None and not arguments.data.is_dir():
        raise CommandError(f"--data must be a folder, got {arguments.data}")
    try:
        rows = status(arguments.data, checksums=not arguments.no_checksums)
    except DataError as error:
        raise CommandError(error) from None
    if arguments.json:
        _print_json([asdict(row) for row in rows])
    else:
        print(describe(rows, arguments.data))


def demo(arguments: argparse.Namespace) -> None:
    """``matact demo``: train on three tasks, write results and figures."""
    need("experiments")
    from dataclasses import replace

    from torch_bridge.experiments.demo import FULL, QUICK
    from torch_bridge.report.demo import run_demo

    _set_threads(arguments.threads)
    settings = replace(QUICK if arguments.quick else FULL, seed=arguments.seed)
    with output_folder(arguments.out, DEMO_FOLDER) as folder:
        run_demo(settings, folder, _console(arguments))
    if arguments.json:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        _print_json({"folder": folder.resolve(), "seconds": results["seconds"], "summary": results["summary"]})


def explore(arguments: argparse.Namespace) -> None:
    """``matact explore``: one transform as a page in the browser."""
    need("explore")
    from torch_bridge.explore import run as serve

    serve(port=arguments.port, show=arguments.browser)


def verify(arguments: argparse.Namespace) -> None:
    """``matact verify``: decide the claims of the papers."""
    need("verify")
    from verify.command import run as check

    try:
        status = check(arguments)
    except KeyError as error:
        raise CommandError(error.args[0]) from None
    if status:
        raise CommandError("verdicts differ from the recorded ones")


def completion(arguments: argparse.Namespace) -> None:
    """``matact completion``: a script for a shell."""
    need("experiments", ["shtab"])
    need("verify")
    from .completion import completion_script
    from .parser import build_parser

    print(completion_script(build_parser(), arguments.shell))


def _console(arguments: argparse.Namespace) -> Console:
    """Where people look: standard output, but standard error where that has JSON."""
    from rich.console import Console

    from torch_bridge.report.demo import make_console

    return Console(stderr=True) if arguments.json else make_console()


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str, allow_nan=False))


def _set_threads(count: int) -> None:
    import torch

    from iatcore.threads import set_num_threads

    torch.set_num_threads(count)
    set_num_threads(count)
