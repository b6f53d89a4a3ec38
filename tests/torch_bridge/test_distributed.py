"""Runs on two processes that torchrun starts give the numbers of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from torch_bridge.experiments.engine import ExperimentError, load
from torch_bridge.sweep.command import Request, run
from torch_bridge.sweep.distributed import check_shared, processes
from torch_bridge.train import shares

ARGUMENTS = ("activations=arelu", "train_limit=40", "test_limit=24", "batch_size=9", "epochs=2", "steps=8")


def write_mnist(folder):
    """Forty and twenty-four images of noise in MNIST's files."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 24)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + values.tobytes())


def results(folder):
    (unit,) = folder.glob("mnist-conv-*")
    lines = [json.loads(line)["loss"] for line in (unit / "metrics.jsonl").read_text().splitlines()]
    return np.array(lines), json.loads((unit / "result.json").read_text())


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(tmp_path, monkeypatch):
    data = tmp_path / "mnist"
    data.mkdir()
    write_mnist(data)
    monkeypatch.setenv("MATACT_DATA", str(tmp_path))
    monkeypatch.setenv("MATACT_CACHE", str(tmp_path / "cache"))
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    words = ("arelu-mnist", "--preset", "smoke", "--seeds", "2", *(w for a in ARGUMENTS for w in ("--set", a)))
    together = subprocess.run(
        [*torchrun, "-m", "torch_bridge", "run", *words, "--out", str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert together.returncode == 0, together.stderr
    assert together.stdout.count("2 of 2 runs done") == 1
    run(Request("arelu-mnist", "smoke", ARGUMENTS, "2", workers=1, out=tmp_path / "one"))
    (losses, result), (expected, alone) = results(tmp_path / "two"), results(tmp_path / "one")
    assert losses.shape == (8, 2)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert [m["metrics"].keys() for m in result["members"]] == [m["metrics"].keys() for m in alone["members"]]
    assert json.loads((tmp_path / "two" / "experiment.json").read_text())["device"] == "cpu x 2"
    with pytest.raises(ExperimentError, match="device was 'cpu x 2', is 'cpu'"):
        run(Request("arelu-mnist", "smoke", ARGUMENTS, "2", workers=1, out=tmp_path / "two"))


def test_what_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert processes() == (1, 2)
    with pytest.raises(ExperimentError, match="torchrun: angle cannot be shared between 2 processes"):
        run(Request("angle", "smoke"))
    check_shared(load("arelu-mnist"), 2)
    check_shared(load("angle"), 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 128])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_make_the_mean_of_the_batch(monkeypatch, size, count):
    x, y = torch.arange(size, dtype=torch.float64) ** 2, torch.arange(size)
    monkeypatch.setattr(shares, "process_count", lambda: count)
    means, seen = [], []
    for rank in range(count):
        monkeypatch.setattr(shares, "process_rank", lambda rank=rank: rank)
        part, labels, weight = shares.share(x, y)
        means.append(weight * part.mean())
        seen += labels.tolist()
    torch.testing.assert_close(sum(means) / count, x.mean())
    assert sorted(seen) == (list(range(size)) if size >= count else sorted(list(range(size)) * count))
