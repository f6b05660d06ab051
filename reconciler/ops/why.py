"""Why a resource is as it is: the chain of causes from its last change back to what began it.

Every event names the one that led to it. A container's row names the event that last changed it; from there the chain
is walked to its root: an edit with its author and commit, a person's command, or something that happened to the
container from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.events.sentences import sentence
from reconciler.projections.rows import Rows

_LONGEST_CHAIN = 100


class EventLookup(Protocol):
    """The part of a store that this needs."""

    def rows(self) -> Rows: ...

    def event(self, event_id: UUID) -> Event | None: ...

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class Link:
    """One event of the chain and what it says."""

    event: Event
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """The chain for one resource or replica, newest event first.

    Attributes:
        resource: `service/web`, or `service/web/2` for one replica.
        summary: the whole in a sentence.
        links: from the last change back to its root.
        changes: the fields that caused it, as `action_intended` recorded them.
    """

    resource: str
    summary: str
    links: tuple[Link, ...]
    changes: tuple[dict[str, Any], ...]


def why(store: EventLookup, resource: str) -> tuple[Story, ...]:
    """One story for each replica of a service, or for the one that was named; read-only.

    Args:
        resource: `service/web`, `service/web/2`, `network/default`, or a bare service name.

    Raises:
        NotFound: when the log knows nothing of the resource; lists what it knows.
    """
    address = resource if "/" in resource else f"service/{resource}"
    kind, _, name = address.partition("/")
    starts = list(_starts(store, kind, name))
    if not starts:
        known = sorted(f"service/{key}" for key, _ in store.rows().scan("services"))
        listed = f"known: {', '.join(known)}" if known else "nothing has been applied yet: fleet apply"
        raise NotFound(f"the log knows nothing of {address}", hint=listed)
    return tuple(_story(store, address, event) for address, event in starts)


def _starts(store: EventLookup, kind: str, name: str) -> Iterator[tuple[str, Event]]:
    """The last change of each replica, or of the resource itself where it has no containers."""
    if kind == "service":
        service, _, replica = name.partition("/")
        found = False
        for _, row in store.rows().scan("containers"):
            if row["service"] != service or (replica and str(row["replica"]) != replica):
                continue
            event = store.event(UUID(row["cause_event"]))
            if event is not None:
                found = True
                yield f"service/{service}/{row['replica']}", event
        if not found and not replica:
            last = _newest(store, "service", service)
            if last is not None:
                yield f"service/{service}", last
        return
    last = None
    for _, row in store.rows().scan("services" if kind == "services" else f"{kind}s"):
        if name in (row.get(kind), row.get("engine_name"), row.get("id"), row.get("name")) and row.get("cause_event"):
            last = store.event(UUID(row["cause_event"]))
    if last is None:
        last = _newest(store, kind, name.replace("/", "_"))
    if last is not None:
        yield f"{kind}/{name}", last


def _newest(store: EventLookup, stream_type: str, stream_id: str) -> Event | None:
    newest = None
    for event in store.stream(stream_type, stream_id):
        newest = event
    return newest


def _story(store: EventLookup, resource: str, last: Event) -> Story:
    links = tuple(Link(event, sentence(event)) for event in chain(store, last))
    intents = [link.event for link in links if link.event.event_type == "action_intended"]
    changes: tuple[dict[str, Any], ...] = ()
    if intents:
        changes = tuple(intents[0].data["reason"].get("changes") or ())
    return Story(resource, _summary(resource, links, intents), links, changes)


def chain(store: EventLookup, last: Event) -> Iterator[Event]:
    """The event itself, then what caused it, and so on to the root. A cycle or a missing link ends it."""
    seen: set[UUID] = set()
    event: Event | None = last
    while event is not None and event.event_id not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(event.event_id)
        yield event
        event = store.event(event.causation_id) if event.causation_id is not None else None


def _summary(resource: str, links: tuple[Link, ...], intents: list[Event]) -> str:
    last, root = links[0].event, links[-1].event
    who = root.metadata.get("actor") or "somebody"
    commit = root.metadata.get("commit") or root.data.get("commit")
    through = f"{who}, {root.metadata.get('source', 'cli')}" + (f", commit {commit[:12]}" if commit else "")
    if intents:
        intent = intents[0].data
        verb = intent["action"].replace("_", " ")
        return f"{resource}: {verb} because {intent['reason']['text']} ({through})"
    return f"{resource}: {sentence(last)} ({through})"
