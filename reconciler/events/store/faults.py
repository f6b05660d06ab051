"""What SQLite's errors mean for a person. Every one leaves the store through here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import FleetError, LogUnusable, TimedOut

_CHECK = "fleet verify names the first bad event; fleet restore puts a backup back"

_MEANINGS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_CORRUPT: ("the event log is damaged", _CHECK),
    sqlite3.SQLITE_NOTADB: ("the file is not an event log", "fleet restore puts a backup in its place"),
    sqlite3.SQLITE_FULL: ("the disk is full: nothing was recorded", "free some space and try again"),
    sqlite3.SQLITE_READONLY: ("the event log cannot be written", "check who owns the file and its folder"),
    sqlite3.SQLITE_PERM: ("the event log may not be opened", "check who owns the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("the event log cannot be opened", "check who owns the file and its folder"),
    sqlite3.SQLITE_IOERR: ("the disk failed while the event log was used", "check the disk and its free space"),
}


def translate(error: sqlite3.Error, path: Path) -> FleetError:
    """The error to raise in place of SQLite's."""
    # The low byte is the kind of error; what is above tells kinds of that kind apart.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TimedOut(
            "another process kept the event log busy for too long",
            where=str(path),
            hint="try again; database.busy_timeout_ms in fleet.yaml says how long to wait",
        )
    if code in _MEANINGS:
        what, hint = _MEANINGS[code]
        return LogUnusable(f"{what} ({error})", where=str(path), hint=hint)
    return LogUnusable(f"the event log cannot be used: {error}", where=str(path), hint=_CHECK)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of SQLite out of this block untranslated."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
