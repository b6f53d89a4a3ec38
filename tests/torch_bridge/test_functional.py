"""torch.func and forward-mode differentiation of the exact transform against the plain implementation."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import iatcore
import torch_bridge as tb

PAIRS = [("pwl", "pwq"), ("pwq", "fourier"), ("fourier", "pwq"), ("fourier", "fourier")]
JUMPING = iatcore.Gate((0.3,), (0.5, 1.0))
BOUND = {"rtol": 1e-10, "atol": 1e-10}


def modules(p, q, **settings):
    return tuple(tb.IAT(6, 5, p, q, derivatives=d, **settings) for d in (2, "any"))


def batch():
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def second_derivatives(plain, z):
    """By the tape of the plain implementation, (B, d_out, d_in, d_in)."""
    return torch.stack(
        [
            torch.stack([torch.autograd.functional.hessian(lambda t, i=i: plain(t)[i], row) for i in range(5)])
            for row in z
        ]
    )


@pytest.mark.parametrize(("p", "q"), PAIRS)
@pytest.mark.parametrize("settings", [{}, {"gate": "absolute"}], ids=str)
def test_jacobians_and_hessians(p, q, settings):
    module, plain = modules(p, q, **settings)
    z = batch()
    J = torch.stack([torch.autograd.functional.jacobian(plain, row) for row in z])
    for found in (vmap(jacrev(module))(z), vmap(jacfwd(module))(z)):
        torch.testing.assert_close(found, J, **BOUND)
    H = second_derivatives(plain, z)
    for outer, inner in ((jacrev, jacrev), (jacfwd, jacrev), (jacrev, jacfwd), (jacfwd, jacfwd)):
        torch.testing.assert_close(vmap(outer(inner(module)))(z), H, **BOUND)
    torch.testing.assert_close(hessian(module)(z[0]), H[0], **BOUND)


@pytest.mark.parametrize(("p", "q"), PAIRS[:3])
def test_a_gate_that_jumps(p, q):
    module, plain = modules(p, q, gate=JUMPING)
    z = batch()
    J = torch.stack([torch.autograd.functional.jacobian(plain, row) for row in z])
    torch.testing.assert_close(vmap(jacrev(module))(z), J, **BOUND)
    torch.testing.assert_close(vmap(jacfwd(module))(z), J, **BOUND)


def test_products_with_one_vector():
    module, plain = modules("fourier", "pwq")
    z, v, g = batch(), torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    u, pull = vjp(module, z)
    expected = torch.autograd.functional.vjp(plain, z, g)
    torch.testing.assert_close(u, expected[0], **BOUND)
    torch.testing.assert_close(pull(g)[0], expected[1], **BOUND)
    torch.testing.assert_close(jvp(module, (z,), (v,))[1], torch.autograd.functional.jvp(plain, z, v)[1], **BOUND)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(module(forward_ad.make_dual(z, v))).tangent
    torch.testing.assert_close(tangent, torch.autograd.functional.jvp(plain, z, v)[1], **BOUND)


def test_mapped_dimensions():
    module = modules("fourier", "pwq")[0]
    z = torch.randn(3, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(vmap(module, 2, 1)(z), module(z.movedim(2, 1)))
    each = vmap(vmap(grad(lambda t: module(t).sin().sum()), 1), 0)(z)
    x = z.movedim(2, 1).clone().requires_grad_()
    torch.testing.assert_close(each, torch.autograd.grad(module(x).sin().sum(), x)[0])


def test_the_pattern_of_another_tensor():
    module, plain = modules("fourier", "pwq")
    z, x = batch(), batch().flip(0)

    def loss(f):
        return lambda a, b: f(a, pattern_from=b).square().sum()

    found = vmap(grad(loss(module), (0, 1)))(z, x)
    leaves = z.clone().requires_grad_(), x.clone().requires_grad_()
    for a, b in zip(found, torch.autograd.grad(loss(plain)(*leaves), leaves), strict=True):
        torch.testing.assert_close(a, b, **BOUND)


def test_no_third_derivative():
    module, z = modules("pwl", "pwq")[0], batch()[0]
    for third in (jacrev(jacrev(jacrev(module))), jacfwd(jacfwd(jacfwd(module)))):
        with pytest.raises(RuntimeError, match='derivatives="any"'):
            third(z)
