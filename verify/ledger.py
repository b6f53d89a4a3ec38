"""The ledger: every mathematical claim of the three papers, decided by a proof or by a counterexample that runs.

A claim is a function that carries out its own proof. It is given a :class:`Proof`, states each step in plain
notation and has it checked: identities by sympy, exact rational arithmetic or ball arithmetic. What it returns is not
believed: the verdict follows from the checks that were made, and is compared with the recorded one.
"""

from __future__ import annotations

import difflib
import enum
import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import sympy


class Verdict(enum.Enum):
    """What became of a claim."""

    PROVED = "PROVED"
    PROVED_IF = "PROVED IF"
    REFUTED = "REFUTED"
    MEASURED = "MEASURED"
    FAILED = "FAILED"
    """A step of the proof did not go through."""


class StepFailed(AssertionError):
    """A step of a proof that does not hold."""


@dataclass
class Proof:
    """Steps of a proof as they are checked.

    Attributes:
        steps: what was shown, in plain notation.
        checks: how many of them were checked; the others are remarks and conditions.
        conditions: what was assumed beyond the statement.
        counterexamples: what the claim fails for.
        measurements: what was measured and not proved.
    """

    steps: list[str] = field(default_factory=list)
    checks: int = 0
    conditions: list[str] = field(default_factory=list)
    counterexamples: list[str] = field(default_factory=list)
    measurements: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """A text that is a remark, a definition or a cited theorem: nothing is checked."""
        self.steps.append(text)

    def assume(self, condition: str) -> None:
        """A condition that the statement of the paper does not name and that the proof needs."""
        self.conditions.append(condition)
        self.steps.append(f"assume: {condition}")

    def holds(self, truth: Any, text: str) -> None:
        """A step, in words the text, whose truth is known; sympy relations must be decided.

        Raises:
            StepFailed: it is not true.
        """
        if truth is not True and truth != sympy.true:
            raise StepFailed(f"{text}: {truth}")
        self._checked(text)

    def equal(self, left: Any, right: Any, text: str) -> None:
        """An identity, by simplification of the difference to 0.

        Args:
            left, right: expressions, or matrices of one shape.
            text: the step in words.

        Raises:
            StepFailed: the difference does not simplify to 0.
        """
        if not is_zero(sympy.sympify(left) - sympy.sympify(right)):
            raise StepFailed(f"{text}: {left} is not {right}")
        self._checked(text)

    def _checked(self, text: str) -> None:
        self.steps.append(text)
        self.checks += 1

    def refute(self, truth: Any, text: str) -> None:
        """A counterexample: ``truth`` says that the claim fails for what the text names.

        Raises:
            StepFailed: it does not.
        """
        self.holds(truth, f"counterexample: {text}")
        self.counterexamples.append(text)

    def measured(self, truth: Any, text: str) -> None:
        """Numbers that were measured; truth says that they lie in the range that the text names."""
        self.holds(bool(truth), f"measured: {text}")
        self.measurements.append(text)

    @property
    def verdict(self) -> Verdict:
        """What the steps amount to."""
        if self.counterexamples:
            return Verdict.REFUTED
        if self.measurements:
            return Verdict.MEASURED
        return Verdict.PROVED_IF if self.conditions else Verdict.PROVED


def is_zero(expression: Any) -> bool:
    """Whether sympy shows that an expression, or every entry of a matrix, is 0."""
    if isinstance(expression, sympy.MatrixBase):
        return all(is_zero(entry) for entry in expression)
    difference = sympy.expand(expression)
    if difference == 0:
        return True
    for simplify in (
        sympy.simplify,
        lambda e: sympy.simplify(e.rewrite(sympy.Piecewise)),
        lambda e: sympy.simplify(e.doit()),
    ):
        difference = simplify(difference)
        if difference == 0:
            return True
    return False


