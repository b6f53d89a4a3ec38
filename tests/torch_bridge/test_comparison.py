"""The activations that AReLU is compared with, against their formulas."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import torch_bridge as tb
from tests.torch_bridge.samples import data


def test_comparison_activations_are_their_formulas():
    x = data((200,))
    apl = tb.APL(2, dtype=torch.float64)
    apl.a.data, apl.b.data = torch.tensor([[0.3, -0.2], [0.5, -1.0]], dtype=torch.float64)
    t = x.numpy()
    expected = np.maximum(0, t) + 0.3 * np.maximum(0, -t + 0.5) - 0.2 * np.maximum(0, -t - 1.0)
    np.testing.assert_allclose(apl(x).detach(), expected, rtol=1e-13)
    comb = tb.Comb(dtype=torch.float64)
    assert torch.equal(comb(x), torch.relu(x))
    comb.p.data.fill_(0.25)
    torch.testing.assert_close(comb(x).detach(), 0.25 * x + 0.75 * torch.relu(x))
    for kind in ("affine", "convex"):
        many = tb.Comb(kind, dtype=torch.float64)
        torch.testing.assert_close(many(x).detach(), (x + torch.relu(x) + torch.tanh(x)) / 3)
    pau = tb.PAU(dtype=torch.float64)
    a, b = pau.numerator.detach().numpy(), pau.denominator.detach().numpy()
    top = np.polynomial.polynomial.polyval(x.numpy(), a)
    bottom = 1 + sum(abs(c) * np.abs(x.numpy()) ** (j + 1) for j, c in enumerate(b))
    np.testing.assert_allclose(pau(x).detach(), top / bottom, rtol=1e-12)
    middle = x[x.abs() < 3]
    assert (pau(middle) - nn.functional.leaky_relu(middle)).abs().max() < 0.1
    safe = tb.PAU("B", dtype=torch.float64)
    np.testing.assert_allclose(
        safe(x).detach(), top / (1 + np.abs(np.polynomial.polynomial.polyval(x.numpy(), [0, *b]))), rtol=1e-12
    )
    slaf = tb.SLAF(3, (1.0, -2.0, 0.5), dtype=torch.float64)
    torch.testing.assert_close(slaf(x).detach(), 1 - 2 * x + 0.5 * x**2)
    t = np.linspace(-1, 1, 2001)
    fit = np.polynomial.legendre.Legendre.fit(t, np.maximum(t, 0), 3, domain=[-1, 1]).convert(
        kind=np.polynomial.Polynomial
    )
    np.testing.assert_allclose(tb.SLAF(dtype=torch.float64).coefficients.detach(), fit.coef, atol=2e-3)
    z = data((3, 8, 5))
    torch.testing.assert_close(tb.Maxout(2, 1)(z), torch.maximum(z[:, ::2], z[:, 1::2]))
    assert torch.equal(tb.activation("maxout-published")(z), z)
    assert torch.equal(tb.activation("swish")(z), nn.functional.silu(z))


def test_far_inputs_of_the_comparison_activations():
    far = torch.tensor([math.inf, -math.inf])
    assert tb.Comb()(far).tolist() == [math.inf, 0.0]
    assert tb.APL(a=0.0)(far).tolist() == [math.inf, 0.0]
    for version in ("A", "B"):
        pau = tb.PAU(version)
        assert pau(far).tolist() == [math.inf, -math.inf]
        x = torch.tensor([1e8, -1e10, 1e30]).requires_grad_()
        pau(x).sum().backward()
        exact = copy.deepcopy(pau).double()
        torch.testing.assert_close(pau(x).double(), exact(x.double()), rtol=1e-5, atol=0)
        assert torch.isfinite(x.grad).all() and all(torch.isfinite(p.grad).all() for p in pau.parameters())


def test_comb_registers_its_functions():
    module = tb.Comb("affine", functions=[nn.PReLU(), torch.relu])
    assert {name for name, _ in module.named_parameters()} == {"p", "functions.0.weight"}
    module.double()(data((3,)))
    with pytest.raises(TypeError, match="functions must be callable"):
        tb.Comb("affine", functions=[1, 2])
