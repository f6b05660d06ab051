"""The store: the event log together with the rows that follow from it.

Every append is one transaction in which events are validated, chained, recorded and folded. Rows are therefore always those of
the log's end, whoever looks; what follows from an older point of the log is folded anew.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal
from uuid import UUID

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.store.append import append
from reconciler.events.store.connection import Pragmas, Readers, connect
from reconciler.events.store.faults import translated
from reconciler.events.store.follow import follow
from reconciler.events.store.in_use import give_back, take
from reconciler.events.store.lease import Lease, LeaseInfo, Leases, lease_holder
from reconciler.events.store.names import newer_types
from reconciler.events.store.opening import open_for_reading, open_for_writing
from reconciler.events.store.prepared import prepare
from reconciler.events.store.query import EventQuery
from reconciler.events.store.reader import Reader, head_of
from reconciler.events.store.schema import REVISION
from reconciler.events.store.writer import Writer, now_ms
from reconciler.projections.definitions import definitions
from reconciler.projections.fold import FOLD_VERSION
from reconciler.projections.past import folded
from reconciler.projections.projected import Projected, project
from reconciler.projections.rebuild import Progress, rebuild
from reconciler.projections.rows import Rows
from reconciler.projections.tables import CurrentRows, Position, Projecting, SnapshotRows
from reconciler.spec.desired import DatabaseSettings

__all__ = ["EventQuery", "Lease", "LeaseInfo", "Store", "open_store"]

_DEFAULTS = DatabaseSettings()
_EVERYTHING = EventQuery()


def open_store(
    path: Path,
    *,
    mode: Literal["read", "write"] = "write",
    settings: DatabaseSettings = _DEFAULTS,
    clock: Callable[[], int] = now_ms,
) -> Store:
    """Open a project's log.

    Args:
        mode: `write` makes what is missing and brings an older file to the newest shape, after a backup; `read` changes
            nothing.
        clock: gives Unix ms.

    Raises:
        NotFound: reading, and there is no log yet.
        LogUnusable: the file is not a log that this release can use.
    """
    pragmas = Pragmas(
        settings.durability, settings.busy_timeout_ms, settings.cache_size_mb, settings.wal_autocheckpoint
    )
    if mode == "read":
        open_for_reading(path, pragmas)
        return Store(path, pragmas, clock)
    migrated_from = open_for_writing(path, pragmas, definitions(FOLD_VERSION))
    store = Store(path, pragmas, clock, writing=True)
    try:
        store.prepare(migrated_from)
    except BaseException:
        store.close()
        raise
    return store


Decide = Callable[[Rows, int], Sequence[NewEvent]]
"""Looks at the projections as they are, and at the time in Unix ms, and says what is to be recorded; or raises."""


class Transaction:
    """What may be done in a transaction of one's own: statements on its connection, and appending events."""

    def __init__(self, connection: sqlite3.Connection, writer: Writer) -> None:
        self.connection = connection
        self._writer = writer

    def append(self, events: Sequence[NewEvent], cause: Cause) -> list[Event]:
        """Record events that are new, and let the projections follow.

        Raises:
            EventInvalid: an event's data does not fit its model.
        """
        return self._writer.record([prepare(new) for new in events], cause)


