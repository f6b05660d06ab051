"""Intents and what comes of them, as events.

An intent's event id is chosen before it is recorded: what is made in the runtime carries it as a label, so that after a
crash the one leads to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import msgspec

from reconciler.events.envelope import Event, NewEvent, StreamType
from reconciler.events.store.query import EventQuery
from reconciler.plan.model import Action, AnyAction, BuildImage, PullImage, RunHandler, verb_of
from reconciler.projections.projected import Projected

_BY_THE_WORLD = frozenset(
    {"world_changed", "stopped_outside", "not_started", "missing", "duplicate", "rerun", "unhealthy"}
)


def intent_label(event_id: UUID) -> str:
    """An intent's id as labels and outcomes name it."""
    return f"evt_{event_id.hex}"


def action_word(action: AnyAction) -> str:
    """The word for an action in the log: its verb, or its own kind where the verb says too little."""
    verb = verb_of(action)
    if verb in ("prepare", "record"):
        tag = type(action).__struct_config__.tag
        return str(tag)
    return verb


def replica_of(action: Action) -> int | None:
    """The replica that an action is about; None for whole services and shared resources."""
    return getattr(action, "replica", None)


@dataclass(frozen=True, slots=True)
class Intent:
    """An action that is about to be tried, and the stream that it and its outcomes belong to."""

    event: NewEvent
    action: str
    resource: str
    replica: int | None
    apply_id: str

    @property
    def label(self) -> str:
        """The id that the runtime's object carries."""
        return intent_label(self.event.event_id)

    def outcome(self, event_type: str, data: dict[str, Any], *, after: NewEvent | None = None) -> NewEvent:
        """Something that came of it, in the intent's own stream.

        Args:
            after: the outcome that led to this one, where it was not the intent itself.
        """
        return NewEvent(
            event_type,
            self.event.stream_type,
            self.event.stream_id,
            data,
            causation_id=after.event_id if after is not None else self.event.event_id,
        )

    def failed(self, error: str) -> NewEvent:
        """It was tried and did not work."""
        return self.outcome("action_failed", {**self._named(), "intent_id": self.label, "error": error})

    def _named(self) -> dict[str, Any]:
        named: dict[str, Any] = {"action": self.action, "resource": self.resource, "apply_id": self.apply_id}
        return named if self.replica is None else {**named, "replica": self.replica}


def stream_of(action: Action, fleet: str) -> tuple[StreamType, str]:
    """Services have streams of their own; what is shared belongs to the fleet's."""
    kind, _, name = action.resource.partition("/")
    if kind == "service" and not isinstance(action, PullImage | BuildImage | RunHandler):
        return "service", name
    if kind == "specialist":
        return "specialist", name
    return "fleet", fleet


def intend(action: AnyAction, *, fleet: str, apply_id: str, cause: UUID | None) -> Intent:
    """The intent to carry out an action."""
    stream_type, stream_id = stream_of(action, fleet)
    word, replica = action_word(action), replica_of(action)
    data: dict[str, Any] = {
        "action": word,
        "resource": action.resource,
        "reason": {"changes": [], **msgspec.to_builtins(action.reason)},
        "apply_id": apply_id,
    }
    if replica is not None:
        data["replica"] = replica
    digest = getattr(action, "digest", "")
    if digest:
        data["digest"] = digest
    event = NewEvent("action_intended", stream_type, stream_id, data, causation_id=cause)
    return Intent(event, word, action.resource, replica, apply_id)


def skipped(action: AnyAction, *, fleet: str, apply_id: str, because: str, cause: UUID | None) -> NewEvent:
    """It was not tried, because what it needs did not succeed."""
    stream_type, stream_id = stream_of(action, fleet)
    data: dict[str, Any] = {
        "action": action_word(action),
        "resource": action.resource,
        "because": because,
        "apply_id": apply_id,
    }
    if replica_of(action) is not None:
        data["replica"] = replica_of(action)
    return NewEvent("action_skipped", stream_type, stream_id, data, causation_id=cause)


_REQUESTS = (
    "service_stop_requested",
    "service_start_requested",
    "specialist_stop_requested",
    "specialist_start_requested",
)
_DEFINED = ("service_defined", "specialist_defined")


class Past(Protocol):
    """The part of a store in which causes are looked up."""

    def events(self, query: EventQuery = ...) -> Iterator[Event]: ...


class Causes:
    """Which event led to an action: the edit, what happened in the world, or a person's word."""

    def __init__(self, past: Past, projected: Projected, *, started: UUID, revision: UUID | None) -> None:
        self._past = past
        self._projected = projected
        self._started = started
        self._revision = revision
        self._learned: dict[str, UUID] = {}

    def learn(self, key: str, event: NewEvent) -> None:
        """What was recorded in this apply and leads to actions that follow: `service/web`, `image/x`, `handler/y`."""
        self._learned[key] = event.event_id

    def of(self, action: AnyAction) -> UUID:
        """The event that an action's intent names as its cause."""
        code = action.reason.code
        found: UUID | None = None
        if code in _BY_THE_WORLD:
            found = self._world(action)
        elif code == "requested":
            found = self._newest(action, *_REQUESTS)
        elif code == "notified" and isinstance(action, RunHandler):
            found = self._learned.get(f"handler/{action.handler.name}")
        elif code == "image_changed":
            found = self._image(action)
        elif code not in ("removed_from_file", "needed_by"):
            found = self._learned.get(action.resource) or self._newest(action, *_DEFINED)
        return found or self._revision or self._started

    def _world(self, action: AnyAction) -> UUID | None:
        pool = self._projected.pools.get(getattr(action, "pool", ""))
        for process in reversed(pool.processes) if pool is not None else ():
            if process.process_id == getattr(action, "process_id", "") and process.cause_event:
                return UUID(process.cause_event)
        service, replica = getattr(action, "service", ""), replica_of(action)
        container_id = getattr(action, "container_id", "")
        for container in self._projected.containers.get(service, ()):
            exact = container.container_id == container_id if container_id else container.replica == replica
            if exact and container.cause_event:
                return UUID(container.cause_event)
        return None

    def _image(self, action: AnyAction) -> UUID | None:
        service = self._projected.services.get(getattr(action, "service", ""))
        return self._learned.get(f"image/{service.definition.image}") if service is not None else None

    def _newest(self, action: AnyAction, *types: str) -> UUID | None:
        kind, _, name = action.resource.partition("/")
        if kind not in ("service", "specialist"):
            return None
        query = EventQuery(stream_type=kind, stream_id=name, types=types, newest_first=True, limit=1)
        return next((event.event_id for event in self._past.events(query)), None)
