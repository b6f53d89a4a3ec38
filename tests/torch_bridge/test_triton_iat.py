"""The Triton kernels of the exact transform, run by Triton's interpreter and compiled for GPUs that are not there.

Judges: :mod:`torch_bridge.ops.iat.reference` with autograd for u and its gradient, :class:`iatcore.IAT` for
directional and second derivatives. A result may be wrong by some roundings of ``integral |q| |p| ds |h|`` and by what
the judge itself changes when every coefficient of the state function is changed by a few roundings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import iatcore
from iatcore import Gate, basis, gates
from tests.torch_bridge.triton_tools import compile_everywhere, interpreted, poison
from torch_bridge.ops.iat import reference
from torch_bridge.ops.iat.op import Transform

pytest.importorskip("triton", reason="needs triton")

LOCAL = "torch_bridge.ops.iat.triton_local"
WAVES = "torch_bridge.ops.iat.triton_waves"
LOCAL_WAVES = "torch_bridge.ops.iat.triton_local_waves"
FAMILIES = ("rect", "pwl", "pwq", "rect-w", "pwl-w")
GATES = {
    "relu": gates.relu(),
    "leaky": gates.leaky_relu(0.1),
    "absolute": gates.absolute(),
    "arelu": gates.arelu(),
    "identity": gates.identity(),
    "negative": Gate((0.0,), (1.0, 0.0)),
    "several": Gate((-1.0, 0.0, 1.0), (0.2, 0.2, -0.9, -0.9), side="right"),
}
ROUNDINGS = 32
"""Of the terms of one result: weights, functionals, nodes, products and sums of a handful of pieces."""
SHAKE = 8
"""Roundings of each coefficient of the state function, whose effect is allowed fourfold."""


@pytest.fixture(autouse=True)
def nothing_is_left_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that no kernel writes is seen."""
    poison(monkeypatch)


def random(rows: int, size: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal((rows, size)), dtype=dtype)


