"""The directive ``architecture``: a drawing of the packages and their layers, from the import contracts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
COMMAND = "torch_bridge.cli"
ARROWS = {("torch_bridge", "iatcore"), ("verify", "iatcore"), (COMMAND, "verify")}
"""Who imports whom between packages; the command line stands apart from its package."""

ROW, GAP, MARGIN = 28, 6, 24
NARROW, WIDE, BETWEEN = 300, 470, 70
RIGHT = MARGIN + NARROW + BETWEEN
STYLE = """<style>
.architecture { max-width: 100%; height: auto; font: 12px sans-serif; }
.architecture text { fill: currentColor; text-anchor: middle; dominant-baseline: central; }
.architecture .name { font-weight: bold; font-size: 14px; }
.architecture rect { fill: none; stroke: currentColor; stroke-opacity: .45; }
.architecture path { fill: none; stroke: #0072b2; stroke-width: 2; marker-end: url(#tip); }
</style><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
orient="auto"><path d="M0 0 8 4 0 8z" style="fill:#0072b2;stroke:none"/></marker></defs>"""


def layers(package: str) -> list[list[str]]:
    """Modules of a package as its contract has them: each row may import from the rows below it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [c["layers"] for c in contracts if c["type"] == "layers" and c["containers"] == [package]]
    return [re.findall(r"\w+", layer) for layer in found]


def parts_of_verify(across: int = 3) -> list[list[str]]:
    """Modules of verify, for which there is no contract, ``across`` in a row."""
    folder = ROOT / "verify"
    names = [p.stem for p in folder.glob("*.py")] + [p.parent.name for p in folder.glob("*/__init__.py")]
    names = sorted(name for name in names if not name.startswith("_"))
    return [names[k : k + across] for k in range(0, len(names), across)]


def height(rows: Sequence[Any]) -> int:
    """Of a package with so many rows."""
    return 44 + len(rows) * (ROW + GAP)


def package(name: str, left: int, top: int, width: int, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A frame with a title and a row of boxes for each layer, as wide as their names ask for."""
    yield f'<rect x="{left}" y="{top}" width="{width}" height="{height(rows)}" rx="8"/>'
    yield f'<text class="name" x="{left + width / 2}" y="{top + 20}">{name}</text>'
    for k, row in enumerate(rows):
        y, x = top + 38 + k * (ROW + GAP), left + GAP
        letters = sum(len(module) + 2 for module in row)
        for module in row:
            box = (width - GAP * (len(row) + 1)) * (len(module) + 2) / letters
            yield f'<rect x="{x:.0f}" y="{y}" width="{box:.0f}" height="{ROW}" rx="4"/>'
            yield f'<text x="{x + box / 2:.0f}" y="{y + ROW / 2}">{module}</text>'
            x += box + GAP


def drawing() -> str:
    """The packages with their layers; imports run downwards in a package, and along the arrows between them."""
    bridge, core, proofs = layers("torch_bridge"), layers("iatcore"), parts_of_verify()
    second = MARGIN + height(bridge) + 60
    (command,) = [k for k, row in enumerate(bridge) if COMMAND.split(".")[1] in row]
    from_command = MARGIN + 38 + command * (ROW + GAP) + ROW // 2
    ends = {
        ("torch_bridge", "iatcore"): f"M{MARGIN + NARROW} {MARGIN + 120}H{RIGHT}",
        ("verify", "iatcore"): f"M{MARGIN + NARROW} {second + 60}H{RIGHT}",
        (COMMAND, "verify"): f"M{MARGIN + GAP} {from_command}H8V{second + 60}H{MARGIN}",
    }
    boxes = [
        *package("torch_bridge", MARGIN, MARGIN, NARROW, bridge),
        *package("iatcore", RIGHT, MARGIN, WIDE, core),
        *package("verify", MARGIN, second, NARROW, proofs),
    ]
    arrows = [f'<path d="{ends[arrow]}"/>' for arrow in sorted(ARROWS)]
    bottom = max(MARGIN + height(core), second + height(proofs)) + MARGIN
    view = f'viewBox="0 0 {RIGHT + WIDE + MARGIN} {bottom}"'
    said = "; ".join(f"{a} imports {b}" for a, b in sorted(ARROWS))
    head = f'<svg class="architecture" xmlns="http://www.w3.org/2000/svg" {view} role="img" aria-label="{said}">'
    return "".join([head, STYLE, *boxes, *arrows, "</svg>"])


class Architecture(SphinxDirective):
    """The drawing, in the page."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(ROOT / "pyproject.toml"))
        return [nodes.raw("", drawing(), format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("architecture", Architecture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
