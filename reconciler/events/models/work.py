"""Events of agents at work that belong to no single family: messages put back, deadlocks, and what an attempt made."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.events.models.base import Count, EventModel, ListOf, Text


class SquawkRequeued(EventModel):
    """A message that was read but not dealt with waits again, because its reader is gone."""

    message_id: Text
    mailbox_id: Text
    reason: str


class CtkDeadlockDetected(EventModel):
    """Specialists wait for each other in a circle; each wants the path beside it, which the next one holds."""

    specialists: ListOf[str]
    file_paths: ListOf[str]


class ArtifactRecorded(EventModel):
    """An attempt made a file; its content is known by digest."""

    sortie_id: Text
    specialist_id: Text
    attempt: Annotated[int, Field(ge=1)]
    path: Text
    digest: Text
    size: Count
