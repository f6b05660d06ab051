"""What is known, as the forms that tools give back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from reconciler.control.desk import messages, reading
from reconciler.errors import NotFound
from reconciler.events.document import iso_utc
from reconciler.mcp import forms
from reconciler.projections.rows import Row, Rows
from reconciler.work.checkpoints import Recovery
from reconciler.work.state import FileLock, Sortie

if TYPE_CHECKING:
    from reconciler.control.desk.briefing import Brief
    from reconciler.control.desk.resuming import Resumed
    from reconciler.mcp.seat import Seat


def claimed(found: Brief | None) -> forms.Claimed:
    """What was claimed."""
    if found is None:
        return forms.Claimed(kind="nothing")
    job = found.job
    return forms.Claimed(
        kind=found.kind,
        sortie_id=job.sortie_id,
        title=job.title,
        description=job.description,
        mission=job.mission,
        attempt=found.attempt,
        prompt=job.prompt,
        run=job.run,
        files=list(job.files),
        feedback=job.feedback,
        review_id=found.review_id,
        reported=dict(job.reported or {}),
        inputs={name: dict(one) for name, one in job.inputs.items()},
        context=job.context,
        lease_expires_at=_time(found.lease_expires_at),
        left_minutes=round(found.left_ms / 60_000, 1),
    )


def sortie(rows: Rows, found: Sortie) -> forms.SortieState:
    """How a sortie stands."""
    row = rows.get("sorties", found.id) or {}
    return forms.SortieState(
        sortie_id=found.id,
        title=found.title,
        status=found.status,
        progress=found.progress,
        attempt=found.attempt,
        assigned_to=found.assigned_to or "",
        blocked_reason=found.blocked_reason or "",
        waits_for=row.get("waits_for") or "",
    )


def sortie_by_id(rows: Rows, sortie_id: str) -> forms.SortieState:
    """How the sortie of this id stands.

    Raises:
        NotFound: there is none.
    """
    return sortie(rows, reading.sortie(rows, sortie_id))


def letter(row: Row) -> forms.Letter:
    """A message."""
    return forms.Letter(
        message_id=row["id"],
        mailbox=row["mailbox_id"],
        sender=row["sender_id"] or "",
        type=row["message_type"],
        priority=row["priority"],
        status=row["status"],
        content=row["content"],
        thread=row["thread_id"] or "",
        sent_at=_time(row["sent_at"]),
    )


def reservations(found: Iterable[FileLock]) -> forms.Reservations:
    """Reservations."""
    return forms.Reservations(locks=[_reserved(one) for one in found])


def everybodys(rows: Rows) -> forms.Reservations:
    """All reservations that hold."""
    return reservations(reading.active_locks(rows))


def kept(row: Row) -> forms.Kept:
    """A checkpoint."""
    return forms.Kept(
        checkpoint_id=row["id"],
        created_at=_time(row["created_at"]),
        sorties=row["active_sorties"],
        locks=len(row["held_locks"]),
        messages=len(row["pending_messages"]),
        prompt=_prompt(row),
    )


def prompt_of(rows: Rows, checkpoint_id: str) -> str:
    """What whoever goes on from a checkpoint is told.

    Raises:
        NotFound: there is none of this id.
    """
    row = rows.get("checkpoints", checkpoint_id)
    if row is None:
        raise NotFound(f"there is no checkpoint {checkpoint_id}", hint="fleet checkpoints list")
    return _prompt(row)


def taken_up(done: Resumed, warnings: tuple[str, ...]) -> forms.TakenUp:
    """Work that was taken up again."""
    return forms.TakenUp(
        checkpoint_id=done.checkpoint_id,
        sorties=list(done.sorties),
        yours=done.assigned,
        locks=list(done.locks),
        messages=list(done.messages),
        blockers=list(done.blockers),
        warnings=list(warnings),
        prompt=done.recovery.to_prompt(),
    )


def status(seat: Seat, now_ms: int) -> forms.Status:
    """How a specialist and the fleet stand."""
    rows = seat.rows
    me, mine = reading.specialist(rows, seat.id), seat.working_on()
    missions = [
        forms.MissionState(
            mission_id=one.id,
            name=one.name,
            title=one.title,
            status=one.status,
            completed=row.get("completed_sorties") or 0,
            total=row.get("total_sorties") or 0,
        )
        for one, row in seat.missions()
    ]
    return forms.Status(
        specialist_id=me.id,
        name=me.name,
        status=me.status,
        capabilities=sorted(me.capabilities),
        draining=me.draining,
        sortie=sortie(rows, mine) if mine is not None else None,
        unread=len(messages.inbox(rows, seat.id)),
        locks=[_reserved(one) for one in seat.held()],
        missions=missions,
        open_sorties=len(reading.open_sorties(rows)),
        deadlocks=[one.text for one in seat.deadlocks(now_ms)],
    )


def _reserved(lock: FileLock) -> forms.Reserved:
    return forms.Reserved(
        lock_id=lock.id,
        path=lock.normalized_path,
        holder=lock.reserved_by,
        purpose=lock.purpose,
        expires_at=_time(lock.expires_at),
    )


def _prompt(row: Row) -> str:
    recovery: dict[str, Any] = (row.get("context") or {}).get("recovery") or {}
    return Recovery.from_document(recovery).to_prompt()


def _time(milliseconds: int | None) -> str:
    return iso_utc(milliseconds) if milliseconds else ""
