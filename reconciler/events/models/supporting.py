"""Events around the work: patterns, memory, history, skills and validation. They are history; no projection needs them."""

from __future__ import annotations

from reconciler.events.models.base import Count, EventModel, ListOf, Text, Timestamp


class PatternLearned(EventModel):
    """A way of working was recognised."""

    pattern_id: Text
    source: str


class PatternApplied(EventModel):
    """A known way of working was used for a sortie."""

    pattern_id: Text
    sortie_id: Text


class PatternDeprecated(EventModel):
    """A way of working should no longer be used."""

    pattern_id: Text
    reason: str


class MemoryStored(EventModel):
    """Something was remembered under a key."""

    key: Text
    ttl_hours: int | float | None = None


class MemoryRetrieved(EventModel):
    """A memory was looked for; `hit` says whether it was there."""

    key: Text
    hit: bool


class MemoryExpired(EventModel):
    """A memory's time was over."""

    key: Text


class MemoryInvalidated(EventModel):
    """A memory turned out to be wrong."""

    key: Text
    reason: str


class HistoryRecorded(EventModel):
    """Somebody did something worth keeping."""

    action: Text
    actor: Text


class HistoryQueried(EventModel):
    """Somebody looked something up in the history."""

    query: str
    results: Count


class HistoryPruned(EventModel):
    """Older history was taken out of sight."""

    before: Timestamp
    count: Count


class SkillRegistered(EventModel):
    """A skill is known by name."""

    skill_id: Text
    name: Text


class SkillResult(EventModel):
    """How the use of a skill ended."""

    skill_id: Text
    success: bool


class ValidationStarted(EventModel):
    """A validator began to check something."""

    target_id: Text
    validator: Text


class ValidationPassed(EventModel):
    """A check found nothing wrong."""

    target_id: Text


class ValidationFailed(EventModel):
    """A check found errors."""

    target_id: Text
    errors: ListOf[str]
