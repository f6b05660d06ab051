"""The fold: how one event changes the rows.

Each event type has at most one fold function, found by its name. A fold is pure: the event and the rows that it reads
are all it knows, so the same log always gives the same rows, in whatever portions it is folded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from uuid import UUID

from reconciler.events.envelope import Event, NewEvent
from reconciler.events.registry import TYPES
from reconciler.projections.rows import Row, Rows

Fold = Callable[[Event, Rows], None]

FOLD_VERSION = 7
"""Raised whenever folds give other rows for the same log: tables that older folds have filled are then made anew."""

FOLDS: dict[str, Fold] = {}

_NOBODY = UUID(int=0)

# Where the folds of each family of events are; a family that is not listed is history only.
_MODULES = {
    "service": "services",
    "fleet": "fleet",
    "system": "system",
    "specialist": "specialists",
    "process": "processes",
    "squawk": "messages",
    "ctk": "locks",
    "sortie": "sorties",
    "review": "sorties",
    "work": "work",
    "mission": "missions",
    "checkpoint": "checkpoints",
}


def folds(*event_types: str) -> Callable[[Fold], Fold]:
    """Register a function as the fold of these event types."""

    def register(function: Fold) -> Fold:
        for event_type in event_types:
            if event_type in FOLDS:
                raise ValueError(f"{event_type} has two fold functions")
            FOLDS[event_type] = function
        return function

    return register


def fold(event: Event, rows: Rows) -> None:
    """Let one event change the rows. A type without a fold function is history only and changes none."""
    function = fold_of(event.event_type)
    if function is not None:
        function(event, rows)


@cache
def fold_of(event_type: str) -> Fold | None:
    """The fold function of a type, None when there is none; imports the module that holds its family's."""
    found = TYPES.get(event_type)
    module = _MODULES.get(found.module) if found is not None else None
    if module is not None:
        import_module(f"reconciler.projections.{module}")
    return FOLDS.get(event_type)


def stamped(event: Event, row: Row) -> Row:
    """The row with the mark of the event that it follows from."""
    return {**row, "last_event_sequence": event.sequence_number}


def as_if_recorded(new: NewEvent, sequence: int) -> Event:
    """What an event will look like in the log, as far as folds and sentences ask."""
    at = new.occurred_at or 0
    return Event(
        sequence_number=sequence,
        event_id=new.event_id,
        event_type=new.event_type,
        stream_type=new.stream_type,
        stream_id=new.stream_id,
        version=0,
        data=new.data,
        causation_id=new.causation_id,
        correlation_id=_NOBODY,
        metadata={},
        occurred_at=at,
        recorded_at=at,
        schema_version=1,
        hash=b"",
    )
