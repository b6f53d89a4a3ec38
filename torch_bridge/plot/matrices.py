"""Pictures of activation matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

import iatcore
from iatcore import operators
from iatcore.checks import real_array

from ..nn import IAT, TMAF, RescaledTMAF
from .states import array
from .style import axes_for, signed_map, signed_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WITH_MATRIX = (TMAF, RescaledTMAF, operators.TMAF, operators.AReLU, operators.Rescaled)


def activation_matrix(matrix: Any, z: Any = None, ax: Axes | None = None, colorbar: bool = True) -> Axes:
    """The matrix S(z) of ``u = S(z) z``, IAT (18), TMAF (5)-(7), as a heat map: blue above 0, orange below.

    The scale is symmetric, so that 0 is nearly white. Row i, of output ``u_i``, runs downwards; column j, of input
    ``z_j``, to the right; both count from 0.

    Args:
        matrix: S itself, a matrix (rows, columns) of numpy, torch or scipy.sparse; or what has one at z: a transform of
            :mod:`iatcore` with a step gate, exact or on a mesh, a module :class:`torch_bridge.IAT`,
            :class:`torch_bridge.TMAF` or :class:`torch_bridge.RescaledTMAF`, or one of :mod:`iatcore.operators`.
        z: the input, (d_in,); or for a TMAF module of any shape, of which the first vector along the module's ``dim``
            is taken. None goes with a matrix.
        ax: None makes a new figure.
        colorbar: whether to add a scale.

    Raises:
        TypeError: ``matrix`` is something else, z comes with a matrix or is missing, ``ax`` is something else.
        ValueError: entries that are not finite, no entries, a shape that does not fit.
    """
    values = _matrix(matrix, z)
    ax = axes_for(ax, (4.4, 3.6))
    image = ax.imshow(values, cmap=signed_map(), norm=signed_norm(values), interpolation="nearest")
    ax.grid(False)
    ax.set_xlabel("j")
    ax.set_ylabel("i", rotation=0)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="$S_{ij}(z)$")
    return ax


def _matrix(source: Any, z: Any) -> NDArray[np.float64]:
    if isinstance(source, (*WITH_MATRIX, IAT, iatcore.IAT, iatcore.DiscreteIAT)):
        if z is None:
            raise TypeError(f"z must be given with {type(source).__name__}, got None")
        values = _at(source, z)
    elif callable(source):
        raise TypeError(f"matrix must be a matrix or an activation that has one, got {type(source).__name__}")
    elif z is not None:
        raise TypeError(f"z goes with an activation, got a matrix of type {type(source).__name__} and z")
    else:
        values = source.toarray() if scipy.sparse.issparse(source) else array(source)
    values = real_array(values, "matrix").astype(np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"matrix must be one matrix of finite numbers, got shape {values.shape}")
    return values


def _at(source: Any, z: Any) -> NDArray[Any]:
    """S(z), checked."""
    values = array(z)
    if not values.size:
        raise ValueError(f"z must have entries, got shape {values.shape}")
    if isinstance(source, (TMAF, RescaledTMAF)):
        return _first(source, torch.as_tensor(z))
    if values.ndim != 1:
        raise ValueError(f"z must have shape (d_in,), got {values.shape}")
    if isinstance(source, IAT):
        return _columns(source, torch.as_tensor(z))
    return source.activation_matrix(values) if hasattr(source, "activation_matrix") else source.matrix(values)


def _first(module: TMAF | RescaledTMAF, z: torch.Tensor) -> NDArray[np.float64]:
    """S of the first vector along the dimension that a module acts on."""
    if z.ndim == 1:
        after = -module.dim - 1 if module.dim < 0 else 0
        z = z.reshape(*[1] * max(module.dim, 0), -1, *[1] * after)
    n = z.shape[module.dim]
    return array(module.matrix(z).reshape(-1, n, n)[0])


def _columns(module: IAT, z: torch.Tensor) -> NDArray[np.float64]:
    """S of a module IAT: the images of the unit vectors in its decoupled form, IAT (26), whatever is trained in it."""
    rank = max(2, -module.dim, module.dim + 1)
    vector = module.dim % rank
    where = (1 if vector == 0 else 0, vector)

    def placed(rows: torch.Tensor) -> torch.Tensor:
        return rows.reshape(*rows.shape, *[1] * (rank - 2)).movedim((0, 1), where)

    units = torch.eye(len(z), dtype=z.dtype, device=z.device)
    with torch.no_grad():
        u = module(placed(units), pattern_from=placed(z.expand(len(z), -1)))
    return array(u.movedim(where, (0, 1)).reshape(len(z), -1)).T
