"""Equations and their solutions, derivatives of residuals, features, and what the report makes of results."""

import io
import math
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from scipy.integrate import quad

import torch_bridge as tb
from tests.torch_bridge.results import ended
from torch_bridge.experiments import pinn
from torch_bridge.experiments.engine import ExperimentError, Results, load
from torch_bridge.experiments.overrides import override
from torch_bridge.experiments.pinn_equations import EQUATIONS, VISCOSITY, Equation, burgers, derivatives
from torch_bridge.experiments.pinn_features import (
    FeatureJob,
    Features,
    factor_slope,
    gauss_legendre,
    second_of_hats,
)
from torch_bridge.experiments.pinn_report import (
    BETTER,
    OPEN,
    UNTESTED,
    WORSE,
    comparisons,
    distance,
    least_loss,
    network_cells,
    sentence,
    verdict_section,
)
from torch_bridge.experiments.pinn_training import OBJECTIVE, RELATIVE, SECOND, SQUARED, SolverJob
from torch_bridge.report.documents import markdown
from torch_bridge.sweep import command
from torch_bridge.sweep.command import Request
from torch_bridge.sweep.training import deterministic

CPU = torch.device("cpu")
QUIET = Console(file=io.StringIO())
SMALL = pinn.PinnSettings(
    width=5, points_1d=8, points_2d=4, steps=8, test_points_1d=9, test_points_2d=5, mesh=30, learning_rates=(0.01,)
)
EPS = torch.finfo(torch.float64).eps


@pytest.fixture(autouse=True)
def one_thread():
    with deterministic():
        yield


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def runs_of(equation, form, settings=SMALL):
    chosen = replace(settings, equations=(equation,), forms=(form,))
    return {run.method: run for run in pinn.runs(chosen)}


def solution_of(name):
    kind, dimension = EQUATIONS[name]
    return Equation(kind, dimension, frequency=2, wave_number=3.0)


@pytest.mark.parametrize("name", [name for name in EQUATIONS if name != "burgers"])
def test_solutions_satisfy_their_equations(name):
    equation = solution_of(name)
    x = equation.grid(9).requires_grad_()
    u = equation.exact(x)
    residual = equation.residual(x, u, *derivatives(u, x, 2))
    assert residual.abs().max() <= 20 * EPS * math.sqrt(equation.mean_square_source() * 2**equation.dimension)
    assert equation.exact(equation.boundary(5)).abs().max() < 1e-15 * 10
    assert equation.source(x).square().mean().item() == pytest.approx(equation.mean_square_source())


def test_residual_by_differences():
    equation, h = solution_of("helmholtz-2d"), 1e-3
    x = double((0.3, -0.2), (0.7, 0.1))
    second = torch.zeros(2, dtype=torch.float64)
    for step in (double(h, 0), double(0, h)):
        second += (equation.exact(x + step) - 2 * equation.exact(x) + equation.exact(x - step)) / h**2
    left = -second + 9.0 * equation.exact(x)
    # h^2 / 12 times the fourth derivative, (2 pi)^4, for each coordinate
    assert (left - equation.source(x)).abs().max() < 2 * h**2 / 12 * (2 * math.pi) ** 4


def test_burgers_satisfies_its_equation():
    equation = solution_of("burgers")
    x = equation.grid(12)
    x[:, 1] *= torch.linspace(0.01, 1, len(x), dtype=torch.float64)
    x.requires_grad_()
    u = burgers(x[:, 0], x[:, 1])
    first, second = derivatives(u, x, 2)
    scale = (u * first[:, 1]).abs().max()
    assert scale > 5
    assert equation.residual(x, u, first, second).abs().max() < 1e-9 * scale
    assert equation.residual(x, u, first, 0 * second).abs().max() > 0.1


def test_burgers_by_differences():
    t, x, h = double(0.5), double(0.013), 1e-5
    along = (burgers(t + h, x) - burgers(t - h, x)) / (2 * h)
    slope = (burgers(t, x + h) - burgers(t, x - h)) / (2 * h)
    bend = (burgers(t, x + h) - 2 * burgers(t, x) + burgers(t, x - h)) / h**2
    assert abs(along + burgers(t, x) * slope - VISCOSITY * bend) < 1e-4 * abs(VISCOSITY * bend)


def test_burgers_has_the_published_steepest_slope():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(burgers(double(1.6037 / math.pi), x).sum(), x)
    assert abs(slope.item() + 152.00516) < 1e-4


