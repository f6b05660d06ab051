"""The append: what is recorded, what was recorded before, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from uuid import UUID

from reconciler.errors import Conflict
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.store.prepared import Prepared, prepare
from reconciler.events.store.writer import Writer

Guard = Callable[[sqlite3.Connection], None]
Lookup = Callable[[UUID], Event | None]


class _SomeAreKnown(Exception):
    """One of the ids is in the log already."""


def append(
    writer: Writer,
    known: Lookup,
    events: Sequence[NewEvent],
    cause: Cause,
    *,
    expected_version: int | None = None,
    guard: Guard | None = None,
) -> list[Event]:
    """Record events in one transaction, or none of them. An event that was recorded before keeps its first answer.

    Args:
        known: finds a recorded event by its id.
        expected_version: of the first event's stream before this append.
        guard: called inside the transaction before anything is written; refuses by raising.

    Raises:
        Conflict: the stream has another version, or an id is known with another body.
        EventInvalid: an event's data does not fit its model.
        TimedOut, LogUnusable: the file could not be written.
    """
    prepared = [prepare(new) for new in events]
    if not prepared:
        return []
    try:
        with writer.transaction() as connection:
            if guard is not None:
                guard(connection)
            return _append_new(writer, known, prepared, cause, expected_version)
    except _SomeAreKnown:
        # Only now is it worth looking for every id: nearly always they are all new.
        with writer.transaction() as connection:
            if guard is not None:
                guard(connection)
            return _append_rest(writer, known, prepared, cause, expected_version)


def _append_new(
    writer: Writer, known: Lookup, prepared: Sequence[Prepared], cause: Cause, expected_version: int | None
) -> list[Event]:
    archived = writer.newest_archived_id
    if archived and any(one.new.event_id.bytes <= archived for one in prepared):
        raise _SomeAreKnown
    if expected_version is not None:
        try:
            _expect(writer, prepared[0].new, expected_version)
        except Conflict:
            if known(prepared[0].new.event_id) is not None:
                raise _SomeAreKnown from None
            raise
    try:
        return writer.record(prepared, cause)
    except sqlite3.IntegrityError as error:
        raise _SomeAreKnown from error


def _append_rest(
    writer: Writer, known: Lookup, prepared: Sequence[Prepared], cause: Cause, expected_version: int | None
) -> list[Event]:
    """Append those that are new, and answer for the others what was answered the first time."""
    answers: dict[UUID, Event] = {}
    fresh: dict[UUID, Prepared] = {}
    for one in prepared:
        event_id = one.new.event_id
        earlier = answers.get(event_id) or fresh.get(event_id) or known(event_id)
        if earlier is None:
            fresh[event_id] = one
        elif not one.says_the_same(earlier):
            raise Conflict(
                f"event {event_id} is in the log already, with another body", hint="give it an id of its own"
            )
        elif isinstance(earlier, Event):
            answers[event_id] = earlier
    if expected_version is not None and prepared[0].new.event_id in fresh:
        _expect(writer, prepared[0].new, expected_version)
    for event in writer.record(list(fresh.values()), cause):
        answers[event.event_id] = event
    return [answers[one.new.event_id] for one in prepared]


def _expect(writer: Writer, first: NewEvent, expected_version: int) -> None:
    version = writer.numbers.stream(first.stream_type, first.stream_id).version
    if version != expected_version:
        raise Conflict(
            f"{first.stream_type} {first.stream_id} is at version {version} and not {expected_version}:"
            " somebody else has written to it",
            hint="look again and decide anew",
        )
