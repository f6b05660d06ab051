"""Why a resource is as it is: the chain of causes from its last change back to what began it.

Every event names the one that led to it. A container's row names the event that last changed it; from there the chain
is walked to its root: an edit with its author and commit, a person's command, or something that happened to the
container from outside. What was merely seen (a verdict of the health check, say) has no cause in the log; the story
then goes on with what happened to the same container before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.events.sentences import sentence
from reconciler.projections.rows import Row, Rows

_LONGEST_CHAIN = 100

# What stands in the way of a change that was decided; newer than a container's last change, it is the better answer.
_TROUBLE = frozenset(
    {
        "action_failed",
        "action_skipped",
        "backoff_started",
        "restart_abandoned",
        "specialist_backoff_started",
        "specialist_restart_abandoned",
    }
)
_RIGHT_AGAIN = frozenset(
    {"container_started", "backoff_reset", "specialist_process_started", "specialist_backoff_reset"}
)

# What befell a resource from outside; the actor of such an event only saw it.
_SEEN = frozenset(
    {
        "container_exited",
        "container_vanished",
        "container_drifted",
        "network_vanished",
        "volume_vanished",
        "specialist_process_exited",
        "specialist_process_paused",
    }
)

# Tables of resources that have an address but no stream of their own.
_SHARED_TABLES = {"network": "networks", "volume": "volumes", "image": "images"}
_STREAMS = frozenset({"service", "fleet", "specialist", "mission", "sortie", "checkpoint"})


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
    """One story for each replica of a service or specialist, or for the one that was named; read-only.

    Args:
        resource: `service/web`, `service/web/2`, `network/default`, `mission/add-login`, `sortie/add-login/build`, or a
            bare name where it is unambiguous.

    Raises:
        NotFound: when the log knows nothing of the resource, or a bare name means several; lists what there is.
    """
    from reconciler.ops.work_why import mission_story, missions_called, sortie_story

    kind, name = _address(store, resource)
    if kind == "mission":
        return (mission_story(store, name),)
    if kind == "sortie":
        return (sortie_story(store, name),)
    if kind == "service":
        starts = list(_replicas(store, name))
    elif kind in _SHARED_TABLES:
        starts = list(_shared(store, kind, name))
    elif kind == "specialist" and store.rows().get("pools", name.partition("/")[0]) is not None:
        starts = list(_crew(store, name))
    else:
        last = _newest(store, kind, name.replace("/", "_")) or _newest(store, kind, name)
        starts = [(f"{kind}/{name}", last)] if last is not None else []
    if not starts:
        known = sorted(f"service/{key}" for key, _ in store.rows().scan("services"))
        known += missions_called(store)
        listed = f"known: {', '.join(known)}" if known else "nothing has been applied yet: fleet apply"
        raise NotFound(f"the log knows nothing of {kind}/{name}", hint=listed)
    return tuple(_story(store, address, event) for address, event in starts)


def _address(store: EventLookup, resource: str) -> tuple[str, str]:
    """Kind and name. `web` and `web/2` are found among all kinds, services first come when nothing is found."""
    from reconciler.ops.work_why import is_mission, sorties_called

    rows = store.rows()
    kind, slash, name = resource.partition("/")
    if slash and (kind in _SHARED_TABLES or kind in _STREAMS):
        return kind, name
    found = [(other, resource) for other, table in _SHARED_TABLES.items() if rows.get(table, resource) is not None]
    if rows.get("pools", kind) is not None:
        found.insert(0, ("specialist", resource))
    if rows.get("services", kind) is not None:
        found.insert(0, ("service", resource))
    if is_mission(store, kind):
        found.append(("sortie" if slash else "mission", resource))
    found = found or [("sortie", other) for other in sorties_called(store, resource)]
    if len(found) > 1:
        listed = ", ".join(f"{other}/{name}" for other, name in found)
        raise NotFound(f"{resource!r} means more than one resource", hint=f"say which: {listed}")
    return found[0] if found else ("service", resource)


def _replicas(store: EventLookup, name: str) -> Iterator[tuple[str, Event]]:
    """The last change of each replica, or of the service itself where it has no containers."""
    service, _, replica = name.partition("/")
    trouble = _trouble(store, "service", service)
    containers = [
        row
        for _, row in store.rows().scan("containers")
        if row["service"] == service and replica in ("", str(row["replica"]))
    ]
    for row in containers:
        event = _latest(store, row, trouble)
        if event is not None:
            yield f"service/{service}/{row['replica']}", event
    if containers:
        return
    last = trouble.get(int(replica)) if replica.isdigit() else _newest(store, "service", service)
    if last is not None:
        yield f"service/{name}", last


def _latest(store: EventLookup, row: Row, trouble: Mapping[int, Event]) -> Event | None:
    """What last changed a replica, or went wrong with it since."""
    event = store.event(UUID(row["cause_event"]))
    later = trouble.get(row["replica"])
    newer = later is not None and (event is None or later.sequence_number > event.sequence_number)
    return later if newer else event


def _crew(store: EventLookup, name: str) -> Iterator[tuple[str, Event]]:
    """The last change of each replica of a specialist, or of the specialist itself where none was started."""
    pool, _, replica = name.partition("/")
    trouble = _trouble(store, "specialist", pool)
    processes = {
        row["replica"]: row
        for _, row in sorted(store.rows().scan("processes"), key=lambda found: found[1]["changed_at"])
        if row["pool"] == pool and replica in ("", str(row["replica"]))
    }
    for number, row in sorted(processes.items()):
        event = _latest(store, row, trouble)
        if event is not None:
            yield f"specialist/{pool}/{number}", event
    if processes:
        return
    last = trouble.get(int(replica)) if replica.isdigit() else _newest(store, "specialist", pool)
    if last is not None:
        yield f"specialist/{name}", last


def _trouble(store: EventLookup, stream_type: str, stream_id: str) -> dict[int, Event]:
    """By replica, the last thing that went wrong and that nothing has put right since."""
    found: dict[int, Event] = {}
    for event in store.stream(stream_type, stream_id):
        replica = event.data.get("replica")
        if replica is None:
            continue
        if event.event_type in _TROUBLE:
            found[replica] = event
        elif event.event_type in _RIGHT_AGAIN:
            found.pop(replica, None)
    return found


def _shared(store: EventLookup, kind: str, name: str) -> Iterator[tuple[str, Event]]:
    for key, row in store.rows().scan(_SHARED_TABLES[kind]):
        if name in (key, row.get("engine_name")):
            event = store.event(UUID(row["cause_event"]))
            if event is not None:
                yield f"{kind}/{key}", event


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
    """The event itself, then what caused it, and so on to the root. A cycle or a missing link ends it.

    An observation of a container has no cause in the log. Before any decision has been met, the chain goes on from it
    with the event that happened to that container before.
    """
    seen: set[UUID] = set()
    decided = False
    event: Event | None = last
    while event is not None and event.event_id not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(event.event_id)
        yield event
        decided = decided or event.event_type == "action_intended"
        if event.causation_id is not None:
            event = store.event(event.causation_id)
        else:
            event = None if decided else _before(store, event)


def _before(store: EventLookup, event: Event) -> Event | None:
    """What happened to the same container or process before."""
    mark = "container_id" if event.stream_type == "service" else "process_id"
    known = event.data.get(mark)
    if event.stream_type not in ("service", "specialist") or known is None:
        return None
    earlier = None
    for other in store.stream(event.stream_type, event.stream_id):
        if other.sequence_number >= event.sequence_number:
            break
        if other.data.get(mark) == known:
            earlier = other
    return earlier


def _summary(resource: str, links: Sequence[Link], intents: Sequence[Event]) -> str:
    last, root = links[0].event, links[-1].event
    if _happened_by_itself(links):
        return f"{resource}: {sentence(last)} ({through(last)})"
    began = through(root)
    if intents:
        intent = intents[0].data
        verb = intent["action"].replace("_", " ")
        ending = f", but {_error(last)}" if last.event_type in _TROUBLE else ""
        return f"{resource}: {verb} because {intent['reason']['text']}{ending} ({began})"
    return f"{resource}: {sentence(last)} ({began})"


def _happened_by_itself(links: Sequence[Link]) -> bool:
    """The last change was seen, not made: it is the answer, and what came before only its background."""
    last = links[0].event
    return last.causation_id is None and last.event_type not in ("container_health_changed", *_TROUBLE)


def _error(last: Event) -> str:
    data: Row = last.data
    return str(data.get("error") or data.get("because") or data.get("why") or sentence(last))


def through(root: Event) -> str:
    """Who began it, through which door, from which commit; or who saw it, where it came from outside."""
    who = root.metadata.get("actor") or "somebody"
    said = f"{who}, {root.metadata.get('source', 'cli')}"
    if root.event_type in _SEEN or root.data.get("external"):
        return f"seen by {said}"
    commit = root.metadata.get("commit") or root.data.get("commit")
    return said + (f", commit {commit[:12]}" if commit else "")