@pytest.mark.parametrize(("t", "x"), [(0.2, 0.4), (0.9, -0.03), (1.0, 0.001)])
def test_burgers_against_adaptive_quadrature(t, x):
    def weight(y):
        return math.exp(-((x - y) ** 2) / (4 * VISCOSITY * t) - (math.cos(math.pi * y) + 1) / (2 * math.pi * VISCOSITY))

    def integral(factor):
        return quad(lambda y: factor(y) * weight(y), x - 1.5, x + 1.5, points=[-1, x, 1], limit=400, epsabs=0)[0]

    expected = -integral(lambda y: math.sin(math.pi * y)) / integral(lambda y: 1.0)
    assert burgers(double(t), double(x)).item() == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_burgers_data():
    equation = solution_of("burgers")
    edge = equation.boundary(7)
    start = edge[:, 0] == 0
    assert len(edge) == 21 and start.sum() == 7 and not (edge[:, 0] == 1).any()
    expected = torch.where(start, -torch.sin(math.pi * edge[:, 1]), 0.0)
    assert (equation.exact(edge) - expected).abs().max() < 1e-13


@pytest.mark.parametrize("name", ["poisson-1d", "poisson-2d", "helmholtz-1d", "helmholtz-2d"])
def test_the_solution_has_the_least_energy(name):
    equation = solution_of(name)
    x, weights = gauss_legendre(24, equation.dimension)
    x.requires_grad_()

    def energy(u):
        total = (weights * equation.energy(x, u, *derivatives(u, x, 1))).sum()
        return total.item() / 2**equation.dimension

    least = energy(equation.exact(x))
    assert least == pytest.approx(least_loss("variational", equation), rel=1e-9)
    for sign in (-1, 1):
        assert energy(equation.exact(x) + sign * 0.01 * equation.factor(x)) > least


@pytest.mark.parametrize("name", ["poisson-1d", "poisson-2d", "burgers"])
def test_gradient_of_the_strong_loss_is_its_difference_quotient(name):
    job = SolverJob(runs_of(name, "strong")["iat pwl"], (3,), CPU)
    points = job.inputs[None]
    job.network._moved = lambda x: x.clone()  # type: ignore[union-attr,method-assign]

    def loss():
        return job.network(points).sum()

    gradients = torch.autograd.grad(loss(), job.parameters)
    generator = torch.Generator().manual_seed(0)
    ways = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in job.parameters]
    slope = sum(float((g * way).sum()) for g, way in zip(gradients, ways, strict=True))
    h, values = 1e-6, []
    for step in (h, -2 * h):
        with torch.no_grad():
            for weight, way in zip(job.parameters, ways, strict=True):
                weight += step * way
        values.append(loss().item())
    # rounding of the loss divided by the step, and h^2 times a third derivative
    assert (values[0] - values[1]) / (2 * h) == pytest.approx(slope, rel=1e-5)


def test_the_strong_form_needs_all_orders():
    job = SolverJob(runs_of("poisson-1d", "strong")["iat pwl"], (3,), CPU)
    for module in job.network.modules():
        if isinstance(module, tb.IATReLU):
            module.derivatives = 2
    with pytest.raises(RuntimeError, match='derivatives="any"'):
        job.step()


@pytest.mark.parametrize("name", ["poisson-1d", "poisson-2d"])
def test_m_points_have_no_second_derivative_and_learn_nothing(name):
    job = SolverJob(runs_of(name, "strong")["iat pwl M=30"], (0, 1), CPU)
    job.network._moved = lambda x: x.clone()  # type: ignore[union-attr,method-assign]
    inside, outside = job.network(job.inputs.expand(2, *job.inputs.shape)).unbind(1)
    source = job.equation.source(job.inputs).square().mean()
    assert torch.allclose(inside, source.expand(2), rtol=1e-14) and (outside > 0).all()
    losses = [job.step() for _ in range(8)]
    assert min(loss.min() for loss in losses) >= source
    assert job.evaluate()[SECOND] == [0.0, 0.0]


def test_helmholtz_with_m_points_goes_to_a_wrong_solution():
    equation = Equation("helmholtz", 1, 1, 5.0)
    x = equation.grid(50)
    wrong = equation.source(x) / equation.reaction
    zero = torch.zeros_like(x)
    assert equation.residual(x, wrong, zero, zero).abs().max() < 1e-13
    error = (wrong - equation.exact(x)).norm() / equation.exact(x).norm()
    assert error.item() == pytest.approx(equation.without_second_derivatives())
    assert Equation("poisson", 1).without_second_derivatives() is None


