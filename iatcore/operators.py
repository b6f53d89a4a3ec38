"""Matrix activations ``u = S(z) z`` with entries that are functions of single components: TMAF, AReLU, ELSA.

The transform over function space is :class:`iatcore.IAT`; scalar step functions are :mod:`iatcore.gates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from . import steps
from .attention import clamp_alpha, sigmoid
from .checks import check_size, for_kernels, real_array
from .gates import Gate, Side, arelu
from .grids import grid as grid_of
from .smooth_functions import Smooth
from .step_settings import (
    Sharing,
    check_bands,
    check_grids,
    check_pattern,
    check_sharing,
    entries_of,
    initial_values,
    sizes,
)

Array = NDArray[Any]


def float_rows(z: ArrayLike, name: str) -> tuple[Array, np.dtype[Any]]:
    """z as float32 or float64, contiguous, in its shape, as TMAF (5) takes it, and the dtype of results.

    Results of float16 are float16; those of integers float64.

    Raises TypeError or ValueError, which call it ``name``, unless z is real and has a dimension.
    """
    values = real_array(z, name)
    if values.ndim == 0:
        raise ValueError(f"{name} must have at least one dimension, got a number")
    result = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    return for_kernels(values, np.float32 if result.itemsize < 8 else np.float64), result


class TMAF:
    """A trainable matrix activation: ``u = S(z) z`` with ``S_ij(z) = a_ij(z_j)``, every ``a_ij`` a step function.

    TMAF (5)-(7): the diagonal form is ``u_i = a(z_i) z_i``, the tri-diagonal one has the bands (-1, 0, 1) with
    ``gamma, alpha, beta``. The gradient with respect to z is S(z) away from the breakpoints.

    Args:
        grid: breakpoints, as :func:`iatcore.grids.grid` takes them, or a dict from diagonals to breakpoints.
        bands: the diagonals with entries, positive above the main one.
        pattern: in place of bands a square matrix, dense or of scipy.sparse, whose entries may differ from 0.
        sharing: ``"layer"``: one step function for each diagonal (with a pattern: one for the main diagonal, one for
            all other entries); ``"channel"`` or ``"neuron"``: one for each entry of the matrix.
        num_features: n, the size of z; needed unless step functions are shared by layer.
        init: what the main diagonal starts as: ``"relu"``, ``"leaky_relu"``, ``"identity"``, a function of an array
            that is sampled on the grid, or step values; the other entries start as 0. Or a dict from diagonals to
            these.
        side: the interval that a breakpoint itself belongs to; ``"left"`` is TMAF (6).

    Attributes:
        values: the step values: one array ``(functions, intervals)`` for every diagonal, or one for the pattern.

    Raises:
        TypeError: bands that are no integers, a grid that is no numbers, a pattern that is no matrix.
        ValueError: a grid that does not ascend, an unknown name, a pattern that is not square, ``num_features``
            missing or not that of the pattern, step values of the wrong number.
    """

    def __init__(
        self,
        grid: Any = "gaussian10",
        bands: Sequence[int] = (0,),
        pattern: Any = None,
        sharing: Sharing = "layer",
        num_features: int | None = None,
        init: Any = "relu",
        side: Side = "left",
    ) -> None:
        self.sharing = check_sharing(sharing)
        self.num_features = None if num_features is None else check_size(num_features, "num_features")
        self.side: Side = Gate((), (1.0,), side).side
        if pattern is None:
            self.pattern = self.entries = None
            self.bands = check_bands(bands)
            self.grids = check_grids(grid, self.bands)
            if self.sharing != "layer" and self.num_features is None:
                raise ValueError(f'sharing="{sharing}" needs num_features, got None')
            groups = 1 if self.sharing == "layer" else self.num_features or 1
            starts = [initial_values(init, p, k) for p, k in zip(self.grids, self.bands, strict=True)]
            self.values = [np.tile(v, (groups, 1)) for v in starts]
            return
        self.pattern = check_pattern(pattern)
        n = sizes(self.pattern)[0]
        if self.num_features not in (None, n):
            raise ValueError(f"num_features must be that of the pattern, {n}, got {num_features}")
        self.num_features = n
        self.bands = ()
        self.grids = (grid_of(grid),)
        self.entries, diagonal = entries_of(self.pattern, self.sharing)
        self.values = [np.stack([initial_values(init, self.grids[0], 0 if on else 1) for on in diagonal])]

    def apply(self, z: ArrayLike) -> Array:
        """``u = S(z) z`` along the last dimension, (..., n) to (..., n), in the dtype of z.

        A step value of 0 gives 0 also at infinity; nan gives nan.

        Raises:
            TypeError: z is not real. ValueError: it has not n components.
        """
        rows, result = self._rows(z, "z")
        kind, bands = rows.dtype.type, self._rounded(result)
        if self.entries is not None:
            flat = rows.reshape(-1, rows.shape[-1])
            u = steps.sparse_forward(flat, self._table(kind), bands.grids[0], self.side, self.entries)
        else:
            u = np.empty(rows.size, kind)
            view = self._view(rows)
            values = steps.flat_values(self.values, kind, bands, view.groups)
            steps.forward(rows.reshape(-1), values, bands, view, u, False)
        return u.reshape(rows.shape).astype(result, copy=False)

    __call__ = apply

    def vjp(self, z: ArrayLike, g: ArrayLike) -> tuple[Array, list[NDArray[np.float64]]]:
        """``S(z)^T g`` and the gradient of ``sum(g * u)`` with respect to :attr:`values`.

        Args:
            z, g: (..., n), of one shape.

        Returns:
            an array like z, and one array for each of ``values``, in float64: the entry of an interval is the sum of
            ``g_i z_j`` over all ``z_j`` in it.

        Raises:
            TypeError: not real. ValueError: not n components, two shapes, or :attr:`values` of other shapes.
        """
        rows, result = self._rows(z, "z")
        other, _ = self._rows(g, "g")
        if rows.shape != other.shape:
            raise ValueError(f"g must have the shape of z, {rows.shape}, got {other.shape}")
        kind, bands = rows.dtype.type, self._rounded(result)
        other = other.astype(kind, copy=False)
        if self.entries is not None:
            flat, g_flat = rows.reshape(-1, rows.shape[-1]), other.reshape(-1, rows.shape[-1])
            table = self._table(kind)
            gradient, sums = steps.sparse_backward(flat, g_flat, table, bands.grids[0], self.side, self.entries)
            return gradient.reshape(rows.shape).astype(result, copy=False), [sums]
        gradient, view = np.empty(rows.size, kind), self._view(rows)
        values = steps.flat_values(self.values, kind, bands, view.groups)
        found = steps.backward(rows.reshape(-1), other.reshape(-1), values, bands, view, gradient, steps.NO_BINS)
        return gradient.reshape(rows.shape).astype(result, copy=False), found

    def matrix(self, z: ArrayLike, sparse: bool = False) -> Any:
        """``S(z)``: (..., n) to (..., n, n), or a scipy.sparse array for a single z; in float64.

        Raises:
            TypeError: z is not real. ValueError: it has not n components; ``sparse`` with more than one z.
        """
        rows, result = self._rows(z, "z")
        n = rows.shape[-1]
        flat = rows.reshape(-1, n)
        i, j, function, table = self._places(n)
        bins = self._intervals(flat, result)
        if self.entries is not None:
            self._table(np.float64)
        else:
            steps.flat_values(self.values, np.float64, self._rounded(result), self._view(rows).groups)
        entries = np.empty((len(flat), len(j)))
        for e, (t, f, c) in enumerate(zip(table, function, j, strict=True)):
            entries[:, e] = self.values[t][f][bins[t][:, c]]
        entries[np.isnan(flat[:, j])] = np.nan
        if sparse:
            if rows.ndim != 1:
                raise ValueError(f"a sparse matrix is that of one z of shape ({n},), got shape {rows.shape}")
            return scipy.sparse.csr_array((entries[0], (i, j)), shape=(n, n))
        dense = np.zeros((len(flat), n, n))
        dense[:, i, j] = entries
        return dense.reshape(*rows.shape, n)

    def gate(self, function: int = 0, band: int = 0) -> Gate:
        """A step function as a :class:`iatcore.Gate`: of the diagonal ``band``, of row ``function`` if rows differ."""
        table = self.bands.index(band) if self.entries is None else 0
        return Gate(self.grids[table], tuple(self.values[table][function].tolist()), self.side)

    def _rows(self, z: ArrayLike, name: str) -> tuple[Array, np.dtype[Any]]:
        rows, result = float_rows(z, name)
        if self.num_features is not None and rows.shape[-1] != self.num_features:
            raise ValueError(f"{name} must have last dimension {self.num_features}, got shape {rows.shape}")
        return rows, result

    def _rounded(self, dtype: np.dtype[Any]) -> steps.Bands:
        """The diagonals with breakpoints rounded to the dtype of the input, so that a breakpoint itself is met."""
        grids = self.grids
        if dtype.itemsize < 4:
            grids = tuple(tuple(np.array(points).astype(dtype).astype(float).tolist()) for points in grids)
        return steps.Bands(self.bands or (0,), grids, self.side)

    def _table(self, kind: type) -> Array:
        """Step values of a pattern; ValueError for a wrong shape."""
        assert self.entries is not None
        shape = (int(self.entries.functions.max()) + 1, len(self.grids[0]) + 1)
        if [np.shape(v) for v in self.values] != [shape]:
            raise ValueError(f"values must be one array of shape {shape}, got {[np.shape(v) for v in self.values]}")
        return np.asarray(self.values[0], dtype=kind)

    def _view(self, rows: Array) -> steps.View:
        n = rows.shape[-1]
        if self.sharing != "layer":
            return steps.View(n, 1, n)
        return steps.View(n, 1, 1) if self.bands != (0,) else steps.View(1, max(rows.size, 2), 1)

    def _places(self, n: int) -> tuple[Array, Array, Array, Array]:
        """Rows, columns, step functions and tables of all entries."""
        if self.entries is not None:
            i = np.repeat(np.arange(n), np.diff(self.entries.indptr))
            return i, self.entries.columns, self.entries.functions, np.zeros_like(i)
        rows, columns, tables = [], [], []
        for t, k in enumerate(self.bands):
            i = np.arange(max(0, -k), min(n, n - k))
            rows.append(i)
            columns.append(i + k)
            tables.append(np.full(len(i), t))
        i = np.concatenate(rows)
        return i, np.concatenate(columns), i if self.sharing != "layer" else np.zeros_like(i), np.concatenate(tables)

    def _intervals(self, flat: Array, dtype: np.dtype[Any]) -> list[Array]:
        side = "left" if self.side == "left" else "right"
        return [
            np.where(np.isnan(flat), 0, np.searchsorted(np.array(p).astype(flat.dtype), flat, side=side))
            for p in self._rounded(dtype).grids
        ]

    def __repr__(self) -> str:
        where = f"bands={self.bands}" if self.entries is None else f"pattern of {len(self.entries.columns)} entries"
        sizes = ", ".join(str(len(p)) for p in self.grids)
        return f"TMAF({where}, breakpoints={sizes}, sharing={self.sharing!r}, num_features={self.num_features})"


@dataclass(frozen=True)
class AReLU:
    """``u_i = C(alpha) z_i`` for ``z_i < 0`` and ``(1 + sigmoid(beta)) z_i`` for ``z_i >= 0``; AReLU 2.3.

    C clamps to [.01, .99]. The gradient with respect to alpha is 0 outside of that interval (AReLU 2.4).

    Args:
        alpha, beta: finite numbers; the paper starts from .9 and 2 (MNIST) or .75 and 1.

    Raises:
        ValueError: not finite.
    """

    alpha: float = 0.9
    beta: float = 2.0
    residual: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        arelu(self.alpha, self.beta)

    @property
    def gate(self) -> Gate:
        """The scalar step function."""
        name = f"{type(self).__name__}({self.alpha!r}, {self.beta!r})"
        return Gate((0.0,), (clamp_alpha(self.alpha), self.residual + sigmoid(self.beta)), "right", name)

    def apply(self, z: ArrayLike) -> Array:
        """``u``, in the shape and dtype of z; raises TypeError unless z is real."""
        rows, result = self._flat(z)
        u = np.empty_like(rows)
        low, high = self.gate.slopes
        steps.two_slopes(rows.dtype.type, rows.ctypes.data, u.ctypes.data, rows.size, low, high)
        return u.reshape(np.shape(z)).astype(result, copy=False)

    __call__ = apply

    def vjp(self, z: ArrayLike, g: ArrayLike) -> tuple[Array, float, float]:
        """The gradients of ``sum(g * u)`` with respect to z, alpha and beta; ValueError for two shapes."""
        rows, result = self._flat(z)
        other, _ = self._flat(g, "g")
        if np.shape(z) != np.shape(g):
            raise ValueError(f"g must have the shape of z, {np.shape(z)}, got {np.shape(g)}")
        gradient = np.empty_like(rows)
        a, b = self.gate.slopes
        other = other.astype(rows.dtype, copy=False)
        addresses = rows.ctypes.data, other.ctypes.data, gradient.ctypes.data
        low, high = steps.two_slopes_gradient(rows.dtype.type, *addresses, rows.size, a, b)
        inside = clamp_alpha(self.alpha) == self.alpha
        slope = sigmoid(self.beta) * sigmoid(-self.beta)
        return gradient.reshape(np.shape(z)).astype(result, copy=False), low if inside else 0.0, high * slope

    def matrix(self, z: ArrayLike, sparse: bool = False) -> Any:
        """``S(z)``: (..., n) to (..., n, n), diagonal; a scipy.sparse array if ``sparse``, as in :meth:`TMAF.matrix`.

        Raises:
            TypeError: z is not real. ValueError: ``sparse`` with more than one z.
        """
        rows, _ = float_rows(z, "z")
        diagonal = self.gate.derivative(rows)
        if sparse:
            if rows.ndim != 1:
                raise ValueError(f"a sparse matrix is that of one z, got shape {rows.shape}")
            return scipy.sparse.diags_array(diagonal, format="csr")
        return np.where(np.eye(rows.shape[-1], dtype=np.bool_), diagonal[..., None], 0.0)

    def _flat(self, z: ArrayLike, name: str = "z") -> tuple[Array, np.dtype[Any]]:
        return float_rows(real_array(z, name).reshape(-1), name)


@dataclass(frozen=True)
class ELSA(AReLU):
    """The attention map alone: ``C(alpha) z_i`` for ``z_i < 0`` and ``sigmoid(beta) z_i`` else; AReLU 2.2."""

    residual: float = field(default=0.0, init=False, repr=False)


class Rescaled:
    """A matrix activation with entries ``S_ij(z) = sigma(omega_ij z_j)``: the remark that ends TMAF section 2.

    ``u_i = sum_k sigma(omega_k z_{i+k}) z_{i+k}`` over the bands. The gradient with respect to z has the entries
    ``sigma(omega z) + omega z sigma'(omega z)``: unlike for step functions it is not S(z). With the sigmoid and the
    main diagonal alone this is Swish.

    Args:
        function: sigma, with its derivative.
        bands: diagonals with entries.
        sharing: ``"layer"``: one omega for a diagonal; ``"channel"``, ``"neuron"``: one for each entry.
        num_features: n, needed unless shared by layer.

    Attributes:
        omega: (diagonals, 1 or n), ones at first.

    Raises:
        TypeError: ``function`` is no Smooth. ValueError: it has no derivative, and as :class:`TMAF`.
    """

    def __init__(
        self,
        function: Smooth,
        bands: Sequence[int] = (0,),
        sharing: Sharing = "layer",
        num_features: int | None = None,
    ) -> None:
        if not isinstance(function, Smooth):
            raise TypeError(f"function must be an iatcore.Smooth, got {function!r}")
        if function.derivative is None:
            raise ValueError(f"function must have its derivative, got {function!r}")
        self.function, self.bands, self.sharing = function, check_bands(bands), check_sharing(sharing)
        self.num_features = None if num_features is None else check_size(num_features, "num_features")
        if self.sharing != "layer" and self.num_features is None:
            raise ValueError(f'sharing="{sharing}" needs num_features, got None')
        self.omega = np.ones((len(self.bands), 1 if self.sharing == "layer" else self.num_features or 1))

    def apply(self, z: ArrayLike) -> NDArray[np.float64]:
        """``u = S(z) z``: (..., n) to (..., n), in float64."""
        x = self._rows(z, "z")
        u = np.zeros_like(x)
        for rows, columns, omega in self._diagonals(x.shape[-1]):
            part = x[..., columns]
            u[..., rows] += self.function(omega * part) * part
        return u

    __call__ = apply

    def vjp(self, z: ArrayLike, g: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The gradients of ``sum(g * u)`` with respect to z and :attr:`omega`; ValueError for two shapes."""
        x, e = self._rows(z, "z"), self._rows(g, "g")
        if x.shape != e.shape:
            raise ValueError(f"g must have the shape of z, {x.shape}, got {e.shape}")
        gradient, sums = np.zeros_like(x), np.zeros_like(self.omega)
        for band, (rows, columns, omega) in enumerate(self._diagonals(x.shape[-1])):
            part, weight = x[..., columns], e[..., rows]
            slope = self.function.evaluate(omega * part, 1)
            gradient[..., columns] += (self.function(omega * part) + omega * part * slope) * weight
            terms = (slope * part * part * weight).reshape(-1, part.shape[-1]).sum(axis=0)
            if self.sharing == "layer":
                sums[band, 0] = terms.sum()
            else:
                sums[band, rows] = terms
        return gradient, sums

    def matrix(self, z: ArrayLike) -> NDArray[np.float64]:
        """``S(z)``: (..., n) to (..., n, n)."""
        x = self._rows(z, "z")
        n = x.shape[-1]
        result = np.zeros((*x.shape, n))
        for rows, columns, omega in self._diagonals(n):
            result[..., np.arange(n)[rows], np.arange(n)[columns]] = self.function(omega * x[..., columns])
        return result

    def _rows(self, z: ArrayLike, name: str) -> NDArray[np.float64]:
        rows, _ = float_rows(z, name)
        if self.num_features is not None and rows.shape[-1] != self.num_features:
            raise ValueError(f"{name} must have last dimension {self.num_features}, got shape {rows.shape}")
        return rows.astype(np.float64, copy=False)

    def _diagonals(self, n: int) -> Any:
        for k, omega in zip(self.bands, self.omega, strict=True):
            rows, columns = slice(max(0, -k), max(0, min(n, n - k))), slice(max(0, k), max(0, min(n, n + k)))
            yield rows, columns, omega[0] if self.sharing == "layer" else omega[rows]

    def __repr__(self) -> str:
        return f"Rescaled({self.function!r}, bands={self.bands}, sharing={self.sharing!r})"
