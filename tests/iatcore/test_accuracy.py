"""The exact transform against ball arithmetic, for every pair of families and inputs chosen to be hard."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cases import LAYOUTS, PAIRS, nasty_inputs

import iatcore
from iatcore import reference

SIZES = (1, 2, 3, 6, 10, 33, 64)
U_BOUND = 1e-13
"""norm(u - u_ref) <= U_BOUND norm(integral |q| |f|)."""
S_BOUND = 1e-14
"""norm(u - S z) <= S_BOUND norm(|S| |z|)."""


def check(p, q, gate, cases, matrix=True):
    iat, judge = iatcore.IAT(p, q, gate), reference.IAT(p, q, gate)
    z = np.stack(list(cases.values()))
    u = iat(z)
    s = iat.activation_matrix(z)
    for k, name in enumerate(cases):
        scale = 2.0 ** -np.frexp(np.abs(z[k]).max())[1] if np.any(z[k]) else 1.0
        expected, yardstick = judge(z[k]), judge.magnitude(z[k])
        error = np.linalg.norm((u[k] - expected) * scale)
        assert error <= U_BOUND * np.linalg.norm(yardstick * scale), (p, q, gate, name)
        if matrix:
            product, size = s[k] @ (z[k] * scale), np.abs(s[k]) @ np.abs(z[k] * scale)
            assert np.linalg.norm(u[k] * scale - product) <= S_BOUND * np.linalg.norm(size), (p, q, gate, name)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_pairs_all_sizes(first, second):
    for d in SIZES[:5]:
        p, q = iatcore.basis(first, d), iatcore.basis(second, d)
        check(p, q, iatcore.gates.relu(), nasty_inputs(p, seed=d))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_pairs_large(first, second):
    for d in SIZES[5:]:
        p, q = iatcore.basis(first, d), iatcore.basis(second, d)
        cases = nasty_inputs(p, seed=d)
        keep = ("normal", "roots 1e-05 apart", "roots 1e-09 apart", "one huge", "threes", "tangent", "scaled 1e-300")
        check(p, q, iatcore.gates.relu(), {name: cases[name] for name in keep if name in cases})
