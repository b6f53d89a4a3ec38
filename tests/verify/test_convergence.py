"""Measured orders of the M-point transform."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iatcore import GDNN, IAT, basis
from verify.convergence import discretization_order, leading_constant, predicted_order, remainder_order, width_order


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


def test_exact_meshes_have_no_finite_order():
    result = discretization_order(IAT(basis("rect", 2), basis("rect", 2)), np.eye(2), (2, 4))
    assert result.errors == (0.0, 0.0) and result.order == np.inf and np.isnan(result.interval[0])
    with pytest.raises(ValueError, match="at least two"):
        discretization_order(IAT(basis("rect", 2), basis("rect", 2)), np.eye(2), (2,))


FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")


@pytest.mark.parametrize("q", FAMILIES)
@pytest.mark.parametrize("p", FAMILIES)
def test_observed_orders_are_the_predicted_ones(p, q):
    iat = IAT(basis(p, 4), basis(q, 4))
    z = np.random.default_rng(1).normal(size=(300, 4))
    # no mesh fits the cells of four or five functions
    meshes = (101, 203, 401, 809)
    for of in ("u", "S"):
        found = discretization_order(iat, z, meshes, of)
        assert found.order == pytest.approx(predicted_order(iat.p, iat.q, meshes, of), abs=0.35)
        low, high = found.interval
        assert low < found.order < high


@pytest.mark.parametrize("q", FAMILIES)
def test_aligned_meshes_of_piecewise_constant_inputs(q):
    """Observed and predicted: exact, or of second order for what is not linear on cells."""
    iat = IAT(basis("rect", 4), basis(q, 4))
    z = np.random.default_rng(1).normal(size=(50, 4))
    meshes = tuple(m * int(np.lcm.reduce([x.denominator for x in iat.q.knots])) for m in (16, 32, 64, 128))
    for of in ("u", "S"):
        found, theory = discretization_order(iat, z, meshes, of), predicted_order(iat.p, iat.q, meshes, of)
        assert theory == (2 if q in ("pwq", "fourier") else np.inf)
        assert found.order == theory or found.order == pytest.approx(theory, abs=0.05)


def test_aligned_meshes_are_exact_or_of_second_order():
    rect, fourier = basis("rect", 4), basis("fourier", 4)
    assert predicted_order(rect, rect, (8, 16)) == np.inf
    assert discretization_order(IAT(rect, rect), np.eye(4), (8, 16)).errors == pytest.approx((0, 0), abs=1e-15)
    assert predicted_order(fourier, rect, (100, 200)) == 2
    found = discretization_order(
        IAT(fourier, rect), np.random.default_rng(0).normal(size=(300, 4)), (100, 200, 400, 800)
    )
    assert found.order == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(("p", "q"), [("pwl", "pwl"), ("fourier", "pwq"), ("pwq", "pwq")])
def test_the_leading_constant_is_the_measured_one(p, q):
    iat = IAT(basis(p, 5), basis(q, 5))
    z = np.random.default_rng(2).normal(size=(200, 5))
    measured, leading = leading_constant(iat, z, 3200)
    assert measured == pytest.approx(leading, rel=0.02)
    rest = remainder_order(iat, z, (100, 200, 400, 800, 1600))
    assert rest.order == pytest.approx(3, abs=0.1) and rest.interval[0] < 3.05 and rest.interval[1] > 2.95


def test_plain_networks_approach_the_continuous_one():
    network = GDNN.random(2, 1, [(basis("pwl", 4), basis("pwl", 4))] * 2, rng=3)
    found = width_order(network, np.random.default_rng(0).uniform(-1, 1, (100, 2)), (101, 203, 401, 809))
    assert found.order == pytest.approx(2, abs=0.4)
    other: Any = "v"
    with pytest.raises(ValueError, match="of must be"):
        discretization_order(IAT(basis("pwl", 2), basis("pwl", 2)), np.eye(2), (2, 4), other)


@pytest.mark.parametrize("script", ["mesh_order", "leading_constant", "width", "mutate"])
def test_scripts_say_what_they_do(script):
    path = Path(__file__).parents[2] / "scripts" / f"{script}.py"
    result = subprocess.run([sys.executable, str(path), "--help"], capture_output=True, text=True, check=True)
    assert "usage" in result.stdout and "--" in result.stdout


@pytest.mark.parametrize(
    ("script", "settings", "pairs"),
    [
        ("mesh_order", ("--size", "3", "--batch", "10", "--meshes", "11", "23", "41"), 36),
        ("leading_constant", ("--size", "3", "--batch", "10", "--meshes", "20", "40", "80"), 6),
        ("width", ("--size", "3", "--depth", "1", "--widths", "11", "23", "41"), 4),
    ],
)
def test_studies_print_a_table_and_draw_a_picture(script, settings, pairs, tmp_path):
    path, picture = Path(__file__).parents[2] / "scripts" / f"{script}.py", tmp_path / "picture.png"
    command = [sys.executable, str(path), *settings, "--figure", str(picture)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line for line in result.stdout.splitlines()[1:] if " / " in line]
    assert len(rows) == pairs and all("[" in row for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 5000
