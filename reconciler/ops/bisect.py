"""Bisect: the first event after which a service went wrong, and what led to it.

Health comes and goes, so the log cannot be halved: a service that was bad at one place may have been good again and bad
once more. Instead its own events are folded one after the other (the rows of a service follow from its own streams alone),
and every stretch in which something was wrong is an episode. The one that matters is the one that lasts until the end, or
the latest one where all is well now.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from reconciler.errors import NotFound
from reconciler.events.envelope import Event
from reconciler.events.sentences import sentence
from reconciler.events.store.query import EventQuery
from reconciler.ops.why import EventLookup, Link, chain
from reconciler.plan.reasons import counted
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows, Row, Rows

# What shows that an attempt which failed before has been made good.
_MADE_GOOD = frozenset(
    {"container_started", "container_adopted", "container_found", "job_completed", "service_removed"}
)
_WHAT_RUNS = frozenset({"service_defined", "container_created", "container_adopted"})


class EventSource(EventLookup, Protocol):
    """The part of a store that this needs."""

    def head(self) -> int: ...

    def events(self, query: EventQuery) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of the log in which a service was not well.

    Attributes:
        first: the event after which it was wrong.
        symptoms: what was wrong then, a sentence each.
        last_good: the sequence number before `first`.
        ended: the event after which it was well again; None while it lasts.
        running: the event that put in place what was running then.
    """

    first: Event
    symptoms: tuple[str, ...]
    last_good: int
    ended: Event | None = None
    running: Event | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        service: its name now.
        looked: the range of sequence numbers, both inclusive.
        episode: the one that matters; None when nothing was ever wrong in that range.
        earlier: those before it, oldest first.
        causes: what led to its first event, newest first, that event included.
        change: what led to the definition or container that went wrong, newest first.
    """

    service: str
    looked: tuple[int, int]
    episode: Episode | None
    earlier: tuple[Episode, ...] = ()
    causes: tuple[Link, ...] = ()
    change: tuple[Link, ...] = ()


def bisect(store: EventSource, service: str, *, good: int = 0, bad: int | None = None) -> Verdict:
    """Find where a service went wrong; read-only.

    Args:
        service: `web` or `service/web`.
        good: the sequence number after which to look; an episode that had begun by then and lasted counts.
        bad: the last sequence number to look at; the end of the log when left out.

    Raises:
        NotFound: the log knows no such service.
    """
    name = service.removeprefix("service/")
    end = store.head() if bad is None else bad
    found = [one for one in _episodes(store, name, end) if one.ended is None or one.ended.sequence_number > good]
    if not found:
        return Verdict(name, (good + 1, end), None)
    *earlier, episode = found
    change = tuple(_links(store, episode.running)) if episode.running is not None else ()
    return Verdict(name, (good + 1, end), episode, tuple(earlier), tuple(_links(store, episode.first)), change)


def _links(store: EventLookup, event: Event) -> Iterator[Link]:
    return (Link(one, sentence(one)) for one in chain(store, event))


def _episodes(store: EventSource, name: str, end: int) -> list[Episode]:
    episodes: list[Episode] = []
    rows = MemoryRows()
    failed = ""
    running: Event | None = None
    known = False
    for event in _events_about(store, name, end):
        known = True
        fold(event, rows)
        failed = _failed(event, failed)
        if event.event_type in _WHAT_RUNS:
            running = event
        wrong = tuple(symptoms(rows, event.data.get("to_resource", event.stream_id).removeprefix("service/")))
        wrong += (failed,) if failed else ()
        lasting = bool(episodes) and episodes[-1].ended is None
        if wrong and not lasting:
            episodes.append(Episode(event, wrong, event.sequence_number - 1, running=running))
        elif not wrong and lasting:
            episodes[-1] = replace(episodes[-1], ended=event)
    if not known:
        raise NotFound(f"the log knows nothing of service/{name}", hint="fleet status lists the services")
    return episodes


def _failed(event: Event, before: str) -> str:
    """What the last attempt that failed said, until one has succeeded."""
    if event.event_type == "action_failed":
        return sentence(event)
    return "" if event.event_type in _MADE_GOOD else before


def symptoms(rows: Rows, service: str) -> Iterator[str]:
    """What is wrong with a service's containers, a sentence each in the order of its replicas."""
    row = rows.get("services", service)
    wanted_up = row is None or row["wanted"] == "up"
    job = row is not None and row["definition"].get("kind") == "job"
    for key, container in rows.scan("containers"):
        if container["service"] == service and wanted_up:
            yield from _of_container(key, container, job=job)
    for key, backoff in rows.scan("backoffs"):
        if key.rpartition("/")[0] == service:
            yield (
                f"restarting {key} was given up after {counted(backoff['failures'], 'failure')}"
                if backoff["abandoned"]
                else f"{key} keeps failing ({counted(backoff['failures'], 'time')})"
            )


def _of_container(key: str, container: Row, *, job: bool) -> Iterator[str]:
    state, code = container["state"], container["exit_code"]
    if state == "missing":
        yield f"{key} is gone"
    elif state == "paused":
        yield f"{key} is paused"
    elif state == "exited" and _ended_badly(container, code, job=job):
        yield f"{key} has exited" + (f" with code {code}" if code is not None else "")
    elif container["health"] == "unhealthy":
        yield f"{key} is unhealthy"


def _ended_badly(container: Row, code: Any, *, job: bool) -> bool:
    """A job may end well; everything else is only stopped by Fleet."""
    return code not in (0, None) if job else bool(container["external"])


def _events_about(store: EventSource, name: str, end: int) -> Iterator[Event]:
    """The events of a service under every name that it has had, and its moves, in the order of the log."""
    moves = [
        event
        for event in store.events(EventQuery(types=("resource_moved",), before=end + 1))
        if event.data["to_resource"].startswith("service/")
    ]
    names, relevant = [name], []
    for move in reversed(moves):
        if move.data["to_resource"] == f"service/{names[-1]}":
            names.append(move.data["from_resource"].removeprefix("service/"))
            relevant.append(move)
    streams = [
        store.events(EventQuery(stream_type="service", stream_id=one, before=end + 1)) for one in dict.fromkeys(names)
    ]
    return heapq.merge(*streams, reversed(relevant), key=lambda event: event.sequence_number)
