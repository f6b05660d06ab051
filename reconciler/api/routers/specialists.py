"""Specialists: registered, heard of, seen off."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from reconciler.api.access import Reading, Working
from reconciler.api.input import Input, Name
from reconciler.api.paging import Paging, page_of
from reconciler.control.desk import specialists as desk
from reconciler.errors import NotFound
from reconciler.events.document import iso_utc

router = APIRouter(prefix="/api/v1/specialists", tags=["specialists"])
_SORTS = {name: (lambda row, name=name: row.get(name)) for name in ("name", "status", "registered_at", "last_seen")}


class Registration(Input):
    """Who is to be known."""

    name: Name
    specialist_id: Name | None = None
    capabilities: list[str] = []
    metadata: dict[str, Any] | None = None


class Heartbeat(Input):
    """How a specialist is."""

    status: Literal["active", "busy", "idle"] | None = None
    current_sortie: str | None = None
    metrics: dict[str, float] | None = None


@router.post("/register", status_code=201)
async def register(body: Registration, access: Working) -> Response:
    """Make a specialist known, or known anew."""
    who = body.specialist_id or access.caller.specialist
    if who:
        access.caller.acts_as(who)
    command = desk.register(name=body.name, specialist_id=who, capabilities=body.capabilities, metadata=body.metadata)
    made = await access.write(command)
    return _answer(access, made.id, 201)


@router.get("")
async def list_specialists(
    access: Reading, paging: Paging, status: str | None = None, at: str | None = None
) -> Response:
    """Specialists, a page at a time."""
    page = await access.read(
        lambda rows: page_of(
            rows.scan("specialists"),
            paging,
            sorts=_SORTS,
            default="registered_at",
            where=lambda row: status is None or row["status"] == status,
        ),
        at=at,
    )
    return access.answer(page.document("specialists", document))


@router.get("/{specialist_id}")
async def get_specialist(specialist_id: str, access: Reading) -> Response:
    """One specialist."""
    return _answer(access, specialist_id)


@router.post("/{specialist_id}/heartbeat")
async def heartbeat(specialist_id: str, body: Heartbeat, access: Working) -> Response:
    """A sign of life."""
    access.caller.acts_as(specialist_id)
    command = desk.heartbeat(
        specialist_id, status=body.status, current_sortie=body.current_sortie, metrics=body.metrics
    )
    await access.write(command, if_match=("specialists", specialist_id))
    return _answer(access, specialist_id)


def document(row: Any) -> dict[str, Any]:
    """A specialist as it is answered."""
    return {
        "id": row["id"],
        "name": row["name"],
        "status": row["status"],
        "capabilities": row["capabilities"],
        "registered_at": iso_utc(row["registered_at"]),
        "last_seen": iso_utc(row["last_seen"]),
        "current_sortie": row["current_sortie"],
        "metadata": row["metadata"],
        "version": row["last_event_sequence"],
    }


def _answer(access: Reading, specialist_id: str, status: int = 200) -> Response:
    row = access.rows().get("specialists", specialist_id)
    if row is None:
        raise NotFound(f"there is no specialist {specialist_id}")
    return access.answer({"specialist": document(row)}, status, version=row["last_event_sequence"])
