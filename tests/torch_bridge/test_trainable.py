"""Transforms whose bases and gates are trained, against quadrature between roots that scipy finds."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

import iatcore
import torch_bridge as tb
from iatcore import gates

SAMPLES = 2001
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
Functions = Callable[[np.ndarray], np.ndarray]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def integral(z: np.ndarray, p: Functions, q: Functions, gate: iatcore.Gate, knots: Sequence[float]) -> np.ndarray:
    """``integral q sigma(z^T p)`` of one row: Gauss-Legendre between knots and crossings."""
    cuts = set(knots)
    for a, b in pairwise(sorted(knots)):
        grid = np.linspace(a, b, SAMPLES)
        grid[[0, -1]] = a + 1e-12 * (b - a), b - 1e-12 * (b - a)
        for level in gate.breakpoints:
            f = z @ p(grid) - level
            for k in np.flatnonzero(f[1:] * f[:-1] < 0):
                cuts.add(
                    brentq(
                        lambda s, level=level: float((z @ p(np.array([s])))[0] - level), *grid[k : k + 2], xtol=1e-15
                    )
                )
    total = 0.0
    for a, b in pairwise(sorted(cuts)):
        s = (a + b) / 2 + (b - a) / 2 * NODES
        total = total + q(s) @ (gate(z @ p(s)) * WEIGHTS) * (b - a) / 2
    return total


def expected(module: tb.TrainableIAT, z: Tensor) -> np.ndarray:
    """u of a module from the values that its parameters have now, along the last dimension."""

    def functions(basis: iatcore.Basis, coefficients: Any, frequencies: Any) -> Functions:
        def values(s: np.ndarray) -> np.ndarray:
            if frequencies is None:
                phi = basis(s)
            else:
                w = frequencies.detach().double().numpy()[:, None]
                factor = np.array([h.factor for h in basis.harmonics])[:, None]
                phase = np.array([np.pi / 2 * h.cosine for h in basis.harmonics])[:, None]
                phi = factor * np.sin(np.pi * w * s + phase)
            if coefficients is None:
                return phi
            c = coefficients.detach().double().numpy()
            return c[:, None] * phi if c.ndim == 1 else c @ phi

        return values

    p = functions(module.input_basis, module.input_coefficients, module.input_frequencies)
    q = functions(module.output_basis, module.output_coefficients, module.output_frequencies)
    knots = sorted({float(k) for b in (module.input_basis, module.output_basis) for k in b.knots} | {0.0, 0.5, -0.5})
    rows = z.detach().double().reshape(-1, z.shape[-1]).numpy()
    return np.stack([integral(row, p, q, module.current_gate(), knots) for row in rows])


def shaken(module: nn.Module, seed: int = 5) -> nn.Module:
    """The module with its parameters moved away from where they start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
    return module


JUMPING = gates.tmaf([-0.3, 0.0, 0.4], [0.2, 1.0, -0.5, 0.7])
ALL = ("input", "output", "input_frequencies", "output_frequencies", "slopes", "breakpoints")
CASES: dict[str, dict[str, Any]] = {
    name: {"input_basis": p, "output_basis": q, "gate": gate, "trainable": trainable}
    for name, p, q, gate, trainable in [
        ("coefficients", "pwl", "pwq", "relu", ("input", "output")),
        ("wavelets", "pwl-w", "rect-w", "relu", ("input", "output")),
        ("amplitudes", "fourier", "fourier", "relu", ("input", "output")),
        ("frequencies", "fourier", "pwq", "relu", ("input_frequencies",)),
        ("both frequencies", "fourier", "fourier", "relu", ("input", "input_frequencies", "output_frequencies")),
        ("output frequencies", "pwq", "fourier", "relu", "output_frequencies"),
        ("two slopes", "pwq", "pwl", "leaky_relu", ("slopes", "output")),
        ("slopes", "pwl", "pwq", JUMPING, ("slopes",)),
        ("breakpoints", "fourier", "pwq", JUMPING, ("breakpoints", "slopes")),
        ("breakpoints of hats", "pwl", "fourier", JUMPING, "breakpoints"),
        ("everything", "fourier", "fourier", JUMPING, ALL),
    ]
}


