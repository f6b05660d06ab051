"""What to read from the log."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A selection of events; an attribute at its default selects nothing out.

    Attributes:
        stream_type, stream_id: the stream; a stream type alone means all its streams.
        types: any of these event types.
        after, before: sequence numbers, both exclusive, for paging forwards and backwards.
        since_ms, until_ms: Unix ms of recording, both inclusive.
        correlation_id, causation_id: what it belongs to, what caused it.
        text: occurs in the event's data, upper and lower case alike.
        newest_first: order by falling sequence number.
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
