"""Rows shared out over threads: same numbers whoever computes them, from any thread, after a fork, and under load."""

import os
import threading
import time

import numpy as np
import pytest
import torch

import iatcore
from iatcore import IAT, basis, threads
from torch_bridge.ops.team import join_torch_team

PAIRS = (("pwq", "pwq"), ("fourier", "pwq"), ("pwl", "fourier"))


@pytest.fixture(params=["workers", "openmp"])
def team(request, monkeypatch):
    """Workers of our own, or torch's OpenMP threads."""
    monkeypatch.setattr(threads, "_team", threads._Team())
    monkeypatch.setattr(threads, "_threads", None)
    if request.param == "openmp" and not join_torch_team():
        pytest.skip("this torch is not built on OpenMP")
    return request.param


def rows(count, d=4):
    return np.random.default_rng(0).normal(size=(count, d))


def results(z):
    found = [IAT(basis(p, 4), basis(q, 4)).activation_matrix(z) for p, q in PAIRS]
    mixed = IAT(basis("pwl", 2) + basis("fourier", 2), basis("pwq", 3))  # the general path
    return [*found, mixed(z)]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_threads_do_not_change_results(team, count):
    z = rows(3001)
    iatcore.set_num_threads(1)
    alone = results(z)
    iatcore.set_num_threads(count)
    for _ in range(20):
        for a, b in zip(alone, results(z), strict=True):
            np.testing.assert_array_equal(a, b)


def test_callers_on_several_threads(team):
    z = rows(2001)
    iatcore.set_num_threads(2)
    expected = results(z)
    wrong = []

    def work():
        for _ in range(5):
            wrong.extend(i for i, (a, b) in enumerate(zip(expected, results(z), strict=True)) if not (a == b).all())

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert not wrong and not any(caller.is_alive() for caller in callers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_computes(team):
    z = rows(3000)
    count = iatcore.get_num_threads()
    iatcore.set_num_threads(2)
    expected = results(z)
    child = os.fork()
    if child == 0:
        same = all((a == b).all() for a, b in zip(expected, results(z), strict=True))
        iatcore.set_num_threads(None)
        os._exit(0 if same and iatcore.get_num_threads() == count and threads._team.fork == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_sleeping_workers_wake(monkeypatch):
    monkeypatch.setattr(threads, "_team", threads._Team())
    monkeypatch.setattr(threads, "WATCH_SECONDS", 1e-7)
    monkeypatch.setattr(threads, "_threads", 2)
    z = rows(3000)
    for _ in range(3):
        results(z)
        for worker in threads._team.workers:
            deadline = time.monotonic() + 30
            while not worker.asleep and time.monotonic() < deadline:
                time.sleep(0.001)
            assert worker.asleep
    assert len(threads._team.workers) == 1


def test_number_of_threads(monkeypatch):
    monkeypatch.setattr(threads, "_team", threads._Team())
    monkeypatch.setattr(threads, "_threads", None)
    assert iatcore.get_num_threads() == threads._available
    if join_torch_team():
        assert iatcore.get_num_threads() == torch.get_num_threads()
    before = iatcore.get_num_threads()
    iatcore.set_num_threads(before + 3)
    assert iatcore.get_num_threads() == before + 3
    iatcore.set_num_threads(None)
    assert iatcore.get_num_threads() == before
    with pytest.raises(ValueError, match="count must be an integer >= 1, got 0"):
        iatcore.set_num_threads(0)
