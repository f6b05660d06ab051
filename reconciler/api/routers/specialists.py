"""Specialists: who is there, how they are, and what they say of themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging, Row
from reconciler.api.requests import ChangeSpecialist, CompleteSpecialist, Heartbeat, Register, Spawn
from reconciler.api.things import Things, equal
from reconciler.client.documents import Specialist, SpecialistStatus
from reconciler.control.desk import reading, returning, specialists
from reconciler.control.desk.desk import Command, Work
from reconciler.work.state import Specialist as Known

router = APIRouter(prefix="/api/v1/specialists", tags=["specialists"])

THINGS = Things(
    "specialists",
    "specialist",
    "specialists",
    shown.specialist,
    ("registered_at", "name", "status", "last_seen"),
)


@router.post("/register", status_code=201, responses=answers(specialist=Specialist, status=201, refused=(409,)))
async def register(access: Working, body: Register) -> Response:
    """Make a specialist known, or known anew. A specialist's token registers itself only."""
    specialist_id = body.specialist_id or access.caller.specialist
    access.caller.acts_as(specialist_id)
    if body.anew and specialist_id:
        command: Command[Known] = returning.register_anew(
            specialist_id, name=body.name, capabilities=body.capabilities, metadata=body.metadata
        )
    else:
        command = specialists.register(
            specialist_id=specialist_id, name=body.name, capabilities=body.capabilities, metadata=body.metadata
        )
    return await THINGS.written(access, command, 201)


@router.post("/spawn", status_code=201, responses=answers(specialist=Specialist, status=201, refused=(404, 409)))
async def spawn(access: Working, body: Spawn) -> Response:
    """Ask for a specialist to be started."""
    command = specialists.spawn(
        name=body.name,
        by=access.caller.actor,
        mission_id=body.mission_id,
        sortie_id=body.sortie_id,
        config=body.config,
    )
    return await THINGS.written(access, command, 201)


@router.get("", responses=answers(specialists=list[Specialist], refused=(404,)))
async def list_specialists(
    access: Reading,
    paging: Paging,
    at: At = None,
    status: Annotated[SpecialistStatus | None, Query()] = None,
    capability: Annotated[str | None, Query(description="Only who has it.")] = None,
    pool: Annotated[str | None, Query(description="Only replicas of this declared specialist.")] = None,
) -> Response:
    """Specialists, a page at a time."""

    def wanted(row: Row) -> bool:
        return (
            equal(row, status=status)
            and (capability is None or capability in row["capabilities"])
            and equal(row["metadata"], pool=pool)
        )

    return await THINGS.page(access, paging, at, wanted)


@router.get("/{specialist_id}", responses=answers(specialist=Specialist, refused=(404,), versioned=True))
async def get_specialist(access: Reading, specialist_id: Key, at: At = None) -> Response:
    """One specialist."""
    return await THINGS.show_at(access, specialist_id, at)


@router.patch(
    "/{specialist_id}", responses=answers(specialist=Specialist, refused=(404, 409), versioned=True, changes=True)
)
async def change_specialist(access: Working, specialist_id: Key, body: ChangeSpecialist) -> Response:
    """Change what is known of it, or let it finish and give it nothing more (`draining`)."""
    access.caller.acts_as(specialist_id)

    def command(work: Work) -> Known:
        before = reading.specialist(work.rows, specialist_id)
        if body.name is not None or body.capabilities is not None or body.metadata is not None:
            specialists.register(
                specialist_id=specialist_id,
                name=body.name or before.name,
                capabilities=body.capabilities if body.capabilities is not None else sorted(before.capabilities),
                metadata=body.metadata if body.metadata is not None else before.metadata,
            )(work)
        if body.draining:
            specialists.drain(specialist_id, by=access.caller.actor)(work)
        return reading.specialist(work.rows, specialist_id)

    return await THINGS.written(access, command, key=specialist_id)


@router.delete(
    "/{specialist_id}", responses=answers(specialist=Specialist, refused=(404, 409), versioned=True, changes=True)
)
async def deactivate_specialist(access: Working, specialist_id: Key) -> Response:
    """Take it out of service at once: what it held goes back."""
    access.caller.acts_as(specialist_id)
    command = specialists.deactivate(specialist_id, by=access.caller.actor)
    return await THINGS.written(access, command, key=specialist_id)


@router.post("/{specialist_id}/heartbeat", responses=answers(specialist=Specialist, refused=(404, 409), versioned=True))
async def heartbeat(access: Working, specialist_id: Key, body: Heartbeat) -> Response:
    """A sign of life; the answer says whether it is asked to take nothing more (`draining`)."""
    access.caller.acts_as(specialist_id)
    command = specialists.heartbeat(
        specialist_id, status=body.status, current_sortie=body.current_sortie, metrics=body.metrics
    )
    return await THINGS.written(access, command)


@router.post("/{specialist_id}/complete", responses=answers(specialist=Specialist, refused=(404, 409), versioned=True))
async def complete_specialist(access: Working, specialist_id: Key, body: CompleteSpecialist) -> Response:
    """End it: its sorties are handed back and its locks released."""
    access.caller.acts_as(specialist_id)
    command = specialists.complete(specialist_id, reason=body.reason, summary=body.summary)
    return await THINGS.written(access, command)
