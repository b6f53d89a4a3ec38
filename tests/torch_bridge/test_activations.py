"""What holds for all activations: registry, derivatives, memory, dtypes, and that bad input is named."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import torch_bridge as tb
from tests.torch_bridge.samples import data, randomised
from torch_bridge.nn.registry import ACTIVATIONS, COMPARED


def settings(name):
    return {"in_features": 6, "out_features": 6} if name.startswith("iat") else {}


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


def test_comparators_start_as_in_the_authors_program():
    x = torch.linspace(-2, 2, 9)
    below = torch.clamp_min(0.5 - x, 0.0)
    expected = {
        "apl": torch.relu(x) + 0.2 * below,
        "comb": torch.relu(x),
        "prelu": torch.where(x < 0, 0.25 * x, x),
        "slaf-published": 1 + x,
        "maxout-published": x,
    }
    for name, u in expected.items():
        assert torch.allclose(tb.activation(name, **settings(name))(x), u), name
    assert tb.activation("slaf-published", terms=3).coefficients.tolist() == [1, 1, 1]


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


@pytest.mark.parametrize("name", ["tmaf", "apl", "comb", "slaf", "pau", "tmaf-rescaled", "arelu", "elsa"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_other_dtypes_are_refused(name, dtype):
    module = tb.activation(name)
    x = torch.tensor([-2, -1, 0, 1, 2]).to(dtype)
    methods = (module, module.matrix) if name.startswith("tmaf") else (module,)
    for method in methods:
        with pytest.raises(TypeError, match=f"must be a tensor of real floating-point numbers, got {dtype}"):
            method(x)


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
