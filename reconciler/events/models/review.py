"""Events of reviews: somebody else looks at what a sortie made."""

from __future__ import annotations

from typing import Literal

from reconciler.events.models.base import EventModel, ListOf, Text


class ReviewStarted(EventModel):
    """A reviewer took a sortie's result to look at."""

    review_id: Text
    sortie_id: Text
    reviewer_id: Text
    review_type: Literal["code", "design", "security", "general"]


class ReviewIssue(EventModel):
    """One thing that a reviewer found."""

    severity: Literal["info", "warning", "error", "critical"]
    message: str
    location: str | None = None


class ReviewCompleted(EventModel):
    """The verdict: approved completes the sortie, needs_changes returns it to work, rejected fails it."""

    review_id: Text
    sortie_id: Text
    reviewer_id: Text
    verdict: Literal["approved", "rejected", "needs_changes"]
    feedback: str | None = None
    issues: ListOf[ReviewIssue] | None = None


class ReviewAbandoned(EventModel):
    """A review will get no verdict from this reviewer; somebody else may begin another one."""

    review_id: Text
    sortie_id: Text
    reviewer_id: Text
    reason: str
