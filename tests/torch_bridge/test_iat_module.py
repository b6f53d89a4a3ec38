"""The modules IAT and IATReLU, the dispatch below them, and networks of them."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import PPoly
from torch import Tensor, nn
from torch.autograd import gradcheck

import iatcore
import torch_bridge as tb
from iatcore import gates
from torch_bridge.networks import mlp
from torch_bridge.ops.iat.op import Transform, iat
from torch_bridge.ops.iat.reference import prepare

FAMILIES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
DERIVATIVES = pytest.mark.parametrize("derivatives", [1, "any"])
JUMPING = gates.tmaf([-0.3, 0.0, 0.4], [0.2, 1.0, -0.5, 0.7])
EPS = torch.finfo(torch.float64).eps


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# -- two implementations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [gates.relu(), gates.arelu(), JUMPING], ids=["relu", "arelu", "jumping"])
@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", FAMILIES)
def test_compiled_code_agrees_with_the_reference(first: str, second: str, gate: iatcore.Gate) -> None:
    transform = Transform(iatcore.basis(first, 6), iatcore.basis(second, 5), gate)
    z = normal(9, 6).requires_grad_()
    g = normal(9, 5, seed=1)
    results = []
    for derivatives in (1, "any"):
        u = iat(z, transform, derivatives=derivatives)  # type: ignore[arg-type]
        results.append((u, *torch.autograd.grad(u, z, g)))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12 * float(slow.detach().abs().max()))


@pytest.mark.parametrize("gate", [gates.relu(), gates.arelu()], ids=["relu", "arelu"])
@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", ["rect", "fourier"])
def test_agreement_on_degenerate_rows(first: str, second: str, gate: iatcore.Gate) -> None:
    """Integers and zeros as coefficients: crossings at breakpoints, tangencies, pieces where f vanishes."""
    transform = Transform(iatcore.basis(first, 7), iatcore.basis(second, 5), gate)
    rng = np.random.default_rng(3)
    integers, sparse = (
        rng.integers(-2, 3, (40, 7)),
        rng.standard_normal((40, 7)) * (rng.random((40, 7)) < 0.3),
    )
    z = torch.from_numpy(np.concatenate([integers, sparse])).requires_grad_()
    results = []
    for derivatives in (1, "any"):
        u = iat(z, transform, derivatives=derivatives)  # type: ignore[arg-type]
        results.append((u.detach(), *torch.autograd.grad(u.sum(), z)))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-13)
    # rounding moves the two ends of a double root by sqrt(eps) or removes them
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=100 * EPS**0.5)


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", FAMILIES)
def test_compiled_gradient_against_differences(first: str, second: str) -> None:
    module = tb.IATReLU(4, 3, first, second)
    assert gradcheck(module, normal(2, 4, seed=2).requires_grad_())


@pytest.mark.parametrize("first", FAMILIES)
def test_constant_pattern(first: str) -> None:
    """Linear in z, so the compiled code gives every order of derivative."""
    fast, slow = tb.IATReLU(5, 4, first), tb.IATReLU(5, 4, first, derivatives="any")
    z, source = normal(6, 5).requires_grad_(), normal(6, 5, seed=1)
    results = []
    for module in (fast, slow):
        u = module(z, pattern_from=source)
        (gradient,) = torch.autograd.grad(u.square().sum(), z, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), z)
        results.append((u, gradient, second))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12 * float(b.detach().abs().max()))
    with torch.no_grad():
        u = fast(z, pattern_from=source.requires_grad_())
    torch.testing.assert_close(u, results[1][0].detach(), rtol=0, atol=1e-13)
    source = source.detach()
    u = fast(z, pattern_from=source)
    source.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        u.sum().backward()


def test_gradient_of_an_expanded_gradient() -> None:
    """sum() hands down a gradient of stride 0; a transposed z is not contiguous."""
    module = tb.IATReLU(4, 3)
    z = normal(4, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(module(z.T).sum(), z)
    (expected,) = torch.autograd.grad(tb.IATReLU(4, 3, derivatives="any")(z.T).sum(), z)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-13)


# -- any position, shape and dtype ------------------------------------------------------------------------


@DERIVATIVES
@pytest.mark.parametrize("dim", [-4, -3, -2, -1, 0, 1, 2, 3])
@pytest.mark.parametrize("mesh", [None, 12])
def test_dim(dim: int, mesh: int | None, derivatives: Any) -> None:
    shape = [2, 3, 4, 5]
    shape[dim] = 6
    module = tb.IATReLU(6, 7, dim=dim, mesh=mesh, derivatives=derivatives)
    z = normal(*shape)
    u = module(z)
    shape[dim] = 7
    assert list(u.shape) == shape
    last = tb.IATReLU(6, 7, mesh=mesh, derivatives=derivatives)
    torch.testing.assert_close(u, last(z.transpose(dim, -1)).transpose(dim, -1), rtol=0, atol=1e-14)


@DERIVATIVES
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_dtypes(dtype: torch.dtype, derivatives: Any) -> None:
    module = tb.IATReLU(5, 4, derivatives=derivatives)
    z = normal(8, 5).to(dtype).requires_grad_()
    u = module(z)
    u.sum().backward()
    assert u.dtype == dtype and z.grad is not None and z.grad.dtype == dtype
    expected = module(z.detach().double())
    # half precision is rounded twice, once to float32
    assert (u.double() - expected).abs().max() <= torch.finfo(dtype).eps * expected.abs().max()


@DERIVATIVES
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("mesh", [None, 10])
def test_other_dtypes_are_refused(dtype: torch.dtype, mesh: int | None, derivatives: Any) -> None:
    module = tb.IATReLU(3, 4, mesh=mesh, derivatives=derivatives)
    z = torch.zeros(2, 3)
    with pytest.raises(TypeError, match=f"z must be a tensor of real floating-point numbers, got {dtype}"):
        module(z.to(dtype))
    with pytest.raises(TypeError, match="pattern_from must be a tensor of real floating-point numbers"):
        module(z, pattern_from=z.to(dtype))


@DERIVATIVES
@pytest.mark.parametrize("mesh", [None, 10])
def test_small_batches(mesh: int | None, derivatives: Any) -> None:
    module = tb.IATReLU(3, 4, mesh=mesh, derivatives=derivatives)
    z = torch.zeros(0, 3, requires_grad=True)
    u = module(z)
    u.sum().backward()
    assert u.shape == (0, 4) and z.grad is not None and z.grad.shape == (0, 3)
    row = normal(3)
    torch.testing.assert_close(module(row), module(row[None])[0], rtol=0, atol=1e-15)
    assert module(normal(2, 0, 3)).shape == (2, 0, 4)


@DERIVATIVES
def test_bad_rows(derivatives: Any) -> None:
    module = tb.IATReLU(4, 3, derivatives=derivatives)
    z = normal(3, 4)
    good = module(z)
    z[1, 1] = -torch.inf
    z.requires_grad_()
    u = module(z)
    assert u.isnan().all(-1).tolist() == [False, True, False]
    torch.testing.assert_close(u[[0, 2]], good[[0, 2]], rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(u.sum(), z)
    assert gradient.isnan().all(-1).tolist() == [False, True, False]
    assert gradient[[0, 2]].isfinite().all()


@DERIVATIVES
def test_input_is_left_alone(derivatives: Any) -> None:
    module = tb.IATReLU(4, 4, derivatives=derivatives)
    x = normal(3, 4).requires_grad_()
    z = x * 1.0
    before = z.detach().clone()
    u = module(z)
    u += 1.0  # the result is not needed for the gradient
    u.sum().backward()
    assert torch.equal(z.detach(), before) and x.grad is not None
    (expected,) = torch.autograd.grad(module(x).sum(), x)
    z = x * 1.0
    u = module(z)
    z.mul_(2.0)  # z may be: then autograd must notice
    try:
        (gradient,) = torch.autograd.grad(u.sum(), x)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
    else:
        assert torch.equal(gradient, expected)


# -- decoupled --------------------------------------------------------------------------------------------


@DERIVATIVES
def test_decoupled_gradients_flow_to_both(derivatives: Any) -> None:
    module = tb.IATReLU(4, 3, dim=0, derivatives=derivatives)
    z, source = normal(4, 2, seed=3).requires_grad_(), normal(4, 2, seed=4).requires_grad_()
    assert gradcheck(lambda z, y: module(z, pattern_from=y), (z, source))
    torch.testing.assert_close(module(z, pattern_from=z), module(z), rtol=0, atol=1e-14)


# -- construction -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", FAMILIES)
def test_he_scale(first: str, second: str) -> None:
    """E |u|**2 = d_out / 2 for normal z, to 5 standard errors."""
    module = tb.IATReLU(7, 6, first, second, mesh=300)
    square = module(normal(2000, 7, seed=5)).square().sum(-1)
    error = float(square.std()) / 2000**0.5
    assert abs(float(square.mean()) - 3) <= 5 * error + 0.01  # rect off the mesh of 300 midpoints


def test_scales() -> None:
    z = normal(3, 5)
    plain = tb.IATReLU(5, 4, scale=None, mesh=30)
    assert plain.scale == 1 and plain.output_basis == iatcore.basis("pwq", 4)
    torch.testing.assert_close(tb.IATReLU(5, 4, scale=2.5, mesh=30)(z), 2.5 * plain(z))


def test_bases_and_gates_as_objects() -> None:
    p = iatcore.basis("fourier", 3) + iatcore.basis("pwl", 2)
    q = PPoly(np.array([[[1.0, 0.0]], [[0.0, 2.0]]]), np.array([-1.0, 1.0]))
    module = tb.IAT(5, 2, p, q, gate=JUMPING, scale=None, derivatives="any")
    assert module.input_basis is p and module.output_basis.size == 2 and module.gate is JUMPING
    transform = Transform(p, iatcore.basis(q), JUMPING)
    z = normal(3, 5)
    assert torch.equal(module(z), iat(z, transform, derivatives="any"))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "absolute", "identity", "arelu"])
def test_gates_by_name(name: str) -> None:
    assert tb.IAT(3, 3, gate=name, mesh=5).gate == getattr(gates, name)()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_features": 0}, "in_features must be an integer >= 1, got 0"),
        ({"out_features": -1}, "out_features must be an integer >= 1, got -1"),
        ({"input_basis": "sine"}, "family must be one of rect, pwl, pwq, fourier"),
        ({"input_basis": iatcore.basis("pwl", 4)}, "input_basis must have in_features = 3 functions, got 4"),
        (
            {"output_basis": iatcore.basis("pwl", 4)},
            "output_basis must have out_features = 2 functions, got 4",
        ),
        ({"gate": "gelu"}, "gate must be a Gate or one of relu, leaky_relu, absolute, identity, arelu"),
        ({"activation": torch.tanh, "gate": "arelu", "mesh": 5}, "gate and activation exclude each other"),
        ({"mesh": 0}, "mesh must be an integer >= 1, got 0"),
        ({"scale": "lecun"}, "scale must be 'he', None or a number, got 'lecun'"),
        ({"scale": float("nan")}, "scale must be finite"),
        ({"derivatives": 3}, "derivatives must be 1, 2 or 'any', got 3"),
        ({"derivatives": True}, "derivatives must be 1, 2 or 'any', got True"),
    ],
)
def test_wrong_values(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tb.IAT(**{"in_features": 3, "out_features": 2, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_features": 2.0}, "in_features must be an integer"),
        ({"input_basis": 5}, "family must be a name, a Basis or a scipy"),
        ({"gate": torch.relu}, "gate must be a name or a Gate"),
        ({"activation": 5, "mesh": 5}, "activation must be a function of tensors"),
        ({"mesh": 2.5}, "mesh must be an integer"),
        ({"scale": [1.0]}, "scale must be a real number"),
        ({"dim": 1.5}, "float"),
        ({"dtype": torch.int64}, "dtype must be a floating one"),
    ],
)
def test_wrong_types(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        tb.IAT(**{"in_features": 3, "out_features": 2, **arguments})


@pytest.mark.parametrize("mesh", [None, 10])
def test_wrong_shapes(mesh: int | None) -> None:
    module = tb.IATReLU(3, 2, dim=1, mesh=mesh, derivatives="any")
    z = torch.zeros(2, 3, 4)
    with pytest.raises(ValueError, match=r"z must have size in_features = 3 along dimension 1, got shape \(2, 4\)"):
        module(torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"z must have a dimension 1, got shape \(3,\)"):
        module(torch.zeros(3))
    with pytest.raises(ValueError, match="pattern_from must have size in_features"):
        module(z, pattern_from=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="pattern_from must have the shape of z"):
        module(z, pattern_from=torch.zeros(2, 3))


# -- a module among modules -------------------------------------------------------------------------------


@DERIVATIVES
@pytest.mark.parametrize("mesh", [None, 10])
def test_copies(mesh: int | None, derivatives: Any) -> None:
    module = tb.IATReLU(4, 3, mesh=mesh, derivatives=derivatives, device="cpu", dtype=torch.float64)
    z = normal(2, 4)
    u = module(z)
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    for other in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(buffer, weights_only=False),
    ):
        assert torch.equal(other(z), u) and repr(other) == repr(module)
    assert not module.state_dict() and not list(module.parameters()) and not list(module.buffers())


def test_repr() -> None:
    text = repr(tb.IATReLU(4, 3, scale=None, dim=1))
    assert text == (
        "IATReLU(4, 3, input_basis=basis('fourier', 4), output_basis=basis('pwq', 3), gate=relu(), dim=1, "
        "mesh=None, derivatives=2)"
    )


def test_shared_constants() -> None:
    """Layers of the same bases prepare their constants once."""
    first, second = (tb.IATReLU(6, 6, derivatives="any").transform for _ in range(2))
    assert first.plan is second.plan is prepare(first.p, first.q, first.gate)


@DERIVATIVES
def test_in_a_network(derivatives: Any) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), tb.IATReLU(8, 6, derivatives=derivatives), nn.Linear(6, 1))
    x = torch.rand(32, 2)
    y = torch.sin(3 * x.sum(-1, keepdim=True))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert network.double()(x.double()).dtype == torch.float64


@pytest.mark.parametrize(("first", "second"), [("fourier", "pwq"), ("pwl-w", "fourier")])
def test_ten_layers_keep_their_variance(first: str, second: str) -> None:
    """He's rule and ``scale="he"``: E |y|**2 over networks and inputs stays within a factor 2 of E |x|**2."""
    torch.manual_seed(0)
    ratios = []
    for _ in range(24):
        network = mlp([16] * 12, lambda width: tb.IATReLU(width, width, first, second, derivatives="any"))
        with torch.no_grad():
            x = torch.randn(16, 16)
            ratios.append(float(network(x).square().mean() / x.square().mean()))
    assert 0.5 < np.mean(ratios) < 2


