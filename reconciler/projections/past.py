"""The projections as they were, and as the log alone says they are: folded anew, in memory."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.events.envelope import Event
from reconciler.events.registry import TYPES
from reconciler.events.upcasters import EventTooNew
from reconciler.projections.fold import Fold, fold_of
from reconciler.projections.rows import MemoryRows


def folded(events: Iterable[Event]) -> MemoryRows:
    """The rows that follow from these events, which begin at the log's first.

    Raises:
        EventTooNew: one of them is only understood by a newer Fleet.
    """
    rows = MemoryRows()
    found: dict[tuple[str, int], Fold | None] = {}
    for event in events:
        kind = (event.event_type, event.schema_version)
        if kind not in found:
            found[kind] = _fold_for(event)
        fold = found[kind]
        if fold is not None:
            fold(event, rows)
    return rows


def _fold_for(event: Event) -> Fold | None:
    """The fold of an event's type, once it is sure that this release understands it."""
    known = TYPES.get(event.event_type)
    if known is None or event.schema_version > known.version:
        raise EventTooNew(
            f"{event.event_type} version {event.schema_version} was written by a newer Fleet;"
            f" what follows from event {event.sequence_number} on is not known",
            hint="update Fleet",
        )
    return fold_of(event.event_type)
