"""``--set key=value``: text checked against the fields of a dataclass."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch_bridge.experiments.engine import ExperimentError, unknown

WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def override(settings: Any, assignments: Sequence[str], argument: str = "--set") -> Any:
    """A copy of ``settings`` with the fields that ``"key=value"`` strings name.

    Values are read by the type of the field: int, float, bool (``true``, ``false``), str, Literal, ``X | None``
    (``none``) and ``tuple[X, ...]`` (``a,b,c``).

    Raises:
        ExperimentError: no ``=``, an unknown or repeated key, a value of another type or out of range.
    """
    hints = get_type_hints(type(settings))
    names = [field.name for field in dataclasses.fields(settings)]
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ExperimentError(f"{argument} expects key=value, got {assignment!r}")
        if key not in names:
            raise ExperimentError(f"{argument}: {unknown('setting', key, names)}")
        if key in values:
            raise ExperimentError(f"{argument}: {key} is set twice")
        try:
            values[key] = parse(text.strip(), hints[key])
        except ValueError:
            raise ExperimentError(f"{argument} {key}: expected {describe(hints[key])}, got {text!r}") from None
    try:
        return dataclasses.replace(settings, **values)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"{argument}: {error}") from None


def parse(text: str, hint: Any) -> Any:
    """``text`` as a value of the annotated type; ValueError if it is none."""
    if get_origin(hint) in (Union, types.UnionType):
        return _parse_union(text, get_args(hint))
    if get_origin(hint) is Literal:
        if text not in get_args(hint):
            raise ValueError(text)
        return text
    if get_origin(hint) is tuple:
        return tuple(parse(part.strip(), get_args(hint)[0]) for part in text.split(",") if part.strip())
    if hint is bool:
        if text.lower() not in WORDS:
            raise ValueError(text)
        return WORDS[text.lower()]
    if hint in (int, float, str):
        return hint(text)
    raise ValueError(f"a setting of type {hint} cannot be set from text")


def _parse_union(text: str, hints: Sequence[Any]) -> Any:
    if type(None) in hints and text.lower() == "none":
        return None
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return parse(text, hint)
        except ValueError:
            pass
    raise ValueError(text)


def describe(hint: Any) -> str:
    """What :func:`parse` accepts, in words."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join("none" if part is type(None) else describe(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"{describe(get_args(hint)[0])}, several with commas"
    return {int: "an integer", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))
