"""The directives ``ledger`` and ``ledger-counts``: the claims of a paper as recorded, without carrying out a proof."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import paragraph, table

from verify.ledger import Claim, Verdict, claims

ROOT = Path(__file__).parents[2]
STEPS = ("refute", "measured")
"""Methods of a proof whose texts are evidence."""
COMPUTED = "…"
"""Stands for what a text takes from the computation."""


def evidence(claim: Claim) -> list[str]:
    """The counterexamples of a refuted claim, the ranges of a measured one, the condition of one that has one, and
    where the proof is.
    """
    said = texts(claim)
    shown = said["refute"] if claim.verdict is Verdict.REFUTED else said["measured"]
    if claim.condition:
        shown = [f"if {claim.condition}"]
    return [*shown, place(claim)]


def texts(claim: Claim) -> dict[str, list[str]]:
    """What a proof says of counterexamples and measurements, by kind, read from its source."""
    found: dict[str, list[str]] = {kind: [] for kind in STEPS}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(claim.decide)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STEPS:
            found[node.func.attr].append(_text(node.args[-1]))
    return found


def place(claim: Claim) -> str:
    """File and line of the proof."""
    source = inspect.getsourcefile(claim.decide)
    assert source is not None
    return f"{Path(source).resolve().relative_to(ROOT)}:{inspect.getsourcelines(claim.decide)[1]}"


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return COMPUTED


class Ledger(SphinxDirective):
    """All claims of the paper that is named: id and place in the paper, statement, verdict, evidence."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        paper = self.arguments[0]
        chosen = [claim for claim in claims().values() if claim.paper == paper]
        if not chosen:
            raise self.error(f"no claims of {paper}")
        return [table(("claim, place", "statement", "verdict", "evidence"), map(_row, chosen), classes=["ledger"])]


def _row(claim: Claim) -> list[Any]:
    *shown, where = evidence(claim)
    cell = [*(paragraph(text) for text in shown), paragraph(nodes.literal(text=where))]
    name = [paragraph(nodes.strong(text=claim.id)), paragraph(claim.place)]
    return [name, claim.statement, claim.verdict.value, cell]


class LedgerCounts(SphinxDirective):
    """Number of claims by paper and verdict."""

    def run(self) -> list[nodes.Node]:
        counts = Counter((claim.paper, claim.verdict) for claim in claims().values())
        verdicts = [verdict for verdict in Verdict if any(v is verdict for _, v in counts)]
        papers = dict.fromkeys(paper for paper, _ in counts)
        rows = [[paper, *(str(counts[paper, v]) for v in verdicts)] for paper in papers]
        total = ["all", *(str(sum(counts[paper, v] for paper in papers)) for v in verdicts)]
        return [table(["paper", *(v.value for v in verdicts)], [*rows, total])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-counts", LedgerCounts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
