"""Folds of sorties and their reviews.

Every change of status goes through one function, which also keeps count of the mission's completed sorties and of what
the specialist is busy with.
"""

from __future__ import annotations

from typing import Any

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.specialists import count_start, occupy, release
from reconciler.projections.times import unix_ms

_ENDED = frozenset({"completed", "failed", "cancelled"})
_BEGUN = frozenset({"in_progress", "blocked", "review"})
_NOT_BLOCKED: Row = {"blocked_by": None, "blocked_reason": None}
_NO_REVIEW_PENDING: Row = {"reported": None, "feedback": ""}


@folds("sortie_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    rows.put(
        "sorties",
        data["sortie_id"],
        stamped(
            event,
            {
                "id": data["sortie_id"],
                "mission_id": data.get("mission_id"),
                "title": data["title"],
                "description": data.get("description"),
                "status": "pending",
                "priority": data.get("priority", "medium"),
                "assigned_to": data.get("assigned_to"),
                "meant_for": data.get("assigned_to"),
                "created_at": event.occurred_at,
                "started_at": None,
                "completed_at": None,
                "progress": 0,
                "status_message": None,
                "waits_for": None,
                **_NOT_BLOCKED,
                "result": None,
                **_NO_REVIEW_PENDING,
                "attempt": 0,
                "attempt_base": 0,
                "not_before": 0,
                "last_error": None,
                "lease": None,
                "closed_by": None,
                "metadata": data.get("metadata") or {},
            },
        ),
    )
    _count(event, rows, data.get("mission_id"), total_sorties=1)


@folds("sortie_updated")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        changes = dict(event.data["changes"])
        if "metadata" in changes:
            changes["metadata"] = changes["metadata"] or {}
        if "assigned_to" in changes and row["status"] == "pending":
            changes["meant_for"] = changes["assigned_to"]
        _put(event, rows, row, **changes)


@folds("sortie_status_changed")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is None:
        return
    status = event.data["new_status"]
    changed: Row = {}
    if status == "pending":
        # Back to whom it was meant for at first; the specialist of the last attempt has no claim to it.
        changed = {
            "assigned_to": row["meant_for"],
            "lease": None,
            "completed_at": None,
            "closed_by": None,
            "progress": 0,
        }
    elif status in _ENDED:
        changed = {"completed_at": event.occurred_at, "closed_by": event.data["changed_by"]}
    elif status == "review":
        changed = {"lease": None}
    _move(event, rows, row, status, **changed)


@folds("sortie_started")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        started = unix_ms(data.get("started_at"), event.occurred_at)
        _move(event, rows, row, "in_progress", assigned_to=data["specialist_id"], started_at=started)
        occupy(event, rows, data["specialist_id"], data["sortie_id"])


@folds("sortie_progress")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        said = event.data.get("status_message") or row["status_message"]
        _put(event, rows, row, progress=event.data["progress"], status_message=said)


@folds("sortie_completed")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        ended = unix_ms(data.get("completed_at"), event.occurred_at)
        changed: Row = {**_NO_REVIEW_PENDING, "completed_at": ended, "result": data["result"], "progress": 100}
        _move(event, rows, row, "completed", **changed)


@folds("sortie_blocked")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        blocker = data.get("blocker_id") or data["blocker_type"]
        _put(event, rows, row, status="blocked", blocked_by=blocker, blocked_reason=data["reason"])


@folds("sortie_closed")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        status = "completed" if data["close_reason"] == "completed" else "cancelled"
        ended = unix_ms(data.get("closed_at"), event.occurred_at)
        _move(event, rows, row, status, completed_at=ended, closed_by=data["closed_by"])


@folds("sortie_attempt_started")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        _put(event, rows, row, attempt=data["attempt"], not_before=0, lease=_lease(data))
        occupy(event, rows, data["specialist_id"], data["sortie_id"])
    count_start(event, rows, data["specialist_id"])


