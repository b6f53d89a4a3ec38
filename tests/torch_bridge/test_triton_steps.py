"""Triton kernels of step matrices and AReLU: the interpreter against plain torch, and compilation for GPUs."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

import pytest
import torch

from iatcore.steps import Bands
from tests.torch_bridge import triton_tools
from tests.torch_bridge.samples import data
from tests.torch_bridge.triton_tools import DTYPES, GPU, LETTERS, poison
from torch_bridge.ops.steps import reference
from torch_bridge.ops.steps.reference import Layout

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs triton", allow_module_level=True)

NAME = "torch_bridge.ops.steps.triton"
FIVE = (-1.0, -0.5, 0.1, 0.75, 1.0)
MAIN = Bands((0,), (FIVE,))
THREE = Bands((-1, 0, 2), ((-0.5, 0.0, 0.5), (), FIVE), "right")
OUTSIDE = Bands((-9, 0), (FIVE, (0.3,)))
SHAPES = {
    "row": ((1, 5), -1),
    "rows": ((7, 7), -1),
    "vector": ((1000,), -1),
    "images": ((3, 7, 4, 5), 1),
    "sequences": ((2, 9, 3), 1),
}


@pytest.fixture
def kernels(monkeypatch):
    """The module under the interpreter; memory that it takes for results is full of nan."""
    poison(monkeypatch)
    return triton_tools.interpreted(NAME)


def rounded(bands, dtype):
    grids = tuple(tuple(torch.tensor(g, dtype=torch.float64).to(dtype).tolist()) for g in bands.grids)
    return replace(bands, grids=grids)


def features_of(sharing, shape, dim):
    return {"layer": (), "channel": (shape[dim],), "neuron": tuple(shape[1:] if len(shape) > 1 else shape)}[sharing]


def values_for(bands, features, dtype, seed=2):
    return tuple(data((math.prod(features), w), dtype, seed + i) for i, w in enumerate(bands.widths))


def plain(z, g, values, bands, layout):
    """u, dz and the gradients of values in float64."""
    wide = [t.double().detach().requires_grad_() for t in (z, *values)]
    u = reference.step_matrix(wide[0], tuple(wide[1:]), rounded(bands, z.dtype), layout)
    found = torch.autograd.grad(u, wide, g.double(), allow_unused=True)
    return u.detach(), *(torch.zeros_like(t) if f is None else f for f, t in zip(found, wide, strict=True))


def computed_eps(dtype):
    return torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps


def check_entries(found, expected, terms, size, dtype):
    """Equal up to rounding of ``terms`` products of at most ``size``, and of the result to its dtype.

    By a whole unit in the last place: the interpreter cuts off where a GPU rounds.
    """
    assert found.dtype == dtype and found.shape == expected.shape
    info = torch.finfo(dtype)
    atol = 2 * (terms + 1) * computed_eps(dtype) * size + info.smallest_normal * info.eps
    torch.testing.assert_close(found.double(), expected, atol=atol, rtol=info.eps, equal_nan=True)


def check_sums(found, expected, z, g, dtype):
    """Equal up to rounding in sums of ``g z``, of which fewer than 32 follow on each other here, and of the result."""
    atol = 32 * computed_eps(dtype) * float((z.double() * g.double()).abs().nan_to_num(0, 0).sum())
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, atol=atol, rtol=torch.finfo(a.dtype).eps, equal_nan=True)


def check_step_matrix(kernels, z, g, values, bands, layout):
    u = kernels.step_matrix(z, values, bands, layout)
    dz, sums = kernels.step_matrix_backward(z, g, values, bands, layout)
    only, none = kernels.step_matrix_backward(z, g, values, bands, layout, with_values=False)
    assert none == [] and torch.equal(only.nan_to_num(7), dz.nan_to_num(7))
    expected_u, expected_dz, *expected = plain(z, g, values, bands, layout)
    largest = max(float(v.abs().max()) for v in values)
    finite = float(z.nan_to_num(0, 0, 0).abs().max())
    check_entries(u, expected_u, len(values), largest * finite, z.dtype)
    check_entries(dz, expected_dz, len(values), largest * float(g.abs().max()), z.dtype)
    assert all(s.dtype == v.dtype and s.shape == v.shape for s, v in zip(sums, values, strict=True))
    check_sums(sums, expected, z, g, z.dtype)
    return u, dz, sums


@pytest.mark.parametrize("sharing", ["layer", "channel", "neuron"])
@pytest.mark.parametrize("bands", [MAIN, THREE, OUTSIDE], ids=["main", "three", "outside"])
@pytest.mark.parametrize("kind", SHAPES)
def test_step_matrix(kernels, kind, bands, sharing):
    shape, dim = SHAPES[kind]
    if kind == "images":
        dim -= 4
    elif kind == "sequences":
        dim -= 3
    layout = Layout(dim, features_of(sharing, shape, dim))
    dtype = DTYPES[len(kind + sharing) % 2]
    z, g = data(shape, dtype), data(shape, dtype, 1)
    check_step_matrix(kernels, z, g, values_for(bands, layout.features, dtype), bands, layout)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
def test_breakpoints_nan_and_infinity(kernels, dtype, side):
    for numbers in ((0,), (0, 1)):
        bands = Bands(numbers, (FIVE, (-0.5, 0.0))[: len(numbers)], side)
        values = values_for(bands, (), dtype)
        values[0][0, 2] = values[-1][0, 0] = 0
        special = [0.0, -0.0, math.inf, -math.inf, math.nan]
        z = torch.tensor([*FIVE, *special, *data(23, dtype).tolist()], dtype=dtype)
        g = data(z.shape, dtype, 1)
        u, _, _ = check_step_matrix(kernels, z, g, values, bands, Layout(-1))
        assert u.isnan().sum() >= 1
        # zeros have the sign of the reference
        expected, *_ = plain(z, g, values, bands, Layout(-1))
        assert torch.equal(u.signbit() & (u == 0), expected.signbit() & (expected == 0))


@pytest.mark.parametrize("sharing", ["layer", "channel", "neuron"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_memory_of_other_orders(kernels, dtype, sharing):
    shape, layout = (2, 7, 3, 5), Layout(-3, features_of(sharing, (2, 7, 3, 5), 1))
    values = values_for(THREE, layout.features, torch.float32)
    z, g = data(shape, dtype), data(shape, dtype, 1)
    last = z.to(memory_format=torch.channels_last)
    for bands, v in ((THREE, values), (MAIN, values_for(MAIN, layout.features, torch.float32))):
        u, dz, _ = check_step_matrix(kernels, last, g, v, bands, layout)
        assert u.stride() == dz.stride() == last.stride()
    # gaps, and a batch that is the fastest in memory: copied where needed
    gaps = data((2, 7, 3, 10), dtype)[..., ::2]
    batch = z.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    for t in (gaps, batch):
        check_step_matrix(kernels, t, g.expand_as(t), values, THREE, layout)


def test_expanded_gradients_and_negative_views(kernels):
    z = data((4, 6), torch.float64)
    g = torch.ones((), dtype=torch.float64).expand(4, 6)
    values = values_for(MAIN, (), torch.float64)
    check_step_matrix(kernels, torch._neg_view(z), g, values, MAIN, Layout(-1))
    check_step_matrix(kernels, z, torch._neg_view(data((4, 6), torch.float64, 1)), values, MAIN, Layout(-1))


def test_long_grids_and_many_programs(kernels):
    # more intervals than a program tells apart, and grids that differ in length
    bands = Bands((0, 1), (tuple(torch.linspace(-2, 2, 200).tolist()), (0.0,)))
    z, g = data((600,), torch.float32), data((600,), torch.float32, 1)
    check_step_matrix(kernels, z, g, values_for(bands, (), torch.float32), bands, Layout(-1))
    main = Bands((0,), bands.grids[:1])
    check_step_matrix(kernels, z, g, values_for(main, (), torch.float32), main, Layout(-1))
    # several parts, whose sums are the same in every call
    z, g = data((23_000,), torch.float32), data((23_000,), torch.float32, 1)
    values = values_for(MAIN, (), torch.float32)
    first = check_step_matrix(kernels, z, g, values, MAIN, Layout(-1))[2]
    again = kernels.step_matrix_backward(z, g, values, MAIN, Layout(-1))[1]
    assert torch.equal(first[0], again[0])


@pytest.mark.parametrize("shape", [(0, 7), (3, 0)])
def test_nothing_to_do(kernels, monkeypatch, shape):
    for name in ("matrix_kernel", "values_backward_kernel", "two_slopes_kernel", "two_slopes_backward_kernel"):
        monkeypatch.setattr(kernels, name, None)
    z, one = torch.zeros(shape), torch.ones(1)
    values = values_for(THREE, (), torch.float32)
    assert kernels.step_matrix(z, values, THREE, Layout(-1)).shape == shape
    dz, sums = kernels.step_matrix_backward(z, z, values, THREE, Layout(-1))
    assert dz.shape == shape and all(torch.equal(s, torch.zeros_like(v)) for s, v in zip(sums, values, strict=True))
    assert kernels.two_slopes(z, one, one, 1.0).shape == shape
    dx, *others = kernels.two_slopes_backward(z, z, one, one, 1.0, False)
    assert dx.shape == shape and others == [0, 0]


@pytest.mark.parametrize("keep_alive", [False, True])
@pytest.mark.parametrize("residual", [0.0, 1.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_two_slopes(kernels, dtype, residual, keep_alive):
    special = torch.tensor([0.0, -0.0, 1.0, -1.0], dtype=dtype)
    for alpha, sign in ((0.3, 1), (0.99, 1), (1.2, 1), (1.2, -1), (-0.1, 1), (-0.1, -1)):
        x = torch.cat([special, data(1001, dtype)])
        g = sign * data(x.shape, dtype, 1).abs() * torch.where(x < 0, -1, 1)
        parameters = torch.float64 if dtype == torch.float64 else torch.float32
        a, b = torch.tensor([alpha], dtype=parameters), torch.tensor(0.7, dtype=parameters)
        wide = [t.double().detach().requires_grad_() for t in (x, a, b)]
        # alpha = .99 lies inside in its own dtype
        if alpha == 0.99:
            wide[1] = torch.tensor([alpha], dtype=torch.float64, requires_grad=True)
        expected = reference.arelu(*wide, residual, keep_alive)
        u = kernels.two_slopes(x, a, b, residual)
        check_entries(u, expected.detach(), 2, 2 * float(x.abs().max()), dtype)
        found = kernels.two_slopes_backward(x, g, a, b, residual, keep_alive)
        gradients = torch.autograd.grad(expected, wide, g.double())
        check_entries(found[0], gradients[0], 2, 2 * float(g.abs().max()), dtype)
        assert all(t.shape == p.shape and t.dtype == p.dtype for t, p in zip(found[1:], (a, b), strict=True))
        check_sums(found[1:], gradients[1:], x, g, dtype)


def test_two_slopes_at_infinity(kernels):
    x = torch.tensor([[math.inf, -math.inf, math.nan, 1.0, -1.0]], dtype=torch.float64)
    # sigmoid(beta) is 0: no inf times 0
    a, b = torch.tensor([0.5], dtype=torch.float64), torch.tensor([-800.0], dtype=torch.float64)
    u = kernels.two_slopes(x, a, b, 0.0)
    torch.testing.assert_close(u, reference.arelu(x, a, b, 0.0, False), equal_nan=True)
    assert u[0, 0] == 0 and not u[0, 0].signbit()
    dx, _, db = kernels.two_slopes_backward(x, torch.full_like(x, math.inf), a, b, 0.0, False)
    assert dx.tolist() == [[0.0, math.inf, 0.0, 0.0, math.inf]] and db.isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_two_slopes_in_other_memory_and_many_programs(kernels, dtype):
    a, b = torch.tensor([0.4]), torch.tensor([0.1])
    x = data((2, 70, 8, 9), dtype).to(memory_format=torch.channels_last)
    g = data((2, 70, 8, 9), dtype, 1)
    wide = [t.double().requires_grad_() for t in (x, a, b)]
    expected = reference.arelu(*wide, 1.0, False)
    u = kernels.two_slopes(x, a, b, 1.0)
    assert u.stride() == x.stride()
    check_entries(u, expected.detach(), 2, 8.0, dtype)
    dx, *sums = kernels.two_slopes_backward(x, g, a, b, 1.0, False)
    gradients = torch.autograd.grad(expected, wide, g.double())
    check_entries(dx, gradients[0], 2, 8.0, dtype)
    check_sums(sums, gradients[1:], x, g, dtype)


def test_the_interpreter_leaves_no_traces(kernels):
    import triton.language as tl
    from triton.runtime.jit import JITFunction

    kernels.two_slopes(torch.ones(3), torch.ones(1), torch.ones(1), 1.0)
    normal = importlib.import_module(NAME)
    assert normal is not kernels and isinstance(normal.times, JITFunction)
    assert isinstance(tl.sum, JITFunction) and tl.core.is_builtin(tl.load) and tl.core.is_builtin(tl.tensor.to)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_compile(dtype):
    import triton.language as tl

    normal = importlib.import_module(NAME)
    kind, computed = normal.KINDS[normal.computed(dtype)], f"*{LETTERS[normal.computed(dtype)]}"
    pointers = dict.fromkeys(["x", "u", "g", "dx", "z", "dz", "out"], f"*{LETTERS[dtype]}")
    pointers |= dict.fromkeys(["values", "points", "partials"], computed) | {"numbers": "*i32"}
    pointers |= dict.fromkeys(["alpha", "beta", "dalpha", "dbeta"], "*fp32")
    names = ["size", "count", "n", "inner", "groups", "repeat", "bands", "entries", "parts", "per_group", "chunks"]
    signature = pointers | dict.fromkeys(names, "i32")
    ends = {"LOWEST": 0.01, "HIGHEST": 0.99}
    slopes = {**ends, "RESIDUAL": 1.0, "KIND": kind, "INDEX": tl.int32, "BLOCK": normal.BLOCK}
    steps = {"RIGHT": False, "DIAGONAL": False, "BITS": 3, "KIND": kind, "INDEX": tl.int32}
    half = dtype.itemsize == 2
    matrix = {**steps, "BLOCK": normal.BLOCK}
    cases = [
        (normal.two_slopes_kernel, slopes),
        (normal.two_slopes_backward_kernel, slopes),
        (normal.matrix_kernel, {**matrix, "TRANSPOSED": dtype == torch.float16}),
        (
            normal.values_backward_kernel,
            {**steps, "DIAGONAL": half, "WITH_Z": half, "WIDTH": 8, "SIDE_BY_SIDE": 4, "LANES": 64},
        ),
    ]
    if not half:
        cases.append((normal.matrix_kernel, {**matrix, "TRANSPOSED": True, "INDEX": tl.int64}))
        cases.append((normal.two_slopes_sums_kernel, {**ends, "KEEP_ALIVE": True, "PROGRAMS": normal.MOST_PROGRAMS}))
    for kernel, constexprs in cases:
        # a launch makes a constant of any number that is 1
        ones = dict.fromkeys(set(names) & set(kernel.arg_names), 1) if half else {}
        triton_tools.compile_everywhere(kernel, signature, constexprs | ones)


@pytest.mark.parametrize("dtype", [pytest.param(t, marks=GPU, id=str(t)) for t in DTYPES])
def test_on_a_gpu(dtype):
    module = importlib.import_module(NAME)
    z, g = data((9, 70, 33), dtype).cuda(), data((9, 70, 33), dtype, 1).cuda()
    for layout in (Layout(-2), Layout(-2, (70,)), Layout(-2, (70, 33))):
        values = tuple(v.cuda() for v in values_for(THREE, layout.features, torch.float32))
        check_step_matrix(module, z, g, values, THREE, layout)
        check_step_matrix(module, z, g, values[2:], MAIN, layout)
    a, b = torch.tensor([0.4]).cuda(), torch.tensor([0.1]).cuda()
    wide = [t.double().requires_grad_() for t in (z, a, b)]
    expected = reference.arelu(*wide, 1.0, False)
    check_entries(module.two_slopes(z, a, b, 1.0), expected.detach(), 2, 8.0, dtype)
    dx, *sums = module.two_slopes_backward(z, g, a, b, 1.0, False)
    gradients = torch.autograd.grad(expected, wide, g.double())
    check_entries(dx, gradients[0], 2, 8.0, dtype)
    check_sums(sums, gradients[1:], z, g, dtype)