@pytest.mark.parametrize(
    ("equation", "form", "method"),
    [
        ("poisson-2d", "strong", "iat pwl"),
        ("burgers", "strong", "sine"),
        ("helmholtz-2d", "variational", "iat fourier"),
        ("helmholtz-1d", "variational", "iat fourier M=30"),
    ],
)
def test_a_job_goes_on_bit_for_bit(equation, form, method):
    run = runs_of(equation, form)[method]
    first, second = SolverJob(run, (3, 4), CPU), SolverJob(run, (3, 4), CPU)
    for _ in range(4):
        first.step()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(4):
        assert torch.equal(first.step(), second.step())
    ours, theirs = first.evaluate(), second.evaluate()
    assert ours == theirs and set(ours) == {RELATIVE, SQUARED, SECOND, OBJECTIVE}
    assert all(math.isfinite(v) for values in ours.values() for v in values)


def test_a_member_trains_as_it_does_alone():
    run = runs_of("poisson-1d", "variational")["iat pwq"]
    together, alone = SolverJob(run, (5, 6), CPU), SolverJob(run, (6,), CPU)
    for _ in range(4):
        a, b = together.step()[1], alone.step()[0]
        assert a.item() == pytest.approx(b.item(), rel=1e-9)
    assert together.gradients().shape == (2, alone.gradients().shape[1])


def test_training_finds_the_solution():
    settings = replace(SMALL, width=10, steps=150, points_1d=24, test_points_1d=101)
    for form, method in (("strong", "tanh"), ("variational", "iat fourier")):
        run = runs_of("poisson-1d", form, settings)[method]
        job = SolverJob(run, (0,), CPU)
        before = job.evaluate()[RELATIVE][0]
        for _ in range(150):
            job.step()
        assert job.evaluate()[RELATIVE][0] < 0.2 < before


def feature_run(form, activation, count=60, **own):
    settings = replace(SMALL, features=(count,), feature_points=24, galerkin_points=24, **own)
    chosen = replace(settings, forms=(form,))
    (run,) = [run for run in pinn.runs(chosen) if run.activation == activation]
    return run


def test_second_derivatives_of_hats():
    generator = torch.Generator().manual_seed(1)
    z, v = torch.randn(6, 7, generator=generator).double(), torch.randn(7, generator=generator).double()
    module = tb.IATReLU(7, 7, "pwl", "pwq", scale=None, derivatives="any")
    t = torch.zeros((), dtype=torch.float64)

    def slope(t):
        return torch.autograd.functional.jvp(lambda t: module(z + t * v), t, torch.ones_like(t), create_graph=True)[1]

    expected = torch.autograd.functional.jvp(slope, t, torch.ones_like(t))[1]
    assert torch.allclose(second_of_hats(z, v), expected, rtol=1e-12, atol=1e-13)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("activation", ["iat", "tanh"])
def test_derivatives_of_features(activation):
    features = Features(feature_run("collocation", activation), 2, 5)
    x = double((0.3, -0.4), (-0.2, 0.9), (0.01, 0.5))
    for i, way in enumerate((double(1, 0), double(0, 1))):
        h = 1e-5
        first = (features.value(x + h * way) - features.value(x - h * way)) / (2 * h)
        second = (features.first(x + h * way)[i] - features.first(x - h * way)[i]) / (2 * h)
        assert torch.allclose(features.first(x)[i], first, atol=1e-7)
        # u'' of hats jumps where a root passes a node, which may fall between two differences
        close = (features.second(x)[i] - second).abs() < 1e-4 * (1 + second.abs())
        assert close.double().mean() > 0.99


def test_slope_of_the_factor():
    equation = Equation("poisson", 3)
    x = equation.grid(4).requires_grad_()
    (slope,) = derivatives(equation.factor(x), x, 1)
    assert torch.allclose(factor_slope(x.detach()), slope.T, atol=1e-15)


@pytest.mark.parametrize(
    ("form", "activation", "count", "error"),
    [
        ("collocation", "tanh", 120, 1e-3),
        ("galerkin", "tanh", 120, 1e-3),
        ("collocation", "iat", 300, 0.2),
        ("galerkin", "iat", 120, 0.1),
    ],
)
def test_features_solve_the_equation(form, activation, count, error):
    run = feature_run(form, activation, count)
    job = FeatureJob(run, (0, 1), CPU)
    assert job.evaluate()[RELATIVE][0] == 1.0
    losses = job.step()
    found = job.evaluate()
    assert max(found[RELATIVE]) < error and losses.shape == (2,) and losses.max() < 200
    assert found[RELATIVE][0] != found[RELATIVE][1]
    again = FeatureJob(run, (0, 1), CPU)
    again.load_state_dict(job.state_dict())
    assert again.evaluate() == found
    assert (SECOND in found) == (form == "collocation")


