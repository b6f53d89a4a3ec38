"""Every module through generic tests, from entries in the form that torch tests its own modules with."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils import parameters_to_vector, parametrizations, vector_to_parameters

pytest.importorskip("expecttest")

from torch.testing._internal.common_device_type import instantiate_device_type_tests
from torch.testing._internal.common_modules import FunctionInput, ModuleInfo, ModuleInput, modules
from torch.testing._internal.common_utils import TestCase, freeze_rng_state

import torch_bridge as tb
from iatcore import gates

SHAPE = (2, 6, 3, 4)
SETTINGS = {
    tb.IAT: [
        ((6, 5), {"input_basis": "pwl", "dim": 1}),
        ((4, 3), {"gate": "absolute"}),
        ((4, 3), {"mesh": 20}),
        ((4, 3), {"activation": torch.tanh, "mesh": 20}),
        ((4, 3), {"activation": torch.tanh}),
    ],
    tb.IATReLU: [
        ((4, 3), {}),
        ((6, 6), {"input_basis": "pwq", "output_basis": "fourier", "dim": 1}),
        ((4, 4), {"input_basis": "rect-w", "output_basis": "pwl-w"}),
        ((4, 3), {"input_basis": "pwl", "derivatives": "any"}),
    ],
    tb.TMAF: [
        ((), {}),
        ((), {"grid": "uniform", "bands": (-1, 0, 1)}),
        ((), {"sharing": "channel", "num_features": 6, "dim": 1}),
        ((), {"sharing": "neuron", "num_features": (6, 3, 4)}),
        ((), {"pattern": np.tri(4), "init": "leaky_relu"}),
    ],
    tb.AReLU: [((), {}), ((), {"keep_alive": True})],
    tb.ELSA: [((), {})],
    tb.TrainableIAT: [
        ((4, 5), {}),
        ((4, 5, "pwl", "fourier"), {"gate": "arelu", "trainable": ("slopes", "input")}),
        ((6, 5, "fourier", "pwq"), {"dim": 1, "trainable": "input_frequencies"}),
        (
            (4, 5, "pwq", "pwl"),
            {"gate": gates.tmaf([-0.3, 0.4], [0.2, 1.0, -0.5]), "trainable": ("slopes", "breakpoints")},
        ),
    ],
    tb.RescaledTMAF: [((), {}), ((), {"bands": (-1, 0), "sharing": "channel", "num_features": 6, "dim": 1})],
    tb.APL: [((), {})],
    tb.PAU: [((), {})],
    tb.SLAF: [((), {})],
    tb.Comb: [((), {})],
    tb.Maxout: [((), {})],
}


def random(generator):
    return torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def inputs_of(settings):
    def make(module_info, device, dtype, requires_grad, training, **_):
        generator = torch.Generator().manual_seed(0)
        return [
            ModuleInput(
                constructor_input=FunctionInput(*args, **options),
                forward_input=FunctionInput(
                    torch.randn(SHAPE, generator=generator, dtype=torch.float64)
                    .to(device, dtype)
                    .requires_grad_(requires_grad)
                ),
                desc=str(options),
            )
            for args, options in settings
        ]

    return make


ENTRIES = [ModuleInfo(kind, module_inputs_func=inputs_of(settings)) for kind, settings in SETTINGS.items()]


def cases(module_info, device, dtype, requires_grad=False):
    """Modules with parameters as after some training, and their input."""
    for entry in module_info.module_inputs_func(module_info, device, dtype, requires_grad, True):
        args, options = entry.constructor_input.args, entry.constructor_input.kwargs
        placement = {} if module_info.module_cls is tb.Maxout else {"device": device, "dtype": dtype}
        module = module_info.module_cls(*args, **placement, **options)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(0.9).add_(0.05 * torch.randn(parameter.shape, generator=generator).to(parameter))
        yield module, entry.forward_input.args[0]


def outcome(module, x, g=None):
    u = module(x)
    inputs = [x, *module.parameters()]
    return u, *torch.autograd.grad(u, inputs, torch.ones_like(u) if g is None else g, allow_unused=True)


class TestModules(TestCase):
    @modules(ENTRIES)
    def test_forward(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype):
            before = x.clone()
            u = module.train(training)(x)
            self.assertEqual((u.dtype, u.device), (dtype, x.device))
            self.assertEqual(x, before)
            self.assertEqual(u, module(x))

    @modules([e for e in ENTRIES if e.module_cls is not tb.Maxout], allowed_dtypes=[torch.float32])
    def test_factory_kwargs(self, device, dtype, module_info, training):
        for entry in module_info.module_inputs_func(module_info, device, dtype, False, training):
            args, options = entry.constructor_input.args, entry.constructor_input.kwargs
            for kind in (torch.float16, torch.float64):
                module = module_info.module_cls(*args, device=device, dtype=kind, **options)
                self.assertTrue(all(p.dtype == kind for p in module.parameters()))
            module = module_info.module_cls(*args, device="meta", **options)
            self.assertTrue(all(p.is_meta for p in module.parameters()))
            with self.assertRaises(TypeError):
                module_info.module_cls(*args, dtype=torch.int64, **options)

    @modules(ENTRIES, allowed_dtypes=[torch.float32])
    def test_repr(self, device, dtype, module_info, training):
        for module, _ in cases(module_info, device, dtype):
            self.assertIn(module_info.module_cls.__name__, repr(module))
            self.assertEqual(str(module), repr(module))

    @modules(ENTRIES, allowed_dtypes=[torch.float32])
    def test_copies(self, device, dtype, module_info, training):
        """Pickle, deepcopy, torch.save, strict state dicts loaded as weights alone, vectors of parameters."""
        for module, x in cases(module_info, device, dtype):
            u = module(x)
            stream = io.BytesIO()
            torch.save(module, stream)
            stream.seek(0)
            copies = [
                pickle.loads(pickle.dumps(module)),
                copy.deepcopy(module),
                torch.load(stream, weights_only=False),
            ]
            for other in copies:
                self.assertEqual(other(x), u, rtol=0, atol=0)
            stream = io.BytesIO()
            torch.save(module.state_dict(), stream)
            stream.seek(0)
            other = copies[0]
            vector = parameters_to_vector(other.parameters()) if list(other.parameters()) else torch.zeros(0)
            with torch.no_grad():
                for parameter in other.parameters():
                    parameter.zero_()
            other.load_state_dict(torch.load(stream, weights_only=True), strict=True)
            self.assertEqual(other(x), u, rtol=0, atol=0)
            if vector.numel():
                vector_to_parameters(0 * vector, other.parameters())
                vector_to_parameters(vector, other.parameters())
                self.assertEqual(other(x), u, rtol=0, atol=0)
            with self.assertRaises(RuntimeError):
                other.load_state_dict({"no such entry": torch.zeros(1)}, strict=True)

    @modules(ENTRIES)
    def test_strides(self, device, dtype, module_info, training):
        """Inputs and gradients that are not contiguous, expanded or reversed."""
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            u = module(x)
            g = torch.linspace(-1, 1, u.numel(), dtype=dtype, device=device).reshape(u.shape)
            expected = outcome(module, x, g)
            plain = x.detach()
            wide = torch.stack([plain, plain], -1)[..., 0]
            turned = plain.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
            for y in (wide, turned, plain.contiguous(memory_format=torch.channels_last)):
                for h in (g, torch.stack([g, g], -1)[..., 1]):
                    found = outcome(module, y.requires_grad_(), h)
                    for a, b in zip(found, expected, strict=True):
                        self.assertEqual(a, b, rtol=64 * torch.finfo(dtype).eps, atol=64 * torch.finfo(dtype).eps)
            once = plain[:1].expand(SHAPE)
            self.assertEqual(module(once), module(once.contiguous()))

    @modules(ENTRIES)
    def test_memory_format(self, device, dtype, module_info, training):
        """What acts entry by entry keeps channels_last; results are the same in both formats."""
        for module, x in cases(module_info, device, dtype):
            y = x.contiguous(memory_format=torch.channels_last)
            self.assertEqual(module(y), module(x))
            if isinstance(module, (tb.AReLU, tb.PAU, tb.APL)) or (isinstance(module, tb.TMAF) and not module.entries):
                self.assertTrue(module(y).is_contiguous(memory_format=torch.channels_last))

    @modules(ENTRIES)
    def test_no_samples(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            empty = x.detach()[:0].requires_grad_()
            u, gradient, *others = outcome(module, empty)
            self.assertEqual(u.shape, module(x)[:0].shape)
            self.assertEqual(gradient.shape, empty.shape)
            for parameter, other in zip(module.parameters(), others, strict=True):
                if other is not None:
                    self.assertEqual(other, torch.zeros_like(parameter))

    @modules(ENTRIES, allowed_dtypes=[torch.float64])
    def test_grad(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            small = x.detach()[:1].requires_grad_()
            names = [name for name, _ in module.named_parameters()]

            def function(z, *parameters, module=module, names=names):
                return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (z,))

            with freeze_rng_state():
                gradcheck(module, (small,), atol=1e-5, fast_mode=True)
                if names:
                    gradcheck(function, (small, *module.parameters()), atol=1e-5, fast_mode=True)

    @modules(ENTRIES, allowed_dtypes=[torch.float64])
    def test_gradgrad(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            small = x.detach()[:1].requires_grad_()
            gradgradcheck(module, (small,), atol=1e-4, fast_mode=True)

    @modules(ENTRIES, allowed_dtypes=[torch.float32])
    def test_placement(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype):
            u = module(x)
            wide = copy.deepcopy(module).double()(x.double())
            self.assertEqual(wide.dtype, torch.float64)
            self.assertEqual(wide.float(), u)
            half = copy.deepcopy(module).half()(x.half())
            self.assertEqual(half.dtype, torch.float16)
            self.assertEqual(copy.deepcopy(module).to("meta")(x.to("meta")).shape, u.shape)

    # Maxout is torch's amax, which keeps its result
    @modules([e for e in ENTRIES if e.module_cls is not tb.Maxout], allowed_dtypes=[torch.float32])
    def test_in_place_around(self, device, dtype, module_info, training):
        """What comes after may work in place, and a change of a saved input is noticed."""
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            u = module(x)
            expected = torch.autograd.grad(nn.functional.relu(module(x)).sum(), x)[0]
            self.assertEqual(torch.autograd.grad(nn.ReLU(inplace=True)(u).sum(), x)[0], expected)

    @modules([e for e in ENTRIES if e.module_cls in (tb.TMAF, tb.AReLU, tb.PAU)], allowed_dtypes=[torch.float64])
    def test_frozen(self, device, dtype, module_info, training):
        for module, x in cases(module_info, device, dtype, requires_grad=True):
            expected = torch.autograd.grad(module(x).sum(), x)[0]
            module.requires_grad_(False)
            self.assertEqual(torch.autograd.grad(module(x).sum(), x)[0], expected)
            self.assertTrue(all(p.grad is None for p in module.parameters()))
            self.assertFalse(module(x.detach()).requires_grad)


instantiate_device_type_tests(TestModules, globals(), only_for=("cpu", "cuda"))


def test_parametrized():
    """weight_norm and parametrizations change parameters at every call."""
    torch.manual_seed(0)
    module = tb.TMAF(sharing="channel", num_features=6)
    torch.nn.utils.parametrize.register_parametrization(module.values, "0", nn.Softplus())
    x = torch.randn(3, 6)
    u = module(x)
    u.sum().backward()
    original = module.values.parametrizations["0"].original
    assert original.grad is not None and original.grad.any()
    layer = parametrizations.weight_norm(nn.Linear(6, 6))
    network = nn.Sequential(layer, tb.IATReLU(6, 6, "pwl", "pwq"), tb.AReLU())
    network(x).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_autocast(kind):
    """Half precision in, half precision out, gradients of parameters in their own dtype."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 6), tb.IATReLU(6, 6, "fourier", "pwq"), tb.TMAF(), tb.AReLU(), nn.Linear(6, 1))
    x = torch.randn(20, 5)
    seen = []
    for layer in network:
        layer.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    with torch.autocast("cpu", kind):
        u = network(x)
        u.float().square().mean().backward()
    assert set(seen) == {kind}
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in network.parameters())
    torch.testing.assert_close(u.float(), network(x), rtol=0.1, atol=0.05)


@pytest.mark.parametrize("module", [tb.TMAF(), tb.AReLU(), tb.TMAF(pattern=np.tri(4))], ids=["TMAF", "AReLU", "sparse"])
def test_another_device(module):
    with pytest.raises(ValueError, match="must be on the device of the parameters, cpu, got meta"):
        module(torch.empty(3, 4, device="meta"))
