"""Pictures of activations show what the modules compute."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import torch_bridge as tb
from torch_bridge.plot import activation, record_inputs
from torch_bridge.plot.activations import response
from torch_bridge.report.activations import draw_network

pyplot = pytest.importorskip("matplotlib.pyplot")

T = torch.linspace(-2, 2, 101)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", tb.ACTIVATIONS)
def test_every_activation_can_be_drawn(name):
    module = tb.activation(name, **({"in_features": 6, "out_features": 6} if name.startswith("iat") else {})).eval()
    ax = activation(module, torch.randn(100), copy.deepcopy(module), torch.randn(50))
    lines = ax.get_lines()
    assert len(lines) == 2 * len(lines[len(lines) // 2 :])
    ax.figure.canvas.draw()
    assert not module.training


def test_the_curve_is_the_activation():
    for module in (nn.Tanh(), tb.AReLU(), tb.TMAF(), nn.PReLU()):
        assert torch.equal(response(module, T)[:, 0], module(T))
    per_channel = tb.TMAF(sharing="channel", num_features=3, dim=1)
    with torch.no_grad():
        per_channel.values[0].normal_()
    expected = per_channel(T[:, None].expand(-1, 3))
    assert torch.equal(response(per_channel, T), expected)
    first = tb.TMAF(sharing="channel", num_features=3, dim=0)
    first.load_state_dict(per_channel.state_dict())
    assert torch.equal(response(first, T), expected)
    samples = tb.TMAF(sharing="neuron", num_features=(2, 3), dim=-2)
    assert response(samples, T).shape == (101, 6)


@pytest.mark.parametrize("dim", [-1, -2, 1, 0, 2])
def test_a_band_shows_the_rows_that_it_reaches(dim):
    module = tb.TMAF(bands=(-1, 0, 1), dim=dim)
    with torch.no_grad():
        for k, v in enumerate(module.values):
            v.fill_(k + 1.0)
    curves = response(module, T)
    assert curves.shape == (101, 3)
    assert sorted(curves[-1].tolist()) == [2.0, 4.0, 6.0]


def test_entries_that_are_all_zero_can_be_drawn():
    for module in (tb.TMAF(bands=(-1, 1)), tb.TMAF(bands=(1,)), tb.TMAF(pattern=np.tri(4) - np.eye(4))):
        assert response(module, T).shape == (101, 1)
        activation(module).figure.canvas.draw()
    large = tb.TMAF(sharing="neuron", num_features=(16, 32, 32), dim=-3)
    assert response(large, T).shape == (101, 8)


def test_recorded_entries_are_spread_over_all_of_them():
    network = nn.Sequential(tb.AReLU())
    with record_inputs(network, most=100) as inputs:
        network(torch.arange(199.0))
    assert inputs["0"].tolist() == list(range(0, 199, 2))
    with record_inputs(network[0]) as inputs:
        network[0](x=torch.ones(3))
    assert inputs[""].tolist() == [1.0, 1.0, 1.0]


def test_pictures_of_inputs_outside_of_the_interval_and_bad_numbers():
    for inputs in (torch.tensor([5.0]), torch.tensor([torch.nan])):
        activation(tb.AReLU(), inputs, interval=(-1, 1)).figure.canvas.draw()
    assert activation(tb.AReLU(), interval=np.array([-1.0, 2.0])).get_xlim() == (-1.0, 2.0)
    with pytest.raises(ValueError, match="interval must be two ascending finite numbers"):
        activation(tb.AReLU(), interval=(1, 2, 3))
    with pytest.raises(ValueError, match="most must be an integer >= 1"), record_inputs(tb.AReLU(), most=0):
        pass


def test_inputs_are_those_of_the_network():
    network = nn.Sequential(nn.Linear(2, 3), tb.AReLU(), nn.Linear(3, 4), nn.Sequential(tb.TMAF()))
    x = torch.randn(10, 2)
    with record_inputs(network) as inputs:
        network(x)
    assert set(inputs) == {"1", "3.0"}
    torch.testing.assert_close(inputs["1"], network[0](x).reshape(-1).double())
    network(x)
    figure = draw_network(network, inputs, copy.deepcopy(network), inputs)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["1: AReLU", "3.0: TMAF"]
    network = nn.Sequential(nn.Linear(2, 3), nn.PReLU(3))
    with record_inputs(network) as inputs:
        network(x)
    assert [axes.get_title() for axes in draw_network(network, inputs).axes if axes.get_title()] == ["1: PReLU"]
    with pytest.raises(ValueError, match="must contain an activation"):
        draw_network(nn.Linear(2, 2), {})
