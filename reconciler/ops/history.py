"""History: revisions of the file and applies, newest first, whatever became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.projections.rows import Row, Rows

# What one action of each kind is called when it is done; the key is the name of its count.
_DONE = {
    "replaces": "replaced",
    "deletes": "deleted",
    "creates": "created",
    "updates": "updated",
    "starts": "started",
    "stops": "stopped",
    "adopts": "adopted",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history.

    Attributes:
        kind: a revision of the file, or an apply of one.
        revision: its number.
        result: accepted, rejected or reverted for a revision; succeeded, failed, interrupted, timed_out, running or
            unfinished (the writer is gone and said nothing) for an apply.
        at: Unix ms when it was recorded or began.
        duration_ms: of an apply that has ended.
        actor, author, source, commit: who recorded it, who wrote the commit, through which door, from which commit.
        apply_id: of an apply.
        counts: actions of an apply by kind, those that are not zero.
        detail: what a person wants to know next: problems, where it left off, why it was reverted.
        sequence: the event that last changed it.
    """

    kind: Literal["revision", "apply"]
    revision: int
    result: str
    at: int
    sequence: int
    duration_ms: int | None = None
    actor: str = ""
    author: str = ""
    source: str = ""
    commit: str = ""
    apply_id: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    detail: str = ""


def history(rows: Rows, *, writing: bool) -> tuple[Entry, ...]:
    """All revisions and applies, newest first; read-only.

    Args:
        writing: whether somebody holds the writer's lease. Without a writer, an apply that has not ended never will.
    """
    entries = [*_revisions(rows), *_applies(rows, writing=writing)]
    return tuple(sorted(entries, key=lambda one: (one.at, one.kind == "apply", one.sequence), reverse=True))


def _revisions(rows: Rows) -> Iterator[Entry]:
    fleets = sorted((row for _, row in rows.scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    holding = fleets[-1]["revision"] if fleets else 0
    for _, row in rows.scan("revisions"):
        again = row["revision"] == holding and row["status"] == "reverted"
        yield Entry(
            kind="revision",
            revision=row["revision"],
            # One that was taken back and gone back to holds again.
            result="accepted" if again else row["status"],
            at=row["at"],
            sequence=row["last_event_sequence"],
            actor=row.get("actor") or "",
            author=row.get("author") or "",
            source=row.get("source") or "",
            commit=row.get("commit") or "",
            detail=_about_revision(row),
        )


def _about_revision(row: Row) -> str:
    problems: list[dict[str, Any]] = row.get("problems") or []
    if problems:
        first = problems[0]
        place = f"{first['file']}:{first['line']}: " if first.get("line") else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{place}{first['message']}{more}"
    about = row.get("reason") or ", ".join(str(file["path"]) for file in row.get("files") or ())
    reverted = row.get("reverted")
    if row["status"] != "reverted" or not reverted:
        return about
    why = f": {reverted['why']}" if reverted["why"] else ""
    taken_back = f"taken back in favour of revision {reverted['to_revision']}{why}"
    return f"{about}; {taken_back}" if about else taken_back


def _applies(rows: Rows, *, writing: bool) -> Iterator[Entry]:
    newest = max((row["started_at"] for _, row in rows.scan("applies")), default=0)
    for apply_id, row in rows.scan("applies"):
        ended = row["completed_at"]
        result = row["status"]
        if result == "running" and not (writing and row["started_at"] == newest):
            result = "unfinished"
        yield Entry(
            kind="apply",
            revision=row["revision"],
            result=result,
            at=row["started_at"],
            sequence=row["last_event_sequence"],
            duration_ms=ended - row["started_at"] if ended else None,
            actor=row.get("actor") or "",
            source=row.get("source") or "",
            commit=row.get("commit") or "",
            apply_id=apply_id,
            counts=tuple((name, row["counts"][name]) for name in _DONE if row["counts"].get(name)),
            detail=_about_apply(row),
        )


def _about_apply(row: Row) -> str:
    parts = [f"{row['counts'][name]} {word}" for name, word in _DONE.items() if row["counts"].get(name)]
    for outcome in ("failed", "skipped"):
        if row.get(outcome):
            parts.append(f"{row[outcome]} {outcome}")
    if row.get("left_off"):
        parts.append(f"left off at {row['left_off']}")
    return ", ".join(parts) or "nothing to do"
