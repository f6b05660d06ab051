"""Events for tests of the log: short to write, valid, and cheap to tell apart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reconciler.events.envelope import Cause, Event, NewEvent, StreamType
from reconciler.events.registry import TYPES
from reconciler.events.store.prepared import prepare
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows

NOON = 1_780_000_000_000
ADA = Cause("ada", "cli", UUID(int=7))


def heartbeat(name: str = "builder", status: str = "busy", **more: Any) -> NewEvent:
    """A specialist's word that it lives; its fold changes one row."""
    return NewEvent("specialist_active", "specialist", name, {"specialist_id": name, "status": status}, **more)


def registered(name: str = "builder") -> NewEvent:
    """A specialist that is new; its fold adds a row."""
    return NewEvent("specialist_registered", "specialist", name, {"specialist_id": name, "name": name})


def note(text: str, box: str = "inbox", **more: Any) -> NewEvent:
    """A message; its fold adds a row to one table and touches one of another."""
    data = {"message_id": f"m-{text}", "mailbox_id": box, "message_type": "note", "content": {"text": text}}
    return NewEvent("squawk_sent", "squawk", box, data, **more)


def remembered(key: str) -> NewEvent:
    """An event that is history only: no row follows from it."""
    return NewEvent("memory_stored", "system", "memory", {"key": key})


class Clock:
    """A clock that tests set; each look moves it on by `step`."""

    def __init__(self, now: int = NOON, step: int = 0) -> None:
        self.now = now
        self.step = step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


class Folded:
    """Rows in memory, and events folded into them one after the other.

    Args:
        now: when events occur, Unix ms; a test moves it.
    """

    def __init__(self, now: int = NOON) -> None:
        self.rows = MemoryRows()
        self.now = now
        self.sequence = 0

    def __call__(
        self,
        event_type: str,
        data: dict[str, Any],
        *,
        stream: str = "s",
        after: Event | None = None,
        metadata: dict[str, Any] | None = None,
        number: int | None = None,
    ) -> Event:
        """Fold one event, which has to be valid.

        Args:
            after: the event that caused it.
            number: of its id; its sequence number when left out.
        """
        stream_type: StreamType = TYPES[event_type].stream_type
        self.sequence += 1
        new = NewEvent(event_type, stream_type, stream, data, UUID(int=number or self.sequence))
        event = Event(
            self.sequence,
            new.event_id,
            event_type,
            stream_type,
            stream,
            self.sequence,
            prepare(new).data,
            None if after is None else after.event_id,
            UUID(int=0),
            metadata or {},
            self.now,
            self.now,
            TYPES[event_type].version,
            b"",
        )
        fold(event, self.rows)
        return event

    def row(self, table: str, key: str) -> dict[str, Any]:
        """A row that has to be there."""
        row = self.rows.get(table, key)
        assert row is not None, f"{table} has no row {key}; it has {[key for key, _ in self.rows.scan(table)]}"
        return row

    def keys(self, table: str) -> list[str]:
        """The keys of a table in their order."""
        return [key for key, _ in self.rows.scan(table)]
