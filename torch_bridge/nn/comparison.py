"""The learnable activations that AReLU is compared with, as their own papers define them; torch has the others."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from iatcore.checks import check_size

from ..ops.dtypes import check_floating
from ..ops.steps.reference import product
from .base import Activation, check_finite, check_placement


class APL(Activation):
    """Adaptive piecewise linear unit, ``relu(x) + sum_s a_s relu(b_s - x)`` (Agostinelli et al. 2014, equation 1).

    Args:
        hinges: S.
        a, b: what all ``a_s`` and ``b_s`` start as; AReLU's comparison has S = 1, .2 and .5, shared by a layer.
        num_features: None shares them by layer; n gives every index along ``dim`` its own, as in their paper.
        dim: the dimension of the features.
        device, dtype: of the parameters.

    Shape:
        any to the same.

    Raises:
        ValueError: ``hinges`` or ``num_features`` below 1; in the forward pass, another size along ``dim``.
    """

    def __init__(
        self,
        hinges: int = 1,
        a: float = 0.2,
        b: float = 0.5,
        num_features: int | None = None,
        dim: int = -1,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placement = check_placement(device, dtype)
        self.hinges = check_size(hinges, "hinges")
        self.num_features = None if num_features is None else check_size(num_features, "num_features")
        self.dim = operator.index(dim)
        check_finite((float(a), float(b)), "a and b")
        shape = (self.hinges,) if num_features is None else (self.hinges, num_features)
        self.a = nn.Parameter(torch.full(shape, float(a), **placement))
        self.b = nn.Parameter(torch.full(shape, float(b), **placement))

    def forward(self, x: Tensor) -> Tensor:
        x = check_floating(x, "x")
        u = torch.relu(x)
        for a, b in zip(self.a, self.b, strict=True):
            if self.num_features is not None:
                a, b = (_along(t, x, self.dim, self.num_features) for t in (a, b))
            hinge = torch.relu(b.to(x.dtype) - x)
            u = u + product(a.to(x.dtype).expand_as(hinge), hinge)
        return u

    def extra_repr(self) -> str:
        return f"hinges={self.hinges}, num_features={self.num_features}, dim={self.dim}"


def _along(parameter: Tensor, x: Tensor, dim: int, size: int) -> Tensor:
    if not -x.ndim <= dim < x.ndim or x.shape[dim] != size:
        raise ValueError(f"x must have num_features = {size} along dim={dim}, got shape {tuple(x.shape)}")
    shape = [1] * x.ndim
    shape[dim] = size
    return parameter.view(shape)


class _Called(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Comb(Activation):
    """A trained combination of base functions, ``sum_i p_i f_i(x)`` (Manessi, Rozza 2018).

    Args:
        combination: ``"pair"``: ``p x + (1 - p) relu(x)`` with one p, which AReLU's comparison ran; ``"affine"``:
            weights that sum to 1, the last one is 1 minus the others; ``"convex"``: weights of softmax.
        functions: base functions, for ``"affine"`` and ``"convex"``: the identity, relu and tanh of their paper.
        device, dtype: of the parameters.

    Shape:
        any to the same.

    Raises:
        ValueError: another combination, or fewer than two functions.
    """

    def __init__(
        self,
        combination: Literal["pair", "affine", "convex"] = "pair",
        functions: Sequence[Any] | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placement = check_placement(device, dtype)
        if combination not in ("pair", "affine", "convex"):
            raise ValueError(f"combination must be 'pair', 'affine' or 'convex', got {combination!r}")
        self.combination = combination
        if combination == "pair" and functions is not None:
            raise ValueError("functions must be None for the pair of the identity and relu")
        chosen: list[Any] = [nn.Identity(), nn.ReLU()]
        if combination != "pair":
            chosen = [*chosen, nn.Tanh()] if functions is None else list(functions)
        if len(chosen) < 2:
            raise ValueError(f"functions must be at least two, got {functions!r}")
        if not all(callable(f) for f in chosen):
            raise TypeError(f"functions must be callable, got {functions!r}")
        self.functions = nn.ModuleList(f if isinstance(f, nn.Module) else _Called(f) for f in chosen)
        count = len(self.functions)
        if combination == "pair":
            start = torch.zeros(1, **placement)
        elif combination == "affine":
            start = torch.full((count - 1,), 1.0 / count, **placement)
        else:
            start = torch.zeros(count, **placement)
        self.p = nn.Parameter(start)

    def weights(self) -> Tensor:
        """The weights of the base functions; they sum to 1."""
        if self.combination == "convex":
            return torch.softmax(self.p, 0)
        return torch.cat([self.p, 1 - self.p.sum(0, keepdim=True)])

    def forward(self, x: Tensor) -> Tensor:
        x = check_floating(x, "x")
        weights = self.weights().to(x.dtype)
        parts = [product(w.expand_as(v), v) for w, v in zip(weights, (f(x) for f in self.functions), strict=True)]
        u = parts[0]
        for part in parts[1:]:
            u = u + part
        return u

    def extra_repr(self) -> str:
        return f"combination={self.combination!r}"


PAU_NUMERATOR = (0.0335583603, 0.505000375, 1.65343934, 2.01001052, 0.931901999, 0.152424124)
PAU_DENOMINATOR = (3.30847488e-6, 3.98021568, 5.12471206e-7, 0.301830109)


class PAU(Activation):
    """Pade activation unit ``P(x)/Q(x)``, orders 5 and 4 (Molina, Schramowski, Kersting 2020).

    Args:
        version: ``"A"``: ``Q = 1 + sum abs(b_j) abs(x)^j``, which AReLU's comparison ran; ``"B"``:
            ``Q = 1 + abs(sum b_j x^j)``, their equation 5.
        numerator, denominator: starting coefficients, from x^0 and from x^1 on: a fit to leaky ReLU with slope .01
            that holds on [-3, 3] alone.
        device, dtype: of the parameters.

    Shape:
        any to the same.

    Raises:
        ValueError: another version, no coefficients.
    """

    def __init__(
        self,
        version: Literal["A", "B"] = "A",
        numerator: Sequence[float] = PAU_NUMERATOR,
        denominator: Sequence[float] = PAU_DENOMINATOR,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placement = check_placement(device, dtype)
        if version not in ("A", "B"):
            raise ValueError(f"version must be 'A' or 'B', got {version!r}")
        if not len(numerator) or not len(denominator):
            raise ValueError("numerator and denominator must have coefficients, got none")
        check_finite((*numerator, *denominator), "numerator and denominator")
        self.version = version
        self.numerator = nn.Parameter(torch.tensor(tuple(numerator), **placement))
        self.denominator = nn.Parameter(torch.tensor(tuple(denominator), **placement))

    def forward(self, x: Tensor) -> Tensor:
        x = check_floating(x, "x")
        dtype = torch.float32 if x.dtype.itemsize < 4 else x.dtype
        t, a, b = x.to(dtype), self.numerator.to(dtype), self.denominator.to(dtype)
        # beyond 1 in powers of 1/x, so that nothing overflows: P = x^m P~(1/x), Q = abs(x)^n Q~(1/x)
        far = t.abs() > 1
        near, y = torch.where(far, 0.0, t), 1 / torch.where(far, t, 1.0)
        inside = _horner(a, near) / (1 + self._bottom(near, b))
        m, n = len(a) - 1, len(b)
        top = _horner(a.flip(0), y)
        reversed_b = torch.cat([b.flip(0), b.new_zeros(1)])
        if self.version == "A":
            bottom = y.abs() ** n + _horner(reversed_b.abs(), y.abs())
        else:
            bottom = y.abs() ** n + _horner(reversed_b, y).abs()
        x_far = torch.where(far, t, 1.0)
        outside = (x_far ** (m - n) if m >= n else y ** (n - m)) * torch.sign(x_far) ** n * top / bottom
        return torch.where(far, outside, inside).to(x.dtype)

    def _bottom(self, t: Tensor, b: Tensor) -> Tensor:
        """Q - 1."""
        return t.abs() * _horner(b.abs(), t.abs()) if self.version == "A" else (t * _horner(b, t)).abs()

    def extra_repr(self) -> str:
        return f"version={self.version!r}, orders=({len(self.numerator) - 1}, {len(self.denominator)})"


def _horner(coefficients: Tensor, x: Tensor) -> Tensor:
    """``sum_i c_i x^i``."""
    result = coefficients[-1] * torch.ones_like(x)
    for c in coefficients.flip(0)[1:]:
        result = result * x + c
    return result


class SLAF(Activation):
    """Self-learnable activation function ``sum_{i<k} c_i x^i`` (Goyal, Goyal, Lall 2019).

    Args:
        terms: k. Their paper uses 3 and more: a polynomial of degree 2 at least. AReLU's comparison ran k = 2, an
            affine function, with which a network is affine, and started at 1 + x.
        coefficients: what they start as; None is the least-squares fit of relu on [-1, 1].
        device, dtype: of the parameters.

    Shape:
        any to the same.

    Raises:
        ValueError: ``terms`` below 1, or not as many coefficients.
    """

    def __init__(
        self,
        terms: int = 4,
        coefficients: Sequence[float] | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placement = check_placement(device, dtype)
        self.terms = check_size(terms, "terms")
        start = tuple(_relu_fit(self.terms) if coefficients is None else (float(c) for c in coefficients))
        if len(start) != self.terms or not all(map(math.isfinite, start)):
            raise ValueError(f"coefficients must be {self.terms} finite numbers, got {coefficients!r}")
        self.coefficients = nn.Parameter(torch.tensor(start, **placement))

    def forward(self, x: Tensor) -> Tensor:
        x = check_floating(x, "x")
        return _horner(self.coefficients.to(x.dtype), x)

    def extra_repr(self) -> str:
        return f"terms={self.terms}"


def _relu_fit(terms: int) -> list[float]:
    """The polynomial that is nearest to relu on [-1, 1] in the mean square."""
    i = torch.arange(terms, dtype=torch.float64)
    powers = i[:, None] + i
    gram = torch.where(powers % 2 == 0, 2 / (powers + 1), 0.0)
    return torch.linalg.solve(gram, 1 / (i + 2)).tolist()


class Maxout(Activation):
    """The largest of every ``pool`` neighbours along a dimension (Goodfellow et al. 2013, equation 1).

    What a layer gives to a maxout unit are ``pool`` affine functions for each output, so the layer before has
    ``pool`` times as many features as the layer after. AReLU's comparison ran pool = 1, which is the identity.

    Args:
        pool: number of neighbours, at least 1.
        dim: the dimension; its size must be a multiple of ``pool``.

    Shape:
        ``(*, n, *)`` to ``(*, n / pool, *)``.

    Raises:
        ValueError: ``pool`` below 1; in the forward pass, a size that is no multiple of it.
    """

    def __init__(self, pool: int = 2, dim: int = -1) -> None:
        super().__init__()
        self.pool = check_size(pool, "pool")
        self.dim = operator.index(dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.pool == 1:
            return x.clone()
        if not -x.ndim <= self.dim < x.ndim or x.shape[self.dim] % self.pool:
            raise ValueError(
                f"x must have a multiple of pool = {self.pool} along dim={self.dim}, got shape {tuple(x.shape)}"
            )
        dim = self.dim % x.ndim
        return x.unflatten(dim, (-1, self.pool)).amax(dim + 1)

    def extra_repr(self) -> str:
        return f"pool={self.pool}, dim={self.dim}"
