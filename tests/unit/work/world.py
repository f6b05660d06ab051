"""A log in memory for tests: events are validated by their models and folded by the real folds, then read as state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from reconciler.events.envelope import Event, NewEvent
from reconciler.events.registry import validate
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows
from reconciler.work import missions, sorties, specialists
from reconciler.work.refusals import WorkRefused
from reconciler.work.state import FileLock, Message, Mission, Review, Sortie, SortiePlan, Specialist, Thread, Usage


class World:
    """Appends, folds, and reads back; `now` is moved by the test."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.log: list[Event] = []
        self.now = 1_700_000_000_000

    def append(self, events: Sequence[NewEvent]) -> list[str]:
        """Record events; their types."""
        for new in events:
            version, data = validate(new.event_type, new.data)
            at = new.occurred_at if new.occurred_at is not None else self.now
            sequence = len(self.log) + 1
            event = Event(
                sequence,
                new.event_id,
                new.event_type,
                new.stream_type,
                new.stream_id,
                sequence,
                data,
                None,
                UUID(int=0),
                {},
                at,
                at,
                version,
                b"",
            )
            self.log.append(event)
            fold(event, self.rows)
        return [new.event_type for new in events]

    def refused(self, command: Callable[[], Sequence[NewEvent]], kind: type[WorkRefused]) -> WorkRefused:
        """Run a command that has to be refused in exactly this way; its record is appended."""
        try:
            command()
        except WorkRefused as refusal:
            assert type(refusal) is kind, repr(refusal)
            self.append(refusal.record)
            return refusal
        raise AssertionError(f"it was not refused with {kind.__name__}")

    def _row(self, table: str, key: str) -> dict[str, Any]:
        row = self.rows.get(table, key)
        assert row is not None, f"no {table} row {key}"
        return row

    def sortie(self, name: str) -> Sortie:
        return Sortie.from_row(self._row("sorties", name))

    def sorties(self, mission_id: str | None = None) -> list[Sortie]:
        found = [Sortie.from_row(row) for _, row in self.rows.scan("sorties")]
        return [s for s in found if mission_id is None or s.mission_id == mission_id]

    def mission(self, name: str = "m") -> Mission:
        return Mission.from_row(self._row("missions", name))

    def specialist(self, name: str) -> Specialist:
        return Specialist.from_row(self._row("specialists", name))

    def specialists(self) -> list[Specialist]:
        return [Specialist.from_row(row) for _, row in self.rows.scan("specialists")]

    def locks(self) -> list[FileLock]:
        found = [FileLock.from_row(row) for _, row in self.rows.scan("locks")]
        return [lock for lock in found if lock.status == "active"]

    def lock(self, name: str) -> FileLock:
        return FileLock.from_row(self._row("locks", name))

    def message(self, name: str) -> Message:
        return Message.from_row(self._row("messages", name))

    def messages(self) -> list[Message]:
        return [Message.from_row(row) for _, row in self.rows.scan("messages")]

    def thread(self, name: str) -> Thread:
        return Thread.from_row(self._row("threads", name))

    def review(self, name: str) -> Review:
        return Review.from_row(self._row("reviews", name))

    def usage(self, name: str) -> Usage:
        return Usage.from_row(self.rows.get("usage", name))

    def register(self, name: str, *capabilities: str, pool: str = "") -> Specialist:
        metadata = {"pool": pool} if pool else None
        self.append(
            specialists.register(name, name=name, now_ms=self.now, capabilities=capabilities, metadata=metadata)
        )
        return self.specialist(name)

    def new_sortie(self, name: str, *, mission: Mission | None = None, **plan: Any) -> Sortie:
        self.append(
            sorties.create(
                name, title=f"Do {name}", now_ms=self.now, mission=mission, plan=SortiePlan(name=name, **plan)
            )
        )
        return self.sortie(name)

    def new_mission(self, name: str = "m", **metadata: Any) -> Mission:
        self.append(missions.create(name, title=f"Mission {name}", now_ms=self.now, metadata=metadata))
        return self.mission(name)

    def assign(self, name: str, to: str) -> Sortie:
        self.append(sorties.assign(self.sortie(name), self.specialist(to), by="ada", now_ms=self.now))
        return self.sortie(name)

    def start(self, name: str, by: str, lease_ms: int = 0) -> Sortie:
        """Assign and start."""
        self.assign(name, by)
        statuses = {s.id: s.status for s in self.sorties()}
        self.append(sorties.start(self.sortie(name), by, now_ms=self.now, statuses=statuses, lease_ms=lease_ms))
        return self.sortie(name)
