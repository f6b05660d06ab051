"""Rejected revisions: a file that is wrong is a state of the file too, and has its number and its problems in the log."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from reconciler.errors import Conflict, FleetError, SpecInvalid
from reconciler.events.envelope import NewEvent
from reconciler.projections.fleet import revision_key
from reconciler.spec.masked import masked_text
from reconciler.spec.roles import digest_of

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.errors import Problem
    from reconciler.projections.store import Store

_TRIES = 3


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
    digest = _digest(session, error)
    version = store.stream_version("fleet", fleet)
    head = store.projected().head
    rows = store.rows()
    for number in range(head.latest, 0, -1):
        row = rows.get("revisions", revision_key(number))
        if row is not None and row["status"] == "rejected" and row["digest"] == digest:
            return number
    revision = head.latest + 1
    data = {"revision": revision, "digest": digest, "problems": [_problem(one) for one in error.problems]}
    if session.cause.commit:
        data["commit"] = session.cause.commit
    event = NewEvent("revision_rejected", "fleet", fleet, data)
    store.append([event], session.cause, expected_version=version)
    return revision


def _fleet(store: Store) -> str:
    """The name that the log knows the fleet by: that of a file which cannot be read is not known."""
    rows = sorted((row for _, row in store.rows().scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    return str(rows[-1]["name"]) if rows else ""


def _digest(session: Session, error: SpecInvalid) -> str:
    """What stands for this content: the file's own text, and the problems, which may lie in an included one."""
    try:
        text = hashlib.sha256(session.file.read_bytes()).hexdigest()
    except OSError:
        text = ""
    return digest_of([text, [str(one) for one in error.problems]])


def _problem(one: Problem) -> dict[str, object]:
    """A problem for the log, in which no value may be found that looks like a secret."""
    found: dict[str, object] = {"file": one.file, "message": masked_text(one.message)}
    if one.line:
        found |= {"line": one.line, "column": one.column}
    if one.path:
        found["path"] = one.path
    if one.hint:
        found["hint"] = masked_text(one.hint)
    return found
