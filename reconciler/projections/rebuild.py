"""Making the projections anew from the log.

New tables are filled beside the old ones, a portion of events a transaction, so that nobody has to wait; readers see the old
tables until, in the last transaction, the new ones have caught up with the log and take their place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice

from reconciler.events.envelope import Event
from reconciler.events.store.files import folder_lock
from reconciler.events.store.query import EventQuery
from reconciler.events.store.reader import Reader
from reconciler.events.store.writer import Writer
from reconciler.projections.definitions import PREFIX, VIEWS, table_definition, table_of
from reconciler.projections.fold import FOLD_VERSION, fold
from reconciler.projections.tables import WritableRows, existing_tables

_PORTION = 20_000
_NEW = "rebuilding_"

Progress = Callable[[int, int], None]


def rebuild(reader: Reader, writer: Writer, progress: Progress | None = None) -> int:
    """Fold the whole log into new tables and put them in place of the old; how many events it was.

    Args:
        progress: told the number of events folded so far, and of all.

    Raises:
        EventTooNew: the log holds events that this release cannot fold.
    """
    # Two that filled the same new tables would spoil each other's.
    with folder_lock(writer.path.parent):
        with writer.transaction() as connection:
            _drop(connection, _NEW)
            rows = WritableRows(connection, _NEW)
        done = 0
        events = reader.events(EventQuery())
        while portion := list(islice(events, _PORTION)):
            with writer.transaction():
                done = _fold(portion, rows)
            if progress is not None:
                progress(done, max(done, reader.head()))
        with writer.transaction() as connection:
            # Nobody can append now: what came meanwhile is the last there is.
            last = _fold(reader.events(EventQuery(after=done)), rows)
            _swap(connection, last or done)
            writer.forget()
    if progress is not None and last:
        progress(last, last)
    return last or done


def _fold(events: Iterator[Event] | list[Event], rows: WritableRows) -> int:
    last = 0
    for event in events:
        fold(event, rows)
        last = event.sequence_number
    rows.flush()
    return last


def _drop(connection: sqlite3.Connection, prefix: str) -> None:
    for name in existing_tables(connection, prefix):
        connection.execute(f"DROP TABLE {prefix}{name}")


def _swap(connection: sqlite3.Connection, sequence: int) -> None:
    """Give the new tables the names of the old ones; the views keep meaning the names."""
    made = existing_tables(connection, _NEW)
    _drop(connection, PREFIX)
    connection.execute("PRAGMA legacy_alter_table = ON")
    for name in made:
        connection.execute(f"ALTER TABLE {_NEW}{name} RENAME TO {table_of(name)}")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    for name in set(VIEWS) - made:
        connection.execute(table_definition(table_of(name)))
    connection.execute("DELETE FROM projection_position")
    connection.execute("INSERT INTO projection_position VALUES (1, ?, ?)", (sequence, FOLD_VERSION))
