"""The one connection that writes: its transactions, and how events are recorded in them.

A transaction takes the database's write lock before it reads anything: one that reads first fails as soon as somebody else
has written in between. What the writer knows from its last transaction (the end of the chain, versions, numbers) holds
until another connection has written, which SQLite tells for the price of one small statement.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from uuid import UUID

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
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.000_5, 0.005
_HASH = "SELECT hash FROM events WHERE sequence_number = ?"
_LAST_ARCHIVED = "SELECT to_sequence, last_hash FROM archive ORDER BY to_sequence DESC LIMIT 1"


def now_ms() -> int:
    """The clock, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Following(Protocol):
    """What has to change together with the log."""

    def follow(self, events: Sequence[Event], connection: sqlite3.Connection) -> None:
        """Called inside the transaction that recorded these events."""

    def catch_up(self, connection: sqlite3.Connection, after: int, head: int) -> bool:
        """Somebody else recorded the events after a sequence number; whether what is remembered could follow them."""

    def forget(self) -> None:
        """Something else was written, or a transaction was rolled back: nothing that was remembered holds any longer."""


# What all events of one append share: the number of its cause, that as sealed, correlation, causation, metadata, the time.
_Context = tuple[int, bytes, UUID, UUID | None, dict[str, str], int]


class _Transaction(AbstractContextManager[sqlite3.Connection]):
    """One transaction of a writer, from `with` to its end."""

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __enter__(self) -> sqlite3.Connection:
        return self._writer.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.end(error)


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
        self._patience_ms = int(connection.execute("PRAGMA busy_timeout").fetchone()[0])
        self._lock = threading.Lock()
        self._owner = 0
        self._seen_version = -1
        self._last_sequence, self._last_hash = 0, START
        self._host = os.uname().nodename
        self._who: tuple[str, ...] = ()
        self._origin = Origin("", "", "", "", "", "")
        self._metadata: dict[str, str] = {}

    def close(self) -> None:
        """Close the connection, after the transaction that is under way."""
        with self._lock:
            self._connection.close()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All or nothing; nobody else writes meanwhile.

        Raises:
            TimedOut: another process did not let go of the file in time.
            EventTooNew: there are events that only a newer Fleet understands.
            LogUnusable: SQLite could not write.
        """
        return _Transaction(self)

    def begin(self) -> sqlite3.Connection:
        """Wait for our turn and open a transaction.

        Raises:
            RuntimeError: this thread is in a transaction already, and would wait for itself for ever.
        """
        if self._owner == threading.get_ident():
            raise RuntimeError("an append inside a transaction: use the transaction's own append")
        self._lock.acquire()
        self._owner = threading.get_ident()
        try:
            self._take_turn()
            self._catch_up()
        except BaseException as error:
            self.end(error)
            raise
        return self._connection

    def _take_turn(self) -> None:
        """Begin, as soon as nobody else writes.

        SQLite waits by sleeping for longer and longer, up to a tenth of a second, while those who come later take turn
        after turn. Where many processes write often, that starves some of them until they give up.
        """
        run = self._connection.execute
        run("PRAGMA busy_timeout = 0")
        try:
            until, pause = 0.0, _SHORTEST_PAUSE_S
            while True:
                try:
                    run("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as busy:
                    now = time.monotonic()
                    until = until or now + self._patience_ms / 1000
                    if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now >= until:
                        raise
                    time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - it need not be unforeseeable
                    pause = min(pause * 1.5, _LONGEST_PAUSE_S)
                else:
                    return
        finally:
            run(f"PRAGMA busy_timeout = {self._patience_ms:d}")

    def end(self, error: BaseException | None) -> None:
        """Commit, or roll back where there was an error, and let the next one have a turn."""
        try:
            if error is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as refused:
            error = refused
            raise translate(refused, self.path) from refused
        finally:
            if error is not None:
                self._roll_back()
            self._owner = 0
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise translate(error, self.path) from error

    def record(self, prepared: Sequence[Prepared], cause: Cause) -> list[Event]:
        """Chain and insert events, and let what follows follow; inside a transaction only."""
        if not prepared:
            return []
        context = self._context(cause)
        rows: list[tuple[Any, ...]] = []
        events = [self._next(one, context, rows) for one in prepared]
        if len(rows) == 1:
            self._connection.execute(_INSERT, rows[0])
        else:
            self._connection.executemany(_INSERT, rows)
        self._following.follow(events, self._connection)
        return events

    def _context(self, cause: Cause) -> _Context:
        """What all events of one append share."""
        who = (cause.actor, cause.source, cause.commit, cause.user_agent)
        if who != self._who:
            self._who = who
            self._origin = Origin.of(cause, self._host, __version__)
            self._metadata = self._origin.metadata()
        number = self.numbers.cause(cause.correlation_id, self._origin, self._last_sequence + 1)
        return number.number, number.sealed, cause.correlation_id, cause.causation_id, self._metadata, self.clock()

    def _next(self, prepared: Prepared, context: _Context, rows: list[tuple[Any, ...]]) -> Event:
        """The event that comes next in the chain; its row is added to `rows`."""
        new, text = prepared.new, prepared.text
        cause, provenance, correlation_id, causation_id, metadata, now = context
        kind = self.numbers.type(new.event_type)
        stream = self.numbers.stream(new.stream_type, new.stream_id)
        stream.version = version = stream.version + 1
        self._last_sequence = sequence = self._last_sequence + 1
        delayed = new.occurred_at
        occurred = now if delayed is None else delayed
        if new.causation_id is not None:
            causation_id = new.causation_id
        caused = None if causation_id is None else causation_id.int.to_bytes(16, "big")
        event_id = new.event_id.int.to_bytes(16, "big")
        numbers = (sequence, version, now, occurred)
        sealed = seal(self._last_hash, numbers, event_id, caused, provenance, kind.sealed, stream.sealed, text)
        self._last_hash = sealed
        words = (event_id, caused, text.decode(), sealed)
        rows.append((sequence, kind.number, stream.number, version, cause, now, delayed, *words))
        return Event(
            sequence,
            new.event_id,
            new.event_type,
            new.stream_type,
            new.stream_id,
            version,
            prepared.data,
            causation_id,
            correlation_id,
            metadata.copy(),
            occurred,
            now,
            kind.schema_version,
            sealed,
        )

    def _catch_up(self) -> None:
        """See whether another connection has written since our last transaction, and learn anew if so."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._seen_version:
            self.numbers.trim()
            return
        last = self._connection.execute(_LAST_EVENT).fetchone() or self._connection.execute(_LAST_ARCHIVED).fetchone()
        if self._seen_version >= 0 and self._is_continued(last) and self._followed(last[0]):
            self.numbers.forget()
        else:
            self.forget()
        self._last_sequence, self._last_hash = last or (0, START)
        self._refuse_newer()
        self.newest_archived_id = self._connection.execute("SELECT max(newest_id) FROM archive").fetchone()[0] or b""
        self._seen_version = version

    def _is_continued(self, last: tuple[int, bytes] | None) -> bool:
        """Whether the log still holds the event that was its last when we looked: it was not put back to an older one."""
        if last is None or last[0] < self._last_sequence:
            return False
        known = self._connection.execute(_HASH, (self._last_sequence,)).fetchone()
        return known is not None and known[0] == self._last_hash

    def _followed(self, head: int) -> bool:
        return self._following.catch_up(self._connection, self._last_sequence, head)

    def _refuse_newer(self) -> None:
        """Nobody may go on from events that they do not understand."""
        newer = newer_types(self._connection)
        if newer:
            raise EventTooNew(
                f"a newer Fleet has written to this log: {', '.join(newer)}",
                where=str(self.path),
                hint="update Fleet to write to it; reading goes on",
            )

    def forget(self) -> None:
        """What is remembered may no longer hold: something else than events was written, or nothing in the end."""
        self._seen_version = -1
        self.numbers.forget()
        self._following.forget()

    def _roll_back(self) -> None:
        self.forget()
        # A transaction that cannot even be rolled back ends with the connection; the first error is the one to tell.
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
