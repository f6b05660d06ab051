"""The projections as they were, and as the log alone says they are: folded anew, in memory."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.events.envelope import Event
from reconciler.events.registry import TYPES
from reconciler.events.upcasters import EventTooNew
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows


def folded(events: Iterable[Event]) -> MemoryRows:
    """The rows that follow from these events, which begin at the log's first.

    Raises:
        EventTooNew: one of them is only understood by a newer Fleet.
    """
    rows = MemoryRows()
    for event in events:
        found = TYPES.get(event.event_type)
        if found is None or event.schema_version > found.version:
            raise EventTooNew(
                f"{event.event_type} version {event.schema_version} was written by a newer Fleet;"
                f" what follows from event {event.sequence_number} on is not known",
                hint="update Fleet",
            )
        fold(event, rows)
    return rows
