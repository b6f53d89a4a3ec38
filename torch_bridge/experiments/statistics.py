"""Means, spreads and comparisons over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch_bridge.experiments.engine import RunResult

SUPPORTED, NOT_SUPPORTED, NOT_TESTED = "supported", "not supported", "not tested"
ERRORS = 2.0
"""A difference counts from so many standard errors."""


@dataclass(frozen=True)
class Sample:
    """Mean, sample standard deviation (nan for one value) and n of some values."""

    mean: float
    std: float
    n: int

    @staticmethod
    def of(values: Iterable[float]) -> Sample:
        """Of any number of values."""
        values = list(values)
        if not values:
            return Sample(math.nan, math.nan, 0)
        return Sample(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan, len(values))


@dataclass(frozen=True)
class Difference:
    """Difference of two means, a - b, and its standard error ``sqrt(s_a^2 / n_a + s_b^2 / n_b)``."""

    a: Sample
    b: Sample

    @property
    def mean(self) -> float:
        """Of a minus that of b."""
        return self.a.mean - self.b.mean

    @property
    def error(self) -> float:
        """Standard error; nan where one of them has less than two values."""
        if min(self.a.n, self.b.n) < 2:
            return math.nan
        return math.sqrt(self.a.std**2 / self.a.n + self.b.std**2 / self.b.n)

    @property
    def verdict(self) -> str:
        """Whether a is larger by more than :data:`ERRORS` standard errors."""
        if math.isnan(self.error):
            return NOT_TESTED
        return SUPPORTED if self.mean > ERRORS * self.error else NOT_SUPPORTED

    @property
    def text(self) -> str:
        """``difference +0.02 +- 0.01 (standard error; n = 10, 10)``, ``difference +0.02 (n = 1, 1)``."""
        if math.isnan(self.error):
            return f"difference {self.mean:+.3g} (n = {self.a.n}, {self.b.n})"
        opposite = self.mean < -ERRORS * self.error
        tail = "; the opposite holds" if opposite else ""
        return f"difference {self.mean:+.3g} +- {self.error:.2g} (standard error; n = {self.a.n}, {self.b.n}){tail}"


TRAINED = {"labels": 0.7, "function": -math.log10(0.05)}
"""Scores (accuracy, ``-log10 MSE``) that the best network has to reach before a task tells networks apart.

Of the labels one half is right by chance, and the function has the mean square 1/4.
"""


def undertrained(task: str, best: float) -> str | None:
    """Why nothing can be said, if the best score of all networks is so low."""
    least = TRAINED.get(task, -math.inf)
    return f"undertrained: the best score is {best:.3g}, and {least:.3g} is asked for" if best < least else None


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and what the runs say about it."""

    text: str
    task: str
    verdict: str
    numbers: str


def by_seed(groups: Sequence[Mapping[int, float]]) -> list[float]:
    """For each seed that every group has, the mean over the groups."""
    if not groups:
        return []
    seeds = set.intersection(*(set(group) for group in groups))
    return [statistics.fmean(group[seed] for group in groups) for seed in sorted(seeds)]


def metric_by_seed(runs: Iterable[RunResult], name: str) -> dict[int, float]:
    """Seed -> metric, of the runs that have it."""
    return {run.seed: run.metrics[name] for run in runs if name in run.metrics}
