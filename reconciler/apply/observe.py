"""Observe: what the runtime shows and the log does not say yet, as events. Pure: values in, values out.

Whatever the log cannot account for was done by somebody else and is recorded as such. What an intent accounts for that a
crash left open is recorded as the outcome of that intent: the world is asked, never a person. A state that the engine
cannot name right now is no news. Event ids follow from the content and `now_ms`, so the same look gives the same events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from reconciler.events.envelope import NewEvent, StreamType
from reconciler.ids import uuid7
from reconciler.projections.projected import Projected, ProjectedContainer, ProjectedIntent, put_back
from reconciler.runtime.model import (
    LABEL_DIGEST,
    LABEL_INTENT,
    LABEL_REPLICA,
    LABEL_RESOURCE,
    Observed,
    ObservedContainer,
)

_REMOVING = frozenset({"replace", "delete"})
_STOPPING = frozenset({"replace", "delete", "stop", "restart"})
_STARTING = frozenset({"create", "start", "restart", "replace"})
_RENAMING = frozenset({"replace", "update"})
_VERDICTS = frozenset({"healthy", "unhealthy"})
_STATE_RANK = {"running": 0, "paused": 1, "created": 2, "exited": 3}


def observations(projected: Projected, observed: Observed, *, now_ms: int) -> list[NewEvent]:
    """What differs from the log, as events in a fixed order: known containers first, then those it did not know.

    Args:
        observed: everything that runs for this project, adopted containers included. A container that is not in it is
            taken to be gone, so a look that was not complete must not be given.
        now_ms: the time of the look, for what the engine gives no time for.
    """
    look = _Look(projected, now_ms)
    seen = {container.container_id: container for container in observed.containers}
    events: list[NewEvent] = []
    known = set()
    for container in projected.all_containers():
        known.add(container.container_id)
        events.extend(look.changes(container, seen.get(container.container_id)))
    for container_id in sorted(seen.keys() - known, key=lambda one: _found_order(seen[one])):
        events.extend(look.found(seen[container_id]))
    return events


def shared_observations(
    projected: Projected, *, fleet: str, networks: Iterable[str], volumes: Iterable[str], now_ms: int
) -> list[NewEvent]:
    """Networks and volumes that the log says were made and that are gone.

    Args:
        networks, volumes: engine names of those that are there.
    """
    look = _Look(projected, now_ms)
    here = {"network": frozenset(networks), "volume": frozenset(volumes)}
    recorded: dict[str, Mapping[str, str]] = {"network": projected.networks, "volume": projected.volumes}
    return [
        look.event("fleet", fleet, f"{kind}_vanished", {kind: name, "engine_name": recorded[kind][name]})
        for kind in ("network", "volume")
        for name in sorted(recorded[kind])
        if recorded[kind][name] not in here[kind]
    ]


def ownership(labels: Mapping[str, str]) -> tuple[str, int] | None:
    """The service and replica that a container's labels name; None for another kind of resource or broken labels."""
    kind, _, service = labels.get(LABEL_RESOURCE, "").partition("/")
    replica = labels.get(LABEL_REPLICA, "")
    if kind != "service" or not service or not (replica.isascii() and replica.isdigit() and int(replica) > 0):
        return None
    return service, int(replica)


def _found_order(container: ObservedContainer) -> tuple[Any, ...]:
    """Of several unknown containers of one replica the one that runs comes first and gets the replica's own place."""
    service, replica = ownership(container.labels) or ("", 0)
    return service, replica, _STATE_RANK.get(container.state, 9), container.name, container.container_id


def _in_order(at_ms: int, after_ms: int) -> int:
    """When something happened that came after something else: not before it, unless the clock was put back between."""
    return at_ms if put_back(at_ms, after_ms) else max(at_ms, after_ms)


