"""Trigonometric polynomials: the family `fourier` of IAT section 5.1."""

from __future__ import annotations

from fractions import Fraction

from .core import Basis, Harmonic


def fourier(size: int) -> Basis:
    """``sin(k pi s), cos(k pi s)``, k = 1, 2, ..., sine first, the first ``size`` of them: no constant."""
    harmonics = tuple(Harmonic(i, i % 2 == 1, i // 2 + 1, Fraction(1)) for i in range(size))
    return Basis(f"basis('fourier', {size})", size, harmonics=harmonics)
