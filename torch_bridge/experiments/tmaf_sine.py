"""TMAF table 1, figures 2 and 3: sin(pi x1 + ... + pi xn)."""

from __future__ import annotations

from torch_bridge.experiments.documents import Report
from torch_bridge.experiments.engine import Experiment, Preset, Results
from torch_bridge.experiments.tmaf_function_report import function_report
from torch_bridge.experiments.tmaf_functions import FunctionRun, FunctionSettings, runs, start

PUBLISHED = {
    (1, "relu"): 0.09, (2, "relu"): 0.34, (6, "relu"): 0.48,
    (5, "prelu"): 0.09, (6, "prelu"): 0.47,
    (2, "tmaf"): 0.05, (6, "tmaf"): 0.13,
}  # fmt: skip
"""Table 1 by (n, activation), as far as the text of the paper can be read; the unit of its error is not said."""
QUESTIONS = (
    ("TMAF is the most accurate: better than ReLU", "tmaf", "relu"),
    ("TMAF is the most accurate: better than Para-ReLU", "tmaf", "prelu"),
)
CHOSEN = (
    "the error is the mean square, of which 0 has .5; the paper gives no unit",
    "40,000 steps (1,000 epochs); the paper gives none. Adam, batches of 500, rates 1e-4 and 1e-5: as published",
    "torch's own initial weights; iat-relu and iat-arelu (fourier, pwq) are not in the paper",
    "smoke and quick train shorter at a higher rate",
)


def report(settings: FunctionSettings, results: Results) -> Report:
    """Table 1 and curves."""
    title = "TMAF table 1, figures 2-3"
    return function_report("tmaf-sine", title, settings, results, PUBLISHED, QUESTIONS, CHOSEN)


EXPERIMENT = Experiment(
    name="tmaf-sine",
    title="sin(pi x1 + ... + pi xn) with ReLU, Para-ReLU, TMAF and ours",
    reproduces="TMAF table 1, figures 2-3",
    data="generated",
    presets={
        "smoke": Preset(FunctionSettings(dimensions=(1, 5), samples=600, steps=8, batch_size=100), seeds=2),
        "quick": Preset(FunctionSettings(steps=2000, learning_rate=5e-3), seeds=3),
        "paper": Preset(FunctionSettings(), seeds=5),
    },
    run=FunctionRun,
    runs=runs,
    start=start,
    report=report,
)
