"""TMAF: compiled against plain, its patterns, its special cases, and trained breakpoints."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
import torch
from torch import nn

import torch_bridge as tb
from iatcore import operators
from tests.torch_bridge.samples import data, randomised
from torch_bridge.ops.steps import reference, rounding

SHAPES = {
    "rows": ((5, 7), -1),
    "images": ((3, 7, 4, 5), 1),
    "sequences": ((3, 4, 7), -1),
    "vector": ((7,), -1),
    "1d": ((2, 7, 3), 1),
}
FEATURES = {"layer": None, "channel": 7, "neuron": 7, "sample": 0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sharing", FEATURES)
@pytest.mark.parametrize("bands", [(0,), (-1, 0, 1), (3,), (-9, 0)], ids=str)
@pytest.mark.parametrize("kind", SHAPES)
def test_compiled_tmaf_is_the_plain_one(kind, bands, sharing, dtype):
    shape, dim = SHAPES[kind]
    features = FEATURES[sharing] if sharing != "sample" else (shape[1:] if len(shape) > 1 else shape)
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    module = randomised(
        tb.TMAF(
            bands=bands,
            sharing="neuron" if sharing == "sample" else sharing,
            num_features=features,
            dim=dim,
            dtype=parameters,
        )
    )
    tolerance = {torch.float64: 1e-13, torch.float32: 2e-6}.get(dtype, 2e-2)
    formats = (torch.contiguous_format, torch.channels_last) if len(shape) == 4 else (torch.contiguous_format,)
    for memory in formats:
        z = data(shape, dtype).to(memory_format=memory).requires_grad_()
        g = data(shape, dtype, 1)
        u = module(z)
        assert u.dtype == dtype and u.is_contiguous(memory_format=memory)
        found = torch.autograd.grad(u, [z, *module.values], g, allow_unused=True)
        wide = z.detach().double().requires_grad_()
        rounded = rounding.rounded(module._bands, dtype)
        values = tuple(v.double() for v in module.values)
        plain = reference.step_matrix(wide, values, rounded, module._layout(wide))
        expected = torch.autograd.grad(plain, [wide, *module.values], g.double(), allow_unused=True)
        torch.testing.assert_close(u.double(), plain, atol=tolerance, rtol=tolerance)
        for a, b in zip(found, expected, strict=True):
            b = torch.zeros_like(a) if b is None else b
            torch.testing.assert_close(a.double(), b.double(), atol=8 * tolerance, rtol=8 * tolerance)
        S = module.matrix(wide)
        product = (S.double() @ wide.detach().movedim(dim, -1)[..., None])[..., 0].movedim(-1, dim)
        if dtype.itemsize >= 4:
            torch.testing.assert_close(product, plain.detach(), atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize(
    "pattern", [np.ones((5, 5)), scipy.sparse.csr_array(np.tri(5)), np.eye(5)], ids=["full", "lower", "diagonal"]
)
@pytest.mark.parametrize("sharing", ["layer", "neuron"])
def test_patterns_are_those_of_the_core(pattern, sharing):
    module = randomised(tb.TMAF(pattern=pattern, sharing=sharing, dim=1, dtype=torch.float64))
    core = operators.TMAF(pattern=pattern, sharing=sharing)
    core.values = [v.detach().numpy() for v in module.values]
    z = data((3, 5, 2)).requires_grad_()
    g = data((3, 5, 2), seed=1)
    u = module(z)
    rows = z.detach().movedim(1, -1).numpy()
    np.testing.assert_allclose(u.detach().movedim(1, -1), core(rows), atol=1e-14)
    np.testing.assert_allclose(module.matrix(z.detach()), core.matrix(rows), atol=0)
    gradient, sums = core.vjp(rows, g.movedim(1, -1).numpy())
    found = torch.autograd.grad(u, [z, module.values[0]], g)
    np.testing.assert_allclose(found[0].movedim(1, -1), gradient, atol=1e-14)
    np.testing.assert_allclose(found[1], sums[0], atol=1e-13)


def test_reductions_are_torch_s_own():
    x = data((1000,), torch.float32)
    x[:2] = torch.tensor([0.0, -0.0])
    for dtype in (torch.float16, torch.float32, torch.float64):
        z = x.to(dtype)
        assert torch.equal(tb.TMAF(dtype=dtype)(z), torch.relu(z))
        # torch multiplies half precision by the slope in float32
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert torch.equal(tb.TMAF((0.0,), init="leaky_relu", dtype=wide)(z), nn.functional.leaky_relu(z))
        assert torch.equal(
            tb.TMAF((0.0,), init=(0.3, 1.0), dtype=dtype)(z), torch.prelu(z, torch.tensor([0.3], dtype=dtype))
        )
        assert torch.equal(tb.TMAF(init="identity", dtype=dtype)(z), z)
    far = torch.tensor([math.inf, -math.inf, math.nan])
    u = tb.TMAF()(far)
    assert u[0] == math.inf and u[1] == 0 and not torch.signbit(u[1]) and u[2].isnan()
    assert torch.equal(
        reference.step_matrix(far, tuple(tb.TMAF().values), tb.TMAF()._bands, reference.Layout(-1))[:2], u[:2]
    )


def test_a_breakpoint_belongs_to_the_left_in_every_dtype():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        module = tb.TMAF(init=range(10), dtype=torch.float64)
        z = torch.tensor(module.grids[0], dtype=dtype)
        assert torch.equal(module(z), (torch.arange(9) * z.double()).to(dtype))


def test_rescaled_entries_with_the_sigmoid_are_swish():
    x = data((4, 6))
    module = tb.RescaledTMAF(dtype=torch.float64)
    torch.testing.assert_close(module(x).detach(), nn.functional.silu(x))
    wide = tb.RescaledTMAF(torch.tanh, (0, 2), "channel", 6, dim=0, dtype=torch.float64)
    u = wide(x.t()).detach().t()
    expected = torch.tanh(x) * x
    expected[:, :4] += (torch.tanh(x) * x)[:, 2:]
    torch.testing.assert_close(u, expected)


def test_trained_breakpoints_follow_the_smoothed_loss():
    width, shift = 0.1, 0.02
    module = tb.TMAF((-0.5, 0.2, 1.0), init=(0.0, 0.4, -0.3, 1.0), trainable_grid=width, dtype=torch.float64)
    fixed = tb.TMAF((-0.5, 0.2, 1.0), init=(0.0, 0.4, -0.3, 1.0), dtype=torch.float64)
    x = torch.linspace(-3, 3, 600_001, dtype=torch.float64)
    torch.testing.assert_close(module(x), fixed(x), rtol=1e-12, atol=1e-12)
    loss = module(x).mean()
    loss.backward()
    gaps = module.breakpoints[0].detach().tolist()[1:]
    assert module.current_grids()[0] == pytest.approx((-0.5, 0.2, 1.0))

    def mean(points):
        return tb.TMAF(points, init=(0.0, 0.4, -0.3, 1.0), dtype=torch.float64)(x).mean().item()

    # moving all breakpoints is moving the first
    total = (mean((-0.5 + shift, 0.2 + shift, 1.0 + shift)) - mean((-0.5 - shift, 0.2 - shift, 1.0 - shift))) / (
        2 * shift
    )
    assert module.breakpoints[0].grad[0].item() == pytest.approx(total, rel=1e-3)
    last = (mean((-0.5, 0.2, 1.0 + shift)) - mean((-0.5, 0.2, 1.0 - shift))) / (2 * shift)
    assert module.breakpoints[0].grad[2].item() == pytest.approx(last * math.exp(gaps[1]), rel=1e-3)
    with torch.no_grad():
        module.breakpoints[0].copy_(torch.tensor([5.0, -20.0, 3.0]))
    assert list(module.current_grids()[0]) == sorted(module.current_grids()[0])


def test_windows_of_trained_breakpoints_do_not_overlap():
    x = torch.linspace(-3, 3, 400_001, dtype=torch.float64)
    values = torch.linspace(0, 1, 102) ** 2
    found = []
    for width in (0.005, 0.1, 0.4):
        module = tb.TMAF("uniform", init=values.numpy(), trainable_grid=width, dtype=torch.float64)
        module(x).mean().backward()
        found.append(module.breakpoints[0].grad[0].item())
    assert found == pytest.approx([found[0]] * 3, rel=2e-2)


def test_values_of_another_size_are_refused():
    module = tb.TMAF()
    module.values[0] = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match=r"values of diagonal 0 must have shape \(10,\), got \(2,\)"):
        module(torch.ones(3))
    module = tb.TMAF(pattern=np.eye(3))
    module.values[0] = nn.Parameter(torch.ones(2, 10))
    with pytest.raises(ValueError, match="values"):
        module(torch.ones(3))