def make(case: str, **settings: Any) -> Any:
    return shaken(tb.TrainableIAT(5, 4, **{**CASES[case], **settings}, dtype=torch.float64))


@pytest.mark.parametrize("case", CASES)
def test_values(case: str) -> None:
    module, z = make(case), normal(6, 5)
    reference = expected(module, z)
    np.testing.assert_allclose(module(z).detach().numpy(), reference, rtol=0, atol=1e-12 * np.abs(reference).max())


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_quadrature(case: str) -> None:
    module, z, g = make(case), normal(3, 5, seed=1), normal(3, 4, seed=2)
    module(z).backward(g)
    step = 1e-5
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        numbers, found = parameter.data.view(-1), parameter.grad.view(-1)
        for k in range(min(len(numbers), 6)):
            values = []
            for sign in (1, -1):
                numbers[k] += sign * step
                values.append(float((expected(module, z) * g.numpy()).sum()))
                numbers[k] -= sign * step
            difference = (values[0] - values[1]) / (2 * step)
            assert abs(float(found[k]) - difference) <= 1e-6 * max(1.0, abs(difference)), (name, k)


@pytest.mark.parametrize("case", CASES)
def test_first_and_second_derivatives_of_everything(case: str) -> None:
    module = make(case)
    z = normal(2, 5, seed=3).requires_grad_()
    names, parameters = zip(*module.named_parameters(), strict=True)

    def function(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    inputs = (z, *(p.detach().clone().requires_grad_() for p in parameters))
    assert gradcheck(function, inputs, atol=1e-5)
    assert gradgradcheck(function, inputs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("case", ["coefficients", "two slopes", "breakpoints", "frequencies"])
def test_any_order_agrees(case: str) -> None:
    fast, slow = make(case), make(case, derivatives="any")
    z, g = normal(7, 5, seed=4).requires_grad_(), normal(7, 4, seed=5)
    for module in (fast, slow):
        module(z).backward(g, inputs=[z, *module.parameters()])
    for a, b in zip(fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-10, atol=1e-11)
    x = normal(2, 5, seed=6).requires_grad_()
    for _ in range(2):
        (first,) = torch.autograd.grad(slow(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
        torch.autograd.grad(second.square().sum(), x)
    if case != "frequencies":
        (first,) = torch.autograd.grad(fast(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match='derivatives="any"'):
            torch.autograd.grad(second.square().sum(), x)


def test_starts_as_the_fixed_transform() -> None:
    for p, q in (("pwl", "fourier"), ("fourier", "pwq"), ("rect-w", "pwl-w")):
        module = tb.TrainableIAT(6, 5, p, q)
        z = normal(9, 6).float()
        torch.testing.assert_close(module(z), tb.IATReLU(6, 5, p, q)(z), rtol=1e-6, atol=1e-6)
    fixed = tb.TrainableIAT(6, 5, gate=JUMPING, trainable=())
    assert not list(fixed.parameters()) and fixed.current_gate() is JUMPING
    leaky = tb.TrainableIAT(6, 5, gate="leaky_relu", trainable=("slopes",), dtype=torch.float64)
    assert tuple(leaky.slopes.tolist()) == leaky.gate.slopes


def test_a_trained_grid_that_starts_as_one_breakpoint_at_zero() -> None:
    gate = tb.TMAF(grid=(0.0,), init="leaky_relu", trainable_grid=0.1, dtype=torch.float64)
    module = tb.TrainableIAT(5, 4, "pwl", "pwq", gate=gate, trainable=(), dtype=torch.float64)
    z = normal(3, 5, seed=9)
    with torch.no_grad():
        gate.breakpoints[0].add_(0.3)
    assert module.current_gate().breakpoints == (0.3,)
    np.testing.assert_allclose(module(z).detach().numpy(), expected(module, z), rtol=0, atol=1e-12)


GATE_MODULES: dict[str, Callable[[], Any]] = {
    "arelu": lambda: tb.AReLU(dtype=torch.float64),
    "elsa": lambda: tb.ELSA(dtype=torch.float64),
    "tmaf": lambda: tb.TMAF(init="leaky_relu", dtype=torch.float64),
    "tmaf-trained": lambda: tb.TMAF(init="leaky_relu", trainable_grid=0.1, dtype=torch.float64),
}


@pytest.mark.parametrize("name", GATE_MODULES)
def test_modules_as_gates(name: str) -> None:
    module = tb.TrainableIAT(5, 4, "pwl", "pwq", gate=GATE_MODULES[name](), trainable=(), dtype=torch.float64)
    gate = shaken(module.gate_module, seed=8)
    z, g = normal(3, 5, seed=9), normal(3, 4, seed=10)
    s = torch.linspace(-2, 2, 41, dtype=torch.float64)
    np.testing.assert_allclose(module.current_gate()(s.numpy()), gate(s).detach().numpy(), atol=1e-15)
    np.testing.assert_allclose(module(z).detach().numpy(), expected(module, z), rtol=0, atol=1e-12)
    module(z).backward(g)
    assert {n for n, _ in module.named_parameters()} == {f"gate_module.{n}" for n, _ in gate.named_parameters()}
    step = 1e-5
    for parameter in gate.parameters():
        numbers, found = parameter.data.view(-1), parameter.grad.view(-1)
        for k in range(len(numbers)):
            values = []
            for sign in (1, -1):
                numbers[k] += sign * step
                values.append(float((expected(module, z) * g.numpy()).sum()))
                numbers[k] -= sign * step
            assert abs(float(found[k]) - (values[0] - values[1]) / (2 * step)) <= 1e-6


@pytest.mark.parametrize("case", ["coefficients", "amplitudes", "two slopes", "slopes", "both frequencies"])
def test_mesh(case: str) -> None:
    """The midpoint rule of what the exact module computes."""
    module, exact = make(case, mesh=20_000), make(case)
    z = normal(4, 5)
    torch.testing.assert_close(module(z), exact(z), rtol=0, atol=2e-3 if case == "slopes" else 1e-6)
    inputs = [normal(2, 5, seed=1).requires_grad_(), *module.parameters()]
    u = module(inputs[0])
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(u.sum(), inputs))


@pytest.mark.parametrize("activation", [torch.tanh, nn.Softplus()])
def test_smooth_activations(activation: Any) -> None:
    module = shaken(tb.TrainableIAT(5, 4, "pwl", "fourier", activation=activation, dtype=torch.float64))
    mesh = tb.TrainableIAT(5, 4, "pwl", "fourier", activation=activation, mesh=4000, dtype=torch.float64)
    mesh.load_state_dict(module.state_dict())
    z = normal(3, 5).requires_grad_()
    torch.testing.assert_close(module(z), mesh(z), rtol=0, atol=1e-5)
    module(z).sum().backward()
    assert module.input_coefficients is not None and module.input_coefficients.grad is not None


@pytest.mark.parametrize("case", ["coefficients", "two slopes", "breakpoints", "frequencies"])
def test_decoupled(case: str) -> None:
    module, z = make(case), normal(4, 5)
    torch.testing.assert_close(module(z, pattern_from=z), module(z), rtol=0, atol=1e-12)
    x = normal(4, 5, seed=7)
    torch.testing.assert_close(module(2.5 * z, pattern_from=x), 2.5 * module(z, pattern_from=x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", ["coefficients", "two slopes", "breakpoints", "frequencies"])
def test_as_a_module(case: str) -> None:
    module = make(case, dim=1)
    z = normal(3, 5, 2)
    u = module(z)
    assert u.shape == (3, 4, 2)
    again = make(case, dim=1)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(again(z), u) and torch.equal(copy.deepcopy(module)(z), u)
    single = copy.deepcopy(module).float()
    assert single(z.float()).dtype == torch.float32
    torch.testing.assert_close(single(z.float()).double(), u, rtol=1e-4, atol=1e-4)
    assert module(z[:0]).shape == (0, 4, 2)
    bad = z.clone()
    bad[1, 2, 0] = torch.nan
    v = module(bad)
    assert v[1, :, 0].isnan().all() and v[1, :, 1].isfinite().all() and v[[0, 2]].isfinite().all()


@pytest.mark.parametrize("case", ["coefficients", "two slopes", "breakpoints"])
def test_in_graphs_and_under_transforms(case: str) -> None:
    module, z = make(case), normal(4, 5)
    compiled = torch.compile(module, fullgraph=True)
    torch.testing.assert_close(compiled(z), module(z), rtol=0, atol=1e-13)
    gradients = [torch.autograd.grad(m(z).square().sum(), list(module.parameters())) for m in (module, compiled)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    rows = torch.func.vmap(module)(z[:, None])
    torch.testing.assert_close(rows[:, 0], module(z), rtol=0, atol=1e-13)
    jacobian = torch.func.vmap(torch.func.jacrev(module))(z)
    forward = torch.func.vmap(torch.func.jacfwd(module))(z)
    torch.testing.assert_close(jacobian, forward, rtol=1e-10, atol=1e-11)


def test_an_ensemble_by_vmap() -> None:
    modules = [make("breakpoints")] + [shaken(make("breakpoints"), seed=k) for k in range(2)]
    parameters, buffers = torch.func.stack_module_state(modules)
    z = normal(3, 4, 5)

    def call(p: Any, b: Any, x: Tensor) -> Tensor:
        return torch.func.functional_call(modules[0], (p, b), (x,))

    u = torch.func.vmap(call)(parameters, buffers, z)
    for k, module in enumerate(modules):
        torch.testing.assert_close(u[k], module(z[k]), rtol=0, atol=1e-12)


def test_diverged_parameters_give_nan() -> None:
    for case, name in (("slopes", "slopes"), ("breakpoints", "gaps"), ("frequencies", "input_frequencies")):
        module = make(case)
        with torch.no_grad():
            getattr(module, name)[0] = torch.nan
        assert module(normal(2, 5)).isnan().all()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"trainable": "inputs"}, ValueError, "trainable must name some of input, output, .*, got 'inputs'"),
        ({"input_basis": "pwl", "trainable": "input_frequencies"}, ValueError, "need a trigonometric input_basis"),
        ({"activation": torch.tanh, "trainable": "slopes"}, ValueError, "need a gate"),
        ({"activation": torch.tanh, "trainable": "input_frequencies"}, ValueError, "need a mesh"),
        ({"gate": "identity", "trainable": "breakpoints"}, ValueError, "need a gate with breakpoints"),
        ({"gate": JUMPING, "trainable": "breakpoints", "mesh": 10}, ValueError, "no derivative"),
        ({"gate": tb.TMAF(bands=(0, 1))}, ValueError, "diagonal TMAF"),
        ({"gate": nn.ReLU()}, TypeError, "gate must be a name, a Gate, or a module AReLU, ELSA or TMAF, got ReLU"),
        ({"gate": tb.AReLU(), "trainable": "slopes"}, ValueError, "need a Gate, got a module"),
        ({"dtype": torch.int64}, TypeError, "dtype must be a floating one"),
    ],
)
def test_bad_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tb.TrainableIAT(5, 4, **settings)


def test_bad_input() -> None:
    module = tb.TrainableIAT(5, 4)
    with pytest.raises(ValueError, match="z must have size in_features = 5"):
        module(torch.zeros(2, 4))
    with pytest.raises(TypeError, match="real floating-point numbers"):
        module(torch.zeros(2, 5, dtype=torch.int64))
    with pytest.raises(TypeError, match="without trained bases or gate"):
        tb.to_relu_network(nn.Sequential(nn.Linear(3, 5), module), mesh=10)
