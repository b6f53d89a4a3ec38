"""Pictures of activation patterns over an input of one or two numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from iatcore import ActivationPattern
from iatcore.checks import check_size, real_array

from .states import States, Transform, array, has_several_slopes, states, states_over
from .style import PATTERN_SPACE, axes_for, signed_map, signed_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Quantity = Literal["measure", "intervals", "regions"]
PALE = 12
"""Colours that regions are filled with, at random."""


def pattern(
    transform: Transform,
    state: Any,
    x: Any = None,
    ax: Axes | None = None,
    colorbar: bool = True,
) -> Axes:
    """The activation pattern ``D(z(x)) = {s : a(f(s)) != 0}`` over a path of states, IAT (19): IAT figure 3.

    x runs to the right, s upwards. Edges at the given x are exact. From one x to the next, an interval goes on in the
    one that it overlaps: straight lines join their edges, or steps half-way where p is constant on pieces, as on a
    mesh. Intervals that appear, vanish, split or merge do so half-way. Several slopes of the gate have several colours.

    Args:
        transform: an :class:`iatcore.IAT`, a :class:`iatcore.DiscreteIAT` or a module :class:`torch_bridge.IAT`.
        state: the states (n, d_in), n >= 2; or a function that takes x as (n, 1) and gives them; or a module: a
            network that contains ``transform``, or one whose output is the state.
        x: (n,) ascending strictly; None numbers the rows of an array from 0.
        ax: None makes a new figure.
        colorbar: whether several slopes get a scale.

    Raises:
        TypeError: ``transform``, ``state`` or ``ax`` is something else, or numbers are not real.
        ValueError: the transform has no step gate, or trained frequencies; shapes do not fit; x does not ascend or is
            missing.
    """
    found, places = _path(transform, state, x)
    from matplotlib.collections import PolyCollection

    steps = found.basis.is_piecewise and found.basis.degree <= 0
    shapes, slopes = [], []
    for slope, outline in _polygons(found.pattern, places, steps):
        shapes.append(outline)
        slopes.append(slope)
    ax = axes_for(ax)
    # edges in the colour of the face cover the seams between neighbours
    drawn = PolyCollection(shapes, cmap=signed_map(), norm=signed_norm(found.gate.slopes), edgecolors="face", lw=0.7)
    drawn.set_array(np.array(slopes))
    ax.add_collection(drawn, autolim=False)
    if colorbar and has_several_slopes(found.gate):
        ax.figure.colorbar(drawn, ax=ax, label="slope $a(f(s))$")
    ax.grid(False)
    ax.set(xlim=(places[0], places[-1]), ylim=(-1, 1), yticks=PATTERN_SPACE, xlabel="x", ylabel="s")
    ax.locator_params(axis="x", nbins=6)
    return ax


def _path(transform: Transform, state: Any, x: Any) -> tuple[States, Floats]:
    """States along a path, and their places."""
    if callable(state):
        if x is None:
            raise ValueError("x must be given where state is a function, got None")
        places = _places(x)
        return states_over(transform, state, places[:, None]), places
    found = states(transform, state)
    if found.z.ndim != 2 or len(found.z) < 2:
        raise ValueError(f"state must have shape (n, d_in) with n >= 2, got {np.shape(array(state))}")
    places = np.arange(len(found.z), dtype=np.float64) if x is None else _places(x)
    if len(places) != len(found.z):
        raise ValueError(f"x must have one entry for each of {len(found.z)} states, got {len(places)}")
    return found, places


def _places(x: Any) -> Floats:
    places = real_array(array(x), "x").astype(np.float64)
    if places.ndim != 1 or len(places) < 2 or not (np.isfinite(places).all() and np.all(np.diff(places) > 0)):
        raise ValueError(f"x must have shape (n,), n >= 2, and ascend strictly, got shape {places.shape}")
    return places


def _polygons(found: ActivationPattern, x: Floats, steps: bool) -> Iterator[tuple[float, Floats]]:
    """Slope and corners of what each interval sweeps over, from the row in which it appears to its last one."""
    row, low, high, slope = found.outline()
    ends = np.concatenate([x[:1], (x[:-1] + x[1:]) / 2, x[-1:]])
    for chain in _chains(row, low, high, slope):
        start, stop = row[chain[0]], row[chain[-1]] + 1
        if steps:
            across, at = np.repeat(ends[start : stop + 1], 2)[1:-1], np.repeat(chain, 2)
        else:
            across = np.concatenate([ends[start : start + 1], x[start:stop], ends[stop : stop + 1]])
            at = np.array([chain[0], *chain, chain[-1]])
        lower, upper = np.stack([across, low[at]], axis=1), np.stack([across, high[at]], axis=1)
        yield float(slope[chain[0]]), np.concatenate([lower, upper[::-1]])


def _chains(row: NDArray[np.int64], low: Floats, high: Floats, slope: Floats) -> list[list[int]]:
    """Numbers of intervals that follow one another: of one slope, each overlapping no other one in the other's row."""
    first = np.searchsorted(row, np.arange(row[-1] + 2 if len(row) else 1))
    chains: dict[int, list[int]] = {}
    finished = []
    for k in range(len(first) - 1):
        going, here = list(chains), range(first[k], first[k + 1])
        meets = [[a for a in going if slope[a] == slope[b] and low[a] < high[b] and low[b] < high[a]] for b in here]
        times = [a for found in meets for a in found]
        following: dict[int, list[int]] = {}
        for b, found in zip(here, meets, strict=True):
            alone = len(found) == 1 and times.count(found[0]) == 1
            following[b] = chains.pop(found[0]) if alone else []
            following[b].append(b)
        finished += chains.values()
        chains = following
    return [*finished, *chains.values()]


