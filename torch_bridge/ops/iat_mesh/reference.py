"""The integral activation transform on a mesh, IAT (12), in plain torch: any activation, differentiable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from iatcore import Basis, Gate
from iatcore.discrete import midpoints

from ..iat.state import cell_ends

Activation = Callable[[Tensor], Tensor]
Matrices = Callable[[int], tuple[Tensor, Tensor]]
MOST_HALVINGS = 8
NODES = 8
"""Of Gauss-Legendre, on each part of a cell."""


def mesh_matrices(p: Basis, q: Basis, mesh: int) -> tuple[Tensor, Tensor]:
    """P (d_in, mesh), Q (d_out, mesh): values at the midpoints of ``mesh`` equal cells, float64."""
    points = midpoints(mesh)
    return torch.from_numpy(p(points)), torch.from_numpy(q(points))


def iat_mesh(
    z: Tensor, P: Tensor, Q: Tensor, activation: Activation | Gate, pattern_from: Tensor | None = None
) -> Tensor:
    """``u = (2/M) Q sigma(P^T z)``, IAT (12); its derivative is IAT (13).

    Args:
        z: coefficients (..., d_in), of the dtype of P and Q.
        P, Q: matrices (d_in, M) and (d_out, M) of :func:`mesh_matrices`.
        activation: sigma, entry-wise.
        pattern_from: coefficients of the shape of z that the slopes of a gate are taken from,
            ``u = (2/M) Q diag(a(P^T pattern_from)) P^T z``. No gradient flows there: on a mesh the slopes are
            constant almost everywhere.

    Returns:
        (..., d_out).

    Raises:
        ValueError: pattern_from with an activation that is not a gate.
    """
    f = z @ P
    if pattern_from is None:
        values = apply_gate(activation, f) if isinstance(activation, Gate) else activation(f)
    elif isinstance(activation, Gate):
        values = _times(gate_slopes(activation, pattern_from @ P), f)
    else:
        raise ValueError(f"pattern_from needs a gate, got the activation {activation!r}")
    return values @ Q.mT * (2 / P.shape[-1])


def iat_mesh_backward(
    z: Tensor, g: Tensor, P: Tensor, Q: Tensor, gate: Gate, pattern_from: Tensor | None = None
) -> Tensor:
    """The gradient of :func:`iat_mesh` for a gate with respect to z, IAT (13): ``(2/M) P diag(a(P^T z)) Q^T g``.

    Args:
        g: (..., d_out), of the dtype of z.
        pattern_from: in place of z in the slopes.

    Returns:
        (..., d_in).
    """
    f, values = (z if pattern_from is None else pattern_from) @ P, g @ Q
    if pattern_from is None and gate.breakpoints == (0.0,) and gate.slopes == (0.0, 1.0):
        values = torch.ops.aten.threshold_backward(values, f, 0)  # of torch.relu: nan passes
    else:
        values = _times(gate_slopes(gate, f), values)
    return values @ P.mT * (2 / P.shape[-1])


def gauss_nodes(p: Basis, q: Basis, halvings: int) -> int:
    """The number N of nodes of :func:`gauss_matrices`."""
    return (len(cell_ends(p, q)) - 1) * 2**halvings * NODES


def gauss_matrices(p: Basis, q: Basis, halvings: int) -> tuple[Tensor, Tensor]:
    """P (d_in, N) and Q (d_out, N), times the weights, at Gauss-Legendre nodes of halved cells, float64.

    The cells lie between the breakpoints of p and q, and the highest harmonic turns by at most one radian on half a
    cell; each is cut into ``2**halvings`` parts of :data:`NODES` nodes.
    """
    ends = np.array([float(x) for x in cell_ends(p, q)])
    parts = 2**halvings
    left = (ends[:-1, None] + np.diff(ends)[:, None] * np.arange(parts) / parts).ravel()
    width = np.repeat(np.diff(ends) / parts, parts)
    x, w = np.polynomial.legendre.leggauss(NODES)
    nodes = np.clip((left[:, None] + width[:, None] * (x + 1) / 2).ravel(), -1, 1)
    return torch.from_numpy(p(nodes)), torch.from_numpy(q(nodes) * (width[:, None] * w / 2).ravel())


def iat_smooth(z: Tensor, matrices: Matrices, activation: Activation, tolerance: float) -> tuple[Tensor, int]:
    """``integral of q(s) sigma(p(s)^T z) ds`` for a smooth sigma; differentiable to any order of sigma.

    The cells are halved until the largest change of u is at most ``tolerance`` times the largest entry of u.

    Args:
        z: coefficients (..., d_in).
        matrices: :func:`gauss_matrices` for a number of halvings, in the dtype and on the device of z.
        activation: sigma, entry-wise.

    Returns:
        (..., d_out), and the number of halvings.

    Raises:
        RuntimeError: :data:`MOST_HALVINGS` do not suffice.
    """
    with torch.no_grad():
        P, Q = matrices(0)
        before = activation(z @ P) @ Q.mT
        for halvings in range(1, MOST_HALVINGS + 1):
            P, Q = matrices(halvings)
            u = activation(z @ P) @ Q.mT
            change, size = change_and_size(u, before)
            if change <= tolerance * size:
                break
            before = u
        else:
            raise RuntimeError(
                f"{MOST_HALVINGS} halvings left a change of {float(change):.1e} where {tolerance:.1e} was asked for; "
                "an activation with kinks belongs on a mesh, or is a gate"
            )
    return (activation(z @ P) @ Q.mT if torch.is_grad_enabled() else u), halvings


def change_and_size(u: Tensor, cruder: Tensor) -> tuple[float | Tensor, float | Tensor]:
    """The largest entries of ``abs(u - cruder)`` and ``abs(u)``; nan or inf of u has nothing to converge to."""
    finite = u.isfinite()
    first, second = (x.masked_fill(~finite, 0).abs().amax() if x.numel() else 0.0 for x in (u - cruder, u))
    return first, second


def apply_gate(gate: Gate, t: Tensor) -> Tensor:
    """``a(t) t`` entry-wise; a zero slope gives +0 also at infinity, nan stays nan."""
    if gate.breakpoints == (0.0,) and gate.slopes == (0.0, 1.0):
        return torch.relu(t)
    return _times(gate_slopes(gate, t), t)


def gate_slopes(gate: Gate, t: Tensor) -> Tensor:
    """The step function ``a(t)``; nan at nan."""
    t = t.detach()
    # float64: a breakpoint rounded to the dtype of t would move
    index = torch.bucketize(t.double(), _constant(gate.breakpoints, t.device), right=gate.side == "right")
    return _constant(gate.slopes, t.device).to(t.dtype)[index].masked_fill(t.isnan(), torch.nan)


def _times(slopes: Tensor, t: Tensor) -> Tensor:
    zero = slopes == 0
    return slopes * torch.where(zero, 0.0, t)


def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=device)
