"""Triton kernels where they can be had: which module serves an operation, and what happens if it cannot."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

_modules: dict[str, ModuleType | None] = {}


def kernels(name: str, device: torch.device) -> ModuleType | None:
    """The module of kernels ``torch_bridge.ops.<name>`` for a device; None if plain torch is to be used."""
    if device.type != "cuda":
        return None
    if name not in _modules:
        try:
            _modules[name] = importlib.import_module(f"torch_bridge.ops.{name}")
        except Exception as error:  # a broken installation fails in many ways
            _give_up(name, error)
    return _modules[name]


def launched(name: str, module: ModuleType, function: str, *args: Any, **options: Any) -> Any:
    """What a function of a module of kernels returns, run on the device of its first tensor.

    None if kernels do not work here, after one warning.

    Raises:
        torch.OutOfMemoryError: with the shapes of the tensors.
    """
    try:
        with torch.cuda.device_of(next(a for a in args if isinstance(a, Tensor))):
            return getattr(module, function)(*args, **options)
    except torch.OutOfMemoryError as error:
        shapes = ", ".join(str(tuple(a.shape)) for a in args if isinstance(a, Tensor))
        raise torch.OutOfMemoryError(f"{error} ({name}.{function} of tensors of shapes {shapes})") from error
    except Exception as error:  # no compiler, a driver that is too old, ...
        _give_up(name, error)
        return None


def _give_up(name: str, error: Exception) -> None:
    _modules[name] = None
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    warnings.warn(
        f"the GPU kernels torch_bridge.ops.{name} cannot be used ({reason}); plain torch is used instead",
        RuntimeWarning,
        stacklevel=3,
    )
