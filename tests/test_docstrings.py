"""What the packages offer is documented. For every function, class and public method that people import:

* a summary of three words or more;
* every argument, by an entry in ``Args`` (of a dataclass ``Attributes``), or, if there are at most two, by its name in
  the text;
* a shape where arrays or tensors are taken: in the docstring, or in that of the class or the module;
* what is raised, where the body itself raises or calls a ``check_`` function;
* a place in a paper where a formula of one is computed: in the docstring, or in that of the class or the module.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from types import FunctionType
from typing import Any

import pytest
import torch

from scripts.check_public_types import EXPORTS, exported

MODULES = tuple(module for modules in EXPORTS.values() for module in modules)
OURS = ("iatcore", "verify", "torch_bridge")
MATHEMATICS = (
    "iatcore.bases",
    "iatcore.discrete",
    "iatcore.gates",
    "iatcore.gdnn",
    "iatcore.grids",
    "iatcore.mesh_bounds",
    "iatcore.operators",
    "iatcore.pattern",
    "iatcore.smooth",
    "iatcore.transform",
    "torch_bridge.nn.arelu",
    "torch_bridge.nn.comparison",
    "torch_bridge.nn.iat",
    "torch_bridge.nn.tmaf",
    "torch_bridge.nn.trainable",
)
"""What is defined in or below these implements formulas of papers."""

PLACE = r"\(|\d|section|table|figure|remark|lemma|theorem|algorithm|appendix"
SOURCE = re.compile(rf"\b(?:IAT|TMAF|AReLU) (?:{PLACE})|et al\.|[12]\d{{3}}\)")
ARRAY = re.compile(r"\b(?:NDArray|ArrayLike|ndarray|Tensor|Floats)\b")
SHAPE = re.compile(r"\b[Ss]hapes?\b|\(\.\.\.|\(\w+,[^)]*\)|\bscalar\b")
RAISES = re.compile(r"^Raises:|\b[Rr]aises\b|[a-z]Error\b", flags=re.MULTILINE)
SECTION = re.compile(r"^(\w+):\s*$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Subject:
    """A function, a class with its constructor, or a method.

    Attributes:
        name: for people.
        doc: its own docstring, indentation removed.
        context: docstrings of its class and its module; facts that hold for all methods stand there once.
        function: whose arguments count; None for a class without a constructor of its own.
        home: module where it is defined.
        body: that may refuse input.
        is_module: whether it is a class of torch modules, which take tensors.
    """

    name: str
    doc: str
    context: str
    function: FunctionType | None
    home: str
    body: FunctionType | None
    is_module: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """Name -> annotation."""
        if self.function is None:
            return {}
        parameters = list(inspect.signature(self.function).parameters.values())
        inner = "self" in self.function.__code__.co_varnames[:1] or "cls" in self.function.__code__.co_varnames[:1]
        return {p.name: str(p.annotation) for p in parameters[inner:] if not p.name.startswith("_")}

    @property
    def raises(self) -> bool:
        """Whether the body itself refuses input: ``raise`` or a call of ``check_...``."""
        if self.body is None:
            return False
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.body)))
        return any(isinstance(node, ast.Raise) or _checks(node) for node in ast.walk(tree))


def _checks(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return called.lstrip("_").startswith("check_")


def _doc(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _constructor(cls: type) -> FunctionType | None:
    found = vars(cls).get("__init__")
    return found if isinstance(found, FunctionType) and not issubclass(cls, BaseException) else None


def _methods(cls: type) -> Iterator[tuple[str, FunctionType, str]]:
    """Public methods defined in the class itself, and ``__call__``; a docstring may be inherited from our own bases."""
    for name, member in vars(cls).items():
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        plain = plain.fget if isinstance(plain, property) else getattr(plain, "func", plain)
        if not isinstance(plain, FunctionType) or (name.startswith("_") and name != "__call__"):
            continue
        if issubclass(cls, torch.nn.Module) and hasattr(torch.nn.Module, name) and not member.__doc__:
            continue  # torch says what it calls; what a forward pass computes is in the docstring of the class
        bases = [base for base in cls.__mro__ if base.__module__.startswith(OURS) and name in vars(base)]
        docs = [_doc(vars(base)[name]) for base in bases if _doc(vars(base)[name])]
        yield name, plain, docs[0] if docs else ""


def _subjects() -> Iterator[Subject]:
    seen: set[Any] = set()
    for module in MODULES:
        for thing in exported(importlib.import_module(module)):
            home = getattr(thing, "__module__", "")
            if not home.startswith(OURS) or thing in seen:
                continue
            seen.add(thing)
            around = _doc(importlib.import_module(home))
            full = f"{home}.{thing.__qualname__}"
            if not inspect.isclass(thing):
                yield Subject(full, _doc(thing), around, inspect.unwrap(thing), home, inspect.unwrap(thing))
                continue
            constructor = _constructor(thing)
            body = vars(thing).get("__post_init__") if is_dataclass(thing) else constructor
            yield Subject(full, _doc(thing), around, constructor, home, body, issubclass(thing, torch.nn.Module))
            for name, method, doc in _methods(thing):
                yield Subject(f"{full}.{name}", doc, _doc(thing) + around, method, home, method)


SUBJECTS = tuple(_subjects())


def sections(doc: str) -> dict[str, str]:
    """Title -> text of the sections; the summary has the title ``""``."""
    parts = SECTION.split(doc)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def missing(subject: Subject) -> list[str]:
    """What the docstring of a subject lacks."""
    doc, parts, arguments = subject.doc, sections(subject.doc), subject.arguments
    if len(parts[""].split()) < 3:
        return ["a summary"]
    lacks = []
    listed = parts.get("Args", "") + parts.get("Attributes", "")
    text = parts[""] if len(arguments) <= 2 else ""
    for name in arguments:
        if not re.search(rf"^ +[\w, *]*\b{name}\b[\w, *]*:", listed, re.MULTILINE) and not re.search(
            rf"\b{name}\b", text
        ):
            lacks.append(f"argument {name}")
    takes_arrays = subject.is_module or any(ARRAY.search(annotation) for annotation in arguments.values())
    if takes_arrays and not SHAPE.search(doc + subject.context):
        lacks.append("shapes")
    if subject.raises and not RAISES.search(doc):
        lacks.append("Raises")
    if f"{subject.home}.".startswith(tuple(f"{m}." for m in MATHEMATICS)) and not SOURCE.search(doc + subject.context):
        lacks.append("a source")
    return lacks


@pytest.mark.parametrize("package", OURS)
def test_docstrings_are_complete(package):
    subjects = [subject for subject in SUBJECTS if subject.home.startswith(package)]
    assert len(subjects) > 30
    problems = [f"{subject.name}: {', '.join(lacks)}" for subject in subjects if (lacks := missing(subject))]
    assert not problems, "\n".join(problems)


def _sample(doc: str, function: Any = None) -> list[str]:
    return missing(Subject("sample", inspect.cleandoc(doc), "", function, "iatcore.transform", function))


def test_the_rules_notice_what_is_missing():
    def both(z: torch.Tensor, size: int) -> None:
        if size < 1:
            raise ValueError(size)

    whole = """The sum over z, IAT (12).

    Args:
        z: shape ``(..., d)``.
        size: d >= 1.

    Raises:
        ValueError: size below 1.
    """
    assert _sample(whole, both) == []
    assert _sample("", both) == ["a summary"]
    assert _sample(whole.replace("        size: d >= 1.\n", ""), both) == ["argument size"]
    assert _sample(whole.replace("shape ``(..., d)``", "numbers"), both) == ["shapes"]
    assert _sample(whole.partition("Raises")[0], both) == ["Raises"]
    assert _sample(whole.replace(", IAT (12)", ""), both) == ["a source"]
    assert _sample("The sum of all entries, IAT (12).", lambda z: z) == ["argument z"]