class _Look:
    """One look: what was known before, and when it was taken."""

    def __init__(self, projected: Projected, now_ms: int) -> None:
        self._projected = projected
        self._now = now_ms
        self._open: dict[tuple[str, int | None], ProjectedIntent] = {
            (intent.resource, intent.replica): intent for intent in projected.intents.values()
        }

    def event(
        self,
        stream_type: StreamType,
        stream_id: str,
        event_type: str,
        data: dict[str, Any],
        *,
        at_ms: int | None = None,
        intent: ProjectedIntent | None = None,
    ) -> NewEvent:
        """An event whose id follows from what it says."""
        content = repr((event_type, stream_id, sorted(data.items(), key=lambda item: item[0]))).encode()
        return NewEvent(
            event_type,
            stream_type,
            stream_id,
            data,
            event_id=uuid7(self._now, hashlib.sha256(content).digest()[:10]),
            causation_id=UUID(intent.intent_id) if intent is not None else None,
            occurred_at=self._now if at_ms is None else at_ms,
        )

    def changes(self, known: ProjectedContainer, seen: ObservedContainer | None) -> Iterator[NewEvent]:
        """What became of a container that the log knows."""
        if seen is None:
            if known.state != "missing":
                yield self._gone(known)
            return
        if seen.state in ("unknown", "removing"):
            return
        if known.state == "missing":
            # It was taken for gone and is not: to the log it is a container that appears.
            yield from self.found(seen)
            return
        yield from self._renamed(known, seen)
        if not known.adopted:
            container = {"service": known.service, "replica": known.replica, "container_id": known.container_id}
            yield from self._relabelled(container, seen, digest=known.digest, before=known.drift.get("labels"))
        match seen.state:
            case "running":
                started = list(self._running(known, seen))
                yield from started
                # The health of a container that was started again is unknown, unless it was only paused.
                yield from self._verdict(known, seen, "" if started and known.state != "paused" else known.health)
            case "exited":
                yield from self._exited(known, seen)
            case "paused" if known.state != "paused":
                yield self._event(known, "container_paused", {"external": True})

    def found(self, seen: ObservedContainer) -> Iterator[NewEvent]:
        """A container that carries our labels and that the log does not know."""
        owner = ownership(seen.labels)
        if owner is None or seen.state in ("unknown", "removing"):
            return
        service, replica = owner
        label = seen.labels.get(LABEL_INTENT, "")
        intent = self._projected.intents.get(label.rpartition("_")[2].replace("-", ""))
        container = {"service": service, "replica": replica, "container_id": seen.container_id}
        digest = seen.labels.get(LABEL_DIGEST, "")
        data: dict[str, Any] = {
            **container,
            "name": seen.name,
            "digest": digest,
            "image": seen.image,
            "image_id": seen.image_id,
            "state": seen.state,
        }
        if label:
            data["intent_id"] = label
        yield self.event("service", service, "container_found", data, intent=intent)
        yield from self._relabelled(container, seen, digest=digest, before=None)
        if seen.state == "exited":
            yield self._ended(container, seen, digest=digest, after_ms=0, intent=intent)
        elif seen.state == "running" and seen.health in _VERDICTS:
            yield self.event("service", service, "container_health_changed", {**container, "health": seen.health})

    def _event(self, known: ProjectedContainer, event_type: str, data: dict[str, Any], **more: Any) -> NewEvent:
        container = {"service": known.service, "replica": known.replica, "container_id": known.container_id}
        return self.event("service", known.service, event_type, {**container, **data}, **more)

    def _intent(self, known: ProjectedContainer, actions: frozenset[str]) -> ProjectedIntent | None:
        """The open intent that accounts for what is seen; its action is the verb before any qualification."""
        intent = self._open.get((f"service/{known.service}", known.replica))
        return intent if intent is not None and intent.action.partition("_")[0] in actions else None

    def _gone(self, known: ProjectedContainer) -> NewEvent:
        intent = self._intent(known, _REMOVING)
        if intent is None:
            return self._event(known, "container_vanished", {})
        return self._event(known, "container_removed", {"intent_id": intent.intent_id}, intent=intent)

    def _renamed(self, known: ProjectedContainer, seen: ObservedContainer) -> Iterator[NewEvent]:
        if not seen.name or seen.name == known.name:
            return
        intent = self._intent(known, _RENAMING)
        if intent is not None:
            yield self._event(
                known, "container_renamed", {"name": seen.name, "intent_id": intent.intent_id}, intent=intent
            )
        else:
            drift = {"field": "name", "expected": known.name, "actual": seen.name}
            yield self._event(known, "container_drifted", drift)

    def _relabelled(
        self, container: dict[str, Any], seen: ObservedContainer, *, digest: str, before: dict[str, Any] | None
    ) -> Iterator[NewEvent]:
        """Labels that its definition asks for and that it does not carry: somebody made it anew by hand."""
        wanted = self._projected.definitions.get(digest, {}).get("labels") or {}
        expected = {name: value for name, value in sorted(wanted.items()) if seen.labels.get(name) != value}
        actual = {name: seen.labels.get(name) for name in expected}
        if expected and (before is None or before.get("actual") != actual):
            drift = {"field": "labels", "expected": expected, "actual": actual}
            yield self.event("service", container["service"], "container_drifted", {**container, **drift})

    def _running(self, known: ProjectedContainer, seen: ObservedContainer) -> Iterator[NewEvent]:
        started_ms = seen.started_at * 1000
        again = known.state == "running" and known.started_at is not None and started_ms > known.started_at
        if known.state == "running" and not again:
            return
        intent = self._intent(known, _STARTING)
        data: dict[str, Any] = {"external": intent is None}
        if intent is not None:
            data["intent_id"] = intent.intent_id
        at_ms = _in_order(started_ms, known.changed_at) if started_ms else None
        yield self._event(known, "container_started", data, at_ms=at_ms, intent=intent)

    def _verdict(self, known: ProjectedContainer, seen: ObservedContainer, before: str) -> Iterator[NewEvent]:
        if seen.health in _VERDICTS and seen.health != before:
            change = {"health": seen.health, **({"previous": before} if before else {})}
            cause = UUID(known.cause_event) if known.cause_event else None
            yield replace(self._event(known, "container_health_changed", change), causation_id=cause)

    def _exited(self, known: ProjectedContainer, seen: ObservedContainer) -> Iterator[NewEvent]:
        if known.state == "exited" and seen.exited_at * 1000 <= known.changed_at:
            return
        intent = self._intent(known, _STOPPING)
        container = {"service": known.service, "replica": known.replica, "container_id": known.container_id}
        yield self._ended(container, seen, digest=known.digest, after_ms=known.changed_at, intent=intent)

    def _ended(
        self,
        container: dict[str, Any],
        seen: ObservedContainer,
        *,
        digest: str,
        after_ms: int,
        intent: ProjectedIntent | None,
    ) -> NewEvent:
        """How a container that is over came to its end: asked to by us, as a job that is done, or by itself."""
        code = seen.exit_code if seen.exit_code is not None else 0
        at_ms = _in_order(seen.exited_at * 1000, after_ms) if seen.exited_at else None
        service = container["service"]
        stopping = intent is not None and intent.action.partition("_")[0] in _STOPPING
        if stopping and intent is not None:
            data = {**container, "exit_code": code, "intent_id": intent.intent_id}
            return self.event("service", service, "container_stopped", data, at_ms=at_ms, intent=intent)
        if self._is_job(service, digest) and digest:
            data = {**container, "exit_code": code, "digest": digest}
            return self.event("service", service, "job_completed", data, at_ms=at_ms)
        data = {**container, "exit_code": code, "oom_killed": seen.oom_killed}
        if at_ms is not None:
            data["exited_at"] = at_ms
        return self.event("service", service, "container_exited", data, at_ms=at_ms)

    def _is_job(self, service: str, digest: str) -> bool:
        document = self._projected.definitions.get(digest)
        if document is None and service in self._projected.services:
            document = self._projected.services[service].document
        return document is not None and document.get("kind") == "job"
