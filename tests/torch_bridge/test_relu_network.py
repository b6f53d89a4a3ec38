"""Networks with transforms as ordinary networks: equal to the mesh, within the bound, and exported to ONNX."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import iatcore
import torch_bridge as tb
from torch_bridge.nn.relu_network import ReLUNetwork

GATES = ["relu", "leaky_relu", "absolute", "identity", iatcore.Gate((0.0,), (-0.5, 0.0))]


def network(gate="relu", dtype=torch.float64, mesh=None):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(4, 6),
        tb.IAT(6, 5, "fourier", "pwq", gate=gate, mesh=mesh),
        nn.Sequential(nn.Dropout(), nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6, bias=False)),
        tb.IAT(6, 6, "pwl", "pwl-w", gate=gate, mesh=mesh),
        nn.Linear(6, 2),
    ).to(dtype)


def inputs(count=300, norm=1.0):
    x = torch.randn(count, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return norm * x / x.flatten(1).norm(dim=1)[:, None, None]


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("gate", GATES, ids=str)
def test_equal_to_the_transforms_of_a_mesh(gate, merge):
    """IAT (12), and merged the weights of IAT (8)-(11)."""
    found = tb.to_relu_network(network(gate), mesh=40, merge=merge)
    assert isinstance(found, nn.Sequential) and found.mesh == 40 and not found.training
    torch.testing.assert_close(found(inputs()), network(gate, mesh=40).eval()(inputs()), rtol=1e-12, atol=1e-13)
    kinds = {type(m) for m in found}
    assert kinds <= {nn.Flatten, nn.Linear, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Identity}
    if merge:
        # Flatten, Linear, sigma, Linear, Tanh, Linear, sigma, Linear; the identity stays between linear maps
        assert len(found) == 8


@pytest.mark.parametrize("norm", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("gate", GATES[:4], ids=str)
def test_the_error_is_within_the_bound(gate, norm):
    model = network(gate).eval()
    for mesh in (5, 40, 300):
        found = tb.to_relu_network(model, mesh=mesh)
        error = (found(inputs(norm=norm)) - model(inputs(norm=norm))).norm(dim=1).max().item()
        assert error <= found.error_bound(norm) * (1 + 1e-9)
        assert mesh < 300 or error > 1e-12 or gate == "identity"


@pytest.mark.parametrize("tolerance", [0.3, 1e-3])
def test_the_mesh_for_a_tolerance(tolerance):
    found = tb.to_relu_network(network(), tolerance=tolerance, norm=2.0)
    assert found.error_bound(2.0) <= tolerance
    less = tb.to_relu_network(network(), mesh=int(found.mesh / 1.05))
    assert less.error_bound(2.0) > tolerance


def test_bound_of_one_transform():
    """norm(u_M - u) <= E norm(z), which mesh_for inverts."""
    p, q = iatcore.basis("pwq", 7), iatcore.basis("fourier", 6)
    iat = iatcore.IATReLU(p, q)
    z = np.random.default_rng(0).standard_normal((200, 7))
    for mesh in (3, 14, 60):
        error = np.linalg.norm(iat.discretize(mesh)(z) - iat(z), axis=1) / np.linalg.norm(z, axis=1)
        assert error.max() <= iatcore.mesh_bound(p, q, mesh)
    assert iatcore.mesh_bound(p, q, iatcore.mesh_for(p, q, 1e-3)) <= 1e-3
    with pytest.raises(ValueError, match="mesh must be"):
        iatcore.mesh_bound(p, q, 0)


def test_dtype_and_weights_are_copies():
    model = network(dtype=torch.float32)
    found = tb.to_relu_network(model, mesh=10)
    assert {p.dtype for p in found.parameters()} == {torch.float32}
    before = found(inputs().float())
    with torch.no_grad():
        model[1].weight.zero_()
    assert torch.equal(found(inputs().float()), before)
    model = nn.Sequential(tb.IATReLU(4, 5), nn.Linear(5, 2).double())
    for merge in (False, True):
        assert {p.dtype for p in tb.to_relu_network(model, mesh=10, merge=merge).parameters()} == {torch.float64}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Conv1d(1, 1, 1), r"model\.1 must be a Linear"),
        (nn.LeakyReLU(2.0), "Lipschitz constant 1"),
        (nn.Hardtanh(1.0, 2.0), "Lipschitz constant 1"),
        (nn.Flatten(), "first module"),
        (tb.IATReLU(4, 4, "pwl", "pwl", mesh=5), "exact transform"),
        (tb.IATReLU(4, 4, "pwl", "pwl", dim=1), "exact transform"),
        (tb.IAT(4, 4, "pwl", "pwl", gate=iatcore.Gate((1.0,), (0.0, 1.0))), "exact transform"),
    ],
)
def test_what_cannot_be_represented(module, text):
    with pytest.raises(TypeError, match=text):
        tb.to_relu_network(nn.Sequential(nn.Linear(4, 4), module), mesh=5)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "one of mesh and tolerance"),
        ({"mesh": 5, "tolerance": 0.1}, "one of mesh and tolerance"),
        ({"tolerance": -1.0}, "tolerance must be positive"),
        ({"tolerance": 1e-30}, "tolerance must be at least about"),
        ({"mesh": 0}, "mesh must be"),
        ({"mesh": 5, "norm": float("nan")}, "norm must be positive"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(ValueError, match=text):
        tb.to_relu_network(nn.Sequential(tb.IATReLU(4, 4, "pwl", "pwl")), **settings)


def exported(module, shape, path):
    """Its ONNX file in onnxruntime, as a function."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        size = torch.export.Dim("batch")
        torch.onnx.export(
            module.eval(), (torch.randn(3, *shape),), path, dynamo=True, dynamic_shapes=({0: size},), verbose=False
        )
    session = runtime.InferenceSession(path)
    return lambda x: session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def made(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return module


ONNX = {
    "AReLU": (lambda: made(tb.AReLU()), (4,)),
    "TMAF": (lambda: made(tb.TMAF()), (4, 5)),
    "tri-diagonal": (lambda: made(tb.TMAF(bands=(-1, 0, 1))), (5,)),
    "by channel": (lambda: made(tb.TMAF(sharing="channel", num_features=4, dim=1)), (4, 5)),
    "sparse": (lambda: made(tb.TMAF(pattern=np.tri(4))), (4,)),
    "network": (lambda: tb.to_relu_network(network(dtype=torch.float32), mesh=30), (2, 2)),
}


@pytest.mark.parametrize("name", ONNX)
def test_onnx(name, tmp_path):
    make, shape = ONNX[name]
    module = make()
    run = exported(module, shape, str(tmp_path / "model.onnx"))
    x = torch.randn(7, *shape)
    x[0] = 0.0
    with torch.no_grad():
        np.testing.assert_allclose(run(x), module(x).numpy(), rtol=1e-5, atol=1e-5)


def test_a_network_is_pickled_with_its_bound(tmp_path):
    found = tb.to_relu_network(network(), mesh=5)
    torch.save(found, tmp_path / "network.pt")
    again = torch.load(tmp_path / "network.pt", weights_only=False)
    assert isinstance(again, ReLUNetwork) and again.error_bound(3.0) == found.error_bound(3.0)
