"""Folds of file locks. A conflict changes no lock; who was refused waits for the lock in the way, until that ends."""

from __future__ import annotations

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Rows

_DEFAULT_TIMEOUT_MS = 30_000


@folds("ctk_reserved")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    timeout_ms = data.get("timeout_ms", _DEFAULT_TIMEOUT_MS)
    before = rows.get("locks", data["lock_id"])
    prolonged = before is not None and before["status"] == "active"
    rows.put(
        "locks",
        data["lock_id"],
        stamped(
            event,
            {
                "id": data["lock_id"],
                "file_path": data["file_path"],
                "normalized_path": data["normalized_path"],
                "reserved_by": data["specialist_id"],
                "reserved_at": before["reserved_at"] if before is not None and prolonged else event.occurred_at,
                "released_at": None,
                "expires_at": event.occurred_at + timeout_ms,
                "timeout_ms": timeout_ms,
                "purpose": data.get("purpose", "edit"),
                "checksum": data.get("checksum"),
                "status": "active",
                "release_reason": None,
            },
        ),
    )


@folds("ctk_released")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("locks", event.data["lock_id"])
    if row is None:
        return
    reason = event.data.get("release_reason", "explicit")
    ended = {
        "status": "expired" if reason == "timeout" else "released",
        "released_at": event.occurred_at,
        "release_reason": reason,
    }
    rows.put("locks", event.data["lock_id"], stamped(event, {**row, **ended}))
    over = [key for key, wait in rows.scan("lock_waits") if wait["lock_id"] == event.data["lock_id"]]
    for key in over:
        rows.delete("lock_waits", key)


@folds("ctk_conflict")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    lock = rows.get("locks", data["existing_lock_id"])
    if data["conflict_type"] != "concurrent_edit" or lock is None or lock["status"] != "active":
        return
    wait = {
        "lock_id": data["existing_lock_id"],
        "specialist_id": data["requesting_specialist"],
        "path": data["file_path"],
        "at": event.occurred_at,
    }
    rows.put("lock_waits", f"{wait['lock_id']}/{wait['specialist_id']}", stamped(event, wait))
