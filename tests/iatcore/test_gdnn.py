"""The network of continuous width against its integrals, its plain network on a mesh, and networks written by hand."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from scipy.interpolate import PPoly

from iatcore import IAT, Gate, basis, gates, gdnn
from iatcore.bases import FAMILIES
from iatcore.gdnn import GDNN, PlainNetwork
from iatcore.scaling import he_scale
from tests.cases import near_tangency

NAMES = list(FAMILIES)
CONTINUOUS = ("pwl", "pwq", "fourier", "pwl-w")
GATES = [gates.leaky_relu(0.2), gates.absolute(), gates.tmaf([-0.4, 0.0, 0.7], [0.2, 1.0, -0.5, 0.9])]
TOLERANCE = 1e-11


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def make(bases, gate: Gate | None = None, d_x: int = 3, d_y: int = 2, seed: int = 0) -> GDNN:
    """A random network whose biases are not 0."""
    rng = np.random.default_rng(seed)
    net = GDNN.random(d_x, d_y, bases, gate, rng)
    return GDNN(net.weights, [rng.normal(size=len(b)) / 3 for b in net.biases], net.bases, net.gate)


def around(i: int, names=NAMES) -> list:
    """Three hidden layers whose six bases are the families in turn, beginning with number i."""
    return [
        tuple(basis(names[(i + k) % len(names)], d) for k, d in pair)
        for pair in [((0, 5), (1, 4)), ((2, 6), (3, 5)), ((4, 4), (5, 6))]
    ]


def assert_integrals(net: GDNN, x: np.ndarray) -> None:
    y = net(x)
    assert np.abs(y - net.integrate(x, TOLERANCE)).max() <= TOLERANCE * (1 + np.abs(y).max())


def midpoints(mesh: int) -> np.ndarray:
    return -1 + (np.arange(mesh) + 0.5) * 2 / mesh


# -- the integrals of IAT (2) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(6), ids=NAMES)
def test_equals_its_integrals(first):
    assert_integrals(make(around(first), seed=first), rows(3, 3, seed=first))


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_equals_its_integrals_with_other_gates(gate):
    assert_integrals(make(around(2), gate), rows(2, 3))
    assert_integrals(make(around(3)[:1], gate), rows(3, 3))


def test_equals_its_integrals_with_mixtures_and_splines():
    cubic = PPoly(np.random.default_rng(5).normal(size=(4, 3, 4)), [-1.0, -0.3, 0.5, 1.0])
    mixed = basis("fourier", 3) + basis("rect", 2)
    assert_integrals(make([(mixed, cubic), (cubic, mixed)]), rows(3, 3))


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-5])
def test_quadrature_sees_two_roots_close_together(gap):
    p = basis("fourier", 6)
    z = near_tangency(p, rows(6), gap)
    assert_integrals(GDNN([np.eye(6), rows(2, 5)], [np.zeros(6), np.zeros(2)], [(p, basis("pwq", 5))]), z)


def test_by_hand():
    """z(s) = x s, weighed with 1 and with s: the integrals of relu(x s) are |x|/2 and x/3."""
    p = basis("pwl", 2)
    net = GDNN([[[-1], [1]], [[1, 1], [-1, 1]]], [[0, 0], [0.25, 0]], [(p, p)])
    x = np.array([[2], [-4]])  # hats add up to 1, their difference is s
    expected = [[1 + 0.25, 2 / 3], [2 + 0.25, -4 / 3]]
    np.testing.assert_allclose(net(x), expected, atol=1e-15)
    np.testing.assert_allclose(net.integrate(x), expected, atol=1e-14)


def test_next_state_is_the_integral_of_the_kernel():
    net, x = make(around(3)), rows(3)
    s, t = midpoints(4000), np.linspace(-1, 1, 7)
    z = net.states(x)
    first = x @ net.first_weight(s) + net.bias(0, s)
    np.testing.assert_allclose(first, z[0] @ net.bases[0][0](s), atol=1e-13)
    second = net.kernel(1, t, s) @ np.maximum(first, 0) * (2 / 4000) + net.bias(1, t)
    np.testing.assert_allclose(second, z[1] @ net.bases[1][0](t), atol=1e-5)


def test_tolerance_that_is_not_reached(monkeypatch):
    monkeypatch.setattr(gdnn, "ORDERS", (1, 2))
    with pytest.raises(ArithmeticError, match="tolerance 1e-10 not reached: 2 points"):
        make(around(3)).integrate(rows(3))


# -- weights as functions ------------------------------------------------------------------------------------------


def test_weight_functions():
    net = make(around(0))
    (p1, q1), (p2, _), (_, q3) = net.bases
    s, t = np.linspace(-1, 1, 6).reshape(2, 3), np.array([-0.3, 0.0, 0.2, 1.0])
    kernel, w0, b1, w3 = net.kernel(1, t, s), net.first_weight(s), net.bias(1, s), net.last_weight(s)
    assert kernel.shape == (4, 2, 3) and w0.shape == (3, 2, 3) and w3.shape == (2, 2, 3)
    assert b1.shape == (2, 3) and net.kernel(2, 0.5, -0.5).shape == () and net.bias(0, 0.1).shape == ()
    for index in np.ndindex(s.shape):
        at = s[index]
        np.testing.assert_allclose(w0[:, *index], p1(at) @ net.weights[0], atol=1e-14)
        np.testing.assert_allclose(b1[index], p2(at) @ net.biases[1], atol=1e-14)
        np.testing.assert_allclose(w3[:, *index], net.weights[3] @ q3(at), atol=1e-14)
        for k, other in enumerate(t):
            np.testing.assert_allclose(kernel[k, *index], p2(other) @ net.weights[1] @ q1(at), atol=1e-14)


# -- ordinary networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [gates.relu(), gates.leaky_relu(0.1)], ids=repr)
def test_cells_make_an_ordinary_network(gate):
    """IAT (5): cells, the output basis scaled by 1/h, are the gate entry by entry."""
    widths = (3, 4, 6, 2)
    weights = [rows(b, a, seed=a) for a, b in itertools.pairwise(widths)]
    biases = [rows(b, seed=10 + b) for b in widths[1:]]
    bases = [(basis("rect", d), basis("rect", d, scale=d / 2)) for d in widths[1:-1]]
    net, x = GDNN(weights, biases, bases, gate), rows(5, 3)
    hidden = x
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        hidden = hidden @ w.T + b
        hidden = np.where(hidden > 0, gate.slopes[1], gate.slopes[0]) * hidden
    expected = hidden @ weights[-1].T + biases[-1]
    np.testing.assert_allclose(net(x), expected, atol=1e-13)
    np.testing.assert_allclose(net.integrate(x), expected, atol=1e-10)
    np.testing.assert_allclose(net.discretize(12)(x), expected, atol=1e-13)
    np.testing.assert_allclose(PlainNetwork(weights, biases, gate)(x), expected, atol=1e-13)


@pytest.mark.parametrize("first", range(6), ids=NAMES)
def test_discretized_by_hand(first):
    net, x, mesh = make(around(first), seed=first), rows(4, 3), 37
    s = midpoints(mesh)
    (p1, q1), (p2, q2), (p3, q3) = net.bases
    w, b = net.weights, net.biases
    u = np.maximum(x @ (w[0].T @ p1(s)) + b[0] @ p1(s), 0)
    u = np.maximum(u @ (2 / mesh * p2(s).T @ w[1] @ q1(s)).T + b[1] @ p2(s), 0)
    u = np.maximum(u @ (2 / mesh * p3(s).T @ w[2] @ q2(s)).T + b[2] @ p3(s), 0)
    np.testing.assert_allclose(net.discretize(mesh)(x), u @ (2 / mesh * w[3] @ q3(s)).T + b[3], atol=1e-12)


@pytest.mark.parametrize("gate", [gates.relu(), *GATES], ids=repr)
def test_discretized_is_the_network_of_discretized_transforms(gate):
    net, x, mesh = make(around(1), gate), rows(4, 3), 50
    values = x @ net.weights[0].T + net.biases[0]
    for (p, q), w, b in zip(net.bases, net.weights[1:], net.biases[1:], strict=True):
        values = IAT(p, q, gate).discretize(mesh)(values) @ w.T + b
    plain = net.discretize(mesh)
    assert [w.shape for w in plain.weights] == [(50, 3), (50, 50), (50, 50), (2, 50)]
    np.testing.assert_allclose(plain(x), values, atol=1e-12)


@pytest.mark.parametrize("first", range(4), ids=CONTINUOUS)
def test_discretized_converges_with_order_two(first):
    """Meshes on which every breakpoint lies, so that the constant of M^-2 comes from the crossings alone."""
    net, x = make(around(first, CONTINUOUS), seed=first), rows(100, 3)
    exact = net(x)
    coarse, fine = (np.sqrt(np.mean((net.discretize(m)(x) - exact) ** 2)) for m in (60, 960))
    assert np.log(coarse / fine) / np.log(16) > 1.8


# -- decoupled -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [gates.relu(), *GATES], ids=repr)
def test_decoupled_from_nothing(gate):
    for first in range(6):
        net, x = make(around(first), gate, seed=first), rows(2, 3, 3)
        np.testing.assert_allclose(net.decoupled(x, net), net(x), atol=1e-13)


def test_decoupled_by_hand():
    """Patterns of cells, of another width and gate, weigh the cells of a mesh: Gauss-Legendre on each is exact."""
    net = make([(basis("pwl", 5), basis("pwq", 3)), (basis("pwl-w", 4), basis("rect", 6))])
    other = make([(basis("rect", 4), basis("pwl", 3)), (basis("rect", 8), basis("pwl", 7))], gates.leaky_relu(0.3))
    x = rows(6, 3)
    node, weight = np.polynomial.legendre.leggauss(3)
    s = (midpoints(240)[:, None] + node / 240).ravel()
    omega = np.tile(weight, 240) / 240
    values = x @ net.weights[0].T + net.biases[0]
    for l, (p, q) in enumerate(net.bases):
        f = other.states(x)[l] @ other.bases[l][0](s)
        slope = np.where(f > 0, 1.0, 0.3)
        values = (omega * slope * (values @ p(s))) @ q(s).T @ net.weights[l + 1].T + net.biases[l + 1]
    np.testing.assert_allclose(net.decoupled(x, other), values, atol=1e-13)


def test_a_fixed_pattern_leaves_an_affine_map():
    net, other = make(around(3)), make(around(2), seed=1)
    patterns = [copy.deepcopy(d) for d in other.patterns(rows(1, 3))]
    x, y = rows(1, 3, seed=1), rows(1, 3, seed=2)
    middle = (net.apply(patterns, x) + net.apply(patterns, y)) / 2
    np.testing.assert_allclose(net.apply(patterns, (x + y) / 2), middle, atol=1e-13)


def test_patterns_are_those_of_the_states():
    net, x = make(around(3)), rows(2, 3)
    for (p, _), z, pattern in zip(net.bases, net.states(x), net.patterns(x), strict=True):
        assert pattern.batch_shape == (2,)
        for i in range(2):
            s = midpoints(101)
            inside = np.any([(a < s) & (s < b) for a, b in pattern.intervals(i)], axis=0)
            np.testing.assert_array_equal(inside, z[i] @ p(s) > 0)


# -- rows, shapes, dtypes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_row_stays_alone(bad):
    net, other, x = make(around(3)), make(around(0), seed=1), rows(4, 3)
    x[1, 2] = bad
    good = [0, 2, 3]
    for function in (net, net.integrate, net.discretize(20), lambda v: net.decoupled(v, other)):
        y = function(x)
        assert np.isnan(y[1]).all()
        np.testing.assert_allclose(y[good], function(x[good]), atol=1e-13)
    assert [np.isnan(z).any(axis=1).tolist() for z in net.states(x)] == [[False, True, False, False]] * 3
    assert [d.finite.tolist() for d in net.patterns(x)] == [[True, False, True, True]] * 3


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_any_leading_shape(shape):
    net, x = make(around(3)), rows(*shape, 3)
    for function in (net, net.integrate, net.discretize(8), lambda v: net.decoupled(v, net)):
        y = function(x)
        assert y.shape == (*shape, 2)
        for index in np.ndindex(shape):
            np.testing.assert_allclose(y[index], function(x[index]), atol=1e-13)
    assert [z.shape for z in net.states(x)] == [(*shape, 5), (*shape, 6), (*shape, 4)]
    assert [d.batch_shape for d in net.patterns(x)] == [shape] * 3


def test_dtypes():
    net, x = make(around(3)), rows(2, 3)
    for function in (
        net,
        net.integrate,
        net.discretize(8),
        lambda v: net.decoupled(v, net),
        lambda v: net.states(v)[1],
    ):
        single = function(x.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_array_equal(single, function(x.astype(np.float32).astype(np.float64)).astype(np.float32))
        assert function(np.ones((2, 3), int)).dtype == np.float64


def test_nothing_comes_in():
    """State functions that vanish identically: what is left is the last bias."""
    net = GDNN.random(3, 2, around(0), rng=0)
    net = GDNN(net.weights, [*net.biases[:-1], [1.0, 2.0]], net.bases)
    for function in (net, net.integrate, net.discretize(8), lambda v: net.decoupled(v, net)):
        np.testing.assert_array_equal(function(np.zeros(3)), [1.0, 2.0])


def test_parameters_are_copies():
    w, b = [rows(3, 2), rows(1, 3)], [rows(3), rows(1)]
    net = GDNN(w, b, [(basis("pwl", 3), basis("pwl", 3))])
    before = net(np.ones(2))
    w[0][:] = 0
    b[1][:] = 0
    np.testing.assert_array_equal(net(np.ones(2)), before)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other(np.ones(2)), before)
    with pytest.raises(ValueError, match="read-only"):
        net.weights[0][0, 0] = 1.0
    assert (net.in_size, net.out_size, net.depth) == (2, 1, 1)
    plain = net.discretize(5)
    assert (plain.in_size, plain.out_size) == (2, 1)
    assert repr(plain) == "PlainNetwork(2 -> 5 -> 1, gate=relu())"
    p = net.bases[0][0]
    assert repr(net) == f"GDNN(2 -> ({p!r}, {p!r}) -> 1, gate=relu())"


# -- initial weights -----------------------------------------------------------------------------------------------


def test_random_weights_follow_he():
    """A sample standard deviation of n normal numbers is off by more than 5/sqrt(2n) once in two million."""
    (p, q), (r, s) = bases = [(basis("pwl", 40), basis("fourier", 50)), (basis("pwq", 60), basis("rect", 30))]
    gate = gates.leaky_relu(0.1)
    net = GDNN.random(100, 20, bases, gate, rng=3)
    deviations = [2 / 100, 2 / 50 * he_scale(p, q, gate) ** 2, he_scale(r, s, gate) ** 2 / 30]
    for w, square in zip(net.weights, deviations, strict=True):
        assert abs(w.std() / np.sqrt(square) - 1) < 5 / np.sqrt(2 * w.size)
    assert not any(b.any() for b in net.biases)
    again = GDNN.random(100, 20, bases, gate, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(net.weights[1], again.weights[1])


def test_random_weights_keep_the_variance():
    """Given x, the mean square of every z_l is 2 |x|^2 / d_x, that of y is |x|^2 / d_x; means within 5 deviations."""
    bases = [(basis(a, 8), basis(b, 8)) for a, b in [("fourier", "pwq"), ("pwl", "rect"), ("pwl-w", "fourier")]]
    x, squares = np.ones(4), []
    for seed in range(100):
        net = GDNN.random(4, 8, bases, rng=seed)
        squares.append([np.mean(v**2) for v in (*net.states(x), net(x))])
    error = np.mean(squares, axis=0) - [2, 2, 2, 1]
    assert np.all(np.abs(error) < 5 * np.std(squares, axis=0) / 10), error


# -- bad input -----------------------------------------------------------------------------------------------------

P, Q = basis("pwl", 3), basis("pwq", 4)
W, B, BASES = [np.ones((3, 2)), np.ones((3, 4)), np.ones((1, 4))], [np.ones(3), np.ones(3), np.ones(1)], [(P, Q)] * 2


def changed(values: list, l: int, value) -> list:
    return [*values[:l], value, *values[l + 1 :]]


BAD = {
    "no hidden layer": (ValueError, r"bases must have at least 1 entries, got 0", W[:1], B[:1], [], None),
    "too few weights": (ValueError, r"weights must have 3 entries, got 2", W[:2], B, BASES, None),
    "too many biases": (ValueError, r"biases must have 3 entries, got 4", W, [*B, B[0]], BASES, None),
    "rows": (ValueError, r"weights\[1\] must have shape \(3, 4\), got \(4, 3\)", changed(W, 1, W[1].T), B, BASES, None),
    "first": (ValueError, r"weights\[0\] must have shape \(3, 1 or more\), got", changed(W, 0, W[1].T), B, BASES, None),
    "last": (ValueError, r"weights\[2\] must have shape \(1 or more, 4\)", changed(W, 2, W[0]), B, BASES, None),
    "empty": (ValueError, r"weights\[0\] must have shape", changed(W, 0, np.ones((3, 0))), B, BASES, None),
    "vector": (ValueError, r"weights\[1\] must have shape .*, got \(3,\)", changed(W, 1, B[0]), B, BASES, None),
    "bias": (ValueError, r"biases\[2\] must have shape \(1,\), got \(3,\)", W, changed(B, 2, B[0]), BASES, None),
    "nan": (ValueError, r"weights\[0\] must be finite", changed(W, 0, W[0] * np.nan), B, BASES, None),
    "inf": (ValueError, r"biases\[1\] must be finite", W, changed(B, 1, B[1] * np.inf), BASES, None),
    "complex": (TypeError, r"weights\[0\] must be real .* complex128", changed(W, 0, W[0] * 1j), B, BASES, None),
    "number": (TypeError, r"weights must be a sequence, got 3", 3, B, BASES, None),
    "no pair": (TypeError, r"bases\[1\] must be a pair \(p, q\), got basis", W, B, [(P, Q), P], None),
    "name": (TypeError, r"bases\[0\] must be a pair of bases, got \('pwl', 3\)", W, B, [("pwl", 3)] * 2, None),
    "gate": (TypeError, r"gate must be an iatcore.Gate, got 'relu'", W, B, BASES, "relu"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parameters(case):
    error, message, *arguments = BAD[case]
    with pytest.raises(error, match=message):
        GDNN(*arguments)


def test_bad_plain_networks():
    with pytest.raises(ValueError, match="weights must have at least 1 entries, got 0"):
        PlainNetwork([], [])
    with pytest.raises(ValueError, match=r"weights\[1\] must have shape \(1 or more, 3\), got \(3, 4\)"):
        PlainNetwork(W, B)
    with pytest.raises(TypeError, match="gate must be"):
        PlainNetwork(W[:1], B[:1], np.tanh)
    with pytest.raises(ValueError, match="x must have last dimension 2"):
        PlainNetwork(W[:1], B[:1])(np.ones(3))


def test_bad_arguments():
    net = GDNN(W, B, BASES)
    x = np.ones((5, 2))
    other = GDNN(W[:1] + W[2:], B[:1] + B[2:], BASES[:1])
    for function in (net, net.states, net.patterns, net.integrate, net.discretize(3), lambda v: net.decoupled(v, net)):
        with pytest.raises(ValueError, match=r"x must have last dimension 2, got shape \(5, 3\)"):
            function(np.ones((5, 3)))
        with pytest.raises(TypeError, match="x must be real numbers"):
            function(x * 1j)
    for call, error, message in [
        (lambda: net.integrate(x, 0), ValueError, "tolerance must be positive, got 0"),
        (lambda: net.integrate(x, np.nan), ValueError, "tolerance must be finite"),
        (lambda: net.integrate(x, "1"), TypeError, "tolerance must be a real number"),
        (lambda: net.discretize(0), ValueError, "mesh must be an integer >= 1, got 0"),
        (lambda: net.discretize(2.0), TypeError, "mesh must be an integer"),
        (lambda: net.decoupled(x, net.bases), TypeError, "other must be a GDNN, got tuple"),
        (lambda: net.decoupled(x, other), ValueError, "other must have 2 hidden layers and 2 inputs, got 1 and 2"),
        (lambda: net.apply(net.patterns(x)[:1], x), ValueError, "patterns must have 2 entries, got 1"),
        (lambda: net.apply([1, 2], x), TypeError, r"patterns\[0\] must be an ActivationPattern, got int"),
        (lambda: net.apply(net.patterns(x), x[0]), ValueError, r"patterns\[0\] must have batch shape \(\) as x, got"),
        (lambda: net.kernel(2, 0.0, 0.0), ValueError, "l must be an integer from 1 to 1, got 2"),
        (lambda: net.bias(1.0, 0.0), TypeError, "l must be an integer from 0 to 1, got 1.0"),
        (lambda: net.first_weight(1.5), ValueError, r"s must lie in \[-1, 1\]"),
        (lambda: GDNN.random(0, 1, BASES), ValueError, "d_x must be an integer >= 1, got 0"),
        (lambda: GDNN.random(1, 1.5, BASES), TypeError, "d_y must be an integer >= 1, got 1.5"),
        (lambda: GDNN.random(1, 1, []), ValueError, "bases must have at least 1"),
        (lambda: GDNN.random(1, 1, BASES, "relu"), TypeError, "gate must be"),
    ]:
        with pytest.raises(error, match=message):
            call()
