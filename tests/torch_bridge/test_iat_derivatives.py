"""Second derivatives of the compiled path, and the derivative with respect to what makes the pattern."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import torch_bridge as tb
from iatcore import Gate, gates
from iatcore.bases import FAMILIES

GATES = {
    "leaky": gates.leaky_relu(0.1),
    "jumps": Gate((-0.5, 0.4), (0.0, 1.0, 0.3)),
    "ten intervals": gates.tmaf([-1.4, -0.92, -0.56, -0.26, 0, 0.26, 0.56, 0.92, 1.4], [0.1 * k for k in range(10)]),
}


def leaf(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", FAMILIES)
def test_second_derivatives_against_differences(first: str, second: str) -> None:
    assert gradgradcheck(tb.IATReLU(4, 3, first, second), leaf(2, 4, seed=2))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("first", ["pwl", "pwq", "fourier"])
def test_gates_against_differences(first: str, gate: str) -> None:
    module = tb.IAT(4, 3, first, "pwl-w", GATES[gate], scale=None)
    z = leaf(2, 4, seed=3)
    assert gradcheck(module, z)
    assert gradgradcheck(module, z, atol=1e-4)


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_as_the_differentiable_path(first: str, dtype: torch.dtype) -> None:
    """Gradient of a loss that contains first derivatives, with every part of the graph in play."""
    z = leaf(3, 2, 6, seed=4).detach().to(dtype)
    results = []
    for derivatives in (2, "any"):
        module = tb.IATReLU(6, 5, first, "fourier", derivatives=derivatives)  # type: ignore[arg-type]
        x = z.clone().requires_grad_()
        weight = torch.linspace(0.5, 1.5, 5, dtype=dtype).requires_grad_()
        (slope,) = torch.autograd.grad((module(x) * weight).sin().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(slope.square().sum(), (x, weight)))
    for a, b in zip(*results, strict=True):
        size = float(b.abs().max())
        torch.testing.assert_close(a, b, rtol=0, atol=(1e-11 if dtype == torch.float64 else 2e-5) * size)
        assert a.dtype == dtype


def test_a_third_derivative_says_what_to_do() -> None:
    z = leaf(2, 4)
    (gradient,) = torch.autograd.grad(tb.IATReLU(4, 3)(z).square().sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match='derivatives="any"'):
        torch.autograd.grad(second.sum(), z)


@pytest.mark.parametrize("gate", ["relu", gates.leaky_relu(0.2), GATES["jumps"]])
@pytest.mark.parametrize("first", FAMILIES)
def test_moving_pattern(first: str, gate: Gate | str) -> None:
    """IAT (24): z in the linear part, x in the pattern, gradients to both."""
    module = tb.IAT(4, 3, first, "pwq", gate)
    z, x = leaf(2, 4, seed=5), leaf(2, 4, seed=6)

    def decoupled(z: Tensor, x: Tensor) -> Tensor:
        return module(z, pattern_from=x)

    assert gradcheck(decoupled, (z, x))
    if first != "rect":  # whose pattern does not move
        assert gradgradcheck(decoupled, (z, x), atol=1e-4)
    (alone,) = torch.autograd.grad(decoupled(z.detach(), x).sum(), x)
    torch.testing.assert_close(alone, torch.autograd.grad(decoupled(z, x).sum(), (z, x))[1])
