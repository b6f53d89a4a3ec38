"""The examples of the pages run as they stand, and print what the pages say."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot

from torch_bridge.cli import build_parser

DOCS = Path(__file__).parents[2] / "docs"
NOT_HERE = {"dask_jobqueue", "timm", "torchvision"}
"""What a block may import and then not be run: libraries that the project does not depend on."""

FENCE = re.compile(r"^```(python|output|sh)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
BLOCKS = {
    path.relative_to(DOCS).as_posix(): FENCE.findall(path.read_text())
    for path in sorted(DOCS.rglob("*.md"))
    if not {"_build", "reports"} & set(path.parts)
}
RUN = [page for page, blocks in BLOCKS.items() if any(kind == "python" for kind, _ in blocks)]
COMMANDS = [
    (page, line)
    for page, blocks in BLOCKS.items()
    for kind, text in blocks
    for line in text.splitlines()
    if kind == "sh" and line.startswith("matact ")
]


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of what a block imports."""
    names = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def run(text: str, page: str, namespace: dict[str, object]) -> str:
    """What a block prints; nothing if it is not run."""
    tree = ast.parse(text, page)
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        if not imported(tree) & NOT_HERE:
            exec(compile(tree, page, "exec"), namespace)
    return stream.getvalue()


@pytest.fixture
def no_windows():
    """Figures are drawn in memory, and closed."""
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.mark.usefixtures("no_windows")
@pytest.mark.parametrize("page", RUN)
def test_page(page, tmp_path, monkeypatch):
    """Blocks run in order in one namespace; what one prints is in the block of output that follows it."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page}
    printed = ""
    with torch.random.fork_rng():
        for kind, text in BLOCKS[page]:
            if kind == "python":
                assert printed == "", "printed, and not shown"
                printed = run(text, page, namespace)
            elif kind == "output":
                assert printed == text
                printed = ""
    assert printed == "", "printed, and not shown"


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_command(page, line):
    """Commands are ones that matact has, with options that it has."""
    build_parser().parse_args(shlex.split(line, comments=True)[1:])


def test_the_gallery_shows_every_picture():
    page = (DOCS / "gallery.md").read_text()
    assert set(re.findall(r"images/gallery/([\w-]+\.png)", page)) == {
        p.name for p in (DOCS / "images/gallery").iterdir()
    }


def test_every_tutorial_has_examples():
    assert {page for page in BLOCKS if page.startswith("tutorials/")} <= set(RUN)
    assert COMMANDS