@dataclass(frozen=True)
class Claim:
    """A statement of a paper.

    Attributes:
        id: such as ``IAT-21``.
        paper: ``IAT``, ``TMAF`` or ``AReLU``.
        place: equation or section.
        statement: in plain notation, in our words.
        verdict: the recorded one.
        condition: of a statement that is proved under one, otherwise empty.
        decide: carries out the proof.
    """

    id: str
    paper: str
    place: str
    statement: str
    verdict: Verdict
    condition: str
    decide: Callable[[Proof], None]

    def check(self) -> Result:
        """Carry out the proof; remarks alone prove nothing, and whatever it raises is a failure."""
        proof, start = Proof(), time.perf_counter()
        verdict, error = Verdict.FAILED, "nothing was shown"
        try:
            self.decide(proof)
            if proof.checks:
                verdict, error = proof.verdict, ""
        except StepFailed as failure:
            error = str(failure)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Result(self, verdict, proof, error, time.perf_counter() - start)


@dataclass(frozen=True)
class Result:
    """A claim with its proof carried out.

    Attributes:
        claim: what was to be decided.
        verdict: what came out.
        proof: its steps, as far as it went.
        error: why it ended early, or an empty string.
        seconds: that it took.
    """

    claim: Claim
    verdict: Verdict
    proof: Proof
    error: str
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the recorded one."""
        return self.verdict is self.claim.verdict

    def as_dict(self) -> dict[str, Any]:
        """Everything that people see of it, as JSON knows it."""
        claim = self.claim
        return {
            "id": claim.id,
            "paper": claim.paper,
            "place": claim.place,
            "statement": claim.statement,
            "verdict": self.verdict.value,
            "recorded": claim.verdict.value,
            "condition": claim.condition,
            "steps": self.proof.steps,
            "error": self.error,
            "seconds": round(self.seconds, 3),
        }


PAPERS = ("iat", "gdnn", "iat_families", "iat_patterns", "iat_mesh", "tmaf", "arelu", "tables")
"""Modules of :mod:`verify.claims`, in the order of the ledger."""

_claims: dict[str, Claim] = {}


def claim(
    id: str, place: str, statement: str, verdict: Verdict = Verdict.PROVED, condition: str = ""
) -> Callable[[Callable[[Proof], None]], Callable[[Proof], None]]:
    """Enter a function into the ledger as the proof of a claim.

    Args:
        id: the paper, a dash, and what is like no other, such as ``IAT-21``.
        place: equation or section.
        statement: in plain notation, in our words.
        verdict: what the proof is to come to.
        condition: under which the statement is proved, where the verdict says so.

    Raises:
        ValueError: an id that is taken, or a condition without the verdict that has one.
    """

    def register(decide: Callable[[Proof], None]) -> Callable[[Proof], None]:
        if id in _claims:
            raise ValueError(f"id must be new, got {id!r} again")
        if bool(condition) != (verdict is Verdict.PROVED_IF):
            raise ValueError(f"condition must be given with PROVED_IF alone, got {condition!r} for {id}")
        _claims[id] = Claim(id, id.split("-")[0], place, statement, verdict, condition, decide)
        return decide

    return register


def claims() -> dict[str, Claim]:
    """The whole ledger by id."""
    for name in PAPERS:
        importlib.import_module(f"verify.claims.{name}")
    return dict(_claims)


def find(ids: Iterable[str]) -> list[Claim]:
    """Claims by their ids, in any case; a paper's name stands for all of its claims.

    Raises:
        KeyError: an id that is not in the ledger; the message lists those that are near.
    """
    everything = claims()
    upper = {key.upper(): c for key, c in everything.items()}
    found: list[Claim] = []
    for wanted in ids:
        key = wanted.upper()
        if key in upper:
            found.append(upper[key])
            continue
        group = [c for c in everything.values() if c.paper.upper() == key]
        if not group:
            near = difflib.get_close_matches(key, list(upper), 5, 0.4) or list(upper)[:5]
            raise KeyError(f"no claim {wanted!r}; near it: {', '.join(upper[k].id for k in near)}")
        found += group
    return found
