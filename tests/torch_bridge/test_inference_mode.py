"""A first call under ``torch.inference_mode()``, as of a validation run, leaves nothing that training cannot use."""

import pytest
import torch

import torch_bridge as tb

# sizes that no other test has: what is prepared for bases is kept for the process
MODULES = {
    "exact": lambda: tb.IATReLU(11, 13),
    "any order": lambda: tb.IATReLU(11, 13, derivatives="any"),
    "mesh": lambda: tb.IATReLU(11, 13, mesh=40),
    "smooth": lambda: tb.IAT(11, 13, activation=torch.tanh),
    "trained slopes": lambda: tb.TrainableIAT(11, 13, trainable=("slopes", "breakpoints")),
    "trained frequencies": lambda: tb.TrainableIAT(11, 13, output_basis="rect", trainable=("input_frequencies",)),
    "TMAF": tb.TMAF,
    "AReLU": tb.AReLU,
}


@pytest.mark.parametrize("name", MODULES)
def test_training_after_inference(name):
    module, z = MODULES[name](), torch.randn(5, 11, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        u = module(z)
    x = z.clone().requires_grad_()
    again = module(x)
    again.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    torch.testing.assert_close(again.detach(), u.clone())
