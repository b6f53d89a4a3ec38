"""The network of continuous width, IAT (2)-(3): exactly, by quadrature, and as an ordinary network on a mesh.

Layers and parameters are numbered as in the paper: hidden layers l = 1 ... L have an input basis p_l and an output
basis q_l, the parameters are W_0 ... W_L and b_0 ... b_L. The state function of hidden layer l is
``z_l(s) = p_l(s)^T z_l`` with the coefficients z_l that :meth:`GDNN.states` gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import gates
from .bases import Basis, basis
from .bases.core import exact
from .checks import check_rows, check_size, nan_rows
from .discrete import midpoints
from .gates import Gate
from .pattern import ActivationPattern
from .sampling import composite_gauss, sampled_crossings
from .scaling import he_scale
from .transform import IAT

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]
Pairs = tuple[tuple[Basis, Basis], ...]

ORDERS = (16, 32, 64, 128, 256, 512)
"""Gauss-Legendre points on a smooth piece, doubled until the result stands still."""
SAMPLES = 4
"""Samples of a state function for each of its basis functions and each Gauss-Legendre point of a piece."""
BLOCK = 1 << 21
"""Values of a kernel held at a time."""


class PlainNetwork:
    """``y = W_L sigma(... sigma(W_0 x + b_0) ...) + b_L``: an ordinary fully connected network, IAT (1).

    Args:
        weights: L + 1 >= 1 matrices, W_l of shape (d_{l+1}, d_l).
        biases: L + 1 vectors, b_l of shape (d_{l+1},).
        gate: the scalar activation sigma; None is ReLU.

    Raises:
        TypeError: entries that are not real numbers, or a gate that is none.
        ValueError: shapes that do not fit together, entries that are not finite.
    """

    def __init__(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], gate: Gate | None = None) -> None:
        self.gate = _gate(gate)
        matrices: list[Floats] = []
        for l, weight in enumerate(_entries(weights, "weights")):
            matrices.append(_array(weight, f"weights[{l}]", (None, len(matrices[-1]) if l else None)))
        self.weights = tuple(matrices)
        self.biases = _vectors(biases, self.weights)

    @property
    def in_size(self) -> int:
        """Number d_x of inputs."""
        return self.weights[0].shape[1]

    @property
    def out_size(self) -> int:
        """Number d_y of outputs."""
        return len(self.weights[-1])

    def __repr__(self) -> str:
        widths = " -> ".join(str(w.shape[1]) for w in self.weights)
        return f"PlainNetwork({widths} -> {self.out_size}, gate={self.gate!r})"

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """y for x of shape (..., d_x): shape (..., d_y); rows with nan or inf give nan; raises as a :class:`GDNN`."""
        values, shape, dtype = _rows(x, self.in_size)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = self.gate(values @ weight.T + bias)
        values = values @ self.weights[-1].T + self.biases[-1]
        return values.astype(dtype, copy=False).reshape(*shape, self.out_size)


class GDNN:
    """The network of continuous width with weights of finite rank, IAT (2)-(3).

    With ``w_0(s) = W_0^T p_1(s)``, ``w_l(t, s) = p_{l+1}(t)^T W_l q_l(s)``, ``w_L(s) = W_L q_L(s)`` and
    ``b_l(s) = b_l^T p_{l+1}(s)`` for l < L::

        z_1(s) = x^T w_0(s) + b_0(s)
        z_{l+1}(t) = integral over [-1, 1] of w_l(t, s) sigma(z_l(s)) ds + b_l(t),   l = 1 ... L - 1
        y = integral over [-1, 1] of w_L(s) sigma(z_L(s)) ds + b_L

    It equals the network of transforms ``z_{l+1} = W_l IAT_{p_l, q_l}(z_l) + b_l`` of IAT (11), which is how it is
    called; :meth:`integrate` evaluates the integrals themselves, :meth:`discretize` is the ordinary network that
    samples w and b on a mesh.

    Args:
        weights: the L + 1 matrices W_0 (d_{p_1}, d_x), W_l (d_{p_{l+1}}, d_{q_l}), W_L (d_y, d_{q_L}); copied.
        biases: the L + 1 vectors b_l, as long as W_l has rows; copied.
        bases: the pairs (p_l, q_l) of the L >= 1 hidden layers, as :func:`iatcore.basis` takes them.
        gate: the scalar gate sigma; None is ReLU.

    Raises:
        TypeError: entries that are not real numbers, bases or a gate that are none.
        ValueError: no hidden layer, shapes that do not fit the bases, entries that are not finite.

    Attributes:
        transforms: the L transforms ``IAT_{p_l, q_l}``.

    Results are computed in float64; float32 input gives float32 output, integers give float64. A row with nan or inf
    gives nan in that row alone.
    """

    def __init__(
        self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], bases: Sequence[Any], gate: Gate | None = None
    ) -> None:
        self.gate: Gate = _gate(gate)
        self.bases: Pairs = _pairs(bases)
        rows, columns = [*(p.size for p, _ in self.bases), None], [None, *(q.size for _, q in self.bases)]
        matrices = _entries(weights, "weights", self.depth + 1)
        self.weights = tuple(_array(w, f"weights[{l}]", (rows[l], columns[l])) for l, w in enumerate(matrices))
        self.biases = _vectors(biases, self.weights)
        self.transforms: tuple[IAT, ...] = tuple(IAT(p, q, self.gate) for p, q in self.bases)

    @classmethod
    def random(cls, d_x: int, d_y: int, bases: Sequence[Any], gate: Gate | None = None, rng: Any = None) -> GDNN:
        """A network with initial weights by He's rule and biases 0.

        W_0 has entries N(0, 2 / d_x), W_l has N(0, 2 c_l^2 / d_{q_l}), the last one N(0, c_L^2 / d_{q_L}), with
        ``c_l = he_scale(p_l, q_l, gate)``: a transform scaled by c_l counts as ReLU does, so variances are kept.

        Args:
            d_x, d_y: number of inputs and outputs, at least 1.
            bases, gate: as for the class.
            rng: a generator, a seed or None, as :func:`numpy.random.default_rng` takes it.

        Raises:
            TypeError, ValueError: as the class and :func:`iatcore.scaling.he_scale`, or sizes below 1.
        """
        sigma, pairs = _gate(gate), _pairs(bases)
        generator = np.random.default_rng(rng)
        columns = [check_size(d_x, "d_x"), *(q.size for _, q in pairs)]
        rows = [*(p.size for p, _ in pairs), check_size(d_y, "d_y")]
        scales = [1.0, *(he_scale(p, q, sigma) for p, q in pairs)]
        gains = [2.0] * len(pairs) + [1.0]
        weights = [
            c * math.sqrt(gain / n) * generator.normal(size=(m, n))
            for c, gain, m, n in zip(scales, gains, rows, columns, strict=True)
        ]
        return cls(weights, [np.zeros(m) for m in rows], pairs, sigma)

    @property
    def depth(self) -> int:
        """Number L of hidden layers."""
        return len(self.bases)

    @property
    def in_size(self) -> int:
        """Number d_x of inputs."""
        return self.weights[0].shape[1]

    @property
    def out_size(self) -> int:
        """Number d_y of outputs."""
        return len(self.weights[-1])

    def __repr__(self) -> str:
        hidden = " -> ".join(f"({p!r}, {q!r})" for p, q in self.bases)
        return f"GDNN({self.in_size} -> {hidden} -> {self.out_size}, gate={self.gate!r})"

    # -- the network of transforms -------------------------------------------------------------------------------

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """The network of transforms, IAT (11), exactly: x of shape (..., d_x) to y of shape (..., d_y).

        Raises:
            TypeError: x is not real.
            ValueError: the last dimension is not d_x.
        """
        rows, shape, dtype = _rows(x, self.in_size)
        last = self._states(rows)[-1]
        y = self.transforms[-1](last) @ self.weights[-1].T + self.biases[-1]
        return y.astype(dtype, copy=False).reshape(*shape, self.out_size)

    def states(self, x: ArrayLike) -> tuple[NDArray[Any], ...]:
        """The coefficients z_1 ... z_L of the state functions ``z_l(s) = p_l(s)^T z_l``, IAT (6)-(7).

        Takes x of shape (..., d_x) to an array of shape (..., d_{p_l}) for each layer; raises as :meth:`__call__`.
        """
        rows, shape, dtype = _rows(x, self.in_size)
        return tuple(z.astype(dtype, copy=False).reshape(*shape, z.shape[1]) for z in self._states(rows))

    def patterns(self, x: ArrayLike) -> tuple[ActivationPattern, ...]:
        """The patterns D(z_1) ... D(z_L), IAT (24), of a batch x of shape (..., d_x); raises as :meth:`__call__`."""
        rows, shape, _ = _rows(x, self.in_size)
        states = zip(self.transforms, self._states(rows), strict=True)
        return tuple(iat.pattern(z.reshape(*shape, iat.in_size)) for iat, z in states)

    def _states(self, rows: Floats) -> list[Floats]:
        states = [rows @ self.weights[0].T + self.biases[0]]
        for iat, weight, bias in zip(self.transforms[:-1], self.weights[1:-1], self.biases[1:-1], strict=True):
            states.append(iat(states[-1]) @ weight.T + bias)
        return states

    # -- decoupled -----------------------------------------------------------------------------------------------

    def apply(self, patterns: Sequence[ActivationPattern], x: ArrayLike) -> NDArray[Any]:
        """``F(x, W, D) = W_L S(D_L)(... W_1 S(D_1)(W_0 x + b_0) + b_1 ...) + b_L``, affine in x, IAT (24)-(25).

        Args:
            patterns: D_1 ... D_L, each of the batch shape of x; slopes of a gate come with them.
            x: real, shape (..., d_x); the result has shape (..., d_y).

        Raises:
            TypeError: an entry of patterns is no ActivationPattern; x is not real.
            ValueError: not L patterns, or batch shapes that differ; the last dimension of x is not d_x.
        """
        rows, shape, dtype = _rows(x, self.in_size)
        patterns = _entries(patterns, "patterns", self.depth)
        values = rows.reshape(*shape, self.in_size) @ self.weights[0].T + self.biases[0]
        for l, (iat, pattern) in enumerate(zip(self.transforms, patterns, strict=True)):
            if not isinstance(pattern, ActivationPattern):
                raise TypeError(f"patterns[{l}] must be an ActivationPattern, got {type(pattern).__name__}")
            if pattern.batch_shape != shape:
                raise ValueError(f"patterns[{l}] must have batch shape {shape} as x, got {pattern.batch_shape}")
            values = iat.apply(pattern, values) @ self.weights[l + 1].T + self.biases[l + 1]
        return values.astype(dtype, copy=False)

    def decoupled(self, x: ArrayLike, other: GDNN) -> NDArray[Any]:
        """``F(x, W, D(x, W'))`` with W from this network and the patterns from another, IAT (25)-(26).

        Patterns live in [-1, 1] whatever the width, so the bases of ``other`` may be of any family and size; its gate
        gives the slopes. With ``other = self`` this is :meth:`__call__`.

        Args:
            x: real, shape (..., d_x), input of both networks; the result has shape (..., d_y).
            other: a network with as many inputs and hidden layers.

        Raises:
            TypeError: other is no GDNN; x is not real.
            ValueError: other numbers of inputs or hidden layers; the last dimension of x is not d_x.
        """
        if not isinstance(other, GDNN):
            raise TypeError(f"other must be a GDNN, got {type(other).__name__}")
        if (other.depth, other.in_size) != (self.depth, self.in_size):
            expected = f"{self.depth} hidden layers and {self.in_size} inputs"
            raise ValueError(f"other must have {expected}, got {other.depth} and {other.in_size}")
        return self.apply(other.patterns(x), x)

    # -- weights as functions ------------------------------------------------------------------------------------

    def first_weight(self, s: ArrayLike) -> Floats:
        """``w_0(s) = W_0^T p_1(s)``, IAT (3a): s in [-1, 1] of any shape to shape (d_x, *s.shape)."""
        return np.tensordot(self.weights[0].T, self.bases[0][0](s), axes=1)

    def kernel(self, l: int, s_out: ArrayLike, s_in: ArrayLike) -> Floats:
        """``w_l(s_out, s_in) = p_{l+1}(s_out)^T W_l q_l(s_in)``, IAT (3c), for all pairs of points.

        Args:
            l: 1 ... L - 1, from hidden layer l to the next.
            s_out, s_in: points in [-1, 1], any shapes; the result has shape (*s_out.shape, *s_in.shape).

        Raises:
            TypeError, ValueError: l is not such a number, or points that are not real or outside [-1, 1].
        """
        l = _number(l, 1, self.depth - 1)
        right = np.tensordot(self.weights[l], self.bases[l - 1][1](s_in), axes=1)
        return np.tensordot(self.bases[l][0](s_out), right, axes=(0, 0))

    def bias(self, l: int, s: ArrayLike) -> Floats:
        """``b_l(s) = b_l^T p_{l+1}(s)``, IAT (3b), (3d), l = 0 ... L - 1: shape of s; raises as :meth:`kernel`."""
        l = _number(l, 0, self.depth - 1)
        return np.tensordot(self.biases[l], self.bases[l][0](s), axes=1)

    def last_weight(self, s: ArrayLike) -> Floats:
        """``w_L(s) = W_L q_L(s)``, IAT (3e): s in [-1, 1] of any shape to shape (d_y, *s.shape)."""
        return np.tensordot(self.weights[-1], self.bases[-1][1](s), axes=1)

    # -- the integrals themselves --------------------------------------------------------------------------------

    def discretize(self, mesh: int) -> PlainNetwork:
        """The ordinary network of width M that replaces each integral by the midpoint rule on M cells.

        With the midpoints s_1 ... s_M its weights are ``w_0(s_i)``, ``(2/M) w_l(s_i, s_j)`` and ``(2/M) w_L(s_j)``,
        its biases ``b_l(s_i)`` and b_L. It equals the network of the M-point transforms of IAT (12), and so differs
        from the exact one by O(M^-2) for continuous bases and a continuous gate.

        Raises TypeError or ValueError unless mesh is an integer M >= 1.
        """
        s = midpoints(check_size(mesh, "mesh"))
        inner = [self.kernel(l, s, s) * (2 / mesh) for l in range(1, self.depth)]
        weights = [self.first_weight(s).T, *inner, self.last_weight(s) * (2 / mesh)]
        biases = [*(self.bias(l, s) for l in range(self.depth)), self.biases[-1]]
        return PlainNetwork(weights, biases, self.gate)

    def integrate(self, x: ArrayLike, tolerance: float = 1e-10) -> NDArray[Any]:
        """The integrals of IAT (2) by quadrature: slow, and independent of transforms and patterns.

        Each state function is sampled to find where it crosses the gate's breakpoints, and integrated with its kernel
        by Gauss-Legendre rules between these points and the breakpoints of the bases. Samples and rules are doubled
        until two results differ by at most ``tolerance (1 + max|y|)``.

        Args:
            x: real, shape (..., d_x); the result has shape (..., d_y).
            tolerance: positive.

        Raises:
            TypeError: x or tolerance is not real.
            ValueError: the last dimension of x is not d_x, tolerance is not positive and finite.
            ArithmeticError: the tolerance is not reached.
        """
        rows, shape, dtype = _rows(x, self.in_size)
        if exact(tolerance, "tolerance") <= 0:
            raise ValueError(f"tolerance must be positive, got {tolerance!r}")
        y = np.full((len(rows), self.out_size), np.nan)
        for i in np.flatnonzero(np.isfinite(rows).all(axis=1)):
            y[i] = self._integrate(rows[i], tolerance)
        return y.astype(dtype, copy=False).reshape(*shape, self.out_size)

    def _integrate(self, x: Floats, tolerance: float) -> Floats:
        previous, change = np.full(self.out_size, np.inf), math.inf
        for order in ORDERS:
            y = self._quadrature(x, order)
            change = np.abs(y - previous).max() / (1 + np.abs(y).max())
            if change <= tolerance:
                return y
            previous = y
        raise ArithmeticError(f"tolerance {tolerance} not reached: {ORDERS[-1]} points a piece changed y by {change}")

    def _quadrature(self, x: Floats, order: int) -> Floats:
        """IAT (2) for one x, with Gauss-Legendre rules of one order."""

        def state(s: Floats) -> Floats:
            return x @ self.first_weight(s) + self.bias(0, s)

        for l in range(1, self.depth):
            state = partial(self._next_state, l, *self._activated(l, state, order))
        nodes, values = self._activated(self.depth, state, order)
        return self.last_weight(nodes) @ values + self.biases[-1]

    def _activated(self, l: int, state: Function, order: int) -> tuple[Floats, Floats]:
        """Nodes s_k and ``omega_k sigma(z_l(s_k))`` of a rule for functions smooth between all breakpoints."""
        p, q = self.bases[l - 1]
        edges = np.union1d(p.breakpoints, q.breakpoints)
        crossings = sampled_crossings(state, self.gate.breakpoints, edges, SAMPLES * order * p.size)
        nodes, weights = composite_gauss(np.union1d(edges, crossings), order)
        return nodes, weights * self.gate(state(nodes))

    def _next_state(self, l: int, nodes: Floats, values: Floats, s: Floats) -> Floats:
        """``z_{l+1}(s)`` as a sum over the nodes of layer l, IAT (2c)."""
        blocks = np.array_split(s, 1 + s.size * nodes.size // BLOCK)
        return np.concatenate([self.kernel(l, part, nodes) @ values for part in blocks]) + self.bias(l, s)


# -- checks ------------------------------------------------------------------------------------------------------


def _rows(x: ArrayLike, size: int) -> tuple[Floats, tuple[int, ...], np.dtype[Any]]:
    """As :func:`iatcore.checks.check_rows`, in float64, and a row that is not finite entirely nan."""
    rows, shape, dtype = check_rows(x, size, "x")
    return nan_rows(rows), shape, dtype


def _gate(gate: Gate | None) -> Gate:
    if gate is not None and not isinstance(gate, Gate):
        raise TypeError(f"gate must be an iatcore.Gate, got {gate!r}")
    return gates.relu() if gate is None else gate


def _pairs(bases: Any) -> Pairs:
    pairs = _entries(bases, "bases")
    for l, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"bases[{l}] must be a pair (p, q), got {pair!r}")
        try:
            pairs[l] = basis(pair[0]), basis(pair[1])
        except TypeError as error:
            raise TypeError(f"bases[{l}] must be a pair of bases, got {pair!r}: {error}") from None
    return tuple(pairs)


def _entries(values: Any, name: str, size: int | None = None) -> list[Any]:
    """The entries of a sequence of the given length, or else of at least one."""
    try:
        entries = list(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence, got {values!r}") from None
    if len(entries) != (size or max(len(entries), 1)):
        raise ValueError(f"{name} must have {size or 'at least 1'} entries, got {len(entries)}")
    return entries


def _array(value: ArrayLike, name: str, shape: tuple[int | None, ...]) -> Floats:
    """A read-only copy of finite numbers of the given shape; None stands for any length >= 1."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} must be real numbers of at most 64 bits, got dtype {array.dtype}")
    wanted = tuple(max(n, 1) if m is None else m for n, m in zip(array.shape, shape, strict=False))
    if array.ndim != len(shape) or array.shape != wanted:
        expected = str(shape).replace("None", "1 or more")
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got nan or inf")
    result = np.array(array, dtype=np.float64)
    result.setflags(write=False)
    return result


def _vectors(values: Any, weights: Sequence[Floats]) -> tuple[Floats, ...]:
    biases = _entries(values, "biases", len(weights))
    return tuple(_array(b, f"biases[{l}]", (len(weights[l]),)) for l, b in enumerate(biases))


def _number(l: int, first: int, last: int) -> int:
    if isinstance(l, bool) or not isinstance(l, (int, np.integer)):
        raise TypeError(f"l must be an integer from {first} to {last}, got {l!r}")
    if not first <= l <= last:
        raise ValueError(f"l must be an integer from {first} to {last}, got {l}")
    return int(l)
