"""Calls about the fleet itself: its services, plan, apply, and what the log knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Revision, ServiceState
from reconciler.client.fleet_documents import Applied, Comparison, Drift, HistoryEntry, Status, Story, Suspension

_LONG_S = 600.0


def status(*, at: str | None = None) -> Call[Status]:
    """Desired, projected and observed, replica by replica; or how it was."""
    return Call(method="GET", path=path("status"), params={"at": at}, answer=Status, patience_s=_LONG_S)


def services(*, at: str | None = None) -> Call[Page[ServiceState]]:
    """Services as the log has them."""
    return Call(method="GET", path=path("services"), params={"at": at}, answer=Page[ServiceState], inside="services")


def service(name: str) -> Call[ServiceState]:
    """One service as the log has it."""
    return Call(method="GET", path=path("services", name), answer=ServiceState, inside="service")


def plan(
    *,
    targets: Sequence[str] = (),
    exclude: Sequence[str] = (),
    tags: Sequence[str] = (),
    skip_tags: Sequence[str] = (),
    at: str | None = None,
) -> Call[dict[str, Any]]:
    """What apply would do, and why, by the schema plan.v1.json."""
    params = {
        "target": list(targets),
        "exclude": list(exclude),
        "tag": list(tags),
        "skip_tag": list(skip_tags),
        "at": at,
    }
    return Call(method="GET", path=path("plan"), params=params, answer=dict[str, Any], patience_s=_LONG_S)


def apply(
    *,
    targets: Sequence[str] = (),
    exclude: Sequence[str] = (),
    confirm: bool = False,
    wait: bool = True,
    timeout_ms: int | None = None,
    override_freeze: bool = False,
) -> Call[Applied]:
    """Make the fleet what its file says.

    Args:
        confirm: yes to a plan that destroys more than `reconcile.max_destroy` allows.
    """
    body = {
        "targets": list(targets),
        "exclude": list(exclude),
        "confirm": confirm,
        "wait": wait,
        "timeout_ms": timeout_ms,
        "override_freeze": override_freeze,
    }
    return Call(method="POST", path=path("apply"), body=present(body), answer=Applied, patience_s=_LONG_S)


def rollback(revision: int = 0, *, why: str = "", wait: bool = True) -> Call[Applied]:
    """Go back to an earlier revision, and stay there until the file changes; 0 is the one before."""
    body = {"revision": revision, "why": why, "wait": wait}
    return Call(method="POST", path=path("rollback"), body=body, answer=Applied, patience_s=_LONG_S)


def drift() -> Call[Drift]:
    """What the world changed against the log."""
    return Call(method="GET", path=path("drift"), answer=Drift, patience_s=_LONG_S)


def revisions(*, status: str | None = None, limit: int | None = None) -> Call[Page[Revision]]:
    """Revisions of the file, newest first."""
    params = {"status": status, "limit": limit}
    return Call(method="GET", path=path("revisions"), params=params, answer=Page[Revision], inside="revisions")


def revision(number: int) -> Call[Revision]:
    """One revision."""
    return Call(method="GET", path=path("revisions", str(number)), answer=Revision, inside="revision")


def compare(new: int, old: int | None = None) -> Call[Comparison]:
    """What a revision changed in meaning, against another or the one before."""
    where = path("revisions", str(new), "changes")
    return Call(method="GET", path=where, params={"since": old}, answer=Comparison)


def history(*, at: str | None = None, limit: int | None = None) -> Call[Page[HistoryEntry]]:
    """Revisions and applies, newest first."""
    params = {"at": at, "limit": limit}
    return Call(method="GET", path=path("history"), params=params, answer=Page[HistoryEntry], inside="history")


def why(resource: str) -> Call[list[Story]]:
    """Why a resource is as it is, one story a replica."""
    where = path("why") + "/" + "/".join(path(part).removeprefix("/api/v1/") for part in resource.split("/"))
    return Call(method="GET", path=where, answer=list[Story], inside="stories")


def suspensions(*, at: str | None = None) -> Call[Page[Suspension]]:
    """What is left alone."""
    return Call(
        method="GET", path=path("suspensions"), params={"at": at}, answer=Page[Suspension], inside="suspensions"
    )


def suspend(resource: str = "", *, why: str, for_ms: int = 0) -> Call[Suspension]:
    """Leave a resource, or the whole fleet, alone; `for_ms` 0 is until somebody resumes it."""
    body = {"resource": resource, "why": why, "for_ms": for_ms}
    return Call(method="POST", path=path("suspend"), body=body, answer=Suspension, inside="suspension")


def resume(resource: str = "", *, why: str = "") -> Call[Suspension]:
    """End a suspension."""
    body = {"resource": resource, "why": why}
    return Call(method="POST", path=path("resume"), body=body, answer=Suspension, inside="suspension")