def special(size: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """33 rows: zeros, constants, vanishing pieces, single functions, huge and tiny rows, and ordinary ones."""
    z = random(33, size, seed, dtype)
    z[0], z[1], z[2] = 0.0, 1.0, -1.0
    z[3, size // 2 :], z[4, : size // 2] = 0.0, 0.0
    z[5], z[6, ::2] = torch.eye(size, dtype=dtype)[size // 2], 0.0
    z[7] *= 1e30
    z[8] *= 1e-30
    return z


def absolute_gram(t: Transform) -> np.ndarray:
    """``max |a| integral of |q| |p|^T``, (d_out, d_in), about."""
    s = -1 + (2 * np.arange(2000) + 1) / 2000
    return max(map(abs, t.gate.slopes)) * np.abs(t.q(s)) @ np.abs(t.p(s)).T * 1e-3 * 1.01


EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float64, torch.float32)}
Judge = Callable[[np.ndarray], np.ndarray]


def assert_close(result: Tensor, judge: Judge, z: Tensor, floor: np.ndarray, eps: float, shake: bool = True) -> None:
    """``floor``: what one rounding of every term amounts to, relative to eps."""
    exact = judge(z.double().numpy())
    allowed = ROUNDINGS * eps * floor
    if shake:
        for seed in range(2):
            moved = 1 + SHAKE * eps * np.random.default_rng(seed).uniform(-1, 1, z.shape)
            allowed = np.maximum(
                allowed, ROUNDINGS * eps * floor + 4 * np.abs(judge(z.double().numpy() * moved) - exact)
            )
    error = np.abs(result.double().numpy() - exact)
    assert np.isfinite(exact).all() and error.shape == allowed.shape
    excess = error - allowed
    where = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[where] <= 0, f"entry {where}: error {error[where]}, allowed {allowed[where]}"


def check(kernels: ModuleType, t: Transform, z: Tensor, second: bool = True, shake: bool = True) -> None:
    """u, gradient, directional derivative and second derivative at rows z."""
    tables = kernels.prepare(t, "cpu", z.dtype)
    g, v = random(len(z), t.q.size, 101, z.dtype), random(len(z), t.p.size, 102, z.dtype)
    gn, vn, gram = g.double().numpy(), v.double().numpy(), absolute_gram(t)
    eps = EPS[z.dtype]

    def u(x: np.ndarray) -> np.ndarray:
        return reference.iat(torch.from_numpy(x), t.plan).numpy()

    def gradient(x: np.ndarray) -> np.ndarray:
        with torch.enable_grad():
            leaf = torch.from_numpy(x).clone().requires_grad_()
            return torch.autograd.grad(reference.iat(leaf, t.plan), leaf, torch.from_numpy(gn))[0].numpy()

    vjp: Judge = gradient if shake else lambda x: t.core.vjp(x, gn)
    assert_close(kernels.forward(z, tables), u, z, np.abs(z.double().numpy()) @ gram.T, eps)
    assert_close(kernels.apply(z, g, tables, transpose=True), vjp, z, np.abs(gn) @ gram, eps, shake)
    assert_close(kernels.apply(z, v, tables), lambda x: t.core.jvp(x, vn), z, np.abs(vn) @ gram.T, eps, shake)
    if second:
        check_second(kernels, t, z, shake)


def check_second(kernels: ModuleType, t: Transform, z: Tensor, shake: bool = True) -> None:
    """Second derivatives, relative to the largest of a row or to what their degree -1 in z suggests."""
    g, v = random(len(z), t.q.size, 101, z.dtype), random(len(z), t.p.size, 102, z.dtype)
    judge = lambda x: t.core.hessian_vjp(x, g.double().numpy(), v.double().numpy())  # noqa: E731
    size, g_size, v_size = (np.abs(x.double().numpy()).sum(axis=1, keepdims=True) for x in (z, g, v))
    floor = np.maximum(np.abs(judge(z.double().numpy())), g_size * v_size / np.where(size == 0, 1, size))
    floor = np.broadcast_to(floor.max(axis=1, keepdims=True), z.shape)
    assert_close(kernels.second(z, g, v, kernels.prepare(t, "cpu", z.dtype)), judge, z, floor, EPS[z.dtype], shake)


def local(p: str, d_in: int, q: str, d_out: int, gate: str = "relu") -> Transform:
    return Transform(basis(p, d_in), basis(q, d_out), GATES[gate])


SMALL = {LOCAL: ("pwl", 3, "pwq"), WAVES: ("fourier", 2, "fourier"), LOCAL_WAVES: ("pwq", 3, "fourier")}
"""A transform with three outputs that the kernels of a module serve."""


PAIRS = list(itertools.product(FAMILIES, FAMILIES))
SIZES = ((5, 10), (10, 5), (2, 5), (10, 10), (5, 2), (1, 5), (5, 1), (2, 1), (1, 1))


# -- splines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("number", range(len(PAIRS)), ids=["->".join(pair) for pair in PAIRS])
def test_local_pairs(number: int, dtype: torch.dtype) -> None:
    """Every pair of spline families, sizes and gates in turn, rows of every kind."""
    (p, q), kernels, double = PAIRS[number], interpreted(LOCAL), dtype == torch.float64
    (d_in, d_out), gate = SIZES[(number + 4 * double) % len(SIZES)], list(GATES)[(number + 2 * double) % len(GATES)]
    t = local(p, d_in, q, d_out, gate)
    # where f vanishes on a piece, small changes are not small
    check(kernels, t, special(d_in, dtype, number)[3 if p.endswith("-w") else 0 :], second=False)
    if p != "rect":
        check_second(kernels, t, random(5 if double else 1, d_in, number, dtype))


@pytest.mark.parametrize("gate", ["relu", "arelu"])
@pytest.mark.parametrize(("p", "d_in", "q", "d_out"), [
    ("rect", 4, "pwl", 5), ("pwl", 5, "rect", 4), ("pwl", 5, "rect", 8), ("pwq", 4, "pwq", 4),
    ("rect-w", 3, "rect", 4), ("pwl-w", 4, "rect", 4), ("pwl-w", 4, "pwl", 5),
])  # fmt: skip
def test_local_ties(p: str, d_in: int, q: str, d_out: int, gate: str) -> None:
    """Small integers: roots at ends of pieces, double roots and pieces on which f vanishes, all decided exactly.

    Second derivatives count a crossing at the end of a piece one half from each side.
    """
    z = torch.tensor(np.random.default_rng(5).integers(-1, 2, (33, d_in)), dtype=torch.float64)
    z[:3] = torch.tensor([[0.0], [1.0], [-1.0]], dtype=torch.float64)
    check(interpreted(LOCAL), local(p, d_in, q, d_out, gate), z, second=p != "rect", shake=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "q"), [(LOCAL, "pwl"), (LOCAL_WAVES, "fourier")])
