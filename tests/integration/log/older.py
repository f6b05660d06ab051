"""Files as older and newer releases of Fleet leave them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.events.store import migrating
from reconciler.events.store.connection import Pragmas
from reconciler.events.store.files import make_private_file, make_private_folder


def at_revision(path: Path, revision: str) -> None:
    """A new, empty file in the shape of this revision, made by the migrations alone."""
    make_private_folder(path.parent)
    make_private_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrating._run(connection, "", revision)


def taken_back(path: Path, revision: str) -> None:
    """An existing file in the shape of an older revision."""
    migrating.downgrade(path, Pragmas(), revision)


def shape(path: Path) -> dict[tuple[str, str], str | None]:
    """Everything that the file defines, with its SQL on one line."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    return {(kind, name): " ".join(sql.split()) if sql else None for kind, name, sql in rows}


def changed(path: Path, statement: str, *values: Any) -> None:
    """Run a statement on the file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def in_parallel(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives in so many threads that begin at the same time."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
