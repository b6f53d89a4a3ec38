"""The demo as people meet it: progress while it runs, a table at the end, results and figures in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from torch_bridge.experiments import demo, figures
from torch_bridge.experiments.demo import DemoResult, DemoSettings, Progress
from torch_bridge.report.files import environment, write_figure, write_json

PLAIN_WIDTH = 110


def run_demo(settings: DemoSettings, folder: Path, console: Console | None = None) -> DemoResult:
    """Run the demo, write everything into ``folder`` (which exists), and print the table and the folder.

    Files appear once all numbers are there: ``results.json``, ``pattern.png``, ``bases.png``, ``curves.png``.
    """
    console = console or make_console()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with progress_on(console, settings.total_runs) as progress:
        result = demo.run(settings, progress)
        progress.phase("drawing")
        drawn = {
            "pattern.png": figures.pattern_figure(result.pattern),
            "bases.png": figures.bases_figure(),
            "curves.png": figures.curves_figure(result),
        }
        for name, figure in drawn.items():
            write_figure(folder / name, figure)
        recorded = {"name": "demo", "started": started, "environment": environment(), **result.to_dict()}
        write_json(folder / "results.json", recorded)
    console.print(summary_table(result))
    console.print(f"{result.seconds:.0f} s in all. Results and figures are in", highlight=False)
    console.print(str(folder.resolve()), highlight=False, soft_wrap=True, markup=False)
    return result


def make_console() -> Console:
    """A console on standard output; as wide as the table where that is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def summary_table(result: DemoResult) -> Table:
    """Activation by task: mean over seeds (and standard deviation), and below it the wall time of a run."""
    settings = result.settings
    seeds = "1 run" if settings.runs == 1 else f"mean of {settings.runs} runs +- standard deviation"
    title = f"{seeds}, seconds a run; equal networks, seeds and settings"
    table = Table(title=title, title_justify="left", title_style="", show_lines=True)
    table.add_column("activation", no_wrap=True)
    rows = {(row["task"], row["activation"]): row for row in result.summary()}
    heads = {
        "labels": "random labels\naccuracy",
        "function": "function\nMSE",
        "digits": "digits (test)\naccuracy",
    }
    for head in heads.values():
        table.add_column(head, justify="right", no_wrap=True)
    for name in demo.ACTIVATIONS:
        table.add_row(demo.activation_title(name, settings), *(_cell(rows[task, name]) for task in heads))
    return table


def _cell(row: dict[str, Any]) -> str:
    mean, std = row["mean"], row["std"]
    if std is None:
        value = demo.format_value(row["metric"], mean)
    elif row["metric"] == "accuracy":
        value = f"{100 * mean:.1f} +- {100 * std:.1f} %"
    else:
        value = f"{mean:.1e} +- {std:.0e}"
    return f"{value}\n[dim]{row['seconds']:.1f} s[/dim]"


@contextmanager
def progress_on(console: Console, runs: int) -> Iterator[Progress]:
    """Bars on a terminal, one plain line a run elsewhere."""
    if not console.is_terminal:
        yield PlainProgress(console, runs)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield BarProgress(bars, runs)


class PlainProgress(Progress):
    """One line when a run has ended."""

    def __init__(self, console: Console, runs: int) -> None:
        self.console, self.runs, self.done = console, runs, 0

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        self._print(text)

    def finish(self, label: str, outcome: str, seconds: float) -> None:
        self.done += 1
        self._print(f"[{self.done}/{self.runs}] {label}: {outcome}, {seconds:.1f} s")


class BarProgress(Progress):
    """A bar for the whole job and one for the current run, with its loss."""

    def __init__(self, bars: Bars, runs: int) -> None:
        self.bars = bars
        self.all = bars.add_task("all runs", total=runs, note="")
        self.current = bars.add_task("", total=None, note="")

    def phase(self, text: str) -> None:
        self.bars.reset(self.current, total=None, description=text, note="")

    def start(self, label: str, steps: int) -> None:
        self.bars.reset(self.current, total=steps, description=label, note="")

    def step(self, step: int, loss: float) -> None:
        self.bars.update(self.current, completed=step, note=f"loss {loss:.2e}")

    def finish(self, label: str, outcome: str, seconds: float) -> None:
        self.bars.console.print(f"{label}: {outcome}, {seconds:.1f} s", highlight=False, markup=False)
        self.bars.advance(self.all)
