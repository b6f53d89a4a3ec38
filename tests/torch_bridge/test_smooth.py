"""Smooth activations without a mesh, against the adaptive quadrature in numpy."""

import pickle

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import torch_bridge as tb
from iatcore import SmoothIAT, smooth_functions
from torch_bridge.nn import iat

ACTIVATIONS = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu, "softplus": torch.nn.functional.softplus}


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("first", "second"), [("fourier", "pwq"), ("rect", "pwl"), ("pwl-w", "fourier")])
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_against_adaptive_quadrature(first, second, name, scale):
    module = tb.IAT(6, 4, first, second, activation=ACTIVATIONS[name], scale=None)
    z = normal(5, 6) * scale
    expected = SmoothIAT(module.input_basis, module.output_basis, getattr(smooth_functions, name))(z.numpy())
    # softplus of torch is the identity above 20, which is off by 2e-9
    tolerance = 3e-9 if name == "softplus" else 1e-11
    torch.testing.assert_close(module(z), torch.from_numpy(expected), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_low_precision(dtype):
    module = tb.IAT(6, 4, activation=torch.tanh)
    z = normal(5, 6)
    u = module(z.to(dtype))
    assert u.dtype == dtype
    torch.testing.assert_close(u.double(), module(z), rtol=0, atol=2e-3 if dtype == torch.float16 else 1e-6)


def test_derivatives():
    module = tb.IAT(4, 3, activation=torch.tanh)
    z = normal(2, 4).requires_grad_()
    assert gradcheck(module, z)
    assert gradgradcheck(module, z)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_in_a_graph(dtype):
    module = tb.IAT(4, 3, activation=torch.tanh, dim=1)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    tolerance = {"rtol": 0, "atol": 1e-11 if dtype == torch.float64 else 1e-5}
    for batch in (2, 5):
        z = normal(batch, 4, 3).to(dtype).requires_grad_()
        u, expected = compiled(z), module(z)
        torch.testing.assert_close(u, expected, **tolerance)
        g = torch.ones_like(u)
        torch.testing.assert_close(*(torch.autograd.grad(v, z, g)[0] for v in (u, expected)), **tolerance)


def test_a_graph_whose_cells_are_too_coarse_says_so():
    z = 40 * normal(3, 4)
    module = tb.IAT(4, 3, activation=torch.tanh, scale=None)
    with pytest.raises(RuntimeError, match="call the module outside of a graph on such inputs first"):
        torch.compile(module, fullgraph=True, backend="aot_eager")(z)
    expected = module(z)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(z), expected, rtol=1e-10, atol=0)
    again = pickle.loads(pickle.dumps(tb.IAT(4, 3, activation=torch.tanh)))
    torch.testing.assert_close(torch.compile(again, backend="aot_eager")(z / 40), again(z / 40))


def test_no_matrices_for_graphs_where_they_are_large(monkeypatch):
    monkeypatch.setattr(iat, "MOST_ENTRIES", 1000)
    module, z = tb.IAT(4, 3, activation=torch.tanh), normal(3, 4)
    for call in (torch.compile(module, fullgraph=True, backend="aot_eager"), torch.func.vmap(module)):
        with pytest.raises(RuntimeError, match="call the module once outside of them first"):
            call(z)
    torch._dynamo.reset()
    compiled, u = torch.compile(module, fullgraph=True, backend="aot_eager"), module(z)
    torch.testing.assert_close(compiled(z), u, rtol=1e-10, atol=0)


def test_many_as_one_and_no_data():
    module, z = tb.IAT(4, 3, activation=torch.tanh), normal(5, 2, 4)
    torch.testing.assert_close(torch.func.vmap(module)(z), module(z))
    jacobian = torch.func.vmap(torch.func.jacrev(module))(z[:, 0])
    for row, at in zip(jacobian, z[:, 0], strict=True):
        torch.testing.assert_close(row, torch.autograd.functional.jacobian(module, at))
    assert module(torch.empty(7, 4, device="meta")).shape == (7, 3)


def test_other_dimension_nan_and_empty():
    module = tb.IAT(4, 3, activation=torch.tanh, dim=1)
    z = normal(2, 4, 5)
    z[0, 1, 2] = torch.nan
    u = module(z)
    assert u.shape == (2, 3, 5) and u[0, :, 2].isnan().all() and u.isnan().sum() == 3
    assert module(normal(0, 4, 5)).shape == (0, 3, 5)


def test_what_it_refuses():
    module = tb.IAT(4, 3, activation=torch.tanh)
    with pytest.raises(ValueError, match="pattern_from needs a gate, got the activation"):
        module(normal(2, 4), pattern_from=normal(2, 4))
    with pytest.raises(RuntimeError, match=r"8 halvings left a change of .* is a gate"):
        tb.IAT(4, 3, activation=torch.relu, scale=None)(normal(50, 4))
