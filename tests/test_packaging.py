"""What is shipped, and that the packages work without what only some of them need."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("iatcore", "verify", "torch_bridge")

BLOCKED = """
import sys
sys.modules.update(dict.fromkeys({blocked!r}))  # a module that is None cannot be imported, nor found
sys.path.insert(0, {root!r})
{program}
"""

IN_NUMPY = """
import numpy as np, iatcore
p, q = iatcore.basis("rect", 2), iatcore.basis("rect", 3)
assert iatcore.Gate((0.0,), (0.0, 1.0))(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
assert (p.size, q.size) == (2, 3)
"""

IN_TORCH = """
import torch, torch_bridge
from torch_bridge import cli
assert torch_bridge.AReLU()(torch.tensor([1.0])).shape == (1,)
assert cli.build_parser().parse_args(["list"]).run
assert cli.main(["data", "--no-checksums"]) == 0
assert cli.main(["list"]) == 1 and cli.main(["verify"]) == 1 and cli.main(["explore"]) == 1
"""


@pytest.mark.parametrize(
    ("program", "blocked"),
    [
        (IN_NUMPY, {"torch", "triton", "sympy", "matplotlib", "hypothesis", "flint", "rich", "sklearn", "bokeh"}),
        (
            IN_TORCH,
            {"matplotlib", "sklearn", "rich", "PIL", "distributed", "dask", "tensorboard", "captum", "shtab", "bokeh"}
            | {"flint", "hypothesis", "onnx", "onnxscript", "onnxruntime", "pytest"},
        ),
    ],
    ids=["numpy", "torch"],
)
def test_packages_work_without_what_is_optional(program, blocked):
    whole = BLOCKED.format(blocked=blocked, root=str(ROOT), program=program)
    done = subprocess.run([sys.executable, "-I", "-c", whole], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_command_is_declared_and_found():
    module, _, attribute = PROJECT["scripts"]["matact"].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_extras_hold_what_the_command_asks_for():
    from torch_bridge.cli.errors import EXTRAS

    names = {"sklearn": "scikit-learn", "PIL": "pillow", "flint": "python-flint"}
    for extra, modules in EXTRAS.items():
        declared = {re.split(r"[^\w-]", line)[0] for line in PROJECT["optional-dependencies"][extra]}
        assert {names.get(module, module) for module in modules} <= declared


def test_every_declared_requirement_has_a_tested_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = {line.partition("==")[0].lower() for line in lines if "==" in line}
    declared = [
        *PROJECT["dependencies"],
        *(line for more in PROJECT["optional-dependencies"].values() for line in more),
    ]
    names = {re.split(r"[^\w-]", line)[0].lower() for line in declared} - {"matact", "setuptools"}
    assert names <= tested


def test_the_source_distribution_is_whole(tmp_path):
    tree = tmp_path / "tree"
    skip = shutil.ignore_patterns(
        ".*", "__pycache__", "_build", "*.egg-info", "build", "dist", "runs", "matact-demo*", "shared"
    )
    shutil.copytree(ROOT, tree, ignore=skip)
    program = "from setuptools.build_meta import build_sdist; print(build_sdist('dist'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next((tree / "dist").iterdir())) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    wanted = {name for name in wanted if not name.startswith(("dist/", "matact.egg-info/"))}
    assert wanted <= held, sorted(wanted - held)
    assert all(f"{package}/py.typed" in held for package in PACKAGES)
