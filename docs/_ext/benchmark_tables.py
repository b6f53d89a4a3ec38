"""The directive ``benchmarks``: the tables of a committed file of results, and which of them miss their bar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import paragraph, table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
DTYPES = ("float32", "float64")
LOCAL, WAVES = "local", "fourier input"
BARS = {
    (LOCAL, 2500, 10): (10.0, 15.0),
    (LOCAL, 100_000, 10): (40.0, 70.0),
    (LOCAL, 20_000, 64): (50.0, 120.0),
    (WAVES, 2500, 10): (3.0, 6.0),
    (WAVES, 100_000, 10): (15.0, 30.0),
    (WAVES, 20_000, 64): (10.0, 30.0),
}
"""Kind of pair, batch and d, to the ratios that the project set itself in float32 and float64."""
EXACT = re.compile(r"exact / mesh, batch (\d+), d (\d+), (float\d+)")


def bar(pair: str, batch: int, d: int, dtype: str) -> float | None:
    """What the project set itself for a pair of families; None where it set nothing: local inputs, fourier outputs."""
    p, q = pair.split(" / ")
    kind = WAVES if p == "fourier" else LOCAL
    if kind == LOCAL and q == "fourier":
        return None
    return BARS[kind, batch, d][DTYPES.index(dtype)]


def ratios(report: dict[str, Any]) -> dict[tuple[int, int], dict[str, dict[str, float]]]:
    """(batch, d) -> pair -> dtype -> times faster than the mesh."""
    found: dict[tuple[int, int], dict[str, dict[str, float]]] = {}
    for row in report["results"]:
        if match := EXACT.fullmatch(row["group"]):
            size = int(match[1]), int(match[2])
            found.setdefault(size, {}).setdefault(row["name"], {})[match[3]] = row["times_faster"]
    return found


def misses(report: dict[str, Any]) -> Iterator[str]:
    """The cells below their bar, in words."""
    for (batch, d), pairs in ratios(report).items():
        for pair, found in pairs.items():
            for dtype, ratio in found.items():
                wanted = bar(pair, batch, d, dtype)
                if wanted is not None and ratio < wanted:
                    yield f"{pair}, batch {batch:,}, d = {d}, {dtype}: {ratio:.1f}, and the bar is {wanted:g}"


class Benchmarks(SphinxDirective):
    """All of one file in ``benchmarks/results``: hardware, exact against mesh, what misses its bar, the rest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = RESULTS / self.arguments[0]
        self.env.note_dependency(str(path))
        report = json.loads(path.read_text())
        below = [nodes.list_item("", paragraph(text)) for text in misses(report)]
        return [
            nodes.rubric(text="Hardware"),
            table(list(report["hardware"]), [list(map(str, report["hardware"].values()))]),
            *_exact_tables(report),
            nodes.rubric(text="Below the bar"),
            nodes.bullet_list("", *below) if below else paragraph("None."),
            *_other_tables(report),
        ]


def _exact_tables(report: dict[str, Any]) -> Iterator[nodes.Node]:
    for (batch, d), pairs in ratios(report).items():
        yield nodes.rubric(text=f"Exact against {50 * d:,} points: batch {batch:,}, d = {d}")
        rows = [[pair, *(_cell(pair, batch, d, dtype, found) for dtype in DTYPES)] for pair, found in pairs.items()]
        yield table(("input / output", "float32 (bar)", "float64 (bar)"), rows)


def _cell(pair: str, batch: int, d: int, dtype: str, found: dict[str, float]) -> list[nodes.paragraph]:
    wanted = bar(pair, batch, d, dtype)
    if wanted is None:
        return [paragraph(f"{found[dtype]:.1f} (none)")]
    text = f"{found[dtype]:.1f} ({wanted:g})"
    return [paragraph(text if found[dtype] >= wanted else nodes.inline(text=f"{text}, below", classes=["misses"]))]


def _other_tables(report: dict[str, Any]) -> Iterator[nodes.Node]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in report["results"]:
        if not EXACT.fullmatch(row["group"]):
            groups.setdefault(row["group"], []).append(row)
    for group, found in groups.items():
        yield nodes.rubric(text=group)
        rows = [[r["name"], *(_number(r[key]) for key in ("ours_ns", "reference_ns", "times_faster"))] for r in found]
        yield table(("", "first, ns", "second, ns", "second / first"), rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
