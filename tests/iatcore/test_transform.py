"""The public face of the exact transform: shapes, dtypes, derivatives, bad rows, bad input."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from iatcore import IAT, basis, gates, reference
from tests.cases import PAIRS

RNG_SEED = 20


def rows(*shape: int, seed: int = RNG_SEED) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def make(first: str = "fourier", second: str = "pwq", d: int = 4, e: int = 5, gate=None) -> IAT:
    return IAT(basis(first, d), basis(second, e), gate)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_activation_matrix_is_the_jacobian(first, second):
    iat, z, h = make(first, second), rows(4), 1e-6
    jacobian = np.stack([(iat(z + h * e) - iat(z - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    np.testing.assert_allclose(iat.activation_matrix(z), jacobian, atol=1e-7)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("gate", [gates.relu(), gates.leaky_relu(0.2), gates.absolute()], ids=repr)
def test_products_agree_with_the_matrix(first, second, gate):
    iat, z, g, v = make(first, second, gate=gate), rows(9, 4), rows(9, 5, seed=1), rows(9, 4, seed=2)
    s = iat.activation_matrix(z)
    np.testing.assert_allclose(iat.vjp(z, g), np.einsum("bij,bi->bj", s, g), atol=1e-14)
    np.testing.assert_allclose(iat.jvp(z, v), np.einsum("bij,bj->bi", s, v), atol=1e-14)
    pattern = iat.pattern(z)
    np.testing.assert_allclose(iat.activation_matrix(pattern=pattern), s, atol=1e-14)
    np.testing.assert_allclose(iat.apply(pattern, v), np.einsum("bij,bj->bi", s, v), atol=1e-14)
    np.testing.assert_allclose(iat.apply_transpose(pattern, g), np.einsum("bij,bi->bj", s, g), atol=1e-14)


@pytest.mark.parametrize(("first", "second"), [("pwl", "pwq"), ("fourier", "fourier"), ("pwq", "fourier")])
def test_a_gate_that_jumps_adds_a_term_to_the_gradient(first, second):
    gate = gates.tmaf([-0.4, 0.0, 0.7], [0.2, 1.0, -0.5, 0.9])
    iat, z, h = make(first, second, gate=gate), rows(4), 1e-6
    jacobian = np.stack([(iat(z + h * e) - iat(z - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    g, v = rows(5, seed=1), rows(4, seed=2)
    np.testing.assert_allclose(iat.vjp(z, g), jacobian.T @ g, atol=1e-7)
    np.testing.assert_allclose(iat.jvp(z, v), jacobian @ v, atol=1e-7)
    assert np.abs(jacobian - iat.activation_matrix(z)).max() > 1e-3


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_what_forward_saves_serves_backward(first, second):
    iat, z, g = make(first, second), rows(21, 4), rows(21, 5, seed=1)
    _, saved = iat.forward(z, save=True)
    np.testing.assert_array_equal(iat.backward(z, g, saved), iat.vjp(z, g))


@pytest.mark.parametrize(("first", "second"), [("pwl", "pwq"), ("fourier", "pwq"), ("fourier", "fourier")])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (7,), (8,), (9,), (3, 0, 2), (2, 3, 5)])
def test_any_leading_shape(first, second, shape):
    iat, z = make(first, second), rows(*shape, 4)
    u, s = iat(z), iat.activation_matrix(z)
    assert u.shape == (*shape, 5) and s.shape == (*shape, 5, 4)
    assert iat.vjp(z, np.ones(5)).shape == z.shape
    assert iat.pattern(z).batch_shape == shape
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(u[index], iat(z[index]))


def test_layout_in_memory_does_not_matter():
    iat, z = make("pwq", "fourier"), rows(12, 4)
    u = iat(z)
    np.testing.assert_array_equal(iat(np.asfortranarray(z)), u)
    np.testing.assert_array_equal(iat(np.repeat(z, 2, axis=0)[::2]), u)
    np.testing.assert_array_equal(iat(z[::-1])[::-1], u)
    np.testing.assert_array_equal(iat(np.broadcast_to(z[0], (6, 4))), np.broadcast_to(u[0], (6, 5)))
    padded = np.zeros((12, 9))
    padded[:, 3:7] = z
    np.testing.assert_array_equal(iat(padded[:, 3:7]), u)


def test_dtypes():
    iat = make()
    assert iat(rows(3, 4).astype(np.float32)).dtype == np.float32
    assert iat(rows(3, 4).astype(np.float16)).dtype == np.float16
    whole = np.arange(8).reshape(2, 4) - 3
    np.testing.assert_array_equal(iat(whole), iat(whole.astype(float)))
    assert iat(whole).dtype == np.float64
    assert iat.vjp(rows(3, 4).astype(np.float32), rows(3, 5)).dtype == np.float64


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_bad_row_spoils_itself_alone(first, second, poison):
    iat, z = make(first, second), rows(11, 4)
    bad = z.copy()
    bad[6, 2] = poison
    u, s, back = iat(bad), iat.activation_matrix(bad), iat.vjp(bad, np.ones(5))
    good = np.arange(11) != 6
    for result in (u, s, back, iat.pattern(bad).measure()):
        assert np.isnan(result[6]).all()
    np.testing.assert_array_equal(u[good], iat(z)[good])
    np.testing.assert_array_equal(s[good], iat.activation_matrix(z)[good])
    g = np.ones((11, 5))
    g[3, 0] = poison
    back = iat.vjp(z, g)
    assert np.isnan(back[3]).all() and np.isfinite(back[np.arange(11) != 3]).all()
    assert iat.pattern(bad).intervals(6).shape == (0, 2)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_zero_gives_zero(first, second):
    iat = make(first, second)
    np.testing.assert_array_equal(iat(np.zeros((3, 4))), np.zeros((3, 5)))
    np.testing.assert_array_equal(iat.activation_matrix(np.zeros(4)), np.zeros((5, 4)))


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**900])
def test_homogeneous_at_extreme_scales(scale):
    for first, second in PAIRS:
        iat, z = make(first, second), rows(3, 4)
        np.testing.assert_array_equal(iat(z * scale), iat(z) * scale)


def test_pairs_broadcast():
    iat, z, g = make(), rows(2, 3, 4), rows(3, 5)
    np.testing.assert_array_equal(iat.vjp(z, g)[1], iat.vjp(z[1], g))
    with pytest.raises(ValueError, match=r"z and g must broadcast, got \(2, 3\) and \(2,\)"):
        iat.vjp(z, rows(2, 5))


def test_lipschitz_bound_holds_and_is_attained_for_linear_gates():
    for first, second in PAIRS:
        iat = make(first, second)
        largest = iat.lipschitz()
        a, b = rows(50, 4), rows(50, 4, seed=5)
        ratio = np.linalg.norm(iat(a) - iat(b), axis=1) / np.linalg.norm(a - b, axis=1)
        assert ratio.max() <= largest
    p = basis("pwq", 5)
    linear = IAT(p, p, gates.identity())
    s = linear.activation_matrix(np.zeros(5))
    assert linear.lipschitz() == pytest.approx(np.linalg.norm(s, 2), rel=1e-12)
    with pytest.raises(ValueError, match="jumps"):
        make(gate=gates.tmaf([1.0], [0.0, 1.0])).lipschitz()


def test_mesh_for_a_tolerance():
    iat, z = make("pwl", "pwq"), rows(20, 4)
    mesh = iat.mesh_for(1e-4)
    error = np.linalg.norm(iat.discretize(mesh)(z) - iat(z), axis=1)
    assert (error <= 1e-4 * np.linalg.norm(z, axis=1)).all()


def test_copies():
    iat, z = make(), rows(3, 4)
    u = iat(z)
    for other in (copy.deepcopy(iat), pickle.loads(pickle.dumps(iat))):
        np.testing.assert_array_equal(other(z), u)
    assert "fourier" in repr(iat) and "relu" in repr(iat)


def test_mixture_matrix_is_block_wise():
    p1, p2, q = basis("pwl", 3), basis("fourier", 4), basis("pwq", 5)
    z = rows(6, 7)
    mixed = IAT(p1 + p2, q)
    pattern, s = mixed.pattern(z), mixed.activation_matrix(z)
    np.testing.assert_allclose(s[..., :3], IAT(p1, q).activation_matrix(pattern=pattern), atol=1e-14)
    np.testing.assert_allclose(s[..., 3:], IAT(p2, q).activation_matrix(pattern=pattern), atol=1e-14)


def test_decoupled_pattern_from_another_width():
    """A pattern lives in [-1, 1] whatever the width: it can be carried over (IAT 4.4)."""
    wide, narrow = IAT(basis("fourier", 9), basis("pwq", 4)), IAT(basis("pwl", 4), basis("pwq", 4))
    pattern = wide.pattern(rows(5, 9))
    v = rows(5, 4)
    s = np.arange(200001) / 100000 - 1
    s = (s[:-1] + s[1:]) / 2
    inside = wide.pattern(rows(5, 9))
    for i in range(5):
        active = np.zeros_like(s)
        for lo, hi in inside.intervals(i):
            active[(s > lo) & (s < hi)] = 1
        expected = (narrow.q(s) * (v[i] @ narrow.p(s)) * active).sum(axis=1) * (2 / s.size)
        np.testing.assert_allclose(narrow.apply(pattern, v)[i], expected, atol=2e-4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make()(rows(3)), ValueError, r"z must have last dimension 4, got shape \(3,\)"),
        (lambda: make()(1.0), ValueError, r"z must have last dimension 4, got shape \(\)"),
        (lambda: make()(np.zeros(4, complex)), TypeError, "z must be real numbers .* complex128"),
        (lambda: make()(np.zeros(4, bool)), TypeError, "z must be real numbers .* bool"),
        (lambda: make()(["a", "b", "c", "d"]), TypeError, "z must be real numbers"),
        (lambda: make()(np.zeros(4, np.longdouble)), TypeError, "at most 64 bits"),
        (lambda: make().vjp(rows(4), rows(4)), ValueError, r"g must have last dimension 5, got shape \(4,\)"),
        (lambda: make().jvp(rows(4), rows(5)), ValueError, r"v must have last dimension 4, got shape \(5,\)"),
        (lambda: IAT(basis("pwl", 3), basis("pwl", 3), "relu"), TypeError, "gate must be an iatcore.Gate, got 'relu'"),
        (lambda: IAT(3, basis("pwl", 3)), TypeError, "family must be a name, a Basis or a scipy PPoly"),
        (lambda: make().activation_matrix(), TypeError, "either z or pattern="),
        (lambda: make().apply(rows(2, 4), rows(2, 4)), TypeError, "pattern must be an ActivationPattern, got ndarray"),
        (
            lambda: make().apply(make().pattern(rows(2, 4)), rows(3, 4)),
            ValueError,
            r"leading shape \(2,\) of the pattern, got \(3,\)",
        ),
        (lambda: make().discretize(0), ValueError, "mesh must be an integer >= 1, got 0"),
        (lambda: make().discretize(2.5), TypeError, "mesh must be an integer >= 1, got 2.5"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("first", "second"), [("pwl", "pwq"), ("pwq", "fourier"), ("fourier", "pwq"), ("fourier", "fourier")]
)
def test_another_gate_for_the_same_bases(first: str, second: str) -> None:
    """What was prepared for one gate serves another, and neither changes the other."""
    p, q = basis(first, 5), basis(second, 4)
    rng = np.random.default_rng(3)
    z, g = rng.standard_normal((9, 5)), rng.standard_normal((9, 4))
    start = IAT(p, q)
    before = start(z), start.vjp(z, g)
    for gate in (gates.tmaf([-0.3, 0.0, 0.4], [0.2, 1.0, -0.5, 0.7]), gates.arelu(), gates.identity()):
        other, fresh = start.with_gate(gate), IAT(p, q, gate)
        assert np.array_equal(other(z), fresh(z)) and np.array_equal(other.vjp(z, g), fresh.vjp(z, g))
        for a, b in zip(other.gate_vjp(z, g), fresh.gate_vjp(z, g), strict=True):
            assert np.array_equal(a, b)
    assert np.array_equal(start(z), before[0]) and np.array_equal(start.vjp(z, g), before[1])
    with pytest.raises(TypeError, match="gate must be an iatcore"):
        start.with_gate("relu")  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_states_that_vanish_on_intervals(first, second):
    """Small integers: f is 0 on whole pieces, also by cancellation, and S(z) and S(z) h see that."""
    p, q = basis(first, 7), basis(second, 5)
    iat, exact = IAT(p, q), reference.IAT(p, q)
    generator = np.random.default_rng(3)
    z, h, g = generator.integers(-1, 2, (25, 7)).astype(float), *generator.normal(size=(2, 25, 7))
    g = g[:, :5].copy()
    S = exact.activation_matrix(z)
    # two roots at once move by sqrt(eps)
    near = {"rtol": 0, "atol": 1e-7}
    np.testing.assert_allclose(iat.activation_matrix(z), S, **near)
    u, saved = iat.forward(z, save=True, h=h)
    np.testing.assert_allclose(u, np.einsum("bij,bj->bi", S, h), **near)
    np.testing.assert_allclose(iat.matrix_rows(z, g, True, saved), np.einsum("bij,bi->bj", S, g), **near)
