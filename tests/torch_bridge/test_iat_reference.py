"""The torch reference of the exact transform against quadrature between independently found roots."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.interpolate import PPoly
from scipy.optimize import brentq
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import iatcore
from iatcore import Basis, Gate, gates
from torch_bridge.ops.iat.reference import iat, prepare
from torch_bridge.ops.iat.state import bernstein_table, cell_ends, find_crossings, halving

FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
JUMPING = gates.tmaf([-0.3, 0.0, 0.4], [0.2, 1.0, -0.5, 0.7])
TOLERANCE = 1e-12  # of the largest entry; both sides lose some hundred eps at most


def crossing(f: Callable[[float], float], a: float, b: float) -> float:
    """The root of f in [a, b]; an end if rounding denies a change of sign."""
    if f(a) * f(b) < 0:
        return brentq(f, a, b, xtol=1e-15, rtol=np.float64(1e-15))
    return min(a, b, key=lambda s: abs(f(s)))


def oracle(p: Basis, q: Basis, gate: Gate, z: NDArray[np.float64], samples: int = 801) -> NDArray[np.float64]:
    """u for one z: sign changes on a fine grid, brentq, Gauss-Legendre on small pieces between."""
    x, w = np.polynomial.legendre.leggauss(12)
    knots = np.union1d(p.breakpoints, q.breakpoints)
    ends = []
    for a, b in itertools.pairwise(knots):
        grid = np.linspace(a + 1e-14 * (b - a), b - 1e-14 * (b - a), samples)
        cuts = [a, b]
        for level in gate.breakpoints:
            above = z @ p(grid) > level
            steps = np.flatnonzero(above[1:] != above[:-1])
            cuts += [crossing(lambda s, c=level: float(z @ p(s)) - c, grid[i], grid[i + 1]) for i in steps]
        cuts = np.sort(cuts)
        ends.append(np.concatenate([np.linspace(c, d, 9)[:-1] for c, d in itertools.pairwise(cuts)]))
    ends = np.append(np.concatenate(ends), 1.0)
    half = np.diff(ends)[:, None] / 2
    s, weights = (ends[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()
    return q(s) @ (gate(z @ p(s)) * weights)


def composite_nodes(basis: Basis) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on the pieces of a piecewise basis."""
    x, w = np.polynomial.legendre.leggauss(6)
    half = np.diff(basis.breakpoints)[:, None] / 2
    return (basis.breakpoints[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()


def assert_matches_oracle(p: Basis, q: Basis, gate: Gate, z: NDArray[np.float64], samples: int = 801) -> None:
    u = iat(torch.from_numpy(z), prepare(p, q, gate)).numpy()
    expected = np.array([oracle(p, q, gate, row, samples) for row in z])
    np.testing.assert_allclose(u, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def normal(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


# -- values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FAMILIES, FAMILIES)))
def test_pairs(first: str, second: str) -> None:
    assert_matches_oracle(iatcore.basis(first, 5), iatcore.basis(second, 4), gates.relu(), normal(2, 5))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gate", [gates.relu(), gates.arelu()], ids=repr)
def test_zeros_at_breakpoints(family: str, gate: Gate) -> None:
    """Small integers as coefficients: f is 0 at many ends of cells, touching or crossing there."""
    z = np.random.default_rng(2).integers(-2, 3, (25, 6)).astype(np.float64)
    assert_matches_oracle(iatcore.basis(family, 6), iatcore.basis("pwl", 3), gate, z, samples=401)


GATES = [
    gates.leaky_relu(),
    gates.absolute(),
    gates.identity(),
    gates.arelu(),
    JUMPING,
    Gate((-0.3, 0.4), (0.5, 1.0, 2.0), side="right"),
    Gate((0.1, 0.2), (1.0, 1.0, 2.0)),
]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@pytest.mark.parametrize("family", ["rect", "pwl", "fourier"])
def test_gates(family: str, gate: Gate) -> None:
    assert_matches_oracle(iatcore.basis(family, 4), iatcore.basis("pwq", 3), gate, normal(2, 4, seed=1))


def quintic() -> Basis:
    return iatcore.basis(PPoly(normal(6, 3, 4, seed=3), np.array([-1.0, -0.5, 0.25, 1.0])))


def high_degree() -> Basis:
    """The Chebyshev polynomials of degree 11 and 12."""
    powers = [np.polynomial.chebyshev.cheb2poly([0] * n + [1])[::-1] for n in (11, 12)]
    c = np.stack([np.pad(c, (13 - len(c), 0)) for c in powers], axis=-1)
    return iatcore.basis(PPoly(c[:, None, :], np.array([-1.0, 1.0]), extrapolate=True))


MIXTURES = {
    "fourier + pwl": iatcore.basis("fourier", 3) + iatcore.basis("pwl", 3),
    "rect + pwq": iatcore.basis("rect", 2) + iatcore.basis("pwq", 3),
    "pwl centred": iatcore.basis("pwl", 4, layout="centred"),
    "rect-w haar": iatcore.basis("rect-w", 5, layout="haar"),
    "pwl-w haar": iatcore.basis("pwl-w", 5, layout="haar", scale=3.0),
    "quintic": quintic(),
    "fourier + quintic": iatcore.basis("fourier", 2) + quintic(),
    "fourier'": iatcore.basis("fourier", 4).derivative(),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_other_bases(name: str) -> None:
    p = MIXTURES[name]
    assert_matches_oracle(p, iatcore.basis("pwl", 3), gates.relu(), normal(2, p.size, seed=4))
    assert_matches_oracle(iatcore.basis("fourier", 3), p, gates.relu(), normal(2, 3, seed=5))


def test_high_degree() -> None:
    p = high_degree()
    assert_matches_oracle(p, p, gates.relu(), normal(2, 2, seed=6), samples=8001)


def test_many_functions() -> None:
    assert_matches_oracle(
        iatcore.basis("fourier", 48), iatcore.basis("pwq", 40), gates.relu(), normal(1, 48), samples=201
    )


def test_rect_is_relu() -> None:
    p = iatcore.basis("rect", 5)
    z = torch.from_numpy(normal(7, 5))
    u = iat(z, prepare(p, p.scaled(2.5), gates.relu()))
    torch.testing.assert_close(u, torch.relu(z), rtol=4 * torch.finfo(z.dtype).eps, atol=0)


# -- crossings ------------------------------------------------------------------------------------------


def roots(p: Basis, z: NDArray[np.float64], level: float = 0.0) -> list[NDArray[np.float64]]:
    """Crossings of one level for each row of z, as points in [-1, 1]."""
    ends = cell_ends(p, p)
    table = bernstein_table(p, ends)
    b = torch.from_numpy(np.einsum("nd,dck->nck", z, table))
    found = find_crossings(
        b,
        torch.full((len(z), 1), level, dtype=b.dtype),
        torch.from_numpy(halving(table.shape[-1] - 1)),
        False,
    )
    left, right = np.array([float(a) for a in ends[:-1]]), np.array([float(a) for a in ends[1:]])
    s = left[found.cell] + (right - left)[found.cell] * found.t.numpy()
    return [np.sort(s[found.row.numpy() == i]) for i in range(len(z))]


def test_no_sign_change_is_missed() -> None:
    p, z = iatcore.basis("fourier", 10), normal(300, 10, seed=7)
    grid = np.linspace(-1, 1, 4001)
    above = z @ p(grid) > 0
    for row, found in zip(above, roots(p, z), strict=True):
        seen = np.flatnonzero(row[1:] != row[:-1])
        assert len(found) >= len(seen) and (len(found) - len(seen)) % 2 == 0
        nearest = np.abs(found[None, :] - grid[seen, None] - 2.5e-4).min(1, initial=9.0)
        assert np.all(nearest <= 2.5e-4 + 1e-12)
    # none is invented either: f is 0 where it is said to be
    for row, found in zip(z, roots(p, z), strict=True):
        assert np.all(np.abs(row @ p(found)) <= 1e-13 * np.abs(row).sum())


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_close_pair(gap: float) -> None:
    """cos(pi s) = cos(pi gap / 2) at -gap/2 and gap/2; the width is known to about eps / gap**2."""
    p = iatcore.basis("fourier", 2) + iatcore.basis("rect", 1)
    z = np.array([[0.0, 1.0, -np.cos(np.pi * gap / 2)]])
    (found,) = roots(p, z)
    assert len(found) == 2
    np.testing.assert_allclose(found, [-gap / 2, gap / 2], rtol=4 * np.finfo(float).eps / (np.pi * gap) ** 2 + 1e-15)


def test_triple() -> None:
    """Three roots in one cell."""
    c = np.polynomial.polynomial.polyfromroots([0.9, 0.9 + 1e-3, 1.2])[::-1]  # in s + 1
    p = iatcore.basis(PPoly(c[:, None], np.array([-1.0, 1.0])))
    (found,) = roots(p, np.ones((1, 1)))
    np.testing.assert_allclose(found, [-0.1, -0.1 + 1e-3, 0.2], atol=1e-11)


def test_tangency_is_no_crossing() -> None:
    """cos(pi s) + cos(2 pi s) touches zero nowhere but where it crosses; 1 - cos(2 pi s) only touches."""
    p = iatcore.basis("fourier", 4) + iatcore.basis("rect", 1)
    z = np.array([[0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, -1.0, 1.0]])
    first, second = roots(p, z)
    np.testing.assert_allclose(first, [-1 / 3, 1 / 3], atol=1e-15)
    assert len(second) % 2 == 0
    u = iat(torch.from_numpy(z), prepare(p, iatcore.basis("rect", 1), gates.relu()))
    # rounding may cut out a neighbourhood of the tangency where f < eps, of width sqrt(eps): eps**1.5 in u
    np.testing.assert_allclose(u[1].numpy(), [2.0], rtol=1e-15)


@pytest.mark.parametrize("closed", [False, True])
def test_zero_at_an_end(closed: bool) -> None:
    """What counts is the crossing of an infinitesimally shifted level: at the end, inside, or none."""
    b = torch.tensor(
        [
            [0, -1, 1],
            [1, -1, 0],
            [0, 1, -1],
            [-1, 1, 0],
            [0, 0, 1],
            [1, 0, 0],
            [0, 0, -1],
            [-1, 0, 0],
            [0, 0, 0],
        ]
    ).double()
    found = find_crossings(b[:, None], torch.zeros(9, 1).double(), torch.from_numpy(halving(2)), closed)
    order = torch.argsort(found.row * 2 + found.t)
    crossings = [(int(found.row[i]), float(found.t[i]), bool(found.rising[i])) for i in order]
    third = 1 / 3
    positive = {0: [(2 * third, True)], 1: [(third, False)], 4: [(0.0, True)], 5: [(1.0, False)]}
    positive |= {2: [(0.0, True), (2 * third, False)], 3: [(third, True), (1.0, False)]}
    negative = {0: [(0.0, False), (2 * third, True)], 1: [(third, False), (1.0, True)]}
    negative |= {2: [(2 * third, False)], 3: [(third, True)], 6: [(0.0, False)], 7: [(1.0, True)]}
    expected = [(row, *pair) for row, pairs in sorted((negative if closed else positive).items()) for pair in pairs]
    assert [c[::2] for c in crossings] == [e[::2] for e in expected]
    np.testing.assert_allclose([c[1] for c in crossings], [e[1] for e in expected], atol=1e-15)


# -- special rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gate", [gates.relu(), gates.arelu(), JUMPING], ids=repr)
def test_zero(family: str, gate: Gate) -> None:
    plan = prepare(iatcore.basis(family, 6), iatcore.basis("pwl", 3), gate)
    z = torch.zeros(2, 6, dtype=torch.float64)
    z[1, 0] = 1.0  # zero on most pieces of a local basis
    u = iat(z, plan)
    assert torch.equal(u[0], torch.zeros(3, dtype=torch.float64))
    assert u[1].isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_rows_stay_alone(family: str) -> None:
    plan = prepare(iatcore.basis(family, 4), iatcore.basis("fourier", 3), gates.relu())
    z = torch.from_numpy(normal(4, 4))
    good = iat(z, plan)
    z[1, 2], z[3, 0] = torch.nan, torch.inf
    u = iat(z, plan)
    assert u[[1, 3]].isnan().all()
    torch.testing.assert_close(u[[0, 2]], good[[0, 2]], rtol=0, atol=1e-15)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("exponent", [-1060, -1000, -300, 300, 1000])
def test_scale(family: str, exponent: int) -> None:
    """A power of two passes through a homogeneous gate without any rounding but that of the result."""
    plan = prepare(iatcore.basis(family, 4), iatcore.basis("pwq", 3), gates.relu())
    z = torch.from_numpy(np.round(normal(3, 4) * 8) / 8)
    u = np.ldexp(iat(z, plan).numpy(), exponent)
    scaled = iat(torch.from_numpy(np.ldexp(z.numpy(), exponent)), plan).numpy()
    np.testing.assert_allclose(scaled, u, rtol=0, atol=5e-324)


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_levels_scale_with_the_rows(unit: float) -> None:
    p, q = iatcore.basis("pwl", 4), iatcore.basis("pwq", 3)
    scaled = gates.tmaf([s * unit for s in JUMPING.breakpoints], JUMPING.slopes)
    z = torch.from_numpy(normal(3, 4))
    u, expected = iat(z * unit, prepare(p, q, scaled)), iat(z, prepare(p, q, JUMPING)) * unit
    torch.testing.assert_close(u, expected, rtol=0, atol=1e-14 * unit)
    assert iat(z * 1e-300, prepare(p, q, JUMPING)).isfinite().all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_pieces_on_a_level(side: str) -> None:
    gate = Gate((0.5,), (1.0, 3.0), side=side)  # type: ignore[arg-type]
    p = iatcore.basis("rect", 3)
    z = torch.tensor([[0.5, 0.25, 0.75], [0.5, 0.5, 0.5]], dtype=torch.float64)
    u = iat(z, prepare(p, p.scaled(1.5), gate))
    torch.testing.assert_close(u, torch.from_numpy(gate(z.numpy())), rtol=1e-15, atol=0)


def test_shapes_and_dtypes() -> None:
    plan = prepare(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), gates.relu())
    z = torch.from_numpy(normal(2, 3, 4))
    u = iat(z, plan)
    assert u.shape == (2, 3, 3)
    torch.testing.assert_close(iat(z[1, 2], plan), u[1, 2], rtol=0, atol=1e-15)
    assert iat(z[:0], plan).shape == (0, 3, 3)
    single = iat(z.float(), plan)
    assert single.dtype == torch.float32
    assert torch.equal(single, iat(z.float().double(), plan).float())
    with pytest.raises(ValueError, match=r"z must have shape \(\.\.\., 4\), got \(2, 3\)"):
        iat(z[..., 0], plan)
    with pytest.raises(ValueError, match="pattern_from must have the shape of z"):
        iat(z, plan, pattern_from=z[0])


def test_empty_batch_has_a_gradient() -> None:
    plan = prepare(iatcore.basis("pwl", 4), iatcore.basis("pwq", 3), gates.relu())
    z = torch.zeros(0, 4, dtype=torch.float64, requires_grad=True)
    iat(z, plan).sum().backward()
    assert z.grad is not None and z.grad.shape == (0, 4)


def test_everything_is_on_the_device_of_the_input() -> None:
    plan = prepare(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), JUMPING)
    z = torch.from_numpy(normal(5, 4))
    expected = iat(z, plan)
    with torch.device("meta"):  # a tensor made on the default device would not mix with those on the CPU
        assert torch.equal(iat(z, plan), expected)


# -- derivatives ----------------------------------------------------------------------------------------

PAIRS = [("pwl", "fourier"), ("pwq", "pwl"), ("fourier", "pwq"), ("fourier", "fourier"), ("pwl-w", "rect")]


def leaf(rows: int, size: int, seed: int) -> Tensor:
    return torch.from_numpy(normal(rows, size, seed=seed)).requires_grad_()


@pytest.mark.parametrize("gate", [gates.relu(), JUMPING], ids=["relu", "jumping"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_first_and_second_derivative(first: str, second: str, gate: Gate) -> None:
    plan = prepare(iatcore.basis(first, 4), iatcore.basis(second, 2), gate)
    z = leaf(1, 4, seed=8)
    assert gradcheck(lambda z: iat(z, plan), z)
    assert gradgradcheck(lambda z: iat(z, plan), z)


@pytest.mark.parametrize("gate", [gates.relu(), JUMPING], ids=["relu", "jumping"])
@pytest.mark.parametrize(("first", "second"), PAIRS[:4])
def test_third_derivative(first: str, second: str, gate: Gate) -> None:
    plan = prepare(iatcore.basis(first, 3), iatcore.basis(second, 2), gate)
    weights, direction = torch.tensor([0.5, 1.5]).double(), torch.tensor([1.0, -0.5, 0.3]).double()

    def directional(z: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad((iat(z, plan) * weights).sum(), z, create_graph=True)
        (hessian,) = torch.autograd.grad((gradient * direction).sum(), z, create_graph=True)
        return hessian

    assert gradcheck(directional, leaf(2, 3, seed=18))


def test_second_derivative_is_the_sum_over_roots() -> None:
    """d2 u_i / dz_j dz_l = sum over roots r of q_i(r) p_j(r) p_l(r) / |f'(r)|."""
    p, q = iatcore.basis("fourier", 5), iatcore.basis("pwq", 3)
    z = normal(1, 5, seed=10)
    (r,) = roots(p, z)
    expected = np.einsum("ir,jr,lr,r->ijl", q(r), p(r), p(r), 1 / np.abs(z[0] @ p.derivative()(r)))
    plan = prepare(p, q, gates.relu())
    hessian = torch.func.jacrev(torch.func.jacrev(lambda z: iat(z, plan)))(torch.from_numpy(z[0]))
    np.testing.assert_allclose(hessian.numpy(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("family", ["pwq", "fourier"])
def test_orders_that_newton_steps_reach(family: str) -> None:
    """One step is right to the third derivative of u and wrong in the fourth, two are right there too."""
    plan = prepare(iatcore.basis(family, 3), iatcore.basis("pwq", 2), gates.relu())
    z, v = torch.tensor([1.0, -0.6, 0.8]).double(), torch.tensor([0.3, 0.5, -0.4]).double()

    def derivatives(steps: int) -> list[float]:
        t = torch.zeros((), dtype=torch.float64, requires_grad=True)
        y = (iat(z + t * v, plan, newton_steps=steps) * torch.tensor([0.3, 1.0])).sum()
        values = []
        for _ in range(5):
            (y,) = torch.autograd.grad(y, t, create_graph=True)
            values.append(y.item())
        return values

    exact, two, one = derivatives(3), derivatives(2), derivatives(1)
    np.testing.assert_allclose(two, exact, rtol=1e-10)
    np.testing.assert_allclose(one[:3], exact[:3], rtol=1e-12)
    assert abs(one[3] / exact[3] - 1) > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_second_derivative_is_recorded_without_crossings(family: str) -> None:
    """Zero, not an error of autograd, where the pattern is constant."""
    p = iatcore.basis(family, 3) + iatcore.basis("rect", 1)
    z = torch.tensor([[0.01, 0.01, 0.01, 9.0]], dtype=torch.float64, requires_grad=True)
    u = iat(z, prepare(p, p, gates.relu()))
    (gradient,) = torch.autograd.grad(u.sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), z)
    assert torch.equal(second, torch.zeros_like(z))


def test_newton_steps_keep_values() -> None:
    plan = prepare(iatcore.basis("fourier", 6), iatcore.basis("pwq", 5), JUMPING)
    z = torch.from_numpy(normal(20, 6))
    assert torch.equal(iat(z, plan, newton_steps=0), iat(z, plan, newton_steps=3))


def test_no_slope() -> None:
    """t**2 and (1 - t)**2 on a cell, and zero: crossings without a derivative stay constant."""
    p = iatcore.basis("pwq", 5)
    z = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0], [0.0] * 5], dtype=torch.float64, requires_grad=True)
    u = iat(z, prepare(p, p, gates.relu()))
    (gradient,) = torch.autograd.grad(u.sum(), z, create_graph=True)
    (second,) = torch.autograd.grad((gradient**2).sum(), z)
    s, w = composite_nodes(p)
    pattern = z.detach().numpy() @ p(s) > 0
    np.testing.assert_allclose(gradient.detach().numpy(), (pattern * w * p(s).sum(0)) @ p(s).T, atol=1e-15)
    assert torch.equal(second, torch.zeros_like(z))


@pytest.mark.parametrize("family", ["pwq", "fourier"])
def test_gradient_at_a_small_slope(family: str) -> None:
    """The gradient is S(z) there, too: rounding of f at the crossing is not divided by the slope."""
    p = iatcore.basis(family, 4) + iatcore.basis("rect", 1)
    plan = prepare(p, p, gates.relu())
    z = torch.tensor([[0.0, 1.0, 0.0, 0.0, 1.0]] if family == "fourier" else [[0.0, 0.0, 1.0, 0.0, 0.0]]).double()
    for offset in (-1e-14, 0.0, 1e-14):
        x = (z + torch.tensor([0, 0, 0, 0, offset]).double()).requires_grad_()
        (gradient,) = torch.autograd.grad(iat(x, plan).sum(), x)
        (expected,) = torch.autograd.grad(iat(x, plan, newton_steps=0).sum(), x)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-15)


# -- decoupled ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_decoupled_gradients(first: str, second: str) -> None:
    plan = prepare(iatcore.basis(first, 4), iatcore.basis(second, 2), gates.relu())
    z, source = leaf(1, 4, seed=11), leaf(1, 4, seed=12)
    assert gradcheck(lambda z, y: iat(z, plan, pattern_from=y), (z, source))


def test_decoupled_second_derivative() -> None:
    plan = prepare(iatcore.basis("fourier", 3), iatcore.basis("pwq", 2), JUMPING)
    z, source = leaf(1, 3, seed=13), leaf(1, 3, seed=14)
    assert gradgradcheck(lambda z, y: iat(z, plan, pattern_from=y), (z, source))


def test_decoupled_from_itself_is_coupled() -> None:
    plan = prepare(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), gates.relu())
    z = torch.from_numpy(normal(5, 4))
    assert torch.equal(iat(z, plan, pattern_from=z), iat(z, plan))
    linear = iat(2 * z, plan, pattern_from=1e-200 * z)  # the pattern of a multiple is the same
    torch.testing.assert_close(linear, 2 * iat(z, plan), rtol=0, atol=1e-14)


def test_decoupled_is_linear_in_z() -> None:
    plan = prepare(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), JUMPING)
    x, y, source = (torch.from_numpy(normal(5, 4, seed=s)) for s in (15, 16, 17))
    both = iat(x + y, plan, pattern_from=source)
    parts = iat(x, plan, pattern_from=source) + iat(y, plan, pattern_from=source)
    torch.testing.assert_close(both, parts, rtol=0, atol=1e-14)
    source[2, 1] = torch.nan
    assert iat(x, plan, pattern_from=source).isnan().all(-1).tolist() == [False, False, True, False, False]
