"""Peak memory of a forward and a backward pass, each in a process of its own; on Linux."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import torch, torch_bridge
from benchmarks.entries import forward_backward
torch.set_num_threads(2)
module = torch_bridge.IATReLU({d}, {d}, {p!r}, {q!r}, mesh={mesh})
small, large = (forward_backward(module, batch, {d}, torch.{dtype}) for batch in (1000, {batch}))
def kilobytes(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))
small()
before = kilobytes("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # forget the peak so far
large()
print((kilobytes("VmHWM") - before) * 1024)
"""
PAIRS = (("pwl", "pwl"), ("pwq", "pwq"), ("fourier", "pwq"), ("fourier", "fourier"))


def peak(p: str, q: str, dtype: str, mesh: int | None, batch: int = 200_000, d: int = 10) -> int:
    """Bytes of peak memory that a pass takes beyond its input and the gradient of its output."""
    program = PROGRAM.format(p=p, q=q, dtype=dtype, mesh=mesh, batch=batch, d=d)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(result.stdout)


def memory() -> list[dict[str, object]]:
    """Peak bytes a sample of the exact transform and of that on 500 points."""
    rows: list[dict[str, object]] = []
    for dtype in ("float32", "float64"):
        for p, q in PAIRS:
            exact, mesh = (peak(p, q, dtype, m) / 200_000 for m in (None, 500))
            rows.append({"name": f"{p} / {q}", "dtype": dtype, "exact": exact, "mesh": mesh, "ratio": mesh / exact})
    return rows
