"""Networks: sizes as published, the chosen activation at every place, inputs that are refused."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

import torch_bridge as tb
from torch_bridge.networks import NETWORKS, VGG, ResNet, UNet, mlp, network
from torch_bridge.networks.activations import maker

PLACES = {
    "mnist-conv": 3,
    "vgg11": 8,
    "vgg13": 10,
    "vgg11-full": 10,
    "vgg13-full": 12,
    "resnet18": 17,
    "resnet34": 33,
    "mobilenet": 27,
    "se-resnet18": 33,
    "shufflenet-v2": 36,
    "squeezenet": 25,
    "unet": 18,
}
"""Activations of each network, counted in the program that it follows."""

FINAL = {
    "vgg11": 1, "vgg13": 1, "resnet18": 4, "resnet34": 4, "mobilenet": 2, "se-resnet18": 4, "shufflenet-v2": 4,
    "squeezenet": 4,
}  # fmt: skip
"""Height and width of the last features of images of 32 x 32."""

SMALL = ("mnist-conv", "squeezenet", "shufflenet-v2", "mobilenet")
NAMED = ("arelu", "tmaf", "pau", "tmaf-tridiagonal")


class Marked(nn.Module):
    """Leaky, and remembers what it was made for and what it saw."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.seen = channels, []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return torch.where(x > 0, x, 0.1 * x)


def count(module):
    return sum(w.numel() for w in module.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_as_many_as_published(name):
    with torch.device("meta"):
        assert count(network(name, lambda channels: nn.ReLU())) == NETWORKS[name].parameters


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [("resnet18", 100, 11_220_132), ("resnet34", 10, 21_282_122), ("vgg11", 100, 9_277_284)],
)
def test_parameters_for_other_numbers_of_classes(name, classes, expected):
    with torch.device("meta"):
        assert count(network(name, "relu", classes)) == expected


def test_three_channels_for_transfer_to_svhn():
    net = network("mnist-conv", "relu", channels=3)
    assert count(net) == 12_930 + 2 * 250
    assert net(torch.rand(2, 3, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_chosen_activation_is_at_every_place_and_each_is_used_once(name):
    torch.manual_seed(0)
    net = network(name, lambda channels: Marked(channels)).eval()
    shape = (3, 32, 32) if name == "unet" else NETWORKS[name].shape
    with torch.no_grad():
        y = net(torch.rand(2, *shape))
    assert y.shape == ((2, 1, 32, 32) if name == "unet" else (2, NETWORKS[name].classes))
    assert torch.isfinite(y).all()
    places = [m for m in net.modules() if isinstance(m, Marked)]
    assert len(places) == len({id(m) for m in places}) == PLACES[name]
    for place in places:
        assert len(place.seen) == 1 and place.seen[0][1] == place.channels
    others = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Tanh)
    assert not any(isinstance(m, others) for m in net.modules())


@pytest.mark.parametrize("name", FINAL)
def test_size_of_the_last_features(name):
    net = network(name, "relu").eval()
    head = net.classifier if isinstance(net, VGG) else net.head
    seen = []
    assert isinstance(head, nn.Module)
    head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[2:]))
    with torch.no_grad():
        net(torch.rand(1, 3, 32, 32))
    assert seen == [(FINAL[name], FINAL[name])]


@pytest.mark.parametrize(("name", "activation"), [*itertools.product(SMALL, NAMED), ("mnist-conv", "iat-relu")])
def test_a_named_activation_trains_everywhere(name, activation):
    torch.manual_seed(0)
    net = network(name, activation)
    net(torch.rand(2, *NETWORKS[name].shape)).square().sum().backward()
    own = [w for m in net.modules() if type(m).__module__.startswith("torch_bridge.nn") for w in m.parameters()]
    assert len(own) == PLACES[name] * len(list(maker(activation)(4).parameters()))
    assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in net.parameters())


def test_a_name_acts_along_channels():
    make = maker("iat")
    assert isinstance(iat := make(6), tb.IAT) and (iat.in_features, iat.out_features, iat.dim) == (6, 6, 1)
    assert maker("tmaf-tridiagonal")(6).dim == 1
    x = torch.randn(2, 6, 5, 3)
    assert torch.equal(iat(x)[1, :, 4, 2], iat(x[1:, :, 4, 2])[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_reports_an_unknown_activation(name):
    with pytest.raises(ValueError, match="activation must be one of"):
        network(name, "relu7")


def test_bad_activations_are_refused():
    shared = nn.ReLU()
    with pytest.raises(ValueError, match="new module for every place"):
        network("mnist-conv", lambda channels: shared)
    with pytest.raises(TypeError, match="lambda channels"):
        network("mnist-conv", nn.ReLU)
    with pytest.raises(TypeError, match="lambda channels"):
        network("mnist-conv", shared)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="make modules"):
        network("mnist-conv", lambda channels: torch.relu)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="halves"):
        network("mnist-conv", "maxout")


