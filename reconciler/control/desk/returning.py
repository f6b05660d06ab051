"""What a specialist left behind when it died, settled by its own next start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.control.desk import reading, specialists
from reconciler.control.desk.desk import Command, Work
from reconciler.control.desk.following import follow_up
from reconciler.work import attempts, locks, reviews
from reconciler.work.state import Specialist


def register_anew(
    specialist_id: str, *, name: str, capabilities: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
) -> Command[Specialist]:
    """Register a specialist that has just started, and so holds nothing: what the log says it holds goes back.

    That costs an attempt, since the sortie may be what killed it.
    """

    def command(work: Work) -> Specialist:
        _give_back(work, specialist_id)
        register = specialists.register(
            specialist_id=specialist_id, name=name, capabilities=capabilities, metadata=metadata
        )
        return register(work)

    return command


def _give_back(work: Work, specialist_id: str) -> None:
    why = f"{specialist_id} has started anew"
    missions: set[str] = set()
    for sortie in reading.open_sorties(work.rows):
        if sortie.assigned_to == specialist_id and sortie.status in ("assigned", "in_progress", "blocked"):
            if sortie.awaits_rework:
                continue
            work.record(attempts.hand_back(sortie, by=specialist_id, now_ms=work.now_ms, reason=why, crashed=True))
            missions.add(sortie.mission_id or "")
    for lock in reading.active_locks(work.rows):
        if lock.reserved_by == specialist_id:
            work.record([locks.released_event(lock, "crash", work.now_ms)])
    for review in reading.open_reviews(work.rows):
        if review.reviewer_id == specialist_id:
            work.record(reviews.abandon(review, now_ms=work.now_ms, reason=why))
    for mission_id in sorted(missions):
        follow_up(work, mission_id)


def abandon_review(review_id: str, *, reason: str) -> Command[None]:
    """Let go of a review that gave no verdict, so that somebody else can begin one."""

    def command(work: Work) -> None:
        work.record(reviews.abandon(reading.review(work.rows, review_id), now_ms=work.now_ms, reason=reason))

    return command
