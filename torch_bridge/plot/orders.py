"""Pictures of convergence: errors of the M-point transform against M."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import iatcore
from iatcore.checks import real_array

from .states import array
from .style import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]


def convergence(
    meshes: ArrayLike, errors: ArrayLike, ax: Axes | None = None, label: str | None = None, **style: Any
) -> Axes:
    """Errors ``e_M`` against M on logarithmic scales, and the least-squares line ``log e = c - r log M`` through them.

    The legend names the order r; for the transform on M points, IAT (12), theory says 2 for a continuous gate and
    continuous bases, and 1 where the gate jumps away from 0 or a basis jumps inside of mesh cells.
    Call it again on the same Axes for other transforms.

    Args:
        meshes: the M, positive and not all the same, (n,) with n >= 2.
        errors: (n,), positive; of :func:`mesh_errors` for instance.
        ax: None makes a new figure.
        label: stands before the order in the legend.
        style: properties of the :class:`matplotlib.lines.Line2D` of the errors; the fitted line has its colour.

    Raises:
        TypeError: numbers that are not real, ``ax`` is something else.
        ValueError: shapes that differ, fewer than two meshes, numbers that are not positive and finite. An error of 0,
            where the sum on the mesh is exact, has no logarithm.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    m, e = _positive(meshes, "meshes"), _positive(errors, "errors")
    if m.shape != e.shape or len(np.unique(m)) < 2:
        raise ValueError(f"errors must be one for each of at least two meshes, got {len(e)} for {len(m)}")
    slope, constant = np.polyfit(np.log(m), np.log(e), 1)
    ax = axes_for(ax)
    # no "-0.00"
    name = f"order {round(-slope, 2) + 0.0:.2f}"
    marks = {"linestyle": "none", "marker": "o", "markersize": 5} | style
    (points,) = ax.loglog(m, e, label=name if label is None else f"{label}: {name}", **marks)
    ends = np.array([m.min(), m.max()])
    ax.loglog(ends, np.exp(constant) * ends**slope, color=points.get_color(), linewidth=1.2, label="_fit", zorder=1)
    ax.legend(frameon=False, fontsize=9)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="M", ylabel="error")
    return ax


def _positive(values: ArrayLike, name: str) -> Floats:
    numbers = real_array(array(values), name).astype(np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got {numbers.shape}")
    wrong = numbers[~((numbers > 0) & np.isfinite(numbers))]
    if len(wrong):
        raise ValueError(f"{name} must be positive and finite, got {wrong[0]}")
    return numbers


def mesh_errors(iat: iatcore.IAT, z: ArrayLike, meshes: Sequence[int]) -> Floats:
    """``e_M``, the root mean square over a batch of ``norm(u_M(z) - u(z))``, for each M; u_M of IAT (12), u of IAT (4).

    Args:
        iat: the exact transform.
        z: (..., d_in), finite.
        meshes: numbers M >= 1.

    Returns:
        shape (len(meshes),).

    Raises:
        TypeError: ``iat`` is no :class:`iatcore.IAT`, z is not real, an M is no integer.
        ValueError: z has another last dimension, no states or entries that are not finite; an M is below 1.
    """
    if not isinstance(iat, iatcore.IAT):
        raise TypeError(f"iat must be an iatcore.IAT, got {type(iat).__name__}")
    rows = real_array(array(z), "z").astype(np.float64)
    exact = iat(rows)
    if not exact.size or not np.isfinite(exact).all():
        raise ValueError(f"z must hold finite states, got shape {rows.shape}")
    squares = [np.sum((iat.discretize(m)(rows) - exact) ** 2, axis=-1) for m in meshes]
    return np.sqrt([float(np.mean(square)) for square in squares])