def test_local_scale(name: str, q: str, dtype: torch.dtype) -> None:
    """The transform is homogeneous of degree 1, its derivatives of degrees 0 and -1: bit by bit for powers of two."""
    kernels, t = interpreted(name), local("pwq", 5, q, 5, "leaky")
    tables = kernels.prepare(t, "cpu", dtype)
    z, g, v = random(1, 5, 1, dtype), random(1, 5, 2, dtype), random(1, 5, 3, dtype)
    factor = 2.0 ** (1000 if dtype == torch.float64 else 120)
    for c in (factor, 1 / factor):
        assert torch.equal(kernels.forward(c * z, tables), c * kernels.forward(z, tables))
        assert torch.equal(kernels.apply(c * z, g, tables, True), kernels.apply(z, g, tables, True))
        assert torch.equal(kernels.apply(z, c * v, tables), c * kernels.apply(z, v, tables))
        assert torch.equal(kernels.second(c * z, c * g, v, tables), kernels.second(z, g, v, tables))


@pytest.mark.parametrize("name", SMALL)
def test_rows_with_nan(name: str) -> None:
    """nan or inf anywhere in a row makes that row nan, and changes no other."""
    kernels = interpreted(name)
    t = local(*SMALL[name], 3, "leaky")
    tables = kernels.prepare(t, "cpu", torch.float64)
    z, g, v = random(6, t.p.size, 1), random(6, 3, 2), random(6, t.p.size, 3)
    before = kernels.forward(z, tables), kernels.apply(z, g, tables, True), kernels.second(z, g, v, tables)
    z[1, -1], z[2, 0], g[4, 0] = torch.nan, -torch.inf, torch.inf
    after = kernels.forward(z, tables), kernels.apply(z, g, tables, True), kernels.second(z, g, v, tables)
    for a, b, bad in zip(before, after, ([1, 2], [1, 2, 4], [1, 2, 4]), strict=True):
        assert b[bad].isnan().all()
        good = [i for i in range(6) if i not in bad]
        assert torch.equal(a[good], b[good])


@pytest.mark.parametrize("name", SMALL)
def test_layouts_and_dtypes(name: str) -> None:
    """Rows of wider tensors, transposed ones, empty batches; half precision in and out."""
    kernels = interpreted(name)
    p, q = {LOCAL: ("pwl", "rect"), WAVES: ("fourier", "rect"), LOCAL_WAVES: ("pwl", "fourier")}[name]
    t = local(p, 2, q, 2)
    tables = kernels.prepare(t, "cpu", torch.float64)
    wide = random(4, 7, 1)
    z, g = wide[:, 2:4], random(2, 4, 2).T
    assert torch.equal(kernels.forward(z, tables), kernels.forward(z.contiguous(), tables))
    assert torch.equal(kernels.apply(z, g, tables, True), kernels.apply(z, g.contiguous(), tables, True))
    assert kernels.forward(z[:0], tables).shape == (0, 2)
    assert kernels.second(z[:0], g[:0], z[:0], tables).shape == (0, 2)
    for dtype in (torch.float32,) if name == WAVES else (torch.float16, torch.bfloat16):
        tables, x = kernels.prepare(t, "cpu", dtype), z.to(dtype)
        u = kernels.forward(x, tables)
        assert u.dtype == dtype
        torch.testing.assert_close(u, torch.from_numpy(t.core(x.double().numpy())).to(dtype))
        assert (
            kernels.apply(x, g.to(dtype), tables, True).dtype
            == kernels.second(x, g.to(dtype), x, tables).dtype
            == dtype
        )


