"""The command ``matact``: what it says and what it calls. What a subcommand needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .errors import CommandError
from .parser import build_parser

__all__ = ["CommandError", "build_parser", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 error, 130 interrupted.

    A pipe that its reader has closed, as by ``matact list | head -1``, ends the command with status 1 and no message.

    Args:
        argv: words after ``matact``; None takes those of the process.

    Raises:
        SystemExit: with status 2 for wrong usage, 0 after ``--help`` and ``--version``.
    """
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"matact: interrupted; {getattr(arguments, 'interrupted', 'nothing was written')}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 1
    except (CommandError, OSError) as error:
        print(f"matact: {error}", file=sys.stderr)
        return 1
    return 0


def _drop_output() -> None:
    """What is still in the buffer would raise once more when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
