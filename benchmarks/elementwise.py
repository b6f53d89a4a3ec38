"""Element-wise and banded activations against torch's PReLU and against their formulas in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

import torch_bridge
from torch_bridge.ops.steps import reference

from .entries import Entry, WrongResult

SIZES = (2**12, 2**18, 2**24)
WIDTH = 256
"""Components of a vector, for matrices with several diagonals."""


def call(module: Callable[[Tensor], Tensor], parameters: list[Tensor], x: Tensor, g: Tensor) -> Callable[[], None]:
    """A forward and a backward pass, with gradients of everything."""

    def run() -> None:
        for tensor in (x, *parameters):
            tensor.grad = None
        module(x).backward(g)

    return run


def agree(module: nn.Module, plain: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> None:
    """Results and gradients against a formula in float64, sums over all entries included."""
    got = torch.autograd.grad(module(x), [x, *module.parameters()], g)
    double = x.detach().double().requires_grad_()
    expected = torch.autograd.grad(plain(double), [double, *module.parameters()], g.double())
    for a, b in zip(got, expected, strict=True):
        error = float((a.double() - b).norm() / b.norm())
        if not error <= 1e-5:
            raise WrongResult(f"gradient of {module} is off by {error:.1e}")


def plain_arelu(module: torch_bridge.AReLU) -> Callable[[Tensor], Tensor]:
    """AReLU 2.3 as the paper writes it."""

    def formula(x: Tensor) -> Tensor:
        alpha, beta = module.alpha.clamp(0.01, 0.99), torch.sigmoid(module.beta)
        return torch.relu(x) * (1 + beta) - torch.relu(-x) * alpha

    return formula


def plain_tmaf(module: torch_bridge.TMAF) -> Callable[[Tensor], Tensor]:
    """TMAF (5)-(6) with bucketize and a gather."""
    at = torch.tensor(module.grids[0])

    def formula(x: Tensor) -> Tensor:
        return module.values[0][torch.bucketize(x.detach(), at.to(x.dtype))] * x

    return formula


def in_double(module: torch_bridge.TMAF) -> Callable[[Tensor], Tensor]:
    """The reference implementation with breakpoints rounded to float32, as the module has them."""
    grids = tuple(tuple(torch.tensor(p, dtype=torch.float32).double().tolist()) for p in module.grids)

    def formula(x: Tensor) -> Tensor:
        values = tuple(v.double() for v in module.values)
        return reference.step_matrix(x, values, replace(module._bands, grids=grids), module._layout(x))

    return formula


def elementwise(sizes: tuple[int, ...] = SIZES) -> Iterator[Entry]:
    """Forward plus backward in float32, gradients of parameters included."""
    for size in sizes:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(size // WIDTH, WIDTH, generator=generator).requires_grad_()
        g = torch.randn(size // WIDTH, WIDTH, generator=generator)
        prelu, arelu = nn.PReLU(), torch_bridge.AReLU()
        ten, many = torch_bridge.TMAF("gaussian10"), torch_bridge.TMAF("uniform")
        tri = torch_bridge.TMAF("gaussian10", bands=(-1, 0, 1))
        with torch.no_grad():
            for v in (*ten.values, *many.values, *tri.values):
                v.normal_(generator=generator)
        tests = {arelu: plain_arelu(arelu), ten: in_double(ten), many: in_double(many), tri: in_double(tri)}
        names = {arelu: "AReLU", ten: "TMAF, 10 intervals", many: "TMAF, 101 breakpoints", tri: "TMAF, tri-diagonal"}

        def entry(
            group: str,
            ours: nn.Module,
            other: nn.Module,
            formula: Callable[[Tensor], Tensor] | None = None,
            size: int = size,
            x: Tensor = x,
            g: Tensor = g,
            tests: dict[nn.Module, Callable[[Tensor], Tensor]] = tests,
            names: dict[nn.Module, str] = names,
        ) -> Entry:
            return Entry(
                f"{group}, {size} entries",
                names[ours],
                size,
                call(ours, list(ours.parameters()), x, g),
                call(formula or other, list(other.parameters()), x, g),
                lambda: agree(ours, tests[ours], x, g),
                # x read and u written; x and g read and the gradient written
                5 * size * 4,
            )

        for module in (arelu, ten, many, tri):
            yield entry("activation / PReLU", module, prelu)
        yield entry("activation / its formula in plain torch", arelu, arelu, plain_arelu(arelu))
        yield entry("activation / its formula in plain torch", ten, ten, plain_tmaf(ten))
        yield entry("activation / its formula in plain torch", many, many, plain_tmaf(many))
        yield entry("activation / diagonal TMAF", tri, ten)
