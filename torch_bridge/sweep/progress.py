"""What people see while a sweep runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from torch_bridge.sweep.outcomes import Outcome
from torch_bridge.sweep.training import Event
from torch_bridge.sweep.units import Unit


class Progress:
    """Counts runs and estimates the time left; prints nothing.

    Args:
        units: what is to be trained.
        done: runs that were there already.
    """

    def __init__(self, units: Sequence[Unit] = (), done: int = 0) -> None:
        self.units = {unit.name: unit for unit in units}
        self.before = self.done = done
        self.runs = done + sum(len(unit.members) for unit in units)
        self.fractions: dict[str, float] = {}
        self.total_steps: dict[str, int] = {}
        self.loss = math.nan
        self.failed: list[Outcome] = []
        self.notes: list[str] = []
        self.start = time.monotonic()
        self.start_fractions: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        """A unit is at a step, or has something to say."""
        if event.note:
            self.notes.append(event.note)
            self.say(event.note)
        if event.total:
            self.total_steps[event.unit] = event.total
            fraction = event.step / event.total
            self.start_fractions.setdefault(event.unit, fraction)
            self.fractions[event.unit] = fraction
            self.loss = event.loss
        self.update()

    def ended(self, outcome: Outcome) -> None:
        """A unit has ended."""
        unit = self.units[outcome.unit]
        self.fractions[outcome.unit] = 1.0
        self.done += len(unit.members)
        if outcome.error is not None:
            self.failed.append(outcome)
            self.say(f"{unit.label}: failed: {outcome.error}")
        self.update()
        self.say(f"[{self.done}/{self.runs}] {unit.label}, {_count(len(unit.seeds), 'seed')}{self._left_text()}")

    def seconds_left(self) -> float:
        """By the share of the work that is done since the start; nan before anything is known."""
        if not self.units:
            return 0.0
        share = sum(self.fractions.values()) / len(self.units)
        gained = share - sum(self.start_fractions.get(name, 0.0) for name in self.fractions) / len(self.units)
        return math.nan if gained <= 0.0 else (time.monotonic() - self.start) * (1.0 - share) / gained

    def say(self, text: str) -> None:
        """Print a line."""

    def update(self) -> None:
        """Numbers have changed."""

    def _left_text(self) -> str:
        left = self.seconds_left()
        return "" if math.isnan(left) or left < 0.5 else f", {duration(left)} left"


class PlainProgress(Progress):
    """A line a unit."""

    def __init__(self, console: Console, units: Sequence[Unit], done: int) -> None:
        super().__init__(units, done)
        self.console = console

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class BarProgress(PlainProgress):
    """A bar with runs done, time left, and the current loss."""

    def __init__(self, console: Console, bars: Bars, units: Sequence[Unit], done: int) -> None:
        super().__init__(console, units, done)
        self.bars = bars
        self.task = bars.add_task("runs", total=self.runs, completed=done, left="", loss="")

    def update(self) -> None:
        partial = sum(self.fractions.get(name, 0.0) * len(unit.members) for name, unit in self.units.items())
        left = self.seconds_left()
        self.bars.update(
            self.task,
            completed=min(self.before + partial, self.runs),
            left="" if math.isnan(left) else f"{duration(left)} left",
            loss="" if math.isnan(self.loss) else f"loss {self.loss:.2e}",
        )


@contextmanager
def progress_on(console: Console, units: Sequence[Unit], done: int) -> Iterator[Progress]:
    """Bars on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield PlainProgress(console, units, done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield BarProgress(bars.console, bars, units, done)


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
