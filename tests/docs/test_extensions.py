"""What the site computes: the drawing of the architecture, the tables of claims and of benchmarks."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx")

import verify.ledger
from verify.ledger import Verdict, claims

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ("iatcore", "torch_bridge", "verify")


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of docs/_ext by name."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    yield importlib.import_module
    for name in ("architecture", "benchmark_tables", "ledger_tables", "tables", "mathml"):
        sys.modules.pop(name, None)


def test_the_arrows_are_the_imports(extension: Any) -> None:
    grimp = pytest.importorskip("grimp")
    architecture = extension("architecture")
    graph = grimp.build_graph(*PACKAGES)
    found = set()
    for module in graph.modules:
        for target in graph.find_modules_directly_imported_by(module):
            ends = module.split(".")[0], target.split(".")[0]
            if ends[0] != ends[1]:
                command = architecture.COMMAND
                by_command = module == command or module.startswith(f"{command}.")
                found.add((command if by_command and ends[1] != "iatcore" else ends[0], ends[1]))
    assert found == architecture.ARROWS


@pytest.mark.parametrize("package", ["iatcore", "torch_bridge"])
def test_the_drawing_has_every_module_once(extension: Any, package: str) -> None:
    architecture = extension("architecture")
    folder = DOCS.parent / package
    modules = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")}
    drawn = [module for row in architecture.layers(package) for module in row]
    assert sorted(drawn) == sorted(modules - {"__init__"})
    picture = architecture.drawing()
    assert all(f">{module}</text>" in picture for module in drawn)


def test_evidence_is_what_the_proof_says(extension: Any) -> None:
    ledger = extension("ledger_tables")
    found = claims()
    assert ledger.evidence(found["IAT-23"])[0] == "if a1 a3 >= 0"
    refuted = found["IAT-0"]
    assert ledger.evidence(refuted)[:-1] == refuted.check().proof.counterexamples
    file, line = ledger.evidence(refuted)[-1].rsplit(":", 1)
    assert '"IAT-0",' in (DOCS.parent / file).read_text().splitlines()[int(line)]
    for claim in found.values():
        least = 2 if claim.verdict in (Verdict.REFUTED, Verdict.MEASURED, Verdict.PROVED_IF) else 1
        assert len(ledger.evidence(claim)) >= least, claim.id


def test_texts_that_are_computed_say_so(extension: Any) -> None:
    ledger = extension("ledger_tables")

    def decide(proof: verify.ledger.Proof) -> None:
        size = 3
        proof.refute(size > 2, f"size {size}, and more")

    assert ledger.texts(verify.ledger.Claim("X", "X", "1", "s.", Verdict.REFUTED, "", decide))["refute"] == [
        "size …, and more"
    ]


def report(*cells: tuple[int, int, str, str, float]) -> dict[str, Any]:
    """A file of results with these batches, widths, dtypes, pairs and ratios."""
    return {
        "results": [
            {"group": f"exact / mesh, batch {batch}, d {d}, {dtype}", "name": pair, "times_faster": ratio}
            for batch, d, dtype, pair, ratio in cells
        ]
    }


def test_cells_below_their_bar_are_named(extension: Any) -> None:
    tables = extension("benchmark_tables")
    found = list(
        tables.misses(
            report(
                (2500, 10, "float32", "pwl / pwl", 10.0),
                (2500, 10, "float64", "pwl / pwl", 14.9),
                (20_000, 64, "float32", "fourier / fourier", 9.5),
                (100_000, 10, "float32", "pwl / fourier", 1.0),
            )
        )
    )
    assert found == [
        "pwl / pwl, batch 2,500, d = 10, float64: 14.9, and the bar is 15",
        "fourier / fourier, batch 20,000, d = 64, float32: 9.5, and the bar is 10",
    ]


def test_committed_results_are_on_the_page(extension: Any) -> None:
    tables = extension("benchmark_tables")
    page = (DOCS / "benchmarks.md").read_text()
    for path in tables.RESULTS.glob("*.json"):
        assert f"{{benchmarks}} {path.name}" in page
        sizes = {(batch, d) for _, batch, d in tables.BARS}
        assert set(tables.ratios(json.loads(path.read_text()))) == sizes


def test_primes_stand_on_the_line(extension: Any) -> None:
    pytest.importorskip("latex2mathml")
    formula = extension("mathml").mathml("f''(r) + x^2", "block")
    assert 'display="block"' in formula and "<msup><mi>x</mi><mn>2</mn></msup>" in formula
    assert '<mrow><mi>f</mi><mo lspace="0" rspace="0">&#x02033;</mo></mrow>' in formula
