"""What uses GPU kernels, with kernels under Triton's interpreter on CPU tensors, and what happens without them."""

from __future__ import annotations

import types
import warnings

import pytest
import torch

import torch_bridge as tb
from torch_bridge.ops import gpu
from torch_bridge.ops.iat import kernels as transforms
from torch_bridge.ops.steps import functions, kernels
from torch_bridge.ops.steps.reference import Layout

CUDA = torch.device("cuda")


@pytest.fixture
def fresh(monkeypatch):
    """No module looked up so far."""
    monkeypatch.setattr(gpu, "_modules", {})


@pytest.fixture
def interpreted(monkeypatch):
    """Kernels for tensors of every device."""
    triton_tools = pytest.importorskip("tests.torch_bridge.triton_tools")
    found = {}

    def lookup(name, device):
        found.setdefault(name, triton_tools.interpreted(f"torch_bridge.ops.{name}"))
        return found[name]

    monkeypatch.setattr(gpu, "kernels", lookup)
    return found


def test_no_kernels_for_the_cpu(fresh):
    assert gpu.kernels("steps.triton", torch.device("cpu")) is None and not gpu._modules


def test_one_warning_where_triton_is_missing(fresh):
    with pytest.warns(RuntimeWarning, match=r"ops\.steps\.no_such_module cannot be used \(ModuleNotFoundError"):
        assert gpu.kernels("steps.no_such_module", CUDA) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gpu.kernels("steps.no_such_module", CUDA) is None


def test_one_warning_where_a_launch_fails(fresh, monkeypatch):
    def broken(*_):
        raise OSError("no compiler\nat all")

    monkeypatch.setitem(gpu._modules, kernels.TRITON, types.SimpleNamespace(step_matrix=broken))
    module, z = tb.TMAF(), torch.randn(5)
    monkeypatch.setattr(kernels.gpu, "kernels", lambda name, device: gpu._modules[name])
    layout = Layout(-1)
    with pytest.warns(RuntimeWarning, match=r"OSError: no compiler\); plain torch"):
        u = kernels.step_matrix(z, tuple(module.values), module._bands, layout)
    torch.testing.assert_close(u, module(z).detach())
    torch.testing.assert_close(kernels.step_matrix(z, tuple(module.values), module._bands, layout), u)


def test_sizes_when_memory_runs_out(monkeypatch):
    def greedy(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu, "kernels", lambda *_: types.SimpleNamespace(two_slopes=greedy))
    module = tb.AReLU()
    with pytest.raises(torch.OutOfMemoryError, match=r"two_slopes of tensors of shapes \(3, 4\), \(1,\), \(1,\)"):
        kernels.arelu(torch.randn(3, 4), module.alpha, module.beta, 1.0, False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_step_matrices(interpreted, dtype):
    """First and second derivatives of what a GPU runs equal those of the CPU."""
    torch.manual_seed(0)
    module = tb.TMAF(bands=(-1, 0, 1), sharing="channel", num_features=5)
    z = torch.randn(3, 5).to(dtype).requires_grad_()
    inputs = (z, *module.values)

    def derivatives(u):
        first = torch.autograd.grad(u.square().sum(), inputs, create_graph=True)
        return u, *first, *torch.autograd.grad(first[0].sum(), inputs, allow_unused=True)

    found = derivatives(functions.step_matrix(z, tuple(module.values), module._bands, module._layout(z)))
    eps = torch.finfo(dtype).eps if dtype != torch.float64 else torch.finfo(torch.float32).eps
    for a, b in zip(found, derivatives(module(z)), strict=True):
        torch.testing.assert_close(a, b, rtol=32 * eps, atol=32 * eps)
    assert kernels.TRITON in interpreted


def test_arelu(interpreted):
    torch.manual_seed(0)
    module = tb.AReLU()
    x = torch.randn(70, requires_grad=True)
    inputs = (x, module.alpha, module.beta)

    def derivatives(u):
        first = torch.autograd.grad(u.square().sum(), inputs, create_graph=True)
        return u, *first, *torch.autograd.grad(first[0].sum(), inputs)

    found = derivatives(functions.arelu(x, module.alpha, module.beta, 1.0, False))
    for a, b in zip(found, derivatives(module(x)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("p", "q"), [("pwl", "pwq"), ("fourier", "pwl"), ("pwq", "fourier")])
def test_transforms(interpreted, monkeypatch, p, q):
    """``u``, ``J^T g``, ``J v`` and the second derivative, through what a GPU tensor is given to."""
    transform = tb.IATReLU(4, 3, p, q).transform
    generator = torch.Generator().manual_seed(0)
    z, v, g = (torch.randn(2, 3, n, generator=generator, dtype=torch.float64) for n in (4, 4, 3))
    expected = [
        transforms.forward(z, transform), transforms.vjp(z, g, transform), transforms.jvp(z, v, transform),
        transforms.second(z, g, v, transform),
    ]  # fmt: skip
    name = {"pwl": transforms.TRITON[0], "fourier": transforms.TRITON[1], "pwq": transforms.TRITON[2]}[p]
    monkeypatch.setattr(transforms, "_module", lambda *_: (name, gpu.kernels(name, CUDA)))
    found = [
        transforms._launched("forward", transform, 3, z),
        transforms._launched("apply", transform, 4, z, g, transpose=True),
        transforms._launched("apply", transform, 3, z, v),
        transforms._launched("second", transform, 4, z, g, v),
    ]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("p", ["pwl", "pwq", "fourier"])
def test_a_gpu_computes_what_the_cpu_does(p):
    module = tb.IATReLU(10, 10, p, "pwq")
    z = torch.randn(1000, 10, dtype=torch.float64, requires_grad=True)
    there = z.detach().cuda().requires_grad_()
    g = torch.randn(1000, 10, dtype=torch.float64)
    u, w = module(z), module(there)
    torch.testing.assert_close(w.cpu(), u, rtol=1e-10, atol=1e-11)
    for a, b in zip(torch.autograd.grad(u, z, g), torch.autograd.grad(w, there, g.cuda()), strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=1e-9, atol=1e-10)
