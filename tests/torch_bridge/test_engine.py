"""One unit: ensembles, records, checkpoints, resuming bit for bit, and whatever can be wrong with files."""

import errno
import json
import math

import pytest
import torch

from tests.torch_bridge.engine_toy import REFERENCE, ToyJob, ToyRun
from torch_bridge.experiments.engine import plain
from torch_bridge.sweep import checkpoints, training
from torch_bridge.sweep.locks import locked
from torch_bridge.sweep.outcomes import attempt
from torch_bridge.sweep.stability import gradient_change, loss_jump
from torch_bridge.sweep.training import run_unit
from torch_bridge.sweep.units import FAILED, METRICS, RESULT, UNIT, Options, Unit, finished, read_unit

CPU = torch.device("cpu")
OFTEN = Options(checkpoint_seconds=math.inf, checkpoint_steps=3)


class Killed(BaseException):
    pass


def unit_in(folder, seeds=(0, 1), **run):
    settings = ToyRun(**{"rate": 0.1, "steps": 40, **run})
    return Unit(str(folder), REFERENCE, plain(settings), tuple(seeds), "cpu", settings.label)


def outcome(unit):
    return (unit.folder / RESULT).read_bytes(), (unit.folder / METRICS).read_bytes()


def notes_of(unit, options=OFTEN):
    notes = []
    run_unit(unit, options, lambda event: notes.append(event.note) if event.note else None)
    return notes


def kill_at(step):
    def listen(event):
        if event.step == step:
            raise Killed

    return listen


