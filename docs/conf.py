"""Settings of the site: ``make docs`` builds it without a network, and any warning is an error."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "matact"
author = "the matact contributors"
project_copyright = author
version = release = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "architecture",
    "benchmark_tables",
    "ledger_tables",
    "mathml",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "special-members": "__call__"}
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"matact {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

LITERAL = re.compile(r"(``.*?``|`[^`]+`)", flags=re.DOTALL)
MARKUP = re.compile(r"(?P<meant>^\s*\* |\\\*|(?<![\w*])\*\w[^*\n]*\w\*(?!\w))|\*|\|(?=\w)", flags=re.MULTILINE)
"""Stars and bars outside of literals: bullets and *emphasis* are meant; ``(d, *shape)`` and ``|z|`` are mathematics."""


def plain(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Escape mathematics in the text of a docstring."""
    parts = LITERAL.split("\n".join(lines))
    parts[::2] = [MARKUP.sub(lambda m: m[0] if m["meant"] else f"\\{m[0]}", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app: Any) -> None:
    """After napoleon, which makes fields of sections."""
    app.connect("autodoc-process-docstring", plain, priority=900)
