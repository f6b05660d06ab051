"""Folds of specialists: who is there, how they are, and what they have used of their budgets.

That a specialist falls silent is found by whoever sweeps and comes as an event; a fold knows no clock.
"""

from __future__ import annotations

from typing import Any

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.times import HOUR_MS, unix_ms

_HOLDS = frozenset({"assigned", "in_progress", "blocked"})


@folds("specialist_registered")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    before = rows.get("specialists", data["specialist_id"])
    known = before if before is not None and before["status"] != "completed" else None
    row = _new(
        event,
        status="busy" if known and known["current_sortie"] else "active",
        capabilities=data.get("capabilities") or [],
        metadata=data.get("metadata") or {},
    )
    if known is not None:
        row |= {name: known[name] for name in ("registered_at", "current_sortie", "spawned_by")}
    rows.put("specialists", data["specialist_id"], stamped(event, row))


@folds("specialist_spawned")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    if rows.get("specialists", data["specialist_id"]) is None:
        row = _new(event, status="idle", metadata=data.get("config") or {}, spawned_by=data["spawned_by"])
        rows.put("specialists", data["specialist_id"], stamped(event, row))


@folds("specialist_active")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("specialists", data["specialist_id"])
    if row is None or row["status"] == "completed":
        return
    current = data.get("current_sortie") or _still_held(row, rows)
    status = data.get("status", "active")
    rows.put(
        "specialists",
        data["specialist_id"],
        stamped(event, {**row, "status": status, "last_seen": event.occurred_at, "current_sortie": current}),
    )


@folds("specialist_deactivated", "specialist_completed")
def _(event: Event, rows: Rows) -> None:
    completed = event.event_type == "specialist_completed"
    ended = {"completed_at": unix_ms(event.data.get("completed_at"), event.occurred_at)} if completed else {}
    _change(event, rows, status="completed" if completed else "inactive", current_sortie=None, **ended)


@folds("specialist_drained")
def _(event: Event, rows: Rows) -> None:
    _change(event, rows, draining=True)


@folds("budget_used")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    usage = usage_row(event, rows, data["specialist_id"])
    added = {name: usage[name] + data.get(name, 0) for name in ("wall_ms", "tokens", "cost_usd")}
    rows.put("usage", data["specialist_id"], stamped(event, {**usage, **added}))


@folds("budget_exhausted")
def _(event: Event, rows: Rows) -> None:
    specialist_id = event.data["specialist_id"]
    usage = usage_row(event, rows, specialist_id)
    rows.put("usage", specialist_id, stamped(event, {**usage, "exhausted": event.data["budget"]}))


@folds("budget_reset")
def _(event: Event, rows: Rows) -> None:
    specialist_id = event.data["specialist_id"]
    rows.put("usage", specialist_id, stamped(event, _no_usage(event, specialist_id)))


def usage_row(event: Event, rows: Rows, specialist_id: str) -> Row:
    """What a specialist has used so far; a row of zeros from now on when there is none."""
    return rows.get("usage", specialist_id) or _no_usage(event, specialist_id)


def _no_usage(event: Event, specialist_id: str) -> Row:
    return {
        "specialist_id": specialist_id,
        "starts": [],
        "wall_ms": 0,
        "tokens": 0,
        "cost_usd": 0.0,
        "since": event.occurred_at,
        "exhausted": "",
    }


def count_start(event: Event, rows: Rows, specialist_id: str) -> None:
    """Add a start to the specialist's last hour; older ones are dropped, so the list stays short."""
    usage = usage_row(event, rows, specialist_id)
    recent = [start for start in usage["starts"] if start > event.occurred_at - HOUR_MS]
    started = {"starts": [*recent, event.occurred_at], "exhausted": ""}
    rows.put("usage", specialist_id, stamped(event, {**usage, **started}))


def occupy(event: Event, rows: Rows, specialist_id: str, sortie_id: str) -> None:
    """Mark a specialist as at work on a sortie."""
    row = rows.get("specialists", specialist_id)
    if row is not None:
        rows.put("specialists", specialist_id, stamped(event, {**row, "status": "busy", "current_sortie": sortie_id}))


def release(event: Event, rows: Rows, specialist_id: str, sortie_id: str) -> None:
    """Mark a specialist as free again, if it was this sortie that kept it."""
    row = rows.get("specialists", specialist_id)
    if row is not None and row["current_sortie"] == sortie_id:
        status = "idle" if row["status"] == "busy" else row["status"]
        rows.put("specialists", specialist_id, stamped(event, {**row, "status": status, "current_sortie": None}))


def _new(event: Event, **known: Any) -> Row:
    return {
        "id": event.data["specialist_id"],
        "name": event.data["name"],
        "status": "active",
        "capabilities": [],
        "registered_at": event.occurred_at,
        "last_seen": event.occurred_at,
        "current_sortie": None,
        "metadata": {},
        "draining": False,
        "spawned_by": None,
        "completed_at": None,
        **known,
    }


def _change(event: Event, rows: Rows, **changed: Any) -> None:
    row = rows.get("specialists", event.data["specialist_id"])
    if row is not None:
        rows.put("specialists", event.data["specialist_id"], stamped(event, {**row, **changed}))


def _still_held(row: Row, rows: Rows) -> str | None:
    """A heartbeat that names no sortie does not let go of one that the log says is held."""
    current = row["current_sortie"]
    sortie = rows.get("sorties", current) if current else None
    if sortie is not None and sortie["assigned_to"] == row["id"] and sortie["status"] in _HOLDS:
        return str(current)
    return None
