"""Commands about one sortie: made, given to somebody, worked on, reviewed, ended.

What ends a sortie has consequences: its files are free again, and its mission may be over. Both are recorded with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.control.desk.following import follow_up
from reconciler.work import attempts, locks, reviews
from reconciler.work import sorties as rules
from reconciler.work.attempts import FailureCause
from reconciler.work.reviews import Verdict
from reconciler.work.sorties import BlockerType
from reconciler.work.state import ReviewKind, Sortie, SortiePlan

NO_LEASE_MS = 3_600_000
"""How long the files of a hold without end stay reserved before somebody has to ask again."""


def create(
    *,
    title: str,
    mission_id: str = "",
    description: str = "",
    priority: str = "medium",
    assigned_to: str = "",
    plan: SortiePlan | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Command[Sortie]:
    """A new sortie, alone or in a mission that is not declared in the file."""

    def command(work: Work) -> Sortie:
        mission = reading.mission(work.rows, mission_id) if mission_id else None
        sortie_id = work.new_id("sortie")
        work.record(
            rules.create(
                sortie_id,
                title=title,
                now_ms=work.now_ms,
                mission=mission,
                description=description,
                priority=priority,
                assigned_to=assigned_to,
                plan=plan,
                metadata=metadata,
            )
        )
        follow_up(work, mission_id or None)
        return reading.sortie(work.rows, sortie_id)

    return command


def update(sortie_id: str, changes: Mapping[str, Any]) -> Command[Sortie]:
    """Change the wording, priority, addressee or metadata."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        mission = reading.mission(work.rows, sortie.mission_id) if sortie.mission_id else None
        work.record(rules.update(sortie, changes, now_ms=work.now_ms, mission=mission))
        return reading.sortie(work.rows, sortie_id)

    return command


def assign(sortie_id: str, specialist_id: str, *, by: str) -> Command[Sortie]:
    """Give a sortie to a specialist."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        specialist = reading.specialist(work.rows, specialist_id)
        work.record(rules.assign(sortie, specialist, by=by, now_ms=work.now_ms))
        return reading.sortie(work.rows, sortie_id)

    return command


def start(sortie_id: str, specialist_id: str, *, lease_ms: int = 0) -> Command[Sortie]:
    """Begin the next attempt.

    Args:
        lease_ms: how long the hold lasts without a renewal; 0 is without end.
    """

    def command(work: Work) -> Sortie:
        begin(work, reading.sortie(work.rows, sortie_id), specialist_id, lease_ms=lease_ms)
        return reading.sortie(work.rows, sortie_id)

    return command


def begin(work: Work, sortie: Sortie, specialist_id: str, *, lease_ms: int) -> None:
    """Record the start of an attempt.

    Raises:
        WorkRefused: it cannot begin now.
    """
    mission = reading.mission(work.rows, sortie.mission_id) if sortie.mission_id else None
    first = {name: reading.sortie(work.rows, name).status for name in sortie.plan.depends_on}
    work.record(
        rules.start(sortie, specialist_id, now_ms=work.now_ms, statuses=dict(first), mission=mission, lease_ms=lease_ms)
    )


def progress(
    sortie_id: str,
    specialist_id: str,
    value: int,
    *,
    attempt: int | None = None,
    message: str = "",
    artifacts: Sequence[str] = (),
) -> Command[Sortie]:
    """Report how far the work is, 0 to 100."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        events = rules.progress(
            sortie, specialist_id, value, now_ms=work.now_ms, attempt=attempt, message=message, artifacts=artifacts
        )
        work.record(events)
        return reading.sortie(work.rows, sortie_id)

    return command


def block(
    sortie_id: str,
    specialist_id: str,
    *,
    reason: str,
    blocker_type: BlockerType,
    blocker_id: str | None = None,
    attempt: int | None = None,
) -> Command[Sortie]:
    """Say that the work cannot go on."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        events = rules.block(
            sortie,
            specialist_id,
            reason=reason,
            blocker_type=blocker_type,
            now_ms=work.now_ms,
            blocker_id=blocker_id,
            attempt=attempt,
        )
        work.record(events)
        return reading.sortie(work.rows, sortie_id)

    return command


def unblock(sortie_id: str, *, by: str, reason: str = "") -> Command[Sortie]:
    """The work can go on."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        work.record(rules.unblock(sortie, by=by, now_ms=work.now_ms, reason=reason))
        return reading.sortie(work.rows, sortie_id)

    return command


def complete(
    sortie_id: str, specialist_id: str, result: Mapping[str, Any], *, attempt: int | None = None
) -> Command[Sortie]:
    """Report the result: done, sent to its review, or a failed attempt when `success` is false."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        work.record(rules.complete(sortie, specialist_id, result, now_ms=work.now_ms, attempt=attempt))
        return _ended(work, sortie)

    return command


def fail(
    sortie_id: str,
    specialist_id: str,
    *,
    error: str,
    cause: FailureCause = "error",
    attempt: int | None = None,
    retry_after_ms: int = 0,
) -> Command[Sortie]:
    """End an attempt without success."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        events = rules.fail(
            sortie,
            specialist_id,
            error=error,
            now_ms=work.now_ms,
            cause=cause,
            attempt=attempt,
            retry_after_ms=retry_after_ms,
        )
        work.record(events)
        return _ended(work, sortie)

    return command


