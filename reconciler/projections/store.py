"""The store: the event log together with the rows that follow from it, kept up to date in one transaction."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from uuid import UUID

from reconciler import __version__
from reconciler.errors import Conflict, LeaseHeld, LeaseLost, LogUnusable, NotFound
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.registry import validate
from reconciler.events.store.lease import Lease, LeaseInfo
from reconciler.events.store.query import EventQuery
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, project
from reconciler.projections.rows import MemoryRows, Row, Rows
from reconciler.spec.desired import DatabaseSettings

__all__ = ["EventQuery", "Lease", "LeaseInfo", "Store", "open_store"]

_DEFAULTS = DatabaseSettings()
_EVERYTHING = EventQuery()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    sequence_number INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE, event_type TEXT, stream_type TEXT, stream_id TEXT,
    version INTEGER, data TEXT, causation_id BLOB, correlation_id BLOB, metadata TEXT, occurred_at INTEGER,
    recorded_at INTEGER, schema_version INTEGER, hash BLOB, UNIQUE (stream_type, stream_id, version)
);
CREATE TABLE IF NOT EXISTS projections (name TEXT, key TEXT, row TEXT, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY, token INTEGER, holder TEXT, purpose TEXT, acquired INTEGER, renewed INTEGER, expires INTEGER
);
"""


def open_store(
    path: Path, *, mode: Literal["read", "write"] = "write", settings: DatabaseSettings = _DEFAULTS
) -> Store:
    """Open a project's log.

    Raises:
        NotFound: reading, and there is no log yet.
        LogUnusable: the file is not a log that this release can use.
    """
    if mode == "read" and not path.exists():
        raise NotFound("nothing has been applied yet", where=str(path), hint="fleet apply")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode=WAL")
        if mode == "write":
            connection.executescript(_SCHEMA)
            path.chmod(0o600)
    except sqlite3.Error as error:
        raise LogUnusable(str(error), where=str(path)) from error
    return Store(path, connection, read_only=mode == "read")


class _SqlRows:
    def __init__(self, connection: sqlite3.Connection, lock: threading.RLock) -> None:
        self._connection, self._lock = connection, lock

    def get(self, table: str, key: str) -> Row | None:
        with self._lock:
            found = self._connection.execute("SELECT row FROM projections WHERE name=? AND key=?", (table, key))
            row = found.fetchone()
        return json.loads(row[0]) if row else None

    def put(self, table: str, key: str, row: Row) -> None:
        self._connection.execute("INSERT OR REPLACE INTO projections VALUES (?,?,?)", (table, key, json.dumps(row)))

    def delete(self, table: str, key: str) -> None:
        self._connection.execute("DELETE FROM projections WHERE name=? AND key=?", (table, key))

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT key, row FROM projections WHERE name=? ORDER BY key", (table,)
            ).fetchall()
        for key, row in rows:
            yield key, json.loads(row)


