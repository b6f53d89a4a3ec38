"""The M-point transform against its formula, and its distance from the exact one: leading term, bound, choice of M."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PPoly

from iatcore import IAT, basis, gates, mesh_for, reference, smooth_functions
from iatcore.discrete import DiscreteIAT
from iatcore.smooth_functions import Smooth, tanh
from tests.cases import LAYOUTS, PAIRS, nasty_inputs
from verify import strategies

CONTINUOUS = ("pwl", "pwq", "fourier", "pwl-w")
GATES = [gates.relu(), gates.leaky_relu(0.3), gates.absolute(), gates.arelu(), gates.identity()]
FUNCTIONS = {
    "tanh": math.tanh,
    "sigmoid": lambda t: 1 / (1 + math.exp(-t)),
    "softplus": lambda t: math.log1p(math.exp(t)),
    "gelu": lambda t: t * (1 + math.erf(t / math.sqrt(2))) / 2,
    "sine": math.sin,
}


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def varied(d: int, seed: int = 0) -> np.ndarray:
    """Random rows, and rows with zeros, ties and roots at breakpoints and ends."""
    z = rows(5, d, seed=seed)
    return np.concatenate([z, np.eye(d), -np.eye(d), np.zeros((1, d)), (-1.0) ** np.arange(d)[None], z[:1] * [0] + 1])


# -- the formula -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_formula(first, second):
    p, q, mesh = basis(first, 4), basis(second, 3), 37
    z = np.random.default_rng(0).normal(size=(5, 4))
    s = -1 + (np.arange(mesh) + 0.5) * 2 / mesh
    f = z @ p(s)
    discrete = IAT(p, q).discretize(mesh)
    np.testing.assert_allclose(discrete(z), 2 / mesh * np.maximum(f, 0) @ q(s).T, atol=1e-14)
    jacobian = np.stack([2 / mesh * (q(s) * (row > 0)) @ p(s).T for row in f])
    np.testing.assert_allclose(discrete.activation_matrix(z), jacobian, atol=1e-14)
    g, v = np.ones(3), np.arange(4.0)
    np.testing.assert_allclose(discrete.vjp(z, g), np.einsum("bij,i->bj", jacobian, g), atol=1e-14)
    np.testing.assert_allclose(discrete.jvp(z, v), np.einsum("bij,j->bi", jacobian, v), atol=1e-14)


@pytest.mark.parametrize("first", CONTINUOUS)
@pytest.mark.parametrize("second", CONTINUOUS)
def test_second_order_for_continuous_bases(first, second):
    iat = IAT(basis(first, 5), basis(second, 5))
    z = np.random.default_rng(1).normal(size=(40, 5))
    exact = iat(z)
    errors = [np.sqrt(np.mean((iat.discretize(m)(z) - exact) ** 2)) for m in (100, 400, 1600)]
    orders = np.log(np.divide(errors[:-1], errors[1:])) / np.log(4)
    assert np.all(orders > 1.8), orders


def test_exact_on_a_fitting_mesh_for_cells():
    iat = IAT(basis("rect", 5), basis("rect", 5))
    z = np.random.default_rng(2).normal(size=(4, 5))
    np.testing.assert_allclose(iat.discretize(20)(z), iat(z), atol=1e-15)


def test_dtypes_and_bad_rows():
    transform = IAT(basis("pwl", 3), basis("pwl", 2), gates.leaky_relu(0.1)).discretize(10)
    bad = np.array([[1.0, np.nan, 0], [1, 2, 3], [np.inf, 0, 0]])
    for method in (transform, transform.leading_error, transform.error_bound):
        assert method(np.ones((2, 3))).shape == (2, 2)
        assert method(np.ones(3)).shape == (2,)
        assert method(np.empty((0, 3))).shape == (0, 2)
        u = method(bad)
        assert np.isnan(u[[0, 2]]).all() and np.isfinite(u[1]).all()
        with pytest.raises(ValueError, match="z must have last dimension 3"):
            method(np.ones(4))
        with pytest.raises(TypeError, match="z must be real numbers"):
            method(np.ones(3, complex))
    single = np.ones((2, 3), np.float32)
    assert transform(single).dtype == transform.leading_error(single).dtype == np.float32
    assert transform.error_bound(single).dtype == np.float64


# -- smooth activations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_smooth_functions(name):
    sigma = getattr(smooth_functions, name)
    t, h = np.linspace(-6, 6, 61), 2.0**-8
    np.testing.assert_allclose(sigma(t), [FUNCTIONS[name](v) for v in t], rtol=1e-13, atol=1e-15)
    for order in (1, 2):
        y = [sigma.evaluate(t + k * h, order - 1) for k in (-2, -1, 1, 2)]
        np.testing.assert_allclose(sigma.evaluate(t, order), (y[0] - 8 * y[1] + 8 * y[2] - y[3]) / (12 * h), atol=1e-8)
    far = np.array([-1e308, -750.0, -40.0, 40.0, 750.0, 1e308, np.nan])
    for order in range(3):
        values = sigma.evaluate(far, order)
        assert np.isfinite(values[:-1]).all() and np.isnan(values[-1])
    assert pickle.loads(pickle.dumps(sigma)) == sigma
    assert repr(sigma) == name


def test_every_smooth_function_has_a_formula():
    assert {name for name, f in vars(smooth_functions).items() if isinstance(f, Smooth)} == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("first", "second"), [("fourier", "pwq"), ("rect", "pwl"), ("pwl-w", "fourier")])
def test_smooth_activation(name, first, second):
    p, q, mesh, h = basis(first, 4), basis(second, 3), 11, 1e-6
    transform, z = DiscreteIAT(p, q, mesh, getattr(smooth_functions, name)), rows(5, 4)
    s = transform.points
    sigma = np.vectorize(FUNCTIONS[name])
    np.testing.assert_allclose(transform(z), 2 / mesh * sigma(z @ p(s)) @ q(s).T, atol=1e-14)
    jacobian = np.stack([(transform(z + h * e) - transform(z - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    g, v = rows(3, seed=1), rows(4, seed=2)
    np.testing.assert_allclose(transform.activation_matrix(z), jacobian, atol=1e-8)
    np.testing.assert_allclose(transform.vjp(z, g), np.einsum("bij,i->bj", jacobian, g), atol=1e-8)
    np.testing.assert_allclose(transform.jvp(z, v), np.einsum("bij,j->bi", jacobian, v), atol=1e-8)
    assert np.isnan(transform(np.full(4, np.nan))).all()
    assert transform(z.astype(np.float32)).dtype == np.float32


def test_smooth_activation_converges():
    x, w = np.polynomial.legendre.leggauss(120)
    z = rows(3, 4) / 4
    p, q = basis("fourier", 4), basis("fourier", 3)
    exact = np.tanh(z @ p(x)) @ (q(x) * w).T
    np.testing.assert_allclose(DiscreteIAT(p, q, 100, tanh)(z), exact, atol=1e-13)  # periodic


def test_plain_functions():
    p, q, z = basis("pwl", 3), basis("rect", 2), rows(2, 3)
    transform = DiscreteIAT(p, q, 8, np.arctan)
    full = DiscreteIAT(p, q, 8, Smooth(np.arctan, lambda t: 1 / (1 + t * t)))
    np.testing.assert_array_equal(transform(z), full(z))
    assert full.vjp(z, np.ones(2)).shape == (2, 3)
    assert "arctan" in repr(transform)
    for call in (transform.activation_matrix, lambda z: transform.vjp(z, np.ones(2)), lambda z: transform.jvp(z, z)):
        with pytest.raises(
            ValueError, match=r"must have its derivative here: Smooth\(..., derivative=...\), got arctan"
        ):
            call(z)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: DiscreteIAT(p, p, 3, "relu"), TypeError, "gate must be an iatcore.Gate, a Smooth or a function"),  # type: ignore[arg-type]
        (
            lambda p: DiscreteIAT(p, p, 3, np.max)(np.ones(2)),
            ValueError,
            r"function of max must keep the shape \(1, 3\)",
        ),
        (lambda p: DiscreteIAT(p, p, 0, gates.relu()), ValueError, "mesh must be an integer >= 1, got 0"),
        (
            lambda p: DiscreteIAT(p, p, 3, tanh).error_bound([1.0, 2.0]),
            TypeError,
            "iatcore.Gate, got tanh",
        ),
        (lambda p: DiscreteIAT(p, p, 3, np.tanh).leading_error([1.0, 2.0]), TypeError, "iatcore.Gate, got tanh"),
        (lambda p: DiscreteIAT(p, p, 3, gates.tmaf([1], [0, 1])).error_bound([1.0, 2.0]), ValueError, "which jumps"),
        (lambda p: Smooth(3), TypeError, "function must be callable, got 3"),  # type: ignore[arg-type]
        (lambda p: Smooth(np.tanh, 1.0), TypeError, "derivative must be callable or None, got 1.0"),  # type: ignore[arg-type]
        (lambda p: tanh.evaluate(1.0, 3), ValueError, "order must be 0, 1 or 2, got 3"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(basis("pwl", 2))


# -- the leading term ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("number", range(len(GATES)))
def test_leading_error_leaves_one_order_more(first, second, number):
    d, e = (4, 3, 5, 1, 2)[number], (3, 4, 1, 2, 5)[number]
    iat, z = IAT(basis(first, d), basis(second, e), GATES[number]), varied(d, seed=number)
    exact = iat(z)
    rest = []
    for meshes in (97, 101, 103), (1009, 1013, 1019):  # primes: no breakpoint lies on a node
        transforms = [iat.discretize(m) for m in meshes]
        errors = [np.abs(t(z) - exact - t.leading_error(z)).max() * t.mesh**2 for t in transforms]
        rest.append(max(errors))
    assert rest[1] <= 0.25 * rest[0] + 1e-7, rest  # 1e-7 is M**2 times 500 eps


LINEAR = [*((a, b) for a in LAYOUTS for b in LAYOUTS if a[0][:4] == "rect" or b[0][:4] == "rect")]


@pytest.mark.parametrize(("first", "second"), [(a, b) for a, b in LINEAR if not {a[0], b[0]} & {"fourier", "pwq"}])
def test_leading_error_is_all_of_it_for_linear_pieces(first, second):
    p, q = basis(first[0], 6, layout=first[1]), basis(second[0], 5, layout=second[1])
    iat, z = IAT(p, q, gates.leaky_relu(0.3)), varied(6)
    exact = iat(z)
    for mesh in (1, 2, 3, 5, 6, 7, 15, 30, 64, 210, 333):
        transform = iat.discretize(mesh)
        np.testing.assert_allclose(transform.leading_error(z), transform(z) - exact, atol=1e-14, err_msg=str(mesh))


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_leading_error_by_hand(gate):
    mesh, a, b = 40, gate.slopes[0], gate.slopes[-1]
    w = 2 / mesh
    # f = z sin(pi s), q = 1, three roots, all on nodes: [F'] is (b - a) pi |z| at the one in the middle, and the
    # jumps to 0 at both ends, where F' is the limit from inside and not 0 although f is, add the same again
    z = np.array([[2.0], [-3.0]])
    leading = DiscreteIAT(basis("fourier", 1), basis("pwl", 1), mesh, gate).leading_error(z)
    expected = 2 * (b - a) * math.pi * np.abs(z) * w**2 / 24
    np.testing.assert_allclose(leading, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_breakpoints_that_nearly_coincide(degree):
    # the knots of the hats are 1/3 and -1/3, those of the spline the floats next to them, and f has roots there
    p = basis("pwl", 4)
    spline = basis(PPoly(rows(degree + 1, 3, 2), np.array([-1, -1 / 3, 1 / 3, 1])))
    for iat in (IAT(p, spline), IAT(p + spline, p), IAT(spline, p, gates.absolute())):
        z, exact = varied(iat.in_size), iat(varied(iat.in_size))
        for mesh in (9, 27, 500):
            transform = iat.discretize(mesh)
            check_bound(transform, z)
        # what is left is 1/M of a leading term that is O(w), or less
        error = transform(z) - exact
        assert np.abs(error - transform.leading_error(z)).max() <= 0.05 * np.abs(error).max()


CASES = [
    ("fourier", "pwq", gates.relu(), 97),
    ("pwl", "fourier", gates.leaky_relu(0.2), 50),
    ("rect-w", "rect", gates.absolute(), 33),
    ("pwq", "pwl-w", gates.arelu(), 12),
]


@pytest.mark.parametrize(("first", "second", "gate", "mesh"), CASES)
def test_against_ball_arithmetic(first, second, gate, mesh):
    p, q = basis(first, 5), basis(second, 4)
    z = varied(5)[:8]
    exact = reference.IAT(p, q, gate)(z)
    transform = DiscreteIAT(p, q, mesh, gate)
    error, leading = transform(z) - exact, transform.leading_error(z)
    assert np.all(np.abs(error) <= transform.error_bound(z))
    assert np.abs(error - leading).max() <= 0.2 * np.abs(error).max()


# -- the bound -------------------------------------------------------------------------------------------------------


def check_bound(transform, z):
    error = np.abs(transform(z) - IAT(transform.p, transform.q, transform.gate)(z))
    bound = transform.error_bound(z)
    assert np.all(error <= bound), (transform, z[np.any(error > bound, axis=-1)])
    return error, bound


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_bound_on_hard_inputs(first, second):
    for number, (d, mesh) in enumerate([(1, 1), (2, 3), (3, 7), (5, 64), (8, 500), (6, 16)]):
        p, q = basis(first, d), basis(second, 9 - d)
        z = np.stack([*nasty_inputs(p, seed=d).values(), np.zeros(d)])
        check_bound(DiscreteIAT(p, q, mesh, GATES[number % 5]), z)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bound_holds_for_every_input(data):
    p, q = data.draw(strategies.bases(6)), data.draw(strategies.bases(6))
    gate = data.draw(st.one_of(st.sampled_from(GATES), strategies.gates(continuous=True)))
    z = data.draw(strategies.coefficients(p.size, rows=2)) * data.draw(st.sampled_from([1.0, 1e-300, 5e-324, 1e290]))
    check_bound(DiscreteIAT(p, q, data.draw(st.integers(1, 500)), gate), z)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_bound_is_sharp(first, second):
    transform = DiscreteIAT(basis(first, 5), basis(second, 5), 499, gates.relu())
    error, bound = (np.linalg.norm(v, axis=1) for v in check_bound(transform, rows(50, 5)))
    assert np.all(bound <= 5 * error + 1e-10)
    large = error > 1e-8
    assert np.count_nonzero(large) > 20
    assert np.median(bound[large] / error[large]) <= 1.5  # at most 1.2, but 1.4 for waves with waves


# -- a mesh for a tolerance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_mesh_for_keeps_its_promise(first, second):
    p, q = basis(first, 5), basis(second, 4)
    for tolerance, gate in ((0.3, gates.relu()), (1e-2, gates.absolute()), (1e-3, None)):
        mesh = mesh_for(p, q, tolerance, gate)
        iat, z = IAT(p, q, gate), np.concatenate([rows(50, 5), np.eye(5), (-1.0) ** np.arange(5)[None]])
        error = np.linalg.norm(iat.discretize(mesh)(z) - iat(z), axis=1) / np.linalg.norm(z, axis=1)
        assert np.all(error <= tolerance)
        if first in CONTINUOUS and second in CONTINUOUS:
            assert error.max() >= tolerance / 100
        assert mesh_for(p, q, 5 * tolerance, gate, norm=5.0) == mesh
        assert mesh_for(p, q, tolerance / 4, gate) >= mesh


def test_mesh_for_puts_jumps_on_nodes():
    assert mesh_for(basis("rect", 7), basis("rect", 7), 1e-10) == 7
    assert mesh_for(basis("rect", 6), basis("rect-w", 3), 1e-10) == 12
    assert mesh_for(basis("rect", 6), basis("pwq", 5), 1e-3) % 6 == 0
    assert mesh_for(basis("rect", 7), basis("rect", 7), 1e3) == 1


def test_mesh_for_refuses():
    p = basis("pwl", 4)
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="tolerance must be positive and finite, got"):
            mesh_for(p, p, bad)
    with pytest.raises(ValueError, match="norm must be positive and finite, got 0"):
        mesh_for(p, p, 1.0, norm=0)
    with pytest.raises(ValueError, match=r"tolerance must be at least about .*e-10, beyond which .* got 1e-14"):
        mesh_for(p, p, 1e-14)
    with pytest.raises(ValueError, match="which jumps"):
        mesh_for(p, p, 1e-3, gates.tmaf([1.0], [0.0, 1.0]))
    with pytest.raises(TypeError, match=r"iatcore.Gate, got tanh"):
        mesh_for(p, p, 1e-3, tanh)  # type: ignore[arg-type]
