"""Pictures of basis functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import iatcore

from .jumps import Piece, draw_pieces, mark_breakpoints, pieces_of
from .style import PATTERN_SPACE, axes_for, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def basis(family: Any, size: int | None = None, ax: Axes | None = None) -> Axes:
    """The functions ``p_1(s), ..., p_d(s)`` on [-1, 1], IAT section 5.1 and figure 5.

    Colours go from dark (i = 1) to light (i = d). Pieces on which a function vanishes are left out, jumps are dotted,
    short ticks at the bottom mark the breakpoints. Lines are labelled ``$p_i$``; ``ax.legend()`` shows that.

    Args:
        family, size: as :func:`iatcore.basis` takes them: a :class:`iatcore.Basis`, a scipy PPoly, or a name and d.
        ax: None makes a new figure.

    Raises:
        TypeError, ValueError: as :func:`iatcore.basis`; ``ax`` is something else.
    """
    b = iatcore.basis(family, size)
    ax = axes_for(ax)
    pieces = pieces_of(b)
    waves = {h.index for h in b.harmonics if h.amplitude}
    for j, colour in enumerate(shades(b.size)):
        # exact: a piece lists the functions that do not vanish on it
        lives = [j in waves or any(i == j for i, _ in piece) for piece in b.pieces]
        parts = [Piece(s, values[j], shown) for (s, values), shown in zip(pieces, lives, strict=True)]
        if any(lives):
            draw_pieces(ax, parts, color=colour, linewidth=1.6, label=f"$p_{{{j + 1}}}$")
    mark_breakpoints(ax, np.asarray(b.breakpoints))
    ax.set(xlim=(-1, 1), xticks=PATTERN_SPACE, xlabel="s", ylabel="$p_i(s)$")
    return ax
