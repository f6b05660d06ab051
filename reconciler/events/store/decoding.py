"""From a row of the `events` table back to the event that was recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from reconciler.events.envelope import Event
from reconciler.events.store.identifiers import uuid_of
from reconciler.events.store.names import Names
from reconciler.events.upcasters import upcast

COLUMNS = (
    "sequence_number, event_type, stream, version, cause, recorded_at, occurred_at, event_id, causation_id, data, hash"
)

_decode = msgspec.json.Decoder().decode


def events_of(rows: Iterable[tuple[Any, ...]], names: Names, connection: sqlite3.Connection) -> list[Event]:
    """The events of rows with `COLUMNS`.

    Old versions are upcast. One that only a newer Fleet understands is handed on as it was recorded, so that it can at
    least be seen.
    """
    types, streams, causes = names.types, names.streams, names.causes
    events = []
    for sequence, kind, stream, version, cause, recorded, occurred, event_id, caused_by, text, sealed in rows:
        event_type, schema_version, known, old = types.get(kind) or names.type(kind, connection)
        stream_type, stream_id = streams.get(stream) or names.stream(stream, connection)
        correlation_id, _, metadata = causes.get(cause) or names.cause(cause, connection)
        data = _decode(text)
        if old and known:
            data = upcast(event_type, schema_version, data)
        events.append(
            Event(
                sequence,
                uuid_of(event_id),
                event_type,
                stream_type,
                stream_id,
                version,
                data,
                None if caused_by is None else uuid_of(caused_by),
                correlation_id,
                metadata.copy(),
                recorded if occurred is None else occurred,
                recorded,
                schema_version,
                sealed,
            )
        )
    return events
