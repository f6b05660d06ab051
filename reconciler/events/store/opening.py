"""Opening the log's file: what is there, whether it can be used, and making it where there is nothing.

A file that is there is never replaced: one that is empty, damaged, foreign or newer is an error with a reason. A new one is
made complete under another name and moved into place, so that nobody ever sees half of one. Whoever makes or migrates a file
holds a lock on its folder.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import LogUnusable, NotFound
from reconciler.events.store.archive import archive_folder
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.faults import translate
from reconciler.events.store.files import beside, folder_lock, make_private_file, make_private_folder, move_into_place
from reconciler.events.store.in_use import first_bytes
from reconciler.events.store.medium import refuse_network
from reconciler.events.store.schema import APPLICATION_ID, DEFINITIONS, REVISION, REVISIONS

_HEADER = b"SQLite format 3\0"
_RESTORE = "fleet restore puts a backup in its place"
_VERSION_TABLE = """
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
"""


def revision_of_file(path: Path, pragmas: Pragmas) -> str:
    """The revision of the file's shape; changes nothing.

    Raises:
        NotFound: there is no log yet.
        LogUnusable: what is there is no log that this release knows the shape of.
    """
    if not _examine(path):
        raise NotFound("nothing has been applied here yet", where=str(path), hint="fleet apply")
    with _checked(path, pragmas) as connection:
        return revision_of(connection, path)


def open_for_reading(path: Path, pragmas: Pragmas) -> None:
    """Check that the log can be read; changes nothing.

    Raises:
        NotFound: there is no log yet.
        LogUnusable: what is there is no log that this release can read.
    """
    revision = revision_of_file(path, pragmas)
    if revision != REVISION:
        raise LogUnusable(
            f"the event log has the shape {revision} of an older Fleet; this one reads {REVISION}",
            where=str(path),
            hint="fleet migrate up (it makes a backup first); so does the next fleet apply",
        )


def open_for_writing(path: Path, pragmas: Pragmas, definitions: str) -> str | None:
    """Make the log, or bring it to the newest shape; the revision that an older one had.

    Args:
        definitions: SQL of what else a new file holds.

    Raises:
        LogUnusable: what is there is no log that this release can write to.
    """
    refuse_network(path.parent)
    if not _examine(path):
        _create(path, pragmas, definitions)
    if revision_of_file(path, pragmas) == REVISION:
        return None
    from reconciler.events.store.migrating import upgrade

    with folder_lock(path.parent):
        return upgrade(path, pragmas)


def _examine(path: Path) -> bool:
    """Whether there is a file that looks like a database; nothing of SQLite is used for this.

    Raises:
        LogUnusable: there is something else, or only the remains of a database.
    """
    try:
        header = first_bytes(path, len(_HEADER))
    except FileNotFoundError:
        _refuse_remains(path)
        return False
    except OSError as error:
        raise LogUnusable(
            f"the event log cannot be read: {error.strerror}", where=str(path), hint="check who owns the file"
        ) from error
    if header is None:
        return True
    if not header:
        raise LogUnusable("the file of the event log is empty: what it held is gone", where=str(path), hint=_RESTORE)
    if header != _HEADER:
        raise LogUnusable("the file is no event log: it is damaged or another file", where=str(path), hint=_RESTORE)
    return True


def _refuse_remains(path: Path) -> None:
    """A new database beside the remains of an old one would take over its write-ahead log, or forget its archive."""
    log, archive = beside(path, "-wal"), archive_folder(path)
    if log.exists() and log.stat().st_size:
        what = f"the event log is missing, but its write-ahead log {log.name} is there"
    elif archive.is_dir() and any(archive.iterdir()):
        what = f"the event log is missing, but its archive {archive.name} is there"
    else:
        return
    raise LogUnusable(what, where=str(path), hint=f"{_RESTORE}; or move what is left out of the way to begin anew")


@contextlib.contextmanager
def _checked(path: Path, pragmas: Pragmas) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(connect(path, pragmas, access="read")) as connection:
            yield connection
    except sqlite3.Error as error:
        raise translate(error, path) from error


def revision_of(connection: sqlite3.Connection, path: Path) -> str:
    """The revision of the file's shape.

    Raises:
        LogUnusable: it is another program's database, or a newer Fleet's.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise LogUnusable(
            "the file is a database, but not one of Fleet's", where=str(path), hint="choose another --database"
        )
    rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    revision = str(rows[0][0]) if len(rows) == 1 else ""
    if revision not in REVISIONS:
        raise LogUnusable(
            f"the event log has the shape {revision or 'of no release'}, and this Fleet knows up to {REVISION}",
            where=str(path),
            hint="update Fleet: a newer one has written here",
        )
    return revision


def _create(path: Path, pragmas: Pragmas, definitions: str) -> None:
    try:
        make_private_folder(path.parent)
        with folder_lock(path.parent):
            if _examine(path):
                return
            # A leftover of one who was killed here; nobody else can be at it now.
            new = beside(path, ".new")
            new.unlink(missing_ok=True)
            make_private_file(new)
            _fill(new, pragmas, definitions)
            move_into_place(new, path)
    except OSError as error:
        raise LogUnusable(
            f"the event log cannot be made: {error.strerror}", where=str(path), hint="check who owns the folder"
        ) from error


def _fill(path: Path, pragmas: Pragmas, definitions: str) -> None:
    try:
        with contextlib.closing(connect(path, pragmas, access="write")) as connection:
            connection.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; {_VERSION_TABLE}"
                f" INSERT INTO alembic_version VALUES ('{REVISION}'); {DEFINITIONS} {definitions} COMMIT;"
            )
    except sqlite3.Error as error:
        raise translate(error, path) from error
