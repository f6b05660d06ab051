"""The archive: reading events that have left the table as if they were still in it.

The table `archive` lists the segments, which lie in a folder beside the database. Together they hold an unbroken stretch from
the first event of the log; the live table goes on from there.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from reconciler.events.envelope import Event
from reconciler.events.store.files import beside
from reconciler.events.store.identifiers import uuid_of
from reconciler.events.store.names import TypeName
from reconciler.events.store.query import EventQuery
from reconciler.events.upcasters import upcast

if TYPE_CHECKING:
    from reconciler.events.archive.record import Record
    from reconciler.events.archive.segment import Segment

_decode = msgspec.json.Decoder().decode


class Listed(NamedTuple):
    """A segment as the database lists it. Times are Unix ms of recording."""

    file: str
    from_sequence: int
    to_sequence: int
    from_time: int
    to_time: int
    newest_id: bytes
    previous_hash: bytes
    last_hash: bytes
    digest: bytes
    size: int
    archived_at: int


def archive_folder(path: Path) -> Path:
    """Where the segments of a database lie."""
    return beside(path, ".archive")


def listed_segments(connection: sqlite3.Connection) -> list[Listed]:
    """The segments in the order of their events."""
    columns = ", ".join(Listed._fields)
    return [Listed(*row) for row in connection.execute(f"SELECT {columns} FROM archive ORDER BY from_sequence")]


class Archive:
    """Reads segments. Which there are is asked of the database anew for every read."""

    def __init__(self, path: Path) -> None:
        self.folder = archive_folder(path)
        self._lock = threading.Lock()
        self._open: dict[str, Segment] = {}

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for segment in self._open.values():
                segment.close()
            self._open.clear()

    def events(self, listed: Sequence[Listed], query: EventQuery) -> Iterator[Event]:
        """What a query selects of these segments, in the query's order; its limit is the caller's to keep."""
        for one in reversed(listed) if query.newest_first else listed:
            if one.to_sequence > query.after and (query.before is None or one.from_sequence < query.before):
                yield from _events(self._segment(one).select(query))

    def stream(self, listed: Sequence[Listed], stream_type: str, stream_id: str, after: int) -> Iterator[Event]:
        """The archived events of a stream with a version above `after`, oldest first."""
        for one in listed:
            yield from _events(self._segment(one).stream(stream_type, stream_id, after))

    def event(self, listed: Sequence[Listed], event_id: UUID) -> Event | None:
        """The event of this id, or None."""
        wanted = event_id.bytes
        for one in reversed(listed):
            if wanted <= one.newest_id:
                record = self._segment(one).event(wanted)
                if record is not None:
                    return event_of(record)
        return None

    def sequence_at(self, listed: Sequence[Listed], time_ms: int) -> int:
        """The highest sequence number that was recorded up to this time; 0 when none was."""
        for one in reversed(listed):
            found = self._segment(one).sequence_at(time_ms)
            if found:
                return found
        return 0

    def records(self, listed: Sequence[Listed], after: int) -> Iterator[Record]:
        """All records beyond a sequence number, as they were recorded."""
        for one in listed:
            if one.to_sequence > after:
                yield from self._segment(one).records(after)

    def _segment(self, listed: Listed) -> Segment:
        from reconciler.events.archive.segment import Segment

        with self._lock:
            found = self._open.get(listed.file)
            if found is None:
                found = self._open[listed.file] = Segment(self.folder / listed.file)
            return found


def _events(records: Iterable[Record]) -> Iterator[Event]:
    return (event_of(record) for record in records)


def event_of(record: Record) -> Event:
    """The event that a record stands for, upcast where it is old."""
    data: dict[str, Any] = _decode(record.data)
    kind = TypeName.of(record.event_type, record.schema_version)
    return Event(
        record.sequence_number,
        uuid_of(record.event_id),
        record.event_type,
        record.stream_type,  # type: ignore[arg-type]
        record.stream_id,
        record.version,
        upcast(record.event_type, record.schema_version, data) if kind.known and kind.old else data,
        None if record.causation_id is None else uuid_of(record.causation_id),
        uuid_of(record.correlation_id),
        record.origin.metadata(),
        record.occurred_at,
        record.recorded_at,
        record.schema_version,
        record.hash,
    )
