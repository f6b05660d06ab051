"""The shape of the log's file: which release's it is, and taking it forwards and backwards.

Forwards is what every command that writes does by itself; here it can be done, and looked at, on its own. Backwards is for
going on with an older release: what that one does not know is dropped, the events never are.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import FleetError, LeaseHeld, NotFound
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.faults import translated
from reconciler.events.store.files import folder_lock
from reconciler.events.store.migrating import Step, downgrade, steps
from reconciler.events.store.opening import revision_of_file
from reconciler.events.store.prepared import prepare
from reconciler.events.store.schema import REVISION, REVISIONS
from reconciler.events.store.writer import Writer
from reconciler.projections.store import open_store


class NoSuchRevision(FleetError):
    """A revision that this release does not know, or that is not on the way."""

    http_status = 422
    code = "no_such_revision"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a file is on the way of the migrations.

    Attributes:
        revision: empty when there is no file yet.
        newest: the one that this release makes.
        steps: every migration, oldest first.
    """

    path: Path
    revision: str
    newest: str
    steps: tuple[Step, ...]

    @property
    def pending(self) -> tuple[Step, ...]:
        """The migrations that are still to come."""
        done = REVISIONS.index(self.revision) + 1 if self.revision else len(REVISIONS)
        return self.steps[done:]


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done: the revisions before and after, and the copy that was made of the file; None where nothing was."""

    before: str
    after: str
    copy: Path | None


def shape_of(path: Path) -> Shape:
    """The shape of a file; read-only.

    Raises:
        LogUnusable: it is damaged, another program's, or a newer Fleet's.
    """
    try:
        revision = revision_of_file(path, Pragmas())
    except NotFound:
        revision = ""
    return Shape(path, revision, REVISION, tuple(steps()))


def up(path: Path) -> Migrated:
    """Bring a file to the newest shape, after a copy was made.

    Raises:
        NotFound: there is no file.
        LogUnusable: the migration failed, and the file is as it was; or it cannot be migrated.
    """
    before = revision_of_file(path, Pragmas())
    with open_store(path):
        pass
    return Migrated(before, REVISION, _copy(path, before, REVISION))


def down(path: Path, cause: Cause, revision: str = "") -> Migrated:
    """Take a file back to an older shape, after a copy was made; the next command of this release that writes undoes it.

    Args:
        revision: the one to go back to; the one before where empty.

    Raises:
        NotFound: there is no file.
        NoSuchRevision: this release knows no such revision, or it is not an older one.
        LeaseHeld: somebody is writing.
        LogUnusable: the migration failed, and the file is as it was.
    """
    before = revision_of_file(path, Pragmas())
    target = _older(before, revision)
    with open_store(path, mode="read") if before == REVISION else contextlib.nullcontext() as store:
        holder = store.lease_holder() if store is not None else None
    if holder is not None:
        raise LeaseHeld(f"{holder.holder} is writing to this fleet", hint="wait for it to finish")
    with folder_lock(path.parent):
        downgrade(path, Pragmas(), target)
        _record(path, before, target, cause)
    return Migrated(before, target, _copy(path, before, target))


def _older(before: str, wanted: str) -> str:
    older = REVISIONS[: REVISIONS.index(before)]
    if not older:
        raise NoSuchRevision(f"{before} is the first shape there was", hint="the log itself is never taken back")
    target = wanted or older[-1]
    if target not in older:
        raise NoSuchRevision(
            f"{target!r} is no older shape than {before}", hint=f"one of {', '.join(older)}; fleet migrate status"
        )
    return target


def _record(path: Path, before: str, after: str, cause: Cause) -> None:
    """Put it into the log. The projections that it would be folded into are not there, or are made anew later."""
    event = NewEvent("database_migrated", "system", "database", {"from_revision": before, "to_revision": after})
    with translated(path), contextlib.closing(connect(path, Pragmas(), access="write")) as connection:
        writer = Writer(path, connection, _Nothing())
        with writer.transaction():
            writer.record([prepare(event)], cause)


class _Nothing:
    """No projection follows."""

    def follow(self, events: Sequence[Event], connection: sqlite3.Connection) -> None:
        pass

    def catch_up(self, connection: sqlite3.Connection, after: int, head: int) -> bool:
        return False

    def forget(self) -> None:
        pass


def _copy(path: Path, before: str, after: str) -> Path | None:
    """The newest copy that was made on this way."""
    if before == after:
        return None
    return max(path.parent.glob(f"{path.name}.before-{after}-from-{before}-*"), default=None)
