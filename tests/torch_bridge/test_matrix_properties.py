"""The modules as matrix activations: the public strategies on their outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import torch_bridge as tb
from verify.strategies import check_matrix_activation, hard_coefficients


class _ByAutograd:
    """A module on arrays; its matrix is the Jacobian that the backward pass gives."""

    def __init__(self, module):
        self.module = module.double()

    def __call__(self, z):
        with torch.no_grad():
            return self.module(torch.from_numpy(np.array(z, dtype=float))).numpy()

    def matrix(self, z):
        z = torch.from_numpy(np.array(z, dtype=float)).requires_grad_()
        u = self.module(z)
        return np.stack([torch.autograd.grad(u, z, e, retain_graph=True)[0].numpy() for e in torch.eye(len(u)).to(u)])


class _ByMatrix(_ByAutograd):
    """A module on arrays, with its own matrix."""

    def matrix(self, z):
        with torch.no_grad():
            return self.module.matrix(torch.from_numpy(np.array(z, dtype=float))).numpy()


def _trained(module):
    """Step values as they may be after training."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


@pytest.mark.parametrize("p", ["pwl", "pwq", "fourier", "pwl-w", "rect"])
def test_exact_transforms(p):
    """IAT (17), (20), (23): the gradient is the activation matrix."""
    module = tb.IATReLU(5, 3, p, "pwq")
    continuous = p != "rect"
    check_matrix_activation(_ByAutograd(module), 5, homogeneous=True, continuous=continuous)
    hard = hard_coefficients(module.input_basis)
    check_matrix_activation(_ByAutograd(module), 5, vectors=hard, continuous=continuous)


@pytest.mark.parametrize("p", ["pwl", "pwq", "fourier", "pwl-w", "rect"])
def test_exact_transforms_in_plain_torch(p):
    """Its errors are relative to the integral of abs(q f), so entries of one order of magnitude."""
    module = tb.IATReLU(5, 3, p, "pwq", derivatives="any")
    tenths = hnp.arrays(np.int64, (5,), elements=st.integers(-30, 30)).map(lambda k: k / 10.0)
    check_matrix_activation(_ByAutograd(module), 5, vectors=tenths, homogeneous=True, continuous=p != "rect")


def test_transform_on_a_mesh():
    check_matrix_activation(_ByAutograd(tb.IATReLU(5, 3, "pwl", "pwq", mesh=50)), 5, homogeneous=True, continuous=True)


@pytest.mark.parametrize("by", [_ByAutograd, _ByMatrix])
@pytest.mark.parametrize("settings", [{}, {"bands": (-1, 0, 1)}, {"bands": (0, 2), "grid": "uniform"}])
def test_step_matrices(settings, by):
    """TMAF (4)-(8): linear form, and the Jacobian away from breakpoints."""
    check_matrix_activation(by(_trained(tb.TMAF(**settings))), 6)


@pytest.mark.parametrize("by", [_ByAutograd, _ByMatrix])
def test_step_matrices_with_a_pattern(by):
    module = tb.TMAF(pattern=np.ones((4, 4)), sharing="neuron", num_features=4)
    check_matrix_activation(by(_trained(module)), 4)


@pytest.mark.parametrize("module", [tb.AReLU(), tb.ELSA(), torch.nn.PReLU()], ids=["AReLU", "ELSA", "PReLU"])
def test_two_slopes(module):
    check_matrix_activation(_ByAutograd(module), 6, homogeneous=True, continuous=True)
