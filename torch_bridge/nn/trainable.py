"""Integral activation transforms whose bases and gate are trained."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from iatcore import Basis, Gate
from iatcore.gram import gram

from ..ops.dtypes import check_floating, computable
from ..ops.iat.frequencies import iat_frequencies, waves
from ..ops.iat.op import Derivatives, Transform, iat
from ..ops.iat.reference import check_shapes
from ..ops.iat.trained_gates import iat_gated, two_slopes
from .arelu import AReLU
from .base import check_placement
from .iat import IAT, Activation
from .tmaf import TMAF, from_gaps, to_gaps

Part = Literal["input", "output", "input_frequencies", "output_frequencies", "slopes", "breakpoints"]


class TrainableIAT(IAT):
    """:class:`IAT` with trained bases, a trained gate, or both, IAT section 6.

    ``u = E integral psi(s) sigma(f(s)) ds`` with ``f = z^T C phi``: the input basis is ``p = C phi`` and the output
    basis ``q = E psi``, phi and psi being the families given. So p and q stay piecewise polynomials on their
    cells, as smooth as they were, and keep a zero integral.

    Args:
        in_features, out_features, input_basis, output_basis, activation, dim, mesh, scale, derivatives: as for
            :class:`IAT`.
        gate: as for :class:`IAT`; or a module AReLU, ELSA, or TMAF (diagonal, shared by layer), whose function of one
            number becomes sigma, with its parameters.
        trainable: what is trained. ``"input"``, ``"output"``: the matrices C, E, for trigonometric bases the
            amplitude of each harmonic. ``"input_frequencies"``, ``"output_frequencies"``: frequencies of a
            trigonometric basis, which then need not be integers; by plain torch, which is much slower. ``"slopes"``,
            ``"breakpoints"``: of the gate; breakpoints keep their order.
        device, dtype: of the parameters.

    Shape:
        as :class:`IAT`.

    Attributes:
        input_coefficients, output_coefficients: C (d_in, d_in), E (d_out, d_out), or amplitudes (d,); start as 1.
        input_frequencies, output_frequencies: one for each harmonic.
        slopes: (m + 1,). gaps: the first breakpoint and the logarithms of the distances between them, (m,).

    The derivative with respect to a breakpoint is that of u itself, a sum over the crossings; where f jumps over a
    level, as with ``rect``, it is 0 almost everywhere. Breakpoints at 0 have none as long as they are at 0.
    Parts that are not trained compute as :class:`IAT` does. With trained breakpoints, or slopes of a gate with other
    breakpoints than 0, second derivatives go through plain torch.

    Raises:
        TypeError, ValueError: as :class:`IAT`; ``trainable`` with unknown parts, frequencies of a basis that is not
            trigonometric or without a mesh for an activation, parts of a gate that there is none of or that is a
            module, breakpoints on a mesh (where they have no derivative).
    """

    input_coefficients: nn.Parameter | None
    output_coefficients: nn.Parameter | None
    input_frequencies: nn.Parameter | None
    output_frequencies: nn.Parameter | None
    slopes: nn.Parameter | None
    gaps: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        input_basis: Any = "fourier",
        output_basis: Any = "pwq",
        gate: Gate | str | AReLU | TMAF = "relu",
        activation: Activation | None = None,
        dim: int = -1,
        mesh: int | None = None,
        scale: float | Literal["he"] | None = "he",
        derivatives: Derivatives = 2,
        trainable: Collection[Part] = ("input", "output"),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        start = _gate_of(gate) if isinstance(gate, nn.Module) else gate
        super().__init__(
            in_features, out_features, input_basis, output_basis, start, activation, dim, mesh, scale, derivatives
        )
        placement = check_placement(device, dtype)
        self.trainable = _check_parts(trainable)
        self.gate_module = gate if isinstance(gate, nn.Module) else None
        self._check_settings()
        p, q = self.input_basis, self.output_basis
        trained: dict[str, Any] = {
            "input_coefficients": _unit(p) if "input" in self.trainable else None,
            "output_coefficients": _unit(q) if "output" in self.trainable else None,
            "input_frequencies": _frequencies(p) if "input_frequencies" in self.trainable else None,
            "output_frequencies": _frequencies(q) if "output_frequencies" in self.trainable else None,
            "slopes": torch.tensor(self.gate.slopes, dtype=torch.float64) if "slopes" in self.trainable else None,
            "gaps": torch.from_numpy(to_gaps(self.gate.breakpoints)) if "breakpoints" in self.trainable else None,
        }
        dtype = dtype or torch.get_default_dtype()
        for name, value in trained.items():
            parameter = None if value is None else nn.Parameter(value.to(device=placement["device"], dtype=dtype))
            self.register_parameter(name, parameter)
        self._gram = torch.from_numpy(gram(p, q))
        self._positive = Transform(p, q, Gate((0.0,), (0.0, 1.0), self.gate.side))

    @property
    def _trains_gate(self) -> bool:
        return self.gate_module is not None or self.slopes is not None or self.gaps is not None

    @property
    def _trains_breakpoints(self) -> bool:
        return self.gaps is not None or getattr(self.gate_module, "breakpoints", None) is not None

    def _check_settings(self) -> None:
        for name, basis in (("input", self.input_basis), ("output", self.output_basis)):
            if f"{name}_frequencies" in self.trainable and not basis.is_trigonometric:
                raise ValueError(f"trainable {name}_frequencies need a trigonometric {name}_basis, got {basis!r}")
        if self.activation is not None and self.mesh is None and any("frequencies" in part for part in self.trainable):
            raise ValueError("trainable frequencies with an activation need a mesh, got mesh=None")
        parts = sorted({"slopes", "breakpoints"} & set(self.trainable))
        if parts and self.activation is not None:
            raise ValueError(f"trainable {', '.join(parts)} need a gate, got the activation {self.activation!r}")
        if parts and self.gate_module is not None:
            raise ValueError(f"trainable {', '.join(parts)} need a Gate, got a module: {self.gate_module!r}")
        moving = "breakpoints" in parts or getattr(self.gate_module, "breakpoints", None) is not None
        if moving and self.mesh is not None:
            raise ValueError("trainable breakpoints need the exact transform: on a mesh they have no derivative")
        if "breakpoints" in parts and not self.gate.breakpoints:
            raise ValueError(f"trainable breakpoints need a gate with breakpoints, got {self.gate!r}")

    def current_gate(self) -> Gate:
        """The gate as it is now."""
        if not self._trains_gate:
            return self.gate
        points, slopes = (tuple(x.detach().double().tolist()) for x in self._steps())
        return Gate(points, slopes, self.gate.side)

    def _steps(self) -> tuple[Tensor, Tensor]:
        """Breakpoints and slopes, as tensors."""
        module = self.gate_module
        if isinstance(module, AReLU):
            return module.alpha.new_zeros(1), module.slopes()
        if isinstance(module, TMAF):
            values = module.values[0]
            if module.breakpoints is not None:
                return from_gaps(module.breakpoints[0]), values
            return values.new_tensor(module.grids[0], dtype=torch.float64), values
        place = {"dtype": torch.float64, "device": next(self.parameters()).device}
        points = torch.tensor(self.gate.breakpoints, **place) if self.gaps is None else from_gaps(self.gaps)
        return points, torch.tensor(self.gate.slopes, **place) if self.slopes is None else self.slopes

    def forward(self, z: Tensor, pattern_from: Tensor | None = None) -> Tensor:
        """The transform of z, or the decoupled form with ``pattern_from``, as :meth:`IAT.forward`, raises too."""
        for name, tensor in (("z", z), ("pattern_from", pattern_from)):
            if tensor is not None:
                self._check_size(check_floating(tensor, name), name)
        x = z.movedim(self.dim, -1)
        source = None if pattern_from is None else pattern_from.movedim(self.dim, -1)
        x, source = (None if t is None else _mapped(t, self.input_coefficients, True) for t in (x, source))
        assert x is not None
        u = self._inner(x, source)
        return _mapped(u, self.output_coefficients, False).movedim(-1, self.dim)

    def _inner(self, z: Tensor, pattern_from: Tensor | None) -> Tensor:
        """The transform between phi and psi, along the last dimension."""
        if self.mesh is not None:
            return self._trained_mesh(z, pattern_from)
        if self.input_frequencies is not None or self.output_frequencies is not None:
            gate = self._steps() if self._trains_gate else None
            frequencies = self.input_frequencies, self.output_frequencies
            return iat_frequencies(z, *frequencies, self.transform, gate, pattern_from)  # pyright: ignore[reportCallIssue]
        if self.activation is not None:
            return self._smooth(z, pattern_from)
        if not self._trains_gate:
            return iat(z, self.transform, pattern_from, self.derivatives)
        points, slopes = self._steps()
        if not self._trains_breakpoints and self.gate.breakpoints == (0.0,):
            return two_slopes(z, slopes, self._gram_matrix(z.device), self._positive, pattern_from, self.derivatives)
        return iat_gated(z, points, slopes, self.transform, pattern_from, self.derivatives)

    def _gram_matrix(self, device: torch.device) -> Tensor:
        return self._placed((torch.float64, device), lambda: (self._gram, self._gram))[0]

    def _trained_mesh(self, z: Tensor, pattern_from: Tensor | None) -> Tensor:
        if not self._trains_gate and self.input_frequencies is None and self.output_frequencies is None:
            return self._sampled(z, pattern_from)
        assert self.mesh is not None
        x = computable(z, "z")
        source = None if pattern_from is None else computable(pattern_from, "pattern_from").to(x.dtype)
        check_shapes(x, self.in_features, source)
        P, Q = self._mesh_matrices(x.dtype, x.device)
        nodes = (2 * torch.arange(self.mesh, dtype=torch.float64, device=x.device) + 1) / self.mesh - 1
        if self.input_frequencies is not None:
            P = waves(self.input_basis, self.input_frequencies, nodes).to(x.dtype)
        if self.output_frequencies is not None:
            Q = waves(self.output_basis, self.output_frequencies, nodes).to(x.dtype)
        f = x @ P
        if self.activation is not None:
            if source is not None:
                raise ValueError(f"pattern_from needs a gate, got the activation {self.activation!r}")
            values = self.activation(f)
        else:
            points, slopes = (t.to(x.dtype) for t in self._steps())
            number = torch.bucketize(f if source is None else source @ P, points, right=self.gate.side == "right")
            values = slopes[number] * f
        return (values @ Q.mT * (2 / self.mesh)).to(z.dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, trainable={self.trainable}"


def _mapped(x: Tensor, coefficients: Tensor | None, transpose: bool) -> Tensor:
    """``C^T x`` or ``E x`` along the last dimension, or amplitudes times x."""
    if coefficients is None:
        return x
    c = coefficients.to(x.dtype)
    if c.ndim == 1:
        return x * c
    return x @ c if transpose else x @ c.mT


def _unit(basis: Basis) -> Tensor:
    return torch.ones(basis.size) if basis.is_trigonometric else torch.eye(basis.size)


def _frequencies(basis: Basis) -> Tensor:
    return torch.tensor([float(h.frequency) for h in basis.harmonics])


def _check_parts(trainable: Any) -> tuple[Part, ...]:
    known = get_args(Part)
    parts = (trainable,) if isinstance(trainable, str) else tuple(trainable)
    for part in parts:
        if part not in known:
            raise ValueError(f"trainable must name some of {', '.join(known)}, got {part!r}")
    return tuple(part for part in known if part in parts)


def _gate_of(module: nn.Module) -> Gate:
    """The gate that a module computes as it is now."""
    if isinstance(module, AReLU):
        return Gate((0.0,), tuple(module.slopes().detach().double().tolist()), side="right")
    if isinstance(module, TMAF):
        if module.bands != (0,) or module.sharing != "layer":
            raise ValueError(f"gate must be a diagonal TMAF that is shared by layer, got {module!r}")
        return Gate(module.current_grids()[0], tuple(module.values[0].detach().double().tolist()), module.side)
    raise TypeError(f"gate must be a name, a Gate, or a module AReLU, ELSA or TMAF, got {type(module).__name__}")
