"""Measured orders of the M-point transform."""

from __future__ import annotations

import numpy as np
import pytest

from iatcore import IAT, basis
from verify.convergence import discretization_order


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [("fourier", "pwq", 2), ("pwl", "pwl", 2), ("pwq", "fourier", 2), ("fourier", "rect", 1)],
)
def test_order(first, second, order):
    z = np.random.default_rng(0).normal(size=(200, 7))
    # meshes that do not fit the seven cells, so that jumps of q fall inside mesh cells
    result = discretization_order(IAT(basis(first, 7), basis(second, 7)), z, (101, 202, 404, 808))
    assert result.order == pytest.approx(order, abs=0.25)
    assert len(result.errors) == 4


def test_exact_meshes_have_no_order():
    result = discretization_order(IAT(basis("rect", 2), basis("rect", 2)), np.eye(2), (2, 4))
    assert result.errors == (0.0, 0.0) and np.isnan(result.order)
    with pytest.raises(ValueError, match="at least two"):
        discretization_order(IAT(basis("rect", 2), basis("rect", 2)), np.eye(2), (2,))
