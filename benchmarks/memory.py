"""Peak memory of a forward and a backward pass, each in a process of its own; on Linux."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import torch, torch_bridge
from benchmarks.entries import PlainMesh, forward_backward
torch.set_num_threads(2)
settings = {settings!r}
module = PlainMesh(**settings) if {name!r} == "plain mesh" else torch_bridge.activation({name!r}, **settings)
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


ELEMENTWISE = ("prelu", "arelu", "tmaf", "tmaf-uniform")


def peak(name: str, dtype: str, batch: int, d: int, **settings: object) -> int:
    """Bytes of peak memory that a pass takes beyond its input and the gradient of its output."""
    program = PROGRAM.format(name=name, settings=settings, dtype=dtype, batch=batch, d=d)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(result.stdout)


def memory() -> list[dict[str, object]]:
    """Peak bytes a sample of the exact transform and of that on 500 points."""
    rows: list[dict[str, object]] = []
    batch, d = 200_000, 10
    for dtype in ("float32", "float64"):
        for p, q in PAIRS:
            settings = {"in_features": d, "out_features": d, "input_basis": p, "output_basis": q}
            exact = peak("iat-relu", dtype, batch, d, **settings) / batch
            mesh = peak("plain mesh", dtype, batch, d, mesh=500, **settings) / batch
            rows.append({"name": f"{p} / {q}", "dtype": dtype, "exact": exact, "mesh": mesh, "ratio": mesh / exact})
    return rows


def elementwise_memory(batch: int = 2**16, d: int = 256) -> list[dict[str, object]]:
    """Peak bytes an entry of element-wise activations in float32."""
    return [{"name": name, "bytes": peak(name, "float32", batch, d) / (batch * d)} for name in ELEMENTWISE]