def hand_back(sortie_id: str, specialist_id: str, *, reason: str, attempt: int | None = None) -> Command[Sortie]:
    """Give a sortie back to the pool; it costs no attempt."""
    return fail(sortie_id, specialist_id, error=reason, cause="handed_back", attempt=attempt)


def cancel(
    sortie_id: str,
    *,
    by: str,
    reason: Literal["cancelled", "duplicate", "invalid"] = "cancelled",
    why: str = "",
) -> Command[Sortie]:
    """End a sortie that is not wanted any more."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        work.record(rules.cancel(sortie, by=by, now_ms=work.now_ms, reason=reason, why=why))
        return _ended(work, sortie)

    return command


def retry(sortie_id: str, *, by: str) -> Command[Sortie]:
    """Open a failed or cancelled sortie again."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        mission = reading.mission(work.rows, sortie.mission_id) if sortie.mission_id else None
        work.record(rules.retry(sortie, by=by, now_ms=work.now_ms, mission=mission))
        return reading.sortie(work.rows, sortie_id)

    return command


def request_review(
    sortie_id: str, specialist_id: str, *, result: Mapping[str, Any] | None = None, attempt: int | None = None
) -> Command[Sortie]:
    """Hand the work to a reviewer."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        work.record(rules.request_review(sortie, specialist_id, now_ms=work.now_ms, result=result, attempt=attempt))
        return _ended(work, sortie)

    return command


def renew(sortie_id: str, specialist_id: str, attempt: int, *, lease_ms: int) -> Command[Sortie]:
    """Prolong the lease of a running attempt, and its reservations with it."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        work.record(attempts.renew(sortie, specialist_id, attempt, now_ms=work.now_ms, lease_ms=lease_ms))
        reserve_files(work, sortie, specialist_id, lease_ms=lease_ms)
        return reading.sortie(work.rows, sortie_id)

    return command


def review(sortie_id: str, reviewer_id: str, *, kind: ReviewKind | None = None) -> Command[str]:
    """Begin a review of a sortie that waits for one; returns the review's id."""

    def command(work: Work) -> str:
        return begin_review(work, reading.sortie(work.rows, sortie_id), reviewer_id, kind=kind)

    return command


def begin_review(work: Work, sortie: Sortie, reviewer_id: str, *, kind: ReviewKind | None = None) -> str:
    """Record the start of a review; returns its id.

    Raises:
        WorkRefused: the sortie does not wait for a review, or somebody reviews it already.
    """
    others = [one for one in reading.open_reviews(work.rows) if one.sortie_id == sortie.id]
    review_id = work.new_id("rev")
    work.record(reviews.start(review_id, sortie, reviewer_id, now_ms=work.now_ms, kind=kind, others=others))
    return review_id


def conclude_review(
    review_id: str,
    reviewer_id: str,
    verdict: Verdict,
    *,
    feedback: str = "",
    issues: Sequence[Mapping[str, Any]] = (),
) -> Command[Sortie]:
    """Give the verdict, which moves the sortie."""

    def command(work: Work) -> Sortie:
        found = reading.review(work.rows, review_id)
        sortie = reading.sortie(work.rows, found.sortie_id)
        events = reviews.complete(
            found,
            sortie,
            verdict,
            reviewer_id=reviewer_id,
            now_ms=work.now_ms,
            feedback=feedback,
            issues=issues,
        )
        work.record(events)
        return _ended(work, sortie)

    return command


def reviewed(sortie_id: str, reviewer_id: str, verdict: Verdict, *, feedback: str = "") -> Command[Sortie]:
    """Review a result in one breath, as a person does: the review is begun, unless they have begun it, and concluded."""

    def command(work: Work) -> Sortie:
        sortie = reading.sortie(work.rows, sortie_id)
        begun = [one for one in reading.open_reviews(work.rows) if one.is_open_for(sortie)]
        mine = next((one.id for one in begun if one.reviewer_id == reviewer_id), "")
        review_id = mine or begin_review(work, sortie, reviewer_id)
        return conclude_review(review_id, reviewer_id, verdict, feedback=feedback)(work)

    return command


def reserve_files(work: Work, sortie: Sortie, specialist_id: str, *, lease_ms: int) -> None:
    """Reserve the files of a sortie for as long as its lease holds; own reservations are prolonged.

    Raises:
        LockConflict: somebody else holds one of them.
    """
    for path in sortie.plan.files:
        held = reading.active_locks(work.rows)
        lock_id = work.new_id("lock")
        work.record(
            locks.reserve(lock_id, path, specialist_id, held, now_ms=work.now_ms, timeout_ms=lease_ms or NO_LEASE_MS)
        )


def _ended(work: Work, before: Sortie) -> Sortie:
    """What follows from a sortie's step: its specialist's reservations for it, and its mission."""
    after = reading.sortie(work.rows, before.id)
    if after.status not in ("assigned", "in_progress", "blocked") and before.assigned_to:
        release_files(work, before, before.assigned_to)
    follow_up(work, after.mission_id)
    return after


def release_files(work: Work, sortie: Sortie, specialist_id: str) -> None:
    """Let go of what was reserved for a sortie."""
    wanted = set(sortie.plan.files)
    if not wanted:
        return
    for lock in reading.active_locks(work.rows):
        if lock.reserved_by == specialist_id and lock.file_path in wanted:
            work.record([locks.released_event(lock, "explicit", work.now_ms)])
