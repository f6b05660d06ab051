"""Rows of the projections as the documents that the interface gives out.

A row may have been written by an older release, so a column that it lacks takes the document's default.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from reconciler.api import requests
from reconciler.api.paging import PageRequest, page_of
from reconciler.client import documents
from reconciler.control.worker import handing_in
from reconciler.errors import NotFound
from reconciler.events.document import iso_utc
from reconciler.ops.status import suspensions as known_suspensions
from reconciler.projections.projected import ProjectedSuspension, project
from reconciler.projections.rows import Rows
from reconciler.spec.masked import masked
from reconciler.work import decompose

Row = Mapping[str, Any]
T = TypeVar("T")

_TIMES = frozenset(
    {
        "registered_at",
        "last_seen",
        "completed_at",
        "created_at",
        "started_at",
        "archived_at",
        "sent_at",
        "read_at",
        "acked_at",
        "updated_at",
        "expires_at",
        "consumed_at",
        "reserved_at",
        "released_at",
        "defined_at",
        "at",
    }
)


def _known(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


_FIELDS: dict[type, tuple[str, ...]] = {
    kind: _known(kind)
    for kind in (
        documents.Specialist,
        documents.Sortie,
        documents.Mission,
        documents.Review,
        documents.Message,
        documents.Thread,
        documents.Checkpoint,
        documents.Lock,
        documents.Revision,
    )
}


def time_text(milliseconds: int | None) -> str | None:
    """ISO 8601 UTC; None for what has not happened."""
    return iso_utc(milliseconds) if milliseconds is not None else None


def document(kind: type[T], row: Row, **more: Any) -> T:
    """A row as a document of this kind.

    Args:
        more: fields that are not a column of their own.
    """
    found: dict[str, Any] = {"version": row.get("last_event_sequence", 0)} if "version" in _FIELDS[kind] else {}
    for name in _FIELDS[kind]:
        if name in row:
            value = row[name]
            found[name] = time_text(value) if name in _TIMES else value
    return kind(**{**found, **more})


def specialist(row: Row) -> documents.Specialist:
    """A specialist."""
    return document(documents.Specialist, row)


def sortie(row: Row) -> documents.Sortie:
    """A sortie."""
    held = row.get("lease")
    lease = (
        documents.LeaseOnSortie(holder=held["holder"], attempt=held["attempt"], expires_at=iso_utc(held["expires_at"]))
        if held
        else None
    )
    return document(documents.Sortie, row, lease=lease)


def mission(row: Row) -> documents.Mission:
    """A mission."""
    return document(documents.Mission, row)


def review(row: Row) -> documents.Review:
    """A review."""
    return document(documents.Review, row)


def message(row: Row) -> documents.Message:
    """A message."""
    return document(documents.Message, row)


def thread(row: Row) -> documents.Thread:
    """A thread."""
    return document(documents.Thread, row)


def checkpoint(row: Row) -> documents.Checkpoint:
    """A checkpoint."""
    return document(documents.Checkpoint, row)


def lock(row: Row) -> documents.Lock:
    """A lock."""
    return document(documents.Lock, row)


def revision(row: Row, holding: int) -> documents.Revision:
    """A revision of the file."""
    return document(documents.Revision, row, holds=row["revision"] == holding)


def decomposition(found: decompose.Decomposition) -> documents.Decomposition:
    """What a goal might be divided into."""
    sorties = [
        documents.Proposal(
            name=one.name,
            title=one.title,
            prompt=one.prompt,
            files=list(one.files),
            depends_on=list(one.depends_on),
            complexity=one.complexity,
            review=one.review,
        )
        for one in found.sorties
    ]
    return documents.Decomposition(
        goal=found.goal,
        strategy=found.choice.strategy,
        scores={str(name): points for name, points in found.choice.scores.items()},
        sorties=sorties,
        parallel=found.parallel,
        problems=list(found.problems),
    )


def cost(given: requests.Cost) -> handing_in.Cost:
    """What an attempt has used, as it is handed in."""
    return handing_in.Cost(given.wall_ms, given.tokens, given.cost_usd)


def now_ms() -> int:
    """The clock, in Unix ms."""
    return time.time_ns() // 1_000_000


def holding_revision(rows: Rows) -> int:
    """The number of the revision that holds; 0 before the first."""
    fleets = sorted((row for _, row in rows.scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    return int(fleets[-1]["revision"]) if fleets else 0


def service(rows: Rows, name: str) -> documents.ServiceState:
    """A service with its containers.

    Raises:
        NotFound: the log knows none of this name.
    """
    row = rows.get("services", name)
    if row is None:
        known = ", ".join(sorted(key for key, _ in rows.scan("services"))) or "none"
        raise NotFound(f"the log knows no service {name}", hint=f"known: {known}")
    return _service(row, _containers(rows))


def services(rows: Rows, paging: PageRequest) -> dict[str, Any]:
    """One page of services with their containers."""
    containers = _containers(rows)
    page = page_of(rows.scan("services"), paging, sorts={"name": lambda row: row["name"]}, default="name")
    return page.document("services", lambda row: _service(row, containers))


def suspensions(rows: Rows, paging: PageRequest, *, past: bool) -> dict[str, Any]:
    """One page of what is left alone, without what has run out; in the past, all that was."""
    found = known_suspensions(project(rows, sequence=0), 0 if past else now_ms())
    numbered: list[tuple[str, Row]] = [(one.resource, {"resource": one.resource, "one": one}) for one in found]
    page = page_of(numbered, paging, sorts={"resource": lambda row: row["resource"]}, default="resource")
    return page.document("suspensions", lambda row: _suspension(row["one"]))


def _suspension(found: ProjectedSuspension) -> dict[str, Any]:
    until = time_text(found.until)
    return {"resource": found.resource, "why": found.why, "actor": found.actor or None, "until": until}


def _containers(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for key, row in rows.scan("containers"):
        told = {name: row.get(name) for name in ("name", "state", "health", "image", "digest", "exit_code")}
        changed = time_text(row.get("changed_at"))
        replica = {"replica": key.partition("/")[2], "container_id": row.get("container_id"), **told, "since": changed}
        found.setdefault(key.partition("/")[0], []).append(replica)
    return found


def _service(row: Row, containers: Mapping[str, list[dict[str, Any]]]) -> documents.ServiceState:
    return documents.ServiceState(
        name=row["name"],
        wanted=row["wanted"],
        digest=row["digest"],
        defined_at=iso_utc(row["defined_at"]),
        definition=masked(row["definition"]),
        replicas=containers.get(row["name"], []),
        version=row["last_event_sequence"],
    )
