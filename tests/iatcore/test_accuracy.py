"""The exact transform against ball arithmetic, for every pair of families and inputs chosen to be hard."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BPoly, PPoly

import iatcore
from iatcore import reference
from iatcore.bases import FAMILIES
from tests.cases import LAYOUTS, PAIRS, nasty_inputs, near_tangency

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
    some = ("normal", "roots 1e-09 apart", "tangent")
    more = (*some, "roots 1e-05 apart", "one huge", "threes", "scaled 1e-300")
    for d, keep in zip(SIZES[5:], (more, some), strict=True):
        p, q = iatcore.basis(first, d), iatcore.basis(second, d)
        cases = nasty_inputs(p, seed=d)
        check(p, q, iatcore.gates.relu(), {name: cases[name] for name in keep if name in cases})


@pytest.mark.parametrize(
    ("first", "d_in", "second", "d_out"),
    [
        ("fourier", 300, "fourier", 200),
        ("fourier", 300, "rect", 1),
        ("fourier", 200, "pwq", 300),
        ("pwl", 300, "fourier", 200),
        ("pwq", 512, "pwl", 300),
    ],
)
def test_hundreds_of_functions(first, d_in, second, d_out):
    """Against a fine mesh and its bound: the judge takes minutes here."""
    p, q = iatcore.basis(first, d_in), iatcore.basis(second, d_out)
    iat, z = iatcore.IAT(p, q), np.random.default_rng(0).normal(size=(2, d_in))
    u, g = iat(z), np.random.default_rng(1).normal(size=(2, d_out))
    s = iat.activation_matrix(z)
    np.testing.assert_allclose(np.einsum("bij,bj->bi", s, z), u, rtol=0, atol=1e-13 * np.abs(u).max() * d_in)
    np.testing.assert_allclose(iat.vjp(z, g), np.einsum("bij,bi->bj", s, g), rtol=0, atol=1e-12 * np.abs(g).sum())
    fine = iat.discretize(20_000)
    assert (np.abs(fine(z) - u) <= fine.error_bound(z) + 1e-12).all()
    assert np.abs(fine(z) - u).max() <= 1e-3 * np.abs(u).max()


def spline(seed: int, functions: int, degree: int) -> iatcore.Basis:
    """Random piecewise polynomials on random breakpoints that reach beyond [-1, 1]."""
    rng = np.random.default_rng(seed)
    x = np.sort(np.concatenate([[-1.2, 1.1], rng.uniform(-1, 1, 4)]))
    return iatcore.basis(PPoly(rng.normal(size=(degree + 1, 5, functions)), x))


OTHERS = {
    "mixture of hats and waves": iatcore.basis("pwl", 4) + iatcore.basis("fourier", 5),
    "mixture of splines": iatcore.basis("pwq", 3) + iatcore.basis("rect-w", 4),
    "mixture of waves": iatcore.basis("fourier", 3) + iatcore.basis("fourier", 5, scale=0.5),
    "mixture of cubic and waves": spline(1, 2, 3) + iatcore.basis("fourier", 4),
    "degree 0": spline(2, 5, 0),
    "degree 1": spline(3, 5, 1),
    "degree 2": spline(4, 5, 2),
    "degree 3": spline(5, 5, 3),
    "degree 5": spline(6, 4, 5),
    "derivative of waves": iatcore.basis("fourier", 6).derivative(),
    "derivative of splines": iatcore.basis("pwq", 6).derivative(),
    **{f"{family} {layout}": iatcore.basis(family, 7, layout=layout) for family, layout in LAYOUTS},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_bases(name):
    other = OTHERS[name]
    for partner in ("pwq", "fourier", "rect"):
        b = iatcore.basis(partner, 5)
        check(other, b, iatcore.gates.relu(), nasty_inputs(other, seed=1))
        check(b, other, iatcore.gates.relu(), nasty_inputs(b, seed=1))


GATES = {
    "leaky": iatcore.gates.leaky_relu(0.1),
    "absolute": iatcore.gates.absolute(),
    "arelu": iatcore.gates.arelu(),
    "linear": iatcore.gates.identity(),
    "ten intervals": iatcore.gates.tmaf(
        [-1.4, -0.92, -0.56, -0.26, 0, 0.26, 0.56, 0.92, 1.4], np.linspace(-1, 1, 10) ** 2
    ),
    "far levels": iatcore.Gate((-1e300, -1e-300, 1e-300, 1e300), (0.5, 1.0, -1.0, 2.0, 3.0), side="right"),
    "hard": iatcore.Gate((-0.5, 0.5), (0.0, 1.0, 0.0)),
}


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("first", FAMILIES)
def test_gates(name, first):
    gate = GATES[name]
    p = iatcore.basis(first, 6)
    # a gate that jumps is not continuous where f touches a level: there u has no digits to compare
    cases = nasty_inputs(p, seed=3)
    if not gate.is_continuous:
        cases = {k: v for k, v in cases.items() if k in ("normal", "other", "positive", "negative", "scaled 1e+300")}
    # "hard" on a huge state function is active on sets of measure 1e-300: S is a difference of equal numbers there
    for second in ("pwl", "fourier", "rect-w"):
        check(p, iatcore.basis(second, 5), gate, cases, matrix=name != "hard")


@pytest.mark.parametrize("d", [1, 2, 3, 5, 7, 10, 33, 64, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rect_rect_is_relu_to_one_ulp(d, dtype):
    iat = iatcore.IAT(iatcore.basis("rect", d), iatcore.basis("rect", d, scale=d / 2))
    z = np.random.default_rng(d).normal(size=(50, d)).astype(dtype)
    np.testing.assert_array_max_ulp(iat(z), np.maximum(z, 0), maxulp=1, dtype=dtype)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_float32_is_the_rounded_exact_value(first, second):
    p, q = iatcore.basis(first, 6), iatcore.basis(second, 6)
    z = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    u = iatcore.IAT(p, q)(z)
    assert u.dtype == np.float32
    exact = iatcore.IAT(p, q)(z.astype(np.float64))
    np.testing.assert_allclose(u, exact, rtol=6e-8, atol=1e-15)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_crossings_agree_with_exact_arithmetic(first, second):
    """Root counts equal the reference's for pairs of roots down to 1e-6 apart."""
    p = iatcore.basis(first, 10)
    judge, iat = reference.IAT(p, iatcore.basis(second, 3)), iatcore.IAT(p, iatcore.basis(second, 3))
    cases = nasty_inputs(p, seed=8)
    for name in ("normal", "other", "roots 0.001 apart", "roots 1e-05 apart", "odd", "even", "one huge"):
        if name not in cases:
            continue
        intervals = [(float(i.lo), float(i.hi)) for i in judge.pattern(cases[name]) if i.slope == 1]
        np.testing.assert_allclose(iat.pattern(cases[name]).intervals(0), np.reshape(intervals, (-1, 2)), atol=1e-10)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_rows_do_not_see_their_neighbours(first, second):
    """Degenerate rows side by side, in every lane of a block, give what each gives alone."""
    rng = np.random.default_rng(3)
    iat = iatcore.IAT(iatcore.basis(first, 7), iatcore.basis(second, 5))
    z = np.concatenate([rng.integers(-2, 3, (72, 7)), rng.normal(size=(72, 7)) * (rng.random((72, 7)) < 0.3)])
    u, back = iat(z), iat.vjp(z, np.ones(5))
    assert np.isfinite(u).all() and np.isfinite(back).all()
    for i in range(len(z)):
        np.testing.assert_array_equal(u[i], iat(z[i]))
        np.testing.assert_array_equal(back[i], iat.vjp(z[i], np.ones(5)))