def test_mlp() -> None:
    torch.manual_seed(0)
    network = mlp([300, 200, 100, 7], lambda width: tb.IATReLU(width, width, mesh=10, scale=None))
    layers: list[Any] = list(network)
    assert [type(layer) for layer in layers] == [nn.Linear, tb.IATReLU, nn.Linear, tb.IATReLU, nn.Linear]
    linear = layers[::2]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(300, 200), (200, 100), (100, 7)]
    for layer, gain in zip(linear, (2, 2, 1), strict=True):
        variance = float(layer.weight.detach().var())
        # the sample variance of n normal numbers has relative standard error sqrt(2 / n)
        assert abs(variance * layer.in_features / gain - 1) <= 5 * (2 / layer.weight.numel()) ** 0.5
        assert not layer.bias.any()
    assert len(mlp([3, 2], nn.Identity, init="default")) == 1
    with pytest.raises(ValueError, match="at least two entries"):
        mlp([3], nn.Identity)
    with pytest.raises(ValueError, match="init must be"):
        mlp([3, 2], nn.Identity, init="zero")  # type: ignore[arg-type]


# -- sizes from the first input -------------------------------------------------------------------------------


def test_lazy_size() -> None:
    network = nn.Sequential(nn.LazyLinear(7), tb.LazyIATReLU(), nn.LazyLinear(3), tb.LazyIAT(4, "pwl", gate="arelu"))
    assert "?, ?" in repr(network[1]) and "?, 4" in repr(network[3])
    seen: list[int] = []
    network[1].register_forward_hook(lambda module, *_: seen.append(module.in_features))
    network.eval()
    u = network(torch.ones(5, 2))
    assert u.shape == (5, 4) and type(network[1]) is tb.IATReLU and type(network[3]) is tb.IAT
    assert seen == [7] and not network[1].training
    x = torch.ones(5, 2) * 0.3
    hidden = tb.IATReLU(7, 7)(network[0](x))
    torch.testing.assert_close(network(x), tb.IAT(3, 4, "pwl", gate="arelu")(network[2](hidden)))
    again = copy.deepcopy(network)
    assert torch.equal(again(x), network(x)) and torch.equal(
        pickle.loads(pickle.dumps(tb.LazyIAT(dim=1)))(x), tb.IAT(2, 2)(x)
    )


