"""Reports of the functions of TMAF 3.1 and 3.2."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from iatcore.grids import grid
from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.figures import styled
from torch_bridge.experiments.iat_figures import curves_figure
from torch_bridge.experiments.image_report import claims_section
from torch_bridge.experiments.statistics import NOT_TESTED, Claim, Difference, Sample, metric_by_seed
from torch_bridge.experiments.tmaf_functions import (
    FUNCTIONS,
    MEAN_SQUARES,
    TRIDIAGONAL,
    FunctionRun,
    FunctionSettings,
    runs,
    start,
)

LEAST_STEPS = 1000
"""Trainings of fewer steps are smoke tests."""
LEARNED = 0.5
"""Networks are compared where the best has at most this share of the mean square of the function as its error."""

Question = tuple[str, str, str]
"""Text, activation that is said to be better, than which."""
OWN: tuple[Question, ...] = (
    ("IAT-ReLU beats ReLU", "iat-relu", "relu"),
    ("IAT-ReLU beats TMAF", "iat-relu", "tmaf"),
    ("an AReLU gate helps IAT-ReLU", "iat-arelu", "iat-relu"),
)


def function_report(
    name: str,
    title: str,
    settings: FunctionSettings,
    results: Results,
    published: Mapping[tuple[int, str], float],
    questions: Sequence[Question],
    chosen: Sequence[str],
) -> Report:
    """Claims, errors beside the paper's, fits, curves and learned steps.

    Args:
        name, title: of the report.
        settings, results: of the runs.
        published: (n, activation) -> error.
        questions: what the paper says.
        chosen: what it leaves out.
    """
    found = {run: results.select(lambda r, run=run: r == run) for run in runs(settings)}
    found = {run: of for run, of in found.items() if of}
    unit = "Compared are means over seeds of -log10 of the training MSE: a difference of 1 is a factor of 10."
    names = list(dict.fromkeys(run.activation for run in found))
    dimensions = list(dict.fromkeys(run.dimension for run in found))
    cells = {(run.activation, run.dimension): of for run, of in found.items()}
    numbers = published if settings.steps >= LEAST_STEPS else {}
    rows = tuple(
        (activation, *(_cell(cells.get((activation, n)), numbers.get((n, activation))) for n in dimensions))
        for activation in names
    )
    groups = {f"n = {n}": {a: cells[a, n] for a in names if (a, n) in cells} for n in dimensions}
    pictures = [
        Picture(f"losses-{n[4:]}", f"training loss, {n}", partial(curves_figure, of)) for n, of in groups.items()
    ]
    if 1 in dimensions:
        pictures.append(Picture("fits", "fits on the line, first seed", partial(_draw_fits, groups["n = 1"])))
    stepped = {f"{a}, {n}": of for n, line in groups.items() for a, of in line.items() if a.startswith("tmaf")}
    if stepped:
        caption = (
            "learned steps a(t) of TMAF, a line a layer (of the tri-diagonal one those of the diagonal), first seed"
        )
        pictures.append(Picture("steps", caption, partial(_draw_steps, stepped)))
    return Report(
        f"{name}: {title}",
        (
            claims_section("Claims of the paper", _claims(found, questions), unit),
            claims_section("Rows that the paper does not have", _claims(found, OWN), unit),
            Section(
                "Errors",
                (
                    "Training MSE (test MSE on fresh samples), and in square brackets the paper's.",
                    Table(("activation", *(f"n = {n}" for n in dimensions)), rows),
                ),
            ),
            Section("Curves", tuple(pictures)),
            Section("Chosen, not published", (tuple(chosen),)),
        ),
    )


def _claims(found: Mapping[FunctionRun, Sequence[RunResult]], questions: Sequence[Question]) -> list[Claim]:
    claims = []
    for n in dict.fromkeys(run.dimension for run in found):
        here = {run.activation: run for run in found if run.dimension == n}
        for text, a, b in questions:
            if a not in here or b not in here:
                claims.append(Claim(text, f"n = {n}", NOT_TESTED, "not trained"))
                continue
            run = here[a]
            where = f"n = {n}, {run.steps} steps from rate {run.learning_rate:g}"
            difference = Difference(*(_score(found[here[name]]) for name in (a, b)))
            reason = "a smoke test alone" if run.steps < LEAST_STEPS else _undertrained(here.values(), found)
            if reason is not None:
                claims.append(Claim(text, where, NOT_TESTED, reason))
            else:
                claims.append(Claim(text, where, difference.verdict, f"{a} against {b}: {difference.text}"))
    return claims


def _undertrained(group: Iterable[FunctionRun], found: Mapping[FunctionRun, Sequence[RunResult]]) -> str | None:
    """Why nothing can be said, if no network has learned a function."""
    group = list(group)
    zero = MEAN_SQUARES[group[0].task]
    best = min(Sample.of(metric_by_seed(found[run], "MSE").values()).mean for run in group)
    return f"undertrained: the least MSE is {best:.2g}, and 0 has {zero:g}" if best > LEARNED * zero else None


def _score(found: Sequence[RunResult]) -> Sample:
    return Sample.of(-math.log10(max(value, 1e-300)) for value in metric_by_seed(found, "MSE").values())


def _cell(found: Sequence[RunResult] | None, published: float | None) -> str:
    tail = "" if published is None else f" [{published:.2g}]"
    if not found:
        return "-" + tail
    train, test = (Sample.of(metric_by_seed(found, name).values()) for name in ("MSE", "test MSE"))
    spread = "" if math.isnan(train.std) else f" +- {train.std:.1g}"
    return f"{train.mean:.2g}{spread} ({test.mean:.2g}){tail}"


@styled
def _draw_fits(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    figure = Figure(figsize=(10, 2.2 * max(len(groups), 1)), layout="constrained")
    for ax, (name, found) in zip(
        figure.subplots(max(len(groups), 1), 1, squeeze=False).flat, groups.items(), strict=False
    ):
        run = found[0]
        function, side = FUNCTIONS[run.settings.task]
        x = torch.linspace(-side, side, 2001, dtype=torch.float64)[:, None]
        ax.plot(x[:, 0].numpy(), function(x)[:, 0].numpy(), color="#b0b0b0", linewidth=2, label="function")
        state = run.state()
        if state is not None:
            job = start(run.settings, run.seeds, torch.device("cpu"))
            job.load_state_dict(state)
            ax.plot(x[:, 0].numpy(), job.predict(x)[run.member, :, 0].numpy(), linewidth=1, label=name)
        ax.legend(loc="upper right")
    return figure


@styled
def _draw_steps(groups: Mapping[str, Sequence[RunResult]]) -> Figure:
    figure = Figure(figsize=(8, 2.4 * len(groups)), layout="constrained")
    for ax, (name, found) in zip(figure.subplots(len(groups), 1, squeeze=False).flat, groups.items(), strict=True):
        run = found[0]
        for i, values in enumerate(_learned(run)):
            points = np.array(grid("uniform" if run.settings.activation == TRIDIAGONAL else run.settings.grid))
            edges = np.concatenate([[points[0] - 0.5], points, [points[-1] + 0.5]])
            ax.stairs(values, edges, baseline=None, label=f"layer {i + 1}")
        ax.set_title(name)
        ax.set_xlabel("t")
        if ax.get_legend_handles_labels()[0]:
            ax.legend()
    return figure


def _learned(run: RunResult) -> list[Any]:
    """Step values of the main diagonal in every layer, of this seed."""
    state = run.state()
    if state is None:
        return []
    main = "values_1" if run.settings.activation != "tmaf" else "values_0"
    e = run.member
    return [v[e].double().cpu().numpy() for key, v in state["network"].items() if key.endswith(main)]
