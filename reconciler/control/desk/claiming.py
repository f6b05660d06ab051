"""Claiming: a free specialist asks for something to do, and gets what deserves it most.

One decision is made for everybody who is free. What it gives to others is recorded too, so that their own claims find
it waiting for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Command, Work
from reconciler.control.desk.sorties import begin, begin_review, reserve_files
from reconciler.projections.rows import Rows
from reconciler.work import budgets, dispatch
from reconciler.work.dispatch import Assignment, Kind, Situation
from reconciler.work.refusals import LockConflict, NotEligible
from reconciler.work.state import Sortie, Specialist, Usage


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to do.

    Attributes:
        kind: work, rework of what a review sent back, or a review of somebody's work.
        attempt: the attempt's number; for a review that of the work.
        lease_expires_at: Unix ms by which the lease has to be renewed; 0 for a review.
        review_id: of a review.
    """

    kind: Kind
    sortie: Sortie
    attempt: int
    lease_expires_at: int = 0
    review_id: str = ""


def claim(specialist_id: str, *, lease_ms: int = 60_000) -> Command[Claim | None]:
    """Take the next thing to do and begin it; None when there is nothing for this specialist now.

    Raises:
        NotEligible: it is away, draining or busy.
        BudgetSpent: its budget is used up.
    """

    def command(work: Work) -> Claim | None:
        me = _free(reading.specialist(work.rows, specialist_id))
        begun = _begun_review(work.rows, me)
        if begun is not None:
            # Its answer was lost on the way; without a lease nobody would ever take the review up again.
            return begun
        limits = reading.budget(me)
        if limits is not None:
            budgets.check(me.id, limits, reading.usage(work.rows).get(me.id, Usage()), work.now_ms)
        everything = situation(work.rows, work.now_ms)
        waiting = next(
            (one for one in everything.sorties if one.status == "assigned" and one.assigned_to == me.id), None
        )
        if waiting is None:
            mine = _decide(work, me, everything)
            if mine is not None and mine.kind == "review":
                return _review(work, mine.sortie, me)
            waiting = reading.sortie(work.rows, mine.sortie.id) if mine is not None else None
        return _begin(work, waiting, me, lease_ms) if waiting is not None else None

    return command


def evaluate() -> Command[int]:
    """Decide for everybody without beginning anything, and record why the rest waits; how many were given out."""

    def command(work: Work) -> int:
        decision = dispatch.decide(situation(work.rows, work.now_ms))
        _record(work, decision)
        return sum(one.kind == "work" for one in decision.assignments)

    return command


def situation(rows: Rows, now_ms: int) -> Situation:
    """Everything that a decision looks at."""
    missions = {key: one for key, one in reading.missions(rows).items() if not one.ended}
    concerned = [
        one for one in reading.sorties(rows) if (one.mission_id in missions if one.mission_id else not one.ended)
    ]
    specialists = reading.specialists(rows)
    reviews = reading.open_reviews(rows)
    limits = {one.id: found for one in specialists if (found := reading.budget(one)) is not None}
    return Situation(
        now_ms=now_ms,
        sorties=concerned,
        specialists=specialists,
        missions=missions,
        locks=reading.active_locks(rows),
        budgets=limits,
        usage=reading.usage(rows),
        reviewing=frozenset(one.sortie_id for one in reviews),
        reviewers=frozenset(one.reviewer_id for one in reviews),
    )


def _free(me: Specialist) -> Specialist:
    if me.status in ("inactive", "completed"):
        raise NotEligible(f"specialist {me.id} is {me.status}", hint="register it again")
    if me.draining:
        raise NotEligible(f"specialist {me.id} is draining and takes no more sorties")
    return me


def _begun_review(rows: Rows, me: Specialist) -> Claim | None:
    """The review that this specialist has begun and not concluded."""
    for one in reading.open_reviews(rows):
        if one.reviewer_id == me.id:
            sortie = reading.sortie(rows, one.sortie_id)
            if sortie.status == "review" and one.is_open_for(sortie):
                return Claim("review", sortie, sortie.attempt, 0, one.id)
    return None


def _decide(work: Work, me: Specialist, everything: Situation) -> Assignment | None:
    decision = dispatch.decide(everything, explain=False)
    _record(work, decision)
    return next((one for one in decision.assignments if one.specialist.id == me.id), None)


def _record(work: Work, decision: dispatch.Decision) -> None:
    waiting = ((one.sortie_id, work.rows.get("sorties", one.sortie_id)) for one in decision.waiting)
    known = {key: row.get("waits_for") or "" for key, row in waiting if row is not None}
    work.record(dispatch.events(decision, known, now_ms=work.now_ms, usage=reading.usage(work.rows)))


def _begin(work: Work, sortie: Sortie, me: Specialist, lease_ms: int) -> Claim | None:
    kind: Kind = "rework" if sortie.awaits_rework else "work"
    try:
        reserve_files(work, sortie, me.id, lease_ms=lease_ms)
    except LockConflict:
        # Somebody reserved one of its files by hand since it was given out: it waits, and is offered again.
        return None
    begin(work, sortie, me.id, lease_ms=lease_ms)
    begun = reading.sortie(work.rows, sortie.id)
    return Claim(kind, begun, begun.attempt, begun.lease.expires_at if begun.lease else 0)


def _review(work: Work, sortie: Sortie, me: Specialist) -> Claim:
    review_id = begin_review(work, sortie, me.id)
    return Claim("review", sortie, sortie.attempt, 0, review_id)
