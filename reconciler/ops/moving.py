"""Moving a stretch of events from the table into a segment of the archive.

The segment is written, put on the disk and read back, hash by hash, before anything relies on it. Then one transaction
lists it, deletes its rows and records what was done. Whoever dies on the way leaves a file that no row lists: it is passed
over by every reader and cleared away later.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import Conflict, LogUnusable
from reconciler.events.archive.block import SegmentDamaged
from reconciler.events.archive.layout import SegmentInfo
from reconciler.events.archive.record import Record
from reconciler.events.archive.segment import Segment
from reconciler.events.archive.writer import write_segment
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.archive import Listed, listed_segments
from reconciler.events.store.chain import START
from reconciler.events.store.files import move_into_place
from reconciler.ops.disk import on_disk
from reconciler.ops.records import RecordBroken, live_records
from reconciler.ops.snapshots import Snapshot, StreamPart, StreamStates, keep_snapshots
from reconciler.projections.store import Store

STREAM = "log"
SEGMENT_EVENTS = 100_000

_PARTIAL = ".partial"
_PROGRESS_EVERY = 1_000
_STALE_AFTER_S = 3_600
# Below this a segment is written anew together with what follows it, so that they do not become many small ones.
_SMALL_SEGMENT = 25_000
_STREAMS_AT_MOST = 1_000
_STREAMS_ANYWAY, _EVENTS_PER_STREAM = 20, 20

Progress = Callable[[int], None]


@dataclass(slots=True)
class Stretch:
    """Events that are about to be moved.

    Attributes:
        before: the segment that is written anew with them; None where they begin one of their own.
        after: the newest event that is in the archive already.
        last: the last event to move.
        parts: what of each stream is moved.
    """

    before: Listed | None
    after: int
    last: int
    last_hash: bytes = b""
    parts: dict[int, StreamPart] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """How many leave the table."""
        return self.last - self.after

    def note(self, record: Record, stream: int) -> None:
        """Count one event that is moved."""
        part = self.parts.get(stream)
        if part is None:
            part = self.parts[stream] = StreamPart(stream, record.stream_type, record.stream_id, record.sequence_number)
        part.last, part.version, part.events = record.sequence_number, record.version, part.events + 1
        self.last_hash = record.hash

    def large_parts(self) -> list[StreamPart]:
        """The streams that are worth a snapshot: none of a single event, and few enough that telling of them costs little."""
        least = max(2, self.events // _STREAMS_AT_MOST)
        large = sorted((part for part in self.parts.values() if part.events >= least), key=lambda part: -part.events)
        return large[: max(_STREAMS_ANYWAY, self.events // _EVENTS_PER_STREAM)]


class _Checked(NamedTuple):
    """A segment that was read back."""

    digest: bytes
    size: int
    snapshots: Sequence[Snapshot]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was done: the segment, what it covers, how many events left the table and how many streams they were of."""

    file: str
    first: int
    last: int
    events: int
    size: int
    streams: int


def next_stretch(connection: sqlite3.Connection, until: int) -> Stretch | None:
    """The next events to move, about a segment full at most; None when everything up to `until` has been."""
    listed = listed_segments(connection)
    archived = listed[-1].to_sequence if listed else 0
    if until <= archived:
        return None
    newest = listed[-1] if listed else None
    small = newest is not None and newest.to_sequence - newest.from_sequence + 1 < _SMALL_SEGMENT
    # What would be left over for a small segment goes along.
    last = until if until - archived < SEGMENT_EVENTS + _SMALL_SEGMENT else archived + SEGMENT_EVENTS
    return Stretch(newest if small else None, archived, last)


def move(store: Store, folder: Path, stretch: Stretch, cause: Cause, progress: Progress) -> Moved:
    """Move one stretch.

    Args:
        folder: the archive's, which the caller keeps others out of.
        cause: names the event that asked for it.
        progress: told the newest event that is in the new segment.

    Raises:
        LogUnusable: the disk is full or failed, or the events are damaged; nothing has changed.
    """
    first = stretch.before.from_sequence if stretch.before is not None else stretch.after + 1
    partial = folder / f"{first:012d}-{stretch.last:012d}{_PARTIAL}"
    now_ms = time.time_ns() // 1_000_000
    with _nothing_left_behind(partial):
        with store.reading() as connection:
            previous = _hash_before(connection, first)
            info = write_segment(partial, _records(connection, folder, stretch, progress), previous, now_ms=now_ms)
        checked = _read_back(store, partial, info, stretch)
        # The digest keeps two files apart that cover the same numbers, after a restore for instance.
        path = folder / f"{first:012d}-{stretch.last:012d}-{checked.digest.hex()[:8]}.segment"
        move_into_place(partial, path)
    described = (info.first, info.last, info.from_time, info.to_time, info.newest_id)
    row = Listed(path.name, *described, info.previous_hash, info.last_hash, checked.digest, checked.size, now_ms)
    try:
        _enter(store, row, stretch, checked.snapshots, cause)
    except BaseException:
        _take_back(store, path)
        raise
    if stretch.before is not None:
        # Who has just read the list may still open the one that was written anew: its time counts from now.
        with suppress(OSError):
            os.utime(folder / stretch.before.file)
    return Moved(path.name, first, stretch.last, stretch.events, checked.size, len(stretch.parts))