def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="name must be one of"):
        network("vgg16", "relu")
    with pytest.raises(ValueError, match="depth"):
        VGG(16, "relu")
    with pytest.raises(ValueError, match="head"):
        VGG(11, "relu", head="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth"):
        ResNet(50, "relu")
    with pytest.raises(ValueError, match="16 divides"):
        UNet("relu", features=2)(torch.rand(1, 3, 32, 40))


def test_a_seed_draws_equal_weights_whatever_the_activation():
    def weights(activation):
        torch.manual_seed(3)
        return [w for n, w in network("mnist-conv", activation).named_parameters() if "weight" in n and w.ndim > 1]

    for a, b in zip(weights("relu"), weights("arelu"), strict=True):
        assert torch.equal(a, b)


def test_shuffling_interleaves_the_two_halves():
    from torch_bridge.networks.shufflenet import Unit

    unit = Unit(4, 4, 1, maker("relu")).eval()
    x = torch.randn(2, 4, 3, 3)
    y = unit(x)
    assert torch.equal(y[:, 0], x[:, 0]) and torch.equal(y[:, 2], x[:, 1])
    assert torch.equal(y[:, 1::2], unit.residual(x[:, 2:]))


def test_gates_of_squeeze_and_excitation_multiply_the_activated_residual():
    from torch_bridge.networks.resnet import SEBlock

    block = SEBlock(32, 32, 1, maker("tanh")).eval()
    x = torch.randn(2, 32, 4, 4)
    residual = block.residual(x)
    gates = block.gates(residual)
    assert ((0 < gates) & (gates < 1)).all() and gates.shape == (2, 32)
    torch.testing.assert_close(block(x), torch.tanh(residual * gates[:, :, None, None] + x))
    assert residual.abs().max() <= 1


def test_bypasses_of_squeezenet():
    from torch_bridge.networks.squeezenet import Fire

    fires = [m for m in network("squeezenet", "relu").modules() if isinstance(m, Fire)]
    assert [fire.bypass for fire in fires] == [False, True, False, True, False, True, False, False]
    fire, x = fires[1].eval(), torch.rand(1, 128, 4, 4)
    squeezed = fire.squeeze(x)
    assert torch.equal(fire(x)[:, :64], fire.expand1(squeezed) + x[:, :64])
    assert torch.equal(fire(x)[:, 64:], fire.expand3(squeezed) + x[:, 64:])


@pytest.mark.parametrize(
    ("name", "count"), [("vgg11", 5), ("vgg13", 5), ("mnist-conv", 3), ("squeezenet", 3), ("unet", 1)]
)
def test_pooling_takes_the_maximum(name, count):
    net = network(name, "relu")
    assert sum(isinstance(m, nn.MaxPool2d) for m in net.modules()) == count
    assert not any(isinstance(m, nn.AvgPool2d) for m in net.modules())


def test_unet_gives_probabilities_and_sees_both_fine_and_coarse():
    torch.manual_seed(0)
    net = UNet("relu", features=4).eval()
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    y = net(x)
    assert ((0 < y) & (y < 1)).all()
    y[0, 0, 32, 32].backward()
    assert x.grad is not None and x.grad[0, :, 0, 0].abs().sum() > 0


def test_networks_of_the_tmaf_paper():
    net = mlp([5, 20, 20, 1], "tmaf", "default", batch_norm=True)
    assert [type(m).__name__ for m in net] == 2 * ["Linear", "BatchNorm1d", "TMAF"] + ["Linear"]
    assert count(net) == 5 * 20 + 20 + 2 * 20 + 10 + 20 * 20 + 20 + 2 * 20 + 10 + 20 + 1
    assert net(torch.rand(7, 5)).shape == (7, 1)
    digits = mlp([784, 10, 10, 10], "tmaf", "default", flatten=True)
    assert digits(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_mlp_without_options_is_linear_layers_and_activations():
    net = mlp([3, 4, 2], lambda width: nn.Tanh())
    assert [type(m) for m in net] == [nn.Linear, nn.Tanh, nn.Linear]
    with pytest.raises(ValueError, match="activation must be one of"):
        mlp([3, 4, 2], "relu7")


def test_named_mlp_activation_knows_the_width():
    iat = mlp([3, 6, 2], "iat-relu")[1]
    assert isinstance(iat, tb.IATReLU) and iat.in_features == 6
