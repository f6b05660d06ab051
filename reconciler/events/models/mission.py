"""Events of one mission: a set of sorties that together reach a goal."""

from __future__ import annotations

from typing import Literal

from reconciler.events.models.base import Count, Document, EventModel, ListOf, PositiveMs, Text, Timestamp
from reconciler.events.models.sortie import Changes, Priority

MissionStatus = Literal["pending", "in_progress", "review", "completed", "failed", "cancelled"]


class MissionCreated(EventModel):
    """A mission exists; it has not begun."""

    mission_id: Text
    title: Text
    description: str | None = None
    priority: Priority
    initial_sorties: ListOf[str] | None = None
    metadata: Document | None = None


class MissionStarted(EventModel):
    """A mission's sorties may be worked on."""

    mission_id: Text
    started_at: Timestamp
    initial_sorties: ListOf[str]


class MissionResult(EventModel):
    """What came of a mission."""

    success: bool
    sorties_completed: Count
    sorties_failed: Count
    summary: str | None = None


class MissionCompleted(EventModel):
    """A mission is over; `result.success` says whether its goal was reached."""

    mission_id: Text
    completed_at: Timestamp
    duration_ms: PositiveMs
    result: MissionResult


class MissionChanges(Changes):
    """What may change of a mission."""

    title: Text | None = None
    description: str | None = None
    priority: Priority | None = None
    metadata: Document | None = None


class MissionUpdated(EventModel):
    """A mission's definition was changed."""

    mission_id: Text
    changes: MissionChanges


class MissionStatusChanged(EventModel):
    """A mission moved along its state machine otherwise than by starting or completing."""

    mission_id: Text
    previous_status: MissionStatus
    new_status: MissionStatus
    changed_by: Text
    reason: str | None = None


class MissionArchived(EventModel):
    """A mission that has ended no longer shows in lists."""

    mission_id: Text
    archived_by: Text


class MissionDefinitionFrozen(EventModel):
    """What the file says of a mission at its start; it holds until the mission ends."""

    mission_id: Text
    digest: Text
    definition: Document
