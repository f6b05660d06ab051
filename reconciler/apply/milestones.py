"""Milestones: how the beginning and the end of an apply stand in the log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reconciler.apply.model import ApplyResult, plan_digest
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import Plan


def apply_started(
    plan: Plan, *, apply_id: str, revision: int, targets: tuple[str, ...], cause: UUID | None
) -> NewEvent:
    """A plan begins to be carried out.

    Args:
        revision: the number of the one that holds.
        targets: what narrowed the plan.
        cause: the event that made the revision hold.
    """
    counts = plan.counts
    data: dict[str, Any] = {
        "apply_id": apply_id,
        "revision": revision,
        "plan_digest": plan_digest(plan),
        "creates": counts.create,
        "updates": counts.update,
        "replaces": counts.replace,
        "starts": counts.start,
        "stops": counts.stop,
        "deletes": counts.delete,
        "adopts": counts.adopt,
    }
    if targets:
        data["target"] = list(targets)
    return NewEvent("apply_started", "fleet", plan.fleet, data, causation_id=cause)


def apply_completed(result: ApplyResult, *, fleet: str, cause: UUID) -> NewEvent:
    """It has ended, one way or another; `cause` is the event of its beginning."""
    data: dict[str, Any] = {
        "apply_id": result.apply_id,
        "status": result.status,
        "done": result.done,
        "failed": result.failed,
        "skipped": result.skipped,
        "duration_ms": round(result.seconds * 1000),
    }
    if result.left_off:
        data["left_off"] = result.left_off
    return NewEvent("apply_completed", "fleet", fleet, data, causation_id=cause)
