"""The one connection that writes: its transactions, and how events are recorded in them.

A transaction takes the database's write lock before it reads anything: one that reads first fails as soon as somebody else
has written in between. What the writer knows from its last transaction (the end of the chain, versions, numbers) holds
until another connection has written, which SQLite tells for the price of one small statement.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from reconciler import __version__
from reconciler.events.envelope import Cause, Event
from reconciler.events.store.chain import START, seal
from reconciler.events.store.faults import translate
from reconciler.events.store.names import Origin, newer_types
from reconciler.events.store.numbers import Numbers
from reconciler.events.store.prepared import Prepared
from reconciler.events.upcasters import EventTooNew

_INSERT = (
    "INSERT INTO events (sequence_number, event_type, stream, version, cause, recorded_at, occurred_at, event_id,"
    " causation_id, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST_EVENT = "SELECT sequence_number, hash FROM events ORDER BY sequence_number DESC LIMIT 1"
_LAST_ARCHIVED = "SELECT to_sequence, last_hash FROM archive ORDER BY to_sequence DESC LIMIT 1"


def now_ms() -> int:
    """The clock, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Following(Protocol):
    """What has to change together with the log."""

    def follow(self, events: Sequence[Event], connection: sqlite3.Connection) -> None:
        """Called inside the transaction that recorded these events."""

    def forget(self) -> None:
        """Somebody else wrote, or a transaction was rolled back: nothing that was remembered holds any longer."""


class Writer:
    """Transactions on the log, from any thread, one at a time.

    Attributes:
        clock: gives Unix ms.
        newest_archived_id: greatest event id that the archive holds; empty when there is no archive.
        numbers: what stands for types, streams and causes; only meaningful inside a transaction.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, following: Following, clock: Callable[[], int] = now_ms
    ) -> None:
        self.path = path
        self.clock = clock
        self.numbers = Numbers(connection)
        self.newest_archived_id = b""
        self._connection = connection
        self._following = following
        self._lock = threading.Lock()
        self._seen_version = -1
        self._last_sequence, self._last_hash = 0, START
        self._host = os.uname().nodename

    def close(self) -> None:
        """Close the connection, after the transaction that is under way."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nobody else writes meanwhile.

        Raises:
            TimedOut: another process did not let go of the file in time.
            EventTooNew: there are events that only a newer Fleet understands.
            LogUnusable: SQLite could not write.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._catch_up()
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise translate(error, self.path) from error
                raise

    def forget(self) -> None:
        """What is remembered may no longer hold: something else than events was written; inside a transaction only."""
        self._forget()

    def record(self, prepared: Sequence[Prepared], cause: Cause) -> list[Event]:
        """Chain and insert events, and let what follows follow; inside a transaction only."""
        if not prepared:
            return []
        now = self.clock()
        origin = Origin.of(cause, self._host, __version__)
        cause_number = self.numbers.cause(cause.correlation_id, origin, self._last_sequence + 1)
        metadata = origin.metadata()
        sequence, previous = self._last_sequence, self._last_hash
        rows: list[tuple[Any, ...]] = []
        events: list[Event] = []
        for new, data, text in prepared:
            kind = self.numbers.type(new.event_type)
            stream = self.numbers.stream(new.stream_type, new.stream_id)
            sequence += 1
            stream.version = version = stream.version + 1
            occurred = now if new.occurred_at is None else new.occurred_at
            causation = new.causation_id if new.causation_id is not None else cause.causation_id
            caused_by = causation.bytes if causation is not None else None
            event_id = new.event_id.bytes
            previous = seal(
                previous,
                (sequence, version, now, occurred),
                event_id,
                caused_by,
                cause_number.sealed,
                kind.sealed,
                stream.sealed,
                text,
            )
            rows.append(
                (
                    sequence,
                    kind.number,
                    stream.number,
                    version,
                    cause_number.number,
                    now,
                    None if occurred == now else occurred,
                    event_id,
                    caused_by,
                    text.decode(),
                    previous,
                )
            )
            events.append(
                Event(
                    sequence,
                    new.event_id,
                    new.event_type,
                    new.stream_type,
                    new.stream_id,
                    version,
                    data,
                    causation,
                    cause.correlation_id,
                    metadata.copy(),
                    occurred,
                    now,
                    kind.schema_version,
                    previous,
                )
            )
        self._connection.executemany(_INSERT, rows)
        self._last_sequence, self._last_hash = sequence, previous
        self._following.follow(events, self._connection)
        return events

    def _catch_up(self) -> None:
        """See whether another connection has written since our last transaction, and learn anew if so."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._seen_version:
            self.numbers.trim()
            return
        self._forget()
        last = self._connection.execute(_LAST_EVENT).fetchone() or self._connection.execute(_LAST_ARCHIVED).fetchone()
        self._last_sequence, self._last_hash = last or (0, START)
        self._refuse_newer()
        self.newest_archived_id = self._connection.execute("SELECT max(newest_id) FROM archive").fetchone()[0] or b""
        self._seen_version = version

    def _refuse_newer(self) -> None:
        """Nobody may go on from events that they do not understand."""
        newer = newer_types(self._connection)
        if newer:
            raise EventTooNew(
                f"a newer Fleet has written to this log: {', '.join(newer)}",
                where=str(self.path),
                hint="update Fleet to write to it; reading goes on",
            )

    def _forget(self) -> None:
        self._seen_version = -1
        self.numbers.forget()
        self._following.forget()

    def _roll_back(self) -> None:
        self._forget()
        # A transaction that cannot even be rolled back ends with the connection; the first error is the one to tell.
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
