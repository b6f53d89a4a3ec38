"""Printed tables as rows of exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Row = list[Fraction | None]


def read(text: str) -> dict[str, Row]:
    """Rows by name; ``-`` for a number that is not given."""
    lines = [line.split() for line in text.strip().splitlines()]
    return {name: [None if e == "-" else Fraction(e) for e in entries] for name, *entries in lines}


def known(row: Row) -> list[Fraction]:
    """The numbers that are given."""
    return [e for e in row if e is not None]


def mean(row: Sequence[Fraction]) -> Fraction:
    """The arithmetic mean, exact."""
    return sum(row, Fraction(0)) / len(row)
