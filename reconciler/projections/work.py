"""Folds of agents at work: messages that wait again, and what attempts have made."""

from __future__ import annotations

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Rows


@folds("squawk_requeued")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("messages", event.data["message_id"])
    if row is not None and row["status"] == "read":
        # Its place is a new one: a reader whose cursor has passed the old one would never see it.
        waits = {"status": "pending", "read_at": None, "sequence": event.sequence_number}
        rows.put("messages", row["id"], stamped(event, {**row, **waits}))


@folds("artifact_recorded")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    key = f"{data['sortie_id']}/{data['path']}"
    row = {name: data[name] for name in ("sortie_id", "specialist_id", "attempt", "path", "digest", "size")}
    rows.put("artifacts", key, stamped(event, {"key": key, **row, "at": event.occurred_at}))
