"""Integral activation transforms that take their size from the first input."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.modules.lazy import LazyModuleMixin

from iatcore.checks import check_size

from .iat import IAT, IATReLU


class LazyIAT(LazyModuleMixin, IAT):
    """:class:`IAT` whose ``in_features`` is the size of the first input along ``dim``; it then becomes an IAT.

    Args:
        out_features: d_out; None is d_in.
        input_basis, output_basis: families of :func:`iatcore.basis` by name.
        settings: others of :class:`IAT`.

    Shape:
        as :class:`IAT`.

    Raises:
        TypeError: bases that are not names, since their size is known. Others as :class:`IAT`.
    """

    cls_to_become = IAT  # type: ignore[assignment]

    def __init__(
        self, out_features: int | None = None, input_basis: str = "fourier", output_basis: str = "pwq", **settings: Any
    ) -> None:
        for name, basis in (("input_basis", input_basis), ("output_basis", output_basis)):
            if not isinstance(basis, str):
                raise TypeError(f"{name} must be the name of a family, got {basis!r}, whose size is known")
        self._asked = None if out_features is None else check_size(out_features, "out_features")
        self._bases = input_basis, output_basis, settings.get("scale", "he")
        super().__init__(1, self._asked or 1, input_basis, output_basis, **settings)  # pyright: ignore[reportAttributeAccessIssue]

    def initialize_parameters(self, z: Tensor, pattern_from: Tensor | None = None) -> None:
        """Take the size d_in along ``dim`` from an input z of shape (*, d_in, *); ``pattern_from`` is not looked at.

        Raises:
            ValueError: z has no dimension ``dim``.
        """
        if not -z.ndim <= self.dim < z.ndim:
            raise ValueError(f"z must have a dimension {self.dim}, got shape {tuple(z.shape)}")
        size = z.shape[self.dim]
        self._set_bases(size, self._asked or size, *self._bases)
        del self._asked, self._bases

    def extra_repr(self) -> str:
        return super().extra_repr().replace(f"{self.in_features}, {self.out_features}", f"?, {self._asked or '?'}", 1)


class LazyIATReLU(LazyIAT):
    """:class:`LazyIAT` with sigma = ReLU; it becomes an :class:`IATReLU`.

    Args:
        out_features, input_basis, output_basis: as for :class:`LazyIAT`.
        settings: others of :class:`IATReLU`.

    Shape:
        as :class:`IAT`.

    Raises:
        TypeError: a gate or an activation. Others as :class:`LazyIAT`.
    """

    cls_to_become = IATReLU  # type: ignore[assignment]

    def __init__(
        self, out_features: int | None = None, input_basis: str = "fourier", output_basis: str = "pwq", **settings: Any
    ) -> None:
        for name in settings.keys() & {"gate", "activation"}:
            raise TypeError(f"{name} of LazyIATReLU is ReLU, got {settings[name]!r}; LazyIAT takes others")
        super().__init__(out_features, input_basis, output_basis, **settings)
