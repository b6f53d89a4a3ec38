"""What ``matact verify`` and ``python -m verify`` do."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence

from .ledger import Result, Verdict, claims, find

WIDTH = 118


def run(arguments: argparse.Namespace) -> int:
    """Check claims and print them; 1 if a verdict differs from the recorded one."""
    chosen = find(arguments.ids) if arguments.ids else list(claims().values())
    results = []
    for claim in chosen:
        results.append(claim.check())
        if not (arguments.json or arguments.latex):
            print(detail(results[-1]) if arguments.ids else row(results[-1]), flush=True)
    if arguments.json:
        print(json.dumps([r.as_dict() for r in results], indent=1, ensure_ascii=False))
    elif arguments.latex:
        print(latex(results))
    else:
        print(summary(results))
    return 0 if all(r.agrees for r in results) else 1


def row(result: Result) -> str:
    """One claim as a row of the table."""
    claim = result.claim
    verdict = result.verdict.value + ("" if result.agrees else f" (recorded: {claim.verdict.value})")
    head = f"{claim.id:18}{claim.place:16}{verdict:12}{result.seconds:6.2f} s  "
    text = claim.statement + (f" [if {claim.condition}]" if claim.condition else "")
    text += f" !! {result.error}" if result.error else ""
    indent = " " * 18
    return "\n".join([head.rstrip(), *textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)])


def detail(result: Result) -> str:
    """One claim with the steps of its proof."""
    lines = [row(result)]
    for k, step in enumerate(result.proof.steps, 1):
        lines += textwrap.wrap(step, WIDTH, initial_indent=f"{k:6}. ", subsequent_indent=" " * 8)
    return "\n".join(lines)


def summary(results: Sequence[Result]) -> str:
    """Counts of verdicts and the time."""
    counts = ", ".join(
        f"{sum(r.verdict is v for r in results)} {v.value}" for v in Verdict if any(r.verdict is v for r in results)
    )
    wrong = sum(not r.agrees for r in results)
    text = f"\n{len(results)} claims: {counts}; {sum(r.seconds for r in results):.1f} s"
    return text + (f"\n{wrong} verdicts differ from the recorded ones" if wrong else "")


def latex(results: Sequence[Result]) -> str:
    """A longtable of the claims; statements as text."""
    lines = [r"\begin{longtable}{llp{0.55\textwidth}l}", r"claim & place & statement & verdict \\ \hline"]
    for result in results:
        claim = result.claim
        text = claim.statement + (f" [if {claim.condition}]" if claim.condition else "")
        lines.append(" & ".join(map(_escape, (claim.id, claim.place, text, result.verdict.value))) + r" \\")
    return "\n".join([*lines, r"\end{longtable}"])


def _escape(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}",
    }  # fmt: skip
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m verify``."""
    parser = argparse.ArgumentParser(prog="python -m verify", description="Decide the claims of the three papers.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="claims, such as IAT-21, or a paper; with their proofs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--latex", action="store_true", help="print a LaTeX table")
    try:
        return run(parser.parse_args(argv))
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
