"""Why each sortie waits, decided anew at this moment. Read-only.

Reasons are recorded when somebody dispatches, which is not always going on; whoever asks is told what holds now.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from reconciler.control.desk.claiming import situation
from reconciler.control.reading import now_ms
from reconciler.projections.rows import MemoryRows, Rows
from reconciler.work.dispatch import decide

if TYPE_CHECKING:
    from reconciler.events.envelope import Event
    from reconciler.projections.store import Store


def explained(rows: Rows, at_ms: int = 0) -> Rows:
    """The rows with the reason that holds now in the place of the one that was recorded last.

    Args:
        at_ms: the time, Unix ms; now when it is 0.
    """
    found = MemoryRows(rows)
    decision = decide(situation(rows, at_ms or now_ms()))
    reasons = {one.sortie_id: one.text for one in decision.waiting}
    for one in decision.assignments:
        if one.kind == "work":
            reasons[one.sortie.id] = f"{one.specialist.id} is free, and has not claimed it yet"
    for key, text in reasons.items():
        row = rows.get("sorties", key)
        if row is not None and row["status"] == "pending":
            found.put("sorties", key, {**row, "waits_for": text})
    return found


class Explained:
    """A log in which each waiting sortie says why it waits now."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self) -> Rows:
        return explained(self._store.rows())

    def event(self, event_id: UUID) -> Event | None:
        return self._store.event(event_id)

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        return self._store.stream(stream_type, stream_id, after)
