"""Snapshots: what follows from one stream alone, up to where its events were archived.

A cache and nothing more: one that is not there, or was made by other folds, is passed over, and the events say the same.
The rows of a stream are those of its newest snapshot, and what the events after it make of them.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from reconciler.events.archive.block import stream_key
from reconciler.events.archive.record import Record
from reconciler.events.envelope import Event
from reconciler.events.store.archive import event_of
from reconciler.ids import uuid7
from reconciler.projections.fold import FOLD_VERSION, fold
from reconciler.projections.rows import MemoryRows, Row

State = dict[str, dict[str, Row]]


class StreamSource(Protocol):
    """The part of a store that this needs."""

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]: ...


class _Content(msgspec.Struct):
    version: int
    state: State


_content = msgspec.json.Decoder(_Content).decode


@dataclass(slots=True)
class StreamPart:
    """What of one stream is moved to the archive.

    Attributes:
        stream: its number in the table.
        first, last: sequence numbers of the first and the last event that are moved.
        version: of the last one.
        events: how many they are.
    """

    stream: int
    stream_type: str
    stream_id: str
    first: int
    last: int = 0
    version: int = 0
    events: int = 0


class Snapshot(NamedTuple):
    """The state of a stream after the events of a part.

    Attributes:
        state: None where nothing could be made of the stream alone.
    """

    snapshot_id: UUID
    part: StreamPart
    state: State | None


class StreamRows(MemoryRows):
    """Rows in memory that begin with those of a snapshot, and can be taken out as one."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__()
        for table, rows in (state or {}).items():
            for key, row in rows.items():
                self.put(table, key, row)

    def state(self) -> State:
        """All rows by table and key."""
        found = {table: dict(self.scan(table)) for table in sorted(self._tables)}
        return {table: rows for table, rows in found.items() if rows}


def stream_rows(store: StreamSource, connection: sqlite3.Connection, stream_type: str, stream_id: str) -> StreamRows:
    """What follows from one stream alone, now.

    Args:
        connection: one that sees the snapshots of the store's file.
    """
    version, state = _newest(connection, stream_type, stream_id)
    rows = StreamRows(state)
    for event in store.stream(stream_type, stream_id, version):
        fold(event, rows)
    return rows


def keep_snapshots(connection: sqlite3.Connection, snapshots: Iterable[Snapshot]) -> None:
    """Put new snapshots in place of older ones of the same streams; inside a transaction."""
    for snapshot_id, part, state in snapshots:
        stream = (part.stream_type, part.stream_id)
        connection.execute("DELETE FROM snapshots WHERE stream_type = ? AND stream_id = ?", stream)
        if state is not None:
            connection.execute(
                "INSERT INTO snapshots (id, stream_type, stream_id, from_sequence, to_sequence, fold_version, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (snapshot_id.bytes, *stream, part.first, part.last, FOLD_VERSION, packed(part.version, state)),
            )


def drop_snapshots(connection: sqlite3.Connection) -> None:
    """Forget all of them; inside a transaction. The next compactions make new ones."""
    connection.execute("DELETE FROM snapshots")


def packed(version: int, state: State) -> bytes:
    """A state as it is kept."""
    return zlib.compress(msgspec.json.encode(_Content(version, state)))


def unpacked(content: bytes) -> tuple[int, State]:
    """The version and state of a snapshot.

    Raises:
        ValueError: it is damaged.
    """
    try:
        found = _content(zlib.decompress(content))
    except (TypeError, zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"the snapshot cannot be read: {error}") from None
    return found.version, found.state


class StreamStates:
    """What follows from each of some streams alone, while their events are being archived."""

    def __init__(self, store: StreamSource, connection: sqlite3.Connection, parts: Iterable[StreamPart]) -> None:
        """Begin with what follows from the events that were archived before.

        Args:
            connection: one that sees the snapshots of the store's file.
            parts: what is being moved.
        """
        self._parts = {stream_key(part.stream_type, part.stream_id): part for part in parts}
        self._rows: dict[bytes, StreamRows | None] = {
            key: _rows_before(store, connection, part) for key, part in self._parts.items()
        }

    def follow(self, record: Record) -> None:
        """Fold one of the events that are being moved."""
        key = stream_key(record.stream_type, record.stream_id)
        rows = self._rows.get(key)
        if rows is not None:
            self._rows[key] = folded(rows, event_of(record))

    def snapshots(self) -> Sequence[Snapshot]:
        """One of each stream, in the order of their last events."""
        found = [
            Snapshot(uuid7(), part, rows.state() if (rows := self._rows[key]) is not None else None)
            for key, part in self._parts.items()
        ]
        return sorted(found, key=lambda one: one.part.last)


def folded(rows: StreamRows, event: Event) -> StreamRows | None:
    """The rows after one more event of their stream; None where its fold cannot do without the rest of the log."""
    try:
        fold(event, rows)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return rows


def _rows_before(store: StreamSource, connection: sqlite3.Connection, part: StreamPart) -> StreamRows | None:
    """What follows from the events of a stream that are in the archive already."""
    archived = part.version - part.events
    if not archived:
        return StreamRows()
    version, state = _newest(connection, part.stream_type, part.stream_id)
    rows: StreamRows | None = StreamRows(state)
    for event in store.stream(part.stream_type, part.stream_id, version):
        if event.version > archived or rows is None:
            break
        rows = folded(rows, event)
    return rows


def _newest(connection: sqlite3.Connection, stream_type: str, stream_id: str) -> tuple[int, State]:
    """The newest snapshot that these folds can go on from; version 0 and nothing when there is none."""
    rows = connection.execute(
        "SELECT state FROM snapshots WHERE stream_type = ? AND stream_id = ? AND fold_version = ?"
        " ORDER BY to_sequence DESC",
        (stream_type, stream_id, FOLD_VERSION),
    )
    for (content,) in rows:
        try:
            return unpacked(content)
        except ValueError:
            continue
    return 0, {}
