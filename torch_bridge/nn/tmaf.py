"""Trainable matrix activation functions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iatcore.checks import check_size
from iatcore.gates import Gate, Side
from iatcore.grids import grid as grid_of
from iatcore.step_settings import (
    Sharing,
    check_bands,
    check_grids,
    check_pattern,
    check_sharing,
    entries_of,
    initial_values,
    sizes,
)
from iatcore.steps import Bands

from ..ops.dtypes import check_floating, computable
from ..ops.handles import handle
from ..ops.steps import reference
from ..ops.steps.library import Pattern, Steps
from ..ops.steps.op import Layout, sparse_step_matrix, step_matrix, trained_step_matrix
from .base import Activation, check_placement


class _Features(Activation):
    """Entries of their own for features: what ``sharing``, ``num_features`` and ``dim`` mean."""

    def _set_features(self, sharing: Any, num_features: Any, dim: Any) -> None:
        self.sharing: Sharing = check_sharing(sharing)
        self.dim = operator.index(dim)
        if num_features is None:
            if self.sharing != "layer":
                raise ValueError(f'sharing="{sharing}" needs num_features, got None')
            self.num_features: tuple[int, ...] | None = None
        elif isinstance(num_features, (tuple, list, torch.Size)):
            if self.sharing != "neuron" and len(num_features) != 1:
                raise ValueError(f'num_features must be a number with sharing="{sharing}", got {num_features!r}')
            if not num_features:
                raise ValueError("num_features must have at least one size, got none")
            self.num_features = tuple(check_size(n, "num_features") for n in num_features)
        else:
            self.num_features = (check_size(num_features, "num_features"),)

    @property
    def _groups(self) -> tuple[int, ...]:
        """Leading shape of parameters."""
        return () if self.sharing == "layer" else self.num_features or ()

    def _layout(self, z: Tensor, least: int = 0) -> Layout:
        """Where the matrix acts on a tensor; checks its shape, of ``least`` dimensions."""
        dim = self.dim if self.dim < 0 else self.dim - z.ndim
        if z.ndim < least:
            raise ValueError(f"z must have at least {least} dimension, got shape {tuple(z.shape)}")
        if z.ndim and not -z.ndim <= dim < 0:
            raise ValueError(f"z must have dimension dim={self.dim}, got shape {tuple(z.shape)}")
        features = self.num_features
        if features is not None and len(features) == 1:
            if not z.ndim or z.shape[dim] != features[0]:
                raise ValueError(
                    f"z must have num_features = {features[0]} along dim={self.dim}, got shape {tuple(z.shape)}"
                )
        elif features is not None and tuple(z.shape[-len(features) :]) != features:
            raise ValueError(f"z must have num_features = {features} as last dimensions, got shape {tuple(z.shape)}")
        elif features is not None and -dim > len(features):
            raise ValueError(f"dim must be one of the {len(features)} last dimensions, got {self.dim}")
        return Layout(dim, self._groups)


class TMAF(_Features):
    """A trainable matrix activation ``u = S(z) z``, ``S_ij(z) = a_ij(z_j)``, with step functions a; TMAF (4)-(8).

    The diagonal form is ``u_i = a(z_i) z_i``; bands (-1, 0, 1) are the tri-diagonal one, with gamma, alpha and beta.
    Step values are trained, the grid is fixed as in the paper, unless ``trainable_grid`` is given. Without breakpoints
    away from 0 it is homogeneous; the derivative with respect to z is S(z) away from breakpoints.

    Args:
        grid: ``"gaussian10"`` (TMAF 3.1), ``"uniform"`` (TMAF 3.2, shifted above and below the diagonal), ascending
            numbers, or a dict from diagonals to grids. Breakpoints are rounded to the dtype of the input.
        bands: diagonals with entries, positive above the main one.
        pattern: in place of bands, a square matrix, dense or of scipy.sparse, whose entries may differ from 0; it acts
            along ``dim``, and a dense one may be full.
        sharing: ``"layer"``: one step function for each diagonal (with a pattern: one for the main diagonal, one for
            all other entries), the paper's; ``"channel"``: one for each index along ``dim``; ``"neuron"``: one for
            each entry of a sample.
        num_features: the size along ``dim``; with ``"neuron"`` also the sizes of all dimensions of a sample. Needed
            unless shared by layer, else checked if given.
        init: what the main diagonal starts as: ``"relu"``, ``"leaky_relu"``, ``"identity"``, a function of an array
            that is sampled on the grid, or step values; other entries start as 0. Or a dict from diagonals to these.
        dim: the dimension that the matrix acts on.
        trainable_grid: None, or a width w > 0 that makes the breakpoints parameters. The true derivative of u with
            respect to a breakpoint is 0 wherever it exists: moving it changes u only for inputs that it passes. What
            is used in its place is the derivative of the average of u over breakpoints in a window of width w (or of
            the smaller gap to a neighbour, if that is less): ``-(t_j - t_{j-1}) z/w`` for inputs within w/2 of their
            nearest breakpoint ``s_j``. For a loss that is linear in u this is the gradient of the smoothed loss,
            which tends to that of the expected loss like w^2. For any other loss the chain rule takes the slope of the
            loss where u is, on both sides of the jump, for its difference across the jump: exact in the limit for a
            loss quadratic in u, else with an error that grows like the cube of the jump and does not vanish with
            w. Breakpoints keep their order. It runs in plain torch.
        side: the interval that a breakpoint itself belongs to; ``"left"`` is TMAF (6).
        device, dtype: of the parameters.

    Shape:
        any with at least one dimension, and without other diagonals any at all, to the same. Memory formats are kept
        and read as they are, except with a pattern along another dimension than the last, and where the features of
        a sample are not one block of memory.

    Attributes:
        values: step values, ``(intervals,)`` or ``(*num_features, intervals)`` for every diagonal; with a pattern one
            tensor ``(functions, intervals)``.

    Raises:
        TypeError, ValueError: as :class:`iatcore.operators.TMAF`; in the forward pass, tensors that are not of
            real floating-point numbers, and shapes that do not fit.
    """

    def __init__(
        self,
        grid: Any = "gaussian10",
        bands: Sequence[int] = (0,),
        pattern: Any = None,
        sharing: Sharing = "layer",
        num_features: int | tuple[int, ...] | None = None,
        init: Any = "relu",
        dim: int = -1,
        trainable_grid: float | None = None,
        side: Side = "left",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placement = check_placement(device, dtype)
        self.side: Side = Gate((), (1.0,), side).side
        matrix = None if pattern is None else check_pattern(pattern)
        if matrix is not None:
            n = sizes(matrix)[0]
            if num_features not in (None, n, (n,)):
                raise ValueError(f"num_features must be that of the pattern, {n}, got {num_features}")
            num_features = n
        self._set_features(sharing, num_features, dim)
        self.trainable_grid = _check_width(trainable_grid)
        if matrix is None:
            self.entries = None
            self.bands = check_bands(bands)
            self.grids = check_grids(grid, self.bands)
            starts = [initial_values(init, points, k) for points, k in zip(self.grids, self.bands, strict=True)]
            if self._groups:
                starts = [np.tile(v, (*self._groups, 1)) for v in starts]
        else:
            if self.trainable_grid is not None:
                raise ValueError("trainable_grid needs bands, got a pattern")
            self.bands = ()
            self.grids = (grid_of(grid),)
            self.entries, diagonal = entries_of(matrix, self.sharing)
            starts = [np.stack([initial_values(init, self.grids[0], 0 if on else 1) for on in diagonal])]
        self._bands = Bands(self.bands, self.grids, self.side)
        self._settings = (
            Steps(self._bands, self._groups)
            if self.entries is None
            else Pattern(self.grids[0], self.side, self.entries)
        )
        self._name = handle(self._settings)
        self.values = nn.ParameterList(_parameter(v, placement) for v in starts)
        self.breakpoints = None
        if self.trainable_grid is not None:
            if not all(self.grids):
                raise ValueError("trainable_grid needs breakpoints, got a grid without any")
            self.breakpoints = nn.ParameterList(_parameter(to_gaps(points), placement) for points in self.grids)

    def forward(self, z: Tensor) -> Tensor:
        layout = self._layout(z)
        values = tuple(self.values)
        if isinstance(self._settings, Pattern):
            if layout.dim == -1:
                return sparse_step_matrix(z, values[0], self._settings, self._name)
            u = sparse_step_matrix(z.movedim(layout.dim, -1), values[0], self._settings, self._name)
            # a copy, which what follows may change in place
            return u.movedim(-1, layout.dim).clone()
        if self.breakpoints is not None:
            points = tuple(from_gaps(p) for p in self.breakpoints)
            return trained_step_matrix(z, values, points, self._bands, layout, self.trainable_grid or 1.0)
        return step_matrix(z, values, self._bands, layout, self._name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._name = handle(self._settings)

    def current_grids(self) -> tuple[tuple[float, ...], ...]:
        """The breakpoints as they are now."""
        if self.breakpoints is None:
            return self.grids
        return tuple(tuple(from_gaps(p.detach()).tolist()) for p in self.breakpoints)

    def matrix(self, z: Tensor) -> Tensor:
        """``S(z)``, dense and without gradient: shape (*, n, *) to (*, n, n), ``dim`` moving last.

        Raises as the forward pass.
        """
        layout, x = self._layout(z, 1), computable(z, "z").detach()
        grids = tuple(torch.tensor(points, dtype=torch.float64).to(z.dtype) for points in self.current_grids())
        with torch.no_grad():
            if self.entries is not None:
                rows = x.movedim(layout.dim, -1)
                return reference.sparse_entries(rows, self.values[0], grids[0], self.side, self.entries)
            return reference.entries(x, tuple(self.values), replace(self._bands, grids=grids), layout)

    def extra_repr(self) -> str:
        where = f"bands={self.bands}" if self.entries is None else f"pattern of {len(self.entries.columns)} entries"
        counts = tuple(len(points) for points in self.grids)
        return (
            f"{where}, breakpoints={counts}, sharing={self.sharing!r}, num_features={self.num_features}, "
            f"dim={self.dim}, trainable_grid={self.trainable_grid}"
        )


class RescaledTMAF(_Features):
    """A matrix activation with entries ``S_ij(z) = sigma(omega_ij z_j)``: the remark that ends TMAF section 2.

    ``u_i = sum_k sigma(omega_k z_{i+k}) z_{i+k}`` over the bands, with trained omega that start as 1. With the sigmoid
    on the main diagonal it is Swish.

    Args:
        activation: sigma, an entry-wise function of tensors.
        bands, sharing, num_features, dim, device, dtype: as for :class:`TMAF`.

    Shape:
        any with at least one dimension to the same.

    Raises:
        TypeError: ``activation`` is not callable. Others as :class:`TMAF`.
    """

    def __init__(
        self,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bands: Sequence[int] = (0,),
        sharing: Sharing = "layer",
        num_features: int | None = None,
        dim: int = -1,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not callable(activation):
            raise TypeError(f"activation must be a function of tensors, got {activation!r}")
        placement = check_placement(device, dtype)
        self.activation, self.bands = activation, check_bands(bands)
        self._set_features(sharing, num_features, dim)
        if len(self._groups) > 1:
            raise ValueError(f"num_features must be a number, got {num_features!r}")
        self.omega = nn.Parameter(torch.ones(len(self.bands), *(self._groups or (1,)), **placement))

    def forward(self, z: Tensor) -> Tensor:
        rows = check_floating(z, "z").movedim(self._layout(z, 1).dim, -1)
        n = rows.shape[-1]
        u = torch.zeros_like(rows)
        for k, omega in zip(self.bands, self.omega, strict=True):
            first, last = max(0, -k), min(n, n - k)
            if first < last:
                x = rows[..., first + k : last + k]
                scale = omega.to(x.dtype) if omega.shape[0] == 1 else omega[first:last].to(x.dtype)
                u = u + nn.functional.pad(self.activation(scale * x) * x, (first, n - last))
        return u.movedim(-1, self.dim)

    def matrix(self, z: Tensor) -> Tensor:
        """``S(z)``, dense and without gradient, as :meth:`TMAF.matrix`; raises TypeError unless z is floating."""
        with torch.no_grad():
            rows = check_floating(z, "z").movedim(self._layout(z, 1).dim, -1)
            n = rows.shape[-1]
            result = rows.new_zeros(*rows.shape, n)
            for k, omega in zip(self.bands, self.omega, strict=True):
                first, last = max(0, -k), min(n, n - k)
                if first < last:
                    scale = omega if omega.shape[0] == 1 else omega[first:last]
                    entries = self.activation(scale.to(rows.dtype) * rows[..., first + k : last + k])
                    result.diagonal(k, -2, -1).copy_(entries)
        return result

    def extra_repr(self) -> str:
        return f"bands={self.bands}, sharing={self.sharing!r}, num_features={self.num_features}, dim={self.dim}"


def _parameter(values: np.ndarray, placement: dict[str, Any]) -> nn.Parameter:
    dtype = placement["dtype"] or torch.get_default_dtype()
    return nn.Parameter(torch.tensor(values, dtype=dtype, device=placement["device"]))


def _check_width(width: Any) -> float | None:
    if width is None:
        return None
    if isinstance(width, bool) or not isinstance(width, (int, float)):
        raise TypeError(f"trainable_grid must be None or a number, got {width!r}")
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"trainable_grid must be positive and finite, got {width!r}")
    return float(width)


def to_gaps(points: tuple[float, ...]) -> np.ndarray:
    """The first breakpoint, and logarithms of the gaps: whatever values they take, breakpoints ascend."""
    return np.array([points[0], *np.log(np.diff(points))])


def from_gaps(gaps: Tensor) -> Tensor:
    """Breakpoints from what :func:`to_gaps` gives, float64."""
    gaps = gaps.double()
    return gaps[:1] + torch.cat([gaps.new_zeros(1), gaps[1:].exp().cumsum(0)])
