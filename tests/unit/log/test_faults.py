"""What SQLite's errors become on their way out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reconciler.errors import FleetError, LogUnusable, TimedOut
from reconciler.events.store.faults import translate, translated

PATH = Path("/data/squawk.db")


def sqlite_error(code: int, text: str = "as SQLite says it") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_BUSY, TimedOut, "kept the event log busy"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, TimedOut, "kept the event log busy"),
        (sqlite3.SQLITE_LOCKED, TimedOut, "kept the event log busy"),
        (sqlite3.SQLITE_CORRUPT, LogUnusable, "is damaged"),
        (sqlite3.SQLITE_CORRUPT_INDEX, LogUnusable, "is damaged"),
        (sqlite3.SQLITE_NOTADB, LogUnusable, "is not an event log"),
        (sqlite3.SQLITE_FULL, LogUnusable, "the disk is full: nothing was recorded"),
        (sqlite3.SQLITE_READONLY, LogUnusable, "cannot be written"),
        (sqlite3.SQLITE_READONLY_DBMOVED, LogUnusable, "cannot be written"),
        (sqlite3.SQLITE_PERM, LogUnusable, "may not be opened"),
        (sqlite3.SQLITE_CANTOPEN, LogUnusable, "cannot be opened"),
        (sqlite3.SQLITE_IOERR_FSYNC, LogUnusable, "the disk failed"),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, LogUnusable, "cannot be used: as SQLite says it"),
        (sqlite3.SQLITE_MISUSE, LogUnusable, "cannot be used: as SQLite says it"),
    ],
)
def test_every_kind_has_a_meaning_a_place_and_a_way_on(code: int, kind: type[FleetError], words: str) -> None:
    error = translate(sqlite_error(code), PATH)
    assert type(error) is kind
    assert words in error.what
    assert error.where == str(PATH)
    assert error.hint


def test_every_error_code_of_sqlite_is_translated() -> None:
    codes = [value for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(value, int)]
    assert len(codes) > 100
    for code in codes:
        assert isinstance(translate(sqlite_error(code), PATH), FleetError)


def test_an_error_without_a_code_is_translated_too() -> None:
    assert "Cannot operate on a closed database" in str(
        translate(sqlite3.ProgrammingError("Cannot operate on a closed database."), PATH)
    )


def test_a_block_lets_nothing_of_sqlite_out() -> None:
    with pytest.raises(LogUnusable) as caught, translated(PATH):
        raise sqlite_error(sqlite3.SQLITE_FULL)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    with pytest.raises(ZeroDivisionError), translated(PATH):
        raise ZeroDivisionError
