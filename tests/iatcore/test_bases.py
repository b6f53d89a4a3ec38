"""iatcore.bases: every family against its written definition, scipy's splines, conformance of all."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from scipy.interpolate import BPoly, BSpline, CubicSpline, PchipInterpolator, PPoly

from iatcore import Basis, basis
from iatcore.bases import FAMILIES, Harmonic, Segment, concatenate, from_segments

EPS = np.finfo(np.float64).eps
LAYOUTS = [(family, layout) for family, layouts in FAMILIES.items() for layout in layouts]
SIZES = (1, 2, 3, 5, 8, 13)
EVERY_LAYOUT = pytest.mark.parametrize(("family", "layout"), LAYOUTS)
EVERY_SIZE = pytest.mark.parametrize("size", SIZES)


def points(seed: int = 0, count: int = 400) -> np.ndarray:
    """Points of (-1, 1), none of them a breakpoint of a test basis."""
    return np.random.default_rng(seed).uniform(-1, 1, count)


def indicator(s: np.ndarray, a: float, b: float) -> np.ndarray:
    return ((a <= s) & (s < b)).astype(float)


def hats(s: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    return np.array([np.interp(s, nodes, row) for row in np.eye(len(nodes))])


def rect(d: int, s: np.ndarray) -> np.ndarray:
    x = np.linspace(-1, 1, d + 1)
    return np.array([indicator(s, x[i], x[i + 1]) for i in range(d)])


def pwl(d: int, s: np.ndarray) -> np.ndarray:
    return np.ones((1, s.size)) if d == 1 else hats(s, -1 + 2 * np.arange(d) / (d - 1))


def pwl_centred(d: int, s: np.ndarray) -> np.ndarray:
    h = 2 / d
    return np.array([np.maximum(0, 1 - np.abs(s - (-1 + (i + 0.5) * h)) / h) for i in range(d)])


def pwq(d: int, s: np.ndarray) -> np.ndarray:
    h = 2 / d
    x = np.array([np.abs(s - (-1 + (i + 0.5) * h)) / h for i in range(d)])
    return np.where(x <= 0.5, 0.75 - x**2, np.where(x <= 1.5, (1.5 - x) ** 2 / 2, 0.0))


def fourier(d: int, s: np.ndarray) -> np.ndarray:
    return np.array([(np.sin, np.cos)[i % 2]((i // 2 + 1) * np.pi * s) for i in range(d)])


def rect_wavelet(d: int, s: np.ndarray) -> np.ndarray:
    cells = rect(d + 1, s)
    return cells[:-1] - cells[1:]


def pwl_wavelet(d: int, s: np.ndarray) -> np.ndarray:
    weights = np.array([0.5] + [1.0] * (d - 1) + [0.5])
    scaled = hats(s, -1 + 2 * np.arange(d + 1) / d) / weights[:, None]
    return scaled[:-1] - scaled[1:]


def dyadic(shape: Callable[[np.ndarray], np.ndarray]) -> Callable[[int, np.ndarray], np.ndarray]:
    """Function i is ``shape(2**j (s + 1)/2 - k)``, j = floor(log2 i), k = i - 2**j, and 0 off [0, 1)."""

    def values(d: int, s: np.ndarray) -> np.ndarray:
        rows = []
        for i in range(1, d + 1):
            j = int(np.log2(i))
            x = 2**j * (s + 1) / 2 - (i - 2**j)
            rows.append(np.where((x >= 0) & (x < 1), shape(x), 0.0))
        return np.array(rows)

    return values


DEFINITIONS: dict[tuple[str, str], Callable[[int, np.ndarray], np.ndarray]] = {
    ("rect", "cells"): rect,
    ("pwl", "nodes"): pwl,
    ("pwl", "centred"): pwl_centred,
    ("pwq", "cells"): pwq,
    ("fourier", "harmonics"): fourier,
    ("rect-w", "translated"): rect_wavelet,
    ("rect-w", "haar"): dyadic(lambda x: np.where(x < 0.5, 1.0, -1.0)),
    ("pwl-w", "translated"): pwl_wavelet,
    ("pwl-w", "haar"): dyadic(lambda x: np.interp(x, [0, 0.25, 0.5, 0.75, 1], [0, 1, 0, -1, 0])),
}
# (continuous, zero integral), IAT table 1; the sizes at which a row of the table degenerates are none
PROPERTIES = {
    ("rect", "cells"): (False, False),
    ("pwl", "nodes"): (True, False),
    ("pwl", "centred"): (True, False),
    ("pwq", "cells"): (True, False),
    ("fourier", "harmonics"): (True, True),
    ("rect-w", "translated"): (False, True),
    ("rect-w", "haar"): (False, True),
    ("pwl-w", "translated"): (True, True),
    ("pwl-w", "haar"): (True, True),
}


# -- every registered family ---------------------------------------------------------------------------------


@EVERY_LAYOUT
@EVERY_SIZE
def test_values_follow_the_definition(family: str, layout: str, size: int) -> None:
    s = points(size)
    got = basis(family, size, layout=layout)(s)
    # a point is rounded relative to its cell (a slope of at most ~2 size) or its phase (at most ~2 size)
    np.testing.assert_allclose(got, DEFINITIONS[family, layout](size, s), rtol=0, atol=16 * size * EPS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_layout_is_the_default(family: str) -> None:
    assert basis(family, 6) == basis(family, 6, layout=next(iter(FAMILIES[family])))


@EVERY_LAYOUT
@EVERY_SIZE
def test_size_breakpoints_and_name(family: str, layout: str, size: int) -> None:
    b = basis(family, size, layout=layout)
    assert len(b) == b.size == size
    assert b.knots[0] == -1 and b.knots[-1] == 1
    assert all(isinstance(x, Fraction) for x in b.knots)
    assert np.all(np.diff(b.breakpoints) > 0)
    assert b.breakpoints.tolist() == [float(x) for x in b.knots]
    assert eval(repr(b), {"basis": basis}) == b
    assert b.is_piecewise != b.is_trigonometric


@EVERY_LAYOUT
@EVERY_SIZE
def test_continuity_is_what_one_sided_limits_say(family: str, layout: str, size: int) -> None:
    b = basis(family, size, layout=layout)
    inner = b.breakpoints[1:-1]
    # slopes are at most 4 size, so a continuous function changes by less than 1e-6; jumps are at least 1
    jumps = np.abs(b(inner + 1e-9) - b(inner - 1e-9)).max(initial=0.0)
    assert b.is_continuous == (jumps < 1e-6)
    assert b.is_continuous == (PROPERTIES[family, layout][0] or not inner.size)


@EVERY_LAYOUT
@EVERY_SIZE
def test_zero_integral_is_what_quadrature_says(family: str, layout: str, size: int) -> None:
    b = basis(family, size, layout=layout)
    x, w = np.polynomial.legendre.leggauss(40)
    left, width = b.breakpoints[:-1, None], np.diff(b.breakpoints)[:, None]
    s, weights = (left + width * (x + 1) / 2).ravel(), (width * w / 2).ravel()
    largest = np.abs(b(s) @ weights).max()
    assert b.has_zero_integral == (largest < 1e-13)
    assert b.has_zero_integral == PROPERTIES[family, layout][1]


@EVERY_LAYOUT
@EVERY_SIZE
def test_cells_are_half_open_to_the_right_and_the_last_is_closed(family: str, layout: str, size: int) -> None:
    b = basis(family, size, layout=layout)
    starts, near = b.breakpoints[:-1], 1e-9
    np.testing.assert_allclose(b(starts), b(starts + near), rtol=0, atol=1e-6)
    np.testing.assert_allclose(b(1.0), b(1.0 - near), rtol=0, atol=1e-6)


@EVERY_LAYOUT
@EVERY_SIZE
def test_derivative_is_the_central_difference_inside_cells(family: str, layout: str, size: int) -> None:
    b = basis(family, size, layout=layout)
    s, h = points(size), 1e-5
    s = s[np.min(np.abs(s[:, None] - b.breakpoints), axis=1) > 2 * h]
    difference = (b(s + h) - b(s - h)) / (2 * h)
    # truncation h*h/6 max abs p''' <= h*h/6 (pi k)**3, rounding 32 size eps/h
    frequency = np.pi * max(b.max_frequency, 1)
    bound = h * h / 6 * frequency**3 + 32 * size * EPS / h
    np.testing.assert_allclose(b.derivative()(s), difference, rtol=0, atol=bound)


@EVERY_LAYOUT
@pytest.mark.parametrize("scale", [0.0, -2.0, 0.1, 1e-300, 1e300])
def test_scale_multiplies_every_function(family: str, layout: str, scale: float) -> None:
    plain, s = basis(family, 5, layout=layout), points()
    scaled = basis(family, 5, layout=layout, scale=scale)
    np.testing.assert_allclose(scaled(s), scale * plain(s), rtol=16 * EPS, atol=16 * EPS * abs(scale))
    assert scaled == plain.scaled(scale) == basis(plain, scale=scale)
    assert plain.scaled(1.0) is plain


@EVERY_LAYOUT
def test_pickling_equality_and_hash(family: str, layout: str) -> None:
    b = basis(family, 4, layout=layout)
    copy = pickle.loads(pickle.dumps(b))
    assert copy == b and hash(copy) == hash(b) and copy is not b
    np.testing.assert_array_equal(copy(points()), b(points()))
    assert b != basis(family, 5, layout=layout) and b != b.scaled(2.0)


@EVERY_LAYOUT
def test_shapes_nan_and_single_precision(family: str, layout: str) -> None:
    b = basis(family, 4, layout=layout)
    assert b(0.25).shape == (4,) and b(np.zeros((2, 3))).shape == (4, 2, 3) and b([]).shape == (4, 0)
    assert b(np.float32(0.25)).dtype == np.float64 and b(0).dtype == np.float64
    values = b([0.25, np.nan, 0.5])
    assert np.all(np.isnan(values[:, 1])) and not np.any(np.isnan(values[:, [0, 2]]))


@EVERY_LAYOUT
@pytest.mark.parametrize("s", [1.0000001, -1.5, [0.0, np.inf]])
def test_points_outside_are_refused(family: str, layout: str, s: object) -> None:
    with pytest.raises(ValueError, match=r"s must lie in \[-1, 1\], got values in"):
        basis(family, 3, layout=layout)(s)


@pytest.mark.parametrize(("first", "second"), [(a, b) for a in LAYOUTS for b in LAYOUTS])
def test_mixtures_concatenate(first: tuple[str, str], second: tuple[str, str]) -> None:
    a, b = basis(first[0], 3, layout=first[1]), basis(second[0], 4, layout=second[1])
    mixture, s = a + b, points(count=60)
    assert mixture == concatenate(a, b) and mixture.size == 7
    assert set(mixture.knots) == {*a.knots, *b.knots}
    np.testing.assert_allclose(mixture(s), np.vstack([a(s), b(s)]), rtol=0, atol=64 * EPS)
    np.testing.assert_allclose(
        mixture.derivative()(s), np.vstack([a.derivative()(s), b.derivative()(s)]), rtol=0, atol=256 * EPS
    )
    assert mixture.is_continuous == (a.is_continuous and b.is_continuous)
    assert mixture.has_zero_integral == (a.has_zero_integral and b.has_zero_integral)
    assert mixture.degree == max(a.degree, b.degree)
    assert mixture.max_frequency == max(a.max_frequency, b.max_frequency)


# -- what is not a family ------------------------------------------------------------------------------------


def splines() -> dict[str, PPoly | BPoly | BSpline]:
    """Functions of degree 0 to 5 on intervals that contain [-1, 1], by scipy."""
    rng = np.random.default_rng(7)
    x = np.array([-1.5, -0.7, -0.2, 0.4, 1.25])
    t = np.array([-1.0] * 4 + [-0.3, 0.1, 0.6] + [1.0] * 4)
    nodes = np.linspace(-1, 1, 6)
    return {
        "ppoly": PPoly(rng.normal(size=(6, 4, 3)), x),
        "ppoly-constant": PPoly(rng.normal(size=(1, 4, 2)), x),
        "ppoly-matrix": PPoly(rng.normal(size=(3, 4, 2, 2)), x),
        "ppoly-scalar": PPoly(rng.normal(size=(4, 4)), x),
        "bpoly": BPoly(rng.normal(size=(4, 4, 2)), x),
        "bspline": BSpline(t, rng.normal(size=(7, 3)), 3),
        "cubic": CubicSpline(nodes, np.eye(6)),
        "pchip": PchipInterpolator(nodes, rng.normal(size=(6, 2))),
    }


@pytest.mark.parametrize("name", splines())
def test_scipy_functions_keep_their_values_and_derivatives(name: str) -> None:
    spline, s = splines()[name], points()
    b = basis(spline)
    expected = np.moveaxis(spline(s).reshape(s.size, -1), 0, 1)
    slopes = np.moveaxis(spline.derivative()(s).reshape(s.size, -1), 0, 1)
    assert b.size == expected.shape[0] and b.is_piecewise
    # at most 6 terms of size |coefficient| <= 3.2 at |x| <= 1.4, evaluated twice
    np.testing.assert_allclose(b(s), expected, rtol=0, atol=1e3 * EPS)
    np.testing.assert_allclose(b.derivative()(s), slopes, rtol=0, atol=1e4 * EPS)


def test_scipy_breakpoints_inside_become_knots_and_others_do_not() -> None:
    assert basis(splines()["ppoly"]).breakpoints.tolist() == [-1.0, -0.7, -0.2, 0.4, 1.0]


def test_a_cubic_spline_is_continuous_and_a_random_ppoly_is_not() -> None:
    hermite = BPoly(np.array([[[0.0], [1.0]], [[1.0], [0.5]]]), np.array([-1.0, 0.0, 1.0]))
    assert basis(hermite).is_continuous
    assert not basis(splines()["ppoly"]).is_continuous


def test_a_scipy_basis_is_the_exact_rational_of_its_coefficients() -> None:
    b = basis(PPoly(np.array([[0.1], [0.2]]), np.array([-1.0, 1.0])))
    assert b.pieces == (((0, (Fraction(0.2), Fraction(0.2) + 2 * Fraction(0.1))),),)
    assert b.degree == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: PPoly(np.ones((1, 1)), [-0.5, 1.0]),
            ValueError,
            r"cover \[-1, 1\], got breakpoints from -0.5 to 1.0",
        ),
        (
            lambda: BSpline([-1.0, 0, 0.5], [1.0, 2.0], 0),
            ValueError,
            r"cover \[-1, 1\], got breakpoints from -1.0 to 0.5",
        ),
        (lambda: PPoly(np.ones((1, 1)) * 1j, [-1.0, 1.0]), TypeError, "must be real, got complex"),
        (lambda: PPoly(np.full((1, 1), np.nan), [-1.0, 1.0]), ValueError, "must be finite, got nan"),
        (lambda: PPoly(np.ones((1, 1)), [1.0, -1.0]), ValueError, "must ascend, got descending"),
    ],
)
def test_bad_splines_are_refused(make: Callable[[], PPoly | BSpline], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        basis(make())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: basis("sinc", 3), ValueError, r"family must be one of rect, .*, got 'sinc'"),
        (
            lambda: basis("rect", 3, layout="haar"),
            ValueError,
            r"layout of 'rect' must be one of cells, got 'haar'",
        ),
        (lambda: basis("rect"), TypeError, r"size must be an integer >= 1, got None"),
        (lambda: basis("rect", 2.0), TypeError, r"size must be an integer >= 1, got 2.0"),
        (lambda: basis("rect", True), TypeError, r"size must be an integer >= 1, got True"),
        (lambda: basis("rect", 0), ValueError, r"size must be an integer >= 1, got 0"),
        (lambda: basis(3, 3), TypeError, r"family must be a name, a Basis or .*, got 3"),
        (
            lambda: basis(basis("rect", 2), 3),
            TypeError,
            r"size and layout belong to named families, got size=3",
        ),
        (lambda: basis("rect", 2, scale=np.inf), ValueError, r"scale must be finite, got inf"),
        (lambda: basis("rect", 2, scale="2"), TypeError, r"scale must be a real number, got '2'"),
        (lambda: basis("rect", 2)([1j]), TypeError, r"s must be real numbers, got dtype complex128"),
        (lambda: basis("rect", 2)(["a"]), TypeError, r"s must be real numbers, got dtype <U1"),
        (lambda: basis("rect", 2) + 1, TypeError, r"unsupported operand"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_segments_are_cut_at_the_ends_of_all_the_others() -> None:
    half, one = Fraction(1, 2), Fraction(1)
    b = from_segments("b", [[Segment(-one, one, (Fraction(0), Fraction(2)))], [Segment(-half, half, (one,))]])
    assert b.knots == (-1, -half, half, 1)
    np.testing.assert_allclose(b([-0.9, 0.0, 0.75]), [[0.1, 1.0, 1.75], [0, 1, 0]], rtol=0, atol=4 * EPS)


def test_harmonics_carry_powers_of_pi_and_constants() -> None:
    b = Basis(
        "b",
        2,
        harmonics=(Harmonic(0, True, 0, Fraction(3)), Harmonic(1, True, 2, Fraction(1, 2), pi_power=-1)),
    )
    s = points()
    np.testing.assert_allclose(b(s)[0], 3.0, rtol=2 * EPS)
    np.testing.assert_allclose(b(s)[1], np.cos(2 * np.pi * s) / (2 * np.pi), rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(b.derivative()(s)[1], -np.sin(2 * np.pi * s), rtol=0, atol=8 * EPS)
    assert not b.has_zero_integral and b.max_frequency == 2 and b.degree == -1 and b.is_trigonometric


def test_a_second_derivative_of_fourier_is_minus_its_frequency_squared() -> None:
    b, s = basis("fourier", 6), points()
    k = np.array([1, 1, 2, 2, 3, 3])[:, None] * np.pi
    np.testing.assert_allclose(b.derivative().derivative()(s), -(k**2) * b(s), rtol=0, atol=64 * 90 * EPS)
