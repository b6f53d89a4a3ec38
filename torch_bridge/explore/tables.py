"""The numbers of the page, as HTML."""

from __future__ import annotations

import numpy as np

from .snapshot import Floats, Snapshot

NONE = "none"
HEADS = ("i", "u", "on M points", "error", "leading term", "bound", "∂u/∂z{k}", "∂²u/∂z{k}²", "∂³u/∂z{k}³")
STYLE = """
.bk-clearfix { width: 100%; }
table { border-collapse: collapse; font: 12.5px ui-monospace, Menlo, Consolas, monospace; width: 100%; }
th { font-family: system-ui, sans-serif; font-weight: 600; color: #555; }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #eee; }
tr.chosen td { background: #eef4fa; }
dl { display: grid; grid-template-columns: max-content auto; gap: 5px 14px; margin: 0; }
dl { font: 13px system-ui, sans-serif; }
dt { color: #666; } dd { margin: 0; font-variant-numeric: tabular-nums; }
"""


def summary(view: Snapshot) -> str:
    """Norms, counts, and which derivatives do not exist."""
    error, bound = np.linalg.norm(view.error), np.linalg.norm(view.bound)
    missing = view.derivatives.missing
    rows = [
        ("|u|", f'<span id="norm">{np.linalg.norm(view.u):.6f}</span>'),
        ("error on M points", f'<span id="error">{error:.3e}</span> (at most {bound:.1e})'),
        ("its leading term", f"{np.linalg.norm(view.leading):.3e}"),
        ("roots", str(len(view.roots))),
        ("length of {f > 0}", f"{view.measure:.6f}"),
        ("largest entry of S", _largest(view.matrix)),
        (f"of ∂²u{view.settings.output + 1}/∂z²", _largest(view.hessian)),
        ("signs of f", "decided by bounds" if view.certified else "left open by bounds where f touches 0"),
    ]
    for order, (name, reason) in enumerate(zip(("first", "second", "third"), missing, strict=True), start=1):
        text = f'<span class="missing">does not exist: {reason}</span>' if reason else "exists"
        rows.append((f"{name} derivative", f'<span id="order{order}">{text}</span>'))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows) + "</dl>"


def table(view: Snapshot) -> str:
    """Every output with its error and its derivatives along e_k."""
    k = view.settings.direction + 1
    columns = (view.u, view.u_mesh, view.error, view.leading, view.bound, *view.derivatives.along)
    formats = ("z.6f", "z.6f", ".2e", ".2e", ".1e", "z.6f", "z.6f", "z.6f")
    lines = ["<tr>" + "".join(f"<th>{head.format(k=k)}</th>" for head in HEADS) + "</tr>"]
    for i in range(len(view.u)):
        chosen = ' class="chosen"' if i == view.settings.output else ""
        cells = (_number(c[i], form) for c, form in zip(columns, formats, strict=True))
        lines.append(f"<tr{chosen}><td>{i + 1}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f'<table id="outputs">{"".join(lines)}</table>'


def _largest(matrix: Floats) -> str:
    """The largest modulus, which the heat maps show in their darkest colour."""
    return _number(float(np.abs(matrix).max()), ".4g")


def _number(value: float, form: str) -> str:
    """NONE for a derivative that does not exist; powers of ten from 1e6 on."""
    if np.isnan(value):
        return NONE
    return format(value, ".3e" if abs(value) >= 1e6 else form)
