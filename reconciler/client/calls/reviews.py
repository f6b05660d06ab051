"""Calls about reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Review, ReviewKind, Verdict


def start(sortie_id: str, reviewer_id: str, *, kind: ReviewKind | None = None) -> Call[Review]:
    """Begin a review of a sortie that waits for one."""
    body = present({"sortie_id": sortie_id, "reviewer_id": reviewer_id, "review_type": kind})
    return Call(method="POST", path=path("reviews"), body=body, answer=Review, inside="review")


def list_(
    *,
    sortie_id: str | None = None,
    reviewer_id: str | None = None,
    status: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> Call[Page[Review]]:
    """Reviews, a page at a time."""
    params = {"sortie_id": sortie_id, "reviewer_id": reviewer_id, "status": status, "sort": sort, "limit": limit}
    return Call(method="GET", path=path("reviews"), params=params, answer=Page[Review], inside="reviews")


def get(review_id: str) -> Call[Review]:
    """One review."""
    return Call(method="GET", path=path("reviews", review_id), answer=Review, inside="review")


def complete(
    review_id: str,
    reviewer_id: str,
    verdict: Verdict,
    *,
    feedback: str = "",
    issues: Sequence[Mapping[str, Any]] = (),
    cost: Mapping[str, Any] | None = None,
) -> Call[Review]:
    """Give the verdict, which moves the sortie."""
    body = {
        "reviewer_id": reviewer_id,
        "verdict": verdict,
        "feedback": feedback,
        "issues": [dict(one) for one in issues],
        "cost": cost,
    }
    where = path("reviews", review_id, "complete")
    return Call(method="POST", path=where, body=present(body), answer=Review, inside="review")


def abandon(review_id: str, reviewer_id: str, *, reason: str, cost: Mapping[str, Any] | None = None) -> Call[Review]:
    """Let go of a review without a verdict, so that somebody else can begin one."""
    body = present({"reviewer_id": reviewer_id, "reason": reason, "cost": cost})
    where = path("reviews", review_id, "abandon")
    return Call(method="POST", path=where, body=body, answer=Review, inside="review")
