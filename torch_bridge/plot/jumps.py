"""Curves in pieces: joined where they meet, dotted where they jump."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iatcore import Basis

from .style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Floats = NDArray[np.float64]
POINTS = 33
"""Of a piece that is not linear."""
POINTS_OF_A_WAVE = 32
ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Ends of pieces nearer than this, times the largest value, meet."""


class Piece(NamedTuple):
    """Values on ``[t[0], t[-1]]``, limits from inside at both ends.

    Attributes:
        t: (n,) ascending. values: (n,).
        shown: whether it is drawn; if not, its ends still say where its neighbours jump.
    """

    t: Floats
    values: Floats
    shown: bool = True


def pieces_of(basis: Basis) -> list[tuple[Floats, Floats]]:
    """``(s, p(s))`` on every piece of a basis, shapes (n,) and (d, n), with one-sided limits at the ends."""
    result = []
    for k, (left, right) in enumerate(zip(basis.breakpoints[:-1], basis.breakpoints[1:], strict=True)):
        waves = math.ceil(POINTS_OF_A_WAVE * basis.max_frequency * (right - left) / 2)
        s = np.linspace(left, right, max(waves, POINTS if basis.degree > 1 else 2))
        result.append((s, basis.on_pieces(np.full(len(s), k), s)))
    return result


def draw_pieces(ax: Axes, pieces: Sequence[Piece], **style: Any) -> Line2D:
    """Draw a curve as one line, and its jumps as a second, thin and dotted, in the same colour; returns the first."""
    scale = max(float(np.abs(p.values).max()) for p in pieces)
    t, values, jumps = [], [], []
    for k, piece in enumerate(pieces):
        before = pieces[k - 1] if k else piece
        jump = k > 0 and abs(piece.values[0] - before.values[-1]) > ROUNDING * scale
        if jump:
            jumps.append((piece.t[0], before.values[-1], piece.values[0]))
        if jump or not (piece.shown and before.shown):
            t.append([piece.t[0]])
            values.append([np.nan])
        if piece.shown:
            t.append(piece.t)
            values.append(piece.values)
    (line,) = ax.plot(np.concatenate(t), np.concatenate(values), **style)
    if jumps:
        ends = np.array([[low, high, np.nan] for _, low, high in jumps])
        places = np.repeat([place for place, _, _ in jumps], 3)
        thin = {"linestyle": (0, (1, 2)), "linewidth": 0.6 * line.get_linewidth(), "label": "_jumps"}
        ax.plot(places, ends.ravel(), color=line.get_color(), **thin)
    return line


def mark_breakpoints(ax: Axes, points: Floats) -> None:
    """Short ticks upwards from the bottom of the Axes."""
    from matplotlib.markers import TICKUP

    style: dict[str, Any] = {"linestyle": "none", "color": GREY, "markersize": 8, "markeredgewidth": 1.4}
    place = {"transform": ax.get_xaxis_transform(), "clip_on": False, "label": "_breakpoints"}
    ax.plot(points, np.zeros(len(points)), marker=TICKUP, **style, **place)
