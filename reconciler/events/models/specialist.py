"""Events of one specialist: it comes, says that it lives, works, and goes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reconciler.events.models.base import Count, Document, EventModel, ListOf, Text, Timestamp, UnixMs


class SpecialistRegistered(EventModel):
    """A specialist is known; a second registration of the same id updates it."""

    specialist_id: Text
    name: Text
    capabilities: ListOf[str] | None = None
    metadata: Document | None = None


class SpecialistMetrics(EventModel):
    """What a specialist measures of itself."""

    memory_mb: float | None = None
    uptime_seconds: float | None = None


class SpecialistActive(EventModel):
    """A heartbeat."""

    specialist_id: Text
    status: Literal["active", "busy", "idle"] = "active"
    current_sortie: str | None = None
    metrics: SpecialistMetrics | None = None


class SpecialistSpawned(EventModel):
    """A specialist was started for a purpose; it registers itself once it runs."""

    specialist_id: Text
    name: Text
    spawned_by: Text
    mission_id: str | None = None
    sortie_id: str | None = None
    config: Document | None = None


class SpecialistCompleted(EventModel):
    """A specialist has ended for good."""

    specialist_id: Text
    completed_at: Timestamp
    reason: Literal["success", "error", "timeout", "cancelled"]
    final_checkpoint_id: str | None = None
    summary: str | None = None


class ContextInjected(EventModel):
    """A specialist was given context from outside its own work."""

    specialist_id: Text
    injection_type: Literal["checkpoint", "manual", "migration"]
    context: Document
    source: str | None = None


class SkillAcquired(EventModel):
    """A specialist can do something that it could not do before."""

    skill_id: Text
    specialist_id: Text


class SkillInvoked(EventModel):
    """A specialist used a skill."""

    skill_id: Text
    specialist_id: Text


class SpecialistDeactivated(EventModel):
    """A specialist counts as away: no heartbeat came in time, or an operator said so. A heartbeat brings it back."""

    specialist_id: Text
    reason: Literal["heartbeat_missed", "requested"] = "requested"
    last_seen: Timestamp | None = None


class SpecialistDrained(EventModel):
    """A specialist finishes what it holds and takes nothing more."""

    specialist_id: Text
    drained_by: Text = Field(description="who asked for it")


class BudgetUsed(EventModel):
    """What an attempt has cost a specialist."""

    specialist_id: Text
    sortie_id: str | None = None
    wall_ms: Count = 0
    tokens: Count = 0
    cost_usd: float = Field(default=0.0, ge=0)


class BudgetExhausted(EventModel):
    """A limit of a specialist is used up; `free_at` says when it frees itself, where it does."""

    specialist_id: Text
    budget: Literal["sorties_per_hour", "wall_time_ms", "tokens", "cost_usd"]
    limit: float
    used: float
    free_at: UnixMs | None = None


class BudgetReset(EventModel):
    """A person opened a budget again: what was used before no longer counts."""

    specialist_id: Text
    reset_by: Text