def pattern_2d(
    transform: Transform,
    state: Callable[[Any], Any] | nn.Module,
    quantity: Quantity = "measure",
    extent: tuple[float, float, float, float] = (-1.0, 1.0, -1.0, 1.0),
    points: int = 200,
    ax: Axes | None = None,
    colorbar: bool = True,
) -> Axes:
    """What the activation pattern D(z(x)), IAT (19), looks like over a rectangle of inputs x.

    ``"measure"`` is the length of D(z(x)), in [0, 2]; ``"intervals"`` the number of its intervals (of one slope each),
    as of :meth:`iatcore.ActivationPattern.number_of_intervals`. ``"regions"`` are the sets of inputs whose state
    functions cross the breakpoints of the gate in the same order on the same pieces of p: inside, u is an analytic
    function of z as long as no root is a multiple one or passes a breakpoint of q, as a ReLU network is linear on its
    linear regions, IAT 4.2.2. Their colours mean nothing.

    Args:
        transform: an :class:`iatcore.IAT`, a :class:`iatcore.DiscreteIAT` or a module :class:`torch_bridge.IAT`.
        state: a function that takes inputs (n, 2) and gives states (n, d_in); or a module: a network that contains
            ``transform``, or one whose output is the state.
        quantity: ``"measure"``, ``"intervals"`` or ``"regions"``.
        extent: left, right, bottom, top.
        points: along each side, >= 2; x is taken at the centres of ``points**2`` equal cells.
        ax: None makes a new figure.
        colorbar: whether a measure or a number gets a scale.

    Raises:
        TypeError: ``transform``, ``state``, ``points`` or ``ax`` is something else.
        ValueError: the transform has no step gate, or trained frequencies; ``state`` gives another shape; an unknown
            quantity, an empty rectangle, ``points`` below 2.
    """
    if quantity not in get_args(Quantity):
        raise ValueError(f"quantity must be one of {', '.join(get_args(Quantity))}, got {quantity!r}")
    if check_size(points, "points") < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    left, right, bottom, top = _rectangle(extent)
    middles = (np.arange(points) + 0.5) / points
    x1, x2 = np.meshgrid(left + (right - left) * middles, bottom + (top - bottom) * middles)
    found = states_over(transform, state, np.stack([x1.ravel(), x2.ravel()], axis=1)).pattern
    ax = axes_for(ax, (4.8, 4.0))
    draw = {"measure": _measure, "intervals": _intervals, "regions": _regions}[quantity]
    draw(ax, found, {"extent": extent, "origin": "lower", "aspect": "auto", "interpolation": "nearest"}, colorbar)
    ax.grid(False)
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="$x_1$", ylabel="$x_2$")
    ax.locator_params(nbins=5)
    return ax


