"""Columns that the figures draw: few and plain, since every source that changes is a message to the browser."""

from __future__ import annotations

from typing import Any

import bokeh.models
import numpy as np
from numpy.typing import NDArray

from .snapshot import Snapshot

Floats = NDArray[np.float64]
models: Any = bokeh.models
"""Their arguments are their properties, which bokeh's annotations do not say."""
MOST_MARKS = 400
"""Finer meshes are not marked on the curve."""
DECADES, LEAST_ERROR = 8, 1e-30
"""Errors smaller than the largest by more than this, or smaller than that, are not drawn."""
UP, DOWN, LEVEL = "#a9c9e6", "#f0c3a3", "#e8e8e8"
COLUMNS = {
    "curve": ("s", "f", "activated"),
    "roots": ("s", "f"),
    "mesh": ("s", "f"),
    "positive": ("left", "right"),
    "pattern": ("left", "right", "middle", "color", "slope"),
    "outputs": ("i", "u", "u_mesh", "error", "leading", "bound", "gradient"),
    "matrices": ("i", "j", "S", "S_shade", "H", "H_shade"),
    "line": ("x", "u", "mesh", "order1", "order2", "order3"),
    "here": ("x", "u"),
}
"""Source, then its columns."""


class Sources:
    """One source for each entry of :data:`COLUMNS`, as an attribute."""

    def __init__(self) -> None:
        self._all = {name: models.ColumnDataSource({c: [] for c in columns}) for name, columns in COLUMNS.items()}

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_all"][name]

    def show(self, view: Snapshot) -> None:
        """Replace what has changed."""
        for name, columns in columns_of(view).items():
            data = {c: _plain(values) for c, values in zip(COLUMNS[name], columns, strict=True)}
            if data != self._all[name].data:
                self._all[name].data = data


def columns_of(view: Snapshot) -> dict[str, tuple[Any, ...]]:
    """The columns of every source, in the order of :data:`COLUMNS`."""
    marks = slice(len(view.mesh_f) if len(view.mesh_f) <= MOST_MARKS else 0)
    (left, right), slopes = view.intervals.T, view.slopes
    colors = np.where(slopes > 0, UP, np.where(slopes < 0, DOWN, LEVEL))
    names = [f"{slope:.3g}" if wide else "" for slope, wide in zip(slopes, right - left > 0.08, strict=True)]
    i, j = np.indices(view.matrix.shape).reshape(2, -1) + 1
    shades = (a for m in (view.matrix, view.hessian) for a in (m.ravel(), _shade(m)))
    gradient = np.nan_to_num(view.gradient)  # a bar of height 0 is not seen, and an axis needs a number
    at = view.settings.z[view.settings.direction], view.u[view.settings.output]
    return {
        "curve": (view.s, view.f, view.activated),
        "roots": (view.roots, np.zeros(len(view.roots))),
        "mesh": (view.mesh_points[marks], view.mesh_f[marks]),
        "positive": (view.positive[:, 0], view.positive[:, 1]),
        "pattern": (left, right, (left + right) / 2, colors, names),
        "outputs": (np.arange(1, len(view.u) + 1), view.u, view.u_mesh, *drawn_errors(view), gradient),
        "matrices": (i, j, *shades),
        "line": (view.line, view.line_u, view.line_mesh, *view.taylor),
        "here": tuple(np.array([x]) for x in at),
    }


def _plain(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def drawn_errors(view: Snapshot) -> list[Floats]:
    """Moduli of error, leading term and bound, and nan, which is not drawn, where a logarithmic axis has no room."""
    moduli = np.abs([view.error, view.leading, view.bound])
    return list(np.where(moduli > max(moduli.max() * 10.0**-DECADES, LEAST_ERROR), moduli, np.nan))


def _shade(matrix: Floats) -> Floats:
    """Entries divided by the largest modulus, flat; a matrix of nan, which does not exist, stays one."""
    return (matrix / (np.abs(matrix).max() or 1.0)).ravel()
