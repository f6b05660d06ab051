"""Folds of messages: mailboxes, what lies in them, threads, and how far each consumer has read."""

from __future__ import annotations

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.times import unix_ms


@folds("squawk_sent")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    _touch_mailbox(event, rows, data["mailbox_id"])
    rows.put(
        "messages",
        data["message_id"],
        stamped(
            event,
            {
                "id": data["message_id"],
                "mailbox_id": data["mailbox_id"],
                "sender_id": data.get("sender_id"),
                "thread_id": data.get("thread_id"),
                "message_type": data["message_type"],
                "content": data["content"],
                "status": "pending",
                "priority": data.get("priority", "normal"),
                "sent_at": event.occurred_at,
                "read_at": None,
                "acked_at": None,
                "response": None,
                "causation": event.causation_id.hex if event.causation_id is not None else None,
                "sequence": event.sequence_number,
            },
        ),
    )


@folds("squawk_read", "squawk_acked")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("messages", data["message_id"])
    if row is None:
        return
    read_at = row["read_at"] if row["read_at"] is not None else event.occurred_at
    changed: Row = {"read_at": read_at}
    if event.event_type == "squawk_acked":
        changed |= {"status": "acked", "acked_at": event.occurred_at, "response": data.get("response")}
    elif row["status"] == "pending":
        changed |= {"status": "read"}
    rows.put("messages", data["message_id"], stamped(event, {**row, **changed}))


@folds("mailbox_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    created = unix_ms(data.get("created_at"), event.occurred_at)
    updated = unix_ms(data.get("updated_at"), created)
    row = {"id": data["mailbox_id"], "created_at": created, "updated_at": updated}
    rows.put("mailboxes", data["mailbox_id"], stamped(event, row))


@folds("squawk_thread_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    rows.put(
        "threads",
        data["thread_id"],
        stamped(
            event,
            {
                "id": data["thread_id"],
                "title": data.get("title"),
                "participants": sorted(set(data["participants"])),
                "initial_message_id": data.get("initial_message_id"),
                "status": "open",
                "created_at": event.occurred_at,
                "updated_at": event.occurred_at,
            },
        ),
    )


@folds("squawk_thread_activity")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("threads", data["thread_id"])
    if row is None:
        return
    participants, status = set(row["participants"]), row["status"]
    match data["activity_type"]:
        case "join":
            participants.add(data["actor_id"])
        case "leave":
            participants.discard(data["actor_id"])
        case "close":
            status = "closed"
    changed = {"participants": sorted(participants), "status": status, "updated_at": event.occurred_at}
    rows.put("threads", data["thread_id"], stamped(event, {**row, **changed}))


@folds("cursor_advanced")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    before = rows.get("cursors", data["cursor_id"])
    rows.put(
        "cursors",
        data["cursor_id"],
        stamped(
            event,
            {
                "id": data["cursor_id"],
                "stream_type": data["stream_type"],
                "stream_id": data["stream_id"],
                "position": data["position"],
                "consumer_id": data.get("consumer_id", "default"),
                "created_at": before["created_at"] if before else event.occurred_at,
                "updated_at": event.occurred_at,
            },
        ),
    )


def _touch_mailbox(event: Event, rows: Rows, mailbox_id: str) -> None:
    row = rows.get("mailboxes", mailbox_id) or {"id": mailbox_id, "created_at": event.occurred_at, "updated_at": 0}
    # Events of an imported mailbox may be older than what the file says of its last change.
    updated = max(row["updated_at"], event.occurred_at)
    rows.put("mailboxes", mailbox_id, stamped(event, {**row, "updated_at": updated}))
