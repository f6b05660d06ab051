"""The story of a mission: what happened to it and to its sorties, in the order in which it happened."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.events.store.query import EventQuery
from reconciler.work.state import ENDED

if TYPE_CHECKING:
    from reconciler.events.envelope import Event
    from reconciler.projections.store import Store

_QUIET = frozenset({"sortie_lease_renewed", "dispatch_evaluated", "sortie_updated", "sortie_started", "sortie_closed"})

_LAST = frozenset({"mission_completed", "mission_status_changed"})


def story(store: Store, mission_id: str) -> list[Event]:
    """Everything so far, oldest first."""
    streams = [store.stream("mission", mission_id)]
    streams += [store.stream("sortie", key) for key in _own(store, mission_id)]
    merged = heapq.merge(*streams, key=lambda event: event.sequence_number)
    return [event for event in merged if not is_quiet(event)]


def is_quiet(event: Event) -> bool:
    """Whether it is said often, or beside another event that says the same, and adds nothing to a story."""
    return event.event_type in _QUIET or event.data.get("new_status") == "assigned"


def follow_story(store: Store, mission_id: str, *, after: int) -> Iterator[Event]:
    """What happens from here on, until the mission has ended."""
    own = set(_own(store, mission_id))
    for event in store.follow(EventQuery(after=after)):
        if event.event_type == "sortie_created" and event.data.get("mission_id") == mission_id:
            own.add(event.stream_id)
        if event.stream_id not in own and event.stream_id != mission_id:
            continue
        if not is_quiet(event):
            yield event
        ended = event.data.get("new_status") in ENDED or event.event_type == "mission_completed"
        if event.stream_id == mission_id and event.event_type in _LAST and ended:
            return


def _own(store: Store, mission_id: str) -> list[str]:
    return [key for key, row in store.rows().scan("sorties") if row.get("mission_id") == mission_id]
