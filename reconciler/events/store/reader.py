"""Reading the log: by id, by stream, by selection, in order.

Long reads go in portions, each of which sees the newest state of the file. No transaction stays open between two of them,
so that a reader who takes its time keeps nobody from tidying the write-ahead log; the portions fit together because
events are only ever added at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.events.moment import Moment
from reconciler.events.store.archive import Archive, Listed, listed_segments
from reconciler.events.store.connection import Readers
from reconciler.events.store.decoding import COLUMNS, events_of
from reconciler.events.store.names import Names
from reconciler.events.store.query import EventQuery, Selection

_PORTION = 1_000
_AFTER_ALL = (1 << 63) - 1

_HEAD = "SELECT coalesce((SELECT max(sequence_number) FROM events), (SELECT max(to_sequence) FROM archive), 0)"


class Reader:
    """Events from the live table and, read through as if they were there, from the archive."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._names = Names()
        self._archive = Archive(readers.path)

    def close(self) -> None:
        """Close every file that was opened for reading."""
        self._archive.close()
        self._readers.close()

    def head(self) -> int:
        """The newest sequence number; 0 when the log is empty."""
        with self._readers.reading() as connection:
            return head_of(connection)

    def event(self, event_id: UUID) -> Event | None:
        """The event of this id, or None."""
        with self._readers.snapshot() as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM events WHERE event_id = ?", (event_id.bytes,)).fetchall()
            found = events_of(rows, self._names, connection)
            listed = [] if found else listed_segments(connection)
        return found[0] if found else self._archive.event(listed, event_id)

    def stream_version(self, stream_type: str, stream_id: str) -> int:
        """The version of a stream's newest event; 0 when there is none."""
        with self._readers.reading() as connection:
            row = connection.execute(
                "SELECT max(coalesce((SELECT max(version) FROM events WHERE stream = s.id), 0), s.archived_version)"
                " FROM streams s WHERE s.stream_type = ? AND s.stream_id = ?",
                (stream_type, stream_id),
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        """The events of one stream with a version above `after`, oldest first."""
        query = EventQuery(stream_type=stream_type, stream_id=stream_id)
        with self._readers.snapshot() as connection:
            row = connection.execute(
                "SELECT archived_version FROM streams WHERE stream_type = ? AND stream_id = ?", (stream_type, stream_id)
            ).fetchone()
            listed = listed_segments(connection)
        if row is not None and after < row[0]:
            yield from self._archive.stream(listed, stream_type, stream_id, after)
            after = row[0]
        query = query.between(_archived(listed), None)
        for event in self._forwards(query, _Span(query, after_version=after)):
            # What moved to the archive just now is selected by sequence number.
            if event.version > after:
                yield event

    def events(self, query: EventQuery) -> Iterator[Event]:
        """The events that a query selects, in its order."""
        walk = self._backwards if query.newest_first else self._forwards
        return islice(walk(query, _Span(query)), query.limit)

    def count(self, query: EventQuery) -> int:
        """How many events a query selects, whatever its limit."""
        selection = Selection.of(query)
        after, before = query.after, _AFTER_ALL if query.before is None else query.before
        conditions = " AND ".join([*selection.conditions, "sequence_number > ?", "sequence_number < ?"])
        with self._readers.snapshot() as connection:
            statement = f"SELECT count(*) FROM events WHERE {conditions}"
            live = int(connection.execute(statement, (*selection.values, after, before)).fetchone()[0])
            listed = listed_segments(connection)
        archived = _archived(listed)
        if after >= archived:
            return live
        return live + sum(1 for _ in self._archive.events(listed, query.between(after, min(before, archived + 1))))

    def sequence_at(self, moment: Moment) -> int:
        """The sequence number that the log ended with at this moment; 0 before its first event.

        Raises:
            NotFound: the moment is a sequence number beyond the end.
        """
        if moment.sequence is not None:
            head = self.head()
            if moment.sequence > head:
                raise NotFound(f"the log ends at {head}; there is no event {moment.sequence}")
            return moment.sequence
        assert moment.time_ms is not None
        with self._readers.snapshot() as connection:
            row = connection.execute(
                "SELECT max(sequence_number) FROM events WHERE recorded_at <= ?", (moment.time_ms,)
            ).fetchone()
            listed = [] if row[0] is not None else listed_segments(connection)
        return int(row[0]) if row[0] is not None else self._archive.sequence_at(listed, moment.time_ms)

    def _forwards(self, query: EventQuery, span: _Span) -> Iterator[Event]:
        while True:
            with self._readers.snapshot() as connection:
                listed = listed_segments(connection)
                archived = _archived(listed)
                live = span.portion(connection, self._names) if span.after >= archived else []
            if span.after < archived:
                yield from self._archive.events(listed, query.between(span.after, min(span.before, archived + 1)))
                span.after = archived
            else:
                yield from live
                if len(live) < span.size:
                    return
                span.after, span.after_version = live[-1].sequence_number, live[-1].version

    def _backwards(self, query: EventQuery, span: _Span) -> Iterator[Event]:
        while True:
            with self._readers.snapshot() as connection:
                live = span.portion(connection, self._names)
                listed = listed_segments(connection) if len(live) < span.size else []
            yield from live
            if len(live) < span.size:
                yield from self._archive.events(listed, query.between(span.after, span.before))
                return
            span.before, span.before_version = live[-1].sequence_number, live[-1].version


def head_of(connection: sqlite3.Connection) -> int:
    """The newest sequence number that a connection sees; 0 when the log is empty."""
    return int(connection.execute(_HEAD).fetchone()[0])


def _archived(listed: list[Listed]) -> int:
    """The last sequence number that the archive holds; 0 when there is none."""
    return listed[-1].to_sequence if listed else 0


class _Span:
    """What is left to read of a query.

    A single stream is walked along its own index, by version; everything else by sequence number.
    """

    def __init__(self, query: EventQuery, *, after_version: int = 0) -> None:
        selection = Selection.of(query)
        self.size = _PORTION if query.limit is None else max(1, min(query.limit, _PORTION))
        self.after = query.after
        self.before = _AFTER_ALL if query.before is None else query.before
        self.after_version = after_version
        self.before_version = _AFTER_ALL
        by_version = bool(query.stream_type and query.stream_id)
        span = ["sequence_number > ?", "sequence_number < ?"]
        if by_version:
            span += ["version > ?", "version < ?"]
        self._by_version = by_version
        self._values = selection.values
        order = "version" if by_version else "sequence_number"
        self._statement = (
            f"SELECT {COLUMNS} FROM events WHERE {' AND '.join([*selection.conditions, *span])}"
            f" ORDER BY {order} {'DESC' if query.newest_first else 'ASC'} LIMIT {self.size:d}"
        )

    def portion(self, connection: sqlite3.Connection, names: Names) -> list[Event]:
        """The next events from the live table."""
        bounds: tuple[int, ...] = (self.after, self.before)
        if self._by_version:
            bounds += (self.after_version, self.before_version)
        return events_of(connection.execute(self._statement, self._values + bounds), names, connection)
