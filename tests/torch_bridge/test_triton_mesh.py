"""The Triton kernel of the transform on a mesh: the interpreter against plain torch, and compilation for GPUs."""

from __future__ import annotations

import importlib
import importlib.util
import math

import pytest
import torch

from iatcore import gates
from tests.torch_bridge import triton_tools
from tests.torch_bridge.samples import data
from tests.torch_bridge.triton_tools import DTYPES, GPU, LETTERS, poison
from torch_bridge.ops.iat_mesh import reference

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs triton", allow_module_level=True)

NAME = "torch_bridge.ops.iat_mesh.triton"
# (rows, d_in, d_out, M): powers of two or not, one of anything, more columns than a program has
SIZES = [(1, 1, 1, 1), (7, 6, 5, 50), (1, 40, 33, 32), (35, 3, 150, 7), (2, 270, 16, 33)]
CONTINUOUS = [gates.relu(), gates.leaky_relu(0.1), gates.arelu(0.3, 1.0), gates.identity()]
JUMPING = gates.tmaf((-1.0, -0.25, 0.0, 0.5, 2.0), (0.0, 0.5, -1.0, 2.0, 0.0, 1.0))


@pytest.fixture
def kernels(monkeypatch):
    """The module under the interpreter; memory that it takes for results is full of nan."""
    poison(monkeypatch)
    return triton_tools.interpreted(NAME)


def dyadic(shape, dtype, seed=0):
    """Multiples of 1/2 of which products and their sums are exact in float32, and often exactly breakpoints."""
    return (torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(seed)) / 2).to(dtype)


def problem(module, sizes, dtype, make=data):
    """z, g, P and Q."""
    rows, d_in, d_out, mesh = sizes
    matrices = module.computed(dtype)
    return (
        make((rows, d_in), dtype), make((rows, d_out), dtype, 1), make((d_in, mesh), matrices, 2),
        make((d_out, mesh), matrices, 3),
    )  # fmt: skip


def plain(z, g, P, Q, gate, pattern_from=None):
    """u and dz in float64."""
    wide = z.double().detach().requires_grad_()
    pattern = None if pattern_from is None else pattern_from.double()
    u = reference.iat_mesh(wide, P.double(), Q.double(), gate, pattern)
    (dz,) = torch.autograd.grad(u, wide, g.double())
    return u.detach(), dz


def check(found, expected, factors, gate, dtype):
    """Equal up to rounding in two products of matrices, and of the result to its dtype.

    Sums of n terms are off by at most n eps times the sum of the terms' sizes. By a whole unit in the last place of
    half precision: the interpreter cuts off where a GPU rounds.
    """
    assert found.dtype == dtype and found.shape == expected.shape and found.is_contiguous()
    x, A, B = (f.double().nan_to_num(0, 0, 0).abs() for f in factors)
    slope = max(abs(t) for t in gate.slopes)
    eps = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    info = torch.finfo(dtype)
    atol = (A.shape[0] + A.shape[1] + 4) * eps * slope * (x @ A @ B.mT) * (2 / A.shape[1])
    bound = atol + info.smallest_normal * info.eps + info.eps * expected.abs()
    off = ~((found.double() - expected).abs() <= bound)
    special = ~expected.isfinite()
    torch.testing.assert_close(found.double()[special], expected[special], equal_nan=True)
    assert not (off & ~special).any(), (found.double() - expected).abs().div(bound).nan_to_num().max()


def check_both(module, z, g, P, Q, gate, pattern_from=None):
    u = module.iat_mesh(z, P, Q, gate, pattern_from)
    dz = module.iat_mesh_backward(z, g, P, Q, gate, pattern_from)
    expected_u, expected_dz = plain(z, g, P, Q, gate, pattern_from)
    check(u, expected_u, (z, P, Q), gate, z.dtype)
    check(dz, expected_dz, (g, Q, P), gate, z.dtype)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_mesh(kernels, dtype, sizes):
    for gate in CONTINUOUS if sizes == SIZES[1] else CONTINUOUS[1:2]:
        check_both(kernels, *problem(kernels, sizes, dtype), gate)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
def test_breakpoints_are_met_exactly(kernels, dtype, side):
    gate = gates.Gate(JUMPING.breakpoints, JUMPING.slopes, side)
    z, g, P, Q = problem(kernels, (20, 6, 5, 40), dtype, dyadic)
    assert sum(((z.double() @ P.double()) == s).sum() for s in gate.breakpoints) > 40
    check_both(kernels, z, g, P, Q, gate)
    check_both(kernels, z, g, P, Q, gate, dyadic(z.shape, dtype, 9))


