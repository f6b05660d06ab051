"""The audit of snapshots: whether each is what follows from its stream's events, and belongs to a compaction of the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from reconciler.events.archive.block import stream_key
from reconciler.events.archive.record import Record
from reconciler.events.store.archive import event_of
from reconciler.events.store.names import TypeName
from reconciler.ops.faults import Fault
from reconciler.ops.snapshots import StreamRows, folded, unpacked
from reconciler.projections.fold import FOLD_VERSION


class _Kept(NamedTuple):
    """A snapshot as it is kept."""

    snapshot_id: bytes
    stream: str
    first: int
    last: int
    content: bytes


class SnapshotAudit:
    """Follows the log once. Streams without a snapshot cost nothing; snapshots of other folds are passed over."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute(
            "SELECT id, stream_type, stream_id, from_sequence, to_sequence, state FROM snapshots WHERE fold_version = ?"
            " ORDER BY to_sequence",
            (FOLD_VERSION,),
        )
        kept = [_Kept(row[0], f"{row[1]}/{row[2]}", *row[3:]) for row in rows]
        self._open: dict[bytes, list[_Kept]] = {}
        for one in kept:
            self._open.setdefault(one.stream.encode(), []).append(one)
        self._rows: dict[bytes, StreamRows | None] = {key: StreamRows() for key in self._open}
        self._unnamed = {bytes(one.snapshot_id): one for one in kept if isinstance(one.snapshot_id, bytes)}
        self._wrong: list[_Kept] = [one for one in kept if not isinstance(one.snapshot_id, bytes)]

    def follow(self, record: Record) -> None:
        """Take one more event of the log into account."""
        if record.event_type == "context_compacted":
            self._name(record)
        key = stream_key(record.stream_type, record.stream_id)
        rows = self._rows.get(key)
        if rows is None or not TypeName.of(record.event_type, record.schema_version).known:
            return
        try:
            event = event_of(record)
        except ValueError:
            self._rows[key] = None
            return
        self._rows[key] = rows = folded(rows, event)
        waiting = self._open[key]
        if rows is not None and waiting[0].last == record.sequence_number:
            one = waiting.pop(0)
            if not _same(one, record.version, rows):
                self._wrong.append(one)
            if not waiting:
                del self._open[key], self._rows[key]

    def faults(self) -> Iterator[Fault]:
        """What is wrong, after the whole log."""
        never_reached = [one for waiting in self._open.values() for one in waiting]
        for one in {id(one): one for one in (*self._wrong, *never_reached, *self._unnamed.values())}.values():
            what = (
                f"the snapshot of {one.stream} up to event {one.last} is not what follows from the log; fleet rebuild"
            )
            yield Fault("snapshot", what)

    def _name(self, record: Record) -> None:
        """A compaction says which snapshots it made, of what."""
        try:
            data = event_of(record).data
            snapshot_id = UUID(str(data["snapshot_id"]).rpartition("_")[2]).bytes
            said = (f"{data['stream_type']}/{data['stream_id']}", data["from_sequence"], data["to_sequence"])
        except (LookupError, ValueError):
            return
        one = self._unnamed.get(snapshot_id)
        if one is not None and one[1:4] == said:
            del self._unnamed[snapshot_id]


def _same(kept: _Kept, version: int, rows: StreamRows) -> bool:
    try:
        return unpacked(kept.content) == (version, rows.state())
    except ValueError:
        return False
