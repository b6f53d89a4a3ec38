"""Whether everything that people import has complete types: ``python scripts/check_public_types.py``; run by make lint.

``pyright --verifytypes`` looks at a package as its users' type checkers do. It counts every module without an
underscore; here those names count that the packages export, with the public members of their classes. Signatures must
say all types. What a constructor assigns to an attribute may be left to inference: GUESSED is how pyright puts that,
and what follows from it for whatever holds such a class.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXPORTS = {
    "iatcore": ("iatcore",),
    "verify": ("verify.certified", "verify.convergence", "verify.ledger", "verify.strategies", "verify.symbolic"),
    "torch_bridge": ("torch_bridge", "torch_bridge.data", "torch_bridge.networks", "torch_bridge.plot"),
}
"""Package -> modules that people import from."""

GUESSED = re.compile(r"could be inferred differently|is partially unknown|Ambiguous base class override")


def exported(module: ModuleType) -> Iterator[Any]:
    """The functions and classes that a module exports, and those of the modules that it exports."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__]
    for name in names:
        thing = getattr(module, name)
        if isinstance(thing, ModuleType):
            yield from exported(thing)
        elif inspect.isclass(thing) or inspect.isroutine(thing):
            yield thing


def analysis(package: str) -> list[dict[str, Any]]:
    """The symbols of a package as pyright reports them."""
    folder = Path(sys.executable).parent  # pyright looks for packages with the first python of the path
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["typeCompleteness"]["symbols"]
    except (json.JSONDecodeError, KeyError):
        raise SystemExit(f"pyright --verifytypes {package} said: {done.stdout or done.stderr}") from None


def incomplete(package: str) -> Iterator[str]:
    """One line for each public symbol whose signature lacks a type or has an unknown one."""
    things = [thing for module in EXPORTS[package] for thing in exported(importlib.import_module(module))]
    names = {f"{thing.__module__}.{thing.__qualname__}" for thing in things}
    symbols = analysis(package)
    if not names & {symbol["name"] for symbol in symbols}:
        raise SystemExit(f"pyright --verifytypes {package} found none of the exported names")
    for symbol in symbols:
        reasons = [part["message"].splitlines()[0] for part in symbol["diagnostics"] if part["severity"] == "error"]
        reasons = [reason for reason in reasons if not GUESSED.search(reason)]
        if reasons and any(f"{symbol['name']}.".startswith(f"{name}.") for name in names):
            yield f"{symbol['name']}: {'; '.join(reasons)}"


def main() -> int:
    """Print what is incomplete; 1 if anything is."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    sys.path.insert(0, str(ROOT))
    with ThreadPoolExecutor() as pool:
        lines = [line for found in pool.map(lambda package: list(incomplete(package)), EXPORTS) for line in found]
    print("\n".join(lines) if lines else "signatures of all public names have complete types")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
