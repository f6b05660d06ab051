"""What programs are told of specialists: one form for `fleet status`, `fleet specialists` and the HTTP interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.events.document import iso_utc
from reconciler.ops.crew_status import CrewStatus, ProcessSide, crew_statuses

if TYPE_CHECKING:
    from reconciler.control.survey import Survey
    from reconciler.projections.rows import Rows


def crew_of(found: Survey, now_ms: int, rows: Rows | None = None) -> tuple[CrewStatus, ...]:
    """Every replica of a survey's specialists.

    Args:
        rows: where those that registered themselves, undeclared, are looked up; None leaves them out.
    """
    return crew_statuses(found.desired, found.projected, found.processes, rows, now_ms=0 if found.past else now_ms)


def crew_document(one: CrewStatus) -> dict[str, Any]:
    """One replica; empty fields are left out of its sides."""
    report = one.report
    return {
        "resource": one.address,
        "specialist": one.pool or None,
        "replica": one.replica or None,
        "agrees": one.agrees,
        "desired": _side(one.desired),
        "projected": _side(one.projected),
        "observed": _side(one.observed),
        "specialist_id": report.specialist_id or None,
        "status": report.status or None,
        "current_sortie": report.current_sortie or None,
        "draining": report.draining,
        "last_seen": iso_utc(report.last_seen) if report.last_seen else None,
        "log": one.log or None,
        "differences": list(one.differences),
        "notes": list(one.notes),
    }


def _side(side: ProcessSide) -> dict[str, Any]:
    named: dict[str, Any] = {"digest": side.digest, "pid": side.pid, "process_id": side.process_id}
    document = {"state": side.state, **{name: value for name, value in named.items() if value}}
    if side.exit_code is not None:
        document["exit_code"] = side.exit_code
    if side.since:
        document["since"] = iso_utc(side.since)
    return document
