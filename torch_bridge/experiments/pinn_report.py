"""The report of ``pinn``: whether it helped, errors, second derivatives, costs, and least squares on features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from torch_bridge.experiments.documents import Picture, Report, Section, Table
from torch_bridge.experiments.engine import Results, RunResult
from torch_bridge.experiments.figures import styled
from torch_bridge.experiments.iat_figures import curves_figure
from torch_bridge.experiments.pinn_equations import EQUATIONS, Equation
from torch_bridge.experiments.pinn_training import (
    COLLOCATION,
    GALERKIN,
    IAT,
    OBJECTIVE,
    RELATIVE,
    SECOND,
    SQUARED,
    STRONG,
    TANH,
    TRAINED,
    VARIATIONAL,
)
from torch_bridge.experiments.statistics import SUPPORTED, Difference, Sample, metric_by_seed

if TYPE_CHECKING:
    from torch_bridge.experiments.pinn import PinnSettings

SECONDS = "seconds per step"

AUTHORS_PINN = (1e-6, 2.5e-6)
"""Mean squared error of a tanh PINN, widths 100 to 1000, Poisson on the square: Zhang, Bao, Ju, Zhang, *TransNet*."""

AUTHORS_FEATURES = (1e-9, 5e-17)
"""The same with 400 to 1000 fixed tanh features and least squares."""

BETTER, WORSE, OPEN, UNTESTED = "better", "worse", "undecided", "not tested"
Cells = Mapping[tuple[str, str, str], Sequence[RunResult]]
"""(form, equation, method) -> runs of networks."""


def pinn_report(settings: PinnSettings, results: Results, chosen: Sequence[str]) -> Report:
    """Everything from the results."""
    cells = network_cells(results)
    sections = [verdict_section(cells)]
    sections += [_form_section(form, cells, settings.learning_rates) for form in TRAINED if form in settings.forms]
    if STRONG in settings.forms:
        sections.append(_mesh_section(settings, cells))
    sections.append(_scale_section(results, cells))
    sections.append(Section("Chosen, not published", (tuple(chosen),)))
    return Report("pinn: second-order equations with exact derivatives", tuple(sections))


def network_cells(results: Results) -> dict[tuple[str, str, str], list[RunResult]]:
    """The runs of networks that did not fail, by form, equation and method, with their best learning rate alone.

    Best is the least mean objective, among the rates with which the fewest seeds failed.
    """
    names, groups = list(EQUATIONS), {}

    def place(run: RunResult) -> tuple[Any, ...]:
        own = run.settings
        return TRAINED.index(own.form), names.index(own.equation), own.activation == IAT, own.mesh is None

    for run in sorted(results.select(lambda settings: settings.form in TRAINED), key=place):
        own = run.settings
        rates = groups.setdefault((own.form, own.equation, own.method), {})
        rates.setdefault(own.learning_rate, []).append(run)

    def order(runs: Sequence[RunResult]) -> tuple[int, float]:
        return -len(runs), Sample.of(run.metrics[OBJECTIVE] for run in runs).mean

    return {key: min(rates.values(), key=order) for key, rates in groups.items()}


def outcome(ours: Sequence[RunResult], theirs: Sequence[RunResult]) -> str:
    """Whether our mean of ``-log10`` of the relative error is larger, by two standard errors of the difference."""
    a, b = (Sample.of(-math.log10(v) for v in metric_by_seed(runs, RELATIVE).values()) for runs in (ours, theirs))
    if min(a.n, b.n) < 2:
        return UNTESTED
    if Difference(a, b).verdict == SUPPORTED:
        return BETTER
    return WORSE if Difference(b, a).verdict == SUPPORTED else OPEN


def comparisons(cells: Cells) -> dict[tuple[str, str, str], dict[str, str]]:
    """(form, exact IAT, rival) -> equation -> outcome; rivals are tanh, sine and "M points"."""
    table: dict[tuple[str, str, str], dict[str, str]] = {}
    for (form, equation, method), runs in cells.items():
        if runs[0].settings.activation != IAT or runs[0].settings.mesh is not None:
            continue
        for (other_form, other_equation, rival), theirs in cells.items():
            network = theirs[0].settings
            if (other_form, other_equation) != (form, equation):
                continue
            if network.activation == IAT and network.mesh is None:
                continue
            name = "M points" if network.activation == IAT else rival
            table.setdefault((form, method, name), {})[equation] = outcome(runs, theirs)
    return table


def verdict_section(cells: Cells) -> Section:
    """Counts of what was better and worse, in a sentence for each rival and in a table."""
    table = comparisons(cells)
    sentences = []
    for form, rival in dict.fromkeys((form, rival) for form, _, rival in table):
        found = [result for key, by in table.items() if (key[0], key[2]) == (form, rival) for result in by.values()]
        sentences.append(sentence(form, rival, found))
    kinds = (BETTER, WORSE, OPEN, UNTESTED)
    rows = tuple(
        (form, method, rival, *(", ".join(e for e, result in by.items() if result == kind) or "-" for kind in kinds))
        for (form, method, rival), by in table.items()
    )
    note = (
        "Compared are means over seeds of -log10 of the relative L2 error, after the same number of steps, not the "
        "same time, each network with the learning rate of least objective. Better and worse mean two standard "
        "errors of the difference."
    )
    head = ("form", "exact IAT", "against", *kinds)
    parts: tuple[Any, ...] = (tuple(sentences) or "Nothing was compared: not tested.", note)
    return Section("Did it help?", (*parts, Table(head, rows, text=True)) if rows else parts)


def sentence(form: str, rival: str, found: Sequence[str]) -> str:
    """``In the strong form, against tanh, exact IAT did not help: ...``."""
    better, worse = found.count(BETTER), found.count(WORSE)
    counts = f"better in {better}, worse in {worse}, undecided or not tested in {len(found) - better - worse}"
    if better + worse == 0:
        start = "it is not decided whether exact IAT helped"
    elif worse == 0:
        start = "exact IAT helped, wherever there is a difference"
    elif better == 0:
        start = "exact IAT did not help: it is nowhere better"
    else:
        start = "exact IAT helped in some cases and not in others"
    return f"In the {form} form, against {rival}, {start}; of {len(found)} comparisons (equation, basis) {counts}."


def _names(form: str, cells: Cells) -> tuple[list[str], list[str]]:
    equations = [e for e in EQUATIONS if any(key[:2] == (form, e) for key in cells)]
    return equations, list(dict.fromkeys(key[2] for key in cells if key[0] == form))


def _form_section(form: str, cells: Cells, tried: Sequence[float]) -> Section:
    titles = {
        STRONG: "Strong form: mean squared residual, penalty on the boundary",
        VARIATIONAL: "Variational form: mean energy density, first derivatives only",
    }
    equations, methods = _names(form, cells)
    if not equations:
        return Section(titles[form], ("No run has ended.",))
    parts: list[Any] = ["Means over seeds ± standard deviation (number of runs)."]
    for metric in (RELATIVE, SQUARED, SECOND, OBJECTIVE, SECONDS):
        parts.append(_metric_table(metric, form, cells, equations, methods))
    rates = [(e, *(_rate(cells.get((form, e, m), ())) for m in methods)) for e in equations]
    parts.append(Table(("learning rate", *methods), tuple(rates)))
    parts.append(rates_text([cell for row in rates for cell in row[1:] if cell != "-"], tried))
    parts += [second_text(form, cells), cost_text(form, cells)]
    parts.append(Picture(f"{form}-errors", f"{RELATIVE} of every run", partial(errors_figure, form, cells)))
    if form == STRONG:
        for equation in equations:
            runs = {m: cells[form, equation, m] for m in methods if (form, equation, m) in cells}
            caption = f"{equation}: training loss, geometric mean, the band from the least to the greatest"
            parts.append(Picture(f"{equation}-curves", caption, partial(curves_figure, runs)))
    return Section(titles[form], tuple(parts))


def _rate(runs: Sequence[RunResult]) -> str:
    return f"{runs[0].settings.learning_rate:g}" if runs else "-"


def rates_text(chosen: Sequence[str], tried: Sequence[float]) -> str:
    """How often the best rate is the largest one that was tried, so that a larger one may be better."""
    largest = f"{max(tried):g}"
    return (
        f"Of {len(chosen)} best learning rates {chosen.count(largest)} are the largest of the {len(tried)} that were "
        f"tried, {largest}: there, larger ones may be better."
    )


def _metric_table(metric: str, form: str, cells: Cells, equations: Sequence[str], methods: Sequence[str]) -> Table:
    name = {OBJECTIVE: f"{OBJECTIVE} above the solution's", SECONDS: f"{SECONDS} and network"}.get(metric, metric)
    rows = []
    for equation in equations:
        problem = _problem(form, equation, cells)
        shift = least_loss(form, problem) if metric == OBJECTIVE else 0.0
        by = [[_value(run, metric) - shift for run in cells.get((form, equation, m), ())] for m in methods]
        row = [equation, *(number(values, metric != SECONDS) for values in by)]
        rows.append((*row, f"{problem.largest_second():.3g}") if metric == SECOND else tuple(row))
    return Table((name, *methods, *(["of the solution"] if metric == SECOND else [])), tuple(rows))


def _value(run: RunResult, metric: str) -> float:
    return run.seconds / run.settings.steps if metric == SECONDS else run.metrics[metric]


def _problem(form: str, equation: str, cells: Cells) -> Equation:
    return next(runs[0].settings.problem() for key, runs in cells.items() if key[:2] == (form, equation))


def least_loss(form: str, equation: Equation) -> float:
    """The objective of the solution: 0, or its mean energy density, which is ``- mean of f u / 2``."""
    if form == STRONG:
        return 0.0
    d, m = equation.dimension, equation.frequency
    return -(d * (m * math.pi) ** 2 + equation.reaction) * 0.5 ** (d + 1)


def second_text(form: str, cells: Cells) -> str:
    """How far u'' of exact transforms goes above that of the solution."""
    ratios: dict[str, list[float]] = {}
    for (other, _, method), runs in cells.items():
        if other == form and runs[0].settings.mesh is None:
            solution = runs[0].settings.problem().largest_second()
            ratios.setdefault(method, []).extend(run.metrics[SECOND] / solution for run in runs)
    spans = "; ".join(f"{method} {min(v):.2g} to {max(v):.2g}" for method, v in ratios.items())
    return (
        f"M{SECOND[1:]} on the test grid, divided by that of the solution: {spans}. Nodal hats (pwl) keep u'' bounded; "
        "for fourier and pwq inputs it is unbounded near double roots, and a grid shows only part of it."
        + (" What M points show here is the bend of the factor that vanishes on the boundary." * (form == VARIATIONAL))
    )


def cost_text(form: str, cells: Cells) -> str:
    """Times of a step as multiples of that with tanh."""
    ratios: dict[str, list[float]] = {}
    for (other, equation, method), runs in cells.items():
        rival = cells.get((form, equation, TANH))
        if other == form and rival and method != TANH:
            ours, theirs = (Sample.of(_value(run, SECONDS) for run in group).mean for group in (runs, rival))
            ratios.setdefault(method, []).append(ours / theirs)
    if not ratios:
        return "Cost against tanh: not measured."
    spans = ", ".join(f"{method} {min(v):.1f} to {max(v):.1f}" for method, v in ratios.items())
    reason = (
        " The loss's gradient needs third derivatives of the activation: exact IAT takes the path that is "
        'differentiable to any order (derivatives="any"), not the compiled one.'
        if form == STRONG
        else ""
    )
    return f"Time of a step, times that with tanh: {spans}.{reason}"


def _mesh_section(settings: PinnSettings, cells: Cells) -> Section:
    rows, texts = [], []
    for (form, equation, _), runs in cells.items():
        if form != STRONG or runs[0].settings.mesh is None:
            continue
        problem = runs[0].settings.problem()
        predicted = problem.without_second_derivatives()
        floor = problem.mean_square_source() if problem.kind == "poisson" else 0.0
        loss, error, second = ([run.metrics[name] for run in runs] for name in (OBJECTIVE, RELATIVE, SECOND))
        rows.append(
            (
                equation,
                number(second),
                number(loss),
                f"{floor:.4g}" if floor else "-",
                number(error),
                "-" if predicted is None else f"{predicted:.3g}",
            )
        )
        if problem.kind == "poisson":
            lost = min(loss) > 0.9 * floor
            text = (
                "the loss stays there: it cannot be trained"
                if lost
                else "the loss is below that, which it should not be"
            )
            texts.append(f"{equation}: the residual is f whatever the weights, mean square {floor:.4g}; {text}.")
    if not rows:
        return Section("The M-point IAT in the strong form", ("Not trained.",))
    head = (
        "equation",
        SECOND,
        OBJECTIVE,
        "mean square of f, if u'' = 0",
        RELATIVE,
        "error of the limit with u'' = 0",
    )
    note = (
        f"With M = {settings.mesh} points u'' is 0 almost everywhere (IAT remark 1), so what is trained is the "
        "equation without its second derivatives: Poisson's becomes 0 = f; Helmholtz' becomes c u = f, whose loss can "
        "go to 0 at a wrong u; Burgers' loses its viscosity."
    )
    return Section(
        "The M-point IAT in the strong form", (note, Table(head, tuple(rows)), *([tuple(texts)] if texts else []))
    )


def _scale_section(results: Results, cells: Cells) -> Section:
    parts: list[Any] = []
    trained = {key: runs for key, runs in cells.items() if key[1] == "poisson-2d"}
    low, high = AUTHORS_PINN
    if trained:
        rows = tuple(
            (form, method, number([run.metrics[SQUARED] for run in runs]), distance(runs, AUTHORS_PINN))
            for (form, _, method), runs in trained.items()
        )
        own = next(iter(trained.values()))[0].settings
        parts.append(
            f"Networks on poisson-2d, width {own.width}, {own.steps} steps. The IAT authors' tanh PINN has {SQUARED} "
            f"{low:g} to {high:g} at widths 100 to 1000; their solution and training may differ."
        )
        parts.append(Table(("form", "method", SQUARED, "against the authors'"), rows, text=True))
    fixed: dict[tuple[str, str, str], dict[int, list[RunResult]]] = {}
    for run in results.select(lambda settings: settings.form in (COLLOCATION, GALERKIN)):
        own = run.settings
        fixed.setdefault((own.equation, own.form, own.method), {}).setdefault(own.features, []).append(run)
    if fixed:
        counts = sorted({count for by in fixed.values() for count in by})
        rows = tuple(
            (*key, *(number([run.metrics[SQUARED] for run in by.get(count, ())]) for count in counts), _best(by))
            for key, by in fixed.items()
        )
        parts.append(
            f"Least squares on fixed random features, {SQUARED} by number of features. The IAT authors' with tanh: "
            f"{AUTHORS_FEATURES[0]:g} to {AUTHORS_FEATURES[1]:g} with 400 to 1000. Features of IAT-ReLU have second "
            "derivatives that jump (pwl) or are not bounded, so errors fall like a power of their number, and where "
            "there are many the quadrature limits them; tanh's fall exponentially, down to rounding."
        )
        head = ("equation", "form", "features", *map(str, counts), "best, against the authors'")
        parts.append(Table(head, rows, text=True))
    return Section("For scale: the IAT authors' numbers", tuple(parts) or ("Not trained.",))


def distance(runs: Sequence[RunResult], published: tuple[float, float]) -> str:
    """``among them``, ``30 times larger``, ``5 times smaller``: our mean against the nearer end of a range."""
    value = Sample.of(run.metrics[SQUARED] for run in runs).mean
    low, high = min(published), max(published)
    if value > high:
        return f"{value / high:.2g} times larger"
    return f"{low / value:.2g} times smaller" if value < low else "among them"


def _best(by: Mapping[int, Sequence[RunResult]]) -> str:
    best = min(by.values(), key=lambda runs: Sample.of(run.metrics[SQUARED] for run in runs).mean)
    return distance(best, AUTHORS_FEATURES)


def number(values: Sequence[float], spread_too: bool = True) -> str:
    """``1.2e-03 ± 3e-04 (3)``, or the mean alone."""
    sample = Sample.of(values)
    if not sample.n:
        return "-"
    if not spread_too:
        return f"{sample.mean:.1e}"
    spread = "" if math.isnan(sample.std) else f" ± {sample.std:.0e}"
    return f"{sample.mean:.1e}{spread} ({sample.n})"


@styled
def errors_figure(form: str, cells: Cells) -> Figure:
    """Relative errors by equation, a row of dots a method."""
    equations, methods = _names(form, cells)
    figure = Figure(figsize=(8, 1 + 0.7 * len(equations)), layout="constrained")
    ax = figure.subplots()
    for j, method in enumerate(methods):
        points = [
            (run.metrics[RELATIVE], i + 0.12 * (j - (len(methods) - 1) / 2))
            for i, equation in enumerate(equations)
            for run in cells.get((form, equation, method), ())
        ]
        ax.plot(*np.array(points).T, "o", markersize=4, label=method)
    ax.set_xscale("log")
    ax.set_yticks(range(len(equations)), equations)
    ax.invert_yaxis()
    ax.set_xlabel(RELATIVE)
    ax.legend()
    return figure
