"""A tiny experiment for the tests of the engine: it can be slow, turn nan, and kill its own worker."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from torch_bridge.experiments.documents import Report, Section, Table
from torch_bridge.experiments.engine import Experiment, Preset
from torch_bridge.train.ensemble import EnsembleJob, Recipe, ensemble_mlp

REFERENCE = "tests.torch_bridge.engine_toy:EXPERIMENT"


@dataclass(frozen=True)
class ToySettings:
    rates: tuple[float, ...] = (0.1, 0.05, 0.02)
    steps: int = 40
    delay: float = 0.0
    nan_seed: int | None = None
    deaths: str = ""
    fails: bool = False
    batch_norm: bool = False
    optimizer: str = "adam"
    precision: str = "float32"

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")


@dataclass(frozen=True)
class ToyRun:
    rate: float
    steps: int
    delay: float = 0.0
    nan_seed: int | None = None
    deaths: str = ""
    fails: bool = False
    batch_norm: bool = False
    optimizer: str = "adam"
    precision: str = "float32"

    @property
    def label(self):
        return f"rate {self.rate}"


class ToyJob(EnsembleJob):
    """``deaths`` is a folder with a file ``<rate>-<k>-<i>`` for each time that a worker has to die at its k-th step."""

    def __init__(self, run, seeds, device):
        x = torch.linspace(-1, 1, 48).reshape(16, 3)
        losses = {"error": lambda a, b: (a - b).square().flatten(1).mean(1)}
        recipe = Recipe(run.steps, run.rate, run.optimizer, batch_size=5, precision=run.precision)

        def build(generators):
            return ensemble_mlp([3, 4, 4, 1], lambda width: torch.nn.Tanh(), generators, 1.0, run.batch_norm)

        super().__init__(build, x, x.sum(1, keepdim=True).sin(), losses["error"], losses, recipe, seeds, device)
        self.run, self.seeds, self.count = run, list(seeds), 0

    def step(self):
        time.sleep(self.run.delay)
        self.count += 1
        if self.run.fails:
            raise ArithmeticError("as told")
        if self.run.deaths:
            for file in Path(self.run.deaths).glob(f"{self.run.rate}-{self.count}-*"):
                file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        if self.run.nan_seed in self.seeds and self.count == 10:
            with torch.no_grad():
                self.parameters[0][self.seeds.index(self.run.nan_seed)] = torch.nan
        return super().step()


def toy_runs(settings):
    values = {name: getattr(settings, name) for name in ToyRun.__dataclass_fields__ if name != "rate"}
    return [ToyRun(rate=rate, **values) for rate in settings.rates]


def toy_report(settings, results):
    rows = tuple((run.settings.label, str(run.seed), f"{run.metrics['error']:.6e}") for run in results.select(bool))
    return Report("toy <report>", (Section("all", (Table(("run", "seed", "error"), rows),)),))


EXPERIMENT = Experiment(
    name="toy",
    title="a tiny experiment",
    reproduces="nothing",
    data="generated",
    presets={"smoke": Preset(ToySettings(), 2), "quick": Preset(ToySettings(), 3)},
    run=ToyRun,
    runs=toy_runs,
    start=ToyJob,
    report=toy_report,
)
