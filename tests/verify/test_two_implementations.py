"""The compiled transform against the one in plain torch, which finds crossings in another way, on random cases.

In CI a few hundred; ``pytest tests/verify/test_two_implementations.py --hypothesis-profile=thorough -n0`` runs 200,000.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iatcore import IAT, basis, gates
from iatcore.bases import FAMILIES
from torch_bridge.ops.iat import reference
from verify import strategies

NAMES = [(family, layout, size) for family, layouts in FAMILIES.items() for layout in layouts for size in range(1, 9)]
GATES = {
    "relu": gates.relu(),
    "leaky": gates.leaky_relu(0.1),
    "absolute": gates.absolute(),
    "arelu": gates.arelu(),
}
BOUND = 1e-13
IS_SMALL = settings.get_current_profile_name() != "thorough"


@cache
def named(name):
    family, layout, size = name
    return basis(family, size, layout=layout)


@lru_cache(maxsize=4096)
def implementations(first, second, gate):
    """The transform, the plan of the other implementation, and abs values of p and q on a mesh."""
    p, q, gate = named(first), named(second), GATES[gate]
    s = (2 * np.arange(256) + 1) / 256 - 1
    return IAT(p, q, gate), reference.prepare(p, q, gate), p(s), np.abs(q(s)) / 128


@st.composite
def cases(draw):
    first, second = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    return (first, second, draw(st.sampled_from(sorted(GATES)))), draw(strategies.coefficients(first[2]))


@settings(max_examples=300 if IS_SMALL else settings().max_examples)
@given(cases())
def test_same_values(case):
    """Within 1e-13 of the integral of abs(q) abs(f), and u = S z, IAT (17)."""
    key, z = case
    iat, plan, p, q = implementations(*key)
    u, s = iat(z), iat.activation_matrix(z)
    other = reference.iat(torch.from_numpy(z), plan).numpy()
    size = np.linalg.norm(q @ np.abs(z @ p)) * 2 + 1e-15 * np.abs(z).max()
    assert np.linalg.norm(u - other) <= 2 * BOUND * size
    matrix = np.linalg.norm(np.abs(s) @ np.abs(z))
    assert np.linalg.norm(u - s @ z) <= 1e-14 * (matrix + np.abs(z).max())
