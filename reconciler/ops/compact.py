"""Compaction: old events leave the table for the archive, where they are read as before.

Nothing is lost and nothing looks different afterwards; the database gets small. What is old is said by two limits: events
beyond the newest so many, and events older than so many hours. A person may say it otherwise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.store.archive import archive_folder, listed_segments
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.files import beside, folder_lock, make_private_folder
from reconciler.ops.moving import STREAM, Moved, clear_away, move, next_stretch
from reconciler.projections.store import Store
from reconciler.spec.desired import Compaction

HOUR_MS = 3_600_000

Trigger = Literal["threshold", "scheduled", "manual"]
Progress = Callable[[int, int], None]

# How far a limit is passed before it alone is a reason to begin, so that not every event is.
_SLACK = 4
_WORTH_SHRINKING = 1 << 20
_PATIENCE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes:
        segments: the files that were written.
        events: how many left the table.
        size_before, size_after: bytes of the database, its write-ahead log included.
        archive_size: bytes of all segments now.
        shrunk: False where another process kept the file from getting smaller; the next compaction tries again.
    """

    segments: tuple[Moved, ...]
    events: int
    size_before: int
    size_after: int
    archive_size: int
    shrunk: bool


def due(store: Store, limits: Compaction, *, now_ms: int) -> bool:
    """Whether a limit has been passed by so much that compaction is worth its while; read-only."""
    if not limits.enabled:
        return False
    with store.reading() as connection:
        first, last, oldest = connection.execute(
            "SELECT min(sequence_number), max(sequence_number),"
            " (SELECT recorded_at FROM events ORDER BY sequence_number LIMIT 1) FROM events"
        ).fetchone()
    if first is None:
        return False
    age_ms = limits.threshold_age_hours * HOUR_MS
    many: bool = last - first + 1 > limits.threshold_events + limits.threshold_events // _SLACK
    aged: bool = now_ms - oldest > age_ms + age_ms // _SLACK
    return many or aged


def old_events(store: Store, limits: Compaction, *, now_ms: int) -> int:
    """The last event that either limit calls old; 0 when none is."""
    by_count = store.head() - limits.threshold_events
    by_age = store.sequence_at(Moment(time_ms=now_ms - limits.threshold_age_hours * HOUR_MS))
    return max(by_count, by_age, 0)


def compact(
    store: Store,
    cause: Cause,
    *,
    until: int,
    trigger: Trigger,
    limits: Compaction | None = None,
    progress: Progress | None = None,
) -> Compacted:
    """Move every event up to a sequence number to the archive; what was moved already stays there.

    Others may read and append meanwhile. A process that is killed leaves a log that is as it was, or further on.

    Args:
        until: the last event to move.
        limits: those that decided it, for the record.
        progress: told how many of how many events have been moved.

    Raises:
        LogUnusable: the disk is full or failed, or the events are damaged. What was moved before stays moved.
    """
    folder = archive_folder(store.path)
    make_private_folder(folder)
    size_before = _size(store.path)
    with folder_lock(folder):
        moved = _move_all(store, folder, until, cause, _asked(trigger, limits), progress)
        shrunk = _shrink(store.path) if moved else True
        with store.reading() as connection:
            archive_size = sum(one.size for one in listed_segments(connection))
    events = sum(one.events for one in moved)
    return Compacted(tuple(moved), events, size_before, _size(store.path), archive_size, shrunk)


def _move_all(
    store: Store, folder: Path, until: int, cause: Cause, asked: dict[str, Any], progress: Progress | None
) -> list[Moved]:
    """Move one stretch after the other; what was asked for is recorded where there is anything to move."""
    with store.reading() as connection:
        clear_away(connection, folder)
        stretch = next_stretch(connection, until)
    if stretch is None:
        return []
    (event,) = store.append([NewEvent("compaction_triggered", "system", STREAM, asked)], cause)
    told = _Told(stretch.after + 1, until, progress)
    moved = []
    while stretch is not None:
        moved.append(move(store, folder, stretch, cause.after(event.event_id), told))
        with store.reading() as connection:
            stretch = next_stretch(connection, until)
    return moved


@dataclass(frozen=True, slots=True)
class _Told:
    """Progress as a number of events out of all that are moved."""

    first: int
    last: int
    progress: Progress | None

    def __call__(self, sequence: int) -> None:
        if self.progress is not None:
            self.progress(sequence - self.first + 1, self.last - self.first + 1)


def _asked(trigger: Trigger, limits: Compaction | None) -> dict[str, Any]:
    if limits is None:
        return {"trigger": trigger}
    return {
        "trigger": trigger,
        "threshold_events": limits.threshold_events,
        "threshold_age_hours": limits.threshold_age_hours,
    }


def _shrink(path: Path) -> bool:
    """Forget the causes that only archived events had, and give the space of deleted rows back to the disk.

    Returns:
        Whether it could be done: somebody who reads or writes just now keeps the file as it is.
    """
    with closing(connect(path, Pragmas(busy_timeout_ms=_PATIENCE_MS), access="write")) as connection:
        try:
            # A cause without a row that needs it would be looked for in every event, one after the other.
            connection.execute("PRAGMA foreign_keys = OFF")
            # The newest number stays: one that was given again would mean something else to who remembers it.
            connection.execute(
                "DELETE FROM causes WHERE id < coalesce((SELECT min(cause) FROM events), (SELECT max(id) FROM causes))"
            )
            free, page = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
            )
            if free * page >= _WORTH_SHRINKING or free * page * _SLACK >= _size(path):
                connection.execute("VACUUM")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
    return not busy


def _size(path: Path) -> int:
    """The file, with what is still in its write-ahead log."""
    return sum(one.stat().st_size for one in (path, beside(path, "-wal")) if one.exists())
