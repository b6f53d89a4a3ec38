"""iatcore.reference against what shares nothing with it: quadrature, mpmath, scipy's roots, differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import CubicSpline, PPoly
from scipy.optimize import brentq

from iatcore import Basis, Gate, basis, gates
from iatcore.bases import FAMILIES
from iatcore.reference import IAT

EPS = np.finfo(np.float64).eps
LAYOUTS = [(family, layout) for family, layouts in FAMILIES.items() for layout in layouts]
STEPS = gates.tmaf((-0.9, -0.3, 0.0, 0.4, 0.8), (1.0, 0.3, -0.5, 2.0, 0.7, 1.5))  # jumps away from 0
GATES = {
    "relu": gates.relu(),
    "leaky": gates.leaky_relu(0.1),
    "arelu": gates.arelu(),
    "absolute": gates.absolute(),
    "identity": gates.identity(),
    "steps": STEPS,
}
SPLINE = basis(CubicSpline(np.linspace(-1, 1, 5), np.eye(5)))
PAIRS: dict[str, tuple[Basis, Basis]] = {
    "poly-poly": (basis("pwq", 5), basis("pwl-w", 4)),
    "cubic-poly": (SPLINE, basis("rect", 3)),
    "poly-trig": (basis("pwl", 5), basis("fourier", 5)),
    "trig-poly": (basis("fourier", 5), basis("pwq", 4)),
    "trig-trig": (basis("fourier", 5), basis("fourier", 6)),
    "derivative-trig": (basis("fourier", 4).derivative(), basis("fourier", 3).derivative()),
    "constants+trig": (basis("rect", 3) + basis("fourier", 4), basis("rect-w", 2) + basis("fourier", 3)),
    "linear+trig": (basis("pwl", 4) + basis("fourier", 4), basis("pwl", 3) + basis("fourier", 3)),
    "cubic+derivative": (SPLINE + basis("fourier", 2).derivative(), basis("pwq", 4)),
}
EVERY_PAIR = pytest.mark.parametrize("pair", PAIRS)
EVERY_GATE = pytest.mark.parametrize("gate", GATES)


def vector(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size)


def panels(p: Basis, q: Basis, gate: Gate, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``integral q sigma(z^T p)`` and ``integral |q| |z^T p|`` in float64, independently of the reference.

    Level crossings by sampling and brentq between breakpoints, then a 40-point Gauss rule on every panel.
    """
    x, w = np.polynomial.legendre.leggauss(40)
    total, magnitude = np.zeros(q.size), np.zeros(q.size)
    knots = np.union1d(p.breakpoints, q.breakpoints)
    for a, b in itertools.pairwise(knots):
        s = a + (b - a) * np.linspace(1e-9, 1 - 1e-9, 500)
        cuts = {a, b}
        for level in {0.0, *gate.breakpoints}:
            g = z @ p(s) - level
            for k in np.flatnonzero(g[:-1] * g[1:] < 0):
                cuts.add(brentq(lambda r, c=level: z @ p(r) - c, s[k], s[k + 1], xtol=1e-15, rtol=4 * EPS))
        ends = sorted(cuts)
        for lo, hi in itertools.pairwise(ends):
            nodes = np.clip((lo + hi) / 2 + (hi - lo) / 2 * x, a, np.nextafter(b, -2) if b < 1 else b)
            weights, f = (hi - lo) / 2 * w, z @ p(nodes)
            total += q(nodes) @ (weights * gate(f))
            magnitude += np.abs(q(nodes)) @ (weights * np.abs(f))
    return total, magnitude


def differences(function: Callable[[np.ndarray], np.ndarray], z: np.ndarray, h: float) -> np.ndarray:
    """Central differences; the last axis is that of z."""
    return np.stack([(function(z + h * e) - function(z - h * e)) / (2 * h) for e in np.eye(z.size)], axis=-1)


# -- values --------------------------------------------------------------------------------------------------


