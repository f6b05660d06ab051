"""The fold: how one event changes the rows.

Each event type has at most one fold function, found by its name. A fold is pure: the event and the rows that it reads
are all it knows, so the same log always gives the same rows, in whatever portions it is folded.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from reconciler.events.envelope import Event
from reconciler.projections.rows import Row, Rows

Fold = Callable[[Event, Rows], None]

FOLDS: dict[str, Fold] = {}

_MODULES = ("services", "fleet", "system")


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
    if not FOLDS:
        _load()
    function = FOLDS.get(event.event_type)
    if function is not None:
        function(event, rows)


def stamped(event: Event, row: Row) -> Row:
    """The row with the mark of the event that it follows from."""
    return {**row, "last_event_sequence": event.sequence_number}


def _load() -> None:
    for module in _MODULES:
        import_module(f"reconciler.projections.{module}")
