"""Deliberate faults in a copy of the core, one at a time: do the property tests notice each?

    .venv/bin/python scripts/mutate.py --help

Every fault is one line. A fault in a kernel makes numba compile it again, which takes a minute or two.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("iatcore", "verify", "torch_bridge", "tests", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Fault:
    """A line of a file that is replaced by a wrong one, and the tests that should notice."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


TRANSFORM = ("tests/verify/test_strategies.py", "tests/verify/test_certified.py", "tests/iatcore/test_accuracy.py")
STEPS = ("tests/iatcore/test_operators.py",)
SECOND = ("tests/iatcore/test_derivatives.py",)
FAULTS = (
    Fault(
        "mass matrix",
        "iatcore/plan.py",
        "math.comb(total, i + j) / (total + 1)",
        "math.comb(total, i + j) / (total + 2)",
        TRANSFORM,
    ),
    Fault(
        "sign of an antiderivative",
        "iatcore/plan.py",
        "np.concatenate([-cosine * inverse, sine * inverse], axis=1)",
        "np.concatenate([cosine * inverse, sine * inverse], axis=1)",
        TRANSFORM,
    ),
    Fault(
        "too few Gauss points",
        "iatcore/plan.py",
        "return max(m + (degree + 1) // 2, degree // 2 + 1)",
        "return max(m // 2, 1)",
        TRANSFORM,
    ),
    Fault("width of a cell left out", "iatcore/plan.py", "full * width[:, None, None],", "full * 1.0,", TRANSFORM),
    Fault(
        "a jump with the wrong sign",
        "iatcore/gates.py",
        "return tuple(b - a for a, b in",
        "return tuple(a - b for a, b in",
        TRANSFORM,
    ),
    Fault(
        "the wrong side of a breakpoint",
        "iatcore/gates.py",
        "x, side=self.side)]",
        'x, side="right")]',
        ("tests/iatcore/test_gates.py",),
    ),
    Fault(
        "end hat of the wavelets",
        "iatcore/bases/wavelets.py",
        "factor = 2 * sign if node in (0, size) else sign",
        "factor = sign",
        ("tests/iatcore/test_bases.py",),
    ),
    Fault(
        "lookup off by one cell",
        "iatcore/lookup.py",
        'side="left").astype(np.int32)',
        'side="right").astype(np.int32)',
        STEPS,
    ),
    Fault(
        "breakpoint to the wrong side",
        "iatcore/kernels/steps.py",
        "bins[i] = below[c] + (x[i] > thresholds[c])",
        "bins[i] = below[c] + (x[i] >= thresholds[c])",
        STEPS,
    ),
    Fault(
        "gradient of the wrong row",
        "iatcore/kernels/steps.py",
        "x, e = z[begin:end], g[begin - offset : end - offset]",
        "x, e = z[begin:end], g[begin:end]",
        STEPS,
    ),
    Fault(
        "entries outside of the matrix",
        "iatcore/kernels/steps.py",
        "    if k == 0:\n        return\n    slab",
        "    if True:\n        return\n    slab",
        STEPS,
    ),
    Fault(
        "one histogram dropped",
        "iatcore/kernels/steps.py",
        "(total[2, entry] + total[3, entry])",
        "total[2, entry]",
        STEPS,
    ),
    Fault(
        "slopes swapped",
        "iatcore/kernels/two_slopes.py",
        "lower = p if v < 0.0 else 0.0",
        "lower = p if v > 0.0 else 0.0",
        STEPS,
    ),
    Fault(
        "a crossing dropped",
        "iatcore/kernels/trig.py",
        "store_int(counts, lane, min(slot + 1, last))",
        "store_int(counts, lane, min(slot + 1, 4))",
        TRANSFORM,
    ),
    Fault(
        "direction of a crossing",
        "iatcore/kernels/polish.py",
        "direct = select(rising, 1.0, -1.0)",
        "direct = select(rising, 1.0, 1.0)",
        TRANSFORM,
    ),
    Fault(
        "no Newton step",
        "iatcore/kernels/polish.py",
        "    following = x - step\n    settled",
        "    following = x + step * 0.0\n    settled",
        TRANSFORM,
    ),
    Fault(
        "cells with an extremum skipped",
        "iatcore/kernels/trig.py",
        "opens |= bits(some & ~monotone)",
        "opens |= bits(some & ~monotone & ~some)",
        TRANSFORM,
    ),
    Fault(
        "mirrored grid values",
        "iatcore/kernels/trig.py",
        "right, left = even + odd, even - odd",
        "right, left = even + odd, even + odd",
        TRANSFORM,
    ),
    Fault(
        "a term by parts", "iatcore/kernels/wavelocal.py", "t * (t * f1 - f2) + f3", "t * (t * f1 + f2) + f3", TRANSFORM
    ),
    Fault(
        "the cell of a crossing",
        "iatcore/kernels/wavelocal.py",
        "floor((e + 1.0) * (0.5 * cells))",
        "floor((e + 1.0) * (0.5 * cells) + 0.5)",
        TRANSFORM,
    ),
    Fault(
        "outside of an interval of a quadratic",
        "iatcore/kernels/local.py",
        "factor = select(outside, -factor, factor)",
        "factor = select(outside, factor, factor)",
        TRANSFORM,
    ),
    Fault("root of a line", "iatcore/kernels/level_sets.py", "down = a0 > 0.0", "down = a0 < 0.0", TRANSFORM),
    Fault(
        "missing jump term of the gradient",
        "iatcore/rows.py",
        "return self._crossing_sums(crossings.COTANGENT, pattern, y, g=rows)[0]",
        "return 0.0 * self._crossing_sums(crossings.COTANGENT, pattern, y, g=rows)[0]",
        SECOND,
    ),
    Fault(
        "roots at ends and knots",
        "iatcore/kernels/crossings.py",
        "part *= 1.0 + 0.25 * (int_at(p[4], h) % (p[-1] + 1))",
        "part *= 1.0 + 0.0 * (int_at(p[4], h) % (p[-1] + 1))",
        SECOND,
    ),
    Fault(
        "missing scale of second derivatives",
        "iatcore/derivatives.py",
        "out = np.ldexp(out, -exponent[:, None])",
        "out = np.ldexp(out, exponent[:, None])",
        SECOND,
    ),
    Fault(
        "levels not scaled",
        "iatcore/derivatives.py",
        "np.array(self.gate.breakpoints)[None, :], -exponent[:, None])",
        "np.array(self.gate.breakpoints)[None, :], 0 * exponent[:, None])",
        SECOND,
    ),
)