class Store:
    """An open log with its projections; close it, or use it as a context manager. Safe to use from several threads.

    Attributes:
        path: the database's file.
        read_only: nothing can be appended: it was opened for reading, or a newer Fleet has written events to it that this
            one does not understand.
    """

    def __init__(self, path: Path, pragmas: Pragmas, clock: Callable[[], int], *, writing: bool = False) -> None:
        self.path = path
        self._clock = clock
        self._file = take(path)
        self._readers = Readers(path, pragmas)
        self._reader = Reader(self._readers)
        self._appended = threading.Condition()
        self._followed = False
        self._writer: Writer | None = None
        self._leases: Leases | None = None
        if writing:
            with translated(path):
                connection = connect(path, pragmas, access="write")
                self._projecting = Projecting(connection)
                self._writer = Writer(path, connection, self._projecting, clock)
                self._leases = Leases(self._writer, lambda: connect(path, pragmas, access="write"))
        with self._readers.snapshot() as found:
            position = Position.of(found)
            newer = position.fold_version > FOLD_VERSION or bool(newer_types(found))
            self.read_only = not writing or newer
            self._current = position == (head_of(found), FOLD_VERSION)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give back leases that are still held, and close the file."""
        if self._leases is not None:
            self._leases.release_all()
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
        if self._file is not None:
            give_back(self._file)
            self._file = None

    def prepare(self, migrated_from: str | None) -> None:
        """Make the projections anew where other folds have filled them, and record what was done to the file."""
        if self.read_only:
            return
        if not self._current:
            self.rebuild()
        if migrated_from is not None:
            event = NewEvent(
                "database_migrated", "system", "database", {"from_revision": migrated_from, "to_revision": REVISION}
            )
            self.append([event], _own_cause())

    @property
    def fold_seconds(self) -> float:
        """Spent on folding what this store has appended."""
        return self._projecting.seconds if self._writer is not None else 0.0

    def head(self) -> int:
        """The newest sequence number; 0 when the log is empty."""
        return self._reader.head()

    def rows(self) -> Rows:
        """The projections as they are at the moment in which each row is read."""
        return CurrentRows(self._readers) if self._current else self.rows_at(self.head())

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[tuple[Rows, int]]:
        """The projections at one moment, and the sequence number that they belong to; for as long as the block lasts."""
        if not self._current:
            head = self.head()
            yield self.rows_at(head), head
            return
        with self._readers.snapshot() as connection:
            yield SnapshotRows(connection), head_of(connection)

    def rows_at(self, sequence: int) -> Rows:
        """The projections as they were when the log ended with this event; folded anew from the log.

        Raises:
            EventTooNew: the log holds events up to there that this release does not understand.
        """
        return folded(self._reader.events(EventQuery(before=sequence + 1)))

    def projected(self, at: int | None = None) -> Projected:
        """The projections as typed values, of one moment: now, or as they were at a sequence number."""
        if at is not None:
            return project(self.rows_at(at), sequence=at)
        with self.snapshot() as (rows, head):
            return project(rows, sequence=head)

    def event(self, event_id: UUID) -> Event | None:
        """The event of this id, or None."""
        return self._reader.event(event_id)

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        """The events of one stream with a version above `after`, oldest first."""
        return self._reader.stream(stream_type, stream_id, after)

    def stream_version(self, stream_type: str, stream_id: str) -> int:
        """The version of a stream's newest event; 0 when there is none."""
        return self._reader.stream_version(stream_type, stream_id)

    def events(self, query: EventQuery = _EVERYTHING) -> Iterator[Event]:
        """The events that a query selects, in its order."""
        return self._reader.events(query)

    def count(self, query: EventQuery = _EVERYTHING) -> int:
        """How many events a query selects, whatever its limit; those of the archive are read one by one."""
        return self._reader.count(query)

    def follow(
        self, query: EventQuery = _EVERYTHING, *, poll_ms: int = 200, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Event]:
        """The events that a query selects, and then those that come, as they come; oldest first.

        Args:
            query: its `before` or `limit` ends the iteration.
            poll_ms: how long events of another process may go unseen.
            stop: ends the iteration; asked whenever there is nothing to hand out, and after each event.
        """
        self._followed = True
        return follow(self._reader, query, self._appended, poll_ms=poll_ms, stop=stop)

    def sequence_at(self, moment: Moment) -> int:
        """The sequence number that the log ended with at this moment; 0 before its first event.

        Raises:
            NotFound: the moment is a sequence number beyond the end.
        """
        return self._reader.sequence_at(moment)

    def cursor(self, stream_type: str, stream_id: str, consumer_id: str) -> int:
        """How far a consumer has read a stream; 0 where it never said so."""
        for _, row in self.rows().scan("cursors"):
            if (row["stream_type"], row["stream_id"], row["consumer_id"]) == (stream_type, stream_id, consumer_id):
                return int(row["position"])
        return 0

    def append(
        self,
        events: Sequence[NewEvent],
        cause: Cause,
        *,
        expected_version: int | None = None,
        lease: Lease | None = None,
    ) -> list[Event]:
        """Record events, all or none, and let the projections follow, in one transaction.

        An event that was recorded before, under the same id and with the same body, keeps its first answer.

        Args:
            expected_version: of the first event's stream before this append.
            lease: the append is refused unless it still holds.

        Raises:
            Conflict: the stream has another version, or an id is known with another body.
            LeaseLost: the lease ran out, was broken, or somebody else has it.
            EventInvalid: an event's data does not fit its model.
            EventTooNew: a newer Fleet has written to this log.
            LogUnusable: the log cannot be written.
        """
        writer, leases = self._writing()
        guard = None if lease is None else lambda connection: leases.check(connection, lease)
        recorded = append(writer, self._reader.event, events, cause, expected_version=expected_version, guard=guard)
        self._tell()
        return recorded

    def decide(
        self, decisions: Sequence[tuple[Decide, Cause]], *, lease: Lease | None = None
    ) -> list[list[Event] | Exception]:
        """Let each look and record in one transaction for all of them: nobody writes between a look and its record.

        One that raises records nothing, and the others are none the wiser; each sees what those before it recorded.

        Args:
            lease: nothing is looked at unless it still holds.

        Returns:
            For each its events, or what it raised.

        Raises:
            LeaseLost: the lease ran out, was broken, or somebody else has it.
            LogUnusable, TimedOut: the log cannot be written; nothing of any of them was.
        """
        writer, leases = self._writing()
        answers: list[list[Event] | Exception] = []
        with writer.transaction() as connection:
            if lease is not None:
                leases.check(connection, lease)
            rows = self._projecting.rows(connection)
            for decide, cause in decisions:
                try:
                    prepared = [prepare(new) for new in decide(rows, self._clock())]
                except Exception as error:
                    answers.append(error)
                else:
                    answers.append(writer.record(prepared, cause))
        self._tell()
        return answers

    @contextlib.contextmanager
    def transaction(self, lease: Lease | None = None) -> Iterator[Transaction]:
        """One transaction on the file, for what tends the log itself: all or nothing, and nobody else writes meanwhile.

        Raises:
            LeaseLost: the lease ran out, was broken, or somebody else has it.
            LogUnusable: the log cannot be written.
        """
        writer, leases = self._writing()
        with writer.transaction() as connection:
            if lease is not None:
                leases.check(connection, lease)
            yield Transaction(connection, writer)
            writer.forget()
        self._tell()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the file for as long as the block lasts; it cannot write."""
        with self._readers.snapshot() as connection:
            yield connection

    def lease(
        self, purpose: str, *, holder: str = "", ttl_ms: int = 30_000, wait_ms: int = 0, cause: Cause | None = None
    ) -> Lease:
        """Become the writer; to be released, best as a context manager.

        Args:
            purpose: what for, as another writer will be told.
            holder: who we are; `host:pid` when empty.
            ttl_ms: how long it is held without being renewed, which a thread does.
            wait_ms: how long to wait for another holder to finish.
            cause: of the events that record it.

        Raises:
            LeaseHeld: somebody else holds it; says who, for what and since when.
        """
        _, leases = self._writing()
        lease = leases.take(purpose, holder=holder, ttl_ms=ttl_ms, wait_ms=wait_ms, cause=cause or _own_cause())
        self._tell()
        return lease

    def lease_holder(self) -> LeaseInfo | None:
        """Who holds the lease; None when nobody does."""
        return lease_holder(self._readers, self._clock())

    def break_lease(self, cause: Cause) -> LeaseInfo | None:
        """End whoever's lease it is, on a person's word; the one that was ended, None when there was none."""
        _, leases = self._writing()
        broken = leases.break_(cause)
        self._tell()
        return broken

    def rebuild(self, progress: Progress | None = None) -> int:
        """Make the projections anew from the log while others go on reading; how many events it was.

        Args:
            progress: told the number of events folded so far, and of all.
        """
        writer, _ = self._writing()
        count = rebuild(self._reader, writer, progress)
        self._current = True
        return count

    def _writing(self) -> tuple[Writer, Leases]:
        if self._writer is None or self._leases is None:
            raise LogUnusable("the event log was opened for reading", where=str(self.path))
        return self._writer, self._leases

    def _tell(self) -> None:
        """Wake those who follow the log in this process."""
        if self._followed:
            with self._appended:
                self._appended.notify_all()


def _own_cause() -> Cause:
    """Of what the store does by itself, for whoever runs it."""
    try:
        actor = os.environ.get("FLEET_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        actor = "fleet"
    return Cause(actor, "cli")
