"""Rows in SQL tables: what the folds write to inside an append's transaction, and what everybody else reads.

The writer keeps rows that it has read or written, and writes each changed one once, at the end. What it remembers holds
from one append to the next, until somebody else writes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Event
from reconciler.events.store.connection import Readers
from reconciler.events.store.decoding import COLUMNS, events_of
from reconciler.events.store.names import Names
from reconciler.events.store.reader import head_of
from reconciler.events.upcasters import EventTooNew
from reconciler.projections.definitions import PREFIX, table_definition, table_of
from reconciler.projections.fold import FOLD_VERSION, fold
from reconciler.projections.rows import Row, Rows

_MOST_REMEMBERED = 20_000
_MOST_REPLAYED = 500
_MOST_JOURNALED = 50_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class WritableRows:
    """Rows within the writer's transaction. Nothing reaches the tables before `flush`."""

    def __init__(self, connection: sqlite3.Connection, prefix: str = PREFIX) -> None:
        self._connection = connection
        self._prefix = prefix
        self._known: dict[str, dict[str, Row | None]] = {}
        self._changed: dict[str, set[str]] = {}
        self._complete: set[str] = set()
        self._tables: set[str] = set()
        self._statements: dict[str, tuple[str, str]] = {}
        self._journals: dict[str, list[str]] = {}
        self._age = 0
        self._count = 0

    def get(self, table: str, key: str) -> Row | None:
        known = self._known.get(table)
        if known is None:
            known = self._known[table] = {}
        elif key in known:
            return known[key]
        if table in self._complete or not self._exists(table):
            return None
        found = self._connection.execute(f"SELECT row FROM {self._prefix}{table} WHERE key = ?", (key,)).fetchone()
        row = known[key] = _decode(found[0]) if found is not None else None
        self._count += 1
        return row

    def put(self, table: str, key: str, row: Row) -> None:
        self._set(table, key, row)

    def delete(self, table: str, key: str) -> None:
        self._set(table, key, None)

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        known = self._known.setdefault(table, {})
        if table not in self._complete:
            if self._exists(table):
                for key, row in self._connection.execute(f"SELECT key, row FROM {self._prefix}{table}"):
                    if key not in known:
                        known[key] = _decode(row)
                        self._count += 1
            self._complete.add(table)
        for key in sorted(known):
            found = known[key]
            if found is not None:
                yield key, found

    def journal(self, table: str) -> tuple[int, list[str]]:
        """What has changed in a table, for who keeps something that is made from all of its rows.

        Returns:
            An age, and the keys of rows that changed since this was first asked at that age. At another age everything
            has to be looked at again.
        """
        if len(self._journals.get(table, ())) > _MOST_JOURNALED:
            self._grow_older()
        return self._age, self._journals.setdefault(table, [])

    def flush(self) -> None:
        """Write what has changed."""
        run = self._connection.execute
        for table, keys in self._changed.items():
            put, delete = self._statements.get(table) or self._prepare(table)
            known = self._known[table]
            rows = []
            for key in keys:
                row = known[key]
                if row is None:
                    run(delete, (key,))
                else:
                    rows.append((key, _encode(row).decode(), row.get("last_event_sequence", 0)))
            if len(rows) == 1:
                run(put, rows[0])
            elif rows:
                # In the order of their keys, which is that of the table's pages.
                rows.sort()
                self._connection.executemany(put, rows)
        self._changed.clear()
        if self._count > _MOST_REMEMBERED:
            self._forget_rows()

    def _prepare(self, table: str) -> tuple[str, str]:
        """The statements that write to a table, which is made if there is none."""
        name = f"{self._prefix}{table}"
        if not self._exists(table):
            self._connection.execute(table_definition(name))
            self._tables.add(table)
        put = f"INSERT OR REPLACE INTO {name} (key, row, last_event_sequence) VALUES (?, ?, ?)"
        self._statements[table] = put, f"DELETE FROM {name} WHERE key = ?"
        return self._statements[table]

    def forget(self) -> None:
        """Nothing that was remembered holds; what was not written is dropped."""
        self._forget_rows()
        self._changed.clear()
        self._tables.clear()
        self._statements.clear()

    def _grow_older(self) -> None:
        self._age += 1
        self._journals.clear()

    def _forget_rows(self) -> None:
        self._grow_older()
        self._known.clear()
        self._complete.clear()
        self._count = 0

    def replay(self, events: Sequence[Event]) -> bool:
        """Bring what is remembered to where somebody else's events have brought the tables, without reading them.

        Returns:
            Whether that was possible; if not, what is remembered holds no longer.
        """
        remembered = _Remembered(self._known, self._complete, self._journals)
        try:
            for event in events:
                fold(event, remembered)
        except _NotRemembered:
            return False
        return True

    def _set(self, table: str, key: str, row: Row | None) -> None:
        known = self._known.setdefault(table, {})
        if key not in known:
            self._count += 1
        known[key] = row
        changed = self._changed.get(table)
        if changed is None:
            changed = self._changed[table] = set()
        changed.add(key)
        journal = self._journals.get(table)
        if journal is not None:
            journal.append(key)

    def _exists(self, table: str) -> bool:
        if not self._tables:
            self._tables = existing_tables(self._connection, self._prefix)
        return table in self._tables


class _NotRemembered(Exception):
    """A fold looked at a row of which nothing is remembered; what the table holds is newer than the event."""


