"""Scripts that complete words on the command line of a shell; no Python runs when the key is pressed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

import shtab


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell, with the names of experiments, presets, claims and folders.

    Args:
        parser: of the command; its arguments are changed, so that it is of no other use.
        shell: ``bash``, ``zsh`` or ``fish``.
    """
    for action in _actions(parser):
        names = _names(action)
        if names:
            action.choices = tuple(names)
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # pyright: ignore[reportAttributeAccessIssue]  # where shtab looks
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _actions(child)


def _names(action: argparse.Action) -> Iterable[str]:
    """What a word may be; not a ``choices`` of the parser itself, which takes others too or knows them only later."""
    if action.dest == "name":
        from torch_bridge.experiments.engine import REGISTRY

        return REGISTRY
    if action.dest == "ids":
        from verify.ledger import claims

        return claims()
    return {"preset": ("smoke", "quick", "paper"), "scheduler": ("local", "local-dask"), "device": ("cpu", "cuda")}.get(
        action.dest, ()
    )
