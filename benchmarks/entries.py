"""What is measured: each entry is a name, our call and the reference that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import iatcore
import torch_bridge
from torch_bridge.networks.mlp import mlp
from torch_bridge.ops.iat import reference
from torch_bridge.ops.iat_mesh.reference import iat_mesh

MESH = 500
LOCAL = (
    ("pwl", "pwl"),
    ("pwq", "pwq"),
    ("pwl", "pwq"),
    ("rect", "pwq"),
    ("rect-w", "rect-w"),
    ("pwl-w", "pwl-w"),
    ("pwl-w", "pwq"),
)
FOURIER = (("fourier", "pwq"), ("fourier", "rect"), ("fourier", "fourier"), ("fourier", "pwl-w"))
TO_FOURIER = (("pwl", "fourier"), ("pwq", "fourier"))
DTYPES = (torch.float32, torch.float64)
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-11}


class WrongResult(AssertionError):
    """What was to be timed does not compute the right thing."""


@dataclass(frozen=True)
class Entry:
    """One comparison; ``ours`` and ``reference`` do the same work on the same data.

    Attributes:
        group: name of the table it belongs to.
        name: row of the table.
        samples: samples in a call, to give times a sample.
        check: raises :class:`WrongResult` unless ``ours`` is right.
        bytes: read and written by a pass that only copies its input, output and their gradients; 0 if meaningless.
    """

    group: str
    name: str
    samples: int
    ours: Callable[[], object]
    reference: Callable[[], object]
    check: Callable[[], None] = lambda: None
    bytes: int = 0


def data(batch: int, d: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Fixed random input and output gradient."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(batch, d, dtype=dtype, generator=generator).requires_grad_()
    return z, torch.randn(batch, d, dtype=dtype, generator=generator)


def forward_backward(module: nn.Module, batch: int, d: int, dtype: torch.dtype) -> Callable[[], None]:
    """A forward and a backward pass on fixed random data."""
    z, g = data(batch, d, dtype)

    def call() -> None:
        z.grad = None
        module(z).backward(g)

    return call


def compare(module: torch_bridge.IATReLU, d: int, dtype: torch.dtype, rows: int = 64) -> None:
    """Value and gradient against the implementation in plain torch, in float64."""
    z, g = data(rows, d, dtype)
    u = module(z)
    (gradient,) = torch.autograd.grad(u, z, g)
    x = z.detach().double().requires_grad_()
    exact = reference.iat(x, module.transform.plan)
    (exact_gradient,) = torch.autograd.grad(exact, x, g.double())
    u, exact = u.detach(), exact.detach()
    for name, a, b in (("value", u, exact), ("gradient", gradient, exact_gradient)):
        error = float((a.double() - b).abs().max() / b.abs().max())
        if not error <= TOLERANCE[dtype]:
            raise WrongResult(f"{name} of {module} is off by {error:.1e}")


class PlainMesh(nn.Module):
    """IAT (12) as it is written: two matrix products and a ReLU in torch, all values in memory."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.fused = torch_bridge.IATReLU(**settings)

    def forward(self, z: Tensor) -> Tensor:
        P, Q = self.fused._mesh_matrices(z.dtype, z.device)
        return iat_mesh(z, P, Q, self.fused.gate)


def mesh_against_plain() -> Iterator[Entry]:
    """The transform of M points block by block against the whole at once."""
    for batch in (2500, 100_000):
        for dtype in DTYPES:
            settings = {"in_features": 10, "out_features": 10, "mesh": MESH}
            yield Entry(
                f"mesh of {MESH} points, by blocks / at once, d 10, {str(dtype).removeprefix('torch.')}",
                f"batch {batch}",
                batch,
                forward_backward(torch_bridge.IATReLU(**settings), batch, 10, dtype),
                forward_backward(PlainMesh(**settings), batch, 10, dtype),
            )