def clear_away(connection: sqlite3.Connection, folder: Path) -> None:
    """Delete files that no row lists: left by a crash, or written anew since and long enough ago that nobody reads them."""
    listed = {one.file for one in listed_segments(connection)}
    for path in folder.iterdir():
        age = time.time() - path.stat().st_mtime
        if path.name not in listed and (path.name.endswith(_PARTIAL) or age > _STALE_AFTER_S):
            path.unlink(missing_ok=True)


@contextmanager
def _nothing_left_behind(partial: Path) -> Iterator[None]:
    try:
        with on_disk("nothing was moved to the archive", partial.parent):
            partial.unlink(missing_ok=True)
            yield
    except (RecordBroken, SegmentDamaged) as error:
        what = error.what if isinstance(error, SegmentDamaged) else error
        raise LogUnusable(f"{what}: nothing was moved", where=str(partial.parent), hint="fleet verify") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _hash_before(connection: sqlite3.Connection, first: int) -> bytes:
    query = "SELECT last_hash FROM archive WHERE to_sequence = ?"
    row = connection.execute(query, (first - 1,)).fetchone()
    return bytes(row[0]) if row is not None else START


def _records(connection: sqlite3.Connection, folder: Path, stretch: Stretch, progress: Progress) -> Iterator[Record]:
    if stretch.before is not None:
        with Segment(folder / stretch.before.file) as segment:
            yield from segment.records()
    for record, stream, _ in live_records(connection, stretch.after, stretch.last + 1):
        stretch.note(record, stream)
        if record.sequence_number % _PROGRESS_EVERY == 0:
            progress(record.sequence_number)
        yield record


def _read_back(store: Store, path: Path, info: SegmentInfo, stretch: Stretch) -> _Checked:
    """Read a new segment from end to end.

    Raises:
        LogUnusable: it does not hold what the table holds.
    """
    with store.reading() as connection:
        states = StreamStates(store, connection, stretch.large_parts())
    with Segment(path) as segment:
        for record in segment.records():
            if record.sequence_number > stretch.after:
                states.follow(record)
        if segment.info != info or info.last != stretch.last or info.last_hash != stretch.last_hash:
            raise LogUnusable("what was read back is not what was written", where=str(path), hint="fleet verify")
        return _Checked(segment.digest(), segment.size, states.snapshots())


def _enter(store: Store, row: Listed, stretch: Stretch, snapshots: Sequence[Snapshot], cause: Cause) -> None:
    """List the segment, delete its rows and record it, in one transaction."""
    events = [NewEvent("context_compacted", "system", STREAM, _told(one)) for one in snapshots]
    with store.transaction() as transaction:
        connection = transaction.connection
        newest = connection.execute("SELECT max(to_sequence) FROM archive").fetchone()[0] or 0
        if newest != stretch.after:
            raise Conflict("somebody else has moved events to the archive meanwhile", hint="try again")
        if stretch.before is not None:
            connection.execute("DELETE FROM archive WHERE file = ?", (stretch.before.file,))
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO archive ({', '.join(Listed._fields)}) VALUES ({marks})", row)
        connection.executemany(
            "UPDATE streams SET archived_version = ? WHERE id = ?",
            [(part.version, part.stream) for part in stretch.parts.values()],
        )
        connection.execute("DELETE FROM events WHERE sequence_number <= ?", (stretch.last,))
        keep_snapshots(connection, snapshots)
        transaction.append(events, cause)


def _take_back(store: Store, path: Path) -> None:
    """Delete a segment that could not be listed. Where not even that can be told, it stays and is cleared away later."""
    with suppress(LogUnusable, OSError), store.reading() as connection:
        if path.name not in {one.file for one in listed_segments(connection)}:
            path.unlink()


def _told(snapshot: Snapshot) -> dict[str, object]:
    part = snapshot.part
    return {
        "stream_type": part.stream_type,
        "stream_id": part.stream_id,
        "from_sequence": part.first,
        "to_sequence": part.last,
        "events_compacted": part.events,
        "snapshot_id": f"snap_{snapshot.snapshot_id.hex}",
    }
