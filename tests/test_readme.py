"""The examples of the README run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[b.split("\n")[0] for b in BLOCKS])
def test_example(block, capsys):
    assert len([line for line in block.split("\n") if line.strip()]) <= 8
    exec(compile(block, "README.md", "exec"), {})


def test_there_are_examples_for_numpy_and_for_torch():
    assert len(BLOCKS) == 4


def test_pictures_and_links_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
