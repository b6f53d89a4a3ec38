"""Time of the import and of the first call in a new process, with compiled code on disk."""

from __future__ import annotations

import statistics
import subprocess
import sys

IMPORT = "import time; t = time.perf_counter(); import iatcore; print(time.perf_counter() - t)"
CALL = """
import time, numpy as np, iatcore
p, q = iatcore.basis({p!r}, 10), iatcore.basis({q!r}, 10)
z = np.ones((16, 10))
t = time.perf_counter()
iatcore.IAT(p, q)(z)
print(time.perf_counter() - t)
"""
PAIRS = (("pwq", "pwq"), ("fourier", "pwq"), ("pwl", "fourier"))


def seconds(program: str) -> float:
    """What a program prints, run in a new process."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(result.stdout)


def first_use(repeats: int = 5) -> dict[str, float]:
    """Median seconds of ``import iatcore`` and of the first call of each kernel in a second process."""
    times = {"import iatcore": statistics.median(seconds(IMPORT) for _ in range(repeats))}
    for p, q in PAIRS:
        program = CALL.format(p=p, q=q)
        seconds(program)
        times[f"first call {p} / {q}"] = statistics.median(seconds(program) for _ in range(repeats))
    return times
