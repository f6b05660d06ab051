"""The life of a specialist: registered, busy or idle while it is heard of, inactive when it is not, completed.

What a specialist leaves behind is settled here too: locks of one that crashed or finished are released, sorties of one
that drains or is gone go back to the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.work import attempts
from reconciler.work import locks as lock_commands
from reconciler.work import reviews as review_commands
from reconciler.work.refusals import AlreadyEnded, InputRefused, TransitionRefused
from reconciler.work.state import FileLock, Review, Sortie, Specialist, iso

STALE_AFTER_MS = 60_000


def _event(specialist_id: str, event_type: str, now_ms: int, **data: Any) -> NewEvent:
    present = {key: value for key, value in data.items() if value is not None}
    return NewEvent(
        event_type, "specialist", specialist_id, {"specialist_id": specialist_id, **present}, occurred_at=now_ms
    )


def register(
    specialist_id: str,
    *,
    name: str,
    now_ms: int,
    capabilities: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> list[NewEvent]:
    """Make a specialist known. Registering again updates it, ends its draining, and makes it active again.

    Raises:
        InputRefused: no id or no name.
    """
    if not specialist_id.strip() or not name.strip():
        raise InputRefused("a specialist needs an id and a name")
    return [
        _event(
            specialist_id,
            "specialist_registered",
            now_ms,
            name=name,
            capabilities=sorted(set(capabilities)) or None,
            metadata=dict(metadata) if metadata else None,
        )
    ]


def spawn(
    specialist_id: str,
    *,
    name: str,
    by: str,
    now_ms: int,
    mission_id: str | None = None,
    sortie_id: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[NewEvent]:
    """Ask for a specialist to be started; it registers itself when it runs."""
    return [
        _event(
            specialist_id,
            "specialist_spawned",
            now_ms,
            name=name,
            spawned_by=by,
            mission_id=mission_id,
            sortie_id=sortie_id,
            config=dict(config) if config else None,
        )
    ]


def heartbeat(
    specialist: Specialist,
    *,
    now_ms: int,
    status: Literal["active", "busy", "idle"] | None = None,
    current_sortie: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> list[NewEvent]:
    """A sign of life, which makes an inactive specialist active again. Without a status: busy with a sortie, else idle.

    Raises:
        AlreadyEnded: it has completed.
    """
    _check_known(specialist)
    return [
        _event(
            specialist.id,
            "specialist_active",
            now_ms,
            status=status or ("busy" if current_sortie else "idle"),
            current_sortie=current_sortie,
            metrics=dict(metrics) if metrics else None,
        )
    ]


def is_stale(specialist: Specialist, now_ms: int, timeout_ms: int = STALE_AFTER_MS) -> bool:
    """Not heard of for longer than its time-out, though nobody ended it."""
    return specialist.status in ("active", "busy", "idle") and now_ms - specialist.last_seen > timeout_ms


def sweep(
    specialists: Iterable[Specialist],
    sorties: Sequence[Sortie],
    locks: Sequence[FileLock],
    *,
    now_ms: int,
    timeouts_ms: Mapping[str, int] | None = None,
    reviews: Sequence[Review] = (),
) -> list[NewEvent]:
    """What time alone brings about: silent specialists become inactive, what they held goes back, leases and locks end.

    Args:
        timeouts_ms: heartbeat time-out by pool name, where it differs from 60 s.
        reviews: those without a verdict; one whose reviewer is gone is given up.
    """
    events: list[NewEvent] = []
    gone: set[str] = set()
    for specialist in specialists:
        if is_stale(specialist, now_ms, (timeouts_ms or {}).get(specialist.pool, STALE_AFTER_MS)):
            events.append(
                _event(
                    specialist.id,
                    "specialist_deactivated",
                    now_ms,
                    reason="heartbeat_missed",
                    last_seen=iso(specialist.last_seen),
                )
            )
        elif specialist.status not in ("inactive", "completed"):
            continue
        gone.add(specialist.id)
    for sortie in sorties:
        if sortie.assigned_to in gone and sortie.status in ("assigned", "in_progress", "blocked"):
            why = f"{sortie.assigned_to} is gone"
            events += attempts.hand_back(sortie, by="fleet", now_ms=now_ms, reason=why, crashed=True)
        else:
            events += attempts.expire(sortie, now_ms=now_ms)
    for lock in locks:
        if lock.reserved_by in gone and lock.status == "active":
            events.append(lock_commands.released_event(lock, "crash", now_ms))
        else:
            events += lock_commands.expire(lock, now_ms=now_ms)
    for review in reviews:
        if review.reviewer_id in gone:
            events += review_commands.abandon(review, now_ms=now_ms, reason=f"{review.reviewer_id} is gone")
    return events


def drain(specialist: Specialist, *, by: str, now_ms: int) -> list[NewEvent]:
    """Let a specialist finish what it works on and give it nothing more; asked twice gives no event.

    Raises:
        AlreadyEnded: it has completed.
    """
    _check_known(specialist)
    if specialist.draining:
        return []
    return [_event(specialist.id, "specialist_drained", now_ms, drained_by=by)]


def deactivate(
    specialist: Specialist,
    sorties: Sequence[Sortie],
    locks: Sequence[FileLock],
    *,
    by: str,
    now_ms: int,
    reviews: Sequence[Review] = (),
) -> list[NewEvent]:
    """Take a specialist out of service at once: its sorties go back to the pool, its locks are released.

    Raises:
        AlreadyEnded: it has completed.
        TransitionRefused: it is inactive already.
    """
    _check_known(specialist)
    if specialist.status == "inactive":
        raise TransitionRefused(f"specialist {specialist.id} is inactive already")
    return [
        *_leave(specialist, sorties, locks, reviews, by, now_ms, f"{specialist.id} was taken out of service"),
        _event(
            specialist.id,
            "specialist_deactivated",
            now_ms,
            reason="requested",
            last_seen=iso(specialist.last_seen),
        ),
    ]


def complete(
    specialist: Specialist,
    sorties: Sequence[Sortie],
    locks: Sequence[FileLock],
    *,
    now_ms: int,
    reason: Literal["success", "error", "timeout", "cancelled"] = "success",
    final_checkpoint: Sequence[NewEvent] = (),
    final_checkpoint_id: str | None = None,
    summary: str = "",
    reviews: Sequence[Review] = (),
) -> list[NewEvent]:
    """End a specialist: its final checkpoint is taken, its sorties handed back, its locks released.

    Args:
        final_checkpoint: the events of that checkpoint, made while the locks were still held.

    Raises:
        AlreadyEnded: it has completed.
    """
    _check_known(specialist)
    return [
        *final_checkpoint,
        *_leave(specialist, sorties, locks, reviews, specialist.id, now_ms, f"{specialist.id} has completed"),
        _event(
            specialist.id,
            "specialist_completed",
            now_ms,
            completed_at=iso(now_ms),
            reason=reason,
            final_checkpoint_id=final_checkpoint_id,
            summary=summary or None,
        ),
    ]


def _leave(
    specialist: Specialist,
    sorties: Sequence[Sortie],
    locks: Sequence[FileLock],
    reviews: Sequence[Review],
    by: str,
    now_ms: int,
    why: str,
) -> list[NewEvent]:
    events: list[NewEvent] = []
    for review in reviews:
        if review.reviewer_id == specialist.id:
            events += review_commands.abandon(review, now_ms=now_ms, reason=why)
    for sortie in sorties:
        if sortie.assigned_to == specialist.id and sortie.status in ("assigned", "in_progress", "blocked"):
            events += attempts.hand_back(sortie, by=by, now_ms=now_ms, reason=why)
    return events + [
        lock_commands.released_event(lock, "explicit", now_ms)
        for lock in locks
        if lock.reserved_by == specialist.id and lock.status == "active"
    ]


def _check_known(specialist: Specialist) -> None:
    if specialist.status == "completed":
        raise AlreadyEnded(f"specialist {specialist.id} has completed", hint="register it again")
