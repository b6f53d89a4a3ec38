"""Runs that differ by their bases train as one model, with the numbers that each has alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from torch_bridge.experiments import iat_bases
from torch_bridge.experiments.engine import ExperimentError, Together, load, plain
from torch_bridge.experiments.iat_runs import alike, start, start_together
from torch_bridge.report.runs import load_results
from torch_bridge.sweep.command import Request, run
from torch_bridge.sweep.folder import read_record
from torch_bridge.sweep.training import run_unit
from torch_bridge.sweep.units import UNIT, Unit, existing, plan

CPU = torch.device("cpu")
SETTINGS = iat_bases.EXPERIMENT.presets["smoke"].settings
RUNS = [r for r in iat_bases.EXPERIMENT.runs(SETTINGS) if r.task == "function" and r.activation == "iat"]
TOGETHER = Together(alike, start_together, most=3)


def planned(folder, runs=RUNS, seeds=(0, 1), together=TOGETHER):
    return plan(folder, "iat-bases", runs, seeds, "cpu", together)


def done(unit: Unit) -> None:
    unit.folder.mkdir()
    (unit.folder / UNIT).write_text(json.dumps(unit.describe()))
    (unit.folder / "result.json").write_text('{"members": []}')


def test_together_is_each_alone():
    runs = [replace(r, precision="float64") for r in (*RUNS, replace(RUNS[0], mesh=24))]
    assert len({alike(run) for run in runs}) == 1
    together, alone = start_together(runs, (3, 5), CPU), [start(run, (3, 5), CPU) for run in runs]
    assert together.members == 2 * len(runs)
    for _ in range(5):
        expected = torch.cat([job.step() for job in alone])
        torch.testing.assert_close(together.step(), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together.gradients(), torch.cat([j.gradients() for j in alone]), rtol=1e-6, atol=1e-9)
    errors = [value for job in alone for value in job.evaluate()["MSE"]]
    np.testing.assert_allclose(together.evaluate()["MSE"], errors, rtol=1e-9)


def test_scalars_and_other_shapes_train_alone():
    assert alike(replace(RUNS[0], activation="relu", input_basis=None, output_basis=None)) is None
    for name, value in (("width", 7), ("task", "labels"), ("steps", 3), ("learning_rate", 0.5), ("batch_norm", False)):
        assert alike(replace(RUNS[0], **{name: value})) != alike(RUNS[0]), name


def test_units_hold_three_runs_at_most(tmp_path):
    assert len(RUNS) == 4
    todo, finished = planned(tmp_path)
    assert not finished and [unit.label for unit in todo] == [f"{RUNS[0].label} and 2 more", RUNS[3].label]
    assert todo[0].settings == [plain(r) for r in RUNS[:3]] and todo[1].settings == plain(RUNS[3])
    assert todo[0].members == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert planned(tmp_path, together=None)[0][0].settings == plain(RUNS[0])


def test_units_that_are_there_stay_as_they_are(tmp_path):
    first = planned(tmp_path)[0][0]
    done(first)
    assert existing(tmp_path) == [first]
    todo, finished = planned(tmp_path)
    assert finished == [first] and [unit.settings for unit in todo] == [plain(RUNS[3])]
    todo, finished = planned(tmp_path, runs=RUNS[1:2])
    assert finished == [first] and not todo
    todo, finished = planned(tmp_path, seeds=(0, 1, 2))
    assert finished == [first]
    assert [(unit.runs, unit.seeds) for unit in todo] == [
        ([plain(r) for r in RUNS[:3]], (2,)),
        ([plain(RUNS[3])], (0, 1, 2)),
    ]


def test_results_of_a_model_are_those_of_its_runs(tmp_path):
    changes = ("tasks=function", "scalars=", "steps=12", "precision=float64")
    folder = run(Request("iat-bases", "smoke", changes, "2", workers=1, out=tmp_path / "out"))
    assert folder is not None
    (unit,) = existing(folder)
    assert len(unit.runs) == 4
    experiment = load("iat-bases")
    settings, results = load_results(folder, experiment, read_record(folder))
    assert [r.member for r in results.runs] == list(range(8))
    for own in experiment.runs(settings):
        job = start(own, (0, 1), CPU)
        losses = torch.stack([job.step() for _ in range(12)]).numpy()
        found = results.select(lambda r, own=own: r == own)
        assert [r.seed for r in found] == [0, 1]
        for e, result in enumerate(found):
            np.testing.assert_allclose(result.losses, losses[:, e], rtol=1e-6)
            assert result.metrics["MSE"] == pytest.approx(job.evaluate()["MSE"][e], rel=1e-6)


def test_an_experiment_without_a_way_to_do_it_says_so(tmp_path):
    run = load("gated").runs(load("gated").presets["smoke"].settings)[0]
    unit = Unit(str(tmp_path), "gated", [plain(run), plain(run)], (0,), "cpu", "two")
    with pytest.raises(ExperimentError, match="gated does not train several runs together"):
        run_unit(unit)
