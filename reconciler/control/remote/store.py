"""A log that is read through HTTP: what reads a store reads this one, too. Nothing can be written to it.

Rows are asked for table by table; those of the past are folded where the log is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import msgspec

from reconciler.client.calls import log
from reconciler.errors import FleetError, NotFound
from reconciler.events.document import event_of
from reconciler.events.store.lease import LeaseInfo
from reconciler.events.store.query import EventQuery
from reconciler.projections.projected import Projected, project
from reconciler.projections.store import Store

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from reconciler.client import Client
    from reconciler.events.envelope import Event
    from reconciler.events.moment import Moment
    from reconciler.projections.rows import Row, Rows

_EVERYTHING = EventQuery()
_PAGE = 500


class ElsewhereOnly(FleetError):
    """What can only be done where the log is."""

    code = "elsewhere_only"


class RemoteStore(Store):
    """The reading half of a store, over somebody's client; `path` is where the log lies on the other machine."""

    def __init__(self, client: Client, path: Path) -> None:
        self._client = client
        self.path = path
        self.read_only = True

    def close(self) -> None:
        """The client is its owner's to close."""

    def head(self) -> int:
        return self._client.send(log.head()).sequence_number

    def rows(self) -> Rows:
        return RemoteRows(self._client)

    def rows_at(self, sequence: int) -> Rows:
        return RemoteRows(self._client, sequence)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[tuple[Rows, int]]:
        head = self.head()
        yield RemoteRows(self._client), head

    def projected(self, at: int | None = None) -> Projected:
        return project(RemoteRows(self._client, at), sequence=self.head() if at is None else at)

    def event(self, event_id: UUID) -> Event | None:
        try:
            return event_of(self._client.send(log.event(event_id.hex)))
        except NotFound:
            return None

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        query = EventQuery(stream_type=stream_type, stream_id=stream_id)
        return (event for event in self.events(query) if event.version > after)

    def stream_version(self, stream_type: str, stream_id: str) -> int:
        newest = EventQuery(stream_type=stream_type, stream_id=stream_id, newest_first=True, limit=1)
        return next((event.version for event in self.events(newest)), 0)

    def events(self, query: EventQuery = _EVERYTHING) -> Iterator[Event]:
        left = query.limit
        while left is None or left > 0:
            page = self._client.send(log.events(query, limit=min(_PAGE, left or _PAGE)))
            yield from map(event_of, page)
            if len(page) < min(_PAGE, left or _PAGE):
                return
            left = None if left is None else left - len(page)
            edge = int(page[-1]["sequence_number"])
            query = query.between(query.after, edge) if query.newest_first else query.between(edge, query.before)

    def follow(
        self, query: EventQuery = _EVERYTHING, *, poll_ms: int = 200, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Event]:
        after = query.after
        while not stop():
            for event in self.events(query.between(after, query.before)):
                after = event.sequence_number
                yield event
            time.sleep(poll_ms / 1000)

    def sequence_at(self, moment: Moment) -> int:
        return self._client.send(log.sequence_at(sequence=moment.sequence, time_ms=moment.time_ms))

    def lease_holder(self) -> LeaseInfo | None:
        held = self._client.send(log.head()).lease
        return LeaseInfo(**msgspec.to_builtins(held)) if held is not None else None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        elsewhere()
        yield

    def _writing(self) -> NoReturn:
        elsewhere()


class RemoteRows:
    """Rows that are asked for when they are wanted; a table that was scanned is remembered."""

    def __init__(self, client: Client, sequence: int | None = None) -> None:
        self._client = client
        self._sequence = sequence
        self._tables: dict[str, dict[str, Row]] = {}

    def get(self, table: str, key: str) -> Row | None:
        known = self._tables.get(table)
        if known is not None:
            return known.get(key)
        return self._client.send(log.row(table, key, sequence=self._sequence)).row

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        known = self._tables.get(table)
        if known is None:
            known = self._tables[table] = self._client.send(log.rows(table, sequence=self._sequence)).rows
        return iter(sorted(known.items()))

    def put(self, table: str, key: str, row: Row) -> None:
        raise TypeError("these rows are for reading; lay a MemoryRows over them")

    def delete(self, table: str, key: str) -> None:
        raise TypeError("these rows are for reading; lay a MemoryRows over them")


def elsewhere() -> NoReturn:
    """Refuse what needs the machine itself.

    Raises:
        ElsewhereOnly: always.
    """
    raise ElsewhereOnly(
        "this can only be done where the log is, and --remote names another machine",
        hint="run it there, without --remote",
    )
