"""TMAF table 2, figures 4 to 6: sin(100 pi x) + cos(50 pi x) + sin(pi x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results
from torch_bridge.experiments.tmaf_function_report import function_report
from torch_bridge.experiments.tmaf_functions import (
    ACTIVATIONS,
    LOCAL,
    OSCILLATORY,
    TRIDIAGONAL,
    FunctionRun,
    FunctionSettings,
    runs,
    start,
)

PUBLISHED = {(1, "relu"): 1.0, (1, "prelu"): 1.0, (1, "tmaf"): 6.45e-2, (1, TRIDIAGONAL): 5.81e-2}
"""Table 2: final loss. The two fast parts have the mean square 1 together."""
QUESTIONS = (
    ("the diagonal TMAF beats ReLU", "tmaf", "relu"),
    ("the diagonal TMAF beats Para-ReLU", "tmaf", "prelu"),
    ("the tri-diagonal TMAF beats ReLU", TRIDIAGONAL, "relu"),
    ("the tri-diagonal TMAF beats the diagonal one", TRIDIAGONAL, "tmaf"),
)
CHOSEN = (
    "40,000 steps (1,000 epochs); the paper gives none. Adam, batches of 500, rates 1e-4 and 1e-5: as published",
    "no BatchNorm: section 3.1 has it, section 3.2 does not say so. With it every neuron of the first layer sees the "
    "same standardised x, a good part of it outside of the grid, and no activation learned the fast parts (MSE .99)",
    "torch's own initial weights; TMAF starts as ReLU, other diagonals as 0",
    f"iat-relu and iat-arelu ({LOCAL[0]}, {LOCAL[1]}: the time grows like the width) are not in the paper",
    "smoke and quick have narrower layers and train shorter at a higher rate",
)


@dataclass(frozen=True)
class OscillatorySettings(FunctionSettings):
    """As :class:`FunctionSettings`, with the uniform grids of TMAF 3.2 and three hidden layers; n is 1."""

    task: ClassVar[str] = OSCILLATORY
    grid: ClassVar[str] = "uniform"

    dimensions: tuple[int, ...] = (1,)
    activations: tuple[str, ...] = ACTIVATIONS
    width: int = 400
    tridiagonal_width: int = 300
    batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimensions != (1,):
            raise ValueError(f"dimensions must be 1, got {', '.join(map(str, self.dimensions))}")

    def hidden_layers(self, dimension: int) -> int:
        """Three."""
        return 3


def report(settings: FunctionSettings, results: Results) -> Report:
    """Table 2, fits and curves."""
    title = "TMAF table 2, figures 4-6"
    return function_report("tmaf-oscillatory", title, settings, results, PUBLISHED, QUESTIONS, CHOSEN)


SMALL: dict[str, Any] = {"samples": 600, "steps": 6, "batch_size": 100, "width": 12, "tridiagonal_width": 10}
EXPERIMENT = Experiment(
    name="tmaf-oscillatory",
    title="sin(100 pi x) + cos(50 pi x) + sin(pi x) with ReLU, Para-ReLU, TMAF and ours",
    reproduces="TMAF table 2, figures 4-6",
    data="generated",
    presets={
        "smoke": Preset(OscillatorySettings(**SMALL), seeds=2),
        "quick": Preset(OscillatorySettings(width=100, tridiagonal_width=75, steps=8000, learning_rate=1e-3), seeds=2),
        "paper": Preset(OscillatorySettings(), seeds=5),
    },
    run=FunctionRun,
    runs=runs,
    start=start,
    report=report,
)
