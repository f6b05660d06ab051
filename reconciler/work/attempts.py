"""One specialist's hold on a sortie: numbered attempts, their leases, and what follows when one ends without success.

A word from an attempt that no longer holds its sortie is refused, and that it came is recorded, so that the work of two
attempts is never mixed.
"""

from __future__ import annotations

from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.work.refusals import AlreadyEnded, LeaseOver, NotAssigned, TransitionRefused
from reconciler.work.state import Sortie, iso

FailureCause = Literal["error", "timeout", "lease_expired", "crash", "budget", "rate_limit", "handed_back", "rejected"]

LONGEST_DELAY_MS = 3_600_000
DEFAULT_LEASE_MS = 60_000
_FREE_CAUSES = frozenset({"handed_back", "rate_limit"})


def sortie_event(sortie_id: str, event_type: str, now_ms: int, **data: Any) -> NewEvent:
    """An event of a sortie's stream; facts that are None are left out."""
    present = {key: value for key, value in data.items() if value is not None}
    return NewEvent(event_type, "sortie", sortie_id, {"sortie_id": sortie_id, **present}, occurred_at=now_ms)


def status_event(sortie: Sortie, new_status: str, by: str, now_ms: int, reason: str = "") -> NewEvent:
    """The change of a sortie's status as an event."""
    return sortie_event(
        sortie.id,
        "sortie_status_changed",
        now_ms,
        previous_status=sortie.status,
        new_status=new_status,
        changed_by=by,
        reason=reason or None,
    )


def renew(sortie: Sortie, specialist_id: str, attempt: int, *, now_ms: int, lease_ms: int) -> list[NewEvent]:
    """Prolong the lease of a running attempt.

    Raises:
        LeaseOver: the attempt no longer holds the sortie.
    """
    check_attempt(sortie, specialist_id, attempt, now_ms, "renewal")
    return [
        sortie_event(
            sortie.id,
            "sortie_lease_renewed",
            now_ms,
            specialist_id=specialist_id,
            attempt=attempt,
            lease_expires_at=now_ms + lease_ms,
        )
    ]


def end_attempt(
    sortie: Sortie, *, by: str, error: str, cause: FailureCause, now_ms: int, retry_after_ms: int = 0
) -> list[NewEvent]:
    """What follows from a failed attempt, whoever noticed it. Being handed back or throttled costs no attempt."""
    free = cause in _FREE_CAUSES
    used = sortie.attempt - sortie.attempt_base
    final = cause == "rejected" or (not free and used > sortie.plan.retries)
    delay = 0 if cause == "handed_back" else max(backoff_ms(sortie.plan.retry_delay_ms, used), retry_after_ms)
    return [
        sortie_event(
            sortie.id,
            "sortie_attempt_failed",
            now_ms,
            specialist_id=sortie.assigned_to or by,
            attempt=sortie.attempt,
            error=error,
            cause=cause,
            final=final,
            counts=not free,
            retry_at=None if final else now_ms + delay,
        ),
        status_event(sortie, "failed" if final else "pending", by, now_ms, error),
    ]


def backoff_ms(delay_ms: int, failures: int) -> int:
    """The delay before the next attempt: doubled with every failure, at most an hour."""
    return int(min(delay_ms * 2 ** min(max(failures - 1, 0), 20), LONGEST_DELAY_MS))


def expire(sortie: Sortie, *, now_ms: int) -> list[NewEvent]:
    """Take a sortie back from an attempt whose lease ran out; nothing when the lease still holds."""
    lease = sortie.lease
    if sortie.status not in ("in_progress", "blocked") or lease is None or lease.expires_at > now_ms:
        return []
    expired = sortie_event(
        sortie.id,
        "sortie_lease_expired",
        now_ms,
        specialist_id=lease.holder,
        attempt=lease.attempt,
        expired_at=lease.expires_at,
    )
    error = f"{lease.holder} did not renew its lease in time"
    return [expired, *end_attempt(sortie, by="fleet", error=error, cause="lease_expired", now_ms=now_ms)]


def hand_back(sortie: Sortie, *, by: str, now_ms: int, reason: str, crashed: bool = False) -> list[NewEvent]:
    """Give a held sortie back to the pool: its specialist drains, or is gone. Only a crash costs an attempt.

    Raises:
        TransitionRefused: nobody holds it.
    """
    if sortie.status not in ("assigned", "in_progress", "blocked"):
        check_open(sortie)
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}; there is nothing to hand back")
    cause: FailureCause = "crash" if crashed and sortie.status != "assigned" else "handed_back"
    return end_attempt(sortie, by=by, error=reason, cause=cause, now_ms=now_ms)


def check_open(sortie: Sortie) -> None:
    """Whether the sortie can still move.

    Raises:
        AlreadyEnded: it cannot.
    """
    if sortie.ended:
        raise AlreadyEnded(f"sortie {sortie.id} is {sortie.status}")


def check_holder(sortie: Sortie, specialist_id: str) -> None:
    """Whether it is this specialist's.

    Raises:
        NotAssigned: it is somebody else's, or nobody's.
    """
    if sortie.assigned_to != specialist_id:
        raise NotAssigned(f"sortie {sortie.id} is assigned to {sortie.assigned_to}, not to {specialist_id}")


def check_working(sortie: Sortie, specialist_id: str, now_ms: int, attempt: int | None, what: str) -> None:
    """In progress or blocked, by this specialist, in this attempt, within its lease.

    Raises:
        AlreadyEnded, TransitionRefused: it is not under way.
        NotAssigned: it is somebody else's, or nobody's.
        LeaseOver: the attempt no longer holds it.
    """
    if attempt is not None:
        check_attempt(sortie, specialist_id, attempt, now_ms, what)
    if sortie.status not in ("in_progress", "blocked"):
        check_open(sortie)
        if sortie.status == "pending":
            raise NotAssigned(f"sortie {sortie.id} is assigned to nobody")
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}, not in progress")
    check_holder(sortie, specialist_id)
    if attempt is None and sortie.lease is not None and sortie.lease.expires_at <= now_ms:
        check_attempt(sortie, specialist_id, sortie.attempt, now_ms, what)


def check_attempt(sortie: Sortie, specialist_id: str, attempt: int, now_ms: int, what: str) -> None:
    """Whether the attempt still holds the sortie.

    Raises:
        LeaseOver: it does not; carries `sortie_result_refused`, because that the word came is worth knowing.
    """
    lease = sortie.lease
    under_way = sortie.status in ("in_progress", "blocked") and not sortie.awaits_rework
    if sortie.attempt != attempt or not under_way:
        why = f"attempt {attempt} is over"
    elif sortie.assigned_to != specialist_id:
        why = f"{specialist_id} does not hold it"
    elif lease is not None and lease.expires_at <= now_ms:
        why = f"the lease ran out at {iso(lease.expires_at)}"
    else:
        return
    record = sortie_event(
        sortie.id,
        "sortie_result_refused",
        now_ms,
        specialist_id=specialist_id,
        attempt=attempt,
        what=what,
        reason=why,
    )
    raise LeaseOver(f"{what} for sortie {sortie.id} refused: {why}", record=[record])
