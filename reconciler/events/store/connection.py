"""Connections to the log's file: how each is set up, and a pool of those that read.

A reader never changes the file. Where no write-ahead log lies beside the file, SQLite would leave an empty one behind a
connection that is opened for reading only; one that could write, but is told not to, cleans up after itself. Where there
is one, from a live writer or a crashed one, only the former is safe from folding it into the file at the end.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reconciler.events.store.faults import translate
from reconciler.events.store.files import beside
from reconciler.events.store.medium import refuse_without_shared_memory

_WAL = "PRAGMA journal_mode = WAL"
PAGE = 4096
LIMIT = 4
"""The write-ahead log's file is cut to so many times the pages at which it is emptied, when a long reading had kept it."""


@dataclass(frozen=True, slots=True)
class Pragmas:
    """How SQLite is told to work. `normal` may lose the last commits at a power cut, never a part of one."""

    durability: Literal["full", "normal"] = "full"
    busy_timeout_ms: int = 5_000
    cache_size_mb: int = 64
    wal_autocheckpoint: int = 1_000


def connect(path: Path, pragmas: Pragmas, *, access: Literal["write", "read"]) -> sqlite3.Connection:
    """A connection to a file that is there; it may be used from any thread, by one at a time.

    Raises:
        sqlite3.Error: for the caller to translate.
        LogUnusable: to write, on a file system where no write-ahead log can be.
    """
    if access == "write":
        return _open(
            path,
            "rw",
            pragmas,
            _WAL,
            f"PRAGMA synchronous = {pragmas.durability}",
            f"PRAGMA wal_autocheckpoint = {pragmas.wal_autocheckpoint:d}",
            f"PRAGMA journal_size_limit = {LIMIT * PAGE * pragmas.wal_autocheckpoint:d}",
            "PRAGMA foreign_keys = ON",
        )
    if beside(path, "-wal").exists():
        return _open(path, "ro", pragmas)
    try:
        return _open(path, "rw", pragmas, "PRAGMA query_only = ON", "SELECT 1 FROM sqlite_schema")
    except sqlite3.OperationalError:
        # On a medium that takes no writes at all nobody else writes either.
        return _open(path, "ro&immutable=1", pragmas)


def _open(path: Path, mode: str, pragmas: Pragmas, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=pragmas.busy_timeout_ms / 1000,
        cached_statements=256,
    )
    try:
        connection.execute(f"PRAGMA cache_size = {-1024 * pragmas.cache_size_mb:d}")
        for statement in statements:
            answer = connection.execute(statement).fetchone()
            if statement is _WAL:
                refuse_without_shared_memory(answer[0], path)
    except BaseException:
        connection.close()
        raise
    return connection


class Readers:
    """Connections for reading, as many as are in use at the same time; each use sees the newest commit."""

    def __init__(self, path: Path, pragmas: Pragmas) -> None:
        self.path = path
        self._pragmas = pragmas
        self._lock = threading.Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement.

        Raises:
            LogUnusable: the file cannot be read.
        """
        connection = None
        try:
            connection = self._take()
            yield connection
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        finally:
            if connection is not None:
                self._give_back(connection)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the log for as long as the block lasts.

        Raises:
            LogUnusable: the file cannot be read.
        """
        with self.reading() as connection:
            connection.execute("BEGIN")
            # Only the first look at the file fixes which state it is.
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("it was closed")
            if self._free:
                return self._free.pop()
        return connect(self.path, self._pragmas, access="read")

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._free.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close every connection; one in use closes when its use ends."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()