@EVERY_PAIR
@EVERY_GATE
def test_values_are_those_of_quadrature(pair: str, gate: str) -> None:
    p, q = PAIRS[pair]
    for seed in range(3):
        z = vector(p.size, seed)
        u, _ = panels(p, q, GATES[gate], z)
        # brentq finds a crossing to about eps max|f|/|f'|, which moves a jumping gate's integral by 1e-14
        np.testing.assert_allclose(IAT(p, q, GATES[gate])(z), u, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p_layout", LAYOUTS)
@pytest.mark.parametrize("q_layout", LAYOUTS)
def test_every_pair_of_families_follows_quadrature(p_layout: tuple[str, str], q_layout: tuple[str, str]) -> None:
    p, q = basis(p_layout[0], 6, layout=p_layout[1]), basis(q_layout[0], 5, layout=q_layout[1])
    iat, z = IAT(p, q), vector(6, 4)
    u, magnitude = panels(p, q, gates.relu(), z)
    np.testing.assert_allclose(iat(z), u, rtol=0, atol=1e-13)
    np.testing.assert_allclose(iat.magnitude(z), magnitude, rtol=5e-3)
    np.testing.assert_allclose(iat.activation_matrix(z) @ z, u, rtol=0, atol=1e-13)


def test_adaptive_quadrature_agrees_without_knowing_a_root() -> None:
    p, q, z = basis("fourier", 4), basis("pwl", 2), vector(4, 1)
    expected = [quad(lambda s, i=i: q(s)[i] * max(z @ p(s), 0.0), -1, 1, limit=500)[0] for i in (0, 1)]
    np.testing.assert_allclose(IAT(p, q)(z), expected, rtol=0, atol=1.5e-8)  # quad's own default epsabs


def _mp_relu(f: Callable, q: Callable, guesses: list[float], ends: list[float]) -> float:
    """``integral q max(f, 0)`` between the guessed roots of f and the ends, at 60 digits."""
    with mpmath.workdps(60):
        cuts = sorted([mpmath.findroot(f, g) for g in guesses] + [mpmath.mpf(e) for e in ends])
        return float(mpmath.quad(lambda s: q(s) * max(f(s), 0), cuts, maxdegree=9))


def test_results_are_rounded_correctly_where_mpmath_knows_them() -> None:
    mp = mpmath
    cases = [
        # sin(pi s) + cos(pi s)/2 against the hat at -1: roots where tan(pi s) = -1/2
        (basis("fourier", 2), basis("pwl", 2), [1.0, 0.5], lambda s: mp.sinpi(s) + mp.cospi(s) / 2,
         lambda s: (1 - s) / 2, [-math.atan(0.5) / math.pi, 1 - math.atan(0.5) / math.pi]),
        # -1 + 2 (s + 1)/2 - 1/4 ... the line from -1 to 3/2, against cos(pi s)
        (basis("pwl", 2), basis("fourier", 2), [-1.0, 1.5], lambda s: (5 * s + 1) / 4, mp.cospi, [-0.2]),
        # the line from -1 to 1/2 plus cos(pi s), against sin(pi s)
        (basis("pwl", 2) + basis("fourier", 2), basis("fourier", 1), [-1.0, 0.5, 0.0, 1.0],
         lambda s: (3 * s - 1) / 4 + mp.cospi(s), mp.sinpi, [-0.38, 0.5]),
    ]  # fmt: skip
    for p, q, z, f, q_function, guesses in cases:
        expected = _mp_relu(f, q_function, guesses, [-1, 1])
        got = IAT(p, q)(z)[0 if q.is_piecewise or q.size == 1 else 1]
        assert abs(got - expected) <= math.ulp(expected)
        assert len(IAT(p, q).crossings(z)) == len(guesses)


@pytest.mark.parametrize("d", [1, 2, 7])
@EVERY_GATE
def test_rect_against_rect_is_the_gate_entry_by_entry(d: int, gate: str) -> None:
    z, h = vector(d, 2), Fraction(2, d)
    slopes = GATES[gate].derivative(z)
    expected = [float(h * Fraction(a) * Fraction(v)) for a, v in zip(slopes, z, strict=True)]
    iat = IAT(basis("rect", d), basis("rect", d), GATES[gate])
    assert iat(z).tolist() == expected
    assert iat.activation_matrix(z).tolist() == np.diag([float(h * Fraction(a)) for a in slopes]).tolist()


@pytest.mark.parametrize(
    "pair", [(3.0, 5.0), (-3.0, 5.0), (3.0, -5.0), (-1e-300, 1e300), (1e300, -1e-300), (-5e-324, 7e-310)]
)
def test_the_integral_of_the_positive_part_of_a_line(pair: tuple[float, float]) -> None:
    a, b = map(Fraction, pair)
    positive, negative = max(a, b), min(a, b)
    expected = float(positive**2 / (positive - negative) if negative < 0 else a + b)
    assert IAT(basis("pwl", 2), basis("rect", 1))(pair)[0] == expected


def test_coefficients_of_very_different_size_stay_separate() -> None:
    z = np.array([1e300, -1e-300, 1e-300, -1e300, 3e-5, 5e-324])
    assert IAT(basis("rect", 6), basis("rect", 6, scale=3.0))(z).tolist() == np.maximum(z, 0).tolist()
    u = IAT(basis("pwl", 6), basis("pwl", 6))(z)
    assert np.all(np.isfinite(u)) and u[0] == pytest.approx(1e300 * 0.4 / 3, rel=4 * EPS)


@EVERY_PAIR
@pytest.mark.parametrize("exponent", [-900, 900])
def test_powers_of_two_come_out_exactly(pair: str, exponent: int) -> None:
    p, q = PAIRS[pair]
    z = vector(p.size, 5)
    assert np.array_equal(IAT(p, q)(np.ldexp(z, exponent)), np.ldexp(IAT(p, q)(z), exponent))
    scaled = Gate(tuple(np.ldexp(STEPS.breakpoints, exponent)), STEPS.slopes)
    assert np.array_equal(IAT(p, q, scaled)(np.ldexp(z, exponent)), np.ldexp(IAT(p, q, STEPS)(z), exponent))


# -- patterns ------------------------------------------------------------------------------------------------


def edges(iat: IAT, z: np.ndarray | list[float]) -> tuple[list[float], list[int]]:
    intervals = iat.pattern(z)
    assert intervals[0].lo == -1 and intervals[-1].hi == 1
    assert all(a.hi.overlaps(b.lo) and a.slope != b.slope for a, b in itertools.pairwise(intervals))
    assert [c.after for c in iat.crossings(z)] == [i.slope for i in intervals[1:]]
    return [float(i.lo) for i in intervals[1:]], [i.slope for i in intervals]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_crossings_of_splines_are_those_of_scipy(seed: int, level: float) -> None:
    x, z = np.linspace(-1, 1, 9), vector(9, seed)
    expected = CubicSpline(x, z).solve(level, extrapolate=False)
    positions, slopes = edges(IAT(basis(CubicSpline(x, np.eye(9))), basis("rect", 2), Gate((level,), (0.0, 1.0))), z)
    assert len(expected) > 0
    np.testing.assert_allclose(positions, expected, rtol=0, atol=1e-12)
    assert slopes == [int(CubicSpline(x, z)(s) > level) for s in np.convolve([-1, *expected, 1], [0.5, 0.5], "valid")]


# (p, z, positions of the crossings, slopes of relu from left to right, multiplicities)
QUADRATIC = basis(PPoly(np.array([[[1.0, 0, 0]], [[-2.0, 1, 0]], [[1.0, -1, 1]]]), np.array([-1.0, 1.0])))  # s*s, s, 1
FOURIERS, TINY = (
    basis("fourier", 5) + basis("fourier", 5),
    2.0**-300,
)  # amplitudes too different for one polynomial
EXACT = {
    "double root at +-1": (basis("fourier", 4), [0, 1, 0, 1], [-1 / 3, 1 / 3], [0, 1, 0], [1, 1]),
    "double root at 0": (basis("fourier", 4), [0, 1, 0, -1], [-2 / 3, 2 / 3], [0, 1, 0], [1, 1]),
    "triple root at 0": (basis("fourier", 3), [1, 0, -0.5], [0.0], [0, 1], [3]),
    "simple roots at +-1": (basis("fourier", 2), [1, 0], [0.0], [0, 1], [1]),
    "a double root only": (QUADRATIC, [1, 0, 0], [], [1], []),
    "a double root from below": (QUADRATIC, [-1, 0, 0], [], [0], []),
    "a pair of roots 2e-6 apart": (QUADRATIC, [1, 0, -1e-12], [-1e-6, 1e-6], [1, 0, 1], [1, 1]),
    "a pair of roots 2e-150 apart": (QUADRATIC, [1, 0, -1e-300], [-1e-150, 1e-150], [1, 0, 1], [1, 1]),
    "root at a node": (basis("pwl", 3), [-1, 0, 2], [0.0], [0, 1], [None]),
    "root at a node without sign change": (basis("pwl", 3), [1, 0, 1], [], [1], []),
    "roots at both ends": (basis("pwl", 3), [0, 1, 0], [], [1], []),
    "zero on a piece": (basis("pwl", 4), [1, 0, 0, 1], [-1 / 3, 1 / 3], [1, 0, 1], [None, None]),
    "zero on all of it": (basis("pwl", 4), [0, 0, 0, 0], [], [0], []),
    "jumps": (basis("rect", 4), [1, -1, 0, 2], [-0.5, 0.5], [1, 0, 1], [None, None]),
    "constant tangency of a mixture": (basis("pwl", 1) + basis("fourier", 2), [1, 0, 1], [], [1], []),
    "tangency of a mixture": (QUADRATIC + basis("fourier", 2), [1, 0, 1, 0, -1], [], [1], []),
    "triple root of a mixture": (QUADRATIC + basis("fourier", 3), [0, 0, 0, 1, 0, -0.5], [0.0], [0, 1], [3]),
    "triple by bisection": (FOURIERS, [1, 0, -0.5, 0, 0, 3 * TINY, 0, 0, 0, -TINY], [0.0], [0, 1], [None]),
    "near a triple root": (QUADRATIC + basis("fourier", 3), [0, 1e-9, 0, 1, 0, -0.5], [0.0], [0, 1], [1]),
    "a line of slope 1e-309 through its knot": (basis("pwl", 3), [-1e-309, 0, 1e300], [0.0], [0, 1], [None]),
    "roots 1e-600 from 0 and from 1": (basis("fourier", 2), [1e300, 1e-300], [0.0, 1.0], [0, 1, 0], [1, 1]),
    "a root 1e-600 from a node": (basis("pwl", 3), [1, -1e-300, 1e300], [-0.0, 0.0], [1, 0, 1], [1, 1]),
    "mixture, root at a knot": (basis("pwl", 3) + basis("fourier", 1), [-1, 0, 1, 1], [0.0], [0, 1], [None]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_exact_cases(name: str) -> None:
    p, z, positions, slopes, multiplicities = EXACT[name]
    iat = IAT(p, basis("rect", 1))
    got_positions, got_slopes = edges(iat, z)
    np.testing.assert_allclose(got_positions, positions, rtol=4 * EPS, atol=1e-90)  # 320 bits of s, not of s - 0
    assert got_slopes == slopes
    assert [c.multiplicity for c in iat.crossings(z)] == multiplicities
    jumps = "jump" if name == "jumps" else "root"
    assert all(c.kind == jumps for c in iat.crossings(z))


@pytest.mark.parametrize("p", [basis("fourier", 5).derivative(), basis("pwl", 3) + basis("fourier", 3)], ids=repr)
@pytest.mark.parametrize("seed", range(8))
def test_many_levels_are_crossed_where_sampling_says(p: Basis, seed: int) -> None:
    levels, z = np.linspace(-1, 1, 9) + 0.01, vector(p.size, seed)
    s = np.linspace(-1, 1, 4001)
    f, expected = z @ p(s), []
    for level in levels:
        for k in np.flatnonzero((f[:-1] - level) * (f[1:] - level) < 0):
            expected.append(brentq(lambda r, c=level: z @ p(r) - c, s[k], s[k + 1], xtol=1e-15, rtol=4 * EPS))
    iat = IAT(p, basis("rect", 1), Gate(tuple(levels), tuple(np.arange(10.0))))
    np.testing.assert_allclose(edges(iat, z)[0], np.sort(expected), rtol=0, atol=1e-12)


def test_a_close_pair_of_a_mixture_is_found_where_mpmath_finds_it() -> None:
    p, gap = QUADRATIC + basis("fourier", 2), Fraction(2) ** -40
    z = [
        1.0,
        0.0,
        float(1 - gap),
        0.0,
        -1.0,
    ]  # s*s + 1 - gap - cos(pi s): roots near +-sqrt(gap/(1 + pi^2/2))
    positions, slopes = edges(IAT(p, basis("rect", 1)), z)
    with mpmath.workdps(50):
        root = float(mpmath.findroot(lambda s: s * s + 1 - mpmath.mpf(2) ** -40 - mpmath.cospi(s), 4e-7))
    np.testing.assert_allclose(positions, [-root, root], rtol=4 * EPS)
    assert slopes == [1, 0, 1]


@pytest.mark.parametrize(("side", "slope"), [("left", 1), ("right", 2)])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_the_side_decides_where_f_stays_on_a_breakpoint(side: str, slope: int, level: float) -> None:
    gate = Gate((-2.0, level), (3.0, 4.0, 5.0), side=side)
    iat, z = IAT(basis("pwl", 4), basis("rect", 3), gate), [level - 1, level, level, level - 1]
    assert edges(iat, z)[1] == ([1, 2, 1] if slope == 2 else [1])
    h = 2 / 3
    assert iat.activation_matrix(z)[1].sum() == pytest.approx(gate.slopes[slope] * h, rel=4 * EPS)


def test_a_level_that_f_jumps_over_is_no_interval() -> None:
    iat = IAT(basis("rect", 2), basis("rect", 2), STEPS)
    assert edges(iat, [-1.0, 1.0]) == ([0.0], [0, 5])


# -- linear part and derivatives -----------------------------------------------------------------------------


@EVERY_PAIR
@EVERY_GATE
def test_activation_matrix_times_z_is_u_and_decouples(pair: str, gate: str) -> None:
    p, q = PAIRS[pair]
    iat, z, other = IAT(p, q, GATES[gate]), vector(p.size, 6), vector(p.size, 7)
    s = iat.activation_matrix(z)
    bound = (p.size + 2) * EPS * np.abs(s) @ np.abs(z)  # S is rounded, then a product of d terms
    assert np.all(np.abs(s @ z - iat(z)) <= bound)
    bound = (p.size + 2) * EPS * np.abs(s) @ np.abs(other)
    assert np.all(np.abs(s @ other - iat.apply(z, other)) <= bound)
    assert np.array_equal(iat.apply(z, z), iat(z))


@EVERY_PAIR
@EVERY_GATE
def test_jacobian_is_the_difference_quotient(pair: str, gate: str) -> None:
    p, q = PAIRS[pair]
    iat, z = IAT(p, q, GATES[gate]), vector(p.size, 0)
    jacobian = iat.jacobian(z)
    if p.is_continuous or GATES[gate].is_homogeneous:
        # rounding eps/h = 2e-10 of values of size 1..10, truncation h*h times third derivatives of up to 1e4
        np.testing.assert_allclose(jacobian, differences(iat, z, 1e-6), rtol=0, atol=2e-8)
    assert np.array_equal(jacobian, iat.activation_matrix(z)) == (GATES[gate].is_continuous)


@EVERY_PAIR
@EVERY_GATE
def test_products_with_the_jacobian(pair: str, gate: str) -> None:
    p, q = PAIRS[pair]
    iat, z = IAT(p, q, GATES[gate]), vector(p.size, 8)
    g, v, jacobian = vector(q.size, 9), vector(p.size, 10), iat.jacobian(z)
    bound = (p.size + q.size) * EPS
    assert np.all(np.abs(iat.vjp(z, g) - jacobian.T @ g) <= bound * np.abs(jacobian).T @ np.abs(g))
    assert np.all(np.abs(iat.jvp(z, v) - jacobian @ v) <= bound * np.abs(jacobian) @ np.abs(v))
    if GATES[gate].is_homogeneous:  # Euler's theorem
        np.testing.assert_allclose(iat.jvp(z, z), iat(z), rtol=2 * EPS)


@EVERY_PAIR
@EVERY_GATE
def test_hessian_is_the_difference_quotient_of_the_jacobian(pair: str, gate: str) -> None:
    p, q = PAIRS[pair]
    iat, z = IAT(p, q, GATES[gate]), vector(p.size, 0)
    hessian = iat.hessian(z)
    scale = max(1.0, np.abs(hessian).max())
    np.testing.assert_allclose(hessian, differences(iat.jacobian, z, 1e-6), rtol=0, atol=1e-7 * scale)
    assert np.array_equal(hessian, hessian.transpose(0, 2, 1))
    if GATES[gate].is_homogeneous:  # the Jacobian is constant along rays
        np.testing.assert_allclose(hessian @ z, 0, atol=64 * EPS * scale)


@pytest.mark.parametrize(
    ("p", "q", "z"),
    [
        (basis("pwl", 3), basis("fourier", 3), [-1.0, 0.0, 2.0]),  # a root at a knot, with a kink
        (basis("pwl", 3), basis("fourier", 3), [1.0, 0.0, 2.0]),  # a kink that touches 0
        (basis("pwl", 3), basis("fourier", 4), [0.0, 1.0, 2.0]),  # a root at -1
        (basis("fourier", 3), basis("pwq", 3), [1.0, 0.0, 0.2]),  # roots at 0 and +-1, which are knots of q
    ],
)
def test_hessian_at_a_knot_is_what_central_differences_tend_to(p: Basis, q: Basis, z: list[float]) -> None:
    iat, h = IAT(p, q), 1e-6
    expected = differences(iat.jacobian, np.array(z), h)
    # one-sided third derivatives differ, so the error is of first order in h
    np.testing.assert_allclose(iat.hessian(z), expected, rtol=0, atol=100 * h)


@pytest.mark.parametrize(
    ("p", "z", "message"),
    [
        (basis("fourier", 4), [0, 1.0, 0, -1], "multiple root at s = 0.0"),
        (basis("pwl", 4), [1.0, 0, 0, 1], "f is 0.0 all over cell 1"),
        (QUADRATIC + basis("fourier", 2), [1.0, 0, 1, 0, -1], "multiple root at s = "),
        (basis("pwl", 2), [0.0, 0.0], "f is 0.0 all over cell 0"),
    ],
)
def test_derivatives_that_do_not_exist_are_refused(p: Basis, z: list[float], message: str) -> None:
    with pytest.raises(ArithmeticError, match=message):
        IAT(p, basis("rect", 1)).hessian(z)
    assert IAT(p, basis("rect", 1)).jacobian(z).shape == (1, p.size)
    shifted, gate = p + basis("pwl", 1), Gate((1.0,), (0.0, 1.0))
    with pytest.raises(ArithmeticError, match="no derivative"):
        IAT(shifted, basis("rect", 1), gate).jacobian([*z, 1.0])


# -- rows, shapes, errors ------------------------------------------------------------------------------------


def test_zero_gives_zero_and_bad_rows_give_nan_in_their_row_only() -> None:
    iat = IAT(basis("fourier", 3), basis("pwl", 2))
    z = np.array([[[0, 0, 0], [1, 2, 3]], [[np.nan, 0, 0], [0, np.inf, 1]]])
    u = iat(z)
    assert u.shape == (2, 2, 2) and u.dtype == np.float64
    assert np.array_equal(u[0, 0], [0, 0]) and np.array_equal(u[0, 1], iat([1, 2, 3]))
    assert np.isnan(u[1]).all()
    shapes = {
        (2, 2, 2, 3): (iat.activation_matrix(z), iat.jacobian(z)),
        (2, 2, 3): (iat.vjp(z, [1.0, 2.0]),),
        (2, 2, 2): (iat.jvp(z, [1.0, 2.0, 3.0]), iat.apply([1.0, 2.0, 3.0], z), iat.magnitude(z)),
    }
    for shape, results in shapes.items():
        for result in results:
            assert result.shape == shape and np.isnan(result[1]).all() and np.isfinite(result[0]).all()
    assert iat.hessian(z[:1, 1:]).shape == (1, 1, 2, 3, 3)
    assert iat(np.zeros((0, 3))).shape == (0, 2)
    assert np.array_equal(iat(np.float32([0.1, 0.2, 0.3])), iat(np.float64(np.float32([0.1, 0.2, 0.3]))))


def test_overflow_is_infinite_and_underflow_is_rounded() -> None:
    iat = IAT(basis("rect", 1), basis("rect", 1, scale=0.5))
    assert iat([5e-324])[0] == 5e-324 and iat([1e308])[0] == 1e308
    assert IAT(basis("rect", 1), basis("rect", 1))([1.5e308])[0] == np.inf
    assert IAT(basis("rect", 1), basis("rect", 1, scale=0.125))([5e-324])[0] == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda iat: iat([1.0, 2.0]), ValueError, r"z must have shape \(..., 3\), got \(2,\)"),
        (lambda iat: iat(1.0), ValueError, r"z must have shape \(..., 3\), got \(\)"),
        (lambda iat: iat(["a", "b", "c"]), TypeError, r"z must be real numbers, got dtype <U1"),
        (lambda iat: iat.vjp([1.0, 2, 3], [1.0]), ValueError, r"g must have shape \(..., 2\), got \(1,\)"),
        (lambda iat: iat.jvp([1.0, 2, 3], [1.0]), ValueError, r"v must have shape \(..., 3\), got \(1,\)"),
        (lambda iat: iat.pattern([[1.0, 2, 3]]), ValueError, r"z must be one finite vector, got"),
        (lambda iat: iat.crossings([1.0, np.nan, 3]), ValueError, r"z must be one finite vector, got"),
        (lambda iat: IAT("rect", iat.q), TypeError, r"p must be a Basis, got 'rect'"),
        (lambda iat: IAT(iat.p, iat.q, "relu"), TypeError, r"gate must be a Gate, got 'relu'"),
        (lambda iat: IAT(iat.p, iat.q, prec=53), ValueError, r"prec must be at least 128, got 53"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[IAT], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(IAT(basis("fourier", 3), basis("pwl", 2)))


@EVERY_PAIR
def test_the_working_precision_does_not_show(pair: str) -> None:
    p, q = PAIRS[pair]
    z = vector(p.size, 11)
    low, high = IAT(p, q, STEPS, prec=128), IAT(p, q, STEPS, prec=1000)
    for name in ("__call__", "activation_matrix", "jacobian", "hessian"):
        assert np.array_equal(getattr(low, name)(z), getattr(high, name)(z))


def test_a_ball_that_is_too_wide_costs_precision_not_digits() -> None:
    power = np.zeros((81, 1))
    power[0] = 2.0**-80  # ((s + 1)/2)**80: integration by parts against a wave loses 80!/(2 pi)**80 = 1e55
    p, q = basis(PPoly(power, np.array([-1.0, 1.0]))), basis("fourier", 2)
    with mpmath.workdps(60):
        expected = [
            float(mpmath.quad(lambda s, w=w: ((s + 1) / 2) ** 80 * w(s), [-1, 0, 0.9, 1]))
            for w in (mpmath.sinpi, mpmath.cospi)
        ]
    np.testing.assert_allclose(IAT(p, q, prec=128)([1.0]), expected, rtol=2 * EPS)
