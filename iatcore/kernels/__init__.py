"""Compiled kernels on plain arrays. Importing the package drops compiled code that is older than the sources."""

from __future__ import annotations

from pathlib import Path


def _drop_stale_code() -> None:
    """Numba's cache looks only at the file of the outermost function, not at those of the functions inlined in it."""
    here = Path(__file__).parent
    try:
        newest = max(source.stat().st_mtime for source in here.glob("*.py"))
        for index in here.glob("__pycache__/*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
    except OSError:
        # a folder that cannot be read or written: numba then keeps its cache elsewhere
        return


_drop_stale_code()
