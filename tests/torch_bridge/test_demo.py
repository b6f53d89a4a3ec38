"""The demo: settings, tasks, training loop, figures, and the whole job in miniature."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import iatcore
from torch_bridge.experiments import demo, pattern, tasks
from torch_bridge.experiments.demo import FULL, QUICK, DemoSettings, TaskSettings
from torch_bridge.experiments.pattern import PatternSettings
from torch_bridge.train.loop import Training, fit

figures = pytest.importorskip("torch_bridge.experiments.figures")
report = pytest.importorskip("torch_bridge.report.demo")
Console = pytest.importorskip("rich.console").Console

TINY = DemoSettings(
    seed=3,
    runs=2,
    mesh=16,
    side=6,
    labels=TaskSettings(2, 10, Training(3, 1e-2)),
    function=TaskSettings(1, 10, Training(4, 1e-2, batch_size=10)),
    digits=TaskSettings(1, 10, Training(3, 1e-2, batch_size=32)),
    pattern=PatternSettings(
        meshes=(5, None), points=20, grid=41, training=Training(3, 1e-2), decoupled=Training(2, 1e-2)
    ),
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small only lose by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The tiny demo: its result, its folder and what it printed."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("demo")
    out = io.StringIO()
    result = report.run_demo(TINY, folder, Console(file=out, width=110))
    return result, folder, out.getvalue()


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (DemoSettings, {"seed": -1}),
        (DemoSettings, {"runs": 0}),
        (DemoSettings, {"mesh": 0}),
        (DemoSettings, {"side": 1}),
        (DemoSettings, {"frequency": math.nan}),
        (DemoSettings, {"frequency": 0.0}),
        (PatternSettings, {"meshes": ()}),
        (PatternSettings, {"meshes": (0,)}),
        (PatternSettings, {"hidden_layers": 0}),
        (PatternSettings, {"grid": 1}),
        (PatternSettings, {"decoupled": Training(1, 1e-3, batch_size=4)}),
    ],
)
def test_settings_are_checked(kind, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        kind(**change)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"records": 0}, {"learning_rate": 0.0}, {"learning_rate": math.inf}, {"batch_size": 0}],
)
def test_training_settings_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(Training(1, 1e-3), **change)


@pytest.mark.parametrize("change", [{"hidden_layers": 0}, {"width": 0}])
def test_task_settings_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(FULL.labels, **change)


def test_presets_share_the_papers_numbers():
    for settings in (FULL, QUICK):
        assert (settings.mesh, settings.side) == (500, 50)
        assert (settings.input_basis, settings.output_basis) == ("fourier", "pwq")
        assert settings.labels.width == settings.function.width == settings.pattern.width == 10
    assert list(replace(FULL, seed=5, runs=3).seeds) == [5, 6, 7]


# -- tasks ---------------------------------------------------------------------------------------------------


def test_mesh_points_are_a_uniform_mesh_of_the_square():
    points = tasks.mesh_points(5)
    expected = [(-1 + i / 2, -1 + j / 2) for i in range(5) for j in range(5)]
    assert points.tolist() == [list(p) for p in expected]
    with pytest.raises(ValueError, match="side"):
        tasks.mesh_points(1)


def test_random_labels_are_fair_signs_fixed_by_the_seed():
    task = tasks.random_labels(50, seed=4)
    assert task.inputs.shape == (2500, 2) and task.targets.shape == (2500, 1)
    assert set(task.targets.unique().tolist()) == {-1.0, 1.0}
    assert abs(task.targets.mean().item()) < 5 / 50  # 5 standard deviations of the mean of 2500 signs
    assert torch.equal(task.targets, tasks.random_labels(50, seed=4).targets)
    assert not torch.equal(task.targets, tasks.random_labels(50, seed=5).targets)


def test_oscillation_is_a_product_of_sines():
    task = tasks.oscillation(7, 3.0)
    for (x, y), value in zip(task.inputs.tolist(), task.targets[:, 0].tolist(), strict=True):
        assert value == pytest.approx(math.sin(3 * math.pi * x) * math.sin(3 * math.pi * y), abs=1e-7)


def test_digits_are_split_with_equal_shares():
    pytest.importorskip("sklearn")
    task = tasks.digits()
    counts = [torch.bincount(t, minlength=10) for t in (task.targets, task.test_targets)]
    assert sum(len(t) for t in (task.targets, task.test_targets)) == 1797
    assert task.inputs.shape[1] == 64 and 0 <= task.inputs.min() and task.inputs.max() == 1
    assert torch.all((counts[1] - tasks.DIGITS_TEST_FRACTION * (counts[0] + counts[1])).abs() < 1)


def test_metrics_against_counting():
    prediction, target = (
        torch.tensor([[0.5], [-2.0], [0.0], [1.0]]),
        torch.tensor([[1.0], [1.0], [1.0], [1.0]]),
    )
    assert tasks.sign_accuracy(prediction, target) == 0.5
    assert tasks.mean_squared_error(prediction, target) == (0.25 + 9 + 1) / 4
    assert tasks.class_accuracy(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([1, 1])) == 0.5


# -- training loop -------------------------------------------------------------------------------------------


def test_fit_solves_least_squares_and_keeps_a_thinned_curve():
    x = torch.linspace(-1, 1, 50)[:, None]
    network = nn.Linear(1, 1)
    seen = []
    result = fit(
        network,
        x,
        3 * x + 1,
        nn.functional.mse_loss,
        Training(401, 0.1, batch_size=20, records=10),
        on_step=lambda *a: seen.append(a),
    )
    assert network.weight.item() == pytest.approx(3, abs=1e-3) and network.bias.item() == pytest.approx(1, abs=1e-3)
    assert len(result.steps) <= 10 and result.steps[-1] == 401
    assert seen == list(zip(result.steps, result.losses, strict=True))
    assert result.finite and result.losses[-1] < result.losses[0]


def test_an_epoch_uses_every_sample_once():
    seen = []

    class Spy(nn.Linear):
        def forward(self, input):
            seen.append(input.detach()[:, 0].tolist())
            return super().forward(input)

    x = torch.arange(10.0)[:, None]
    fit(Spy(1, 1), x, x, nn.functional.mse_loss, Training(6, 1e-6, batch_size=4))
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4, 2]
    first, second = ([row for batch in seen[k : k + 3] for row in batch] for k in (0, 3))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_fit_stops_when_the_loss_is_not_finite():
    x = torch.full((4, 1), math.nan)
    result = fit(nn.Linear(1, 1), x, x, nn.functional.mse_loss, Training(50, 1e-3))
    assert not result.finite and result.steps == (1,)


def test_fit_refuses_data_of_different_length():
    with pytest.raises(ValueError, match="length"):
        fit(nn.Linear(1, 1), torch.ones(3, 1), torch.ones(2, 1), nn.functional.mse_loss, Training(1, 1e-3))


# -- networks and patterns -----------------------------------------------------------------------------------


def test_activations_share_initial_linear_weights():
    task = tasks.oscillation(TINY.side, TINY.frequency)
    networks = [demo.make_network(task, name, TINY, seed=1) for name in demo.ACTIVATIONS]
    weights = [[w for w in network.parameters()] for network in networks]
    for other in weights[1:]:
        assert len(other) == len(weights[0])
        assert all(torch.equal(a, b) for a, b in zip(weights[0], other, strict=True))


@pytest.mark.parametrize("mesh", [8, None])
def test_decoupled_network_with_equal_weights_is_the_network(mesh):
    import torch_bridge
    from torch_bridge.networks import mlp

    def network():
        torch.manual_seed(0)
        return mlp([1, 10, 10, 1], lambda width: torch_bridge.IATReLU(width, width, mesh=mesh)).double()

    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    both = pattern.Decoupled(network(), network())
    torch.testing.assert_close(both(x), network()(x))
    both(x).sum().backward()
    assert all(w.grad is not None for w in both.linear.parameters())
    assert all(w.grad is None for w in both.pattern.parameters())
    fixed = pattern.FixedPattern(both.linear, both.matrices(x))
    torch.testing.assert_close(fixed(x), network()(x))


def test_mesh_signs_are_those_of_the_state_at_the_midpoints():
    z = np.array([[1.0, 0.0], [0.0, -1.0]])
    signs = pattern.mesh_signs(iatcore.basis("fourier", 2), z, 4)
    s = np.array([-0.75, -0.25, 0.25, 0.75])
    assert np.array_equal(signs, [np.sin(np.pi * s) > 0, -np.cos(np.pi * s) > 0])


def test_coverage_keeps_the_measure_of_every_column():
    columns = [np.array([[-1.0, -0.3], [0.11, 0.12]]), np.empty((0, 2)), np.array([[-1.0, 1.0]])]
    image = figures.coverage(columns, rows=7)
    assert image.shape == (7, 3) and image.min() >= 0 and image.max() <= 1
    assert 2 * image.mean(axis=0) == pytest.approx([0.71, 0.0, 2.0])
    assert image[0, 0] == 1 and image[-1, 0] == 0


# -- the whole job -------------------------------------------------------------------------------------------


def test_demo_writes_numbers_and_pictures(done):
    result, folder, _ = done
    assert sorted(p.name for p in folder.iterdir()) == [
        "bases.png",
        "curves.png",
        "pattern.png",
        "results.json",
    ]
    for name in ("bases.png", "curves.png", "pattern.png"):
        assert (folder / name).read_bytes().startswith(PNG)
    recorded = json.loads((folder / "results.json").read_text())
    assert recorded["settings"]["seed"] == 3 and recorded["settings"]["pattern"]["meshes"] == [5, None]
    assert recorded["chosen_not_published"] and recorded["environment"]["versions"]["torch"]
    assert len(recorded["runs"]) == 3 * 3 * 2 == len(result.runs)
    assert {run["seed"] for run in recorded["runs"]} == {3, 4}
    for run in recorded["runs"]:
        steps = recorded["settings"][run["task"]]["training"]["steps"]
        assert run["fit"]["steps"][-1] == steps and run["fit"]["seconds"] > 0 and math.isfinite(run["metric"])
    for row in recorded["summary"]:
        values = [r.metric for r in result.select(row["task"], row["activation"])]
        assert row["mean"] == pytest.approx(np.mean(values)) and row["std"] == pytest.approx(np.std(values, ddof=1))


def test_demo_prints_a_line_a_run_a_table_and_the_folder(done):
    result, folder, printed = done
    lines = printed.splitlines()
    assert sum(line.startswith("[") for line in lines) == TINY.total_runs == len(result.runs) + 2
    assert "IAT-ReLU, M = 16" in printed and "IAT-ReLU, exact" in printed
    assert lines[-1] == str(folder.resolve())


def test_demo_is_deterministic(done):
    first = done[0].runs[0]
    again = demo.train(tasks.random_labels(TINY.side, TINY.seed), first.activation, TINY, TINY.seed)
    assert again.metric == first.metric and again.fit.losses == first.fit.losses
    exact = done[0].select("labels", demo.EXACT)[0]
    again = demo.train(tasks.random_labels(TINY.side, TINY.seed), demo.EXACT, TINY, TINY.seed)
    assert again.fit.losses == exact.fit.losses


def test_bars_show_runs_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with report.progress_on(console, runs=1) as progress:
        progress.phase("preparing")
        progress.start("a run", steps=4)
        progress.step(2, 0.25)
        progress.finish("a run", "accuracy 50.0 %", 1.0)
    assert "a run: accuracy 50.0 %, 1.0 s" in out.getvalue() and "1/1" in out.getvalue()
