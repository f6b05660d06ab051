"""Events of one sortie: its definition, who works on it, how far it is, and how it ended.

Attempts are numbered. A lease is one attempt's hold on the sortie; what comes from an attempt that lost its lease is
refused, and recorded as refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer

from reconciler.events.models.base import Count, Document, EventModel, ListOf, PositiveMs, Text, Timestamp, UnixMs

Priority = Literal["low", "medium", "high", "critical"]
SortieStatus = Literal["pending", "assigned", "in_progress", "blocked", "review", "completed", "failed", "cancelled"]
Attempt = Annotated[int, Field(ge=1)]


class SortieCreated(EventModel):
    """A task exists; nobody works on it yet."""

    sortie_id: Text
    mission_id: str | None = None
    title: Text
    description: str | None = None
    priority: Priority = "medium"
    assigned_to: str | None = None
    metadata: Document | None = None


class Changes(EventModel):
    """Fields that got another value. One that was not named stays; null takes the value away."""

    @model_serializer
    def _named_only(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class SortieChanges(Changes):
    """What may change of a sortie."""

    title: Text | None = None
    description: str | None = None
    priority: Priority | None = None
    assigned_to: str | None = None
    metadata: Document | None = None


class SortieUpdated(EventModel):
    """A sortie's definition was changed."""

    sortie_id: Text
    changes: SortieChanges


class SortieStatusChanged(EventModel):
    """A sortie moved along its state machine."""

    sortie_id: Text
    previous_status: SortieStatus
    new_status: SortieStatus
    changed_by: Text
    reason: str | None = None


class SortieStarted(EventModel):
    """The assigned specialist began to work."""

    sortie_id: Text
    specialist_id: Text
    started_at: Timestamp


class SortieProgress(EventModel):
    """How far the work is, in percent."""

    sortie_id: Text
    specialist_id: Text
    progress: Annotated[int | float, Field(ge=0, le=100)]
    status_message: str | None = None
    artifacts: ListOf[str] | None = None


class SortieResult(EventModel):
    """What came of a sortie."""

    success: bool
    summary: str | None = None
    artifacts: ListOf[str] | None = None
    metrics: Document | None = None


class SortieCompleted(EventModel):
    """A sortie is done."""

    sortie_id: Text
    specialist_id: Text
    completed_at: Timestamp
    duration_ms: PositiveMs
    result: SortieResult


class SortieBlocked(EventModel):
    """The work cannot go on; `blocker_id` names what stands in the way."""

    sortie_id: Text
    specialist_id: Text
    blocked_at: Timestamp
    reason: str
    blocker_type: Literal["sortie", "specialist", "external", "resource"]
    blocker_id: str | None = None


class SortieClosed(EventModel):
    """A sortie is over, with or without having been done."""

    sortie_id: Text
    closed_at: Timestamp
    close_reason: Literal["completed", "cancelled", "duplicate", "invalid"]
    closed_by: Text


class _OfAttempt(EventModel):
    """The three fields that name an attempt."""

    sortie_id: Text
    specialist_id: Text
    attempt: Attempt


class SortieAttemptStarted(_OfAttempt):
    """An attempt began; without `lease_expires_at` it holds the sortie without end."""

    lease_expires_at: UnixMs | None = None


class SortieLeaseRenewed(_OfAttempt):
    """A running attempt keeps its hold."""

    lease_expires_at: UnixMs


class SortieLeaseExpired(_OfAttempt):
    """An attempt lost its hold because it was not renewed in time."""

    expired_at: UnixMs


class SortieResultReported(_OfAttempt):
    """The work is done and waits for its review."""

    duration_ms: PositiveMs
    result: SortieResult


class SortieAttemptFailed(EventModel):
    """An attempt ended without success. `counts` says whether it used up a retry, `final` that none is left."""

    sortie_id: Text
    specialist_id: Text
    attempt: Count
    error: str
    cause: Literal["error", "timeout", "lease_expired", "crash", "budget", "rate_limit", "handed_back", "rejected"]
    final: bool
    counts: bool = True
    retry_at: UnixMs | None = None


class SortieResultRefused(EventModel):
    """A word came from an attempt that no longer holds the sortie; it changed nothing."""

    sortie_id: Text
    specialist_id: Text
    attempt: Count
    what: str
    reason: str


class SortieChangesRequested(_OfAttempt):
    """A review sent the work back; `feedback` is what the specialist is told."""

    review_id: Text
    feedback: str


class SortieRetried(EventModel):
    """A person opened an ended sortie again; attempts up to `attempt_base` no longer count."""

    sortie_id: Text
    retried_by: Text
    attempt_base: Count


class FeedbackReceived(EventModel):
    """Somebody rated the work on a sortie."""

    sortie_id: Text
    rating: int | float


class DispatchEvaluated(EventModel):
    """Who could take a sortie."""

    sortie_id: Text
    candidates: ListOf[str]


class DispatchAssigned(EventModel):
    """Who was given a sortie."""

    sortie_id: Text
    specialist_id: Text


class DispatchRejected(EventModel):
    """Why nobody was given a sortie."""

    sortie_id: Text
    reason: str
