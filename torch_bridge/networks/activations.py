"""Which module stands at the places of activations in a network."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..nn import ACTIVATIONS
from ..nn import activation as by_name

Make = Callable[[int], nn.Module]
"""Called with the number of channels (or features) at a place, gives a new module for it."""

ALONG_CHANNELS = ("iat", "iat-relu", "tmaf-tridiagonal")
"""Matrices that mix entries: in a network named so they act on channels, dimension 1."""


def named(name: str) -> Make:
    """From channels to an activation of :data:`torch_bridge.ACTIVATIONS` with its default settings.

    ``"iat"`` and ``"iat-relu"`` get the channels as ``in_features`` and ``out_features``; these two and
    ``"tmaf-tridiagonal"`` act along dimension 1.

    Raises:
        ValueError: an unknown name, or ``"maxout"``, which halves the channels.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    if name == "maxout":
        raise ValueError("activation must keep the number of channels, 'maxout' halves it; 'maxout-published' keeps it")
    if name in ("iat", "iat-relu"):
        return lambda channels: by_name(name, in_features=channels, out_features=channels, dim=1)
    if name in ALONG_CHANNELS:
        return lambda channels: by_name(name, dim=1)
    return lambda channels: by_name(name)


def maker(activation: str | Make) -> Make:
    """A function of the number of channels that makes a module of its own at every place.

    Args:
        activation: a name as in :func:`named`, or ``activation(channels) -> nn.Module``.

    Raises:
        ValueError: as :func:`named`; when called, a module that was already given for another place.
        TypeError: a module or a class of modules (``nn.ReLU(64)`` would take the 64 channels for ``inplace``); when
            called, anything that is no module.
    """
    if isinstance(activation, str):
        return named(activation)
    if isinstance(activation, (nn.Module, type)) or not callable(activation):
        hint = "such as lambda channels: nn.ReLU()"
        raise TypeError(f"activation must be a name or a function of the number of channels, {hint}, got {activation}")
    given: list[nn.Module] = []

    def make(channels: int) -> nn.Module:
        module = activation(channels)
        if not isinstance(module, nn.Module):
            raise TypeError(f"activation must make modules, got {module!r}")
        if any(module is other for other in given):
            raise ValueError("activation must make a new module for every place, got the same one twice")
        given.append(module)
        return module

    return make
