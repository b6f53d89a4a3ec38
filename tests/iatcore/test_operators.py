"""Step matrices and two-slope activations against loops written from the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import iatcore
from iatcore import smooth_functions, steps
from iatcore.grids import GRIDS, grid, sample
from iatcore.lookup import lookup
from iatcore.operators import ELSA, TMAF, AReLU, Rescaled

RNG = np.random.default_rng(7)
BANDS = ((0,), (-1, 0, 1), (0, 2), (-3, 1), (9,))
TRIED = {
    "gaussian10": "gaussian10",
    "uniform": "uniform",
    "one": (0.0,),
    "none": (),
    "uneven": (0.0, 1e-9, 5.0),
    "huge": (-1e30, 0.0, 1e30),
    "many": tuple(np.linspace(-1, 1, 400).tolist()),
}
GRIDS_TRIED = tuple(TRIED.values())


def step(points, values, x, side="left"):
    """TMAF (6) as it is written: ``t_j`` on ``(s_j, s_{j+1}]``."""
    j = 0
    for s in points:
        j += x > s if side == "left" else x >= s
    return values[j]


def matrix(op, z):
    """S(z) of one vector, entry by entry."""
    n = len(z)
    S = np.zeros((n, n))
    for k, points, values in zip(op.bands, op.grids, op.values, strict=True):
        rounded = [float(z.dtype.type(s)) for s in points]
        for i in range(n):
            if 0 <= i + k < n:
                row = values[i if op.sharing != "layer" else 0]
                S[i, i + k] = step(rounded, row, float(z[i + k]), op.side)
    return S


def test_values_start_on_the_main_diagonal_alone_unless_said():
    z = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(TMAF((0.0,), (-1, 0, 1), init=(0.0, 1.0))(z), z)
    np.testing.assert_array_equal(TMAF((0.0,), pattern=np.ones((3, 3)), init=(0.0, 1.0))(z), z)
    np.testing.assert_array_equal(TMAF((0.0,), (0, 1), init={0: "relu", 1: (0.0, 2.0)})(z), [5.0, 8.0, 3.0])
    assert TMAF("uniform", (-1, 0, 1), init=np.arange(102.0)).values[1][0, 7] == 7.0
    assert TMAF(init="leaky_relu").values[0][0].tolist() == [0.01] * 5 + [1.0] * 5


def test_a_pattern_is_copied():
    P = scipy.sparse.csr_array(([10.0, 20, 30, 40], [2, 0, 1, 2], [0, 2, 3, 4]), shape=(3, 3))
    before = P.toarray()
    op = TMAF(pattern=P)
    np.testing.assert_array_equal(P.toarray(), before)
    z = np.array([1.0, 2.0, 3.0])
    u = op(z)
    P.indices[:] = 2
    np.testing.assert_array_equal(op(z), u)


def test_values_of_another_shape_are_refused():
    for op in (TMAF(), TMAF(bands=(0, 1)), TMAF(sharing="neuron", num_features=7), TMAF(pattern=np.eye(7))):
        for values in ([np.ones((1, 2))], [np.ones((1, 10))] * 3):
            op.values = values
            for call in (op, op.matrix, lambda z, op=op: op.vjp(z, z)):
                with pytest.raises(ValueError, match="values"):
                    call(np.ones(7))


def test_breakpoints_are_rounded_to_the_dtype():
    for dtype in (np.float16, np.float32, np.float64):
        op = TMAF(init=range(10))
        x = np.array(op.grids[0]).astype(dtype)
        np.testing.assert_array_equal(op(x), (np.arange(9) * x.astype(np.float64)).astype(dtype))
        np.testing.assert_array_equal(np.diag(op.matrix(x)), np.arange(9))


def randomised(op):
    op.values = [RNG.standard_normal(v.shape) for v in op.values]
    return op


@pytest.mark.parametrize("points", GRIDS_TRIED, ids=TRIED)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lookup_is_exact_at_and_around_every_breakpoint(points, side, dtype):
    p = grid(points)
    s = np.array(p, dtype=dtype)
    x = np.concatenate(
        [s, np.nextafter(s, dtype(-np.inf)), np.nextafter(s, dtype(np.inf)), 3 * RNG.standard_normal(500)]
    )
    x = np.concatenate([x, [0.0, -0.0, np.inf, -np.inf, 1e38, -1e38, 1e-40]]).astype(dtype)
    op = TMAF(p, init=np.arange(len(p) + 1.0), side=side)
    t = lookup(p, dtype, side)
    assert t.cells == 0 or np.all(np.diff(t.below) >= 0)
    found = np.array([op.matrix(np.array([v]))[0, 0] for v in x])
    np.testing.assert_array_equal(found, np.searchsorted(s, x, side=side))
    finite = x[np.isfinite(x) & (np.abs(x) < 1e30)]
    expected = np.searchsorted(s, finite, side=side) * finite.astype(np.float64)
    np.testing.assert_allclose(op.apply(finite), expected, rtol=2e-7 if dtype == np.float32 else 1e-15)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40, unique=True),
    st.lists(st.floats(-2e3, 2e3, width=32), min_size=1, max_size=30),
)
def test_any_grid_finds_the_interval_of_any_number(points, numbers):
    p = grid(sorted(points))
    x = np.array(numbers, dtype=np.float32)
    op = TMAF(p, init=np.arange(len(p) + 1.0))
    expected = np.searchsorted(np.array(p, np.float32), x) * x
    np.testing.assert_array_equal(op.apply(x), expected.astype(np.float32))


@pytest.mark.parametrize("sharing", ["layer", "channel", "neuron"])
@pytest.mark.parametrize("bands", BANDS, ids=str)
@pytest.mark.parametrize("points", GRIDS_TRIED, ids=TRIED)
def test_tmaf_is_its_matrix_times_z(points, bands, sharing):
    op = randomised(TMAF(points, bands, sharing=sharing, num_features=7, side=RNG.choice(["left", "right"])))
    z, g = RNG.standard_normal((2, 4, 7))
    z[0, :3] = [0.0, 0.26, -1.0]
    S = np.stack([matrix(op, row) for row in z])
    np.testing.assert_array_equal(op.matrix(z), S)
    np.testing.assert_allclose(op(z), np.einsum("bij,bj->bi", S, z), atol=1e-14)
    gradient, sums = op.vjp(z, g)
    np.testing.assert_allclose(gradient, np.einsum("bij,bi->bj", S, g), atol=1e-14)
    # u is linear in the step values: the gradient of each is what u is with that value alone equal to 1
    for table, found in zip(op.values, sums, strict=True):
        assert found.shape == table.shape
    kept = op.values
    for b, table in enumerate(kept):
        for index in list(np.ndindex(table.shape))[:: max(1, table.size // 12)]:
            op.values = [np.zeros_like(v) for v in kept]
            op.values[b][index] = 1.0
            alone = np.stack([matrix(op, row) for row in z])
            assert sums[b][index] == pytest.approx(np.einsum("bij,bj,bi->", alone, z, g), abs=1e-13)
    op.values = kept


@pytest.mark.parametrize("sharing", ["layer", "neuron"])
@pytest.mark.parametrize("pattern", [np.ones((6, 6)), np.eye(6), np.tri(6) - np.eye(6), scipy.sparse.eye_array(6, k=2)])
def test_fixed_patterns(pattern, sharing):
    op = randomised(TMAF("gaussian10", pattern=pattern, sharing=sharing))
    where = scipy.sparse.csr_array(pattern).toarray() != 0
    z, g = RNG.standard_normal((2, 5, 6))
    S = op.matrix(z)
    functions = {}
    for e, (i, j) in enumerate(zip(*where.nonzero(), strict=True)):
        if sharing == "neuron":
            functions[i, j] = e
        else:
            functions[i, j] = 0 if i == j or not (where & np.eye(6, dtype=bool)).any() else 1
    for r in range(5):
        for i in range(6):
            for j in range(6):
                wanted = step(op.grids[0], op.values[0][functions[i, j]], z[r, j]) if where[i, j] else 0.0
                assert S[r, i, j] == wanted
    np.testing.assert_allclose(op(z), np.einsum("bij,bj->bi", S, z), atol=1e-14)
    gradient, (sums,) = op.vjp(z, g)
    np.testing.assert_allclose(gradient, np.einsum("bij,bi->bj", S, g), atol=1e-14)
    expected = np.zeros_like(sums)
    for (i, j), f in functions.items():
        np.add.at(expected[f], np.searchsorted(op.grids[0], z[:, j]), z[:, j] * g[:, i])
    np.testing.assert_allclose(sums, expected, atol=1e-13)
    one = op.matrix(z[0], sparse=True)
    assert scipy.sparse.issparse(one)
    np.testing.assert_array_equal(one.toarray(), S[0])


def test_large_batches_are_the_same_in_any_number_of_threads():
    op = randomised(TMAF("uniform", (-1, 0, 1)))
    z, g = RNG.standard_normal((2, 3000, 50)).astype(np.float32)
    try:
        results = []
        for threads in (1, 2, 3):
            iatcore.set_num_threads(threads)
            results.append((op(z), *op.vjp(z, g)[1]))
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        iatcore.set_num_threads(None)
    values = [v.astype(np.float32).astype(np.float64) for v in op.values]
    expected = np.zeros_like(z, dtype=np.float64)
    for k, points, v in zip(op.bands, op.grids, values, strict=True):
        part = v[0][np.searchsorted(np.array(points, np.float32), z)] * z
        expected[:, max(0, -k) : 50 - max(0, k)] += part[:, max(0, k) : 50 + min(0, k)]
    np.testing.assert_allclose(results[0][0], expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_reductions_and_what_is_not_finite(dtype):
    x = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf, np.nan], dtype=dtype)
    u = TMAF()(x)
    assert u.dtype == dtype
    np.testing.assert_array_equal(u, [0.0, 0.0, 0.0, 0.0, 3.0, np.inf, np.nan])
    assert not np.signbit(u[:4]).any()
    np.testing.assert_array_equal(TMAF(init="identity")(x), x)
    finite = x[1:5]
    np.testing.assert_array_equal(
        TMAF((0.0,), init="leaky_relu")(finite), np.where(finite > 0, finite, dtype(0.01) * finite)
    )
    assert TMAF()(np.empty((0, 3))).shape == (0, 3)
    assert np.isnan(TMAF(bands=(0, 1))(x)[-1])


def test_the_discontinuous_example():
    # TMAF section 2: m = 2, s = (0, 1), t = (0, 1, 0)
    op = TMAF((0.0, 1.0), init=(0.0, 1.0, 0.0))
    x = np.array([-1.0, 0.0, 0.5, 1.0, np.nextafter(1.0, 2.0), 4.0])
    np.testing.assert_array_equal(op(x), [0, 0, 0.5, 1.0, 0, 0])
    assert op.gate().slopes == (0.0, 1.0, 0.0)


def test_grids_of_the_paper():
    assert grid("gaussian10") == (-1.4, -0.92, -0.56, -0.26, 0.0, 0.26, 0.56, 0.92, 1.4)
    normal = np.array([0.5 * math.erfc(-s / math.sqrt(2)) for s in grid("gaussian10")])
    np.testing.assert_allclose(np.diff(normal, prepend=0, append=1), 0.1, atol=0.02)
    alpha, beta, gamma = (grid("uniform", k) for k in (0, 1, -1))
    assert (len(alpha), alpha[0], alpha[50], alpha[-1]) == (101, -1.0, 0.0, 1.0)
    assert (len(beta), beta[0], beta[-1]) == (100, -1.99, -0.01)
    assert (len(gamma), gamma[0], gamma[-1]) == (101, 0.01, 2.01)
    for points in (alpha, beta, gamma):
        np.testing.assert_allclose(np.diff(points), 0.02, atol=1e-15)
    assert set(GRIDS) == {"gaussian10", "uniform"}


def test_an_activation_sampled_on_a_grid_is_met_in_the_middle_of_its_intervals():
    points = grid("uniform")
    middles = (np.array(points)[:-1] + np.array(points)[1:]) / 2
    op = TMAF(points, init=np.tanh)
    np.testing.assert_allclose(op(middles), np.tanh(middles), atol=1e-15)
    assert sample(np.abs, (-1.0, 1.0))[1] == 1.0
    with pytest.raises(ValueError, match="finite values"):
        sample(np.log, (0.0,))
    assert TMAF((1e308, 1.5e308)).values[0].tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("kind", [AReLU, ELSA])
@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.01, 0.3, 0.99, 1.5])
def test_arelu_and_elsa_are_their_formulas(kind, alpha):
    beta = 0.7
    op = kind(alpha, beta)
    x = np.concatenate([RNG.standard_normal(2000), [0.0, -0.0]]).reshape(2, -1)
    g = RNG.standard_normal(x.shape)
    C, s = min(max(alpha, 0.01), 0.99), 1 / (1 + math.exp(-beta))
    top = 1 + s if kind is AReLU else s
    np.testing.assert_allclose(op(x), np.where(x < 0, C * x, top * x), rtol=1e-15)
    if kind is AReLU:
        np.testing.assert_allclose(op(x), np.maximum(x, 0) + ELSA(alpha, beta)(x), rtol=1e-15)
    gradient, d_alpha, d_beta = op.vjp(x, g)
    np.testing.assert_allclose(gradient, np.where(x < 0, C, top) * g, rtol=1e-15)
    inside = 0.01 <= alpha <= 0.99
    assert d_alpha == pytest.approx((g * x)[x < 0].sum() if inside else 0.0, rel=1e-12)
    assert d_beta == pytest.approx(s * (1 - s) * (g * x)[x >= 0].sum(), rel=1e-12)
    S = op.matrix(x[0])
    np.testing.assert_allclose(S @ x[0], op(x[0]), rtol=1e-15)
    np.testing.assert_array_equal(op.matrix(x[0], sparse=True).toarray(), S)
    assert op.gate(0.0) == 0.0 and op.gate.derivative(0.0) == top
    S = op.matrix(np.array([1.0, np.nan]))
    assert np.isnan(S[1, 1]) and S[1, 0] == S[0, 1] == 0.0
    with pytest.raises(TypeError, match="g must be real numbers"):
        op.vjp(x, g * 1j)


@pytest.mark.parametrize("sharing", ["layer", "channel"])
@pytest.mark.parametrize("bands", [(0,), (-1, 0, 2)])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus"])
def test_rescaled_entries(name, bands, sharing):
    op = Rescaled(getattr(smooth_functions, name), bands, sharing, 5)
    op.omega = RNG.standard_normal(op.omega.shape)
    z, g = RNG.standard_normal((2, 3, 5))
    S = op.matrix(z)
    np.testing.assert_allclose(op(z), np.einsum("bij,bj->bi", S, z), atol=1e-14)
    gradient, sums = op.vjp(z, g)
    h = 1e-6
    for index in np.ndindex(z.shape):
        e = np.zeros_like(z)
        e[index] = h
        assert gradient[index] == pytest.approx(((op(z + e) - op(z - e)) * g).sum() / (2 * h), abs=1e-8)
    for index in np.ndindex(sums.shape):
        kept = op.omega.copy()
        op.omega[index] += h
        up = (op(z) * g).sum()
        op.omega[index] -= 2 * h
        assert sums[index] == pytest.approx((up - (op(z) * g).sum()) / (2 * h), abs=1e-8)
        op.omega = kept
    if name == "sigmoid" and bands == (0,) and sharing == "layer":
        np.testing.assert_allclose(op(z), z / (1 + np.exp(-op.omega[0] * z)), rtol=1e-13)


@pytest.mark.slow
def test_sums_over_many_entries_keep_their_digits():
    size = 2**24
    x = RNG.standard_normal(size).astype(np.float32)
    g = RNG.standard_normal(size).astype(np.float32)
    out = np.empty_like(x)
    addresses = x.ctypes.data, g.ctypes.data, out.ctypes.data
    low, high = steps.two_slopes_gradient(np.float32, *addresses, size, 0.5, 1.5)
    p = x.astype(np.float64) * g
    assert low == pytest.approx(p[x < 0].sum(), rel=1e-10)
    assert high == pytest.approx(p[x >= 0].sum(), rel=1e-10)
    (sums,) = TMAF("uniform").vjp(x, g)[1]
    bins = np.searchsorted(np.array(grid("uniform"), np.float32), x)
    np.testing.assert_allclose(sums[0], np.bincount(bins, p, 102), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arelu_takes_arrays_with_gaps_in_any_order(dtype):
    x, g = RNG.standard_normal((2, 12, 9)).astype(dtype)
    operator = AReLU(0.5, 1.0)
    above = 1 + 1 / (1 + math.exp(-1.0))
    for view in (lambda a: a[:, ::3], lambda a: a[::-1], lambda a: a.T, lambda a: np.broadcast_to(a[0], (4, 9))):
        z, h = view(x), view(g)
        slopes = np.where(z < 0, 0.5, above)
        np.testing.assert_allclose(operator(z), slopes * z, rtol=1e-6)
        gradient, low, _ = operator.vjp(z, h)
        np.testing.assert_allclose(gradient, slopes * h, rtol=1e-6)
        assert low == pytest.approx((h.astype(float) * z)[z < 0].sum(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: TMAF((0.0, 0.0)), ValueError, "grid must ascend strictly, got 0.0 and then 0.0 at positions 0 and 1"),
        (lambda: TMAF((1.0, 0.0)), ValueError, "grid must ascend strictly"),
        (lambda: TMAF((0.0, math.nan)), ValueError, "grid must be finite"),
        (lambda: TMAF("gauss"), ValueError, "one of gaussian10, uniform, got 'gauss'"),
        (lambda: TMAF(["a"]), TypeError, "grid must be a sequence of real numbers"),
        (lambda: TMAF(3), TypeError, "grid must be a name or a sequence"),
        (lambda: TMAF({0: (0.0,)}, bands=(0, 1)), ValueError, "keys"),
        (lambda: TMAF(bands=()), ValueError, "bands must be distinct, and at least one"),
        (lambda: TMAF(bands=(0, 0)), ValueError, "bands must be distinct"),
        (lambda: TMAF(bands=(0.5,)), TypeError, "bands must be a sequence of integers"),
        (lambda: TMAF(sharing="neuron"), ValueError, 'sharing="neuron" needs num_features, got None'),
        (lambda: TMAF(sharing="row"), ValueError, "sharing must be one of layer, channel, neuron, got 'row'"),
        (lambda: TMAF(num_features=0), ValueError, "num_features"),
        (lambda: TMAF(init="relu7"), ValueError, "init must be"),
        (lambda: TMAF((0.0,), init=(1.0, 2.0, 3.0)), ValueError, "init must have 2 step values for 1 breakpoints"),
        (lambda: TMAF((0.0,), init=(1.0, math.inf)), ValueError, "init must be finite"),
        (lambda: TMAF(pattern=np.ones((2, 3))), ValueError, r"pattern must be square, got shape \(2, 3\)"),
        (lambda: TMAF(pattern=np.zeros((3, 3))), ValueError, "pattern must have entries"),
        (lambda: TMAF(pattern="full"), TypeError, "pattern must be a matrix"),
        (
            lambda: TMAF(pattern=np.eye(3), num_features=4),
            ValueError,
            "num_features must be that of the pattern, 3, got 4",
        ),
        (lambda: TMAF(side="up"), ValueError, "side must be"),
        (lambda: TMAF(num_features=3)(np.ones(4)), ValueError, r"z must have last dimension 3, got shape \(4,\)"),
        (lambda: TMAF()(np.ones(3, complex)), TypeError, "z must be real numbers"),
        (lambda: TMAF()(1.0), ValueError, "z must have at least one dimension"),
        (lambda: TMAF().vjp(np.ones(3), np.ones(4)), ValueError, r"g must have the shape of z, \(3,\), got \(4,\)"),
        (lambda: TMAF().matrix(np.ones((2, 3)), sparse=True), ValueError, "one z"),
        (lambda: AReLU(math.nan), ValueError, "alpha must be finite"),
        (lambda: AReLU().vjp(np.ones(2), np.ones(3)), ValueError, "g must have the shape of z"),
        (lambda: Rescaled(np.tanh), TypeError, "function must be an iatcore.Smooth"),
        (lambda: Rescaled(iatcore.Smooth(np.tanh)), ValueError, "derivative"),
        (lambda: Rescaled(smooth_functions.tanh, sharing="neuron"), ValueError, "needs num_features"),
    ],
)
def test_bad_input_is_named(make, error, text):
    with pytest.raises(error, match=text):
        make()
