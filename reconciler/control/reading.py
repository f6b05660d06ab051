"""Reading the file for one cycle: from the log where nothing it depends on has changed, else from disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from reconciler.plan.model import Notice
from reconciler.projections.fleet import revision_key
from reconciler.spec.desired import Desired, desired_from_document
from reconciler.spec.inputs import unchanged
from reconciler.spec.roles import digest_of

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.errors import Problem
    from reconciler.projections.projected import RevisionHead
    from reconciler.projections.rows import Row, Rows


@dataclass(frozen=True, slots=True)
class Reading:
    """What the file says, and how that stands to the revision that holds.

    Attributes:
        document: `desired` in its plain form, as a revision records it.
        digest: of that document.
        changed: it is not what the revision that holds says.
        inputs: everything that the result depends on.
        files: path and digest of every file that was read.
        places: resource address or path to its place in the text; empty when the file was not loaded again.
        accepted: the event that made this the revision that holds; None while it is none.
        notices: what a person should know of how it came to this.
    """

    desired: Desired
    document: dict[str, Any]
    digest: str
    changed: bool
    inputs: dict[str, Any]
    files: tuple[dict[str, str], ...] = ()
    warnings: tuple[Problem, ...] = ()
    places: Mapping[str, Any] = field(default_factory=dict)
    accepted: UUID | None = None
    notices: tuple[Notice, ...] = ()


def read_file(session: Session, rows: Rows | None, head: RevisionHead) -> Reading:
    """The desired state. Read-only.

    Args:
        rows: the log's projections, None when there is no log.
        head: the revision that holds.

    Raises:
        SpecInvalid: with every problem of the file.
    """
    options = session.load_options()
    row = rows.get("revisions", revision_key(head.revision)) if rows is not None and head.revision else None
    if (
        row is not None
        and row["inputs"]
        and unchanged(row["inputs"], file=session.file, project=session.directory, options=options)
    ):
        return _recorded(row)
    reverted = _reverted_revision(rows, head) if row is not None else None
    if (
        row is not None
        and reverted is not None
        and unchanged(reverted["inputs"], file=session.file, project=session.directory, options=options)
    ):
        return _held(row, reverted)
    from reconciler.spec.load import load

    loaded = load(session.file, project=session.directory, options=options)
    document = _document(loaded.desired)
    digest = digest_of(document)
    same = row is not None and row["digest"] == digest
    if not same and row is not None and reverted is not None and reverted["digest"] == digest:
        return _held(row, reverted)
    return Reading(
        desired=loaded.desired,
        document=document,
        digest=digest,
        changed=not same,
        inputs=loaded.inputs,
        files=tuple({"path": file.path, "digest": file.digest} for file in loaded.files),
        warnings=tuple(loaded.warnings),
        places=loaded.places,
        accepted=UUID(row["event_id"]) if row is not None and same else None,
    )


def last_good(rows: Rows | None, head: RevisionHead) -> Reading | None:
    """What the revision that holds says, whatever the file says; None before the first revision."""
    row = rows.get("revisions", revision_key(head.revision)) if rows is not None and head.revision else None
    return _recorded(row) if row is not None else None


def _reverted_revision(rows: Rows | None, head: RevisionHead) -> Row | None:
    """The last state of the file that was accepted, if it was taken back since; a wrong file in between changes nothing."""
    if rows is None:
        return None
    for number in range(head.latest, head.revision, -1):
        row = rows.get("revisions", revision_key(number))
        if row is not None and row["status"] != "rejected":
            return row if row["status"] == "reverted" else None
    return None


def _held(row: Row, reverted: Row) -> Reading:
    """The revision that holds, in the place of a file that still says what was taken back."""
    number = reverted["revision"]
    text = (
        f"the file still says what revision {number} said, which was rolled back: revision {row['revision']} holds "
        f"until the file is edited, or `fleet rollback {number}` takes it up again"
    )
    return replace(_recorded(row), notices=(Notice("fleet", text),))


def _document(desired: Desired) -> dict[str, Any]:
    from reconciler.spec.desired import to_document

    return to_document(desired)


def _recorded(row: Row) -> Reading:
    return Reading(
        desired=desired_from_document(row["document"]),
        document=row["document"],
        digest=row["digest"],
        changed=False,
        inputs=row["inputs"],
        files=tuple(row["files"]),
        accepted=UUID(row["event_id"]),
    )


def now_ms() -> int:
    """The clock, in Unix ms."""
    return time.time_ns() // 1_000_000