@pytest.fixture
def undisturbed(tmp_path):
    unit = unit_in(tmp_path / "undisturbed")
    run_unit(unit)
    return outcome(unit)


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A unit that was killed at step 20 of 40, with a line more than its last checkpoint knows, and half a line."""
    monkeypatch.setattr(training, "WRITTEN", 0.0)
    unit = unit_in(tmp_path / "killed")
    with pytest.raises(Killed):
        run_unit(unit, OFTEN, kill_at(20))
    with open(unit.folder / METRICS, "ab") as file:
        file.write(b'{"step": 2')
    return unit


@pytest.mark.parametrize(
    "run", [{}, {"batch_norm": True}, {"optimizer": "sgd"}, {"precision": "float64"}, {"precision": "mixed"}]
)
def test_a_job_goes_on_bit_for_bit(run):
    settings = ToyRun(rate=0.1, steps=20, **run)
    first, second = ToyJob(settings, (3, 4), CPU), ToyJob(settings, (3, 4), CPU)
    for _ in range(9):
        first.step()
    state = checkpoints.torch.load(_saved(first.state_dict()), weights_only=True)
    second.load_state_dict(state)
    for _ in range(11):
        assert torch.equal(first.step(), second.step())
    assert first.evaluate() == second.evaluate()
    assert all(map(math.isfinite, first.evaluate()["error"]))


def _saved(state):
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_member_of_an_ensemble_trains_as_it_does_alone(batch_norm):
    settings = ToyRun(rate=0.05, steps=30, precision="float64", batch_norm=batch_norm)
    together = ToyJob(settings, (5, 6, 7), CPU)
    alone = [ToyJob(settings, (seed,), CPU) for seed in (5, 6, 7)]
    for i, job in enumerate(alone):
        for ours, theirs in zip(together.parameters, job.parameters, strict=True):
            assert torch.equal(ours[i], theirs[0])
    for step in range(30):
        losses, single = together.step(), torch.cat([job.step() for job in alone])
        if step == 0:
            assert torch.equal(together.batches.order, torch.cat([job.batches.order for job in alone]))
        # one step multiplies a rounding error of eps by a factor of the size of 1 / rate at most for such a network
        assert torch.allclose(losses, single, rtol=torch.finfo(torch.float64).eps * (1 + step) / settings.rate * 30)
    assert len(set(losses.tolist())) == 3


def test_what_members_share_survives_the_failure_of_one():
    """Constants of the network that happen to have as many rows as there are members, too."""
    job = ToyJob(ToyRun(rate=0.05, steps=4, batch_norm=True), (5, 6), CPU)
    job.network.register_buffer("shared", torch.ones(2, 3))
    job.step()
    job.freeze([0])
    assert job.network.shared.eq(1).all()
    own = [b for name, b in job.network.named_buffers() if name.endswith("running_var")]
    assert own and all(not b[0].any() and b[1].all() for b in own)


def test_gradients_are_those_of_each_member_alone():
    settings = ToyRun(rate=0.05, steps=30, precision="float64")
    together, alone = ToyJob(settings, (5, 6), CPU), ToyJob(settings, (6,), CPU)
    together.step(), alone.step()
    assert torch.allclose(together.gradients()[1], alone.gradients()[0], rtol=1e-13, atol=1e-15)


def test_numbers_do_not_depend_on_being_killed(killed, undisturbed):
    assert (killed.folder / METRICS).read_bytes().count(b"\n") > 18
    assert checkpoints.paths(killed.folder)
    assert notes_of(killed) == []
    assert outcome(killed) == undisturbed
    assert notes_of(killed) == []


def test_a_finished_unit_is_not_done_again(killed):
    run_unit(killed)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(killed.folder.iterdir()) if path.name != ".lock"]
    run_unit(killed)
    assert before == [(p, p.stat().st_mtime_ns) for p in sorted(killed.folder.iterdir()) if p.name != ".lock"]


def test_records_hold_every_loss_once(tmp_path):
    unit = unit_in(tmp_path, steps=450)
    run_unit(unit)
    records = [json.loads(line) for line in (unit.folder / METRICS).read_text().splitlines()]
    assert [record["step"] for record in records] == [*range(5, 451, 5)]
    job = ToyJob(ToyRun(rate=0.1, steps=450), (0, 1), CPU)
    losses = torch.stack([job.step() for _ in range(450)])
    expected = losses.reshape(90, 5, 2).mean(1)
    assert torch.allclose(torch.tensor([record["loss"] for record in records]), expected, rtol=1e-6)
    last = json.loads((unit.folder / RESULT).read_text())["members"][1]["metrics"]
    assert last["error"] == job.evaluate()["error"][1]
    assert last["loss"] == records[-1]["loss"][1]


def test_the_last_two_checkpoints_are_kept(killed):
    assert [path.name for path in checkpoints.paths(killed.folder)] == [
        "checkpoint-0000000015.pt",
        "checkpoint-0000000018.pt",
    ]
    run_unit(killed)
    assert [path.name for path in checkpoints.paths(killed.folder)] == ["checkpoint-0000000040.pt"]


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_checkpoint_is_passed_over_and_named(damage, killed, undisturbed):
    newest = checkpoints.paths(killed.folder)[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:] if damage is None else damage)
    (note,) = notes_of(killed)
    assert "checkpoint-0000000018.pt is damaged" in note and "checkpoint-0000000015.pt" in note
    assert outcome(killed) == undisturbed


def test_with_all_checkpoints_damaged_it_starts_again(killed, undisturbed):
    for path in checkpoints.paths(killed.folder):
        path.write_bytes(path.read_bytes()[:-1])
    assert "starting again from step 0" in notes_of(killed)[-1]
    assert outcome(killed) == undisturbed


def test_a_checkpoint_that_knows_more_than_the_metrics_is_passed_over(killed, undisturbed):
    with open(killed.folder / METRICS, "r+b") as file:
        file.truncate(10)
    assert METRICS in notes_of(killed)[0]
    assert outcome(killed) == undisturbed


def test_a_half_written_result_is_not_read(killed, undisturbed):
    (killed.folder / RESULT).write_text('{"format": 1, "mem')
    (killed.folder / ".result.json.77.part").write_text("{")
    assert not finished(killed.folder)
    run_unit(killed)
    assert outcome(killed) == undisturbed
    assert not list(killed.folder.glob("*.part"))


@pytest.mark.parametrize("module", [checkpoints])
def test_a_full_disk_leaves_nothing_half_written(module, tmp_path, monkeypatch, undisturbed):
    unit = unit_in(tmp_path)
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    result = attempt(unit, OFTEN, lambda event: None)
    assert result.fatal and "no space left" in result.error and str(unit.folder) in result.error
    assert not list(unit.folder.glob(".*.part")) and not (unit.folder / RESULT).exists()
    assert len(checkpoints.paths(unit.folder)) == 2
    assert attempt(unit, OFTEN, lambda event: None).error is None
    assert outcome(unit) == undisturbed


def test_a_member_that_turns_nan_fails_and_the_others_go_on(tmp_path):
    healthy, ill = unit_in(tmp_path / "a", (0, 1, 2)), unit_in(tmp_path / "b", (0, 1, 2), nan_seed=1)
    run_unit(healthy)
    notes = notes_of(ill)
    assert len(notes) == 1 and "seed 1" in notes[0] and "step 10" in notes[0]
    good, bad = (json.loads((unit.folder / RESULT).read_text())["members"] for unit in (healthy, ill))
    assert (bad[0], bad[2]) == (good[0], good[2])
    assert bad[1]["metrics"] == {} and "nan by step 10" in bad[1]["failure"]


def test_when_all_members_fail_the_run_ends(tmp_path):
    unit = unit_in(tmp_path, (4,), nan_seed=4)
    run_unit(unit, OFTEN)
    result = json.loads((unit.folder / RESULT).read_text())
    assert result["steps"] == 10 and result["members"][0]["failure"]
    last = json.loads((unit.folder / METRICS).read_text().splitlines()[-1])
    assert last["step"] == 10 and last["loss"] == [None]


def test_an_exception_is_recorded_and_tried_again(tmp_path):
    unit = unit_in(tmp_path, fails=True)
    result = attempt(unit, OFTEN, lambda event: None)
    assert result.error == "ArithmeticError: as told" and not result.fatal
    assert "as told" in json.loads((unit.folder / FAILED).read_text())["reason"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    with locked(tmp_path), pytest.raises(BlockingIOError, match="another process"), locked(tmp_path, patience=0.0):
        pass


def test_the_unit_is_recorded_with_settings_and_machine(killed):
    record = json.loads((killed.folder / UNIT).read_text())
    assert record["settings"]["rate"] == 0.1 and record["seeds"] == [0, 1]
    assert record["environment"]["versions"]["torch"] and record["environment"]["processor"]
    assert read_unit(killed.folder) == killed


def test_names_differ_when_anything_that_matters_does(tmp_path):
    names = {unit_in(tmp_path, **kind).name for kind in ({}, {"seeds": (0, 2)}, {"steps": 41}, {"rate": 0.2})}
    assert len(names) == 4
    assert unit_in(tmp_path / "elsewhere").name == unit_in(tmp_path).name


def test_measures_of_stability():
    assert loss_jump([1.0, math.e, 1.0]) == pytest.approx(1.0)
    assert loss_jump([1.0]) is None
    old, new = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    assert gradient_change(new, old) == [0.0, 1.0]
    assert math.isnan(gradient_change(new, None)[0])


def test_event_files_on_request(tmp_path):
    pytest.importorskip("tensorboard")
    unit = unit_in(tmp_path)
    run_unit(unit, Options(tensorboard=True))
    assert list((unit.folder / "tensorboard").glob("events.*"))
