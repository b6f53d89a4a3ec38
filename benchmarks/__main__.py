"""The one runner: alternating blocks of calls, medians, ratios."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

import iatcore

from .entries import Entry, entries
from .first_use import first_use

LONGEST_BLOCK = 0.1
"""Seconds."""


def once(call: Callable[[], None]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(entry: Entry, budget: float) -> dict[str, Any]:
    """Medians of an entry, in alternating blocks of calls; about ``budget`` seconds.

    Blocks, because the idle threads of one library spin for a while and slow down the first call of the other.
    """
    entry.ours()
    pair = once(entry.ours) + once(entry.reference)
    size = max(3, min(10, int(LONGEST_BLOCK / max(pair, 1e-9))))
    blocks = max(3, min(20, int(budget / max(pair * size, 1e-9))))
    ours, reference = [], []
    for _ in range(blocks):
        ours += [once(entry.ours) for _ in range(size)]
        reference += [once(entry.reference) for _ in range(size)]
    a, b = statistics.median(ours), statistics.median(reference)
    return {
        "group": entry.group,
        "name": entry.name,
        "ours_ns": a / entry.samples * 1e9,
        "reference_ns": b / entry.samples * 1e9,
        "times_faster": b / a,
        "calls": len(ours),
    }


def hardware() -> dict[str, Any]:
    """Processor, threads and versions."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
    }


def main() -> None:
    """Print the table; with ``--json FILE`` also write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three pairs on the small batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=1.5, help="seconds for an entry")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    iatcore.set_num_threads(options.threads)
    report: dict[str, Any] = {"hardware": hardware(), "results": [], "first_use_seconds": first_use()}
    print(*(f"{k}: {v}" for k, v in report["hardware"].items()), sep="\n")
    for name, value in report["first_use_seconds"].items():
        print(f"{name}: {value:.2f} s")
    group = ""
    for entry in entries(options.quick):
        row = measure(entry, options.budget)
        report["results"].append(row)
        if row["group"] != group:
            group = row["group"]
            print(f"\n{group}\n{'':24}{'ours ns':>10}{'mesh ns':>10}{'ratio':>8}")
        print(
            f"{row['name']:24}{row['ours_ns']:10.0f}{row['reference_ns']:10.0f}{row['times_faster']:8.1f}", flush=True
        )
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
