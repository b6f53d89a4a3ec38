"""AReLU and ELSA: their formula, and when alpha gets a gradient."""

from __future__ import annotations

import copy

import pytest
import torch

import torch_bridge as tb
from tests.torch_bridge.samples import data


@pytest.mark.parametrize("alpha", [0.01, 0.99, 0.5, 1.2, -0.3])
@pytest.mark.parametrize("keep_alive", [False, True])
def test_alpha_dies_outside_of_the_clamp_unless_it_is_kept_alive(alpha, keep_alive):
    module = tb.AReLU(alpha, 0.3, keep_alive)
    x, g = data((500,), torch.float32), data((500,), torch.float32, 1)
    low = (g * x)[x < 0].sum()
    for sign in (1.0, -1.0):
        module.zero_grad()
        module(x).backward(sign * g)
        inside = 0.01 <= alpha <= 0.99
        back = (alpha > 0.99 and sign * low > 0) or (alpha < 0.01 and sign * low < 0)
        if inside or (keep_alive and back):
            torch.testing.assert_close(module.alpha.grad, sign * low.view(1), rtol=1e-5, atol=1e-5)
        else:
            assert module.alpha.grad == 0
    module.zero_grad()
    dead = module.diagnostics()["alpha"]["dead"]
    assert dead == (0 if keep_alive or inside else 1)


def test_arelu_is_the_paper_s_formula():
    module = tb.AReLU(0.7, -0.4)
    x = data((50, 20)).requires_grad_()
    wide = copy.deepcopy(module).double()
    s = torch.sigmoid(wide.beta)
    plain = torch.where(x < 0, wide.alpha.clamp(0.01, 0.99) * x, (1 + s) * x)
    torch.testing.assert_close(wide(x), plain, rtol=1e-14, atol=0)
    torch.testing.assert_close(tb.ELSA(0.7, -0.4).double()(x) + torch.relu(x), plain, rtol=1e-7, atol=1e-7)
    for a, b in zip(
        torch.autograd.grad((wide(x) ** 2).sum(), [x, wide.alpha, wide.beta]),
        torch.autograd.grad((plain**2).sum(), [x, wide.alpha, wide.beta]),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    wide.beta.data.fill_(20.0)
    assert wide.diagnostics()["beta"]["saturated"] == 1


def test_alpha_is_compared_in_its_own_precision():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        for alpha in (0.01, 0.99):
            module = tb.AReLU(alpha, dtype=dtype)
            module(torch.tensor([-1.0, 2.0])).sum().backward()
            assert module.alpha.grad.item() == -1.0
            assert module.diagnostics()["alpha"]["dead"] == 0
