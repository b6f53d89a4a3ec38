"""Every registered experiment trains, goes on bit for bit where it was stopped, and reports."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import iatcore
import torch_bridge as tb
from tests.torch_bridge.results import ended
from torch_bridge.experiments import angle, gated, pattern_transfer, variants
from torch_bridge.experiments.decoupled import DecoupledNetwork
from torch_bridge.experiments.engine import REGISTRY, ExperimentError, Results, from_plain, load, plain
from torch_bridge.experiments.iat_pattern import PatternJob, PatternRun
from torch_bridge.experiments.overrides import override
from torch_bridge.experiments.statistics import NOT_SUPPORTED, NOT_TESTED, SUPPORTED
from torch_bridge.report.documents import markdown
from torch_bridge.sweep import command
from torch_bridge.train.ensemble import ensemble_mlp

CPU = torch.device("cpu")
QUIET = Console(file=io.StringIO())


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Data sets that happen to be here would make the tests long: those experiments have tests with small ones."""
    monkeypatch.delenv("MATACT_DATA", raising=False)
    monkeypatch.setattr("torch_bridge.data.catalogue.SYSTEM", Path("nowhere"))


def started(experiment, run, seeds):
    """A job; skips where data are needed."""
    try:
        return experiment.start(run, seeds, CPU)
    except ExperimentError as error:
        pytest.skip(str(error))


def first_runs(name, steps):
    """The runs of the smallest preset, cut short."""
    experiment = load(name)
    runs = experiment.runs(experiment.presets["smoke"].settings)
    return experiment, [replace(run, steps=steps) if hasattr(run, "steps") else run for run in runs]


