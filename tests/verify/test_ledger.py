"""The ledger decides what it says, and notices when a proof does not go through."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import sympy

import verify.claims
from verify import command, ledger
from verify.ledger import Claim, Proof, StepFailed, Verdict, claims, find, is_zero

LEDGER = claims()


class CountingProof(Proof):
    """A proof that counts its checked steps: remarks and conditions are none."""

    checks = 0

    def holds(self, truth: Any, text: str) -> None:
        super().holds(truth, text)
        self.checks += 1

    def equal(self, left: Any, right: Any, text: str) -> None:
        super().equal(left, right, text)
        self.checks += 1


@pytest.mark.parametrize("name", LEDGER)
def test_every_claim_has_its_recorded_verdict(name, monkeypatch):
    monkeypatch.setattr(ledger, "Proof", CountingProof)
    result = LEDGER[name].check()
    assert result.agrees, result.error
    assert isinstance(result.proof, CountingProof) and result.proof.checks > 0, "a proof needs more than remarks"
    assert result.proof.conditions == ([LEDGER[name].condition] if LEDGER[name].condition else [])
    assert result.seconds < 30


def test_no_two_claims_say_the_same():
    statements = [c.statement for c in LEDGER.values()]
    assert len(set(statements)) == len(statements)


def test_no_step_is_a_literal():
    """``holds(True, ...)`` would be a remark that looks like a check."""
    (folder,) = verify.claims.__path__
    for path in Path(folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("holds", "refute", "measured", "equal"):
                    assert not isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"


def test_the_ledger_covers_the_papers():
    assert len(LEDGER) >= 50
    assert {c.paper for c in LEDGER.values()} == {"IAT", "TMAF", "AReLU"}
    verdicts = [c.verdict for c in LEDGER.values()]
    assert verdicts.count(Verdict.REFUTED) >= 10 and verdicts.count(Verdict.PROVED) >= 20
    assert all(c.statement.endswith(".") for c in LEDGER.values())


def test_a_proof_that_does_not_go_through_fails():
    x = sympy.Symbol("x")

    def wrong(proof):
        proof.equal(x + 1, x, "x + 1 = x")

    def silent(proof):
        pass

    def numeric(proof):
        proof.holds(sympy.sin(x) < 2, "undecided")

    for decide in (wrong, silent, numeric):
        result = Claim("X-1", "X", "1", "Nothing.", Verdict.PROVED, "", decide).check()
        assert result.verdict is Verdict.FAILED and not result.agrees and result.error
    with pytest.raises(StepFailed):
        Proof().refute(False, "no counterexample")


def test_what_a_proof_raises_is_a_failure():
    def remarks(proof):
        proof.note("clearly")
        proof.assume("all is well")

    def broken(proof):
        proof.holds(1 / 0 > 1, "never reached")

    for decide, error in ((remarks, "nothing was shown"), (broken, "ZeroDivisionError: division by zero")):
        result = Claim("IAT-0", "IAT", "(0)", "a statement", Verdict.PROVED, "", decide).check()
        assert result.verdict is Verdict.FAILED and result.error == error and not result.agrees


def test_verdicts_follow_from_the_steps():
    for act, verdict in (
        (lambda p: p.equal(1, 1, "one"), Verdict.PROVED),
        (lambda p: (p.equal(1, 1, "one"), p.assume("a")), Verdict.PROVED_IF),
        (lambda p: (p.equal(1, 1, "one"), p.refute(True, "it")), Verdict.REFUTED),
        (lambda p: p.measured(True, "it"), Verdict.MEASURED),
    ):
        proof = Proof()
        act(proof)
        assert proof.verdict is verdict
    assert is_zero(sympy.Matrix([[0, sympy.sin(1) ** 2 + sympy.cos(1) ** 2 - 1]]))
    assert not is_zero(sympy.Symbol("x"))


def test_unknown_claims_list_those_that_are_near():
    with pytest.raises(KeyError, match=r"no claim 'IAT-211'; near it: .*IAT-21"):
        find(["IAT-211"])
    assert [c.id for c in find(["iat-21"])] == ["IAT-21"]
    assert {c.paper for c in find(["tmaf"])} == {"TMAF"}


def test_the_command(capsys):
    assert command.main(["IAT-21"]) == 0
    text = capsys.readouterr().out
    assert "1. Scenario 1" in text and "PROVED" in text
    assert command.main(["IAT-23", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "PROVED IF" and found["condition"] == "a1 a3 >= 0"
    assert command.main(["IAT-23", "--latex"]) == 0
    assert r"a3 \textgreater{}= 0" in capsys.readouterr().out
    assert command.main(["nothing"]) == 2
    assert "no claim 'nothing'" in capsys.readouterr().err
