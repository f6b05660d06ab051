"""The envelope that every event travels in, before and after it is recorded.

A `Cause` says who began it and through which door; it goes into every event's metadata, so that the chain from a
container back to an edit never breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from reconciler.ids import uuid7

StreamType = Literal["specialist", "squawk", "ctk", "sortie", "mission", "checkpoint", "fleet", "system", "service"]
Source = Literal["cli", "api", "watch", "git", "worker", "import"]

STREAM_TYPES: tuple[StreamType, ...] = (
    "specialist",
    "squawk",
    "ctk",
    "sortie",
    "mission",
    "checkpoint",
    "fleet",
    "system",
    "service",
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Who and what began a run of events.

    Attributes:
        actor: a person, a specialist's id, or `fleet` for the loop itself.
        source: the door it came through.
        correlation_id: common to everything of one apply, one request, one cycle.
        causation_id: the event that led to this one; None for the first of a chain.
        commit: the commit of fleet.yaml, where known.
    """

    actor: str
    source: Source
    correlation_id: UUID = field(default_factory=uuid7)
    causation_id: UUID | None = None
    commit: str = ""
    user_agent: str = ""

    def after(self, event_id: UUID) -> Cause:
        """The same cause, one link further along the chain."""
        return replace(self, causation_id=event_id)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is to be appended.

    Attributes:
        event_type: its registered name.
        stream_type, stream_id: the stream it belongs to.
        data: the fields of its model, JSON-ready.
        event_id: chosen beforehand, so that a runtime object can carry it as a label.
        causation_id: overrides the cause's for this one event.
        occurred_at: Unix time in ms when it happened, if that differs from when it is recorded.
    """

    event_type: str
    stream_type: StreamType
    stream_id: str
    data: dict[str, Any]
    event_id: UUID = field(default_factory=uuid7)
    causation_id: UUID | None = None
    occurred_at: int | None = None


class Event(Struct, frozen=True, gc=False):
    """A recorded event. Times are Unix milliseconds UTC; `hash` chains over the previous event's.

    A struct and not a dataclass: a replay makes millions of these, and this is ten times as fast. What came from JSON has
    no cycles, so the garbage collector need not look at them.
    """

    sequence_number: int
    event_id: UUID
    event_type: str
    stream_type: StreamType
    stream_id: str
    version: int
    data: dict[str, Any]
    causation_id: UUID | None
    correlation_id: UUID
    metadata: dict[str, Any]
    occurred_at: int
    recorded_at: int
    schema_version: int
    hash: bytes
