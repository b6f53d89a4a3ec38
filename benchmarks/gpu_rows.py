"""What :mod:`.gpu` measures: rows of its table, each with a plain counterpart, a check and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import torch_bridge
from torch_bridge.ops import gpu
from torch_bridge.ops.iat import kernels, reference
from torch_bridge.ops.iat_mesh.kernels import TRITON as MESH_KERNELS
from torch_bridge.ops.iat_mesh.reference import iat_mesh, mesh_matrices
from torch_bridge.ops.steps.kernels import TRITON as STEP_KERNELS

from .elementwise import agree, in_double, plain_arelu
from .entries import TOLERANCE, PlainMesh, WrongResult

MOST_POINTS = 2**30
"""Values of the state function that the plain M-point transform may have at a time: 4 GiB for each of its tensors."""
CHECKED = 32
"""Rows at either end of a batch that are checked."""
LOCAL = (("pwl", "pwl"), ("pwq", "pwq"), ("rect-w", "pwl"))
TO_FOURIER = (("pwl", "fourier"), ("pwq", "fourier"))
FOURIER = (("fourier", "pwq"), ("fourier", "fourier"))

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """At most so many times the floor; at least so many times faster than plain torch, as it is and compiled."""

    floor: float | None = None
    eager: float | None = None
    compiled: float | None = None


TARGETS = {
    "exact, local": Target(2.5, 50.0, 10.0),
    "exact, to fourier": Target(None, 8.0, 2.0),
    "exact, fourier": Target(None, 8.0, 2.0),
    "mesh": Target(None, 5.0, None),
    "element-wise": Target(1.3, None, None),
}


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        group, name: where it stands in the table.
        batch, d: shape of the input.
        mesh: M of the plain transform, None for element-wise activations.
        ours, plain: what is compared.
        parameters: that get a gradient beside the input.
        check: raises :class:`WrongResult` unless ours is right for an input and the gradient of the output.
        has_kernels: whether kernels serve it on the device.
    """

    group: str
    name: str
    batch: int
    d: int
    mesh: int | None
    ours: nn.Module
    plain: Function
    parameters: tuple[Tensor, ...]
    check: Callable[[Tensor, Tensor], None]
    has_kernels: Callable[[Tensor], bool]

    @property
    def plain_rows(self) -> int:
        """Rows that plain torch is timed on: all, or as many as leave its tensors small; its time is scaled."""
        rows = self.batch
        while self.mesh is not None and rows > 1 and rows * self.mesh > MOST_POINTS:
            rows //= 2
        return rows


def ends(tensor: Tensor) -> Tensor:
    """The first and the last rows, in float64 on the CPU."""
    rows = tensor.detach()
    some = rows if len(rows) <= 2 * CHECKED else torch.cat([rows[:CHECKED], rows[-CHECKED:]])
    return some.cpu().double()


def against(module: nn.Module, formula: Function) -> Callable[[Tensor, Tensor], None]:
    """A check of value and gradient at both ends of the batch against a formula in float64 on the CPU."""

    def check(z: Tensor, g: Tensor) -> None:
        u = module(z)
        (gradient,) = torch.autograd.grad(u, z, g)
        x = ends(z).requires_grad_()
        exact = formula(x)
        (exact_gradient,) = torch.autograd.grad(exact, x, ends(g))
        for name, a, b in (("value", u, exact), ("gradient", gradient, exact_gradient)):
            error = float((ends(a) - b.detach()).abs().max() / b.detach().abs().max())
            if not error <= TOLERANCE[z.dtype]:
                raise WrongResult(f"{name} of {module} is off by {error:.1e}")

    return check


def exact_rows(batch: int, widths: Sequence[int], mesh: int) -> Iterator[Row]:
    """Exact transforms; the plain one has 500 points, or 50 d where harmonics take part."""
    groups = {"exact, local": LOCAL, "exact, to fourier": TO_FOURIER, "exact, fourier": FOURIER}
    for d in widths:
        for group, pairs in groups.items():
            for p, q in pairs:
                points = mesh * max(d, 10) // 10 if "fourier" in (p, q) else mesh
                ours = torch_bridge.IATReLU(d, d, p, q)
                plain = PlainMesh(in_features=d, out_features=d, input_basis=p, output_basis=q, mesh=points)
                check = against(ours, lambda x, t=ours.transform: reference.iat(x, t.plan))
                has_kernels = lambda z, t=ours.transform: kernels.serve(z, t)  # noqa: E731
                yield Row(group, f"{p} / {q}", batch, d, points, ours, plain, (), check, has_kernels)


def mesh_rows(batch: int, widths: Sequence[int], meshes: Sequence[int]) -> Iterator[Row]:
    """The transform on M points in one pass, against that with all values in memory."""
    for d in widths:
        for points in meshes:
            settings: dict[str, Any] = {"in_features": d, "out_features": d, "mesh": points}
            ours = torch_bridge.IATReLU(**settings)
            P, Q = mesh_matrices(ours.input_basis, ours.output_basis, points)
            check = against(ours, lambda x, P=P, Q=Q, gate=ours.gate: iat_mesh(x, P, Q, gate))
            has_kernels = lambda z: gpu.kernels(MESH_KERNELS, z.device) is not None  # noqa: E731
            yield Row("mesh", f"M = {points}", batch, d, points, ours, PlainMesh(**settings), (), check, has_kernels)


def elementwise_rows(batch: int, widths: Sequence[int], device: torch.device) -> Iterator[Row]:
    """TMAF with ten intervals and with 101 breakpoints, and AReLU, with the gradients of their parameters."""
    for d in widths:
        for name, ours in (
            ("AReLU", torch_bridge.AReLU(device=device)),
            ("TMAF, 10 intervals", torch_bridge.TMAF("gaussian10", device=device)),
            ("TMAF, 101 breakpoints", torch_bridge.TMAF("uniform", device=device)),
        ):
            formula, plain = (plain_arelu(ours),) * 2 if isinstance(ours, torch_bridge.AReLU) else tmaf_formulas(ours)
            check = lambda z, g, ours=ours, formula=formula: agree(ours, formula, z, g)  # noqa: E731
            has_kernels = lambda z: gpu.kernels(STEP_KERNELS, z.device) is not None  # noqa: E731
            parameters = tuple(ours.parameters())
            yield Row("element-wise", name, batch, d, None, ours, plain, parameters, check, has_kernels)


def tmaf_formulas(module: torch_bridge.TMAF) -> tuple[Function, Function]:
    """TMAF (5)-(6) in float64, and with bucketize and a gather, as one would write it in torch."""
    values = module.values[0]
    with torch.no_grad():
        values.copy_(torch.linspace(-1, 1, values.numel()).view_as(values).sin())
    points = torch.tensor(module.grids[0], device=values.device)
    return in_double(module), lambda x: values[torch.bucketize(x.detach(), points.to(x.dtype))] * x


def rows(batch: int, widths: Sequence[int], mesh: int, device: torch.device) -> Iterator[Row]:
    """All rows of the table."""
    yield from exact_rows(batch, widths, mesh)
    yield from mesh_rows(batch, widths, (mesh,))
    yield from elementwise_rows(batch, widths, device)
