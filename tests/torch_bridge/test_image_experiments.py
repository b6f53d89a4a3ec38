"""Experiments on images train as a plain loop does, member by member, and judge claims by their numbers."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import torch_bridge as tb
from tests.torch_bridge.results import ended
from torch_bridge.data import Batches, Images, Scans, catalogue
from torch_bridge.experiments import arelu_init, arelu_mnist, arelu_published, arelu_transfer, image_runs
from torch_bridge.experiments import tmaf_functions as functions
from torch_bridge.experiments.documents import Picture
from torch_bridge.experiments.engine import ExperimentError, Results, RunResult, load
from torch_bridge.experiments.image_activations import ALL, KNOWN, build
from torch_bridge.experiments.image_measures import dice, dice_loss
from torch_bridge.experiments.image_report import About, beats, grid, place
from torch_bridge.experiments.image_runs import ImageJob, ImageRun
from torch_bridge.experiments.image_study import ImageSettings, runs
from torch_bridge.experiments.overrides import override
from torch_bridge.experiments.statistics import NOT_SUPPORTED, NOT_TESTED, SUPPORTED
from torch_bridge.networks import mlp
from torch_bridge.networks import network as network_of
from torch_bridge.report.documents import markdown

CPU = torch.device("cpu")
CLASSES = tuple("0123456789")


def pictures(count, channels, side, seed):
    """Noise with a bright bar whose place is the label."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (count, channels, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    width = side // 10
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, :, label * width : (label + 1) * width] = 220
    return images, labels


def generated(name, folder=None, *, partial=False, cache=True):
    """In place of :func:`torch_bridge.data.load`."""
    if name == "brain-mri":
        images = pictures(24, 3, 256, 5)[0]
        masks = (images[:, :1] > 200).to(torch.uint8)
        return Scans(images, masks, torch.arange(24) % 8, tuple("abcdefgh"), name)
    channels, side = (1, 28) if "mnist" in name else (3, 32)
    return Images(*pictures(200, channels, side, 1), *pictures(60, channels, side, 2), CLASSES, name)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def mini(monkeypatch):
    monkeypatch.setattr(image_runs, "load", generated)


def plain_run(**changes):
    return ImageRun(**{"dataset": "mnist", "network": "mnist-conv", "activation": "relu", "batch_size": 50, **changes})


def finish(job):
    for _ in range(job.total_steps):
        losses = job.step()
    return losses


# -- training -------------------------------------------------------------------------------------------------


