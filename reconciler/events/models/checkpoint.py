"""Events of checkpoints: enough of the agents' state to go on after a crash, and what was done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.events.models.base import Count, Document, EventModel, ListOf, Text, Timestamp


class CheckpointCreated(EventModel):
    """A specialist's state was kept."""

    checkpoint_id: Text
    specialist_id: Text
    context: Document
    active_sorties: ListOf[str]
    pending_messages: ListOf[str]
    held_locks: ListOf[str]
    ttl_hours: Annotated[int | float, Field(gt=0)] | None = None


class FleetCheckpointed(EventModel):
    """A checkpoint stands for the whole fleet up to `event_sequence`."""

    checkpoint_id: Text
    trigger: Literal["scheduled", "manual", "shutdown", "progress", "error", "compaction"]
    specialist_count: Count
    event_sequence: Count


class FleetRecovered(EventModel):
    """Work was taken up again from a checkpoint."""

    checkpoint_id: Text
    specialist_id: Text
    recovered_at: Timestamp
    context_restored: bool
    sorties_resumed: ListOf[str]


class CheckpointPruned(EventModel):
    """A checkpoint was thrown away: it ran out, newer ones suffice, or somebody deleted it."""

    checkpoint_id: Text
    reason: Literal["expired", "retention", "requested"] = "requested"