def noticed(fault: Fault, folder: Path, seconds: float) -> str:
    """``caught``, ``MISSED``, or why the fault could not be tried."""
    path = folder / fault.file
    text = path.read_text()
    if text.count(fault.right) != 1 or fault.right == fault.wrong:
        return f"not applied: {text.count(fault.right)} places"
    path.write_text(text.replace(fault.right, fault.wrong))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "2", *fault.tests]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
        # with -x and several processes pytest says that it was interrupted, by a test that failed
        if " failed" in result.stdout:
            return "caught"
        return "MISSED" if result.returncode == 0 else f"not tried: pytest ended with {result.returncode}"
    except subprocess.TimeoutExpired:
        return "caught (it does not end)"
    finally:
        path.write_text(text)


def main() -> int:
    """Try every fault; 1 if one is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="faults whose name or file contains this")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one fault")
    options = parser.parse_args()
    chosen = [f for f in FAULTS if not options.only or options.only in f.name or options.only in f.file]
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for entry in COPIED:
            source = ROOT / entry
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / entry)
        for fault in chosen:
            start = time.perf_counter()
            outcome = noticed(fault, folder, options.timeout)
            bad += not outcome.startswith("caught")
            print(f"{fault.name:38}{fault.file:36}{outcome:24}{time.perf_counter() - start:6.0f} s", flush=True)
    print(f"{len(chosen)} faults, {bad} not caught")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
