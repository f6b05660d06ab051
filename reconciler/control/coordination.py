"""What the doors to messages, reservations and checkpoints share: the desk with its files, names, and forms for programs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.control.checkpoints.filing import Filing, Tell
from reconciler.control.desk.desk import Desk
from reconciler.errors import NotFound
from reconciler.events.document import iso_utc
from reconciler.projections.rows import Row, Rows

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.store import Store
    from reconciler.work.locks import Deadlock

_MESSAGE = (
    "id",
    "mailbox_id",
    "sender_id",
    "thread_id",
    "message_type",
    "priority",
    "status",
    "content",
    "response",
    "sequence",
)
_LOCK = ("id", "file_path", "normalized_path", "reserved_by", "purpose", "status", "checksum")
_THREAD = ("id", "title", "participants", "status")
_CHECKPOINT = (
    "id",
    "mission_id",
    "specialist_id",
    "trigger",
    "progress",
    "active_sorties",
    "pending_messages",
    "held_locks",
)


def open_coordination(session: Session, tell: Tell = lambda text: None) -> tuple[Desk, Store]:
    """The desk and its log, which is made if there is none: people and agents may talk before anything is applied.

    Args:
        tell: told which file of a checkpoint could not be written.

    Raises:
        LogUnusable: the log cannot be written.
    """
    store = session.writable()
    return Desk(store, session.cause, after=Filing(session.directory, tell)), store


def rows_of(session: Session) -> Rows:
    """What there is to see; nothing where nothing was ever recorded."""
    from reconciler.projections.rows import MemoryRows

    store = session.store
    return store.rows() if store is not None else MemoryRows()


def specialist_of(rows: Rows, name: str) -> str:
    """The id of a specialist by its id or name.

    Raises:
        NotFound: there is none, or more than one of this name.
    """
    found = _called(rows, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"there are {len(found)} specialists called {name}", hint=", ".join(found))
    known = sorted(row["name"] for _, row in rows.scan("specialists") if row["status"] != "completed")
    raise NotFound(f"there is no specialist {name}", hint=f"known: {', '.join(known[:5]) or 'none'}")


def mailbox_of(rows: Rows, name: str) -> str:
    """The mailbox that a name means: a specialist's where one is called that, else the one of this very name."""
    found = _called(rows, name)
    return found[0] if len(found) == 1 else name


def _called(rows: Rows, name: str) -> list[str]:
    if rows.get("specialists", name) is not None:
        return [name]
    named = [(key, row) for key, row in rows.scan("specialists") if row["name"] == name]
    return [key for key, row in named if row["status"] != "completed"] or [key for key, _ in named]


def checksum(path: Path) -> str | None:
    """A digest of a file's content; None where there is no such file, as for a glob."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError:
        return None


def message_document(row: Row) -> dict[str, Any]:
    """A message for programs."""
    return _document(row, _MESSAGE, ("sent_at", "read_at", "acked_at"))


def thread_document(row: Row) -> dict[str, Any]:
    """A thread for programs."""
    return _document(row, _THREAD, ("created_at", "updated_at"))


def lock_document(row: Row) -> dict[str, Any]:
    """A reservation for programs."""
    return _document(row, _LOCK, ("reserved_at", "expires_at", "released_at"))


def deadlock_document(one: Deadlock) -> dict[str, Any]:
    """A circle of waits for programs."""
    return {"specialists": list(one.specialists), "paths": list(one.paths), "text": one.text}


def checkpoint_document(row: Row, *, whole: bool = False) -> dict[str, Any]:
    """A checkpoint for programs; its context where the whole of it is wanted."""
    context: Mapping[str, Any] = row.get("context") or {}
    found = _document(row, _CHECKPOINT, ("created_at", "expires_at", "consumed_at"))
    found |= {"note": context.get("note"), "recovery": context.get("recovery")}
    return found | ({"context": context} if whole else {})


def _document(row: Row, fields: tuple[str, ...], times: tuple[str, ...]) -> dict[str, Any]:
    found = {name: row.get(name) for name in fields}
    return found | {name: iso_utc(row[name]) if row.get(name) else None for name in times}