class Store:
    """An open log with its projections. Safe to use from several threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, read_only: bool) -> None:
        self.path, self.read_only = path, read_only
        self._connection = connection
        self._lock = threading.RLock()
        self._rows = _SqlRows(connection, self._lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A closed store cannot be used again."""
        self._connection.close()

    def head(self) -> int:
        """The newest sequence number; 0 when the log is empty."""
        return int(self._one("SELECT coalesce(max(sequence_number), 0) FROM events")[0])

    def rows(self) -> Rows:
        """The projections as they are."""
        return self._rows

    def rows_at(self, sequence: int) -> Rows:
        """The projections as they were when the log ended at this sequence number."""
        rows = MemoryRows()
        for event in self.events(EventQuery(before=sequence + 1)):
            fold(event, rows)
        return rows

    def projected(self, at: int | None = None) -> Projected:
        """The projections as typed values, now or as they were."""
        if at is None:
            return project(self.rows(), sequence=self.head())
        return project(self.rows_at(at), sequence=at)

    def event(self, event_id: UUID) -> Event | None:
        """The event of this id, or None."""
        return next(self._events("event_id=?", (event_id.bytes,)), None)

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        """The events of one stream with a version above `after`, oldest first."""
        return self._events("stream_type=? AND stream_id=? AND version>?", (stream_type, stream_id, after))

    def stream_version(self, stream_type: str, stream_id: str) -> int:
        """The version of a stream's newest event; 0 when there is none."""
        query = "SELECT coalesce(max(version), 0) FROM events WHERE stream_type=? AND stream_id=?"
        return int(self._one(query, (stream_type, stream_id))[0])

    def events(self, query: EventQuery = _EVERYTHING) -> Iterator[Event]:
        """The events that a query selects."""
        where, values = ["sequence_number>?"], [query.after]
        chosen: list[tuple[str, Any]] = [
            ("sequence_number<?", query.before),
            ("stream_type=?", query.stream_type or None),
            ("stream_id=?", query.stream_id or None),
            ("recorded_at>=?", query.since_ms),
            ("recorded_at<=?", query.until_ms),
            ("correlation_id=?", query.correlation_id.bytes if query.correlation_id else None),
            ("causation_id=?", query.causation_id.bytes if query.causation_id else None),
            ("instr(lower(data), lower(?))", query.text or None),
        ]
        for clause, value in chosen:
            if value is not None:
                where.append(clause)
                values.append(value)
        if query.types:
            where.append(f"event_type IN ({','.join('?' * len(query.types))})")
            values += query.types  # type: ignore[arg-type]
        order = "DESC" if query.newest_first else "ASC"
        return self._events(" AND ".join(where), tuple(values), order, -1 if query.limit is None else query.limit)

    def sequence_at(self, moment: Moment) -> int:
        """The sequence number that the log ended with at this moment."""
        if moment.sequence is not None:
            return moment.sequence
        query = "SELECT coalesce(max(sequence_number), 0) FROM events WHERE recorded_at<=?"
        return int(self._one(query, (moment.time_ms,))[0])

    def append(
        self,
        events: Sequence[NewEvent],
        cause: Cause,
        *,
        expected_version: int | None = None,
        lease: Lease | None = None,
    ) -> list[Event]:
        """Record events in one transaction: validated, chained, and folded into the projections.

        Args:
            expected_version: of the first event's stream before this append.
            lease: refused unless it still holds.

        Raises:
            Conflict: the stream has another version, or an id is known with another body.
            LeaseLost: somebody else has the lease.
            EventInvalid: an event's data does not fit its model.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if lease is not None:
                    holder = self.lease_holder()
                    if holder is None or holder.token != lease.token:
                        raise LeaseLost("the lease was lost while we worked", hint="fleet apply")
                first = events[0] if events else None
                if first is not None and expected_version is not None and self.event(first.event_id) is None:
                    version = self.stream_version(first.stream_type, first.stream_id)
                    if version != expected_version:
                        raise Conflict(
                            f"{first.stream_type}/{first.stream_id} is at version {version}, not {expected_version}"
                        )
                recorded = [self._append_one(new, cause) for new in events]
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            return recorded

    def _append_one(self, new: NewEvent, cause: Cause) -> Event:
        schema_version, data = validate(new.event_type, new.data)
        known = self.event(new.event_id)
        if known is not None:
            if (known.event_type, known.stream_id, known.data) != (new.event_type, new.stream_id, data):
                raise Conflict(f"event {new.event_id} is known with another body")
            return known
        now = time.time_ns() // 1_000_000
        metadata = {
            "actor": cause.actor,
            "source": cause.source,
            "commit": cause.commit,
            "host": os.uname().nodename,
            "software_version": __version__,
            "user_agent": cause.user_agent,
        }
        last = self._connection.execute("SELECT hash FROM events ORDER BY sequence_number DESC LIMIT 1").fetchone()
        text = json.dumps(data)
        event = Event(
            self.head() + 1,
            new.event_id,
            new.event_type,
            new.stream_type,
            new.stream_id,
            self.stream_version(new.stream_type, new.stream_id) + 1,
            data,
            new.causation_id or cause.causation_id,
            cause.correlation_id,
            {name: value for name, value in metadata.items() if value},
            now if new.occurred_at is None else new.occurred_at,
            now,
            schema_version,
            sha256((last[0] if last else b"") + new.event_id.bytes + text.encode()).digest(),
        )
        self._connection.execute(
            f"INSERT INTO events VALUES ({','.join('?' * 14)})",
            (
                event.sequence_number,
                event.event_id.bytes,
                event.event_type,
                event.stream_type,
                event.stream_id,
                event.version,
                text,
                event.causation_id.bytes if event.causation_id else None,
                event.correlation_id.bytes,
                json.dumps(event.metadata),
                event.occurred_at,
                event.recorded_at,
                event.schema_version,
                event.hash,
            ),
        )
        fold(event, self._rows)
        return event

    def lease(self, purpose: str, *, holder: str = "", ttl_ms: int = 30_000, wait_ms: int = 0) -> Lease:
        """Become the writer.

        Raises:
            LeaseHeld: somebody else is; says who, for what and since when.
        """
        now = time.time_ns() // 1_000_000
        who = holder or f"{os.uname().nodename}:{os.getpid()}"
        with self._lock:
            current = self.lease_holder()
            if current is not None:
                raise LeaseHeld(f"{current.holder} holds the lease for {current.purpose}", hint="wait, or try again")
            token = int(self._one("SELECT coalesce(max(token), 0) + 1 FROM lease")[0])
            self._connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (1,?,?,?,?,?,?)", (token, who, purpose, now, now, now + ttl_ms)
            )
        return Lease(LeaseInfo(token, who, purpose, now, now, now + ttl_ms), self._renew, self._release)

    def lease_holder(self) -> LeaseInfo | None:
        """Who is the writer now; None when nobody is."""
        now = time.time_ns() // 1_000_000
        query = "SELECT token, holder, purpose, acquired, renewed, expires FROM lease WHERE expires>?"
        row = self._one(query, (now,))
        return LeaseInfo(*row) if row else None

    def break_lease(self, cause: Cause) -> LeaseInfo | None:
        """End somebody else's lease; the one that was ended."""
        with self._lock:
            current = self.lease_holder()
            if current is not None:
                self._release(current.token)
            return current

    def _renew(self, token: int) -> None:
        with self._lock:
            expires = time.time_ns() // 1_000_000 + 30_000
            self._connection.execute("UPDATE lease SET expires=? WHERE token=?", (expires, token))

    def _release(self, token: int) -> None:
        with self._lock:
            self._connection.execute("UPDATE lease SET expires=0 WHERE token=?", (token,))

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        with self._lock:
            return self._connection.execute(query, values).fetchone()

    def _events(self, where: str, values: tuple[Any, ...], order: str = "ASC", limit: int = -1) -> Iterator[Event]:
        with self._lock:
            rows = self._connection.execute(
                f"SELECT * FROM events WHERE {where} ORDER BY sequence_number {order} LIMIT ?", (*values, limit)
            ).fetchall()
        for row in rows:
            yield _event(row)


def _event(row: Any) -> Event:
    return Event(
        row[0],
        UUID(bytes=row[1]),
        row[2],
        row[3],
        row[4],
        row[5],
        json.loads(row[6]),
        UUID(bytes=row[7]) if row[7] else None,
        UUID(bytes=row[8]),
        json.loads(row[9]),
        row[10],
        row[11],
        row[12],
        row[13],
    )