def test_what_runs():
    runs = pinn.runs(pinn.PinnSettings(equations=tuple(EQUATIONS)))
    assert len({run.label for run in runs}) == len(runs)
    assert {run.input_basis for run in runs if run.form in ("strong", "collocation")} == {"pwl", None}
    assert {run.equation for run in runs if run.form == "variational"} == {
        "poisson-1d",
        "poisson-2d",
        "helmholtz-1d",
        "helmholtz-2d",
    }
    assert not any(run.mesh for run in pinn.runs(pinn.PinnSettings(mesh=None)))


@pytest.mark.parametrize(
    "assignment",
    [
        "equations=heat",
        "forms=strong,strong",
        "variational_bases=tanh",
        "output_basis=none",
        "scalars=relu",
        "mesh=0",
        "frequency=0",
        "width=1",
        "steps=0",
        "learning_rates=0.1,-1",
        "wave_number=inf",
        "boundary_weight=0",
        "points_2d=1",
        "feature_equations=burgers",
        "features=1",
        "galerkin_bases=cubic",
        "feature_scale=nan",
    ],
)
def test_bad_settings_are_named(assignment):
    with pytest.raises(ExperimentError, match=assignment.partition("=")[0]):
        override(pinn.PinnSettings(), (assignment,))


def invented(values, seeds=(0, 1, 2)):
    settings = replace(SMALL, equations=("poisson-1d", "poisson-2d"), forms=("strong", "variational"))
    return Results(
        tuple(
            ended(
                run,
                seed,
                {RELATIVE: values(run) * (1 + 0.01 * seed), SQUARED: 1e-5, SECOND: 1.0, OBJECTIVE: 50.0},
                seconds=0.1 * run.steps,
            )
            for run in pinn.runs(settings)
            for seed in seeds
        )
    )


def test_verdicts_follow_the_numbers():
    def exact_is_best(run):
        return 0.01 if run.activation == "iat" and run.mesh is None else 0.1

    def outcomes(results):
        table = comparisons(network_cells(results))
        assert {rival for _, _, rival in table} == {"tanh", "sine", "M points"}
        return {result for by in table.values() for result in by.values()}

    assert outcomes(invented(exact_is_best)) == {BETTER}
    assert outcomes(invented(lambda run: 1e-3 / exact_is_best(run))) == {WORSE}
    assert outcomes(invented(lambda run: 0.1)) == {OPEN}
    assert outcomes(invented(exact_is_best, seeds=(0,))) == {UNTESTED}
    lines = verdict_section(network_cells(invented(exact_is_best))).parts[0]
    assert len(lines) == 6 and all("exact IAT helped, wherever" in line for line in lines)
    assert "did not help" in sentence("strong", "tanh", [WORSE, OPEN])
    assert "in some cases" in sentence("strong", "tanh", [WORSE, BETTER])
    assert "not decided" in sentence("strong", "tanh", [OPEN, UNTESTED])


def test_the_best_rate_counts_by_its_objective():
    (run, *_) = pinn.runs(replace(SMALL, forms=("strong",), learning_rates=(0.1, 0.01)))
    metrics = {0.1: (2.0, 0.3), 0.01: (1.0, 0.5)}

    def result(rate, seed=0):
        objective, error = metrics[rate]
        values = {OBJECTIVE: objective, RELATIVE: error}
        return ended(replace(run, learning_rate=rate), seed, values)

    def chosen(*runs):
        (cell,) = network_cells(Results(runs)).values()
        return {run.settings.learning_rate for run in cell}

    assert chosen(result(0.1), result(0.01)) == {0.01}
    assert chosen(result(0.1), result(0.1, 1), result(0.01)) == {0.1}


def test_distances():
    (run, *_) = invented(lambda run: 0.1).runs
    assert distance([run], (1e-7, 1e-6)) == "10 times larger"
    assert distance([run], (1e-4, 1e-3)) == "10 times smaller"
    assert distance([run], (1e-3, 1e-6)) == "among them"


def test_the_smoke_preset_runs_and_reports(tmp_path):
    out = command.run(Request("pinn", "smoke", workers=1, out=tmp_path / "out"), QUIET)
    target = command.report("pinn", out, QUIET)
    text = (target / "report.md").read_text()
    assert "40 runs have results" in text
    for part in (
        "Did it help?",
        "the loss stays there",
        "Least squares",
        "Time of a step",
        "1e-09",
        "strong-errors.png",
    ):
        assert part in text
    assert len(list(target.glob("*.png"))) == 4


def test_a_report_before_any_run_has_ended():
    experiment = load("pinn")
    assert set(experiment.presets) == {"smoke", "quick", "paper"}
    report = experiment.report(experiment.presets["smoke"].settings, Results(()))
    assert "not tested" in markdown(report)
