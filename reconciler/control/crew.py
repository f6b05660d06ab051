"""The declared specialists of one session: their processes' command and log, and the desk for what they work on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from reconciler.control.desk import specialists
from reconciler.control.desk.desk import Command, Desk
from reconciler.errors import LeaseLost, NotFound
from reconciler.ids import replica_id
from reconciler.work.refusals import WorkRefused

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.events.store.lease import Lease
    from reconciler.projections.rows import Row
    from reconciler.projections.store import Store

T = TypeVar("T")


def log_folder(session: Session) -> Path:
    """Where the logs of this project's specialists are."""
    return session.database.parent / "specialists"


def log_file(session: Session, pool: str, replica: int) -> Path:
    """The file that takes what a replica's process prints."""
    return log_folder(session) / f"{pool}-{replica}.log"


class DeclaredCrew:
    """The crew of a session's fleet, in the name of whoever applies it, under the writer's lease."""

    def __init__(self, session: Session, store: Store, lease: Lease | None) -> None:
        self._session = session
        self._store = store
        self._cause = session.cause
        self._desk = Desk(store, self._cause)
        self._lease = lease

    def command(self, pool: str, replica: int) -> tuple[str, ...]:
        """`fleet worker` of this very installation, on this project's log."""
        session = self._session
        about = ["--project", str(session.directory), "--file", str(session.file), "--database", str(session.database)]
        start = session.worker_command or (sys.executable, "-m", "reconciler.cli.main", "worker")
        return (*start, "--specialist", pool, "--replica", str(replica), *about)

    def log(self, pool: str, replica: int) -> Path:
        """The file that takes what it prints."""
        return log_file(self._session, pool, replica)

    def drain(self, pool: str, replica: int, intent: UUID) -> bool:
        """Give it nothing more from now on."""
        return self._run(specialists.drain(replica_id(pool, replica), by=self._cause.actor), intent)

    def works_on(self, pool: str, replica: int) -> str:
        """What it is busy with."""
        row = self._row(pool, replica)
        if row is None or row["status"] in ("inactive", "completed"):
            return ""
        # A reviewer holds no sortie of its own.
        return str(row["current_sortie"] or ("a review" if row["status"] == "busy" else ""))

    def hand_back(self, pool: str, replica: int, intent: UUID) -> None:
        """Take it out of service; one that has left by itself holds nothing."""
        row = self._row(pool, replica)
        if row is not None and row["status"] not in ("inactive", "completed"):
            self._run(specialists.deactivate(replica_id(pool, replica), by=self._cause.actor), intent)

    def reported_since(self, pool: str, replica: int, moment_ms: int) -> bool:
        """Whether it has said that it lives since then."""
        row = self._row(pool, replica)
        return row is not None and row["status"] in ("active", "busy", "idle") and row["last_seen"] >= moment_ms

    def _row(self, pool: str, replica: int) -> Row | None:
        return self._store.rows().get("specialists", replica_id(pool, replica))

    def _run(self, command: Command[T], intent: UUID) -> bool:
        """Whether the command was carried out; one that has nobody to be about was not."""
        if self._lease is not None and self._lease.lost:
            raise LeaseLost("the lease was lost while the plan was carried out", hint="fleet apply goes on from here")
        try:
            self._desk.run(command, self._cause.after(intent))
        except (NotFound, WorkRefused):
            return False
        return True
