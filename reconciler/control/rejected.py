"""Rejected revisions: a file that is wrong is a state of the file too, and has its number and its problems in the log."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import Conflict, FleetError, Problem, SpecInvalid
from reconciler.events.envelope import NewEvent
from reconciler.projections.fleet import revision_key
from reconciler.spec.masked import masked_text

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.projected import RevisionHead
    from reconciler.projections.rows import Rows
    from reconciler.projections.store import Store

_TRIES = 3


def content_digest(error: SpecInvalid, file: Path) -> str:
    """What stands for a wrong content: the file's own text, and the problems, which may lie in an included one."""
    content = hashlib.sha256("\n".join(str(problem) for problem in error.problems).encode())
    try:
        content.update(file.read_bytes())
    except OSError:
        content.update(b"missing")
    return f"sha256:{content.hexdigest()}"


def recorded_as(rows: Rows | None, head: RevisionHead, digest: str) -> int:
    """The revision that this content was rejected as before; 0 when it never was."""
    for number in range(head.latest, 0, -1) if rows is not None else ():
        row = rows.get("revisions", revision_key(number)) if rows is not None else None
        if row is not None and row["status"] == "rejected" and row["digest"] == digest:
            return number
    return 0


def rejection(fleet: str, revision: int, digest: str, problems: tuple[Problem, ...], *, commit: str = "") -> NewEvent:
    """The event; no value may be found in it that looks like a secret."""
    data: dict[str, object] = {"revision": revision, "digest": digest, "problems": [_problem(one) for one in problems]}
    if commit:
        data["commit"] = commit
    return NewEvent("revision_rejected", "fleet", fleet, data)


def record_rejection(session: Session, error: SpecInvalid) -> int:
    """Record once for each content that the file was wrong; the revision's number, 0 where there is no log to record it in.

    The person is told what is wrong with the file in any case, so a log that cannot be written is no further error here.
    """
    if not session.database.exists():
        return 0
    with contextlib.suppress(FleetError):
        store = session.writable()
        for _ in range(_TRIES):
            # Somebody else may have numbered a revision meanwhile.
            with contextlib.suppress(Conflict):
                return _record(session, store, error)
    return 0


def _record(session: Session, store: Store, error: SpecInvalid) -> int:
    fleet = _fleet(store)
    if not fleet:
        return 0
    digest = content_digest(error, session.file)
    version = store.stream_version("fleet", fleet)
    head = store.projected().head
    known = recorded_as(store.rows(), head, digest)
    if known:
        return known
    event = rejection(fleet, head.latest + 1, digest, error.problems, commit=session.cause.commit)
    store.append([event], session.cause, expected_version=version)
    return head.latest + 1


def _fleet(store: Store) -> str:
    """The name that the log knows the fleet by: that of a file which cannot be read is not known."""
    rows = sorted((row for _, row in store.rows().scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    return str(rows[-1]["name"]) if rows else ""


def _problem(one: Problem) -> dict[str, object]:
    return {
        "file": one.file,
        "line": one.line,
        "column": one.column,
        "path": one.path,
        "message": masked_text(one.message),
        "hint": masked_text(one.hint),
    }
