"""The life of a sortie: pending, assigned, in progress, blocked or in review, and then completed, failed or cancelled.

Each function is one command. It checks the step against the sortie's state and returns the events that follow, or
raises the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.events.envelope import NewEvent
from reconciler.work.attempts import (
    FailureCause,
    check_holder,
    check_open,
    check_working,
    end_attempt,
    sortie_event,
    status_event,
)
from reconciler.work.graph import readiness
from reconciler.work.refusals import (
    AlreadyEnded,
    DefinitionFrozen,
    DependencyOpen,
    InputRefused,
    NotAssigned,
    NotEligible,
    TransitionRefused,
)
from reconciler.work.state import PRIORITIES, Mission, Sortie, SortiePlan, Specialist, iso

BlockerType = Literal["sortie", "specialist", "external", "resource"]

_CHANGEABLE = frozenset({"title", "description", "priority", "assigned_to", "metadata"})


def create(
    sortie_id: str,
    *,
    title: str,
    now_ms: int,
    mission: Mission | None = None,
    description: str = "",
    priority: str = "medium",
    assigned_to: str = "",
    plan: SortiePlan | None = None,
    metadata: Mapping[str, Any] | None = None,
    declared: bool = False,
) -> list[NewEvent]:
    """A new sortie, pending.

    Args:
        plan: what it is to do; travels in the metadata beside the caller's own facts.
        declared: it comes from fleet.yaml, whose missions take no sorties from elsewhere.

    Raises:
        InputRefused: no title, or an unknown priority.
        AlreadyEnded: the mission has ended.
        DefinitionFrozen: the mission is declared in the file and this sortie is not.
    """
    if not title.strip():
        raise InputRefused("a sortie needs a title")
    _check_priority(priority)
    if mission is not None:
        if mission.ended:
            raise AlreadyEnded(f"mission {mission.id} is {mission.status} and takes no sorties")
        if mission.declared and not declared:
            raise DefinitionFrozen(f"mission {mission.id} is declared in fleet.yaml; add the sortie there")
    facts = {**(metadata or {}), **(plan.to_metadata() if plan else {})}
    return [
        sortie_event(
            sortie_id,
            "sortie_created",
            now_ms,
            mission_id=mission.id if mission else None,
            title=title,
            description=description or None,
            priority=priority,
            assigned_to=assigned_to or (plan.assigned_to if plan else "") or None,
            metadata=facts or None,
        )
    ]


def update(
    sortie: Sortie, changes: Mapping[str, Any], *, now_ms: int, mission: Mission | None = None
) -> list[NewEvent]:
    """Change the wording, priority, addressee or metadata; nothing changed gives no event.

    Raises:
        InputRefused: an unknown field, an empty title, or an unknown priority.
        AlreadyEnded: the sortie has ended.
        DefinitionFrozen: metadata of a sortie whose declared mission has started.
        TransitionRefused: another addressee while somebody works on it.
    """
    unknown = sorted(set(changes) - _CHANGEABLE)
    if unknown:
        raise InputRefused(f"a sortie has no field {unknown[0]!r} to change", hint=", ".join(sorted(_CHANGEABLE)))
    if "title" in changes and not str(changes["title"]).strip():
        raise InputRefused("a sortie needs a title")
    if "priority" in changes:
        _check_priority(str(changes["priority"]))
    check_open(sortie)
    if "metadata" in changes and mission is not None and mission.declared and mission.status != "pending":
        raise DefinitionFrozen(f"mission {mission.id} has started; its sorties keep their definition")
    if "assigned_to" in changes and sortie.status != "pending":
        raise TransitionRefused(
            f"sortie {sortie.id} is {sortie.status} with {sortie.assigned_to}", hint="cancel or wait for its end"
        )
    now = {key: getattr(sortie, key, None) for key in changes}
    real = {key: value for key, value in changes.items() if key == "metadata" or value != now[key]}
    return [sortie_event(sortie.id, "sortie_updated", now_ms, changes=real)] if real else []


def assign(
    sortie: Sortie, specialist: Specialist, *, by: str, now_ms: int, candidates: Sequence[str] = ()
) -> list[NewEvent]:
    """Give a pending sortie to a specialist; one that is assigned but not started may still go to another.

    Raises:
        TransitionRefused: it is under way or has ended.
        NotEligible: the specialist is away, draining, busy, or lacks a capability.
        NotAssigned: the sortie is meant for somebody else.
    """
    if sortie.status not in ("pending", "assigned"):
        check_open(sortie)
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status} and cannot be assigned")
    check_eligible(sortie, specialist)
    events = [sortie_event(sortie.id, "dispatch_evaluated", now_ms, candidates=list(candidates))] if candidates else []
    events.append(sortie_event(sortie.id, "dispatch_assigned", now_ms, specialist_id=specialist.id))
    # The status first: while it is pending, another addressee would mean that it is meant for somebody else.
    if sortie.status != "assigned":
        events.append(status_event(sortie, "assigned", by, now_ms))
    if sortie.assigned_to != specialist.id:
        events.append(sortie_event(sortie.id, "sortie_updated", now_ms, changes={"assigned_to": specialist.id}))
    return events


def check_eligible(sortie: Sortie, specialist: Specialist) -> None:
    """Whether this specialist may take this sortie at all.

    Raises:
        NotEligible: it is away, draining, busy with another sortie, or lacks a capability.
        NotAssigned: the sortie is meant for somebody else.
    """
    if specialist.status in ("inactive", "completed"):
        raise NotEligible(f"specialist {specialist.id} is {specialist.status}", hint="register it again")
    if specialist.draining:
        raise NotEligible(f"specialist {specialist.id} is draining and takes no more sorties")
    if specialist.current_sortie not in (None, "", sortie.id):
        raise NotEligible(f"specialist {specialist.id} is busy with sortie {specialist.current_sortie}")
    missing = sorted(sortie.plan.requires - specialist.capabilities)
    if missing:
        raise NotEligible(f"specialist {specialist.id} lacks {', '.join(missing)}")
    if sortie.meant_for and not specialist.answers_to(sortie.meant_for):
        raise NotAssigned(f"sortie {sortie.id} is meant for {sortie.meant_for}, not {specialist.id}")


def start(
    sortie: Sortie,
    specialist_id: str,
    *,
    now_ms: int,
    statuses: Mapping[str, str] | None = None,
    mission: Mission | None = None,
    lease_ms: int = 0,
) -> list[NewEvent]:
    """Begin the next attempt of an assigned sortie, or take up again one that a review sent back.

    Args:
        statuses: status of every sortie that this one depends on.
        lease_ms: how long the hold lasts without a renewal; 0 is a hold without end (work reported by hand).

    Raises:
        NotAssigned: it is assigned to somebody else, or to nobody.
        TransitionRefused: it is under way already, its mission is not, or its back-off is not over.
        DependencyOpen: something has to come first.
    """
    rework = sortie.awaits_rework
    if sortie.status != "assigned" and not rework:
        check_open(sortie)
        if sortie.status == "pending":
            raise NotAssigned(f"sortie {sortie.id} is assigned to nobody", hint="assign or claim it first")
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status} already")
    check_holder(sortie, specialist_id)
    if mission is not None and mission.status != "in_progress":
        raise TransitionRefused(f"mission {mission.id} is {mission.status}", hint="start the mission first")
    if sortie.not_before > now_ms:
        raise TransitionRefused(f"sortie {sortie.id} waits until {iso(sortie.not_before)} after a failed attempt")
    ready = readiness(sortie, statuses or {})
    if ready.state != "ready":
        raise DependencyOpen(f"sortie {sortie.id} cannot begin: {ready.text}")
    started = sortie_event(sortie.id, "sortie_started", now_ms, specialist_id=specialist_id, started_at=iso(now_ms))
    return [
        # Taking up again what a review sent back is a new attempt, not a new start: the duration counts from the first.
        *([] if rework else [started]),
        sortie_event(
            sortie.id,
            "sortie_attempt_started",
            now_ms,
            specialist_id=specialist_id,
            attempt=sortie.attempt + 1,
            lease_expires_at=now_ms + lease_ms if lease_ms else None,
        ),
    ]


def progress(
    sortie: Sortie,
    specialist_id: str,
    value: int,
    *,
    now_ms: int,
    attempt: int | None = None,
    message: str = "",
    artifacts: Sequence[str] = (),
) -> list[NewEvent]:
    """Report how far the work is, 0 to 100.

    Raises:
        InputRefused: outside 0 to 100.
        TransitionRefused, NotAssigned, LeaseOver: it is not this specialist's to report on.
    """
    if isinstance(value, bool) or not 0 <= value <= 100:
        raise InputRefused(f"progress {value} of sortie {sortie.id} is outside 0 to 100")
    check_working(sortie, specialist_id, now_ms, attempt, "progress")
    return [
        sortie_event(
            sortie.id,
            "sortie_progress",
            now_ms,
            specialist_id=specialist_id,
            progress=value,
            status_message=message or None,
            artifacts=list(artifacts) or None,
        )
    ]


def block(
    sortie: Sortie,
    specialist_id: str,
    *,
    reason: str,
    blocker_type: BlockerType,
    now_ms: int,
    blocker_id: str | None = None,
    attempt: int | None = None,
) -> list[NewEvent]:
    """Say that the work cannot go on.

    Raises:
        InputRefused: no reason.
        TransitionRefused, NotAssigned, LeaseOver: it is not this specialist's to report on.
    """
    if not reason.strip():
        raise InputRefused("a block needs a reason")
    check_working(sortie, specialist_id, now_ms, attempt, "block")
    if sortie.status == "blocked":
        raise TransitionRefused(f"sortie {sortie.id} is blocked already: {sortie.blocked_reason}")
    return [
        sortie_event(
            sortie.id,
            "sortie_blocked",
            now_ms,
            specialist_id=specialist_id,
            blocked_at=iso(now_ms),
            reason=reason,
            blocker_type=blocker_type,
            blocker_id=blocker_id,
        )
    ]


def unblock(sortie: Sortie, *, by: str, now_ms: int, reason: str = "") -> list[NewEvent]:
    """The work can go on.

    Raises:
        TransitionRefused: it is not blocked.
    """
    if sortie.status != "blocked":
        check_open(sortie)
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}, not blocked")
    return [status_event(sortie, "in_progress", by, now_ms, reason or "unblocked")]


def request_review(
    sortie: Sortie,
    specialist_id: str,
    *,
    now_ms: int,
    result: Mapping[str, Any] | None = None,
    attempt: int | None = None,
) -> list[NewEvent]:
    """Hand the work to a reviewer; the result is kept until the verdict.

    Raises:
        InputRefused: the result is not one of success.
        TransitionRefused, NotAssigned, LeaseOver: it is not this specialist's to report on.
    """
    reported = {"success": True} if result is None else dict(result)
    if reported.get("success") is not True:
        raise InputRefused(f"only a success of sortie {sortie.id} goes to its review", hint="report it as failed")
    check_working(sortie, specialist_id, now_ms, attempt, "result")
    if sortie.status == "blocked":
        raise TransitionRefused(f"sortie {sortie.id} is blocked: {sortie.blocked_reason}", hint="unblock it first")
    return [
        sortie_event(
            sortie.id,
            "sortie_result_reported",
            now_ms,
            specialist_id=specialist_id,
            attempt=max(sortie.attempt, 1),
            duration_ms=_duration(sortie, now_ms),
            result=reported,
        ),
        status_event(sortie, "review", specialist_id, now_ms, "the result waits for a review"),
    ]


def complete(
    sortie: Sortie,
    specialist_id: str,
    result: Mapping[str, Any],
    *,
    now_ms: int,
    attempt: int | None = None,
) -> list[NewEvent]:
    """Report the result of the work: done, sent to its review, or a failed attempt when `success` is false.

    Raises:
        InputRefused: the result lacks `success`.
        TransitionRefused, NotAssigned, LeaseOver: it is not this specialist's to report on.
    """
    if not isinstance(result.get("success"), bool):
        raise InputRefused(f"the result of sortie {sortie.id} does not say success: true or false")
    if not result["success"]:
        error = str(result.get("summary") or "the work was reported as failed")
        return fail(sortie, specialist_id, error=error, now_ms=now_ms, attempt=attempt)
    if sortie.plan.review_kind is not None:
        return request_review(sortie, specialist_id, now_ms=now_ms, result=result, attempt=attempt)
    check_working(sortie, specialist_id, now_ms, attempt, "result")
    if sortie.status == "blocked":
        raise TransitionRefused(f"sortie {sortie.id} is blocked: {sortie.blocked_reason}", hint="unblock it first")
    return [completed_event(sortie, specialist_id, result, now_ms)]


def completed_event(sortie: Sortie, specialist_id: str, result: Mapping[str, Any], now_ms: int) -> NewEvent:
    """The end of a sortie that succeeded."""
    return sortie_event(
        sortie.id,
        "sortie_completed",
        now_ms,
        specialist_id=specialist_id,
        completed_at=iso(now_ms),
        duration_ms=_duration(sortie, now_ms),
        result=dict(result),
    )


def fail(
    sortie: Sortie,
    specialist_id: str,
    *,
    error: str,
    now_ms: int,
    cause: FailureCause = "error",
    attempt: int | None = None,
    retry_after_ms: int = 0,
) -> list[NewEvent]:
    """End an attempt without success: back to pending after a delay, or failed when none is left.

    Args:
        retry_after_ms: what the other side asked for (a rate limit); the delay is never shorter.

    Raises:
        TransitionRefused, NotAssigned, LeaseOver: it is not this specialist's to report on.
    """
    check_working(sortie, specialist_id, now_ms, attempt, "failure")
    return end_attempt(sortie, by=specialist_id, error=error, cause=cause, now_ms=now_ms, retry_after_ms=retry_after_ms)


def cancel(
    sortie: Sortie,
    *,
    by: str,
    now_ms: int,
    reason: Literal["cancelled", "duplicate", "invalid"] = "cancelled",
    why: str = "",
) -> list[NewEvent]:
    """End a sortie that is not wanted any more, from every open state.

    Raises:
        AlreadyEnded: it has ended.
    """
    check_open(sortie)
    return [
        status_event(sortie, "cancelled", by, now_ms, why),
        sortie_event(sortie.id, "sortie_closed", now_ms, closed_at=iso(now_ms), close_reason=reason, closed_by=by),
    ]


def retry(sortie: Sortie, *, by: str, now_ms: int, mission: Mission | None = None) -> list[NewEvent]:
    """Open a failed or cancelled sortie again with all its attempts.

    Args:
        mission: the one it belongs to, which has to be open.

    Raises:
        TransitionRefused: it has not failed and was not cancelled.
        AlreadyEnded: its mission has ended.
    """
    if mission is not None and mission.ended:
        raise AlreadyEnded(f"mission {mission.id} is {mission.status}", hint=f"fleet missions retry {mission.id}")
    if sortie.status not in ("failed", "cancelled"):
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}; only a failed or cancelled one is retried")
    return [
        sortie_event(sortie.id, "sortie_retried", now_ms, retried_by=by, attempt_base=sortie.attempt),
        status_event(sortie, "pending", by, now_ms, "retried"),
    ]


def _check_priority(priority: str) -> None:
    if priority not in PRIORITIES:
        raise InputRefused(f"{priority!r} is no priority", hint=", ".join(PRIORITIES))


def _duration(sortie: Sortie, now_ms: int) -> int:
    return max(now_ms - (sortie.started_at if sortie.started_at is not None else now_ms), 1)
