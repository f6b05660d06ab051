"""Backups: a copy of the log that is a log itself, made while others go on using it.

A backup is a database file and, beside it, the segments of its archive: it can be opened, verified and read like the
original. It is checked from end to end before it gets its name. Segments that an earlier backup has already are shared with
it, never with the original: a disk that fails takes one of the two.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.archive import archive_folder, listed_segments
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.faults import translated
from reconciler.events.store.files import (
    beside,
    folder_lock,
    make_private_file,
    make_private_folder,
    move_into_place,
    sync_folder,
)
from reconciler.ops.disk import on_disk
from reconciler.ops.verify import verify
from reconciler.projections.store import Store

STREAM = "backups"

_PAGES_AT_ONCE = 1_024
_PARTIAL = ".partial"
_CHUNK = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made.

    Attributes:
        sequence: the last event in it.
        size: bytes of the database and of its segments.
        pruned: older backups that were deleted for it.
    """

    path: Path
    sequence: int
    size: int
    pruned: tuple[Path, ...] = ()


def default_folder(database: Path) -> Path:
    """Where backups go when nobody says otherwise."""
    return database.parent / "backups"


def back_up(
    store: Store, folder: Path, cause: Cause, *, keep: int = 0, now_ms: int, progress: Progress | None = None
) -> BackedUp:
    """Make a backup, check it, record it, and delete the oldest ones.

    Args:
        keep: how many backups of this log stay in the folder, this one included; 0 for all.
        progress: told how many of how many pages have been copied.

    Raises:
        LogUnusable: the disk is full or failed, or the log is damaged; no backup was made, and no older one deleted.
    """
    with on_disk("no backup was made", folder), _alone(store.path, folder):
        partial = folder / f"{_prefix(store.path)}new{_PARTIAL}"
        # One may be left of somebody who was killed here.
        remove_log(partial)
        try:
            segments = copy_log(store.path, partial, shared=_segments_in(store.path, folder), progress=progress)
            report = verify(partial)
            if not report.sound:
                raise LogUnusable(
                    f"the log is damaged, and so would be its backup: {report.faults[0].what}",
                    where=str(store.path),
                    hint="fleet verify; fleet restore puts the last good backup in its place",
                )
            path = folder / _name(store.path, now_ms, report.head)
            os.replace(archive_folder(partial), archive_folder(path))
            move_into_place(partial, path)
        finally:
            remove_log(partial)
    size = path.stat().st_size + segments
    data = {"path": str(path), "sequence": report.head, "size": size}
    store.append([NewEvent("backup_created", "system", STREAM, data)], cause)
    return BackedUp(path, report.head, size, tuple(_prune(store.path, folder, keep)))


def backups_of(database: Path, folder: Path) -> list[Path]:
    """The backups of a log in a folder, oldest first."""
    pattern = re.compile(re.escape(_prefix(database)) + r"\d{8}T\d{6}Z-\d+\.db")
    return sorted(path for path in folder.glob("*.db") if pattern.fullmatch(path.name)) if folder.is_dir() else []


def _segments_in(database: Path, folder: Path) -> Iterator[Path]:
    """The segments that backups of a log have, the newest copies last."""
    for path in backups_of(database, folder):
        yield from archive_folder(path).glob("*.segment")


def copy_log(source: Path, target: Path, *, shared: Iterable[Path] = (), progress: Progress | None = None) -> int:
    """Copy a log with its archive to a new place, while others may use it; how many bytes its segments have.

    Args:
        shared: copies of segments that may be linked to instead of being made once more.

    Raises:
        OSError: a file cannot be read or written.
        LogUnusable: the database cannot be read, or a segment is not the one that is listed.
    """
    make_private_file(target)
    with translated(source), closing(connect(source, Pragmas(), access="read")) as original:
        # One state of the file: a copy in steps would begin anew whenever somebody writes.
        original.execute("BEGIN")
        original.execute("SELECT 1 FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            original.backup(copy, pages=_PAGES_AT_ONCE, progress=_told(progress), sleep=0.0)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            listed = listed_segments(copy)
    _sync(target)
    copies = {path.name: path for path in shared}
    make_private_folder(archive_folder(target))
    for segment in listed:
        copy_segment(archive_folder(source) / segment.file, archive_folder(target), segment.digest, copies)
    sync_folder(archive_folder(target))
    return sum(segment.size for segment in listed)


def copy_segment(source: Path, folder: Path, digest: bytes, copies: Mapping[str, Path]) -> None:
    """Put a segment into a folder: as a link to a copy that is right, else as a copy of its own.

    Raises:
        LogUnusable: the segment is not the one that is listed.
    """
    target = folder / source.name
    if _digest(target) == digest:
        return
    partial = beside(target, _PARTIAL)
    partial.unlink(missing_ok=True)
    known = copies.get(source.name)
    if known is not None and _digest(known) == digest:
        with suppress(OSError):
            os.link(known, partial)
    if not partial.exists():
        with suppress(FileNotFoundError):
            shutil.copyfile(source, partial)
            partial.chmod(0o600)
            _sync(partial)
    if _digest(partial) != digest:
        partial.unlink(missing_ok=True)
        raise LogUnusable("a segment of the archive is missing or damaged", where=str(source), hint="fleet verify")
    move_into_place(partial, target)


def remove_log(path: Path) -> None:
    """Delete a copy of a log, with what SQLite put beside it and its archive."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(path, suffix).unlink(missing_ok=True)
    shutil.rmtree(archive_folder(path), ignore_errors=True)


def _prune(database: Path, folder: Path, keep: int) -> Iterator[Path]:
    for path in backups_of(database, folder)[:-keep] if keep else []:
        remove_log(path)
        yield path


def _prefix(database: Path) -> str:
    """The same for every backup of one log, so that a folder may hold those of several."""
    return f"{database.stem}-{sha256(str(database.resolve()).encode()).hexdigest()[:8]}-"


def _name(database: Path, now_ms: int, sequence: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{_prefix(database)}{moment}-{sequence}.db"


def _told(progress: Progress | None) -> Callable[[int, int, int], None] | None:
    if progress is None:
        return None
    return lambda status, remaining, total: progress(total - remaining, total)


def _digest(path: Path) -> bytes:
    digest = sha256()
    with suppress(FileNotFoundError), open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(database: Path, folder: Path) -> Iterator[None]:
    """Keep other backups out of the folder, and compaction from moving events while segments are copied."""
    make_private_folder(folder)
    with ExitStack() as locks:
        locks.enter_context(folder_lock(folder))
        if archive_folder(database).is_dir():
            locks.enter_context(folder_lock(archive_folder(database)))
        yield
