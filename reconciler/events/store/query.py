"""What to read from the log, and what that is in SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A selection of events; an attribute at its default leaves none out.

    Attributes:
        stream_type, stream_id: the stream; a stream type alone means all its streams.
        types: any of these event types.
        after, before: sequence numbers, both exclusive, for paging forwards and backwards.
        since_ms, until_ms: Unix ms of recording, both inclusive.
        correlation_id, causation_id: what it belongs to, what caused it.
        text: occurs in the event's data; ASCII letters match in upper and lower case.
        newest_first: by falling sequence number.
        limit: at most so many.
    """

    stream_type: str = ""
    stream_id: str = ""
    types: tuple[str, ...] = ()
    after: int = 0
    before: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    text: str = ""
    newest_first: bool = False
    limit: int | None = None

    def between(self, after: int, before: int | None) -> EventQuery:
        """The same selection from another piece of the log."""
        return replace(self, after=after, before=before)


def as_recorded(text: str) -> str:
    """Words as they stand in JSON text."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


@dataclass(frozen=True, slots=True)
class Selection:
    """A query in SQL: conditions on `events`, and the values bound to them."""

    conditions: tuple[str, ...]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, query: EventQuery) -> Selection:
        """The conditions of a query, apart from its page."""
        found: list[tuple[str, tuple[Any, ...]]] = []
        if query.stream_type and query.stream_id:
            # An equality, so that SQLite goes by the stream's own index.
            stream = "stream = (SELECT id FROM streams WHERE stream_type = ? AND stream_id = ?)"
            found.append((stream, (query.stream_type, query.stream_id)))
        elif query.stream_type:
            found.append(("stream IN (SELECT id FROM streams WHERE stream_type = ?)", (query.stream_type,)))
        elif query.stream_id:
            found.append(("stream IN (SELECT id FROM streams WHERE stream_id = ?)", (query.stream_id,)))
        if query.types:
            marks = ", ".join("?" * len(query.types))
            found.append((f"event_type IN (SELECT id FROM event_types WHERE name IN ({marks}))", query.types))
        if query.since_ms is not None:
            found.append(("recorded_at >= ?", (query.since_ms,)))
        if query.until_ms is not None:
            found.append(("recorded_at <= ?", (query.until_ms,)))
        if query.correlation_id is not None:
            wanted = query.correlation_id.bytes
            found.append(("cause IN (SELECT id FROM causes WHERE correlation_id = ?)", (wanted,)))
            first = "(SELECT min(first_sequence) FROM causes WHERE correlation_id = ?)"
            found.append((f"sequence_number >= {first}", (wanted,)))
        if query.causation_id is not None:
            found.append(("causation_id = ?", (query.causation_id.bytes,)))
        if query.text:
            found.append(("instr(lower(data), lower(?)) > 0", (as_recorded(query.text),)))
        return cls(tuple(where for where, _ in found), tuple(value for _, values in found for value in values))
