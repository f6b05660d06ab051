"""Calls about sorties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.client.call import Call, Page, present
from reconciler.client.calls.paths import path
from reconciler.client.documents import Claim, Priority, Sortie, SortieStatus


def create(
    *,
    title: str,
    mission_id: str | None = None,
    description: str | None = None,
    priority: Priority | None = None,
    assigned_to: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Call[Sortie]:
    """A new sortie, pending."""
    body = {
        "title": title,
        "mission_id": mission_id,
        "description": description,
        "priority": priority,
        "assigned_to": assigned_to,
        "metadata": metadata,
    }
    return _one("POST", path("sorties"), present(body))


def list_(
    *,
    status: SortieStatus | None = None,
    mission_id: str | None = None,
    assigned_to: str | None = None,
    priority: Priority | None = None,
    open_: bool | None = None,
    sort: str | None = None,
    limit: int | None = None,
    at: str | None = None,
) -> Call[Page[Sortie]]:
    """Sorties, a page at a time.

    Args:
        open_: only those that have not ended and whose mission has not.
    """
    params = {
        "status": status,
        "mission_id": mission_id,
        "assigned_to": assigned_to,
        "priority": priority,
        "open": open_,
        "sort": sort,
        "limit": limit,
        "at": at,
    }
    return Call(method="GET", path=path("sorties"), params=params, answer=Page[Sortie], inside="sorties")


def get(sortie_id: str) -> Call[Sortie]:
    """One sortie."""
    return Call(method="GET", path=path("sorties", sortie_id), answer=Sortie, inside="sortie")


def update(sortie_id: str, changes: Mapping[str, Any], *, if_match: int | None = None) -> Call[Sortie]:
    """Change title, description, priority, assigned_to or metadata."""
    return _one("PATCH", path("sorties", sortie_id), changes, if_match=if_match)


def cancel(sortie_id: str, *, if_match: int | None = None) -> Call[Sortie]:
    """End a sortie that is not wanted any more."""
    return _one("DELETE", path("sorties", sortie_id), None, if_match=if_match)


def claim(specialist_id: str, *, lease_ms: int = 60_000, wait_ms: int = 0) -> Call[Claim | None]:
    """The next thing to do, begun; None when there is nothing within `wait_ms`."""
    body = {"specialist_id": specialist_id, "lease_ms": lease_ms, "wait_ms": wait_ms}
    return Call(
        method="POST",
        path=path("sorties", "claim"),
        body=body,
        answer=Claim | None,
        inside="claim",
        patience_s=wait_ms / 1000,
    )


def assign(sortie_id: str, specialist_id: str) -> Call[Sortie]:
    """Give it to a specialist."""
    return _step(sortie_id, "assign", {"specialist_id": specialist_id})


def start(sortie_id: str, specialist_id: str, *, lease_ms: int = 0) -> Call[Sortie]:
    """Begin the next attempt; `lease_ms` 0 is without end."""
    return _step(sortie_id, "start", {"specialist_id": specialist_id, "lease_ms": lease_ms})


def renew(sortie_id: str, specialist_id: str, attempt: int, *, lease_ms: int = 60_000) -> Call[Sortie]:
    """Prolong the lease of a running attempt."""
    return _step(sortie_id, "renew", {"specialist_id": specialist_id, "attempt": attempt, "lease_ms": lease_ms})


def progress(
    sortie_id: str,
    specialist_id: str,
    value: int,
    *,
    attempt: int | None = None,
    message: str = "",
    artifacts: Sequence[str] = (),
) -> Call[Sortie]:
    """Report how far the work is, 0 to 100."""
    body = {
        "specialist_id": specialist_id,
        "progress": value,
        "attempt": attempt,
        "status_message": message,
        "artifacts": list(artifacts),
    }
    return _step(sortie_id, "progress", present(body))


def block(
    sortie_id: str,
    specialist_id: str,
    *,
    reason: str,
    blocker_type: Literal["sortie", "specialist", "external", "resource"] = "external",
    blocker_id: str | None = None,
    attempt: int | None = None,
) -> Call[Sortie]:
    """Say that the work cannot go on."""
    body = {
        "specialist_id": specialist_id,
        "reason": reason,
        "blocker_type": blocker_type,
        "blocker_id": blocker_id,
        "attempt": attempt,
    }
    return _step(sortie_id, "block", present(body))


def unblock(sortie_id: str, *, reason: str = "") -> Call[Sortie]:
    """The work can go on."""
    return _step(sortie_id, "unblock", {"reason": reason})


def complete(
    sortie_id: str,
    specialist_id: str,
    result: Mapping[str, Any],
    *,
    attempt: int | None = None,
    artifacts: Sequence[Mapping[str, Any]] = (),
    cost: Mapping[str, Any] | None = None,
) -> Call[Sortie]:
    """Hand in a result: `success`, and `summary`, `artifacts`, `metrics` as they may be.

    Args:
        artifacts: `path`, `digest` and `size` of each file that was made.
        cost: `wall_ms`, `tokens`, `cost_usd`.
    """
    body = {
        "specialist_id": specialist_id,
        "result": dict(result),
        "attempt": attempt,
        "artifacts": [dict(one) for one in artifacts],
        "cost": cost,
    }
    return _step(sortie_id, "complete", present(body))


def fail(
    sortie_id: str,
    specialist_id: str,
    *,
    error: str,
    cause: str = "error",
    attempt: int | None = None,
    retry_after_ms: int = 0,
    cost: Mapping[str, Any] | None = None,
) -> Call[Sortie]:
    """End an attempt without success, or hand the sortie back (`cause` is then `handed_back`)."""
    body = {
        "specialist_id": specialist_id,
        "error": error,
        "cause": cause,
        "attempt": attempt,
        "retry_after_ms": retry_after_ms,
        "cost": cost,
    }
    return _step(sortie_id, "fail", present(body))


def review(
    sortie_id: str, specialist_id: str, *, result: Mapping[str, Any] | None = None, attempt: int | None = None
) -> Call[Sortie]:
    """Hand the work to a reviewer."""
    body = {"specialist_id": specialist_id, "result": result, "attempt": attempt}
    return _step(sortie_id, "review", present(body))


def retry(sortie_id: str) -> Call[Sortie]:
    """Open a failed or cancelled sortie again."""
    return _step(sortie_id, "retry", {})


def _step(sortie_id: str, step: str, body: Mapping[str, Any]) -> Call[Sortie]:
    return _one("POST", path("sorties", sortie_id, step), body)


def _one(
    method: Literal["POST", "PATCH", "DELETE"],
    where: str,
    body: Mapping[str, Any] | None,
    *,
    if_match: int | None = None,
) -> Call[Sortie]:
    return Call(method=method, path=where, body=body, if_match=if_match, answer=Sortie, inside="sortie")
