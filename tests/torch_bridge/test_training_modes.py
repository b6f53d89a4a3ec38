"""The same training run in every mode, and a loss that contains second derivatives."""

from __future__ import annotations

import copy
import os
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import torch_bridge as tb

STEPS, BATCH, RATE = 50, 32, 0.05


def network(derivatives=2):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 6),
        tb.IATReLU(6, 6, "fourier", "pwq", derivatives=derivatives),
        nn.Linear(6, 6),
        tb.TMAF(bands=(-1, 0, 1)),
        nn.Linear(6, 6),
        tb.IATReLU(6, 6, "pwl", "pwq", derivatives=derivatives),
        tb.AReLU(),
        nn.Linear(6, 1),
    ).double()


def samples():
    x = 2 * torch.rand(BATCH, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    return x, torch.sin(3 * x).sum(1, keepdim=True)


def train(model, x, y):
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.fixture(scope="module")
def expected():
    return train(network(), *samples())


def close(found, expected):
    """50 steps let rounding errors grow."""
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_training_changes_the_network(expected):
    moved = [(a - b).abs().max() for a, b in zip(expected, network().parameters(), strict=True)]
    assert sum(m > 1e-3 for m in moved) > len(moved) / 2


def test_plain_torch(expected):
    close(train(network("any"), *samples()), expected)


def test_compiled(expected):
    torch._dynamo.reset()
    model = network()
    train(torch.compile(model, fullgraph=True), *samples())
    close([p.detach() for p in model.parameters()], expected)


def _worker(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.set_num_threads(1)
    model = DistributedDataParallel(network())
    x, y = (t[rank::2] for t in samples())
    found = train(model, x, y)
    if rank == 0:
        torch.save(found, f"{folder}/found.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo with a file store")
def test_two_processes(expected, tmp_path, monkeypatch):
    """Each process has half of the samples; gradients are averaged."""
    monkeypatch.setitem(os.environ, "GLOO_SOCKET_IFNAME", "lo")
    mp.spawn(_worker, (str(tmp_path),), nprocs=2)
    close(torch.load(tmp_path / "found.pt", weights_only=True), expected)


def test_gradients_of_a_poisson_loss_are_finite_differences():
    """``mean (laplace u + f)^2`` on a square: derivatives of the third order of u."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 6), tb.IATReLU(6, 5, "pwl", "pwq", derivatives="any"), nn.Linear(5, 1)).double()
    x = 2 * torch.rand(40, 2, dtype=torch.float64) - 1

    def loss(network):
        points = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(network(points).sum(), points, create_graph=True)
        second = [torch.autograd.grad(first[:, i].sum(), points, create_graph=True)[0][:, i] for i in range(2)]
        return (sum(second) + torch.sin(torch.pi * x).prod(1)).square().mean()

    loss(model).backward()
    gradient = [p.grad for p in model.parameters()]
    assert all(g is not None for g in gradient[:-1])
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in model.parameters()]
        ends = []
        for h in (1e-6, -1e-6):
            moved = copy.deepcopy(model)
            with torch.no_grad():
                for p, d in zip(moved.parameters(), direction, strict=True):
                    p.add_(h * d)
            ends.append(loss(moved))
        expected = (ends[0] - ends[1]).item() / 2e-6
        found = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True) if g is not None)
        assert found == pytest.approx(expected, rel=1e-5)
