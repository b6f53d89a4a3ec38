"""Inputs and pairs that several suites share."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

import iatcore
from iatcore.bases import FAMILIES

Floats = NDArray[np.float64]
PAIRS = list(itertools.product(FAMILIES, FAMILIES))
"""All 36 pairs of families."""
LAYOUTS = [(family, layout) for family, layouts in FAMILIES.items() for layout in layouts]


def near_tangency(p: iatcore.Basis, z: Floats, gap: float) -> Floats | None:
    """A small change of z after which f has two roots about ``gap`` apart inside (-1, 1), where p is smooth enough.

    At an extremum s of f the least change of z with ``f'(s) = 0`` and ``f(s) = -f''(s) gap^2/8`` is made.
    """
    first, second = p.derivative(), p.derivative().derivative()
    s = np.linspace(-0.98, 0.98, 1201)
    slope = z @ first(s)
    turns = np.flatnonzero(slope[:-1] * slope[1:] < 0)
    if not len(turns):
        return None
    at = s[turns[len(turns) // 2] : turns[len(turns) // 2] + 1]
    for _ in range(3):
        rows = np.stack([p(at)[:, 0], first(at)[:, 0]])
        target = np.array([-(z @ second(at)[:, 0]) * gap**2 / 8, 0.0])
        change, *_ = np.linalg.lstsq(rows, target - rows @ z, rcond=None)
        z = z + change
    return z


def nasty_inputs(p: iatcore.Basis, seed: int) -> dict[str, Floats]:
    """Named coefficient vectors at which an exact transform may lose digits."""
    rng = np.random.default_rng(seed)
    d = p.size
    z = rng.normal(size=d)
    cases = {"normal": z, "other": rng.normal(size=d), "positive": np.abs(z), "negative": -np.abs(z)}
    for gap in (1e-3, 1e-5, 1e-7, 1e-9):
        close = near_tangency(p, z, gap)
        if close is not None and np.all(np.isfinite(close)):
            cases[f"roots {gap:g} apart"] = close
    signs = (-1.0) ** np.arange(d)
    cases["alternating"] = signs
    cases["ones"] = np.ones(d)
    cases["threes"] = np.where(np.arange(d) % 2 == 0, 3.0, -1.0)
    cases["root at an end"] = np.concatenate([[0.0], z[1:]])
    cases["roots at both ends"] = np.concatenate([[0.0], z[1:-1], [0.0]])[:d]
    cases["odd"] = np.where(np.arange(d) % 2 == 0, z, 0.0)
    cases["even"] = np.where(np.arange(d) % 2 == 1, z, 0.0)
    if d >= 4:
        cases["tangent"] = np.concatenate([[0.0, 1.0, 0.0, 1.0], np.zeros(d - 4)])
        cases["zero pieces"] = np.where((np.arange(d) // 2) % 2 == 0, z, 0.0)
    cases["last only"] = np.concatenate([np.zeros(d - 1), [1.0]])
    huge = 1e-9 * z
    huge[d // 2] = 1e9
    cases["one huge"] = huge
    tiny = z.copy()
    tiny[d // 2] = 1e-9
    cases["one tiny"] = tiny
    cases["one tiny, others negative"] = np.where(np.arange(d) == d // 2, 1e-9, -np.abs(z))
    cases["last tiny, others negative"] = np.where(np.arange(d) == d - 1, 1e-9, -np.abs(z))
    cases["subnormal beside one"] = np.where(np.arange(d) == d // 2, 1.0, 5e-324)
    cases["scaled 1e-300"] = z * 1e-300
    cases["scaled 1e+300"] = z * 1e300
    cases["1e-200 beside 1e+100"] = np.where(np.arange(d) % 2 == 0, z * 1e-200, z * 1e100)
    return cases
