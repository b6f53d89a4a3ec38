"""GPU benchmark: ``python -m benchmarks.gpu --json FILE``; a forward and a backward pass in float32.

Each row is compared, in one run and in turn, with the same thing in plain torch, as it is and under torch.compile, and
with the floor: the time in which the device copies as many bytes as have to be read and written. Before each call the
device is kept busy with copies, so that the call is enqueued meanwhile: what is timed is the device, not Python, and
every cache is cold. A row whose result is wrong, or that falls back from its kernels to plain torch, is an error.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .gpu_rows import TARGETS, Function, Row, Target, mesh_rows, rows

BATCH = 2**20
WIDTHS = (10, 64)
MESH = 500
CALLS = 9


class Device(Protocol):
    """What runs and times calls."""

    device: torch.device

    def seconds(self, call: Callable[[], None]) -> float:
        """Of one call."""
        ...

    def peak(self, call: Callable[[], None]) -> int:
        """Bytes of memory that a call takes at most, beyond those in use before it."""
        ...

    def compiled(self, function: Function) -> Function:
        """By torch.compile."""
        ...

    def hardware(self) -> dict[str, Any]:
        """What it is."""
        ...


class Cuda:
    """The current CUDA device, timed by events."""

    def __init__(self) -> None:
        self.device = torch.device("cuda")
        self.source = torch.zeros(2**28, device=self.device)
        self.target = torch.empty_like(self.source)

    def seconds(self, call: Callable[[], None]) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        for _ in range(4):
            self.target.copy_(self.source)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3

    def peak(self, call: Callable[[], None]) -> int:
        return peak_bytes(call)

    def compiled(self, function: Function) -> Function:
        torch._dynamo.reset()
        return torch.compile(function, dynamic=False)

    def hardware(self) -> dict[str, Any]:
        import triton

        found = torch.cuda.get_device_properties(self.device)
        return {
            "device": found.name,
            "memory_bytes": found.total_memory,
            "processors": found.multi_processor_count,
            "capability": f"{found.major}.{found.minor}",
            "runtime": f"CUDA {torch.version.cuda}" if torch.version.cuda else f"HIP {torch.version.hip}",
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": triton.__version__,
            "float32_products": torch.get_float32_matmul_precision(),
        }


def peak_bytes(call: Callable[[], Any]) -> int:
    """Bytes of memory of the current CUDA device that a call takes at most, beyond those in use before it."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


# -- measuring ------------------------------------------------------------------------------------------------------


