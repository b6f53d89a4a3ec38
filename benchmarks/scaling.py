"""Time of one sample as the number of functions grows, and what a second thread gains."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import iatcore

SIZES = (8, 16, 32, 64, 128, 256, 512)
PAIRS = (("pwl", "pwl"), ("pwq", "pwq"), ("fourier", "pwq"), ("fourier", "fourier"))
ENTRIES = 2**18
"""Of a batch with local bases."""
SECONDS = 0.4


def pass_of(p: str, q: str, d: int, batch: int) -> Callable[[], None]:
    """A forward and a backward pass in numpy."""
    iat = iatcore.IAT(iatcore.basis(p, d), iatcore.basis(q, d))
    z, g = np.random.default_rng(0).normal(size=(2, batch, d))

    def call() -> None:
        _, saved = iat.forward(z, save=True)
        iat.backward(z, g, saved)

    return call


def seconds(call: Callable[[], None]) -> float:
    """Median time of at least five calls."""
    call()
    times: list[float] = []
    while len(times) < 5 or sum(times) < SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def sizes() -> list[dict[str, object]]:
    """Nanoseconds a sample for every pair and size, and the exponent of d between the first and the last."""
    rows: list[dict[str, object]] = []
    for p, q in PAIRS:
        times = []
        for d in SIZES:
            # as many bytes for every d, so that caches are equally near
            batch = ENTRIES // d if p != "fourier" else max(64, 8 * ENTRIES // d**2)
            times.append(seconds(pass_of(p, q, d, batch)) / batch * 1e9)
        exponent = float(np.log(times[-1] / times[0]) / np.log(SIZES[-1] / SIZES[0]))
        rows.append({"name": f"{p} / {q}", "sizes": SIZES, "nanoseconds": times, "exponent": exponent})
    return rows


def threads(batch: int = 100_000) -> list[dict[str, object]]:
    """How many times faster two threads are than one, in alternating calls."""
    rows: list[dict[str, object]] = []
    for p, q in PAIRS:
        call = pass_of(p, q, 10, batch)
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(15):
            for count, measured in times.items():
                iatcore.set_num_threads(count)
                start = time.perf_counter()
                call()
                measured.append(time.perf_counter() - start)
        one, two = (statistics.median(times[k]) for k in (1, 2))
        rows.append({"name": f"{p} / {q}", "two_threads_faster": one / two})
    iatcore.set_num_threads(None)
    return rows


def draw(rows: list[dict[str, object]], file: Path) -> None:
    """Plot what :func:`sizes` measured, with lines of slope 1 and 2."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for row in rows:
        axes.loglog(row["sizes"], row["nanoseconds"], "o-", label=row["name"])  # type: ignore[arg-type]
    d = np.array(SIZES, dtype=float)
    axes.loglog(d, 5 * d, "k:", label="d")
    axes.loglog(d, 5 * d**2, "k--", label="d²")
    axes.set(xlabel="d", ylabel="ns a sample, forward and backward")
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
