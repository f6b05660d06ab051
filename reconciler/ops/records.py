"""Records straight from the live table, each checked for words that are missing.

The store decodes rows into events and trusts them. Whoever checks the log, or moves events elsewhere, reads them here as
they lie: with the words that their numbers stand for, and the hash that was recorded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from reconciler.events.archive.record import Record
from reconciler.events.store.names import Origin

_COLUMNS = (
    "sequence_number, event_type, stream, version, cause, recorded_at, occurred_at, event_id, causation_id,"
    " CASE WHEN typeof(data) = 'text' THEN CAST(data AS BLOB) END, hash"
)
_MOST_REMEMBERED = 50_000
V = TypeVar("V")


class RecordBroken(ValueError):
    """A row that cannot be read as an event. `sequence` is its number."""

    def __init__(self, sequence: int, what: str) -> None:
        super().__init__(what)
        self.sequence = sequence


class LiveRecord(NamedTuple):
    """A record with the number of its cause, and of its stream, in the table."""

    record: Record
    stream: int
    cause: int


def live_records(connection: sqlite3.Connection, after: int = 0, before: int | None = None) -> Iterator[LiveRecord]:
    """The rows of the live table by rising sequence number, both bounds exclusive.

    Raises:
        RecordBroken: a number of a row stands for nothing, or a column holds another kind of value.
        sqlite3.Error: the file cannot be read.
    """
    words = _Words(connection)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM events WHERE sequence_number > ? AND sequence_number < ? ORDER BY sequence_number",
        (after, (1 << 63) - 1 if before is None else before),
    )
    for sequence, kind, stream, version, cause, recorded, occurred, event_id, causation, data, sealed in rows:
        try:
            event_type, schema_version = words.type(kind)
            stream_type, stream_id = words.stream(stream)
            correlation_id, origin = words.cause(cause)
        except LookupError as error:
            raise RecordBroken(sequence, f"event {sequence} {error.args[0]}") from None
        record = Record(
            sequence,
            event_id,
            event_type,
            schema_version,
            stream_type,
            stream_id,
            version,
            data,
            causation,
            correlation_id,
            origin,
            recorded if occurred is None else occurred,
            recorded,
            sealed,
        )
        if not _well_typed(record):
            raise RecordBroken(sequence, f"a column of event {sequence} holds another kind of value than it should")
        yield LiveRecord(record, stream, cause)


def _well_typed(record: Record) -> bool:
    """SQLite keeps any value in any column; what was recorded has these."""
    return (
        type(record.version) is int
        and type(record.recorded_at) is int
        and type(record.occurred_at) is int
        and type(record.data) is bytes
        and _is_blob(record.event_id, 16)
        and _is_blob(record.hash, 32)
        and (record.causation_id is None or _is_blob(record.causation_id, 16))
    )


def _is_blob(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size


class _Words:
    """What numbers stand for; remembers as many as fit a bounded memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._types: dict[int, tuple[str, int]] = {}
        self._streams: dict[int, tuple[str, str]] = {}
        self._causes: dict[int, tuple[bytes, Origin]] = {}

    def type(self, number: int) -> tuple[str, int]:
        return self._types.get(number) or self._look_up(
            self._types, number, "type", "SELECT name, schema_version FROM event_types WHERE id = ?", lambda *row: row
        )

    def stream(self, number: int) -> tuple[str, str]:
        return self._streams.get(number) or self._look_up(
            self._streams, number, "stream", "SELECT stream_type, stream_id FROM streams WHERE id = ?", lambda *row: row
        )

    def cause(self, number: int) -> tuple[bytes, Origin]:
        return self._causes.get(number) or self._look_up(
            self._causes,
            number,
            "cause",
            "SELECT c.correlation_id, o.actor, o.source, o.commit_id, o.host, o.software_version, o.user_agent"
            " FROM causes c JOIN origins o ON o.id = c.origin WHERE c.id = ?",
            lambda correlation, *words: (correlation, Origin(*words)),
        )

    def _look_up(self, known: dict[int, V], number: int, noun: str, query: str, make: Callable[..., V]) -> V:
        row = self._connection.execute(query, (number,)).fetchone()
        if row is None:
            raise LookupError(f"names {noun} {number}, which is not there")
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[number] = made = make(*row)
        return made
