"""Folds of checkpoints. One that ran out is still a row until it is pruned: only a reader knows what time it is."""

from __future__ import annotations

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Rows
from reconciler.projections.times import HOUR_MS, unix_ms


@folds("checkpoint_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    context, ttl_hours = data["context"], data.get("ttl_hours")
    rows.put(
        "checkpoints",
        data["checkpoint_id"],
        stamped(
            event,
            {
                "id": data["checkpoint_id"],
                "specialist_id": data["specialist_id"],
                "mission_id": context.get("mission_id"),
                "trigger": context.get("trigger", "manual"),
                "progress": context.get("progress"),
                "context": context,
                "active_sorties": data["active_sorties"],
                "pending_messages": data["pending_messages"],
                "held_locks": data["held_locks"],
                "recovery": context.get("recovery"),
                "created_at": event.occurred_at,
                "expires_at": event.occurred_at + round(ttl_hours * HOUR_MS) if ttl_hours is not None else None,
                "consumed_at": None,
            },
        ),
    )


@folds("fleet_checkpointed")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("checkpoints", event.data["checkpoint_id"])
    if row is not None:
        rows.put("checkpoints", row["id"], stamped(event, {**row, "trigger": event.data["trigger"]}))


@folds("fleet_recovered")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("checkpoints", event.data["checkpoint_id"])
    if row is not None:
        consumed = unix_ms(event.data.get("recovered_at"), event.occurred_at)
        rows.put("checkpoints", row["id"], stamped(event, {**row, "consumed_at": consumed}))


@folds("checkpoint_pruned")
def _(event: Event, rows: Rows) -> None:
    rows.delete("checkpoints", event.data["checkpoint_id"])
