"""Activations in networks that exist."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import torch_bridge as tb


class Block(nn.Module):
    """One activation used twice, as residual blocks do."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(x + self.conv(self.relu(x)))


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        x = F.relu(self.linear(x))
        return torch.relu_(x + 1).relu()


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Hidden(), nn.ReLU()
    )


def test_by_name():
    model = network().double().eval()
    report = tb.replace_activations(model, nn.ReLU, "arelu")
    assert report.changed == ["1", "2.relu", "6"]
    assert all(isinstance(model.get_submodule(name), tb.AReLU) for name in report.changed)
    assert model[1].alpha is not model[6].alpha
    assert {p.dtype for p in model.parameters()} == {torch.float64} and not model[1].training
    model(torch.randn(2, 3, 8, 8).double()).sum().backward()
    assert model[2].relu.alpha.grad is not None


def test_what_it_could_not_see():
    report = tb.replace_activations(network())
    assert [call.split("): ")[1] for call in report.unseen] == ["F.relu", "torch.relu_(x + 1).relu", "torch.relu_"]
    assert all(call.startswith("5 (Hidden.forward, line ") for call in report.unseen)
    assert "3 replaced" in str(report) and "3 functional calls not replaced" in str(report)
    assert not tb.replace_activations(network(), nn.Tanh).unseen


def test_the_function_is_unchanged_where_the_activation_is():
    x = torch.randn(2, 3, 8, 8)
    model, expected = network(), network()(x)
    tb.replace_activations(model, nn.ReLU, nn.ReLU())
    torch.testing.assert_close(model(x), expected)
    model = network()
    tb.replace_activations(model, nn.ReLU, lambda: tb.TMAF(init="relu"))
    torch.testing.assert_close(model(x), expected)


def test_shapes_from_an_example():
    model = network()
    model[3].train()
    shapes = []

    def by(shape):
        shapes.append(shape)
        return tb.IATReLU(shape[1], shape[1], "pwl", "pwq", dim=1)

    tb.replace_activations(model, nn.ReLU, by, example=torch.randn(2, 3, 8, 8))
    assert shapes == [(2, 4, 6, 6), (2, 4, 6, 6), (2, 4)]
    assert model(torch.randn(5, 3, 8, 8)).shape == (5, 4) and model[3].training


def test_one_module_under_two_names():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 3), relu)
    report = tb.replace_activations(model, nn.ReLU, "prelu")
    assert report.changed == ["1", "3"] and model[1] is model[3]
    assert sum(p.numel() for p in model[1].parameters()) == 1


def test_several_classes():
    model = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.Sequential(nn.GELU()))
    assert tb.replace_activations(model, (nn.Tanh, nn.GELU), "elsa").changed == ["0", "2.0"]
    assert tb.replace_activations(model, nn.Tanh, "elsa").changed == []


def test_bad_input():
    with pytest.raises(TypeError, match="what must be a class of modules"):
        tb.replace_activations(network(), nn.functional.relu)
    with pytest.raises(TypeError, match="itself"):
        tb.replace_activations(nn.ReLU())
    with pytest.raises(ValueError, match="name must be one of"):
        tb.replace_activations(network(), by="relux")
    with pytest.raises(TypeError, match="by must make modules"):
        tb.replace_activations(network(), by=lambda: 3)
    with pytest.raises(TypeError, match="by must be"):
        tb.replace_activations(network(), by=3)
    with pytest.raises(ValueError, match="make it two"):
        relu = nn.ReLU()
        model = nn.Sequential(nn.Linear(3, 4), relu, nn.Linear(4, 3), relu)
        tb.replace_activations(model, by=lambda shape: tb.AReLU(), example=torch.randn(1, 3))
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model.spare = nn.ModuleList([nn.ReLU()])
    model.forward = lambda x: model[1](model[0](x))
    with pytest.raises(ValueError, match="reach every module"):
        tb.replace_activations(model, by=lambda shape: tb.AReLU(), example=torch.randn(1, 3))


@pytest.mark.parametrize(("package", "build"), [("torchvision", "resnet18"), ("timm", "resnet18")])
def test_networks_of_others(package, build):
    package = pytest.importorskip(package, exc_type=ImportError)
    model = package.models.resnet18() if package.__name__ == "torchvision" else package.create_model(build)
    report = tb.replace_activations(model, nn.ReLU, "arelu")
    assert len(report.changed) >= 9 and not any(isinstance(m, nn.ReLU) for m in model.modules())