def test_lazy_size_along_a_dimension() -> None:
    module = tb.LazyIATReLU(dim=1, mesh=50, scale=2.0)
    z = normal(2, 6, 3)
    assert torch.equal(module(z), tb.IATReLU(6, 6, dim=1, mesh=50, scale=2.0)(z))
    with pytest.raises(ValueError, match="size in_features = 6"):
        module(z[:, :5])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"input_basis": iatcore.basis("pwl", 3)}, TypeError, "input_basis must be the name of a family"),
        ({"out_features": 0}, ValueError, "out_features must be an integer >= 1"),
        ({"output_basis": "cubic"}, ValueError, "cubic"),
        ({"mesh": 0}, ValueError, "mesh must be an integer >= 1"),
    ],
)
def test_bad_lazy_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tb.LazyIAT(**settings)


def test_a_lazy_relu_has_no_other_activation() -> None:
    for settings in ({"gate": "absolute"}, {"activation": torch.tanh}):
        with pytest.raises(TypeError, match=r"of LazyIATReLU is ReLU, got .*; LazyIAT takes others"):
            tb.LazyIATReLU(**settings)


def test_lazy_size_needs_the_dimension() -> None:
    with pytest.raises(ValueError, match="z must have a dimension 3"):
        tb.LazyIAT(dim=3)(normal(2, 2))