@folds("sortie_lease_renewed")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        _put(event, rows, row, lease=_lease(event.data))


@folds("sortie_lease_expired")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        _put(event, rows, row, lease=None)


@folds("sortie_result_reported")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        _put(event, rows, row, reported=event.data["result"], feedback="")


@folds("sortie_attempt_failed")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        # A begun attempt that does not count moves the base along, so that the number of retries left stays.
        free = not data.get("counts", True) and row["status"] in _BEGUN
        base = min(row["attempt_base"] + (1 if free else 0), max(row["attempt"], row["attempt_base"]))
        retry_at = data.get("retry_at") or 0
        _put(event, rows, row, lease=None, not_before=retry_at, attempt_base=base, last_error=data["error"])


@folds("sortie_changes_requested")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("sorties", data["sortie_id"])
    if row is not None:
        # A round of review is no failure: attempts up to here no longer count.
        _put(event, rows, row, feedback=data["feedback"], attempt_base=data["attempt"], reported=None, lease=None)


@folds("sortie_retried")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        base = event.data["attempt_base"]
        _put(event, rows, row, **_NO_REVIEW_PENDING, attempt_base=base, not_before=0, result=None)


@folds("dispatch_rejected")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("sorties", event.data["sortie_id"])
    if row is not None:
        _put(event, rows, row, waits_for=event.data.get("reason"))


@folds("review_started")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    sortie = rows.get("sorties", data["sortie_id"])
    rows.put(
        "reviews",
        data["review_id"],
        stamped(
            event,
            {
                "id": data["review_id"],
                "sortie_id": data["sortie_id"],
                "reviewer_id": data["reviewer_id"],
                "attempt": sortie["attempt"] if sortie is not None else -1,
                "review_type": data["review_type"],
                "status": "started",
                "verdict": "",
                "feedback": None,
                "issues": [],
                "started_at": event.occurred_at,
                "completed_at": None,
            },
        ),
    )


@folds("review_completed")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("reviews", data["review_id"])
    if row is None:
        return
    verdict = {
        "status": "completed",
        "verdict": data["verdict"],
        "feedback": data.get("feedback"),
        "issues": data.get("issues") or [],
        "completed_at": event.occurred_at,
    }
    rows.put("reviews", data["review_id"], stamped(event, {**row, **verdict}))


@folds("review_abandoned")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("reviews", event.data["review_id"])
    if row is not None:
        rows.put(
            "reviews", row["id"], stamped(event, {**row, "status": "abandoned", "completed_at": event.occurred_at})
        )


def _lease(data: Row) -> Row | None:
    """The hold that an attempt has; None where it holds without end."""
    if data.get("lease_expires_at") is None:
        return None
    return {"holder": data["specialist_id"], "attempt": data["attempt"], "expires_at": data["lease_expires_at"]}


def _put(event: Event, rows: Rows, row: Row, **changed: Any) -> None:
    rows.put("sorties", row["id"], stamped(event, {**row, **changed}))


def _move(event: Event, rows: Rows, row: Row, status: str, **changed: Any) -> None:
    """Give a sortie another status, with what follows for its mission and its specialist."""
    before = row["status"]
    if status in _ENDED:
        changed = {"lease": None, **changed}
    _put(event, rows, row, **{**_NOT_BLOCKED, "waits_for": None, "status": status, **changed})
    done = (status == "completed") - (before == "completed")
    if done:
        _count(event, rows, row["mission_id"], completed_sorties=done)
    if row["assigned_to"] and (status in _ENDED or status in ("pending", "review")):
        release(event, rows, row["assigned_to"], row["id"])


def _count(event: Event, rows: Rows, mission_id: str | None, **added: int) -> None:
    row = rows.get("missions", mission_id) if mission_id else None
    if row is not None:
        sums = {name: row[name] + count for name, count in added.items()}
        rows.put("missions", row["id"], stamped(event, {**row, **sums}))
