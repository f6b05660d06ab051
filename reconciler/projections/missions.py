"""Folds of missions. How many of its sorties are completed is counted where sorties are folded."""

from __future__ import annotations

from typing import Any

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.services import settle
from reconciler.projections.times import unix_ms

_ENDED = frozenset({"completed", "failed", "cancelled"})


@folds("mission_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    rows.put(
        "missions",
        data["mission_id"],
        stamped(
            event,
            {
                "id": data["mission_id"],
                "title": data["title"],
                "description": data.get("description"),
                "status": "pending",
                "priority": data["priority"],
                "created_at": event.occurred_at,
                "started_at": None,
                "completed_at": None,
                "total_sorties": 0,
                "completed_sorties": 0,
                "result": None,
                "reason": None,
                "definition_digest": None,
                "definition": None,
                "archived_at": None,
                "metadata": data.get("metadata") or {},
            },
        ),
    )


@folds("mission_started")
def _(event: Event, rows: Rows) -> None:
    started = unix_ms(event.data.get("started_at"), event.occurred_at)
    _change(event, rows, status="in_progress", started_at=started)


@folds("mission_completed")
def _(event: Event, rows: Rows) -> None:
    result = event.data["result"]
    ended = unix_ms(event.data.get("completed_at"), event.occurred_at)
    _change(event, rows, status="completed" if result["success"] else "failed", completed_at=ended, result=result)


@folds("mission_updated")
def _(event: Event, rows: Rows) -> None:
    changes = dict(event.data["changes"])
    if "metadata" in changes:
        changes["metadata"] = changes["metadata"] or {}
    _change(event, rows, **changes)


@folds("mission_status_changed")
def _(event: Event, rows: Rows) -> None:
    status = event.data["new_status"]
    changed: Row = {"completed_at": event.occurred_at} if status in _ENDED else {"completed_at": None, "result": None}
    _change(event, rows, status=status, reason=event.data.get("reason"), **changed)


@folds("mission_definition_frozen")
def _(event: Event, rows: Rows) -> None:
    _change(event, rows, definition_digest=event.data["digest"], definition=event.data["definition"])


@folds("mission_archived")
def _(event: Event, rows: Rows) -> None:
    _change(event, rows, archived_at=event.occurred_at)


def _change(event: Event, rows: Rows, **changed: Any) -> None:
    row = rows.get("missions", event.data["mission_id"])
    if row is not None:
        rows.put("missions", event.data["mission_id"], stamped(event, {**row, **changed}))
    # What an apply did to a mission is over with this event; there is nothing that could be half done.
    settle(event, rows)
