"""The one runner: alternating blocks of calls, medians, ratios."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

import iatcore

from .elementwise import elementwise
from .engine import engine
from .entries import Entry, entries
from .first_use import first_use
from .images import reading, training
from .memory import elementwise_memory, memory
from .scaling import draw, sizes, threads

LONGEST_BLOCK = 0.1
"""Seconds."""


def once(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(entry: Entry, budget: float) -> dict[str, Any]:
    """Medians of an entry whose result is right, in alternating blocks of calls; about ``budget`` seconds.

    Blocks, because the reference moves so much memory that whatever comes next finds every cache cold: after it, even
    ReLU takes five times as long once. In blocks both sides run as they do in a loop of their own.
    """
    entry.check()
    for call in (entry.ours, entry.reference) * 2:
        call()
    pair = once(entry.ours) + once(entry.reference)
    size = max(3, min(10, int(LONGEST_BLOCK / max(pair, 1e-9))))
    ours, reference = [], []
    for _ in range(max(3, min(20, int(budget / max(pair * size, 1e-9))))):
        ours += [once(entry.ours) for _ in range(size)]
        reference += [once(entry.reference) for _ in range(size)]
    a, b = statistics.median(ours), statistics.median(reference)
    return {
        "group": entry.group,
        "name": entry.name,
        "ours_ns": a / entry.samples * 1e9,
        "reference_ns": b / entry.samples * 1e9,
        "times_faster": b / a,
        "times_floor": a / (entry.bytes / copy_bandwidth()) if entry.bytes else None,
        "calls": len(ours),
    }


@lru_cache
def copy_bandwidth() -> float:
    """Bytes read and written in a second by a copy of 256 MB."""
    source = torch.ones(2**26)
    target = torch.empty_like(source)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        target.copy_(source)
        times.append(time.perf_counter() - start)
    return 2 * source.numel() * 4 / statistics.median(times)


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
    parser.add_argument("--only", help="tables whose title contains this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=1.5, help="seconds for an entry")
    parser.add_argument("--plot", type=Path, help="picture of how the time grows with d")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    iatcore.set_num_threads(options.threads)
    report: dict[str, Any] = {"hardware": hardware(), "results": [], "first_use_seconds": first_use()}
    print(*(f"{k}: {v}" for k, v in report["hardware"].items()), sep="\n")
    for name, value in report["first_use_seconds"].items():
        print(f"{name}: {value:.2f} s")
    print(f"copy bandwidth: {copy_bandwidth() / 1e9:.1f} GB/s")
    report["copy_bandwidth"] = copy_bandwidth()
    group = ""
    rows = chain(
        entries(options.quick),
        elementwise((2**18,)) if options.quick else elementwise(),
        training(),
        reading(),
        engine(),
    )
    for entry in rows:
        if options.only and options.only not in entry.group:
            continue
        row = measure(entry, options.budget)
        report["results"].append(row)
        if row["group"] != group:
            group = row["group"]
            print(f"\n{group}\n{'':24}{'ours ns':>10}{'other ns':>10}{'ratio':>8}{'x copy':>8}")
        floor = f"{row['times_floor']:8.0f}" if row["times_floor"] else ""
        numbers = f"{row['ours_ns']:10.0f}{row['reference_ns']:10.0f}{row['times_faster']:8.1f}"
        print(f"{row['name']:24}{numbers}{floor}", flush=True)
    if not options.quick and not options.only:
        report |= {
            "memory": memory(),
            "elementwise_memory": elementwise_memory(),
            "sizes": sizes(),
            "threads": threads(),
        }
        print("\npeak memory a sample, bytes: exact, mesh of 500, ratio")
        for row in report["memory"]:
            print(f"{row['name']:24}{row['dtype']:10}{row['exact']:8.0f}{row['mesh']:8.0f}{row['ratio']:8.1f}")
        print("\npeak memory an entry, bytes, 2^24 entries in float32")
        for row in report["elementwise_memory"]:
            print(f"{row['name']:24}{row['bytes']:8.1f}")
        print("\ntime a sample grows with d to the power of (d = 8 ... 512)")
        for row in report["sizes"]:
            print(f"{row['name']:24}{row['exponent']:8.2f}")
        print("\ntwo threads, times faster than one")
        for row in report["threads"]:
            print(f"{row['name']:24}{row['two_threads_faster']:8.2f}")
        if options.plot:
            draw(report["sizes"], options.plot)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