@pytest.mark.parametrize(("p", "q"), [
    ("pwq", "pwq"), ("pwl", "pwl"), ("pwl-w", "pwl-w"), ("rect", "pwq"), ("pwl", "fourier"), ("pwq", "fourier"),
])  # fmt: skip
def test_local_single_precision(p: str, q: str) -> None:
    """Errors of float32 are at most twice those that IAT (12) makes in float32: u and the gradient."""
    kernels, t, mesh = interpreted(LOCAL_WAVES if q == "fourier" else LOCAL), local(p, 10, q, 10), 4096
    tables, z, g = kernels.prepare(t, "cpu", torch.float32), random(64, 10, 1, torch.float32), random(64, 10, 2)
    g = g.float()
    s = -1 + (2 * np.arange(mesh) + 1) / mesh
    wide = [torch.from_numpy(b(s)) for b in (t.p, t.q)]

    def discrete(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        at_p, at_q = (b.to(dtype) for b in wide)
        f = z.to(dtype) @ at_p
        on = (f > 0).to(dtype)
        return (f * on) @ at_q.T * (2 / mesh), ((g.to(dtype) @ at_q) * on) @ at_p.T * (2 / mesh)

    exact = t.core(z.double().numpy()), t.core.vjp(z.double().numpy(), g.double().numpy())
    results = kernels.forward(z, tables), kernels.apply(z, g, tables, True)
    for ours, value, low, high in zip(results, exact, discrete(torch.float32), discrete(torch.float64), strict=True):
        assert (ours.double() - torch.from_numpy(value)).abs().max() <= 2 * (low.double() - high).abs().max()


def test_what_is_served() -> None:
    from torch_bridge.ops.iat import triton_local, triton_local_waves, triton_waves

    relu, jumps = GATES["relu"], Gate((0.5,), (0.0, 1.0))
    cubic = iatcore.basis("fourier", 3)
    assert triton_local.serves(basis("pwl", 512), basis("pwq", 512), relu)
    assert not triton_local.serves(basis("pwl", 4), basis("pwl", 4), jumps)
    assert not triton_local.serves(basis("rect-w", 512, layout="haar"), basis("rect", 4), relu)
    assert not triton_local.serves(cubic, basis("rect", 3), relu)
    assert triton_waves.serves(cubic, basis("rect", 3), relu) and triton_waves.serves(cubic, cubic, GATES["several"])
    assert not triton_waves.serves(basis("rect", 3), cubic, relu)
    assert not triton_waves.serves(cubic, cubic, jumps)
    assert triton_local_waves.serves(basis("pwq", 512), basis("fourier", 512), GATES["several"])
    assert triton_local_waves.serves(basis("rect-w", 64, layout="haar"), cubic, relu)
    assert not triton_local_waves.serves(basis("pwl", 3), basis("pwl", 3), relu)
    assert not triton_local_waves.serves(cubic, cubic, relu)
    assert not triton_local_waves.serves(basis("pwl", 3), cubic, jumps)
    assert not triton_local_waves.serves(basis("pwl", 3), cubic + cubic, relu)
    with pytest.raises(ValueError, match="no kernel"):
        triton_local.prepare(Transform(cubic, cubic, relu), "cpu", torch.float64)
    with pytest.raises(ValueError, match="no kernel"):
        triton_waves.prepare(Transform(cubic, cubic, jumps), "cpu", torch.float64)
    with pytest.raises(ValueError, match="no kernel"):
        triton_local_waves.prepare(Transform(cubic, cubic, relu), "cpu", torch.float64)


# -- harmonics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d_in", "q", "d_out", "gate"), [
    (1, "rect", 2, "relu"), (2, "pwl", 5, "leaky"), (3, "pwq", 2, "arelu"), (2, "rect-w", 3, "negative"),
    (3, "pwl-w", 1, "absolute"), (4, "fourier", 3, "several"), (2, "fourier", 5, "relu"), (1, "pwq", 1, "identity"),
])  # fmt: skip
def test_waves(d_in: int, q: str, d_out: int, gate: str) -> None:
    """Trigonometric state functions with every kind of output."""
    z = special(d_in, torch.float64, d_in)
    check(interpreted(WAVES), local("fourier", d_in, q, d_out, gate), z, second=False)
    check_second(interpreted(WAVES), local("fourier", d_in, q, d_out, gate), random(33, d_in, d_in))


def test_waves_that_nearly_touch_zero() -> None:
    """Double and triple roots, and pairs of crossings that are near: ``c + cos pi s + cos 2 pi s`` and others."""
    t = local("fourier", 4, "fourier", 4)
    z = torch.zeros(12, 4, dtype=torch.float64)
    z[:4, 1], z[:4, 3] = 1.0, torch.tensor([1.0, -1.0, 0.25, 0.25 * (1 + 1e-9)], dtype=torch.float64)
    # (1 - cos pi s)^2 - like flatness of sin pi s - sin 2 pi s / 2 at 0
    z[4:8, 0], z[4:8, 2] = 1.0, torch.tensor([0.5, -0.5, 0.5 + 1e-8, -0.5 - 1e-12], dtype=torch.float64)
    z[8:] = random(4, 4, 3)
    kernels = interpreted(WAVES)
    error = kernels.forward(z, kernels.prepare(t, "cpu", z.dtype)) - reference.iat(z, t.plan)
    assert error.abs().max() < 1e-15 * ROUNDINGS


