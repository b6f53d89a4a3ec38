"""Modules in graphs: torch.compile without a break, the operators of torch.library, meta tensors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from functorch.compile import make_boxed_func
from torch._dynamo.backends.common import aot_autograd
from torch.library import opcheck

import iatcore
import torch_bridge as tb
from torch_bridge.ops.handles import handle, held

MODULES = {
    "local": lambda: tb.IATReLU(6, 5, "pwl", "pwq"),
    "fourier": lambda: tb.IATReLU(6, 5, "fourier", "pwq"),
    "to fourier": lambda: tb.IATReLU(6, 5, "pwq", "fourier"),
    "generic": lambda: tb.IATReLU(6, 5, iatcore.basis("pwl", 3) + iatcore.basis("fourier", 3), "pwq"),
    "jumping": lambda: tb.IAT(6, 5, "pwl", "pwq", gate=iatcore.Gate((0.3,), (0.5, 1.0))),
    "mesh": lambda: tb.IATReLU(6, 5, "pwl", "pwq", mesh=20),
    "mesh, jumping": lambda: tb.IAT(6, 5, "fourier", "pwl", gate=iatcore.Gate((0.3,), (0.5, 1.0)), mesh=20),
    "dim": lambda: tb.IATReLU(4, 5, "pwl", "pwq", dim=1),
    "TMAF": lambda: tb.TMAF(),
    "tri-diagonal": lambda: tb.TMAF(bands=(-1, 0, 1)),
    "by channel": lambda: tb.TMAF(grid="uniform", sharing="channel", num_features=4, dim=1),
    "by neuron": lambda: tb.TMAF(sharing="neuron", num_features=(4, 6)),
    "sparse": lambda: tb.TMAF(pattern=np.tri(6)),
    "trained grid": lambda: tb.TMAF(trainable_grid=0.1),
    "rescaled": lambda: tb.RescaledTMAF(),
    "AReLU": lambda: tb.AReLU(),
    "ELSA": lambda: tb.ELSA(keep_alive=True),
}


def made(name):
    torch.manual_seed(0)
    module = MODULES[name]()
    for parameter in module.parameters():
        parameter.data = 0.5 + 0.3 * torch.randn(parameter.shape)
    return module


def outcome(module, function, z):
    u = function(z)
    g = torch.linspace(-1, 1, u.numel()).reshape(u.shape).to(u)
    return u, *torch.autograd.grad(u, (z, *module.parameters()), g)


OTHERS = (torch.float64, torch.float16, torch.bfloat16)
COMPILED = [(name, torch.float32) for name in MODULES]
COMPILED += [(name, dtype) for name in ("fourier", "mesh", "by channel", "sparse", "AReLU") for dtype in OTHERS]


@pytest.mark.parametrize(("name", "dtype"), COMPILED)
def test_compiled_equals_eager(name, dtype):
    """Without a graph break, forward and backward, for changing batches."""
    module = made(name)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (3, 5):
        z = torch.randn(batch, 4, 6).to(dtype).requires_grad_()
        for found, expected in zip(outcome(module, compiled, z), outcome(module, module, z), strict=True):
            assert found.dtype == expected.dtype
            # the same code, but for sums of half precision that are rounded in another order
            torch.testing.assert_close(found, expected, rtol=4 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).eps)
        with torch.no_grad():
            torch.testing.assert_close(compiled(z), module(z))


def test_compiled_by_inductor():
    module = torch.nn.Sequential(torch.nn.Linear(4, 6), made("fourier"), tb.AReLU(), tb.TMAF(bands=(-1, 0, 1)))
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    for batch in (3, 5):
        z = torch.randn(batch, 4, requires_grad=True)
        for found, expected in zip(outcome(module, compiled, z), outcome(module, module, z), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["fourier", "mesh"])
def test_compiled_with_the_pattern_of_another_tensor(name):
    module = made(name)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    z, x = (torch.randn(3, 6, requires_grad=True) for _ in range(2))
    options = {"allow_unused": True, "materialize_grads": True}  # on a mesh the pattern has no gradient
    found = torch.autograd.grad(compiled(z, pattern_from=x).sum(), (z, x), **options)
    expected = torch.autograd.grad(module(z, pattern_from=x).sum(), (z, x), **options)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", [n for n in MODULES if n != "dim"])
def test_meta_tensors(name):
    module = copy.deepcopy(made(name)).to("meta")
    u = module(torch.empty(3, 4, 6, device="meta"))
    assert u.shape == made(name)(torch.zeros(3, 4, 6)).shape and u.is_meta


def rows(*sizes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, n, generator=generator, dtype=dtype, requires_grad=True) for n in sizes]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float64) for name in ("local", "fourier", "to fourier", "generic", "jumping")]
    + [("fourier", torch.float32)],
)
def test_operators_of_the_transform(name, dtype):
    ops, transform = torch.ops.matact, made(name).transform
    z, v, g = rows(6, 6, 5, dtype=dtype)
    opcheck(ops.iat.default, (z, transform.name))
    opcheck(ops.iat_saving.default, (z, transform.name))
    opcheck(ops.iat_vjp.default, (z, g, transform.name))
    opcheck(ops.iat_jvp.default, (z, v, transform.name))
    opcheck(ops.iat_decoupled.default, (z, v, transform.name))
    _, *saved = ops.iat_saving(z.detach(), transform.name)
    opcheck(ops.iat_vjp_saved.default, (z, g, *saved, transform.name))
    plain = [t.detach() for t in (z, g, v)]
    opcheck(ops.iat_second.default, (*plain, transform.name))
    opcheck(ops.iat_decoupled_vjp.default, (plain[0], plain[2], plain[1], transform.name))


def test_operators_of_step_matrices():
    ops = torch.ops.matact
    z = torch.randn(3, 4, 6, requires_grad=True)
    for name in ("TMAF", "tri-diagonal", "by neuron"):
        module = made(name)
        opcheck(ops.step_matrix.default, (z, list(module.values), module._name, -1))
    module = made("by channel")
    image = torch.randn(2, 4, 3, 5).to(memory_format=torch.channels_last).requires_grad_()
    for x in (image, image.detach()[:, :, ::2].requires_grad_(), image.detach().half().requires_grad_()):
        opcheck(ops.step_matrix.default, (x, list(module.values), module._name, -3))
    opcheck(ops.sparse_step_matrix.default, (z, made("sparse").values[0], made("sparse")._name))
    opcheck(ops.arelu.default, (z, made("AReLU").alpha, made("AReLU").beta, 1.0, False))


@pytest.mark.parametrize("name", ["tri-diagonal", "sparse", "AReLU", "mesh"])
def test_once_in_a_graph(name):
    module = made(name)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    z = torch.randn(3, 4, 6, requires_grad=True)
    gradient = torch.autograd.grad(compiled(z).sum(), z, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(gradient.sum(), z)


def test_a_mesh_in_a_graph_is_never_whole():
    """No tensor of a graph, forward or backward, has the values at all points of all samples."""
    sizes = []

    def noted(graph, inputs):
        for node in graph.graph.nodes:
            found = node.meta.get("val", ())
            sizes.extend(t.numel() for t in (found if isinstance(found, tuple) else (found,)) if torch.is_tensor(t))
        return make_boxed_func(graph.forward)

    module = tb.IATReLU(6, 5, "pwl", "pwq", mesh=500)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend=aot_autograd(fw_compiler=noted))
    z = torch.randn(1000, 6, requires_grad=True)
    for found, expected in zip(outcome(module, compiled, z), outcome(module, module, z), strict=True):
        torch.testing.assert_close(found, expected)
    assert 6000 <= max(sizes) < 1000 * 500


def test_graphs_of_meshes_with_other_gates():
    """A graph holds for one gate."""
    torch._dynamo.reset()
    module = tb.IAT(4, 3, "pwl", "pwl", gate="leaky_relu", mesh=20)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    z = torch.randn(5, 4)
    for gate in (iatcore.gates.relu(), iatcore.gates.leaky_relu(0.3), iatcore.gates.leaky_relu(0.4)):
        module.gate = gate
        torch.testing.assert_close(compiled(z), module(z))


@pytest.mark.parametrize("transformed", [torch.func.jacrev, torch.func.vmap, torch.func.jacfwd])
def test_meshes_under_torch_func_in_a_graph(transformed):
    torch._dynamo.reset()
    module = made("mesh")

    def function(z):
        return transformed(module)(z)

    z = torch.randn(2, 6)
    module(z)  # makes the matrices, which a graph under torch.func cannot keep
    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend="aot_eager")(z), function(z))


def test_exported_meshes_are_the_formula():
    program = torch.export.export(made("mesh"), (torch.zeros(3, 4, 6),))
    assert not any("matact" in str(node.target) for node in program.graph.nodes)
    z = torch.randn(3, 4, 6)
    torch.testing.assert_close(program.module()(z), made("mesh")(z))


def test_names_of_settings():
    a, b = made("local").transform, made("local").transform
    assert a.name == b.name == pickle.loads(pickle.dumps(a)).name == copy.deepcopy(made("local")).transform.name
    assert made("fourier").transform.name != a.name
    assert held(a.name) == a and held(a.name) is held(b.name)
    assert handle((1, 2)) == handle((1, 2)) != handle((1, 3))
    with pytest.raises(KeyError, match="no settings named 'Transform:0' here"):
        held("Transform:0")