@pytest.mark.parametrize("name", REGISTRY)
def test_a_member_trains_as_it_does_alone(name):
    """Sums may be taken in another order in a larger batch, so to rounding; after a few steps it has not grown much."""
    experiment, runs = first_runs(name, 3)
    for run in runs[:: max(1, len(runs) // 3)]:
        losses = []
        for seeds in ((3, 4), (4,)):
            job = started(experiment, run, seeds)
            assert job.members == len(seeds)
            losses.append(torch.stack([job.step()[-1] for _ in range(3)]).double())
        torch.testing.assert_close(*losses, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_state_holds_all_that_matters(name):
    experiment, runs = first_runs(name, 6)
    for run in (runs[0], runs[-1]):
        job = started(experiment, run, (0, 1))
        half = job.total_steps // 2
        for _ in range(half):
            job.step()
        buffer = io.BytesIO()
        torch.save(job.state_dict(), buffer)
        for _ in range(job.total_steps - half):
            job.step()
        again = experiment.start(run, (0, 1), CPU)
        again.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
        for _ in range(job.total_steps - half):
            again.step()
        assert again.evaluate() == job.evaluate()
        assert torch.equal(again.gradients(), job.gradients())


@pytest.mark.parametrize("name", REGISTRY)
def test_settings_go_through_json(name):
    experiment = load(name)
    for preset in experiment.presets.values():
        assert from_plain(experiment.settings, plain(preset.settings)) == preset.settings
        runs = experiment.runs(preset.settings)
        assert len({(run.label, str(run)) for run in runs}) == len(runs)
        assert all(from_plain(experiment.run, plain(run)) == run for run in runs)


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in ("iat-bases", "iat-mesh")])
def test_reports(name, tmp_path):
    experiment, (run, *_) = first_runs(name, 5)
    started(experiment, run, (0,))
    settings = ("steps=5",) if hasattr(experiment.presets["smoke"].settings, "steps") else ()
    request = command.Request(name, preset="smoke", assignments=settings, workers=1, out=tmp_path / "out")
    target = command.report(name, command.run(request, QUIET), QUIET)
    text = (target / "report.md").read_text(encoding="utf-8")
    assert load(name).name in text and "Chosen, not published" in text and list(target.glob("*.png"))


@pytest.mark.parametrize(
    ("name", "assignment", "message"),
    [
        ("gated", "variants=relu,iat-tanh", "variants must be among .*, got 'iat-tanh'"),
        ("gated", "tasks=digits", "tasks must be among"),
        ("angle", "width=0", "width must be at least 1, got 0"),
        ("decoupled", "frequency=0", "frequency must be positive"),
        ("trainable-grid", "learning_rate=-1", "learning_rate must be positive"),
        ("pattern-transfer", "widths=0,3", "widths must be at least 1"),
        ("pattern-transfer", "input_bases=rect", "input_bases: expected one of pwl"),
        ("iat-pattern", "meshes=0", "meshes must be at least 1"),
        ("iat-pattern", "grid=1", "grid must be at least 2"),
        ("gated", "layers=3", "unknown setting 'layers'"),
    ],
)
def test_bad_settings(name, assignment, message):
    experiment = load(name)
    with pytest.raises((ExperimentError, ValueError), match=message):
        override(experiment.presets["smoke"].settings, [assignment])


# -- answers --------------------------------------------------------------------------------------------------


def results_of(numbers):
    """Two variants on the function task, one MSE a seed."""
    settings = gated.GatedSettings(tasks=("function",), variants=("relu", "arelu"))
    runs = {run.variant: run for run in gated.GATED.runs(settings)}
    return [
        ended(runs[variant], seed, {"MSE": value, "loss_jump": 0.1})
        for variant, values in numbers.items()
        for seed, value in enumerate(values)
    ], settings


@pytest.mark.parametrize(
    ("arelu", "verdict"),
    [((1e-3, 2e-3, 1.5e-3), SUPPORTED), ((1e-1, 2e-1, 1.5e-1), NOT_SUPPORTED), ((1e-3,), NOT_TESTED)],
)
def test_answers(arelu, verdict):
    runs, settings = results_of({"relu": (1e-2, 2e-2, 1.2e-2), "arelu": arelu})
    question = variants.Question("AReLU beats ReLU", "arelu", "relu")
    found = {name: [run for run in runs if run.settings.variant == name] for name in ("relu", "arelu")}
    claim = variants.answer(question, "function", found)
    assert claim.verdict == verdict
    assert variants.answer(question, "function", {"relu": found["relu"]}).verdict == NOT_TESTED
    text = markdown(gated.GATED.report(settings, Results(tuple(runs))))
    assert f"| AReLU beats ReLU | function | {verdict} |" in text


# -- networks -------------------------------------------------------------------------------------------------


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_modules_of_each_member():
    module = variants.PerMember(tb.TMAF(), 3)
    assert {p.shape[0] for p in module.parameters()} == {3}
    x = torch.randn(3, 7, 5, generator=generators(0)[0])
    with torch.no_grad():
        for k, values in enumerate(module.parameters()):
            values.add_(torch.randn(values.shape, generator=generators(k)[0]))
    u = module(x)
    for e in range(3):
        single = tb.TMAF()
        single.load_state_dict({"values.0": next(module.parameters())[e].detach()})
        assert torch.equal(u[e], single(x[e]))
    u[1].sum().backward()
    gradient = next(module.parameters()).grad
    assert gradient is not None and gradient[1].any() and not gradient[0].any() and not gradient[2].any()


@pytest.mark.parametrize("sphere", [angle.LAYER, angle.ROWS])
def test_sphere(sphere):
    layer = angle.SphereLinear(4, 3, 1.0, generators(0, 1), sphere)
    start = layer._length().detach().clone()
    x = torch.randn(2, 5, 4, generator=generators(3)[0])
    before = layer(x).detach()
    torch.testing.assert_close(before, torch.baddbmm(layer.bias, x, layer.weight.mT).detach())
    with torch.no_grad():
        layer.weight.mul_(7.0)
        layer.bias.mul_(7.0)
    torch.testing.assert_close(layer(x), before)
    # the gradient is tangential: the length does not change to first order
    layer(x).square().sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad is not None
    radial = (layer.weight * layer.weight.grad).sum((1, 2)) + (layer.bias * layer.bias.grad).sum((1, 2))
    scale = layer.weight.norm() * layer.weight.grad.norm()
    assert (radial.abs() <= 1e-5 * scale).all() and start.shape[0] == 2


def test_decoupled_with_equal_weights_is_the_coupled_network():
    def build():
        return ensemble_mlp([2, 6, 6, 1], lambda d: tb.IATReLU(d, d, "pwl", "pwq"), generators(0, 1))

    coupled, x = build(), torch.randn(2, 9, 2, generator=generators(5)[0])
    network = DecoupledNetwork(build(), build(), True)
    torch.testing.assert_close(network(x), coupled(x), rtol=1e-5, atol=1e-6)
    network(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.pattern.parameters())
    frozen = DecoupledNetwork(build(), build(), False)
    assert not any(p.requires_grad for p in frozen.pattern.parameters())


def test_the_decoupled_model_takes_the_trained_pattern():
    run = PatternRun(mesh=None, width=5, hidden_layers=2, points=30, grid=41, steps=4, learning_rate=0.05)
    job = PatternJob(run, (0, 1), CPU)
    for _ in range(job.total_steps):
        job.step()
    trained = job.coupled.network.state_dict()
    own = job.decoupled.network.pattern.state_dict()
    assert own and all(torch.equal(trained[name], value) for name, value in own.items())
    fit = job.fit(1)
    core = iatcore.IATReLU(iatcore.basis("fourier", 5), iatcore.basis("pwq", 5))
    assert len(fit.intervals) == 2 and len(fit.intervals[0]) == 41 and core.in_size == 5
    assert fit.mse == pytest.approx(job.evaluate()["MSE"][1])


# -- patterns carried over ------------------------------------------------------------------------------------


def transfer_run(**changes):
    settings = pattern_transfer.TransferSettings(side=7, width=4, widths=(3,), sweeps=1, steps=2, batch_size=None)
    return replace(pattern_transfer.runs(settings)[0], **changes)


def test_each_least_squares_step_is_the_best_for_its_layer():
    """Against scipy's view of the same problem: no small change of that layer's weights lowers the error."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((40, 1))
    layers = pattern_transfer._he([2, 3, 3, 1], rng)
    matrices = [rng.standard_normal((40, 3, 3)) for _ in range(2)]
    for k in range(3):
        layers[k] = pattern_transfer._least_squares(layers, matrices, x, y, k)

        def error(layers):
            return np.mean((pattern_transfer._outputs(layers, matrices, x)[-1] - y) ** 2)

        best = error(layers)
        for _ in range(20):
            moved = [layer + 1e-3 * rng.standard_normal(layer.shape) * (i == k) for i, layer in enumerate(layers)]
            assert error(moved) >= best


def test_a_network_is_as_good_on_its_own_pattern_as_it_was():
    """Least squares from the trained network's pattern at its own width does not do worse than the network."""
    run = transfer_run(side=12, width=6, widths=(6,), sweeps=6, steps=150)
    job = pattern_transfer.start(run, (0,), CPU)
    for _ in range(job.total_steps):
        job.step()
    found = job.evaluate()
    assert found["transfer-6"][0] <= found["MSE"][0]


def test_states_are_those_of_the_network():
    job = pattern_transfer.start(transfer_run(), (0, 1), CPU)
    x = job.inputs.double().numpy()
    seen = []
    for layer in job.network.children():
        if isinstance(layer, tb.IATReLU):
            layer.register_forward_pre_hook(lambda module, args: seen.append(args[0][1].double().numpy()))
    with torch.no_grad():
        job.network(job.inputs.expand(2, *job.inputs.shape))
    for expected, found in zip(seen, pattern_transfer.member_states(job.network, 1, x, "pwl"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
