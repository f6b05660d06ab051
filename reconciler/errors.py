"""Every error that Fleet raises on purpose, as one tree.

    FleetError                     1   something failed
    ├── NotFound                   1   a resource, container or event that is not there
    ├── Conflict                   1   the stream moved on, or the same id came with another body
    ├── ActionFailed               1   an action of a plan could not be carried out
    ├── ToolMissing                1   a program that the command needs is not installed
    ├── OutOfResources             1   the machine gives no more memory, threads or open files
    ├── SpecInvalid                3   fleet.yaml is wrong; carries every problem with its place
    ├── LeaseHeld                  4   another writer works on this fleet
    │   └── LeaseLost              4   our own lease ran out and somebody else has it now
    ├── RuntimeUnreachable         5   Podman or another runtime cannot be read
    ├── LogUnusable                6   the log is corrupt, newer than this software, or not writable
    ├── ConfirmationMissing        7   a destructive plan that nobody confirmed
    │   └── FleetFrozen            7   a freeze window holds, and nobody said to override it
    ├── PlanStale                  8   a saved plan whose basis has changed
    ├── TimedOut                 124   waiting took longer than was allowed
    └── Interrupted              130   Ctrl-C

The number is the exit code of the command. Each error says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class FleetError(Exception):
    """Root of all expected errors.

    Args:
        what: one sentence that names the resource and what is wrong with it.
        where: a place such as ``fleet.yaml:12:5`` or a path; empty when there is none.
        hint: what the person can do, usually a command; empty when there is none.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "failed"

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class NotFound(FleetError):
    """A resource, container, event or revision that is not there."""

    http_status = 404
    code = "not_found"


class Conflict(FleetError):
    """The stream moved on since it was read, or an id was used again with another body."""

    http_status = 409
    code = "conflict"


class ActionFailed(FleetError):
    """An action of a plan could not be carried out."""

    code = "action_failed"


class ToolMissing(FleetError):
    """A program that the command needs is not installed."""

    http_status = 503
    code = "tool_missing"


class OutOfResources(FleetError):
    """The machine gives this process no more memory, threads or open files."""

    http_status = 503
    code = "out_of_resources"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file.

    Attributes:
        file: path as the person knows it (relative to where they are, where possible).
        line: 1-based; 0 when the problem has no place in the text.
        column: 1-based; 0 when the problem has no place in the text.
        path: the place inside the document, ``services.web.ports[0]``; empty for the whole document.
        message: what is wrong, in one sentence.
        hint: the nearest valid key or what to write instead; may be empty.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        inside = f" {self.path}:" if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}:{inside} {self.message}{hint}"


class SpecInvalid(FleetError):
    """fleet.yaml, or a file that it includes, is wrong. Carries every problem that was found."""

    exit_code = 3
    http_status = 422
    code = "spec_invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'' if count == 1 else 's'} in the fleet's files",
            hint="fleet validate lists them again",
        )

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class LeaseHeld(FleetError):
    """Another writer holds the lease; says who, for what and for how long."""

    exit_code = 4
    http_status = 409
    code = "lease_held"


class LeaseLost(LeaseHeld):
    """Our lease ran out while we worked and its token is no longer the newest: nothing may be appended."""

    code = "lease_lost"


class RuntimeUnreachable(FleetError):
    """A runtime cannot be read. What runs there is unknown, which is never the same as absent."""

    exit_code = 5
    http_status = 503
    code = "runtime_unreachable"


class LogUnusable(FleetError):
    """The event log is corrupt, written by a newer Fleet, or not writable."""

    exit_code = 6
    http_status = 503
    code = "log_unusable"


class ConfirmationMissing(FleetError):
    """A destructive plan needs a yes that was not given."""

    exit_code = 7
    http_status = 409
    code = "confirmation_missing"


class FleetFrozen(ConfirmationMissing):
    """No revision is taken up while a freeze window holds, unless somebody says so."""

    code = "frozen"


class PlanStale(FleetError):
    """A saved plan whose basis (file, log or world) has changed since."""

    exit_code = 8
    http_status = 412
    code = "plan_stale"


class TimedOut(FleetError):
    """Waiting took longer than was allowed."""

    exit_code = 124
    http_status = 504
    code = "timed_out"


class Interrupted(FleetError):
    """The person pressed Ctrl-C; what was under way is recorded."""

    exit_code = 130
    code = "interrupted"


_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_NOT_LOADED = ("failed to map segment", "Cannot allocate memory", "Too many open files")


def out_of_resources(error: BaseException) -> OutOfResources | None:
    """What Python raises where the machine's limits are reached, as an expected error; None for anything else."""
    scarce = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SCARCE)
    # Neither has an error of its own in Python.
    scarce |= isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    scarce |= isinstance(error, ImportError) and any(words in str(error) for words in _NOT_LOADED)
    if not scarce:
        return None
    words = getattr(error, "strerror", None) or str(error) or "no memory is left"
    return OutOfResources(
        f"this machine's limits are reached: {words}",
        hint="raise them (ulimit -a shows them), then run the command again: it goes on from here",
    )
