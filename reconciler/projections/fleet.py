"""Folds of the fleet's events: revisions and which one holds, applies, shared resources, handlers and suspensions."""

from __future__ import annotations

from typing import Any

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.services import settle

_COUNTS = ("creates", "updates", "replaces", "starts", "stops", "deletes", "adopts")


def revision_key(revision: int) -> str:
    """Zero-padded, so that the order of keys is the order of revisions."""
    return f"{revision:010d}"


@folds("revision_accepted", "revision_rejected")
def _(event: Event, rows: Rows) -> None:
    data, metadata = event.data, event.metadata
    accepted = event.event_type == "revision_accepted"
    rows.put(
        "revisions",
        revision_key(data["revision"]),
        stamped(
            event,
            {
                "revision": data["revision"],
                "status": "accepted" if accepted else "rejected",
                "digest": data.get("digest"),
                "document": data.get("document"),
                "inputs": data.get("inputs", {}),
                "files": data.get("files", []),
                "problems": data.get("problems", []),
                "commit": data.get("commit") or metadata.get("commit"),
                "author": data.get("author"),
                "branch": data.get("branch"),
                "reason": data.get("reason"),
                "source": metadata.get("source"),
                "actor": metadata.get("actor"),
                "at": event.occurred_at,
                "event_id": event.event_id.hex,
            },
        ),
    )
    head: Row = {"revision": data["revision"], "digest": data["digest"]} if accepted else {}
    _move_head(event, rows, latest=data["revision"], **head)


@folds("revision_reverted")
def _(event: Event, rows: Rows) -> None:
    bad, good = revision_key(event.data["revision"]), revision_key(event.data["to_revision"])
    row = rows.get("revisions", bad)
    if row is not None:
        rows.put("revisions", bad, stamped(event, {**row, "status": "reverted", "reverted": _taken_back(event)}))
    target = rows.get("revisions", good)
    if target is not None:
        _move_head(event, rows, latest=event.data["revision"], revision=target["revision"], digest=target["digest"])


def _taken_back(event: Event) -> Row:
    return {"to_revision": event.data["to_revision"], "why": event.data.get("why"), "at": event.occurred_at}


def _move_head(event: Event, rows: Rows, *, latest: int, **head: Any) -> None:
    """Keep the number and digest of the revision that holds apart from the documents, which are large."""
    before = rows.get("fleets", event.stream_id) or {"name": event.stream_id, "revision": 0, "digest": "", "latest": 0}
    rows.put("fleets", event.stream_id, stamped(event, {**before, **head, "latest": max(latest, before["latest"])}))


@folds("apply_started")
def _(event: Event, rows: Rows) -> None:
    data, metadata = event.data, event.metadata
    rows.put(
        "applies",
        data["apply_id"],
        stamped(
            event,
            {
                "apply_id": data["apply_id"],
                "revision": data["revision"],
                "status": "running",
                "counts": {name: data.get(name, 0) for name in _COUNTS},
                "plan_digest": data["plan_digest"],
                "target": data.get("target", []),
                "actor": metadata.get("actor"),
                "source": metadata.get("source"),
                "commit": metadata.get("commit"),
                "started_at": event.occurred_at,
                "completed_at": None,
                "done": 0,
                "failed": 0,
                "skipped": 0,
                "left_off": None,
            },
        ),
    )


@folds("apply_completed")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("applies", data["apply_id"])
    if row is not None:
        ended = {name: data[name] for name in ("status", "done", "failed", "skipped")}
        rows.put(
            "applies",
            data["apply_id"],
            stamped(event, {**row, **ended, "completed_at": event.occurred_at, "left_off": data.get("left_off")}),
        )
    if data["status"] in ("succeeded", "failed"):
        # Every action has ended; an interrupted apply may have left some half done, and those stay open.
        for key, intent in list(rows.scan("intents")):
            if intent["apply_id"] == data["apply_id"]:
                rows.delete("intents", key)


def _shared(event: Event, rows: Rows, table: str, key: str, columns: Row) -> None:
    marks = {"at": event.occurred_at, "cause_event": event.event_id.hex}
    rows.put(table, key, stamped(event, {**columns, **marks}))
    settle(event, rows)


