"""What programs are told: one form for `--json` on the command line and for the HTTP interface.

Times are ISO 8601 in UTC with milliseconds, None where there is none. Pure: values in, JSON-ready values out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reconciler.control.crew_documents import crew_document, crew_of
from reconciler.control.work_documents import mission_document
from reconciler.events.document import event_document, iso_utc
from reconciler.ops.status import ReplicaStatus, Side, replica_statuses, suspensions

if TYPE_CHECKING:
    from reconciler.apply.model import ApplyResult
    from reconciler.control.drift import DriftReport
    from reconciler.control.freeze import Frozen
    from reconciler.control.session import Session
    from reconciler.control.survey import Survey
    from reconciler.events.envelope import NewEvent
    from reconciler.ops.history import Entry
    from reconciler.ops.revisions import Comparison
    from reconciler.ops.statistics import Statistics
    from reconciler.ops.why import Story
    from reconciler.projections.projected import ProjectedSuspension
    from reconciler.projections.rows import Row


def utc_time(milliseconds: int | None) -> str | None:
    """ISO 8601 UTC with milliseconds; None for none."""
    return iso_utc(milliseconds) if milliseconds else None


def frozen_now(found: Survey, now_ms: int) -> Frozen | None:
    """The freeze window that holds; none in the past, or where the file cannot be read."""
    from reconciler.control.freeze import frozen

    if found.desired is None or found.past:
        return None
    return frozen(found.desired.reconcile.freeze, now_ms)


def statuses_of(found: Survey, now_ms: int) -> tuple[ReplicaStatus, ...]:
    """Every replica of a survey."""
    return replica_statuses(found.desired, found.projected, found.observed, now_ms=0 if found.past else now_ms)


def suspensions_of(found: Survey, now_ms: int) -> tuple[ProjectedSuspension, ...]:
    """What is left alone; in the past, all that was."""
    return suspensions(found.projected, 0 if found.past else now_ms)


def status_document(found: Survey, session: Session, now_ms: int) -> dict[str, Any]:
    """`fleet status`."""
    row, window = found.revision, frozen_now(found, now_ms)
    return {
        "fleet": found.desired.name if found.desired is not None else None,
        "project": session.project,
        "directory": str(session.directory),
        "file": str(session.file),
        "database": str(session.database),
        "sequence_number": found.projected.sequence,
        "revision": _revision(row) if row is not None else None,
        "known": {
            "desired": found.desired is not None,
            "observed": found.observed is not None,
        },
        "services": [_replica_document(one) for one in statuses_of(found, now_ms)],
        "specialists": [crew_document(one) for one in crew_of(found, now_ms)],
        "missions": [mission_document(one) for one in found.missions],
        "suspensions": [
            {"resource": one.resource, "why": one.why, "actor": one.actor, "until": utc_time(one.until)}
            for one in suspensions_of(found, now_ms)
        ],
        "frozen": {"until": utc_time(window.until), "why": window.window.why} if window is not None else None,
        "warnings": list(found.warnings),
    }


def _revision(row: Row) -> dict[str, Any]:
    named = {name: row.get(name) for name in ("revision", "digest", "commit", "author", "actor", "source")}
    return {**named, "at": utc_time(row["at"])}


def _replica_document(one: ReplicaStatus) -> dict[str, Any]:
    return {
        "resource": f"service/{one.service}",
        "replica": one.replica,
        "agrees": one.agrees,
        "desired": _side_document(one.desired),
        "projected": _side_document(one.projected),
        "observed": _side_document(one.observed),
        "differences": list(one.differences),
        "notes": list(one.notes),
    }


def _side_document(side: Side) -> dict[str, Any]:
    """What is known of a side; empty fields are left out."""
    named: dict[str, Any] = {
        "digest": side.digest,
        "image": side.image,
        "name": side.name,
        "container_id": side.container_id,
        "health": side.health,
    }
    document = {"state": side.state, **{name: value for name, value in named.items() if value}}
    if side.exit_code is not None:
        document["exit_code"] = side.exit_code
    if side.since:
        document["since"] = utc_time(side.since)
    return document


def drift_document(report: DriftReport) -> dict[str, Any]:
    """`fleet drift`."""
    return {
        "fleet": report.fleet,
        "drifted": report.found,
        "drifts": [
            {
                "resource": one.resource,
                "field": one.field,
                "expected": one.expected,
                "actual": one.actual,
                "external": True,
                "cause": one.cause,
                "since": utc_time(one.since),
                "recorded": one.recorded,
                "ignored": one.ignored or None,
            }
            for one in report.drifts
        ],
        "ignores": [
            {
                "resource": one.resource,
                "field": one.field,
                "why": one.why or None,
                "until": utc_time(one.until),
                "source": one.source,
                "expired": one.expired,
            }
            for one in report.ignores
        ],
        "warnings": list(report.warnings),
    }


def story_document(story: Story) -> dict[str, Any]:
    """One story of `fleet why`."""
    return {
        "resource": story.resource,
        "summary": story.summary,
        "changes": list(story.changes),
        "links": [{"text": link.text, "event": event_document(link.event)} for link in story.links],
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """One line of `fleet history`."""
    document: dict[str, Any] = {
        "kind": entry.kind,
        "revision": entry.revision,
        "result": entry.result,
        "at": utc_time(entry.at),
        "sequence_number": entry.sequence,
        "actor": entry.actor or None,
        "author": entry.author or None,
        "source": entry.source or None,
        "commit": entry.commit or None,
        "detail": entry.detail,
    }
    if entry.kind == "apply":
        document["apply_id"] = entry.apply_id
        document["duration_ms"] = entry.duration_ms
        document["counts"] = dict(entry.counts)
    return document


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """`fleet diff`."""
    return {
        "old": comparison.old,
        "new": comparison.new,
        "differences": [
            {
                "resource": one.resource,
                "kind": one.kind,
                "changes": [{"path": change.path, "old": change.old, "new": change.new} for change in one.changes],
            }
            for one in comparison.differences
        ],
    }


def statistics_document(found: Statistics) -> dict[str, Any]:
    """`fleet events statistics`."""
    return {**asdict(found), "first_at": utc_time(found.first_at), "last_at": utc_time(found.last_at)}


def suspension_document(event: NewEvent, actor: str) -> dict[str, Any]:
    """`fleet suspend` and `fleet resume`."""
    return {
        "event": event.event_type,
        "resource": event.data["resource"],
        "why": event.data.get("why"),
        "until": utc_time(event.data.get("until")),
        "actor": actor,
    }


def applied_document(result: ApplyResult) -> dict[str, Any]:
    """What an apply came to."""
    document: dict[str, Any] = {
        "status": result.status,
        "apply_id": result.apply_id,
        "done": result.done,
        "failed": result.failed,
        "skipped": result.skipped,
        "seconds": round(result.seconds, 3),
        "failures": [
            {"id": one.action_id, "resource": one.resource, "why": one.why, "skipped": one.skipped}
            for one in result.failures
        ],
    }
    if result.reverted:
        document["reverted"] = list(result.reverted)
    if result.left_off:
        document["left_off"] = result.left_off
    return document
