"""Another activation in a network that exists."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .registry import activation

FUNCTIONS = {
    "ReLU": ("relu", "relu_"),
    "ReLU6": ("relu6",),
    "LeakyReLU": ("leaky_relu", "leaky_relu_"),
    "PReLU": ("prelu",),
    "ELU": ("elu", "elu_"),
    "SELU": ("selu", "selu_"),
    "CELU": ("celu", "celu_"),
    "GELU": ("gelu",),
    "SiLU": ("silu",),
    "Mish": ("mish",),
    "Sigmoid": ("sigmoid", "sigmoid_"),
    "Tanh": ("tanh", "tanh_"),
    "Softplus": ("softplus",),
    "Hardtanh": ("hardtanh", "hardtanh_"),
    "Hardswish": ("hardswish",),
    "RReLU": ("rrelu", "rrelu_"),
}
"""Functions of torch that do what a module does."""

By = str | nn.Module | Callable[..., nn.Module]


@dataclass
class Replaced:
    """What :func:`replace_activations` did.

    Attributes:
        changed: names of the modules that were replaced; several names of one module stay one module.
        unseen: calls of functions that do the same, which no replacement of modules reaches, as
            ``name (Class.forward, line n of its file): function``.
    """

    changed: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{len(self.changed)} replaced", *(f"  {name}" for name in self.changed)]
        if self.unseen:
            lines += [f"{len(self.unseen)} functional calls not replaced", *(f"  {call}" for call in self.unseen)]
        return "\n".join(lines)


def replace_activations(
    model: nn.Module,
    what: type[nn.Module] | tuple[type[nn.Module], ...] = nn.ReLU,
    by: By = "arelu",
    example: Any = None,
) -> Replaced:
    """Replace every module of some classes in a network, in place.

    Args:
        model: any module; its own modules of the classes are replaced, at any depth.
        what: a class of modules, or several.
        by: a name of :data:`torch_bridge.ACTIVATIONS`, a module that is copied for each place, or a function that
            makes one: of no argument, or, with ``example``, of the shape of the input at that place, such as
            ``lambda shape: tb.IATReLU(shape[1], shape[1], dim=1)``.
        example: an input of the model (a tuple: its arguments), with which the model is run once, in evaluation mode
            and without gradient, to learn shapes.

    Returns:
        what was replaced, and the calls of functions that were found in the source of forward methods.

    Raises:
        TypeError: ``what`` is no class of modules; ``by`` makes something else; the model itself is one of them.
        ValueError: an unknown name; a shape that differs between two uses of one module; a module that the example
            does not reach.
    """
    classes = what if isinstance(what, tuple) else (what,)
    if not all(isinstance(c, type) and issubclass(c, nn.Module) for c in classes):
        raise TypeError(f"what must be a class of modules or a tuple of them, got {what!r}")
    if isinstance(model, classes):
        raise TypeError(f"model must contain the modules to replace, got {model!r} itself")
    places = [(name, m) for name, m in model.named_modules(remove_duplicate=False) if isinstance(m, classes)]
    shapes = None if example is None else _shapes(model, {id(m): n for n, m in reversed(places)}, example)
    made: dict[int, nn.Module] = {}
    result = Replaced(unseen=_functional_calls(model, classes))
    for name, old in places:
        if id(old) not in made:
            made[id(old)] = _make(by, name, None if shapes is None else shapes.get(id(old)), example is not None)
            made[id(old)].train(old.training).to(**_placement(model))
    for name, old in places:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, made[id(old)])
        result.changed.append(name)
    return result


def _make(by: By, name: str, shape: tuple[int, ...] | None, with_shape: bool) -> nn.Module:
    if isinstance(by, str):
        return activation(by)
    if isinstance(by, nn.Module):
        return copy.deepcopy(by)
    if not callable(by):
        raise TypeError(f"by must be a name, a module or a function that makes one, got {by!r}")
    if with_shape and not isinstance(by, type):
        if shape is None:
            raise ValueError(f"example must reach every module to replace, but not {name}")
        module = by(shape)
    else:
        module = by()
    if not isinstance(module, nn.Module):
        raise TypeError(f"by must make modules, got {module!r}")
    return module


def _shapes(model: nn.Module, names: dict[int, str], example: Any) -> dict[int, tuple[int, ...]]:
    """The shape of the input of every module, by one run of the model."""
    found: dict[int, tuple[int, ...]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        shape = tuple(inputs[0].shape)
        if found.setdefault(id(module), shape)[1:] != shape[1:]:
            before = found[id(module)]
            raise ValueError(f"{names[id(module)]} is used with inputs of shapes {before} and {shape}: make it two")

    hooks = [m.register_forward_pre_hook(note) for m in model.modules() if id(m) in names]
    training = {m: m.training for m in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(*(example if isinstance(example, tuple) else (example,)))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return found


def _placement(model: nn.Module) -> dict[str, Any]:
    """Device and dtype of the first parameter of a floating dtype."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            return {"device": parameter.device, "dtype": parameter.dtype}
    return {}


def _functional_calls(model: nn.Module, classes: tuple[type[nn.Module], ...]) -> list[str]:
    """Calls in forward methods of functions that do what the classes do."""
    wanted = {name for c in classes for name in FUNCTIONS.get(c.__name__, (c.__name__.lower(),))}
    lines: dict[type, list[tuple[int, str]]] = {}
    found = []
    for name, module in model.named_modules():
        kind = type(module)
        if kind not in lines:
            lines[kind] = [] if kind.__module__.startswith("torch.nn.") else _calls(kind, wanted)
        found += [f"{name or 'model'} ({kind.__name__}.forward, line {n}): {call}" for n, call in lines[kind]]
    return found


def _calls(kind: type, wanted: set[str]) -> list[tuple[int, str]]:
    try:
        source, first = inspect.getsourcelines(kind.forward)  # type: ignore[attr-defined]
        tree = ast.parse(textwrap.dedent("".join(source)))
    except (OSError, TypeError, SyntaxError):
        return []  # no source to look at, as of scripted modules
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            # self.relu(x) is a module, which is replaced as such
            is_own = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "self"
            if called in wanted and not is_own:
                found.append((first + node.lineno - 1, ast.unparse(function)))
    return found