def test_a_job_is_the_plain_loop(mini):
    """Momentum, weight decay and the milestones, against a loop written down here."""
    run = plain_run(activation="arelu", epochs=3, milestones=(1, 2), weight_decay=1e-2, learning_rate=0.05)
    job = ImageJob(run, (7,), CPU)
    finish(job)
    data = generated("mnist")
    assert isinstance(data, Images)
    torch.manual_seed(7)
    network = network_of("mnist-conv", lambda channels: tb.AReLU(0.9, 2.0))
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=1e-2)
    batches, accuracies, paths = Batches(data.train, data.train_labels, 50, seed=7), [], []
    for rate in (0.05, 0.005, 0.0005):
        optimizer.param_groups[0]["lr"] = rate
        for x, y in batches:
            optimizer.zero_grad()
            F.nll_loss(network(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            right = network(data.test.float() / 255).argmax(1) == data.test_labels
        accuracies.append(right.double().mean().item())
        paths.append([m.alpha.item() for m in network.modules() if isinstance(m, tb.AReLU)])
    for own, expected in zip(job.each[0].network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-6)
    found = job.evaluate()
    assert [found[f"accuracy {k}"][0] for k in (1, 2, 3)] == pytest.approx(accuracies, abs=0.02)
    assert found["accuracy"] == found["accuracy 3"]
    assert found["best accuracy"][0] == max(found[f"accuracy {k}"][0] for k in (1, 2, 3))
    history = job.each[0].history
    assert history[0]["alpha"] == pytest.approx([0.9] * 3) and history[0]["beta"] == [2.0] * 3
    np.testing.assert_allclose([note["alpha"] for note in history[1:]], paths, rtol=1e-4)


def test_a_network_learns(mini):
    job = ImageJob(plain_run(activation="iat-arelu", optimizer="adam", epochs=8), (0,), CPU)
    finish(job)
    found = job.evaluate()
    assert found["accuracy 0"][0] < 0.4 and found["accuracy"][0] > 0.9


@pytest.mark.parametrize("activation", ["rrelu", "arelu", "maxout", "tmaf-tridiagonal"])
def test_members_are_what_they_are_alone_and_resume(mini, activation):
    run = plain_run(activation=activation, train_limit=90, test_limit=30, epochs=2, augment=True)
    torch.manual_seed(1)
    both, alone = ImageJob(run, (3, 4), CPU), ImageJob(run, (4,), CPU)
    half = 3
    for _ in range(half):
        assert torch.equal(both.step()[1:], alone.step())
    buffer = io.BytesIO()
    torch.save(both.state_dict(), buffer)
    again = ImageJob(run, (3, 4), CPU)
    again.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    assert torch.equal(again.gradients(), both.gradients())
    torch.rand(3)
    for _ in range(both.total_steps - half):
        assert torch.equal(both.step(), again.step())
    assert both.evaluate() == again.evaluate() and torch.equal(both.gradients(), again.gradients())
    assert both.gradients().shape == (2, sum(p.numel() for p in both.each[0].network.parameters()))


def test_frozen_members_stay_out_and_others_go_on(mini):
    run = plain_run(epochs=1)
    both, alone = ImageJob(run, (3, 4), CPU), ImageJob(run, (4,), CPU)
    both.step()
    alone.step()
    both.freeze([0])
    losses, expected = both.step(), alone.step()
    assert losses[0] == 0 and torch.equal(losses[1:], expected)
    assert not any(p.any() for p in both.each[0].network.parameters())


def test_missing_data_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "SYSTEM", tmp_path / "none")
    monkeypatch.delenv("MATACT_DATA", raising=False)
    for name in ("arelu-mnist", "tmaf-cifar10", "arelu-mri", "arelu-transfer"):
        experiment = load(name)
        run = experiment.runs(experiment.presets["smoke"].settings)[0]
        with pytest.raises(ExperimentError, match=r"^data set [\w-]+: .*is not here") as error:
            experiment.start(run, (0,), CPU)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("activation", [name for name in KNOWN if name != "rrelu"])
def test_activations_keep_the_shape_of_images(activation):
    network = build("mnist-conv", activation, 0.5, 1.0, 10, 3).eval()
    assert network(torch.rand(2, 3, 28, 28)).shape == (2, 10)
    if activation in ("arelu", "iat-arelu"):
        own = [m for m in network.modules() if isinstance(m, tb.AReLU)]
        assert [m.alpha.item() for m in own] == [0.5] * 3 and [m.beta.item() for m in own] == [1.0] * 3


def test_iat_acts_on_channels():
    """Pixels apart: the transform of a permuted image is the permuted transform, and channels mix."""
    network = build("mnist-conv", "iat-relu", 0.9, 2.0, 10, 1)
    act = network.get_submodule("features.0.2")
    x = torch.randn(2, 10, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(act(x.flip(2, 3)), act(x).flip(2, 3))
    changed = x.clone()
    changed[:, 0] += 1
    assert ((act(changed) - act(x)).abs().amax((0, 2, 3)) > 1e-4).sum() > 1


def test_dice():
    a = torch.tensor([[1, 1], [0, 0], [1, 0]], dtype=torch.bool)[:, None, None]
    b = torch.tensor([[1, 0], [0, 0], [1, 1]], dtype=torch.bool)[:, None, None]
    assert dice(a, b, torch.tensor([0, 1, 2])) == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert dice(a, b, torch.tensor([0, 0, 0])) == pytest.approx(4 / 6)
    assert dice_loss(a.float(), b.float()).item() == pytest.approx(1 - 5 / 7)


# -- transfer and functions -----------------------------------------------------------------------------------


def test_transfer_goes_on_with_the_weights_of_the_source(mini):
    settings = arelu_transfer.TransferSettings(activations=("arelu",), source_epochs=1, epochs=1, batch_size=50)
    direct, run = arelu_transfer.runs(settings)
    assert not direct.pretrained and run.pretrained
    job = arelu_transfer.start(run, (0, 1), CPU)
    assert job.source is not None and job.total_steps == 8
    for _ in range(4):
        job.step()
    trained = [p.clone() for p in job.source.each[1].network.parameters()]
    job.step()
    assert job.target.each[1].history[0]["measure"] == job.source.evaluate()["accuracy"][1]
    moved = max((a - b).abs().max() for a, b in zip(trained, job.target.each[1].network.parameters(), strict=True))
    assert 0 < moved < 1e-3


def test_the_function_network_is_that_of_the_paper():
    """Against nn.Linear, nn.BatchNorm1d and the activation with the same weights."""
    settings = functions.FunctionSettings(dimensions=(5,), activations=("tmaf",), samples=300, steps=4, batch_size=100)
    (run,) = functions.runs(settings)
    job = functions.start(run, (0, 1), CPU)
    rates = []
    for _ in range(4):
        job.step()
        rates.append(job.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])
    network = mlp([5, 20, 20, 1], "tmaf", "default", batch_norm=True)
    state = {
        name.replace("values_0", "values.0"): value[1].squeeze(0)
        if value[1].ndim > 1 and len(value[1]) == 1
        else value[1]
        for name, value in job.network.state_dict().items()
    }
    own = network.state_dict()
    network.load_state_dict({k: state[k].reshape(v.shape) if k in state else v for k, v in own.items()})
    x, y = functions.samples(run, 50, 3)
    torch.testing.assert_close(y, torch.sin(torch.pi * x.sum(1, keepdim=True)))
    with torch.no_grad():
        expected = network.eval()(x.float()).double()
    torch.testing.assert_close(job.predict(x)[1], expected, rtol=1e-4, atol=1e-5)
    assert x.abs().max() <= 2 and x.min() < -1.5 and set(job.evaluate()) == {"MSE", "test MSE"}


# -- reports --------------------------------------------------------------------------------------------------

REPORTED = (
    "arelu-mnist", "arelu-init", "arelu-transfer", "arelu-mri", "tmaf-mnist", "tmaf-sine", "tmaf-oscillatory",
    "arelu-cifar10", "arelu-cifar100", "tmaf-cifar10",
)  # fmt: skip
SHORTER = {"arelu-cifar10": ("activations=relu,arelu",)}


@pytest.mark.parametrize("name", REPORTED)
def test_reports(mini, name):
    experiment = load(name)
    settings = experiment.presets["smoke"].settings
    settings = override(settings, ["steps=2", *SHORTER.get(name, ())])
    found = []
    for run in experiment.runs(settings):
        job = experiment.start(run, (0, 1), CPU)
        losses = torch.stack([job.step() for _ in range(job.total_steps)])
        for e, metrics in enumerate(zip(*job.evaluate().values(), strict=True)):
            values = dict(zip(job.evaluate(), metrics, strict=True))
            steps = np.arange(len(losses))
            found.append(
                RunResult(
                    run, e, None, values, steps, losses[:, e].numpy(), seeds=(0, 1), member=e, state=job.state_dict
                )
            )
    report = experiment.report(settings, Results(tuple(found)))
    text = markdown(report)
    assert report.title.startswith(name) and "Chosen, not published" in text
    assert "| supported |" not in text and "| not supported |" not in text
    drawn = [part.draw() for section in report.sections for part in section.parts if isinstance(part, Picture)]
    assert len(drawn) >= 2 and all(ax.has_data() for ax in drawn[0].axes)
    assert name in markdown(experiment.report(settings, Results(())))


def test_steps_of_a_tridiagonal_network_are_drawn_on_their_own_grid():
    smoke = load("tmaf-sine").presets["smoke"].settings
    settings = override(smoke, [f"activations={functions.TRIDIAGONAL}", "dimensions=1"])
    (run,) = functions.runs(settings)
    job = functions.start(run, (0,), CPU)
    result = replace(ended(run, 0, {"MSE": 0.1, "test MSE": 0.1}), seeds=(0,), state=job.state_dict)
    report = load("tmaf-sine").report(settings, Results((result,)))
    figures = [part.draw() for section in report.sections for part in section.parts if isinstance(part, Picture)]
    assert all(ax.has_data() for figure in figures for ax in figure.axes)


def mnist_results(numbers, metric="accuracy", epochs=20, rate=1e-4):
    """One place, some activations, a number in [0, 1] a seed."""
    settings = ImageSettings(
        activations=tuple(numbers), optimizers=("sgd",), learning_rates=(rate,), epochs=epochs, batch_size=128
    )
    of = {run.activation: run for run in runs(settings)}
    found = {of[a]: [ended(of[a], s, {metric: v}) for s, v in enumerate(values)] for a, values in numbers.items()}
    return found, of


@pytest.mark.parametrize(
    ("arelu", "epochs", "verdict"),
    [
        ((0.95, 0.96, 0.955), 20, SUPPORTED),
        ((0.87, 0.86, 0.865), 20, NOT_SUPPORTED),
        ((0.95,), 20, NOT_TESTED),
        ((0.95, 0.96), 19, NOT_TESTED),
    ],
)
def test_claims(arelu, epochs, verdict):
    found, of = mnist_results({"arelu": arelu, "relu": (0.87, 0.88, 0.86), "pau": (0.9, 0.91, 0.9)}, epochs=epochs)
    claims = [c for c in arelu_mnist.claims(found) if "last epochs" in c.text or ", 20 epochs" in c.text]
    assert [c.verdict for c in claims] == [verdict] * 2
    assert beats("", "", found, of["arelu"], of["pau"], "accuracy", About(20)).verdict == verdict
    limited = replace(of["arelu"], steps=5)
    found = {**found, limited: found[of["arelu"]]}
    assert beats("", "", found, limited, of["pau"], "accuracy", About(20)).verdict == NOT_TESTED
    found = {replace(run, dataset="fashion-mnist"): of for run, of in found.items()}
    assert {c.verdict for c in arelu_mnist.claims(found)} == {NOT_TESTED}


def test_no_run_of_a_table_is_left_out():
    settings = ImageSettings(networks=("vgg11", "resnet18"), activations=("relu",), learning_rates=(0.1, 0.01))
    found = {run: [ended(run, 0, {"accuracy": 0.5})] for run in runs(settings)}
    table = grid(found, lambda run: run.activation, lambda run: run.network, lambda run, of: place(run))
    assert set(table.rows[0][1:]) == {place(run) for run in found} and len(table.head) == 1 + len(found) == 9


@pytest.mark.parametrize(("mean", "verdict"), [(0.8750, SUPPORTED), (0.8360, SUPPORTED), (0.8340, NOT_SUPPORTED)])
def test_raw_results(mean, verdict):
    found, _ = mnist_results({"relu": (mean - 0.01, mean + 0.01), "tmaf": (0.5, 0.6)}, "best accuracy")
    (claim,) = arelu_mnist.raw_claims(found)
    assert claim.verdict == verdict and f"difference {100 * mean - 87:+.2f}" in claim.numbers


def test_raw_results_without_a_deviation_are_not_judged():
    found, _ = mnist_results({"relu": (0.98, 0.99)}, "best accuracy", rate=1e-2)
    (claim,) = arelu_mnist.raw_claims(found)
    assert claim.verdict == NOT_TESTED and "no deviation is given" in claim.numbers


def test_starts_that_end_close():
    settings = replace(arelu_init.EXPERIMENT.presets["paper"].settings, activations=("arelu",))

    def found(spread):
        return {
            run: [ended(run, s, {"accuracy": 0.98 + spread * i, "accuracy 1": 0.9}) for s in range(2)]
            for i, run in enumerate(runs(settings))
        }

    assert len(runs(settings)) == 8
    assert arelu_init.claims(found(0.001))[0].verdict == SUPPORTED
    assert arelu_init.claims(found(0.002))[0].verdict == NOT_SUPPORTED


LEARNABLE = ("apl", "comb", "pau", "prelu", "slaf-published")


@pytest.mark.parametrize(
    ("table", "fixed", "learnable"),
    [
        (
            "MEAN_FIRST",
            (-0.49, 0.78, 0.52, 10.77, 4.77, 31.29, 8.35, 3.33),
            (-0.28, -0.37, 0.40, 9.78, 3.36, 33.66, 18.17, 2.42),
        ),
        (
            "MEAN",
            (-0.01, 0.03, -0.11, 0.48, 0.25, 4.44, 2.57, 39.52),
            (-0.23, 0.00, -0.10, -0.32, 0.07, 0.79, 1.26, 54.09),
        ),
    ],
)
def test_tables_give_the_printed_improvements(table, fixed, learnable):
    """AReLU less the best of the others, column by column, as the last rows of the tables say."""
    numbers = getattr(arelu_published, table)
    assert len(numbers) == 19
    for group, expected in ((set(numbers) - {*LEARNABLE, "arelu"}, fixed), (LEARNABLE, learnable)):
        for column, value in zip(arelu_published.COLUMNS, expected, strict=True):
            best = max(numbers[name][column] for name in group)
            assert numbers["arelu"][column] - best == pytest.approx(value, abs=0.015), (column, value)


@pytest.mark.parametrize(("tmaf", "verdict"), [((0.1, 0.12), SUPPORTED), ((0.38, 0.4), NOT_TESTED)])
def test_functions_that_no_network_learns_tell_nothing(tmaf, verdict):
    experiment = load("tmaf-sine")
    settings = functions.FunctionSettings(dimensions=(6,), activations=("relu", "tmaf"))
    results = [
        ended(run, s, {"MSE": v, "test MSE": v})
        for run, values in zip(functions.runs(settings), ((0.49, 0.495), tmaf), strict=True)
        for s, v in enumerate(values)
    ]
    text = markdown(experiment.report(settings, Results(tuple(results))))
    assert f"better than ReLU | n = 6, 40000 steps from rate 0.0001 | {verdict} |" in text
    assert ("undertrained" in text) == (verdict == NOT_TESTED)


def test_the_comparison_is_whole():
    experiment = load("arelu-mnist")
    planned = experiment.runs(experiment.presets["paper"].settings)
    assert len(planned) == len(ALL) * 8 and set(arelu_published.MEAN) < set(ALL)
    assert {"slaf", "maxout", "tmaf", "iat-relu", "iat-arelu"} < set(ALL)


@pytest.mark.parametrize(
    ("name", "assignment", "message"),
    [
        ("arelu-mnist", "activations=relu,relus", "activations must be among"),
        ("arelu-mnist", "alphas=0.1,0.2", "alphas and betas must be as many"),
        ("tmaf-mnist", "epochs=0", "epochs must be at least 1"),
        ("arelu-mnist", "alphas=nan", "alpha and beta must be finite"),
        ("arelu-mnist", "weight_decay=inf", "weight_decay at least 0 and finite"),
        ("arelu-cifar10", "networks=vgg12", "networks must be among"),
        ("arelu-mri", "shrink=0", "shrink must be at least 1"),
        ("tmaf-sine", "dimensions=0", "dimensions must be at least 1"),
        ("tmaf-oscillatory", "dimensions=2", "dimensions must be 1"),
        ("arelu-transfer", "learning_rate=0", "learning_rate must be positive"),
    ],
)
def test_bad_settings(name, assignment, message):
    with pytest.raises(ExperimentError, match=message):
        override(load(name).presets["smoke"].settings, [assignment])
