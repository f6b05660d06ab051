"""Restore: a backup takes the place of the log.

The backup is checked before anything is touched and again when it is in place; if it is not right there, what was replaced
comes back. What was replaced is kept, as a log that could be restored in its turn. Nothing is restored under a writer: not
while the lease is held, nor while another process has the file open.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from reconciler.errors import ConfirmationMissing, FleetError, LeaseHeld, LogUnusable, NotFound
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.archive import archive_folder, listed_segments
from reconciler.events.store.faults import translated
from reconciler.events.store.files import beside, folder_lock, make_private_folder, move_into_place, sync_folder
from reconciler.ops.backup import STREAM, copy_log, copy_segment
from reconciler.ops.disk import on_disk
from reconciler.ops.verify import Report, verify
from reconciler.projections.store import open_store

_LEFTOVERS = ("-wal", "-shm", "-journal")
_PATIENCE_S = 1.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done.

    Attributes:
        sequence: the last event of the backup.
        replaced: where the log is that was there before; None when there was none.
        replaced_sequence: its last event; None where it could not be read.
    """

    backup: Path
    sequence: int
    replaced: Path | None
    replaced_sequence: int | None


def restore(
    database: Path,
    backup: Path,
    cause: Cause,
    *,
    now_ms: int,
    other_log: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Put a backup in the place of the log.

    Args:
        database: where the log is, or was.
        other_log: it is all right that the backup is one of another log.
        progress: told in a word or two what is being done.

    Raises:
        NotFound: there is no such backup.
        LogUnusable: the backup is damaged, or the disk failed; the log is as it was.
        LeaseHeld: somebody writes to the log, or has it open.
        ConfirmationMissing: the backup is of another log.
    """
    tell = progress or (lambda _: None)
    if not backup.is_file():
        raise NotFound(f"there is no backup {backup}", hint="fleet backup --list shows those that there are")
    tell("checking the backup")
    staged = _stage(database, backup)
    with _cleared_away(staged.parent), on_disk("the backup was not restored", database.parent):
        report = _sound(staged, backup)
        _same_log(database, staged, agreed=other_log)
        # Recorded before it takes its place: afterwards there might be no room to.
        last_hash = _record(staged, backup, report, cause)
        tell("putting it in place")
        with folder_lock(database.parent), _nobody_else(database) as old:
            replaced = _exchange(staged, database, now_ms, token=old.token)
        tell("checking it in its place")
        _check_again(database, replaced, last_hash)
    return Restored(backup, report.head, replaced, old.head)


def _stage(database: Path, backup: Path) -> Path:
    """A copy of the backup beside the log, brought to the shape and the folds of this release."""
    folder = beside(database, ".restoring")
    staged = folder / database.name
    shutil.rmtree(folder, ignore_errors=True)
    with on_disk("the backup was not restored", folder), _cleared_away(folder, only_if_failed=True):
        make_private_folder(folder)
        copy_log(backup, staged)
        with open_store(staged):
            pass
        _make_one_file(staged)
    return staged


def _record(staged: Path, backup: Path, report: Report, cause: Cause) -> bytes:
    """Record in the copy that it was restored; the hash that it ends with."""
    data = {"path": str(backup), "sequence": report.head}
    with open_store(staged) as store:
        (event,) = store.append([NewEvent("backup_restored", "system", STREAM, data)], cause)
    _make_one_file(staged)
    return event.hash


def _make_one_file(staged: Path) -> None:
    with translated(staged), closing(sqlite3.connect(staged, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _cleared_away(folder: Path, *, only_if_failed: bool = False) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not only_if_failed:
        shutil.rmtree(folder, ignore_errors=True)


def _sound(staged: Path, backup: Path) -> Report:
    report = verify(staged)
    if not report.sound:
        first = f"event {report.first_bad}: " if report.first_bad is not None else ""
        raise LogUnusable(
            f"the backup is damaged, and was not restored: {first}{report.faults[0].what}",
            where=str(backup),
            hint="choose another one: fleet backup --list",
        )
    return report


def _same_log(database: Path, staged: Path, *, agreed: bool) -> None:
    """Two logs are the same if they begin with the same event; one that cannot be read says nothing."""
    ours, theirs = _beginning(database), _beginning(staged)
    if ours and theirs and ours != theirs and not agreed:
        raise ConfirmationMissing("the backup is of another log than the one that it would replace", hint="give --yes")


def _beginning(path: Path) -> bytes:
    with suppress(FleetError), open_store(path, mode="read") as store:
        return next((event.hash for event in store.events()), b"")
    return b""


@dataclass(slots=True)
class _Old:
    """What the log that is replaced says about itself, as far as it can be read."""

    token: int = 0
    head: int | None = None


@contextmanager
def _nobody_else(database: Path) -> Iterator[_Old]:
    """Hold the file alone, where it is a database at all.

    Raises:
        LeaseHeld: somebody holds the lease, or has the file open.
    """
    old = _Old()
    if not database.exists():
        yield old
        return
    with suppress(LogUnusable), open_store(database, mode="read") as store:
        holder = store.lease_holder()
        if holder is not None:
            raise LeaseHeld(
                f"{holder.holder} is writing to this fleet ({holder.purpose}): nothing was restored",
                hint="wait for it to finish",
            )
        old.head = store.head()
    uri = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE_S)) as connection:
        _take(connection, database, old)
        yield old


def _take(connection: sqlite3.Connection, database: Path, old: _Old) -> None:
    try:
        row = connection.execute("SELECT token FROM lease").fetchone()
        old.token = row[0] if row is not None else 0
        # Leaving write-ahead mode works for the only one who has the file open, and leaves one file behind.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LeaseHeld(
                "another process has the event log open: nothing was restored",
                where=str(database),
                hint="stop whatever watches this fleet or serves it, then try again",
            ) from error
        # What is damaged cannot be held, and nobody else can use it either.


def _exchange(staged: Path, database: Path, now_ms: int, *, token: int) -> Path | None:
    """Put the copy in the place of the log, or leave everything as it was; where the log is now that was there."""
    replaced = _set_aside(database, now_ms) if database.exists() else None
    try:
        _put_in_place(staged, database, token=token)
    except BaseException:
        if replaced is not None and replaced.samefile(database):
            for suffix in _LEFTOVERS:
                with suppress(FileNotFoundError):
                    os.replace(beside(replaced, suffix), beside(database, suffix))
            shutil.rmtree(replaced.parent)
        raise
    return replaced


def _set_aside(database: Path, now_ms: int) -> Path:
    """Keep what is there under another name as well; where."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (moment if number == 1 else f"{moment}-{number}" for number in count(1))
    folder = next(one for name in names if not (one := database.parent / "replaced" / name).exists())
    make_private_folder(folder)
    aside = folder / database.name
    os.link(database, aside)
    for suffix in _LEFTOVERS:
        with suppress(FileNotFoundError):
            os.replace(beside(database, suffix), beside(aside, suffix))
    if archive_folder(database).is_dir():
        make_private_folder(archive_folder(aside))
        for segment in archive_folder(database).glob("*.segment"):
            os.link(segment, archive_folder(aside) / segment.name)
        sync_folder(archive_folder(aside))
    sync_folder(folder)
    return aside


def _put_in_place(staged: Path, database: Path, *, token: int) -> None:
    """Segments first: whoever is killed here leaves a log that has all of its own."""
    with translated(staged), closing(sqlite3.connect(staged, isolation_level=None)) as connection:
        # Whoever held the lease when the backup was made is gone, and tokens never go back.
        connection.execute(
            "INSERT INTO lease (only_one, token, holder, process, purpose, acquired_at, renewed_at, expires_at)"
            " VALUES (1, ?, '', '', '', 0, 0, 0)"
            " ON CONFLICT (only_one) DO UPDATE SET token = max(token, excluded.token), holder = '', expires_at = 0",
            (token,),
        )
        listed = listed_segments(connection)
    folder = archive_folder(database)
    make_private_folder(folder)
    for segment in listed:
        source = archive_folder(staged) / segment.file
        copy_segment(source, folder, segment.digest, {segment.file: source})
    sync_folder(folder)
    move_into_place(staged, database)


def _check_again(database: Path, replaced: Path | None, last_hash: bytes) -> None:
    report = verify(database)
    if report.sound and report.hash == last_hash:
        return
    if replaced is not None:
        back = beside(database, ".back")
        back.unlink(missing_ok=True)
        shutil.copyfile(replaced, back)
        back.chmod(0o600)
        move_into_place(back, database)
    what = report.faults[0].what if report.faults else "it ends with another event"
    raise LogUnusable(
        f"the backup is not right in its place, and the log was put back: {what}",
        where=str(database),
        hint="check the disk",
    )
