"""What a report consists of; :mod:`torch_bridge.report.documents` writes it as markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the first column is to the left, the others to the right unless ``text``."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure drawn when the report is written; ``name`` is its file without a suffix."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables, bullet lists (tuples of text) and pictures, in order."""

    title: str
    parts: tuple[str | Table | Picture | tuple[str, ...], ...]


@dataclass(frozen=True)
class Report:
    """A title and sections."""

    title: str
    sections: tuple[Section, ...] = field(default_factory=tuple)
