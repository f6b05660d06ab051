"""Versions of things: `ETag` in answers, `If-Match` on changes.

The version of a thing is the sequence number of the event that changed it last. It is compared inside the transaction of
the change, so nobody comes in between.
"""

from __future__ import annotations

from typing import TypeVar

from reconciler.api.refusals import StaleVersion
from reconciler.control.desk.desk import Command, Work

T = TypeVar("T")


def etag(version: int) -> str:
    """The version as a header."""
    return f'"{version}"'


def matches(wanted: str, version: int) -> bool:
    """Whether a header's list of versions names this one; `*` is any. Weak ones count, as the bytes are the same."""
    words = {word.strip().removeprefix("W/") for word in wanted.split(",")}
    return "*" in words or etag(version) in words


def guarded(command: Command[T], table: str, key: str, wanted: str) -> Command[T]:
    """The command, refused where the row has another version than `If-Match` names."""

    def checked(work: Work) -> T:
        row = work.rows.get(table, key)
        if row is not None and not matches(wanted, row["last_event_sequence"]):
            raise StaleVersion(
                f"{key} has changed: it is at version {row['last_event_sequence']} now, not at {wanted}",
                hint="read it again, and decide anew",
            )
        return command(work)

    return checked