class _Remembered:
    """Rows in memory only, for events whose outcome the tables have already."""

    def __init__(
        self, known: dict[str, dict[str, Row | None]], complete: set[str], journals: dict[str, list[str]]
    ) -> None:
        self._known = known
        self._complete = complete
        self._journals = journals

    def get(self, table: str, key: str) -> Row | None:
        known = self._known.get(table, {})
        if key in known:
            return known[key]
        if table in self._complete:
            return None
        raise _NotRemembered

    def put(self, table: str, key: str, row: Row) -> None:
        self._set(table, key, row)

    def delete(self, table: str, key: str) -> None:
        self._set(table, key, None)

    def _set(self, table: str, key: str, row: Row | None) -> None:
        self._known.setdefault(table, {})[key] = row
        if table in self._journals:
            self._journals[table].append(key)

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        if table not in self._complete:
            raise _NotRemembered
        known = self._known.get(table, {})
        for key in sorted(known):
            row = known[key]
            if row is not None:
                yield key, row


class Projecting:
    """Keeps the projections' tables up to date with the log, inside the transaction of each append.

    Attributes:
        seconds: spent on folding so far.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.seconds = 0.0
        self._rows = WritableRows(connection)
        self._names = Names()
        self._checked = False

    def follow(self, events: Sequence[Event], connection: sqlite3.Connection) -> None:
        """Fold these events into the tables, and move the position along.

        Raises:
            LogUnusable: the tables do not belong to the log as it was before these events.
        """
        began = time.perf_counter()
        self._check(connection, events[0].sequence_number - 1)
        rows = self._rows
        for event in events:
            fold(event, rows)
        rows.flush()
        connection.execute("UPDATE projection_position SET sequence_number = ?", (events[-1].sequence_number,))
        self.seconds += time.perf_counter() - began

    def rows(self, connection: sqlite3.Connection) -> Rows:
        """The rows as they are, inside a transaction; what was read or written before is remembered.

        Raises:
            LogUnusable: the tables do not belong to the end of the log.
        """
        self._check(connection, None)
        return self._rows

    def _check(self, connection: sqlite3.Connection, sequence: int | None) -> None:
        if not self._checked:
            Position.of(connection).expect(head_of(connection) if sequence is None else sequence)
            self._checked = True

    def catch_up(self, connection: sqlite3.Connection, after: int, head: int) -> bool:
        """Follow in memory what somebody else has recorded after a sequence number; whether that was possible.

        The rows that a busy log's writers look at are the same ones again and again. To read them anew after each event
        of somebody else costs more than all the rest.
        """
        self._checked = False
        if not 0 < head - after <= _MOST_REPLAYED:
            return head == after
        found = connection.execute(
            f"SELECT {COLUMNS} FROM events WHERE sequence_number > ? ORDER BY sequence_number", (after,)
        ).fetchall()
        # Some of them may be in the archive already.
        return len(found) == head - after and self._rows.replay(events_of(found, self._names, connection))

    def forget(self) -> None:
        """The tables may have changed under us."""
        self._rows.forget()
        self._names = Names()
        self._checked = False


class Position(NamedTuple):
    """How far the tables have followed the log, and the version of the folds that filled them."""

    sequence: int
    fold_version: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Position:
        """The position of the tables that this connection sees."""
        row = connection.execute("SELECT sequence_number, fold_version FROM projection_position").fetchone()
        return cls(*row) if row is not None else cls(0, 0)

    def expect(self, sequence: int) -> None:
        """Refuse to go on from tables that are not up to this point of the log.

        Raises:
            EventTooNew: a newer Fleet's folds have filled them.
            LogUnusable: they are behind.
        """
        if self.fold_version > FOLD_VERSION:
            raise EventTooNew("the projections were made by a newer Fleet", hint="update Fleet to write to this log")
        if self != (sequence, FOLD_VERSION):
            raise LogUnusable("the projections are not up to date with the log", hint="fleet rebuild")


def existing_tables(connection: sqlite3.Connection, prefix: str = PREFIX) -> set[str]:
    """The projections that have a table."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ?", (f"{prefix}*",))
    return {name.removeprefix(prefix) for (name,) in names}


class _ReadOnly:
    """What follows from events is written by appending events."""

    def put(self, table: str, key: str, row: Row) -> None:
        raise TypeError("these rows are for reading; lay a MemoryRows over them")

    def delete(self, table: str, key: str) -> None:
        raise TypeError("these rows are for reading; lay a MemoryRows over them")


class SnapshotRows(_ReadOnly):
    """Rows as one connection sees them; consistent with each other inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, table: str, key: str) -> Row | None:
        found = _select(self._connection, f"SELECT row FROM {table_of(table)} WHERE key = ?", (key,))
        return _decode(found[0][0]) if found else None

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        found = _select(self._connection, f"SELECT key, row FROM {table_of(table)} ORDER BY key")
        return ((key, _decode(row)) for key, row in found)


class CurrentRows(_ReadOnly):
    """Rows as they are whenever one is asked for; each answer is of the newest commit."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def get(self, table: str, key: str) -> Row | None:
        with self._readers.reading() as connection:
            return SnapshotRows(connection).get(table, key)

    def scan(self, table: str) -> Iterator[tuple[str, Row]]:
        with self._readers.reading() as connection:
            return SnapshotRows(connection).scan(table)


def _select(connection: sqlite3.Connection, statement: str, values: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(statement, values).fetchall()
    except sqlite3.OperationalError as error:
        # A projection that never had a row may have no table yet.
        if str(error).startswith("no such table: projected_"):
            return []
        raise
