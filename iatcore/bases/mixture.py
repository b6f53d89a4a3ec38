"""Concatenation of collections: mixtures of bases, IAT section 6."""

from __future__ import annotations

from .core import Basis, from_segments


def concatenate(first: Basis, second: Basis) -> Basis:
    """The ``first.size + second.size`` functions of both, in this order.

    With ``p = p1 + p2`` the state function is ``f = f1 + f2`` and the activation matrix is
    ``[S(D; p1, q), S(D; p2, q)]``.
    """
    shifted = tuple(h._replace(index=h.index + first.size) for h in second.harmonics)
    return from_segments(
        f"{first.name} + {second.name}",
        [*first.segments(), *second.segments()],
        knots=(*first.knots, *second.knots),
        harmonics=(*first.harmonics, *shifted),
    )
