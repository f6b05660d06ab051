"""Snapshots: what follows from one stream alone, up to where its events were archived.

A cache and nothing more. They lie beside the segments they were made with; one that is missing, damaged or made by other
folds is passed over, and the events say the same. Reading a stream's rows is the newest snapshot that holds, and the fold
of the events after it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from reconciler.events.archive.block import stream_key
from reconciler.events.archive.record import Record
from reconciler.events.envelope import Event
from reconciler.events.store.archive import Listed, event_of
from reconciler.events.store.files import beside, move_into_place
from reconciler.ids import new_id
from reconciler.projections.fold import FOLD_VERSION, fold
from reconciler.projections.rows import MemoryRows, Row

SUFFIX = ".snapshots"

_MAGIC = b"FLEETSNP"
_END = 8
_UNREADABLE = (OSError, ValueError, OverflowError, zlib.error, msgspec.MsgspecError)

State = dict[str, dict[str, Row]]


class StreamSource(Protocol):
    """The part of a store that this needs."""

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]: ...


class Snapshot(NamedTuple):
    """The state of one stream as of one of its versions.

    Attributes:
        stream: `service/web`.
        from_sequence, to_sequence, events: the events whose move to the archive it was made with.
        version: of the last of them.
        state: None where nothing could be made of the stream alone.
    """

    snapshot_id: str
    stream: str
    from_sequence: int
    to_sequence: int
    version: int
    events: int
    state: State | None


_state = msgspec.json.Decoder(State).decode


@dataclass(slots=True)
class StreamPart:
    """What of one stream is moved to the archive; `stream` is its number in the table."""

    stream: int
    stream_type: str
    stream_id: str
    first: int
    last: int = 0
    version: int = 0
    events: int = 0


class _Entry(msgspec.Struct, array_like=True):
    snapshot_id: str
    from_sequence: int
    to_sequence: int
    version: int
    events: int
    offset: int
    size: int


class _Index(msgspec.Struct):
    fold_version: int
    entries: dict[str, _Entry]


class TrackedRows(MemoryRows):
    """Rows in memory that begin with a snapshot's and can be taken out as one."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__()
        for table, rows in (state or {}).items():
            for key, row in rows.items():
                self.put(table, key, row)

    def state(self) -> State:
        """All rows by table and key."""
        found = {table: dict(self.scan(table)) for table in sorted(self._tables)}
        return {table: rows for table, rows in found.items() if rows}