@pytest.mark.parametrize("side", ["left", "right"])
def test_breakpoints_between_numbers_of_float32(kernels, side):
    near = torch.tensor([0.1, 1 / 3, -0.1, 1e-3], dtype=torch.float32)
    z = torch.cat([near, near.nextafter(torch.tensor(9.0)), near.nextafter(torch.tensor(-9.0))])[:, None]
    P = Q = torch.ones(1, 1)
    for points in ((-0.1, 1e-3, 0.1, 1 / 3), (-1e300, 1e300), tuple(near.sort().values.tolist())):
        gate = gates.Gate(points, tuple(range(1, len(points) + 2)), side)
        expected, _ = plain(z, z, P, Q, gate)
        torch.testing.assert_close(kernels.iat_mesh(z, P, Q, gate).double(), expected, rtol=2**-23, atol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gate", [gates.relu(), gates.leaky_relu(0.1), JUMPING], ids=["relu", "leaky", "jumping"])
def test_nan_and_infinity(kernels, dtype, gate):
    z, g, P, Q = problem(kernels, (6, 1, 5, 40), dtype, dyadic)
    # products of zeros with infinity are nan in any implementation, sums of infinities depend on the gate
    P, Q = P.abs() + 1, Q.abs() + 1
    z[1:4, 0] = torch.tensor([math.nan, math.inf, -math.inf])
    check_both(kernels, z, g, P, Q, gate)
    finite = dyadic(z.shape, dtype, 9)
    check_both(kernels, finite, g, P, Q, gate, z)
    assert kernels.iat_mesh(z, P, Q, gates.relu())[3].eq(0).all()


def test_any_number_of_dimensions_and_any_strides(kernels):
    z, g, P, Q = problem(kernels, (24, 6, 5, 10), torch.float64)
    gate = gates.leaky_relu(0.2)
    u, dz = plain(z, g, P, Q, gate)
    cube = z.view(2, 3, 4, 6)
    torch.testing.assert_close(kernels.iat_mesh(cube, P, Q, gate), u.view(2, 3, 4, 5))
    torch.testing.assert_close(kernels.iat_mesh(z[0], P, Q, gate), u[0])
    strided = [t.mT.contiguous().mT for t in (z, g, P, Q)]
    torch.testing.assert_close(kernels.iat_mesh(strided[0], *strided[2:], gate), u)
    torch.testing.assert_close(kernels.iat_mesh_backward(*strided, gate), dz)
    torch.testing.assert_close(kernels.iat_mesh(torch._neg_view(z), P, Q, gate), plain(-z, g, P, Q, gate)[0])


def test_nothing_to_do(kernels, monkeypatch):
    monkeypatch.setattr(kernels, "gated_kernel", None)
    z, g, P, Q = problem(kernels, (0, 6, 5, 10), torch.float32)
    assert kernels.iat_mesh(z, P, Q, gates.relu()).shape == (0, 5)
    assert kernels.iat_mesh_backward(z, g, P, Q, gates.relu()).shape == (0, 6)


def test_tables_are_copied_once(kernels):
    device = torch.device("cpu")
    first = kernels.tables(JUMPING, torch.nan, torch.float32, device)
    assert kernels.tables(JUMPING, torch.nan, torch.float32, device) is first


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_compile(dtype):
    module = importlib.import_module(NAME)
    letters = f"*{LETTERS[module.computed(dtype)]}"
    signature = dict.fromkeys(["x", "state", "out"], f"*{LETTERS[dtype]}")
    signature |= dict.fromkeys(["B", "A", "C", "points", "slopes"], letters)
    names = ["count", "x_size", "state_size", "out_size", "mesh", "breakpoints"]
    signature |= dict.fromkeys(names, "i32")
    same = dtype in (torch.float32, torch.bfloat16)
    constexprs = {"SAME": same, "RIGHT": not same, "BITS": 3, "KIND": module.KINDS[module.computed(dtype)]}
    constexprs |= module.blocks(10**6, 64 if same else 512)
    if dtype == torch.float16:
        # a launch makes a constant of any number that is 1
        constexprs |= dict.fromkeys(names, 1)
    triton_tools.compile_everywhere(module.gated_kernel, signature, constexprs, module.OPTIONS)


@pytest.mark.parametrize("dtype", [pytest.param(t, marks=GPU, id=str(t)) for t in DTYPES])
def test_on_a_gpu(dtype):
    module = importlib.import_module(NAME)
    for sizes in (*SIZES, (1000, 64, 64, 200), (300, 512, 512, 130)):
        tensors = [t.cuda() for t in problem(module, sizes, dtype)]
        check_both(module, *tensors, gates.leaky_relu(0.1))
    z, g, P, Q = (t.cuda() for t in problem(module, (20, 6, 5, 40), dtype, dyadic))
    check_both(module, z, g, P, Q, JUMPING)
    check_both(module, z, g, P, Q, JUMPING, z.flip(0))
