"""The threads of torch's own operations also run the compiled code of :mod:`iatcore`."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from iatcore.threads import use_openmp


def join_torch_team() -> bool:
    """Have torch's OpenMP runtime, if it is built on one, share out batches; whether it is.

    Two teams in one process would spin on the same processors: at small batches that costs more than it gains.
    """
    folder = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        try:
            # the library is loaded already; symbols are looked up in what it is linked to as well
            parallel = ctypes.CDLL(str(folder / name)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        use_openmp(ctypes.cast(parallel, ctypes.c_void_p).value or 0, torch.get_num_threads)
        return True
    return False
