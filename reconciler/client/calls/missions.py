"""Calls about missions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Decomposition, Mission, MissionStatus, Priority, Sortie


def create(
    *,
    title: str,
    description: str | None = None,
    priority: Priority | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Call[Mission]:
    """A new mission that the file does not declare; its sorties are added one by one."""
    body = present({"title": title, "description": description, "priority": priority, "metadata": metadata})
    return _one("POST", path("missions"), body)


def list_(
    *,
    status: MissionStatus | None = None,
    priority: Priority | None = None,
    archived: bool | None = None,
    sort: str | None = None,
    limit: int | None = None,
    at: str | None = None,
) -> Call[Page[Mission]]:
    """Missions, a page at a time; archived ones only where asked for."""
    params = {
        "status": status,
        "priority": priority,
        "archived": archived,
        "sort": sort,
        "limit": limit,
        "at": at,
    }
    return Call(method="GET", path=path("missions"), params=params, answer=Page[Mission], inside="missions")


def get(mission_id: str) -> Call[Mission]:
    """One mission."""
    return Call(method="GET", path=path("missions", mission_id), answer=Mission, inside="mission")


def sorties_of(mission_id: str, *, sort: str | None = None, limit: int | None = None) -> Call[Page[Sortie]]:
    """The sorties of a mission, a page at a time."""
    where = path("missions", mission_id, "sorties")
    return Call(method="GET", path=where, params={"sort": sort, "limit": limit}, answer=Page[Sortie], inside="sorties")


def update(mission_id: str, changes: Mapping[str, Any], *, if_match: int | None = None) -> Call[Mission]:
    """Change title, description, priority or metadata."""
    return _one("PATCH", path("missions", mission_id), changes, if_match=if_match)


def archive(mission_id: str, *, if_match: int | None = None) -> Call[Mission]:
    """Put a mission away that has no open sorties."""
    return _one("DELETE", path("missions", mission_id), None, if_match=if_match)


def run(name: str) -> Call[Mission]:
    """Run a mission of the file (again), with the definition that it has now."""
    return _one("POST", path("missions", "run"), {"name": name})


def start(mission_id: str) -> Call[Mission]:
    """Begin a mission."""
    return _one("POST", path("missions", mission_id, "start"), {})


def complete(mission_id: str, *, summary: str = "") -> Call[Mission]:
    """End a mission with success, by hand."""
    return _one("POST", path("missions", mission_id, "complete"), {"summary": summary})


def cancel(mission_id: str, *, reason: str = "") -> Call[Mission]:
    """End a mission that is not wanted any more, and everything that is open in it."""
    return _one("POST", path("missions", mission_id, "cancel"), {"reason": reason})


def retry(mission_id: str) -> Call[Mission]:
    """Go on with a failed mission from the sorties that failed."""
    return _one("POST", path("missions", mission_id, "retry"), {})


def decompose(goal: str, files: Sequence[str] = (), *, strategy: str | None = None) -> Call[Decomposition]:
    """Propose sorties for a goal; nothing is recorded.

    Args:
        files: the project's files, relative paths; the server's own project when empty.
    """
    body = present({"goal": goal, "files": list(files) or None, "strategy": strategy})
    return Call(
        method="POST", path=path("missions", "decompose"), body=body, answer=Decomposition, inside="decomposition"
    )


def _one(
    method: Literal["POST", "PATCH", "DELETE"],
    where: str,
    body: Mapping[str, Any] | None,
    *,
    if_match: int | None = None,
) -> Call[Mission]:
    return Call(method=method, path=where, body=body, if_match=if_match, answer=Mission, inside="mission")
