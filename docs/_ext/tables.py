"""Tables as nodes, so that no character of a text needs to be escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes


def paragraph(content: str | nodes.Node) -> nodes.paragraph:
    """A text or an inline node as a paragraph."""
    return nodes.paragraph("", "", nodes.Text(content) if isinstance(content, str) else content)


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], classes: Sequence[str] = ()) -> nodes.table:
    """A table with a row of titles; a cell is a text, an inline node, or a list of paragraphs."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto", *classes])


def _row(cells: Sequence[Any]) -> nodes.row:
    contents = (cell if isinstance(cell, list) else [paragraph(cell)] for cell in cells)
    return nodes.row("", *(nodes.entry("", *content) for content in contents))
