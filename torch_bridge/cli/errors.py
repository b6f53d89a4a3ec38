"""What the command says when it cannot go on, and the extras that subcommands need."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

EXTRAS: dict[str, tuple[str, ...]] = {
    "experiments": ("matplotlib", "sklearn", "rich", "PIL", "captum"),
    "verify": ("flint",),
    "explore": ("bokeh",),
}
"""Extra -> modules of it that its subcommands need."""


class CommandError(Exception):
    """Ends the command with its message on standard error and exit status 1."""


def need(extra: str, modules: Sequence[str] = ()) -> None:
    """Check that the modules of an extra can be imported.

    Args:
        extra: one of ``EXTRAS``.
        modules: of the extra, where not all of those in ``EXTRAS`` are needed.

    Raises:
        CommandError: names what is missing and the command that installs it.
    """
    missing = [name for name in modules or EXTRAS[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(f'{", ".join(missing)} not found; install with: pip install "matact[{extra}]"')
