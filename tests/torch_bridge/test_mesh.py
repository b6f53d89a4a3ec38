"""The transform on a mesh, IAT (12), against the formula in numpy and the exact transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.library import opcheck

import iatcore
import torch_bridge as tb
from iatcore import Gate, gates
from torch_bridge.ops.handles import handle
from torch_bridge.ops.iat.reference import iat, prepare
from torch_bridge.ops.iat_mesh import kernels, library, op, reference
from torch_bridge.ops.iat_mesh.reference import apply_gate, gate_slopes, iat_mesh, mesh_matrices

JUMPING = gates.tmaf([-0.3, 0.0, 0.4], [0.2, 0.0, -0.5, 0.7])
GATES = [
    gates.relu(),
    gates.leaky_relu(),
    gates.absolute(),
    gates.identity(),
    gates.arelu(),
    JUMPING,
    Gate((0.1, 0.2), (0.0, 1.0, 2.0), side="right"),
]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_gate_agrees_with_numpy(gate: Gate) -> None:
    t = np.concatenate([np.linspace(-1, 1, 41), gate.breakpoints, [np.inf, -np.inf, np.nan, 0.0, -0.0]])
    np.testing.assert_array_equal(apply_gate(gate, torch.from_numpy(t)).numpy(), gate(t))
    np.testing.assert_array_equal(gate_slopes(gate, torch.from_numpy(t)).numpy(), gate.derivative(t))


def test_breakpoints_are_not_rounded() -> None:
    """0.1 in float32 is above 0.1."""
    gate = Gate((0.1,), (1.0, 3.0))
    assert gate_slopes(gate, torch.tensor([0.1], dtype=torch.float32)).item() == 3.0


@pytest.mark.parametrize("gate", GATES, ids=repr)
@pytest.mark.parametrize("mesh", [1, 7, 50])
def test_formula(gate: Gate, mesh: int) -> None:
    p, q = iatcore.basis("fourier", 5), iatcore.basis("pwq", 4)
    z = normal(3, 2, 5)
    s = -1 + (2 * np.arange(mesh) + 1) / mesh
    expected = 2 / mesh * gate(z.numpy() @ p(s)) @ q(s).T
    u = iat_mesh(z, *mesh_matrices(p, q, mesh), gate)
    np.testing.assert_allclose(u.numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pair", [("pwl", "pwl"), ("fourier", "pwq"), ("pwl-w", "fourier")])
def test_second_order_convergence(pair: tuple[str, str]) -> None:
    """The root mean square error over many z falls by 4 when M doubles; single errors oscillate."""
    p, q = iatcore.basis(pair[0], 4), iatcore.basis(pair[1], 3)
    z = normal(400, 4, seed=1)
    exact = iat(z, prepare(p, q, gates.relu()))
    errors = [
        (iat_mesh(z, *mesh_matrices(p, q, mesh), gates.relu()) - exact).square().mean().sqrt().item()
        for mesh in (101, 809)
    ]
    assert 1.7 < np.log(errors[0] / errors[1]) / np.log(809 / 101) < 2.3


def test_rect_on_a_mesh_is_exact() -> None:
    p = iatcore.basis("rect", 5)
    z = normal(6, 5)
    u = iat_mesh(z, *mesh_matrices(p, p.scaled(2.5), 20), gates.relu())
    torch.testing.assert_close(u, torch.relu(z), rtol=0, atol=1e-15)


def test_derivative() -> None:
    """IAT (13): (2/M) Q diag(a(P^T z)) P^T."""
    P, Q = mesh_matrices(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), 30)
    z = normal(4, seed=2)
    jacobian = torch.func.jacrev(lambda z: iat_mesh(z, P, Q, JUMPING))(z)
    expected = 2 / 30 * (Q * torch.from_numpy(JUMPING.derivative((z @ P).numpy()))) @ P.T
    torch.testing.assert_close(jacobian, expected, rtol=0, atol=1e-14)


def test_smooth_activation() -> None:
    P, Q = mesh_matrices(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), 30)
    z = normal(2, 4, seed=3)
    torch.testing.assert_close(iat_mesh(z, P, Q, torch.tanh), 2 / 30 * torch.tanh(z @ P) @ Q.T)
    assert gradcheck(lambda z: iat_mesh(z, P, Q, torch.tanh), z.requires_grad_())


def test_decoupled() -> None:
    P, Q = mesh_matrices(iatcore.basis("fourier", 4), iatcore.basis("pwq", 3), 30)
    z, source = normal(2, 4, seed=4).requires_grad_(), normal(2, 4, seed=5).requires_grad_()
    u = iat_mesh(z, P, Q, gates.relu(), pattern_from=source)
    torch.testing.assert_close(u, 2 / 30 * ((z @ P) * (source @ P > 0)) @ Q.T)
    u.sum().backward()
    assert z.grad is not None and source.grad is None
    torch.testing.assert_close(
        iat_mesh(z, P, Q, JUMPING, pattern_from=z), iat_mesh(z, P, Q, JUMPING), rtol=0, atol=1e-15
    )
    with pytest.raises(ValueError, match="pattern_from needs a gate"):
        iat_mesh(z, P, Q, torch.tanh, pattern_from=source)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_module(dtype: torch.dtype) -> None:
    """Computed in float32 below 32 bits; at least as near as rounding the result."""
    module = tb.IATReLU(5, 4, mesh=40)
    z = (4 * normal(3, 5, seed=6)).to(dtype)
    u = module(z)
    assert u.dtype == dtype
    expected = module(z.double())
    # float32 sums of 40 terms beside the rounding of the result
    eps = torch.finfo(u.dtype).eps + 50 * (torch.finfo(torch.float32).eps if u.dtype.itemsize < 8 else 0)
    assert (u.double() - expected).abs().max() <= eps * expected.abs().max()


def test_module_with_activation() -> None:
    module = tb.IAT(5, 4, activation=torch.tanh, mesh=40)
    z = normal(3, 5, seed=7)
    P, Q = mesh_matrices(module.input_basis, module.output_basis, 40)
    torch.testing.assert_close(module(z), 2 / 40 * torch.tanh(z @ P) @ Q.T)
    assert "activation=" in repr(module)
    trained = tb.IAT(5, 4, activation=torch.nn.PReLU(), mesh=40)
    trained(z.float()).sum().backward()
    assert [name for name, _ in trained.named_parameters()] == ["activation.weight"]
    with pytest.raises(ValueError, match="pattern_from needs a gate"):
        module(z, pattern_from=z)


def test_module_keeps_nan_to_its_row() -> None:
    module = tb.IATReLU(5, 4, mesh=40)
    z = normal(3, 5, seed=8)
    z[1, 2] = torch.nan
    assert module(z).isnan().all(-1).tolist() == [False, True, False]


@pytest.mark.parametrize("gate", [iatcore.gates.relu(), JUMPING], ids=str)
@pytest.mark.parametrize("decoupled", [False, True])
def test_block_by_block(gate, decoupled, monkeypatch):
    """Rows a block at a time: value, gradient and second derivatives of the whole at once, to the last digits."""
    module = tb.IAT(5, 4, "fourier", "pwq", gate=gate, mesh=30)
    generator = torch.Generator().manual_seed(0)
    z, x = (torch.randn(3, 37, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    g = torch.randn(3, 37, 4, generator=generator, dtype=torch.float64)
    z.requires_grad_()

    def derivatives():
        u = module(z, pattern_from=x if decoupled else None)
        (first,) = torch.autograd.grad(u.square().sum(), z, create_graph=True)
        (second,) = torch.autograd.grad(first, z, x)
        plain = module(z, pattern_from=x if decoupled else None)
        return u, first, second, *torch.autograd.grad(plain, z, g)

    expected = derivatives()
    monkeypatch.setattr(kernels, "BLOCK", 30 * 7)
    monkeypatch.setattr(kernels, "SMALL", 1)
    for a, b in zip(derivatives(), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)
    assert module(z.detach()[:0]).shape == (0, 37, 4)
    bad = z.detach().clone()
    bad[1, 2, 3] = torch.nan
    assert torch.equal(module(bad).isnan().any(-1).nonzero(), torch.tensor([[1, 2]]))


def test_a_block_at_a_time_takes_less_memory(monkeypatch):
    """No tensor of all values at all points is made."""
    sizes = []

    def note(name):
        plain = getattr(reference, name)

        def noted(z, *args):
            sizes.append(z.numel() // z.shape[-1] * 1000)
            return plain(z, *args)

        monkeypatch.setattr(reference, name, noted)

    note("iat_mesh")
    note("iat_mesh_backward")
    module = tb.IATReLU(4, 4, "pwl", "pwq", mesh=1000)
    z = torch.randn(5000, 4, requires_grad=True)
    module(z).sum().backward()
    assert max(sizes) <= kernels.BLOCK and sum(sizes) == 2 * 5000 * 1000


@pytest.mark.parametrize("gate", GATES, ids=repr)
@pytest.mark.parametrize("decoupled", [False, True])
def test_derivative_without_a_tape(gate: Gate, decoupled: bool) -> None:
    """The gradient of the reference, also where there is nan or inf."""
    P, Q = mesh_matrices(iatcore.basis("pwl", 4), iatcore.basis("pwq", 3), 30)
    z, source, g = normal(5, 4, seed=1), normal(5, 4, seed=2) if decoupled else None, normal(5, 3, seed=3)
    z[1, 2], z[2, 0], z[3] = torch.nan, torch.inf, 0.0
    leaf = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(iat_mesh(leaf, P, Q, gate, source), leaf, g)
    found = reference.iat_mesh_backward(z, g, P, Q, gate, source)
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-15, equal_nan=True)


def test_matrices_with_gradients() -> None:
    P, Q = (m.requires_grad_() for m in mesh_matrices(iatcore.basis("pwl", 2), iatcore.basis("pwl", 2), 5))
    assert gradcheck(lambda *matrices: op.iat_mesh(normal(3, 2), *matrices, gates.relu()), (P, Q))


@pytest.mark.parametrize(("gate", "dtype"), [(gates.relu(), torch.float32), (JUMPING, torch.float64)], ids=str)
def test_operators(gate: Gate, dtype: torch.dtype) -> None:
    ops, name = torch.ops.matact, handle(Gate(gate.breakpoints, gate.slopes, gate.side))
    assert name == library.gate_name(gate.breakpoints, gate.slopes, gate.side)
    P, Q = (m.to(dtype) for m in mesh_matrices(iatcore.basis("pwl", 4), iatcore.basis("pwq", 3), 30))
    z, source, g = (normal(2, 5, n, seed=n).to(dtype) for n in (4, 4, 3))
    for x in (z[:, ::2], z[0, 0], z[:, :0]):
        opcheck(ops.iat_mesh.default, (x.clone().requires_grad_(), P, Q, name, None))
    opcheck(ops.iat_mesh.default, (z.clone().requires_grad_(), P, Q, name, source))
    opcheck(ops.iat_mesh_vjp.default, (z, g, P, Q, name, source))
    opcheck(ops.iat_mesh_vjp.default, (z.mT.contiguous().mT, g, P, Q, name, None))
    torch.testing.assert_close(ops.iat_mesh(z, P, Q, name, None), iat_mesh(z, P, Q, gate))