def _rectangle(extent: Any) -> Floats:
    sides = real_array(extent, "extent").astype(np.float64)
    if sides.shape != (4,) or not np.isfinite(sides).all() or not (sides[0] < sides[1] and sides[2] < sides[3]):
        raise ValueError(f"extent must be left < right, bottom < top, got {extent!r}")
    return sides


def _measure(ax: Axes, found: ActivationPattern, place: dict[str, Any], colorbar: bool) -> None:
    image = ax.imshow(_square(found.measure()), cmap="cividis", vmin=0, vmax=2, **place)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="measure of the pattern")


def _intervals(ax: Axes, found: ActivationPattern, place: dict[str, Any], colorbar: bool) -> None:
    from matplotlib.colors import BoundaryNorm

    counts = np.where(found.finite, found.number_of_intervals(), np.nan)
    known = counts[found.finite]
    whole = np.arange(known.min(), known.max() + 1) if len(known) else np.zeros(1)
    norm = BoundaryNorm(np.append(whole, whole[-1] + 1) - 0.5, 256)
    image = ax.imshow(_square(counts), cmap="cividis", norm=norm, **place)
    if colorbar:
        scale = ax.figure.colorbar(image, ax=ax, label="number of intervals")
        scale.set_ticks(list(whole[:: -(-len(whole) // 10)]))
        scale.minorticks_off()


def _regions(ax: Axes, found: ActivationPattern, place: dict[str, Any], _colorbar: bool) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap, hsv_to_rgb

    numbers = _square(_structures(found))
    hues = np.stack([np.arange(PALE) * 0.618 % 1, np.full(PALE, 0.22), 0.90 + 0.08 * (np.arange(PALE) % 2)], axis=1)
    colours = np.random.default_rng(0).integers(PALE, size=len(found))[numbers]
    ax.imshow(
        np.ma.masked_array(colours, numbers < 0),
        cmap=ListedColormap(hsv_to_rgb(hues)),
        vmin=-0.5,
        vmax=PALE - 0.5,
        **place,
    )
    left, right, bottom, top = place["extent"]
    ys, xs = np.linspace(bottom, top, len(numbers) + 1), np.linspace(left, right, len(numbers) + 1)
    i, j = np.nonzero(numbers[:, 1:] != numbers[:, :-1])
    upright = np.stack([np.stack([xs[j + 1], ys[i]], axis=1), np.stack([xs[j + 1], ys[i + 1]], axis=1)], axis=1)
    i, j = np.nonzero(numbers[1:] != numbers[:-1])
    level = np.stack([np.stack([xs[j], ys[i + 1]], axis=1), np.stack([xs[j + 1], ys[i + 1]], axis=1)], axis=1)
    ax.add_collection(LineCollection([*upright, *level], colors="#2b2b2b", linewidths=0.8), autolim=False)


def _square(values: NDArray[Any]) -> NDArray[Any]:
    side = round(np.sqrt(values.size))
    return values.reshape(side, side)


def _structures(found: ActivationPattern) -> NDArray[np.int64]:
    """For each row a number that it shares with the rows of the same crossings on the same pieces; -1 for nan."""
    numbers: dict[bytes, int] = {}
    rows = []
    for i in range(len(found)):
        crossings = slice(found.offsets[i], found.offsets[i + 1])
        parts = (found.initial[i], found.piece[crossings], found.level[crossings], found.rising[crossings])
        rows.append(numbers.setdefault(b"".join(part.tobytes() for part in parts), len(numbers)))
    return np.where(found.finite, rows, -1)
