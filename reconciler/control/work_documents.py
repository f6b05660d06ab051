"""Missions and sorties as programs are told of them: the form of `--json`, which the HTTP interface can share."""

from __future__ import annotations

from typing import Any

from reconciler.events.document import iso_utc
from reconciler.ops.work_view import MissionView, SortieView


def utc_time(milliseconds: int | None) -> str | None:
    """ISO 8601 UTC with milliseconds; None for none."""
    return iso_utc(milliseconds) if milliseconds else None


def mission_document(one: MissionView) -> dict[str, Any]:
    """One mission, without its sorties."""
    return {
        "id": one.id,
        "resource": f"mission/{one.name}",
        "run": one.run or None,
        "title": one.title,
        "description": one.row.get("description"),
        "status": one.status,
        "priority": one.priority,
        "total_sorties": one.total,
        "completed_sorties": one.completed,
        "sorties": dict(sorted(one.counts.items())),
        "reason": one.reason or None,
        "result": one.row.get("result"),
        "created_at": utc_time(one.created_at),
        "started_at": utc_time(one.started_at),
        "completed_at": utc_time(one.completed_at),
        "archived": one.archived,
    }


def sortie_document(one: SortieView) -> dict[str, Any]:
    """One sortie with what it was declared to be and how it stands."""
    row = one.row
    return {
        "id": one.id,
        "resource": one.address,
        "mission_id": one.mission_id or None,
        "title": one.title,
        "description": row.get("description"),
        "status": one.status,
        "priority": one.priority,
        "assigned_to": one.assigned_to or None,
        "attempt": one.attempt,
        "progress": one.progress,
        "doing": one.doing or None,
        "waits_for": row.get("waits_for"),
        "blocked_by": row.get("blocked_by"),
        "blocked_reason": row.get("blocked_reason"),
        "last_error": row.get("last_error"),
        "feedback": row.get("feedback") or None,
        "not_before": utc_time(row.get("not_before")),
        "result": row.get("result"),
        "definition": row.get("metadata") or {},
        "created_at": utc_time(one.created_at),
        "started_at": utc_time(one.started_at),
        "completed_at": utc_time(one.completed_at),
    }