@pytest.mark.parametrize("first", ["fourier", "pwq"])
@pytest.mark.parametrize("d", [6, 10, 33])
def test_no_pair_of_roots_is_missed(first, d):
    """Numbers of sign changes equal those of exact arithmetic for pairs of roots down to about 1e-6 apart."""
    p, q = iatcore.basis(first, d), iatcore.basis("rect", 1)
    iat, judge = iatcore.IAT(p, q), reference.IAT(p, q)
    for seed in range(25):
        for gap in (1e-3, 1e-5, 1.1e-6):
            z = near_tangency(p, np.random.default_rng(seed).normal(size=d), gap)
            if z is not None:
                assert len(iat.pattern(z).partition(0)[1]) - 1 == len(judge.crossings(z)), (seed, gap)


@pytest.mark.parametrize("q", ["rect", "pwq", "fourier"])
@pytest.mark.parametrize("exponent", [3, 4, 5, 6, 10, 20, 30])
def test_positive_only_next_to_both_ends(q, exponent):
    """What is left of a piece beside a dip keeps its relative accuracy, however little it is."""
    p = iatcore.basis(BPoly(np.eye(3)[:, None, :], [-1.0, 1.0]))
    iat = iatcore.IATReLU(p, iatcore.basis(q, 3))
    judge = reference.IAT(iat.p, iat.q, iat.gate)
    z = np.array([2.0**-exponent, -1.0, 2.0**-exponent])
    for row in iat(np.stack([-z, z, -z])), iat(np.stack([z, z, z])):
        expected = judge(z)
        assert np.linalg.norm(row[1] - expected) <= 1e-14 * np.linalg.norm(expected)
        assert np.all(np.isfinite(row))