@folds("network_created")
def _(event: Event, rows: Rows) -> None:
    data, name = event.data, event.data["network"]
    columns = {
        "network": name,
        "engine_name": data["engine_name"],
        "internal": data.get("internal"),
        "subnet": data.get("subnet"),
        "made": event.sequence_number,
    }
    _shared(event, rows, "networks", name, columns)


@folds("network_removed", "network_vanished")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("networks", event.data["network"])
    # One that goes by another engine name now was made again under that before the old one went.
    if row is not None and row["engine_name"] == event.data["engine_name"]:
        rows.delete("networks", event.data["network"])
    settle(event, rows)


@folds("volume_created")
def _(event: Event, rows: Rows) -> None:
    name = event.data["volume"]
    _shared(event, rows, "volumes", name, {"volume": name, "engine_name": event.data["engine_name"]})


@folds("volume_vanished")
def _(event: Event, rows: Rows) -> None:
    rows.delete("volumes", event.data["volume"])


@folds("image_pulled", "image_built")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    columns = {
        "image": data["image"],
        "image_id": data["image_id"],
        "build_digest": data.get("build_digest"),
        "how": event.event_type.removeprefix("image_"),
    }
    _shared(event, rows, "images", data["image"], columns)


@folds("handler_notified")
def _(event: Event, rows: Rows) -> None:
    name, service = event.data["handler"], event.data["service"]
    before = rows.get("handlers", name) or {"handler": name, "notified_by": [], "at": event.occurred_at, "error": None}
    notified_by = sorted({*before["notified_by"], service})
    rows.put("handlers", name, stamped(event, {**before, "notified_by": notified_by}))


@folds("handler_completed")
def _(event: Event, rows: Rows) -> None:
    rows.delete("handlers", event.data["handler"])
    settle(event, rows)


@folds("handler_failed")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("handlers", event.data["handler"])
    if row is not None:
        rows.put("handlers", event.data["handler"], stamped(event, {**row, "error": event.data["error"]}))
    settle(event, rows)


@folds("resource_suspended")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    rows.put(
        "suspensions",
        data["resource"],
        stamped(
            event,
            {
                "resource": data["resource"],
                "why": data["why"],
                "until": data.get("until"),
                "actor": event.metadata.get("actor"),
                "at": event.occurred_at,
            },
        ),
    )


@folds("resource_resumed")
def _(event: Event, rows: Rows) -> None:
    rows.delete("suspensions", event.data["resource"])


@folds("drift_ignored")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    # What the file says counts as long as it says so: of that only the record is kept.
    rows.put(
        "hidden_drifts" if data.get("by_file") else "drift_ignores",
        f"{data['resource']} {data['field']}",
        stamped(
            event,
            {
                "resource": data["resource"],
                "field": data["field"],
                "why": data.get("why"),
                "until": data.get("until"),
                "actor": event.metadata.get("actor"),
                "at": event.occurred_at,
            },
        ),
    )


@folds("resource_moved")
def _(event: Event, rows: Rows) -> None:
    old, new = event.data["from_resource"], event.data["to_resource"]
    row = rows.get("suspensions", old)
    if row is not None:
        rows.delete("suspensions", old)
        rows.put("suspensions", new, stamped(event, {**row, "resource": new}))
    if old.startswith("service/") and new.startswith("service/"):
        _move_service(event, rows, old.partition("/")[2], new.partition("/")[2])


def _move_service(event: Event, rows: Rows, old: str, new: str) -> None:
    row = rows.get("services", old)
    if row is not None:
        rows.delete("services", old)
        rows.put("services", new, stamped(event, {**row, "name": new}))
    for table in ("containers", "backoffs"):
        for key, found in list(rows.scan(table)):
            service, _, replica = key.rpartition("/")
            if service == old:
                rows.delete(table, key)
                moved = {**found, "service": new} if table == "containers" else found
                rows.put(table, f"{new}/{replica}", stamped(event, moved))
