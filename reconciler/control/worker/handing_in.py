"""Handing in what an attempt came to: the result or the failure, with the files that it made and what it has used.

All of it is one command, so that nothing is kept of an attempt that no longer counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reconciler.control.desk import returning, sorties
from reconciler.control.desk.desk import Command, Work
from reconciler.events.envelope import NewEvent
from reconciler.work import budgets
from reconciler.work.attempts import FailureCause, sortie_event
from reconciler.work.reviews import Verdict
from reconciler.work.state import Sortie


class Artifact(msgspec.Struct, frozen=True):
    """A file that an attempt made, by the digest of its content."""

    path: str
    digest: str
    size: int


class Cost(msgspec.Struct, frozen=True):
    """What an attempt has used."""

    wall_ms: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


_FREE = Cost()


def complete(
    sortie_id: str,
    specialist_id: str,
    result: Mapping[str, Any],
    *,
    attempt: int | None = None,
    artifacts: Sequence[Artifact] = (),
    cost: Cost = _FREE,
) -> Command[Sortie]:
    """Hand in a result."""
    done = sorties.complete(sortie_id, specialist_id, result, attempt=attempt)

    def command(work: Work) -> Sortie:
        # First, for a refusal must leave nothing of an attempt that no longer counts.
        sortie = done(work)
        number = sortie.attempt if attempt is None else attempt
        work.record([_made(sortie_id, specialist_id, number, one, work.now_ms) for one in artifacts])
        work.record(_used(specialist_id, sortie_id, cost, work.now_ms))
        return sortie

    return command


def fail(
    sortie_id: str,
    specialist_id: str,
    *,
    error: str,
    cause: FailureCause = "error",
    attempt: int | None = None,
    retry_after_ms: int = 0,
    cost: Cost = _FREE,
) -> Command[Sortie]:
    """Say that the attempt failed, or hand the sortie back."""
    failed = sorties.fail(
        sortie_id, specialist_id, error=error, cause=cause, attempt=attempt, retry_after_ms=retry_after_ms
    )

    def command(work: Work) -> Sortie:
        sortie = failed(work)
        work.record(_used(specialist_id, sortie_id, cost, work.now_ms))
        return sortie

    return command


def conclude_review(
    review_id: str,
    reviewer_id: str,
    verdict: Verdict,
    *,
    feedback: str = "",
    issues: Sequence[Mapping[str, Any]] = (),
    cost: Cost = _FREE,
) -> Command[Sortie]:
    """Give a verdict."""
    conclude = sorties.conclude_review(review_id, reviewer_id, verdict, feedback=feedback, issues=issues)

    def command(work: Work) -> Sortie:
        sortie = conclude(work)
        work.record(_used(reviewer_id, sortie.id, cost, work.now_ms))
        return sortie

    return command


def abandon_review(
    review_id: str, reviewer_id: str, sortie_id: str, *, reason: str, cost: Cost = _FREE
) -> Command[None]:
    """Give no verdict, so that somebody else can begin a review."""
    abandon = returning.abandon_review(review_id, reason=reason)

    def command(work: Work) -> None:
        abandon(work)
        work.record(_used(reviewer_id, sortie_id, cost, work.now_ms))

    return command


def _made(sortie_id: str, specialist_id: str, attempt: int, artifact: Artifact, now_ms: int) -> NewEvent:
    return sortie_event(
        sortie_id,
        "artifact_recorded",
        now_ms,
        specialist_id=specialist_id,
        attempt=max(attempt, 1),
        path=artifact.path,
        digest=artifact.digest,
        size=artifact.size,
    )


def _used(specialist_id: str, sortie_id: str, cost: Cost, now_ms: int) -> list[NewEvent]:
    if cost == _FREE:
        return []
    return [
        budgets.used_event(
            specialist_id,
            sortie_id,
            now_ms=now_ms,
            wall_ms=cost.wall_ms,
            tokens=cost.tokens,
            cost_usd=cost.cost_usd,
        )
    ]