def write_snapshots(segment: Path, snapshots: Iterable[Snapshot]) -> None:
    """Keep snapshots beside a segment. One that cannot be kept is no loss: errors of the disk are passed over."""
    path = beside(segment, SUFFIX)
    partial = beside(segment, f"{SUFFIX}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            entries: dict[str, _Entry] = {}
            at = file.write(_MAGIC)
            for one in snapshots:
                if one.state is None:
                    continue
                piece = zlib.compress(msgspec.json.encode(one.state))
                about = (one.snapshot_id, one.from_sequence, one.to_sequence, one.version, one.events)
                entries[one.stream] = _Entry(*about, at, len(piece))
                at += file.write(piece)
            index = zlib.compress(msgspec.json.encode(_Index(FOLD_VERSION, entries)))
            file.write(index + len(index).to_bytes(_END, "big"))
        move_into_place(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()


def newest_snapshot(folder: Path, listed: Iterable[Listed], stream_type: str, stream_id: str) -> Snapshot | None:
    """The newest snapshot of a stream that these folds may go on from; None when there is none.

    Args:
        listed: the segments of the archive in `folder`, oldest first.
    """
    for one in reversed(list(listed)):
        found = _read(beside(folder / one.file, SUFFIX), stream_key(stream_type, stream_id).decode())
        if found is not None:
            return found
    return None


def snapshots_in(segment: Path) -> Iterator[Snapshot]:
    """Every snapshot beside a segment that these folds may go on from."""
    path = beside(segment, SUFFIX)
    with suppress(*_UNREADABLE), open(path, "rb") as file:
        for stream in _index(file).entries:
            found = _read(path, stream)
            if found is not None:
                yield found


def stream_rows(
    store: StreamSource, folder: Path, listed: Iterable[Listed], stream_type: str, stream_id: str
) -> TrackedRows:
    """What follows from one stream alone, now.

    Args:
        folder, listed: the archive, whose snapshots spare reading what is in it.
    """
    snapshot = newest_snapshot(folder, listed, stream_type, stream_id)
    rows = TrackedRows(snapshot.state if snapshot is not None else None)
    for event in store.stream(stream_type, stream_id, snapshot.version if snapshot is not None else 0):
        fold(event, rows)
    return rows


class StreamStates:
    """What follows from each of some streams alone, while their events are being archived."""

    def __init__(
        self, store: StreamSource, folder: Path, listed: Sequence[Listed], parts: Iterable[StreamPart]
    ) -> None:
        """Begin with what follows from the events that were archived before.

        Args:
            folder, listed: the archive as it is.
            parts: what is being moved.
        """
        self._parts = {stream_key(part.stream_type, part.stream_id): part for part in parts}
        self._rows: dict[bytes, TrackedRows | None] = {}
        for key, part in self._parts.items():
            earlier = part.version - part.events
            self._rows[key] = TrackedRows() if not earlier else _rows_before(store, folder, listed, part, earlier)

    def follow(self, record: Record) -> None:
        """Fold one of the events that are being moved."""
        key = stream_key(record.stream_type, record.stream_id)
        rows = self._rows.get(key)
        if rows is not None:
            self._rows[key] = _folded(rows, event_of(record))

    def snapshots(self) -> tuple[Snapshot, ...]:
        """One of each stream, in the order of their last events."""
        found = []
        for key, part in self._parts.items():
            rows = self._rows[key]
            about = (part.first, part.last, part.version, part.events)
            found.append(Snapshot(new_id("snap"), key.decode(), *about, rows.state() if rows is not None else None))
        return tuple(sorted(found, key=lambda one: one.to_sequence))


def _rows_before(
    store: StreamSource, folder: Path, listed: Sequence[Listed], part: StreamPart, version: int
) -> TrackedRows | None:
    """What follows from a stream up to a version that is in the archive."""
    snapshot = newest_snapshot(folder, listed, part.stream_type, part.stream_id)
    rows: TrackedRows | None = TrackedRows(snapshot.state if snapshot is not None else None)
    for event in store.stream(part.stream_type, part.stream_id, snapshot.version if snapshot is not None else 0):
        if event.version > version or rows is None:
            break
        rows = _folded(rows, event)
    return rows


def _folded(rows: TrackedRows, event: Event) -> TrackedRows | None:
    try:
        fold(event, rows)
    except Exception:
        # Folds expect the whole log. Where one cannot do with its stream alone, there is no snapshot.
        return None
    return rows


def _read(path: Path, stream: str) -> Snapshot | None:
    with suppress(*_UNREADABLE), open(path, "rb") as file:
        entry = _index(file).entries.get(stream)
        if entry is not None:
            file.seek(entry.offset)
            state = _state(zlib.decompress(file.read(entry.size)))
            about = (entry.from_sequence, entry.to_sequence, entry.version, entry.events)
            return Snapshot(entry.snapshot_id, stream, *about, state)
    return None


def _index(file: BinaryIO) -> _Index:
    """What a file of snapshots holds; nothing where other folds made it."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("these are no snapshots")
    end = file.seek(-_END, os.SEEK_END)
    size = int.from_bytes(file.read(_END), "big")
    file.seek(max(end - size, 0))
    index = msgspec.json.decode(zlib.decompress(file.read(size)), type=_Index)
    return index if index.fold_version == FOLD_VERSION else _Index(FOLD_VERSION, {})
