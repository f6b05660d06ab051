"""What can be wrong with a log, as values: where, which check found it, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Check = Literal[
    "file",  # SQLite finds its own structure damaged
    "schema",  # a table, index, trigger or view is not as this release makes it
    "sequence",  # an event is missing, or one is there that was never recorded
    "hash",  # an event is not what was sealed
    "version",  # a stream has a gap or a fork
    "reference",  # an event names a type, stream or cause that is not there
    "archive",  # a segment is missing, damaged or not the one that was listed
    "projection",  # the rows are not what follows from the log
    "snapshot",  # a cached state is not what follows from the log
    "anchor",  # an event's hash is not the one that somebody noted elsewhere
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        check: which check found it.
        what: one sentence.
        sequence: the first event that it concerns; None where it concerns none in particular.
    """

    check: Check
    what: str
    sequence: int | None = None
