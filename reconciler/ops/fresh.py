"""A fresh fold of the log beside the projections, and the comparison of the two.

The fresh rows go to a database of their own that is deleted afterwards, so that memory stays flat however much follows from
the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple

import msgspec

from reconciler.events.archive.record import Record
from reconciler.events.store.archive import event_of
from reconciler.events.store.names import TypeName
from reconciler.ops.faults import Fault
from reconciler.projections.definitions import table_of
from reconciler.projections.fold import fold
from reconciler.projections.tables import WritableRows, existing_tables

_FLUSH_EVERY = 5_000
_MOST_TOLD = 20

_Found = tuple[str, str | None, str | None, int]


class FreshFold:
    """Rows that follow from the events given so far; a context manager that leaves nothing behind.

    Attributes:
        stopped: why no more events are folded, and at which; None while all is well.
    """

    def __init__(self) -> None:
        self.stopped: Fault | None = None
        self._folder = TemporaryDirectory(prefix="fleet-fold-")
        self._path = Path(self._folder.name) / "rows.db"
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._rows = WritableRows(self._connection)
        self._since_flush = 0

    def __enter__(self) -> FreshFold:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        self._folder.cleanup()

    def follow(self, record: Record) -> None:
        """Fold one more event."""
        if self.stopped is not None:
            return
        if not TypeName.of(record.event_type, record.schema_version).known:
            what = f"{record.event_type} version {record.schema_version} was written by a newer Fleet"
            self.stopped = Fault("projection", f"{what}: what follows from it is not known", record.sequence_number)
            return
        try:
            fold(event_of(record), self._rows)
        except Exception as error:
            # Whatever a changed event makes a fold stumble over: the event is the fault, not the fold.
            what = f"nothing can follow from event {record.sequence_number}: {type(error).__name__} {error}"
            self.stopped = Fault("projection", what, record.sequence_number)
            return
        self._since_flush += 1
        if self._since_flush >= _FLUSH_EVERY:
            self._flush()

    def differences(self, connection: sqlite3.Connection) -> Iterator[Fault]:
        """What of the projections that a connection sees is not what follows from the events."""
        self._flush()
        told = 0
        for projection in sorted(existing_tables(connection) | existing_tables(self._connection)):
            for key, expected, found, sequence in _compared(self._connection, connection, projection):
                told += 1
                if told <= _MOST_TOLD:
                    yield Fault("projection", _sentence(projection, key, expected, found), sequence)
        if told > _MOST_TOLD:
            yield Fault("projection", f"{told - _MOST_TOLD} more rows are not what follows from the log")

    def _flush(self) -> None:
        self._connection.execute("BEGIN")
        self._rows.flush()
        self._connection.execute("COMMIT")
        self._since_flush = 0


class _Line(NamedTuple):
    key: str
    row: str
    sequence: int


def _compared(fresh: sqlite3.Connection, live: sqlite3.Connection, projection: str) -> Iterator[_Found]:
    """Rows that differ: their key, the row that follows from the log, the one that is there, the event it follows from."""
    expected, found = _lines(fresh, projection), _lines(live, projection)
    left, right = next(expected, None), next(found, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            assert left is not None
            yield left.key, left.row, None, left.sequence
            left = next(expected, None)
        elif left is None or right.key < left.key:
            yield right.key, None, right.row, right.sequence
            right = next(found, None)
        else:
            if left != right and (left.sequence != right.sequence or _decoded(left.row) != _decoded(right.row)):
                yield left.key, left.row, right.row, left.sequence
            left, right = next(expected, None), next(found, None)


def _lines(connection: sqlite3.Connection, projection: str) -> Iterator[_Line]:
    if projection not in existing_tables(connection):
        return iter(())
    rows = connection.execute(f"SELECT key, row, last_event_sequence FROM {table_of(projection)} ORDER BY key")
    return (_Line(str(key), row, sequence) for key, row, sequence in rows)


def _decoded(row: Any) -> Any:
    with suppress(msgspec.DecodeError, TypeError):
        return msgspec.json.decode(row)
    return row


def _sentence(projection: str, key: str, expected: str | None, found: str | None) -> str:
    name = f"{projection} {key!r}"
    if found is None:
        return f"{name} follows from the log and is not there"
    if expected is None:
        return f"{name} is there and does not follow from the log"
    fields = _differing(_decoded(expected), _decoded(found))
    return f"{name} is not what follows from the log" + (f": {', '.join(fields)}" if fields else "")


def _differing(expected: Any, found: Any) -> list[str]:
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return []
    return [name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
