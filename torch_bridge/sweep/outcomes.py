"""What became of a unit, as it travels from worker to supervisor."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass

from torch_bridge.report.files import write_json
from torch_bridge.sweep.training import Listener, run_unit
from torch_bridge.sweep.units import FAILED, Options, Unit

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SweepError(Exception):
    """Ends the sweep; the message is for people. What is finished stays, and a later sweep goes on."""


@dataclass(frozen=True)
class Outcome:
    """A unit that ended.

    Attributes:
        unit: its name.
        error: None, or one line that says why it has no result.
        fatal: the whole sweep has to stop, because no other unit could be written either.
    """

    unit: str
    error: str | None = None
    fatal: bool = False


def attempt(unit: Unit, options: Options, listen: Listener) -> Outcome:
    """:func:`run_unit`, with whatever it raises as an outcome."""
    try:
        run_unit(unit, options, listen)
    except OSError as error:
        if error.errno in FULL:
            where = f"no space left for {unit.folder}: {error.strerror}"
            return Outcome(unit.name, f"--out: {where}; free some and run again to go on", fatal=True)
        return fail(unit, f"{type(error).__name__}: {error}")
    except Exception as error:
        return fail(unit, f"{type(error).__name__}: {error}", traceback.format_exc())
    return Outcome(unit.name)


def fail(unit: Unit, reason: str, details: str | None = None) -> Outcome:
    """Mark the unit as failed in its folder; the next sweep tries it again."""
    try:
        unit.folder.mkdir(parents=True, exist_ok=True)
        write_json(unit.folder / FAILED, {"reason": reason, "details": details})
    except OSError:
        pass
    return Outcome(unit.name, reason)
