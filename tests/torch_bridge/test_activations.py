"""TMAF, AReLU and the activations that they are compared with, as torch modules."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from torch import nn

import torch_bridge as tb
from iatcore import operators
from torch_bridge.nn.registry import ACTIVATIONS, COMPARED
from torch_bridge.ops.steps import reference, rounding

SHAPES = {
    "rows": ((5, 7), -1),
    "images": ((3, 7, 4, 5), 1),
    "sequences": ((3, 4, 7), -1),
    "vector": ((7,), -1),
    "1d": ((2, 7, 3), 1),
}
FEATURES = {"layer": None, "channel": 7, "neuron": 7, "sample": 0}


def settings(name):
    return {"in_features": 6, "out_features": 6} if name.startswith("iat") else {}


def randomised(module):
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(generator=torch.Generator().manual_seed(3))
    return module


def data(shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_registry(name):
    module = tb.activation(name, **settings(name))
    assert sum(p.numel() for p in module.parameters()) == ACTIVATIONS[name].parameters
    x = data((4, 6), torch.float32).requires_grad_()
    module(x).sum().backward()
    assert torch.isfinite(x.grad).all()
    again = pickle.loads(pickle.dumps(module))
    module.eval(), again.eval(), copy.deepcopy(module)
    assert torch.equal(module(x), again(x))
    assert type(module).__name__ in repr(module)


def test_the_nineteen_and_their_numbers_of_parameters():
    assert len(set(COMPARED)) == 19
    learnable = {name: ACTIVATIONS[name].parameters for name in COMPARED if ACTIVATIONS[name].parameters}
    # AReLU table 1
    assert learnable == {"apl": 2, "comb": 1, "pau": 10, "prelu": 1, "slaf-published": 2, "arelu": 2}
    with pytest.raises(ValueError, match=r"name must be one of celu, .* got 'relu9'"):
        tb.activation("relu9")


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


def modules():
    double = {"dtype": torch.float64}
    return [
        tb.AReLU(**double),
        tb.AReLU(0.5, keep_alive=True, **double),
        tb.ELSA(**double),
        tb.TMAF(**double),
        tb.TMAF("uniform", (-1, 0, 1), **double),
        tb.TMAF(sharing="channel", num_features=6, **double),
        tb.TMAF(bands=(0, 1), sharing="neuron", num_features=(4, 6), **double),
        tb.TMAF(pattern=np.tri(6), sharing="neuron", **double),
        tb.RescaledTMAF(torch.tanh, (-1, 0, 1), "channel", 6, **double),
        tb.APL(3, **double),
        tb.APL(2, num_features=6, **double),
        tb.Comb(**double),
        tb.Comb("affine", **double),
        tb.Comb("convex", **double),
        tb.PAU(**double),
        tb.PAU("B", **double),
        tb.SLAF(**double),
        tb.Maxout(),
        tb.Maxout(1),
    ]


@pytest.mark.parametrize("module", modules(), ids=repr)
def test_gradients_of_everything(module):
    with torch.no_grad():
        for p in module.parameters():
            p += 0.05 * data(p.shape, seed=2)
    names = [name for name, _ in module.named_parameters()]

    def function(z, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (z,))

    inputs = [data((4, 6)), *(p.detach().clone() for p in module.parameters())]
    inputs = [t.requires_grad_() for t in inputs]
    assert torch.autograd.gradcheck(function, inputs, eps=1e-7)
    assert torch.autograd.gradgradcheck(function, inputs, eps=1e-7, atol=1e-4)


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


def test_other_memory():
    module = randomised(tb.TMAF(bands=(-1, 0, 1)))
    z = data((6, 8), torch.float32)
    for view in (z.t()[::2], z[:, ::3], z[:, :1].expand(6, 5), z.conj(), torch._neg_view(z), z.unfold(0, 3, 1)):
        torch.testing.assert_close(module(view), module(view.contiguous().clone()), rtol=0, atol=0)
        torch.testing.assert_close(tb.AReLU()(view), tb.AReLU()(view.contiguous().clone()), rtol=0, atol=0)
    for empty in ((0,), (0, 3), (3, 0), (2, 0, 4)):
        for m in (tb.TMAF(), tb.TMAF(bands=(0, 1)), tb.AReLU(), tb.TMAF(bands=(2,))):
            x = torch.zeros(empty, requires_grad=True)
            m(x).sum().backward()
            assert m(x).shape == empty and x.grad.shape == empty
    for m in (tb.TMAF(), tb.AReLU()):
        assert m(torch.tensor(2.0)).shape == ()


def test_frozen_parameters_get_no_gradient():
    for module in (tb.TMAF(), tb.AReLU(), tb.TMAF(pattern=np.ones((4, 4)))):
        module.requires_grad_(False)
        x = data((3, 4), torch.float32).requires_grad_()
        module(x).sum().backward()
        assert x.grad is not None and all(p.grad is None for p in module.parameters())
        assert not module(x.detach()).requires_grad
        assert all(c["dead"] == 0 for c in module.diagnostics().values())


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


def test_diagnostics_of_a_network():
    network = nn.Sequential(nn.Linear(3, 4), tb.AReLU(1.4), tb.TMAF(init="identity"), nn.PReLU(), tb.AReLU(0.5, 30.0))
    network(data((20, 3), torch.float32)).sum().backward()
    found = tb.diagnostics(network)
    assert set(found) == {"AReLU", "TMAF", "PReLU"}
    assert found["AReLU"]["alpha"] == {"total": 2, "dead": 1, "saturated": 0}
    assert found["AReLU"]["beta"]["saturated"] == 1
    unused = (network[2].values[0].grad == 0).sum().item()
    assert found["TMAF"]["values"]["dead"] == unused


@pytest.mark.parametrize("path", ["compiled", "twice differentiable", "trained grid"])
def test_sums_do_not_depend_on_the_path(path):
    size = 2**20
    x = torch.full((size,), 0.3)
    module = tb.TMAF(init="identity", trainable_grid=0.1 if path == "trained grid" else None)
    for _ in range(2):
        (gradient,) = torch.autograd.grad(
            module(x).sum(), module.values[0], create_graph=path == "twice differentiable"
        )
        assert gradient[6].item() == pytest.approx(size * x[0].item(), rel=1e-6)
    arelu = tb.AReLU(dtype=torch.float32)
    (gradient,) = torch.autograd.grad(arelu(-x).sum(), arelu.alpha, create_graph=path != "compiled")
    assert gradient.item() == pytest.approx(-size * x[0].item(), rel=1e-6)


@pytest.mark.parametrize("create_graph", [False, True])
def test_infinite_gradients_and_inputs(create_graph):
    module = tb.TMAF()
    x = torch.tensor([-1.0, 2.0, -math.inf], requires_grad=True)
    g = torch.tensor([math.inf, 1.0, 1.0])
    found, values = torch.autograd.grad(module(x), [x, module.values[0]], g, create_graph=create_graph)
    assert found.tolist() == [0.0, 1.0, 0.0]
    assert values[0] == -math.inf and values[1] == -math.inf
    arelu = tb.AReLU(1.2, keep_alive=True)
    (alpha,) = torch.autograd.grad(arelu(x), arelu.alpha, torch.tensor([math.nan, 1.0, 1.0]), create_graph=create_graph)
    assert alpha.isnan()


def test_values_of_another_size_are_refused():
    module = tb.TMAF()
    module.values[0] = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match=r"values of diagonal 0 must have shape \(10,\), got \(2,\)"):
        module(torch.ones(3))
    module = tb.TMAF(pattern=np.eye(3))
    module.values[0] = nn.Parameter(torch.ones(2, 10))
    with pytest.raises(ValueError, match="values"):
        module(torch.ones(3))


@pytest.mark.parametrize("name", ["tmaf", "apl", "comb", "slaf", "pau", "tmaf-rescaled", "arelu", "elsa"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_other_dtypes_are_refused(name, dtype):
    module = tb.activation(name)
    x = torch.tensor([-2, -1, 0, 1, 2]).to(dtype)
    methods = (module, module.matrix) if name.startswith("tmaf") else (module,)
    for method in methods:
        with pytest.raises(TypeError, match=f"must be a tensor of real floating-point numbers, got {dtype}"):
            method(x)


def test_alpha_is_compared_in_its_own_precision():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        for alpha in (0.01, 0.99):
            module = tb.AReLU(alpha, dtype=dtype)
            module(torch.tensor([-1.0, 2.0])).sum().backward()
            assert module.alpha.grad.item() == -1.0
            assert module.diagnostics()["alpha"]["dead"] == 0


def test_parameters_stay_connected_when_there_is_nothing_to_do():
    for module, x in (
        (tb.TMAF(), torch.zeros(3, 0)),
        (tb.TMAF(bands=(5,)), torch.ones(2, 3)),
        (tb.TMAF(bands=(5,), trainable_grid=0.1), torch.ones(2, 3)),
        (tb.AReLU(), torch.zeros(0)),
    ):
        module(x).sum().backward()
        assert all(p.grad is not None and not p.grad.any() for p in module.parameters() if p.grad is not None)
        assert any(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("name", ["tmaf", "tmaf-tridiagonal", "arelu", "elsa"])
def test_function_transforms(name):
    module = randomised(tb.activation(name, dtype=torch.float64))
    x = data((4, 6))
    torch.testing.assert_close(torch.func.vmap(module)(x), module(x))
    gradient = torch.func.grad(lambda t: module(t).sum())(x)
    y = x.clone().requires_grad_()
    torch.testing.assert_close(gradient, torch.autograd.grad(module(y).sum(), y)[0])
    J = torch.func.vmap(torch.func.jacrev(module))(x)
    torch.testing.assert_close(torch.einsum("bij,bj->bi", J, x), module(x))
    parameters = {k: p.detach() for k, p in module.named_parameters()}

    def loss(p, row):
        return torch.func.functional_call(module, p, (row,)).sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    for k, p in module.named_parameters():
        expected = torch.stack([torch.autograd.grad(module(row).sum(), p)[0] for row in x])
        torch.testing.assert_close(each[k], expected)


def test_far_inputs_of_the_comparison_activations():
    far = torch.tensor([math.inf, -math.inf])
    assert tb.Comb()(far).tolist() == [math.inf, 0.0]
    assert tb.APL(a=0.0)(far).tolist() == [math.inf, 0.0]
    for version in ("A", "B"):
        pau = tb.PAU(version)
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


def test_windows_of_trained_breakpoints_do_not_overlap():
    x = torch.linspace(-3, 3, 400_001, dtype=torch.float64)
    values = torch.linspace(0, 1, 102) ** 2
    found = []
    for width in (0.005, 0.1, 0.4):
        module = tb.TMAF("uniform", init=values.numpy(), trainable_grid=width, dtype=torch.float64)
        module(x).mean().backward()
        found.append(module.breakpoints[0].grad[0].item())
    assert found == pytest.approx([found[0]] * 3, rel=2e-2)


@pytest.mark.slow
def test_sums_in_float32_over_many_entries():
    size = 2**24
    x, g = data((size,), torch.float32).requires_grad_(), data((size,), torch.float32, 1)
    arelu, tmaf = tb.AReLU(0.5, 0.2), tb.TMAF()
    p = x.detach().double() * g
    s = torch.sigmoid(arelu.beta.detach().double())
    arelu(x).backward(g)
    torch.testing.assert_close(arelu.alpha.grad.double(), p[x < 0].sum().view(1), rtol=1e-5, atol=0)
    torch.testing.assert_close(arelu.beta.grad.double(), (s * (1 - s) * p[x >= 0].sum()).view(1), rtol=1e-5, atol=0)
    tmaf(x).backward(g)
    bins = torch.bucketize(x.detach(), torch.tensor(tmaf.grids[0]))
    torch.testing.assert_close(tmaf.values[0].grad.double(), torch.bincount(bins, p, 10), rtol=1e-5, atol=0)


def sample_shared(**more):
    return tb.TMAF(sharing="neuron", num_features=(3, 4), **more)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tb.TMAF(sharing="neuron"), ValueError, 'sharing="neuron" needs num_features, got None'),
        (lambda: tb.TMAF(sharing="channel", num_features=(3, 4)), ValueError, "num_features must be a number"),
        (lambda: tb.TMAF(num_features=3)(torch.ones(2, 4)), ValueError, "num_features = 3 along dim=-1, got shape"),
        (lambda: sample_shared()(torch.ones(2, 4, 3)), ValueError, r"num_features = \(3, 4\)"),
        (lambda: sample_shared(dim=0)(torch.ones(2, 3, 4)), ValueError, "dim must be one of"),
        (lambda: tb.TMAF(dim=3)(torch.ones(2)), ValueError, "dimension dim=3"),
        (lambda: tb.TMAF((1.0, 1.0)), ValueError, "grid must ascend strictly"),
        (lambda: tb.TMAF(init=(1.0,)), ValueError, "init must have 10 step values"),
        (lambda: tb.TMAF(pattern=np.ones((2, 3))), ValueError, "pattern must be square"),
        (lambda: tb.TMAF(pattern=np.eye(3), trainable_grid=0.1), ValueError, "trainable_grid needs bands"),
        (lambda: tb.TMAF(trainable_grid=-1.0), ValueError, "trainable_grid must be positive"),
        (lambda: tb.TMAF(trainable_grid="yes"), TypeError, "trainable_grid must be None or a number"),
        (lambda: tb.TMAF((), trainable_grid=0.1), ValueError, "without any"),
        (lambda: tb.TMAF(dtype=torch.int64), TypeError, "dtype must be a floating one"),
        (lambda: tb.TMAF()(torch.ones(2, dtype=torch.complex64)), TypeError, "z must be a tensor of real"),
        (lambda: tb.AReLU()(torch.ones(2, dtype=torch.bool)), TypeError, "x must be a tensor of real"),
        (lambda: tb.AReLU(beta=math.inf), ValueError, "beta must be finite"),
        (lambda: tb.Maxout(3)(torch.ones(4)), ValueError, "multiple of pool = 3 along dim=-1"),
        (lambda: tb.Comb("sum"), ValueError, "combination must be"),
        (lambda: tb.PAU("C"), ValueError, "version must be"),
        (lambda: tb.SLAF(2, (1.0,)), ValueError, "coefficients must be 2 finite numbers"),
        (lambda: tb.APL(num_features=3)(torch.ones(2)), ValueError, "num_features = 3"),
        (lambda: tb.RescaledTMAF()(torch.tensor(1.0)), ValueError, "at least 1 dimension"),
        (lambda: tb.TMAF().matrix(torch.tensor(1.0)), ValueError, "at least 1 dimension"),
        (lambda: tb.TMAF(bands=(2**70,)), ValueError, "bands must be of ordinary size"),
        (lambda: tb.AReLU(keep_alive="no"), TypeError, "keep_alive must be a bool"),
        (lambda: tb.PAU(numerator=[math.nan]), ValueError, "must be finite"),
        (lambda: tb.RescaledTMAF(3), TypeError, "activation must be a function"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