def exact_against_mesh(
    batches: tuple[tuple[int, int], ...], pairs: tuple[tuple[str, str], ...], dtypes: tuple[torch.dtype, ...] = DTYPES
) -> Iterator[Entry]:
    """The exact transform against IAT (12) with M = 500 (d = 10) or 50 d, forward and backward."""
    for batch, d in batches:
        for dtype in dtypes:
            for p, q in pairs:
                exact = torch_bridge.IATReLU(d, d, p, q)
                mesh = PlainMesh(in_features=d, out_features=d, input_basis=p, output_basis=q, mesh=MESH * d // 10)
                yield Entry(
                    f"exact / mesh, batch {batch}, d {d}, {str(dtype).removeprefix('torch.')}",
                    f"{p} / {q}",
                    batch,
                    forward_backward(exact, batch, d, dtype),
                    forward_backward(mesh, batch, d, dtype),
                    lambda exact=exact, d=d, dtype=dtype: compare(exact, d, dtype),
                    # z is read and u written; z and g are read and the gradient is written
                    5 * batch * d * dtype.itemsize,
                )


def module_against_code() -> Iterator[Entry]:
    """A forward and a backward pass of a module against the compiled code alone; for few rows, the time of a call."""
    for batch in (8, 100_000):
        for p, q in (*LOCAL[:2], FOURIER[0], TO_FOURIER[0]):
            module = torch_bridge.IATReLU(10, 10, p, q)
            z, g = (t.detach().numpy() for t in data(batch, 10, torch.float32))

            def alone(core: iatcore.IAT = module.transform.core, z: Any = z, g: Any = g) -> None:
                _, saved = core.forward(z, save=True)
                core.backward(z, g, saved)

            few = batch < 100
            yield Entry(
                f"module / compiled code alone, batch {batch}, d 10, float32{', a call' if few else ''}",
                f"{p} / {q}",
                1 if few else batch,
                forward_backward(module, batch, 10, torch.float32),
                alone,
            )


def compiled_against_eager() -> Iterator[Entry]:
    """A forward and a backward pass under torch.compile against the same module as it is; nn.ReLU for scale."""
    rows: list[tuple[str, nn.Module, tuple[int, ...]]] = [
        (f"{p} / {q}, batch {batch}", torch_bridge.IATReLU(10, 10, p, q), (batch, 10))
        for batch in (2500, 100_000)
        for p, q in (LOCAL[0], FOURIER[0])
    ]
    rows += [("TMAF, 2^20", torch_bridge.TMAF(), (2**20,)), ("AReLU, 2^20", torch_bridge.AReLU(), (2**20,))]
    rows += [(f"ReLU, 2^{k}", nn.ReLU(), (2**k,)) for k in (12, 20)]
    for name, module, shape in rows:
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        g = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        compiled = torch.compile(module, fullgraph=True)

        def gradient(of: Callable[[Tensor], Tensor], x: Tensor = x, g: Tensor = g) -> Tensor | None:
            x.grad = None
            of(x).backward(g)
            return x.grad

        def check(gradient: Any = gradient, a: Any = compiled, b: nn.Module = module) -> None:
            torch.testing.assert_close(gradient(a), gradient(b))

        yield Entry(
            "torch.compile / eager, forward and backward, float32",
            name,
            x.numel() // shape[-1] if len(shape) > 1 else x.numel(),
            partial(gradient, compiled),
            partial(gradient, module),
            check,
        )


def training_steps() -> Iterator[Entry]:
    """One step of the network of IAT section 5.3, ten layers of width 10, batch 2,500, against that with ReLU.

    The time that the transforms add is theirs alone: the linear layers are the same.
    """
    for p, q in (("pwl", "pwl"), ("pwq", "pwq"), ("fourier", "pwq")):
        yield Entry(
            "training step, exact IAT-ReLU / ReLU (times slower), 10 layers of 10, batch 2500, float32",
            f"{p} / {q}",
            2500,
            step(lambda n: nn.ReLU()),
            step(lambda n, p=p, q=q: torch_bridge.IATReLU(n, n, p, q)),
        )


def step(activation: Callable[[int], nn.Module]) -> Callable[[], None]:
    """One step of Adam on 2,500 points of the plane."""
    torch.manual_seed(0)
    network = mlp([2, *[10] * 10, 1], activation)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    x, y = torch.rand(2500, 2) * 2 - 1, torch.rand(2500, 1)

    def call() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), y).backward()
        optimizer.step()

    return call


def entries(quick: bool) -> Iterator[Entry]:
    """All entries; ``quick`` keeps the small batches of three pairs."""
    if quick:
        yield from exact_against_mesh(((2500, 10),), FOURIER[:1] + LOCAL[:2])
        return
    yield from exact_against_mesh(((2500, 10), (100_000, 10)), LOCAL + FOURIER + TO_FOURIER)
    yield from exact_against_mesh(((20_000, 64),), (*LOCAL[:2], *FOURIER[:3]))
    yield from mesh_against_plain()
    yield from module_against_code()
    yield from compiled_against_eager()
    yield from training_steps()
