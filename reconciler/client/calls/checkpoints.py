"""Calls about checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Checkpoint, Recovery


def create(
    specialist_id: str,
    context: Mapping[str, Any] | None = None,
    *,
    mission_id: str | None = None,
    note: str | None = None,
    trigger: str | None = None,
    ttl_hours: float | None = None,
) -> Call[Checkpoint]:
    """Keep what a specialist, or a mission, is about."""
    body = {
        "specialist_id": specialist_id,
        "context": dict(context or {}),
        "mission_id": mission_id,
        "note": note,
        "trigger": trigger,
        "ttl_hours": ttl_hours,
    }
    return Call(method="POST", path=path("checkpoints"), body=present(body), answer=Checkpoint, inside="checkpoint")


def list_(
    *,
    specialist_id: str | None = None,
    mission_id: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> Call[Page[Checkpoint]]:
    """Checkpoints, a page at a time."""
    params = {"specialist_id": specialist_id, "mission_id": mission_id, "sort": sort, "limit": limit}
    return Call(method="GET", path=path("checkpoints"), params=params, answer=Page[Checkpoint], inside="checkpoints")


def get(checkpoint_id: str) -> Call[Checkpoint]:
    """One checkpoint."""
    return Call(method="GET", path=path("checkpoints", checkpoint_id), answer=Checkpoint, inside="checkpoint")


def latest(whose: str) -> Call[Checkpoint]:
    """The newest one of a specialist or a mission."""
    return Call(method="GET", path=path("checkpoints", "latest", whose), answer=Checkpoint, inside="checkpoint")


def delete(checkpoint_id: str) -> Call[None]:
    """Forget it."""
    return Call(method="DELETE", path=path("checkpoints", checkpoint_id), answer=None)


def recover(checkpoint_id: str, *, specialist_id: str | None = None) -> Call[Recovery]:
    """Go on from it."""
    where = path("checkpoints", checkpoint_id, "recover")
    body = present({"specialist_id": specialist_id})
    return Call(method="POST", path=where, body=body, answer=Recovery, inside="recovery")