# -- splines to harmonics -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "d_in", "d_out", "gate", "dtype"), [
    ("rect", 5, 4, "relu", torch.float64), ("pwl", 4, 5, "leaky", torch.float64), ("pwq", 5, 3, "arelu", torch.float64),
    ("rect-w", 3, 1, "negative", torch.float64), ("pwl-w", 2, 7, "absolute", torch.float64),
    ("pwq", 1, 2, "several", torch.float64), ("pwl", 1, 1, "identity", torch.float64),
    ("pwl", 6, 4, "relu", torch.float32), ("pwq", 3, 6, "negative", torch.float32),
    ("rect", 3, 2, "leaky", torch.float32), ("pwl-w", 3, 5, "arelu", torch.float32),
])  # fmt: skip
def test_splines_to_waves(p: str, d_in: int, d_out: int, gate: str, dtype: torch.dtype) -> None:
    """Every spline family against harmonics, sizes and gates in turn, rows of every kind."""
    kernels, t = interpreted(LOCAL_WAVES), local(p, d_in, "fourier", d_out, gate)
    # where f vanishes on a piece, small changes are not small
    check(kernels, t, special(d_in, dtype, d_in)[3 if p.endswith("-w") else 0 :], second=False)
    if p != "rect":
        check_second(kernels, t, random(5, d_in, d_in, dtype))


@pytest.mark.parametrize(("p", "d_in", "gate"), [
    ("rect", 4, "relu"), ("pwl", 5, "arelu"), ("pwq", 4, "relu"), ("rect-w", 3, "arelu"), ("pwl-w", 4, "relu"),
])  # fmt: skip
def test_splines_to_waves_ties(p: str, d_in: int, gate: str) -> None:
    """Small integers: roots at ends of pieces, double roots and pieces on which f vanishes, all decided exactly."""
    z = torch.tensor(np.random.default_rng(5).integers(-1, 2, (33, d_in)), dtype=torch.float64)
    z[:3] = torch.tensor([[0.0], [1.0], [-1.0]], dtype=torch.float64)
    check(interpreted(LOCAL_WAVES), local(p, d_in, "fourier", 5, gate), z, second=p != "rect", shake=False)


@pytest.mark.parametrize(("p", "d_in", "d_out", "layout"), [
    ("pwl", 70, 12, None), ("pwq", 64, 64, None), ("pwq", 3, 70, None), ("rect-w", 9, 6, "haar"),
])  # fmt: skip
def test_splines_to_many_waves(p: str, d_in: int, d_out: int, layout: str | None) -> None:
    """Several programs for one row, high harmonics on long pieces and low ones on short, functions that live far apart.

    What integration by parts loses with short pieces, about 3e-13 of the norm for 64 quadratic splines, is not lost.
    """
    p_basis = basis(p, d_in) if layout is None else basis(p, d_in, layout=layout)
    kernels, t = interpreted(LOCAL_WAVES), Transform(p_basis, basis("fourier", d_out), GATES["relu"])
    tables, z, g = kernels.prepare(t, "cpu", torch.float64), random(3, d_in, 1), random(3, d_out, 2)
    plan = reference.prepare(t.p, t.q, t.gate)
    with torch.enable_grad():
        leaf = z.clone().requires_grad_()
        u = reference.iat(leaf, plan)
        (gradient,) = torch.autograd.grad(u, leaf, g)
    gram = torch.from_numpy(absolute_gram(t))
    for result, exact, floor in (
        (kernels.forward(z, tables), u.detach(), z.abs() @ gram.T),
        (kernels.apply(z, g, tables, True), gradient, g.abs() @ gram),
    ):
        assert (result - exact).norm() <= 1e-13 * exact.norm()
        assert ((result - exact).abs() <= ROUNDINGS * EPS[z.dtype] * floor).all()


def test_bessel_functions() -> None:
    """The series of ``j_1`` and ``j_2`` on [0, 1], to some roundings of 1."""
    from scipy.special import spherical_jn

    from torch_bridge.ops.iat.triton_local_waves_kernels import _series

    y = np.linspace(0, 1, 101)
    for order in (1, 2):
        error = y**order * np.polyval(_series(order), y * y) - spherical_jn(order, y)
        assert np.abs(error).max() < 4 * np.finfo(np.float64).eps


# -- compilers ------------------------------------------------------------------------------------------------------

NUMBERS = {
    *("z", "h", "g", "v", "out", "z_weights", "h_weights", "g_weights", "tests", "rule", "slopes", "jump_at", "waves"),
    *("starts", "low", "reach", "position", "weight", "sums", "chi", "lefts", "ends", "parts", "moments", "base"),
    *("jump", "pieces", "z_waves", "v_waves", "integrand", "widths", "weights", "factors", "frequencies"),
}
TENSORS = {"z", "h", "g", "v", "out"}


