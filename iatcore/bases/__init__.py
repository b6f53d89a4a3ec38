"""Families of basis functions on [-1, 1] and the function :func:`basis` that builds them by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..checks import check_size
from . import bspline, fourier, wavelets
from .core import Basis, Harmonic, Segment, from_segments
from .mixture import concatenate

FAMILIES: dict[str, dict[str, Callable[[int], Basis]]] = {
    "rect": {"cells": bspline.rect},
    "pwl": {"nodes": bspline.pwl, "centred": bspline.pwl_centred},
    "pwq": {"cells": bspline.pwq},
    "fourier": {"harmonics": fourier.fourier},
    "rect-w": {"translated": wavelets.rect_wavelet, "haar": wavelets.rect_haar},
    "pwl-w": {"translated": wavelets.pwl_wavelet, "haar": wavelets.pwl_haar},
}
"""Family name -> layout name -> builder; the first layout is the default."""

__all__ = ["FAMILIES", "Basis", "Harmonic", "Segment", "basis", "concatenate", "from_segments"]


def basis(family: Any, size: int | None = None, *, layout: str | None = None, scale: float = 1.0) -> Basis:
    """A collection of basis functions on [-1, 1] (IAT section 5.1, table 1).

    Args:
        family: ``"rect"``, ``"pwl"``, ``"pwq"``, ``"fourier"``, ``"rect-w"`` or ``"pwl-w"``; or a
            :class:`scipy.interpolate.PPoly` (or BPoly, BSpline, CubicSpline, ...) that covers [-1, 1]; or a
            :class:`Basis`, which is returned scaled.
        size: the number d >= 1 of functions of a named family.
        layout: ``"centred"`` for `pwl` (hats in the centres of the cells), ``"haar"`` for `rect-w` and `pwl-w`
            (dyadic scales); None is the family's default.
        scale: finite number that multiplies every function.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: unknown family or layout, size below 1, a PPoly that does not cover [-1, 1].
    """
    if isinstance(family, str):
        return _named(family, size, layout).scaled(scale)
    given = family if isinstance(family, Basis) else _from_scipy(family)
    if size is not None or layout is not None:
        raise TypeError(f"size and layout belong to named families, got size={size!r}, layout={layout!r}")
    return given.scaled(scale)


def _from_scipy(family: Any) -> Basis:
    """Imports scipy.interpolate, which takes a quarter of the time of importing iatcore, only for those who use it."""
    from .piecewise import CONVERTIBLE, from_ppoly

    if not isinstance(family, CONVERTIBLE):
        raise TypeError(f"family must be a name, a Basis or a scipy PPoly, BPoly or BSpline, got {family!r}")
    return from_ppoly(family)


def _named(family: str, size: int | None, layout: str | None) -> Basis:
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    layouts = FAMILIES[family]
    if layout is not None and layout not in layouts:
        raise ValueError(f"layout of {family!r} must be one of {', '.join(layouts)}, got {layout!r}")
    return layouts[layout or next(iter(layouts))](check_size(size, "size"))
