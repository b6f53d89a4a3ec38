"""Compile all kernels now and keep them on disk: ``python -m iatcore.precompile``.

Without this each kernel is compiled when it is first called, once on a machine.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from .bases import basis
from .certificate import certified_crossings
from .operators import TMAF, AReLU
from .transform import IAT

KINDS = (("fourier", "pwq"), ("pwq", "fourier"), ("pwq", "pwq"))
"""One pair of families for every fused kernel; those that take longest first."""


def _transform(first: str, second: str) -> None:
    """The fused kernels."""
    iat = IAT(basis(first, 2), basis(second, 2))
    for dtype in (np.float32, np.float64):
        z = np.ones((1, 2), dtype=dtype)
        iat.vjp(z, iat(z))


def _pattern(first: str, second: str) -> None:
    """Patterns, certificates, second derivatives."""
    iat = IAT(basis(first, 2), basis(second, 2))
    one = np.array([1.0, -0.5])
    pattern = iat.pattern(one)
    iat.apply(pattern, one)
    iat.activation_matrix(pattern=pattern)
    iat.pattern(one, certified=True)
    certified_crossings(iat.p, one[None], np.zeros((1, 1)), False)
    iat.hessian(one)
    iat.gate_vjp(one, one)
    pattern.distance(pattern.complement())
    pattern.number_of_intervals()


def _steps() -> None:
    """Step matrices and AReLU."""
    for dtype in (np.float32, np.float64):
        z = np.ones((1, 2), dtype=dtype)
        for activation in (TMAF(bands=(0, 1)), TMAF(pattern=np.eye(2)), AReLU()):
            activation.vjp(z, activation.apply(z))


def tasks() -> list[Callable[[], None]]:
    """Calls that together call every kernel, in float32 and float64; what shares most of its code is one call."""
    return [*(partial(f, *pair) for f in (_transform, _pattern) for pair in KINDS), _steps]


def precompile(processes: int = 1) -> None:
    """Call every kernel once in float32 and float64; several processes compile at the same time."""
    if processes > 1:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            for done in [pool.submit(task) for task in tasks()]:
                done.result()
    # also what two processes have written at once, of which one is lost
    for task in tasks():
        task()


if __name__ == "__main__":
    precompile(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
