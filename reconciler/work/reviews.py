"""Reviews: a second pair of eyes on a sortie's result, whose verdict moves the sortie.

Approved completes it, needs_changes sends it back to its specialist with the feedback, rejected fails it for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from reconciler.events.envelope import NewEvent
from reconciler.work.attempts import end_attempt, sortie_event, status_event
from reconciler.work.refusals import AlreadyEnded, InputRefused, NotAssigned, TransitionRefused
from reconciler.work.sorties import completed_event
from reconciler.work.state import Review, ReviewKind, Sortie

Verdict = Literal["approved", "rejected", "needs_changes"]
_SEVERITIES = frozenset({"info", "warning", "error", "critical"})


def start(
    review_id: str,
    sortie: Sortie,
    reviewer_id: str,
    *,
    now_ms: int,
    kind: ReviewKind | None = None,
    others: Sequence[Review] = (),
) -> list[NewEvent]:
    """Begin a review of a sortie that waits for one.

    Args:
        kind: what to look at; the sortie's own declaration when left out.
        others: the sortie's reviews so far.

    Raises:
        InputRefused: an unknown kind.
        TransitionRefused: the sortie is not in review, or somebody reviews it already.
    """
    chosen = kind or sortie.plan.review_kind or "general"
    if chosen not in get_args(ReviewKind):
        raise InputRefused(f"{chosen!r} is no kind of review", hint=", ".join(get_args(ReviewKind)))
    if sortie.status != "review":
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}, not in review")
    for other in others:
        if other.is_open_for(sortie):
            raise TransitionRefused(f"sortie {sortie.id} is being reviewed by {other.reviewer_id} already")
    return [
        sortie_event(
            sortie.id, "review_started", now_ms, review_id=review_id, reviewer_id=reviewer_id, review_type=chosen
        )
    ]


def complete(
    review: Review,
    sortie: Sortie,
    verdict: Verdict,
    *,
    reviewer_id: str,
    now_ms: int,
    feedback: str = "",
    issues: Sequence[Mapping[str, Any]] = (),
) -> list[NewEvent]:
    """Give the verdict and move the sortie by it.

    Raises:
        InputRefused: an unknown verdict or severity, or changes wanted without saying which.
        AlreadyEnded: the review has its verdict, or was abandoned.
        NotAssigned: it is somebody else's review.
        TransitionRefused: the sortie is no longer in review, or waits for the review of a later attempt.
    """
    if verdict not in get_args(Verdict):
        raise InputRefused(f"{verdict!r} is no verdict", hint=", ".join(get_args(Verdict)))
    for issue in issues:
        if issue.get("severity") not in _SEVERITIES or not issue.get("message"):
            raise InputRefused("an issue needs a message and a severity", hint=", ".join(sorted(_SEVERITIES)))
    if verdict == "needs_changes" and not feedback and not issues:
        raise InputRefused("needs_changes has to say what to change", hint="give feedback or issues")
    if review.verdict or review.abandoned:
        raise AlreadyEnded(f"review {review.id} is over: {review.verdict.replace('_', ' ') or 'abandoned'}")
    if review.reviewer_id != reviewer_id:
        raise NotAssigned(f"review {review.id} belongs to {review.reviewer_id}, not to {reviewer_id}")
    if sortie.status != "review":
        raise TransitionRefused(f"sortie {sortie.id} is {sortie.status}, not in review")
    if not review.is_open_for(sortie):
        raise TransitionRefused(f"review {review.id} was about attempt {review.attempt} of sortie {sortie.id}")
    completed = sortie_event(
        sortie.id,
        "review_completed",
        now_ms,
        review_id=review.id,
        reviewer_id=reviewer_id,
        verdict=verdict,
        feedback=feedback or None,
        issues=[dict(issue) for issue in issues] or None,
    )
    return [completed, *_consequence(review, sortie, verdict, _told(feedback, issues), now_ms)]


def abandon(review: Review, *, now_ms: int, reason: str) -> list[NewEvent]:
    """Let go of a review whose reviewer is gone, so that somebody else can begin one; nothing when it is over."""
    if review.verdict or review.abandoned:
        return []
    return [
        sortie_event(
            review.sortie_id,
            "review_abandoned",
            now_ms,
            review_id=review.id,
            reviewer_id=review.reviewer_id,
            reason=reason,
        )
    ]


def _consequence(review: Review, sortie: Sortie, verdict: Verdict, told: str, now_ms: int) -> list[NewEvent]:
    by = review.reviewer_id
    worker = sortie.assigned_to or by
    if verdict == "approved":
        return [completed_event(sortie, worker, sortie.reported or {"success": True}, now_ms)]
    if verdict == "rejected":
        return end_attempt(sortie, by=by, error=told or "rejected in review", cause="rejected", now_ms=now_ms)
    return [
        status_event(sortie, "in_progress", by, now_ms, told),
        sortie_event(
            sortie.id,
            "sortie_changes_requested",
            now_ms,
            review_id=review.id,
            specialist_id=worker,
            attempt=sortie.attempt,
            feedback=told,
        ),
    ]


def _told(feedback: str, issues: Sequence[Mapping[str, Any]]) -> str:
    """Feedback and issues as one text, the form in which a specialist gets them."""
    lines = [feedback] if feedback else []
    for issue in issues:
        place = f" ({issue['location']})" if issue.get("location") else ""
        lines.append(f"{issue['severity']}: {issue['message']}{place}")
    return "\n".join(lines)
