"""On a GPU: every kernel against the CPU, derivatives, graphs, memory. Anywhere: the logic of the benchmark."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import torch_bridge as tb
from benchmarks import gpu as benchmark
from benchmarks import gpu_rows
from benchmarks.entries import WrongResult
from iatcore import Gate
from tests.torch_bridge.triton_tools import GPU
from torch_bridge.ops.iat import kernels

DTYPES = [torch.float32, torch.float64]
FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
PAIRS = [(p, q) for p in FAMILIES for q in FAMILIES]
GATES = {"relu": "relu", "leaky": "leaky_relu", "negative": Gate((0.0,), (1.0, 0.0))}


def on_gpu(function: Callable) -> Callable:
    """A test that needs a CUDA device."""
    for mark in GPU:
        function = mark(function)
    return function


def rows(batch: int, size: int, dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(batch, size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def there(*tensors: Tensor) -> list[Tensor]:
    """Copies on the device, which ask for gradients if the tensors do."""
    return [t.detach().cuda().requires_grad_(t.requires_grad) for t in tensors]


def near(found: Tensor, expected: Tensor, factor: float = 1.0) -> None:
    """Equal to some roundings of the largest entry."""
    eps = torch.finfo(found.dtype).eps
    assert found.dtype == expected.dtype and found.shape == expected.shape and found.is_cuda
    bound = factor * 64 * eps * float(expected.double().abs().max())
    assert float((found.cpu().double() - expected.double()).abs().max()) <= bound


def derivatives(module: nn.Module, z: Tensor, g: Tensor, v: Tensor) -> list[Tensor]:
    """u, its gradient, and the second derivative ``sum g_i H_i v`` where there is one."""
    u = module(z)
    (first,) = torch.autograd.grad(u, z, g, create_graph=True)
    second = torch.autograd.grad(first, z, v)[0] if first.requires_grad else torch.zeros_like(z)
    return [u.detach(), first.detach(), second]


# -- the exact transform --------------------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("number", range(len(PAIRS)), ids=[" to ".join(pair) for pair in PAIRS])
def test_transforms(number: int, dtype: torch.dtype) -> None:
    """Every pair of families, by kernels: values, gradients and second derivatives of the CPU; odd sizes."""
    p, q = PAIRS[number]
    gate = list(GATES.values())[number % len(GATES)]
    module = tb.IAT(10, 7, p, q, gate=gate)
    z = rows(1003, 10, dtype, 1).requires_grad_()
    g, v = rows(1003, 7, dtype, 2), rows(1003, 10, dtype, 3)
    cuda = there(z, g, v)
    assert kernels.serve(cuda[0], module.transform)
    expected, found = derivatives(module, z, g, v), derivatives(module, *cuda)
    near(found[0], expected[0])
    near(found[1], expected[1])
    if p not in ("rect", "rect-w"):
        # second derivatives are as large as a row is near to a tangency: row by row
        for a, b in zip(found[2].split(1), expected[2].split(1), strict=True):
            near(a, b, 1e4)


@on_gpu
@pytest.mark.parametrize(("p", "q", "d"), [
    ("pwl", "pwl", 64), ("pwq", "pwq", 130), ("fourier", "pwq", 64), ("fourier", "fourier", 64), ("pwq", "fourier", 64),
])  # fmt: skip
def test_wide_transforms(p: str, q: str, d: int) -> None:
    module = tb.IATReLU(d, d, p, q)
    for batch in (1, 257):
        z, g = rows(batch, d, torch.float64, 1).requires_grad_(), rows(batch, d, torch.float64, 2)
        x, h = there(z, g)
        u, w = module(z), module(x)
        near(w.detach(), u.detach(), 16)
        near(torch.autograd.grad(w, x, h)[0], torch.autograd.grad(u, z, g)[0], 16)
    assert module(x.detach()[:0]).shape == (0, d)


@on_gpu
@pytest.mark.parametrize(("p", "q"), [("pwq", "pwl"), ("fourier", "pwl"), ("fourier", "fourier"), ("pwl", "fourier")])
def test_rows_with_nan(p: str, q: str) -> None:
    """nan stays in its row; rows of zeros, and huge and tiny ones, are as on the CPU."""
    module, z = tb.IATReLU(6, 5, p, q), rows(70, 6, torch.float64, 1)
    z[3, 2], z[5, 0], z[7] = torch.nan, torch.inf, 0.0
    z[11] *= 1e30
    z[12] *= 1e-30
    (x,) = there(z)
    u, w = module(z), module(x).cpu()
    assert torch.equal(u.isnan(), w.isnan()) and u.isnan().all(1).nonzero().flatten().tolist() == [3, 5]
    scale = z.abs().amax(1, keepdim=True)
    good = [i for i in range(70) if i not in (3, 5, 7)]
    torch.testing.assert_close((w / scale)[good], (u / scale)[good], rtol=0, atol=1e-13)
    assert torch.equal(w[7], torch.zeros(5, dtype=torch.float64))


@on_gpu
@pytest.mark.parametrize(("p", "q"), [("pwl", "pwq"), ("fourier", "pwq"), ("pwq", "fourier")])
def test_half_precision_and_layouts(p: str, q: str) -> None:
    module = tb.IATReLU(6, 5, p, q, dim=1)
    z = rows(40, 6 * 3, torch.float32, 1).view(40, 6, 3)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        x = z.to(dtype)
        torch.testing.assert_close(module(x.cuda()).cpu(), module(x))


# -- meshes and entry-wise activations ------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gate", GATES.values(), ids=list(GATES))
def test_mesh(gate: Any, dtype: torch.dtype) -> None:
    module = tb.IAT(10, 7, "fourier", "pwq", gate=gate, mesh=500)
    z, g = rows(1003, 10, dtype, 1).requires_grad_(), rows(1003, 7, dtype, 2)
    x, h = there(z, g)
    u, w = module(z), module(x)
    near(w.detach(), u.detach(), 4)
    first, expected = (
        torch.autograd.grad(a, b, c)[0] for a, b, c in ((w, x, h), (u, z, g))
    )  # fmt: skip
    # a state that is 0 to rounding may be on either side: rows where slopes differ are few
    apart = (first.cpu() - expected).abs().amax(1) > 4 * 64 * torch.finfo(dtype).eps * expected.abs().max()
    assert apart.sum() <= (10 if dtype == torch.float32 else 0)


@on_gpu
@pytest.mark.filterwarnings("ignore:TensorFloat32")
@pytest.mark.parametrize("compiled", [False, True])
def test_memory_of_a_mesh_does_not_depend_on_its_points(compiled: bool) -> None:
    """In eager mode and in a graph; a tensor of all values would take 100 and 1,000 MB."""
    taken = []
    for mesh in (500, 5000):
        torch._dynamo.reset()
        module = tb.IATReLU(10, 10, mesh=mesh)
        function = torch.compile(module, fullgraph=True) if compiled else module
        z, g = (t.cuda() for t in (rows(50_000, 10, torch.float32, 1), rows(50_000, 10, torch.float32, 2)))
        z.requires_grad_()

        def call(function: Any = function, z: Tensor = z, g: Tensor = g) -> None:
            z.grad = None
            function(z).backward(g)

        call()
        z.grad = None
        taken.append(benchmark.peak_bytes(call))
    assert taken[0] == taken[1] < 10 * z.numel() * 4


ELEMENTWISE = {
    "TMAF": lambda: tb.TMAF(),
    "uniform": lambda: tb.TMAF("uniform"),
    "tri-diagonal": lambda: tb.TMAF(bands=(-1, 0, 1)),
    "by neuron": lambda: tb.TMAF(sharing="neuron", num_features=33),
    "AReLU": lambda: tb.AReLU(),
    "ELSA": lambda: tb.ELSA(keep_alive=True),
}


@on_gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_entry_wise(name: str, dtype: torch.dtype) -> None:
    """Values, gradients and second derivatives of the CPU; gradients of parameters are the same in every run."""
    torch.manual_seed(0)
    module = ELEMENTWISE[name]().to(dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 + 0.3 * torch.randn(parameter.shape))
    z, g, v = (rows(1003, 33, dtype, seed) for seed in range(3))
    z.requires_grad_()

    def gradients(module: nn.Module, z: Tensor, g: Tensor, v: Tensor) -> list[Tensor]:
        inputs = (z, *module.parameters())
        u = module(z)
        first = torch.autograd.grad(u, inputs, g, create_graph=True)
        mixed = torch.autograd.grad(first[0], inputs, v, allow_unused=True, materialize_grads=True)
        return [t.detach() for t in (u, *first, *mixed)]

    expected, cuda = gradients(module, z, g, v), module.cuda()
    found = gradients(cuda, *there(z, g, v))
    again = gradients(cuda, *there(z, g, v))
    for a, b, c in zip(found, again, expected, strict=True):
        assert torch.equal(a, b)
        if c.abs().max() > 0:
            near(a, c, 16)


# -- graphs ---------------------------------------------------------------------------------------------------------

MODULES = {
    "local": lambda: tb.IATReLU(10, 10, "pwl", "pwq"),
    "fourier to splines": lambda: tb.IATReLU(10, 10, "fourier", "pwq"),
    "fourier to fourier": lambda: tb.IATReLU(10, 10, "fourier", "fourier"),
    "splines to fourier": lambda: tb.IATReLU(10, 10, "pwq", "fourier"),
    "mesh": lambda: tb.IATReLU(10, 10, mesh=500),
    "TMAF": lambda: tb.TMAF(),
    "AReLU": lambda: tb.AReLU(),
}


@on_gpu
@pytest.mark.parametrize("name", MODULES)
def test_captured_in_a_graph(name: str) -> None:
    """Forward and backward wait for nothing, and replay with other values."""
    module = MODULES[name]().cuda()
    z = rows(257, 10, torch.float32, 1).cuda().requires_grad_()
    g = rows(257, 10, torch.float32, 2).cuda()
    inputs = (z, *module.parameters())

    def call() -> tuple[Tensor, ...]:
        u = module(z)
        return u, *torch.autograd.grad(u, inputs, g)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = call()
    for seed in (1, 5):
        with torch.no_grad():
            z.copy_(rows(257, 10, torch.float32, seed))
        graph.replay()
        torch.cuda.synchronize()
        for a, b in zip(captured, call(), strict=True):
            assert torch.equal(a, b)


@on_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("name", MODULES)
def test_no_waiting_for_the_device(name: str) -> None:
    module = MODULES[name]().cuda()
    z = rows(257, 10, torch.float32, 1).cuda().requires_grad_()
    g = rows(257, 10, torch.float32, 2).cuda()
    module(z).backward(g)
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        module(z).backward(g)
    finally:
        torch.cuda.set_sync_debug_mode(before)


@on_gpu
@pytest.mark.filterwarnings("ignore:TensorFloat32")
@pytest.mark.parametrize("name", MODULES)
def test_compiled(name: str) -> None:
    """One graph, for changing batches."""
    module = MODULES[name]().cuda()
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    for batch in (30, 257):
        z = rows(batch, 10, torch.float32, 1).cuda().requires_grad_()
        g = rows(batch, 10, torch.float32, 2).cuda()
        inputs = (z, *module.parameters())
        u, w = module(z), compiled(z)
        torch.testing.assert_close(w, u)
        for a, b in zip(torch.autograd.grad(w, inputs, g), torch.autograd.grad(u, inputs, g), strict=True):
            torch.testing.assert_close(a, b)


# -- the benchmark --------------------------------------------------------------------------------------------------


class Host:
    """The CPU in place of a GPU, with times that are given."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.calls = 0

    def seconds(self, call: Callable[[], None]) -> float:
        self.calls += 1
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    def peak(self, call: Callable[[], None]) -> int:
        call()
        return 640

    def compiled(self, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return function

    def hardware(self) -> dict[str, str]:
        return {"device": "none"}


def test_benchmark_from_end_to_end(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_rows, "MOST_POINTS", 300)
    host = Host()
    report = benchmark.run(host, batch=40, widths=(3,), mesh=10, calls=3, copied=2**10)
    assert json.loads(json.dumps(report)) == report
    assert len(report["results"]) == 11 and host.calls == 3 * (1 + 3 * 11)
    for row in report["results"]:
        assert row["plain_rows"] == (40 if row["mesh"] is None else 20) and not row["by_kernels"]
        assert row["times_eager"] == pytest.approx(row["eager_seconds"] / row["seconds"])
        floor = 5 * 40 * 3 * 4 / report["copy_bandwidth"]
        assert row["times_floor"] == pytest.approx(row["seconds"] / floor)
    assert [entry["bytes"] for entry in report["memory"]] == [16, 16]
    out = capsys.readouterr().out
    assert "device: none" in out and "exact, local, batch 40, d 3, float32, plain transform of 10 points" in out
    assert "plain torch on 20 rows, times 2" in out and "M = 100" in out


def test_benchmark_table() -> None:
    row: dict[str, Any] = {
        "group": "exact, local", "name": "pwl / pwl", "batch": 8, "d": 10, "mesh": 500, "plain_rows": 8,
        "by_kernels": True, "seconds": 2e-4, "times_floor": 2.0, "times_eager": 40.0, "times_compiled": 10.0,
    }  # fmt: skip
    found = {name: row[f"times_{name}"] for name in ("floor", "eager", "compiled")}
    row["targets"] = benchmark.judge(gpu_rows.TARGETS["exact, local"], found)
    assert [t["met"] for t in row["targets"].values()] == [True, False, True]
    line = " ".join(benchmark.line(row).split())
    assert line == "pwl / pwl 200 2.00 40.0 10.0 floor <= 2.5 ok; eager >= 50 MISSED; compiled >= 10 ok"
    assert len(benchmark.head().split("targets")[0].rstrip()) == len(benchmark.line(row).split("floor")[0].rstrip())


def test_benchmark_refuses_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(iter(gpu_rows.exact_rows(40, (3,), 10)))
    wrong = replace(row, check=gpu_rows.against(row.ours, lambda x: 2 * x))
    with pytest.raises(WrongResult, match="value of IATReLU"):
        benchmark.measure(wrong, Host(), 3, 1e9)


def test_benchmark_without_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        benchmark.main(["--calls", "3"])