def signature(kernel: Any, constexprs: dict[str, object], tensors: str, numbers: str) -> dict[str, str]:
    """Types of the arguments that are left: tensors, tables of numbers, of indices, and integers."""
    indices = (
        "visits",
        "z_offsets",
        "h_offsets",
        "g_offsets",
        "offsets",
        "firsts",
        "kinds",
        "spans",
        "sines",
        "cosines",
    )
    types = {**dict.fromkeys(indices, "*i32"), "counts": "*i64"}
    for name in kernel.arg_names:
        if name in NUMBERS:
            types[name] = f"*{tensors if name in TENSORS else numbers}"
    return {name: types.get(name, "i32") for name in kernel.arg_names if name not in constexprs}


@pytest.mark.parametrize(("tensors", "numbers"), [("fp32", "fp32"), ("fp64", "fp64")])
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_local_kernels_compile(degree: int, tensors: str, numbers: str) -> None:
    from torch_bridge.ops.iat import triton_local

    side: dict[str, object] = {"VISITS": degree + 1, "Z_DEGREE": degree, "Z_TERMS": degree + 1, "ROWS": 8, "OUTS": 64}
    own = {"H_DEGREE": 2 - degree, "H_TERMS": 3 - degree, "T_DEGREE": degree, "POINTS": 2}
    flags = {
        "SAME": degree == 1,
        "NEGATE": degree == 2,
        "CLOSED": degree == 0,
        "HAS_BASE": degree > 0,
        "HAS_JUMP": True,
    }
    kernel, constants = triton_local.apply_kernel, {**side, **own, **flags}
    # Triton takes integers that are 1 as constants
    constants |= {"batch": 1, "out_size": 1, "z_stride": 1} if degree == 0 else {}
    compile_everywhere(kernel, signature(kernel, constants, tensors, numbers), constants)
    if degree:
        kernel, constants = triton_local.second_kernel, {**side, "G_DEGREE": 2 - degree, "G_TERMS": 3 - degree}
        compile_everywhere(kernel, signature(kernel, constants, tensors, "fp64"), constants)


@pytest.mark.parametrize(("name", "constants"), [
    ("march_kernel", {}), ("march_kernel", {"n": 1, "batch": 1}), ("polish_kernel", {}), ("point_sums_kernel", {}),
    ("toeplitz_kernel", {}), ("parts_kernel", {"POINTS": 8, "STEPS": 5}), ("cells_kernel", {"HAS_PARTS": True}),
    ("cells_kernel", {"HAS_PARTS": False}), ("wave_parts_kernel", {"POINTS": 8, "STEPS": 5}),
    ("curvature_kernel", {"WAVES": False, "STEPS": 5}), ("curvature_kernel", {"WAVES": True, "STEPS": 1, "n_g": 1}),
])  # fmt: skip
def test_wave_kernels_compile(name: str, constants: dict[str, object]) -> None:
    from torch_bridge.ops.iat import triton_waves

    kernel, constants = getattr(triton_waves, name), {**constants, "LANES": 64}
    compile_everywhere(kernel, signature(kernel, constants, "fp64", "fp64"), constants)


@pytest.mark.parametrize(("degree", "tensors"), [(0, "fp32"), (1, "fp64"), (2, "fp32")])
def test_splines_to_waves_compile(degree: int, tensors: str) -> None:
    from torch_bridge.ops.iat import triton_local_waves

    shared: dict[str, object] = {"DEGREE": degree, "TERMS": degree + 1, "ROWS": 8, "WAVES": 32}
    gate = {"NEGATE": degree == 2, "CLOSED": degree == 0}
    # Triton takes integers that are 1 as constants
    ones = {"batch": 1, "count": 1, "z_stride": 1} if degree == 1 else {}
    kernels = {"harmonics_kernel": {**shared, **gate, "SAME": degree != 1}}
    kernels["pieces_kernel"] = {**shared, **gate, "OUTS": 64}
    if degree:
        kernels["second_waves_kernel"] = {**shared, "OUTS": 64}
    for name, constants in kernels.items():
        kernel, constants = getattr(triton_local_waves, name), {**constants, **ones}
        types = signature(kernel, constants, tensors, "fp64") | {"pieces": "i32"}
        compile_everywhere(kernel, {k: v for k, v in types.items() if k not in constants}, constants)
