"""Calls about specialists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Specialist, SpecialistStatus


def register(
    *,
    name: str,
    specialist_id: str | None = None,
    capabilities: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    anew: bool = False,
) -> Call[Specialist]:
    """Make a specialist known, or known anew.

    Args:
        anew: it has just started and holds nothing: what the log says it holds goes back.
    """
    body = {
        "name": name,
        "specialist_id": specialist_id,
        "capabilities": list(capabilities),
        "metadata": dict(metadata or {}),
        "anew": anew,
    }
    return _one("POST", path("specialists", "register"), present(body))


def list_(
    *,
    status: SpecialistStatus | None = None,
    capability: str | None = None,
    pool: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    at: str | None = None,
) -> Call[Page[Specialist]]:
    """Specialists, a page at a time."""
    params = {"status": status, "capability": capability, "pool": pool, "sort": sort, "limit": limit, "at": at}
    return Call(method="GET", path=path("specialists"), params=params, answer=Page[Specialist], inside="specialists")


def get(specialist_id: str) -> Call[Specialist]:
    """One specialist."""
    return Call(method="GET", path=path("specialists", specialist_id), answer=Specialist, inside="specialist")


def update(
    specialist_id: str,
    *,
    name: str | None = None,
    capabilities: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    draining: Literal[True] | None = None,
    if_match: int | None = None,
) -> Call[Specialist]:
    """Change what is known of it; `draining` lets it finish and gives it nothing more."""
    body = present({"name": name, "capabilities": capabilities, "metadata": metadata, "draining": draining})
    return _one("PATCH", path("specialists", specialist_id), body, if_match=if_match)


def deactivate(specialist_id: str, *, if_match: int | None = None) -> Call[Specialist]:
    """Take it out of service at once: what it held goes back."""
    return _one("DELETE", path("specialists", specialist_id), None, if_match=if_match)


def heartbeat(
    specialist_id: str,
    *,
    status: Literal["active", "busy", "idle"] | None = None,
    current_sortie: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Call[Specialist]:
    """A sign of life."""
    body = present({"status": status, "current_sortie": current_sortie, "metrics": metrics})
    return _one("POST", path("specialists", specialist_id, "heartbeat"), body)


def complete(
    specialist_id: str,
    *,
    reason: Literal["success", "error", "timeout", "cancelled"] = "success",
    summary: str = "",
) -> Call[Specialist]:
    """End it: its sorties are handed back and its locks released."""
    return _one("POST", path("specialists", specialist_id, "complete"), {"reason": reason, "summary": summary})


def spawn(
    *,
    name: str,
    mission_id: str | None = None,
    sortie_id: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Call[Specialist]:
    """Ask for a specialist to be started."""
    body = present({"name": name, "mission_id": mission_id, "sortie_id": sortie_id, "config": config})
    return _one("POST", path("specialists", "spawn"), body)


def _one(
    method: Literal["POST", "PATCH", "DELETE"],
    where: str,
    body: Mapping[str, Any] | None,
    *,
    if_match: int | None = None,
) -> Call[Specialist]:
    return Call(method=method, path=where, body=body, if_match=if_match, answer=Specialist, inside="specialist")
