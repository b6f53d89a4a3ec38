"""The integral activation transform as a torch module."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import iatcore
from iatcore import Basis, Gate, gates
from iatcore.checks import check_size
from iatcore.scaling import he_scale

from ..ops.dtypes import computable, is_batched, is_transformed
from ..ops.iat.op import Derivatives, Transform, iat
from ..ops.iat.reference import check_shapes
from ..ops.iat_mesh import library
from ..ops.iat_mesh.op import iat_mesh
from ..ops.iat_mesh.reference import gauss_matrices, gauss_nodes, iat_smooth, mesh_matrices
from ..ops.iat_mesh.reference import iat_mesh as sampled
from .base import check_placement

Activation = Callable[[Tensor], Tensor]
HALVINGS_IN_GRAPHS = 4
"""Of the cells of a smooth activation, before any call has needed more."""
MOST_ENTRIES = 2**22
"""Of the finest two matrices that are made for graphs alone."""
UNSEEN = (
    "in a graph, under torch.func.vmap and on the meta device the cells of a smooth activation are those that a call "
    "has needed: for sizes as large as these call the module once outside of them first, in the same dtype"
)
GATES: dict[str, Callable[[], Gate]] = {
    "relu": gates.relu,
    "leaky_relu": gates.leaky_relu,
    "absolute": gates.absolute,
    "identity": gates.identity,
    "arelu": gates.arelu,
}
"""Gates by name, with the defaults of :mod:`iatcore.gates`."""


class IAT(nn.Module):
    """``u = integral over [-1, 1] of q(s) sigma(p(s)^T z) ds`` along one dimension, IAT (4).

    There are no parameters and no buffers: the module computes in the dtype and on the device of its input.
    Half precision is computed in float32 and returned in its own dtype.

    Args:
        in_features: d_in, size of z along ``dim`` and of the input basis p.
        out_features: d_out, the size that ``dim`` has in u, and of the output basis q.
        input_basis, output_basis: a family of :func:`iatcore.basis` by name, or what it accepts: a Basis of
            the right size, a scipy PPoly, BPoly or BSpline.
        gate: sigma, a :class:`iatcore.Gate` or the name of one in :data:`GATES`.
        activation: sigma as an entry-wise function of tensors, in place of a gate: smooth, or with ``mesh``.
        dim: the dimension of the input that holds z.
        mesh: None is exact for gates, and Gauss-Legendre quadrature for an activation, refined for every batch
            until u changes by at most 1e-12 of its largest entry (1e-6 in float32); M >= 1 is the sum over M
            midpoints, IAT (12). Where cells cannot depend on the data, in a graph of torch.compile, under
            torch.func.vmap and on the meta device, the quadrature has those that calls elsewhere needed, and a
            call that needs finer ones raises; a module with hundreds of functions needs such a call before.
        scale: multiplies q; ``"he"`` is :func:`iatcore.scaling.he_scale`, with which layers initialised by
            He's rule keep their variance; None is 1.
        derivatives: 1, 2 or ``"any"``, of the exact transform: with 1 or 2 a CPU tensor is transformed by compiled
            code that is differentiable twice; ``"any"`` is slower and differentiable to any order.
        device, dtype: accepted as by every module of torch, checked, and without effect.

    Shape:
        ``(*, d_in, *)`` to ``(*, d_out, *)``. Where z holds nan or inf, u is nan, and only there.

    Raises:
        TypeError: an argument of the wrong kind; in the forward pass, a tensor whose dtype is not a floating one.
        ValueError: a name, size or number out of range; in the forward pass, a wrong size along ``dim``.
        RuntimeError: in the forward pass, a smooth activation that its cells do not resolve.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        input_basis: Any = "fourier",
        output_basis: Any = "pwq",
        gate: Gate | str = "relu",
        activation: Activation | None = None,
        dim: int = -1,
        mesh: int | None = None,
        scale: float | Literal["he"] | None = "he",
        derivatives: Derivatives = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = operator.index(dim)
        self.mesh = None if mesh is None else check_size(mesh, "mesh")
        self.derivatives: Derivatives = _check_derivatives(derivatives)
        self.activation = _check_activation(activation, gate)
        check_placement(device, dtype)
        self.gate = _gate(gate)
        self._set_bases(in_features, out_features, input_basis, output_basis, scale)

    def _set_bases(
        self, in_features: int, out_features: int, input_basis: Any, output_basis: Any, scale: float | str | None
    ) -> None:
        """All that depends on the sizes."""
        self.in_features = check_size(in_features, "in_features")
        self.out_features = check_size(out_features, "out_features")
        p = _basis(input_basis, self.in_features, "input_basis", "in_features")
        q = _basis(output_basis, self.out_features, "output_basis", "out_features")
        self.scale = _scale(scale, p, q, self.activation or self.gate)
        self.transform = Transform(p, q.scaled(self.scale), self.gate)
        self._mesh = None if self.mesh is None else mesh_matrices(self.input_basis, self.output_basis, self.mesh)
        self._keep_cells()
        self._matrices: dict[Any, tuple[Tensor, Tensor]] = {}

    @property
    def input_basis(self) -> Basis:
        """The input basis p; the scale is in q."""
        return self.transform.p

    @property
    def output_basis(self) -> Basis:
        """The output basis q, with the scale."""
        return self.transform.q

    def forward(self, z: Tensor, pattern_from: Tensor | None = None) -> Tensor:
        """The transform of z, or the decoupled form of IAT (24)-(26).

        Args:
            z: coefficients, size d_in along ``dim``.
            pattern_from: a tensor of the same shape that the activation pattern is taken from. Gradients flow
                to both; on a mesh, where the pattern is constant almost everywhere, to z alone.

        Raises:
            TypeError, ValueError, RuntimeError: as the class says of the forward pass.
        """
        self._check_size(z, "z")
        if pattern_from is not None:
            self._check_size(pattern_from, "pattern_from")
        if self.mesh is None and self.activation is None:
            return iat(z, self.transform, pattern_from, self.derivatives, self.dim)
        if self.dim in (-1, z.ndim - 1):
            return self._sampled(z, pattern_from)
        source = None if pattern_from is None else pattern_from.movedim(self.dim, -1)
        return self._sampled(z.movedim(self.dim, -1), source).movedim(-1, self.dim)

    def _sampled(self, z: Tensor, pattern_from: Tensor | None) -> Tensor:
        """By sums over points, along the last dimension."""
        return self._smooth(z, pattern_from) if self.mesh is None else self._on_mesh(z, pattern_from)

    def _check_size(self, tensor: Tensor, name: str) -> None:
        if not -tensor.ndim <= self.dim < tensor.ndim:
            raise ValueError(f"{name} must have a dimension {self.dim}, got shape {tuple(tensor.shape)}")
        if tensor.shape[self.dim] != self.in_features:
            raise ValueError(
                f"{name} must have size in_features = {self.in_features} along dimension {self.dim}, "
                f"got shape {tuple(tensor.shape)}"
            )

    def _smooth(self, z: Tensor, pattern_from: Tensor | None) -> Tensor:
        if pattern_from is not None:
            raise ValueError(f"pattern_from needs a gate, got the activation {self.activation!r}")
        assert self.activation is not None
        dtype, z = z.dtype, computable(z, "z")
        tolerance = 1e-12 if z.dtype == torch.float64 else 1e-6
        if torch.compiler.is_compiling() or z.is_meta or is_batched(z):
            # cells cannot depend on what cannot be seen: those that did so far, and half as many
            if not self._halvings:
                raise RuntimeError(UNSEEN)
            coarse, fine = self._gauss_matrices(self._halvings - 1, z), self._gauss_matrices(self._halvings, z)
            return library.iat_smooth(z, coarse, fine, self.activation, tolerance).to(dtype)
        u, halvings = iat_smooth(z, lambda k: self._gauss_matrices(k, z), self.activation, tolerance)
        self._halvings = max(self._halvings, halvings)
        return u.to(dtype)

    def _gauss_matrices(self, halvings: int, like: Tensor) -> tuple[Tensor, Tensor]:
        key = (like.dtype, like.device, halvings)
        return self._placed(key, lambda: self._cells.get(halvings) or self._gauss(halvings))

    def _gauss(self, halvings: int) -> tuple[Tensor, Tensor]:
        if torch.compiler.is_compiling():
            raise RuntimeError(UNSEEN)
        return gauss_matrices(self.input_basis, self.output_basis, halvings)

    def _keep_cells(self) -> None:
        """What a graph needs before any call outside of one has told, where it is not much."""
        self._halvings, self._cells = 0, {}
        if self.mesh is not None or self.activation is None:
            return
        nodes = gauss_nodes(self.input_basis, self.output_basis, HALVINGS_IN_GRAPHS)
        if (self.in_features + self.out_features) * nodes <= MOST_ENTRIES:
            self._halvings = HALVINGS_IN_GRAPHS
            self._cells = {k: self._gauss(k) for k in (HALVINGS_IN_GRAPHS - 1, HALVINGS_IN_GRAPHS)}

    def _on_mesh(self, z: Tensor, pattern_from: Tensor | None) -> Tensor:
        dtype, z = z.dtype, computable(z, "z")
        if pattern_from is not None:
            pattern_from = computable(pattern_from, "pattern_from").to(z.dtype)
        check_shapes(z, self.in_features, pattern_from)
        P, Q = self._mesh_matrices(z.dtype, z.device)
        if self.activation is None:
            return iat_mesh(z, P, Q, self.gate, pattern_from).to(dtype)
        return sampled(z, P, Q, self.activation, pattern_from).to(dtype)

    def _mesh_matrices(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        assert self._mesh is not None
        return self._placed((dtype, device), lambda: self._mesh)

    def _placed(self, key: Any, make: Callable[[], Any]) -> tuple[Tensor, Tensor]:
        """Two matrices in the dtype and on the device that a key begins with, kept, except inside of transforms."""
        if key in self._matrices:
            return self._matrices[key]
        # tensors made in inference mode cannot be saved for a derivative later; graphs know no such mode
        with nullcontext() if torch.compiler.is_compiling() else torch.inference_mode(False):
            first, second = (matrix.to(key[1], key[0]) for matrix in make())
        if not is_transformed():
            self._matrices[key] = first, second
        return first, second

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_matrices": {}, "_cells": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._keep_cells()

    def extra_repr(self) -> str:
        sigma = f"gate={self.gate!r}" if self.activation is None else f"activation={self.activation!r}"
        return (
            f"{self.in_features}, {self.out_features}, input_basis={self.input_basis!r}, "
            f"output_basis={self.output_basis!r}, {sigma}, dim={self.dim}, mesh={self.mesh}, "
            f"derivatives={self.derivatives!r}"
        )


class IATReLU(IAT):
    """:class:`IAT` with sigma = ReLU, IAT (17)-(19).

    Args:
        in_features, out_features, input_basis, output_basis, dim, mesh, scale, derivatives, device, dtype: as for IAT.

    Shape, and what it raises: as for :class:`IAT`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        input_basis: Any = "fourier",
        output_basis: Any = "pwq",
        dim: int = -1,
        mesh: int | None = None,
        scale: float | Literal["he"] | None = "he",
        derivatives: Derivatives = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            input_basis,
            output_basis,
            dim=dim,
            mesh=mesh,
            scale=scale,
            derivatives=derivatives,
            device=device,
            dtype=dtype,
        )


def _basis(family: Any, size: int, name: str, size_name: str) -> Basis:
    basis = iatcore.basis(family, size) if isinstance(family, str) else iatcore.basis(family)
    if basis.size != size:
        raise ValueError(f"{name} must have {size_name} = {size} functions, got {basis.size}")
    return basis


def _gate(gate: Gate | str) -> Gate:
    if isinstance(gate, Gate):
        return gate
    if not isinstance(gate, str):
        raise TypeError(f"gate must be a name or a Gate, got {gate!r}")
    if gate not in GATES:
        raise ValueError(f"gate must be a Gate or one of {', '.join(GATES)}, got {gate!r}")
    return GATES[gate]()


def _check_activation(activation: Activation | None, gate: Gate | str) -> Activation | None:
    if activation is None:
        return None
    if not callable(activation):
        raise TypeError(f"activation must be a function of tensors, got {activation!r}")
    if gate != "relu":
        raise ValueError(f"gate and activation exclude each other, got gate={gate!r}")
    return activation


def _check_derivatives(derivatives: Any) -> Derivatives:
    if derivatives == "any" or (derivatives in (1, 2) and not isinstance(derivatives, bool)):
        return derivatives
    raise ValueError(f"derivatives must be 1, 2 or 'any', got {derivatives!r}")


def _scale(scale: float | str | None, p: Basis, q: Basis, sigma: Gate | Activation) -> float:
    if scale is None:
        return 1.0
    if isinstance(scale, str):
        if scale != "he":
            raise ValueError(f"scale must be 'he', None or a number, got {scale!r}")
        return he_scale(p, q, sigma if isinstance(sigma, Gate) else _on_arrays(sigma))
    return scale


def _on_arrays(activation: Activation) -> Callable[[np.ndarray], np.ndarray]:
    def function(t: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return activation(torch.from_numpy(t).to(torch.get_default_dtype())).double().numpy()

    return function