def data(batch: int, d: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Fixed random input and gradient of the output, float32."""
    generator = torch.Generator(device).manual_seed(0)
    z = torch.randn(batch, d, device=device, generator=generator).requires_grad_()
    return z, torch.randn(batch, d, device=device, generator=generator)


def passes(function: Function, z: Tensor, g: Tensor, parameters: tuple[Tensor, ...]) -> Callable[[], None]:
    """A forward and a backward pass."""

    def call() -> None:
        for tensor in (z, *parameters):
            tensor.grad = None
        function(z).backward(g)

    return call


def bandwidth(device: Device, calls: int, size: int = 2**28) -> float:
    """Bytes read and written in a second by a copy of ``4 size`` bytes."""
    source = torch.zeros(size, device=device.device)
    target = torch.empty_like(source)
    times = [device.seconds(lambda: target.copy_(source)) for _ in range(calls)]
    return 8 * size / statistics.median(times)


def measure(row: Row, device: Device, calls: int, copied: float) -> dict[str, Any]:
    """Medians of a row, its three contestants in turn, and how they relate.

    Raises:
        WrongResult: what was to be timed does not compute the right thing, or not by its kernels.
    """
    z, g = data(row.batch, row.d, device.device)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # kernels that cannot be used
        served = row.has_kernels(z)
        row.check(z, g)
    few, few_g = (t.detach()[: row.plain_rows].clone() for t in (z, g))
    few.requires_grad_()
    contestants = {
        "ours": passes(row.ours, z, g, row.parameters),
        "eager": passes(row.plain, few, few_g, row.parameters),
        "compiled": passes(device.compiled(row.plain), few, few_g, row.parameters),
    }
    for call in list(contestants.values()) * 3:
        call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(calls):
        for name, call in contestants.items():
            times[name].append(device.seconds(call))
    scale = row.batch / row.plain_rows
    ours, eager, compiled = (statistics.median(times[n]) * (1 if n == "ours" else scale) for n in contestants)
    # z is read and u written; z and g are read and the gradient is written
    floor = 5 * row.batch * row.d * z.element_size() / copied
    found = {"floor": ours / floor, "eager": eager / ours, "compiled": compiled / ours}
    return {
        "group": row.group,
        "name": row.name,
        "batch": row.batch,
        "d": row.d,
        "mesh": row.mesh,
        "plain_rows": row.plain_rows,
        "by_kernels": served,
        "seconds": ours,
        "spread": [min(times["ours"]), max(times["ours"])],
        "eager_seconds": eager,
        "compiled_seconds": compiled,
        "times_floor": found["floor"],
        "times_eager": found["eager"],
        "times_compiled": found["compiled"],
        "targets": judge(TARGETS[row.group], found),
    }


def judge(target: Target, found: dict[str, float]) -> dict[str, dict[str, Any]]:
    """For each target its bound, and whether it is met."""
    bounds = {name: bound for name, bound in vars(target).items() if bound is not None}
    return {
        name: {"bound": bound, "met": found[name] <= bound if name == "floor" else found[name] >= bound}
        for name, bound in bounds.items()
    }


def mesh_memory(device: Device, batch: int, widths: Sequence[int], meshes: Sequence[int]) -> list[dict[str, Any]]:
    """Peak bytes a sample of the M-point transform in one pass, for several M; beyond its input."""
    found = []
    for row in mesh_rows(batch, widths, meshes):
        z, g = data(batch, row.d, device.device)
        call = passes(row.ours, z, g, ())
        call()
        z.grad = None
        found.append({"name": row.name, "d": row.d, "bytes": device.peak(call) / batch})
    return found


# -- report ---------------------------------------------------------------------------------------------------------


def head() -> str:
    """The first line of a group."""
    return f"{'':24}{'us':>10}{'x floor':>10}{'x eager':>10}{'x compiled':>12}   targets"


def line(row: dict[str, Any]) -> str:
    """One row of the table, its targets with ``ok`` or ``MISSED`` beside them."""
    signs = {"floor": "<=", "eager": ">=", "compiled": ">="}
    targets = [
        f"{name} {signs[name]} {t['bound']:g} {'ok' if t['met'] else 'MISSED'}" for name, t in row["targets"].items()
    ]
    notes = [] if row["by_kernels"] else ["no kernels: plain torch"]
    if row["plain_rows"] != row["batch"]:
        notes.append(f"plain torch on {row['plain_rows']} rows, times {row['batch'] // row['plain_rows']}")
    numbers = f"{row['seconds'] * 1e6:10.0f}{row['times_floor']:10.2f}{row['times_eager']:10.1f}"
    return f"{row['name']:24}{numbers}{row['times_compiled']:12.1f}   {'; '.join(targets + notes)}"


def title(row: dict[str, Any]) -> str:
    """Of the group of a row."""
    mesh = "" if row["mesh"] is None else f", plain transform of {row['mesh']} points"
    return f"{row['group']}, batch {row['batch']}, d {row['d']}, float32{mesh}"


def run(
    device: Device,
    batch: int = BATCH,
    widths: Sequence[int] = WIDTHS,
    mesh: int = MESH,
    calls: int = CALLS,
    only: str = "",
    copied: int = 2**28,
) -> dict[str, Any]:
    """Measure, print the table as it grows, and return what it says and the hardware."""
    report: dict[str, Any] = {"hardware": device.hardware(), "calls": calls, "results": [], "memory": []}
    report["copy_bandwidth"] = bandwidth(device, calls, copied)
    print(*(f"{k}: {v}" for k, v in report["hardware"].items()), sep="\n")
    print(f"copy bandwidth: {report['copy_bandwidth'] / 1e9:.0f} GB/s; medians of {calls} calls")
    before = ""
    for row in rows(batch, widths, mesh, device.device):
        if only not in f"{row.group}: {row.name}":
            continue
        result = measure(row, device, calls, report["copy_bandwidth"])
        report["results"].append(result)
        if title(result) != before:
            before = title(result)
            print(f"\n{before}\n{head()}")
        print(line(result), flush=True)
    if only in "mesh":
        report["memory"] = mesh_memory(device, batch, widths, (mesh, 10 * mesh))
        print("\npeak memory of the mesh in one pass, bytes a sample")
        for entry in report["memory"]:
            print(f"{entry['name']:16}d {entry['d']:<6}{entry['bytes']:8.1f}")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 2 without a CUDA device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--only", default="", help="rows whose group and name contain this")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--calls", type=int, default=CALLS, help="of which the median is taken, at least 9")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args(arguments)
    if options.calls < CALLS or options.batch < 1:
        parser.error(f"--calls must be at least {CALLS} and --batch at least 1")
    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA device: torch.cuda.is_available() is False", file=sys.stderr)
        return 2
    report = run(Cuda(), options.batch, calls=options.calls, only=options.only)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
