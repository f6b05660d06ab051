"""Bringing a file of an older shape to the newest, and back.

All steps are one transaction: a migration that fails, or a process that is killed in the middle of one, leaves the file as it
was. Before an upgrade the whole database is copied beside itself. Alembic and SQLAlchemy are imported here and nowhere else
in the store: the path that every command takes does not come by.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import reconciler
from reconciler.errors import FleetError, LogUnusable
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.faults import translated
from reconciler.events.store.files import beside, make_private_file, move_into_place
from reconciler.events.store.opening import revision_of
from reconciler.events.store.schema import REVISION, REVISIONS

if TYPE_CHECKING:
    from alembic.config import Config


def scripts() -> Path:
    """The folder of the migrations: inside the installed package, or at the top of a checkout."""
    package = Path(reconciler.__file__).parent
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def upgrade(path: Path, pragmas: Pragmas) -> str | None:
    """Bring the file to the newest shape; the revision that it had, None when it was the newest already.

    The caller keeps others from migrating at the same time.

    Raises:
        LogUnusable: a migration failed; the file is as it was.
    """
    return _migrate(path, pragmas, REVISION)


def downgrade(path: Path, pragmas: Pragmas, revision: str) -> str | None:
    """Take the file back to the shape of an older release; the revision that it had.

    Raises:
        LogUnusable: that would lose events, or a migration failed; the file is as it was.
    """
    return _migrate(path, pragmas, revision)


def _migrate(path: Path, pragmas: Pragmas, target: str) -> str | None:
    with translated(path), contextlib.closing(connect(path, pragmas, access="write")) as connection:
        before = revision_of(connection, path)
        if before == target:
            return None
        back_up(connection, path, f"before-{target}-from-{before}")
        connection.execute("PRAGMA foreign_keys = OFF")
        try:
            _run(connection, before, target)
        except (FleetError, sqlite3.Error):
            raise
        except Exception as error:
            raise LogUnusable(
                f"the migration from {before} to {target} failed: {error}",
                where=str(path),
                hint="the file is as it was, and a copy lies beside it",
            ) from error
    return before


class Step(NamedTuple):
    """One migration: the revision that it leads to, and what it does in one line."""

    revision: str
    what: str


def steps() -> list[Step]:
    """Every migration that this release knows, oldest first."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_config()).walk_revisions()
    return [Step(script.revision, script.doc.partition("\n")[0]) for script in reversed(list(found))]


def back_up(connection: sqlite3.Connection, path: Path, name: str) -> Path:
    """Copy the database beside itself while others may go on using it; where the copy is."""
    target = beside(path, f".{name}-{time.strftime('%Y%m%dT%H%M%S')}")
    partial = beside(path, ".copy")
    partial.unlink(missing_ok=True)
    make_private_file(partial)
    with contextlib.closing(sqlite3.connect(partial)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    move_into_place(partial, target)
    return target


def _run(connection: sqlite3.Connection, before: str, target: str) -> None:
    from alembic import command
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def _(began: Any) -> None:
        # Python's driver opens no transaction by itself here, and would not hold one open over a change of tables.
        began.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as transaction:
        config = _config()
        config.attributes["connection"] = transaction
        if target in REVISIONS[REVISIONS.index(before) + 1 if before else 0 :]:
            command.upgrade(config, target)
        else:
            command.downgrade(config, target)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    return config
