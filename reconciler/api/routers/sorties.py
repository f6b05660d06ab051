"""Sorties: made, given out, worked on, reviewed, ended."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging, Row
from reconciler.api.requests import (
    Block,
    ByWhom,
    ChangeSortie,
    CompleteSortie,
    CreateSortie,
    FailSortie,
    Nothing,
    Progress,
    RenewLease,
    RequestReview,
    StartSortie,
    Unblock,
)
from reconciler.api.things import Things, equal
from reconciler.client.documents import Priority, Sortie, SortieStatus
from reconciler.control.desk import reading, sorties
from reconciler.control.worker import handing_in
from reconciler.decoders import known
from reconciler.projections.rows import Rows
from reconciler.work.state import ENDED

router = APIRouter(prefix="/api/v1/sorties", tags=["sorties"])

THINGS = Things(
    "sorties",
    "sortie",
    "sorties",
    shown.sortie,
    ("created_at", "title", "status", "started_at", "completed_at", "progress"),
)
_STEP = answers(sortie=Sortie, refused=(404, 409), versioned=True)


@router.post("", status_code=201, responses=answers(sortie=Sortie, status=201, refused=(404, 409)))
async def create_sortie(access: Working, body: CreateSortie) -> Response:
    """A new sortie, pending."""
    command = sorties.create(
        title=body.title,
        mission_id=body.mission_id or "",
        description=body.description,
        priority=body.priority,
        assigned_to=body.assigned_to or "",
        metadata=body.metadata or None,
    )
    return await THINGS.written(access, command, 201)


@router.get("", responses=answers(sorties=list[Sortie], refused=(404,)))
async def list_sorties(
    access: Reading,
    paging: Paging,
    at: At = None,
    status: Annotated[SortieStatus | None, Query()] = None,
    mission_id: Annotated[str | None, Query()] = None,
    assigned_to: Annotated[str | None, Query()] = None,
    priority: Annotated[Priority | None, Query()] = None,
    only_open: Annotated[
        bool, Query(alias="open", description="Only those that have not ended, and whose mission has not.")
    ] = False,
) -> Response:
    """Sorties, a page at a time."""

    def look(rows: Rows) -> Response:
        missions = reading.missions(rows) if only_open else {}

        def wanted(row: Row) -> bool:
            if only_open:
                mission = missions.get(row["mission_id"] or "")
                if row["status"] in ENDED or (mission is not None and mission.ended):
                    return False
            return equal(row, status=status, mission_id=mission_id, assigned_to=assigned_to, priority=priority)

        return access.answer(THINGS.paged(rows, paging, wanted).document("sorties", shown.sortie))

    return await access.read(look, at=at)


@router.get("/{sortie_id}", responses=answers(sortie=Sortie, refused=(404,), versioned=True))
async def get_sortie(access: Reading, sortie_id: Key, at: At = None) -> Response:
    """One sortie."""
    return await THINGS.show_at(access, sortie_id, at)


@router.patch("/{sortie_id}", responses=answers(sortie=Sortie, refused=(404, 409), versioned=True, changes=True))
async def change_sortie(access: Working, sortie_id: Key, body: ChangeSortie) -> Response:
    """Change its wording, priority, addressee or metadata."""
    command = sorties.update(sortie_id, body.model_dump(exclude_unset=True))
    return await THINGS.written(access, command, key=sortie_id)


@router.delete("/{sortie_id}", responses=answers(sortie=Sortie, refused=(404, 409), versioned=True, changes=True))
async def cancel_sortie(access: Working, sortie_id: Key) -> Response:
    """End a sortie that is not wanted any more."""
    return await THINGS.written(access, sorties.cancel(sortie_id, by=access.caller.actor), key=sortie_id)


@router.post("/{sortie_id}/assign", responses=_STEP)
async def assign_sortie(access: Working, sortie_id: Key, body: ByWhom) -> Response:
    """Give it to a specialist."""
    return await THINGS.written(access, sorties.assign(sortie_id, body.specialist_id, by=access.caller.actor))


@router.post("/{sortie_id}/start", responses=_STEP)
async def start_sortie(access: Working, sortie_id: Key, body: StartSortie) -> Response:
    """Begin the next attempt."""
    access.caller.acts_as(body.specialist_id)
    return await THINGS.written(access, sorties.start(sortie_id, body.specialist_id, lease_ms=body.lease_ms))


@router.post("/{sortie_id}/renew", responses=_STEP)
async def renew_lease(access: Working, sortie_id: Key, body: RenewLease) -> Response:
    """Prolong the lease of a running attempt."""
    access.caller.acts_as(body.specialist_id)
    command = sorties.renew(sortie_id, body.specialist_id, body.attempt, lease_ms=body.lease_ms)
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/progress", responses=_STEP)
async def report_progress(access: Working, sortie_id: Key, body: Progress) -> Response:
    """Report how far the work is."""
    access.caller.acts_as(body.specialist_id)
    command = sorties.progress(
        sortie_id,
        body.specialist_id,
        body.progress,
        attempt=body.attempt,
        message=body.status_message,
        artifacts=body.artifacts,
    )
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/block", responses=_STEP)
async def block_sortie(access: Working, sortie_id: Key, body: Block) -> Response:
    """Say that the work cannot go on."""
    access.caller.acts_as(body.specialist_id)
    command = sorties.block(
        sortie_id,
        body.specialist_id,
        reason=body.reason,
        blocker_type=body.blocker_type,
        blocker_id=body.blocker_id,
        attempt=body.attempt,
    )
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/unblock", responses=_STEP)
async def unblock_sortie(access: Working, sortie_id: Key, body: Unblock) -> Response:
    """The work can go on."""
    return await THINGS.written(access, sorties.unblock(sortie_id, by=access.caller.actor, reason=body.reason))


@router.post("/{sortie_id}/complete", responses=_STEP)
async def complete_sortie(access: Working, sortie_id: Key, body: CompleteSortie) -> Response:
    """Hand in a result: done, sent to its review, or a failed attempt when `success` is false."""
    access.caller.acts_as(body.specialist_id)
    command = handing_in.complete(
        sortie_id,
        body.specialist_id,
        body.result.model_dump(exclude_none=True),
        attempt=body.attempt,
        artifacts=[msgspec.convert(one.model_dump(), known(handing_in.Artifact)) for one in body.artifacts],
        cost=shown.cost(body.cost),
    )
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/fail", responses=_STEP)
async def fail_sortie(access: Working, sortie_id: Key, body: FailSortie) -> Response:
    """End an attempt without success, or hand the sortie back."""
    access.caller.acts_as(body.specialist_id)
    command = handing_in.fail(
        sortie_id,
        body.specialist_id,
        error=body.error,
        cause=body.cause,
        attempt=body.attempt,
        retry_after_ms=body.retry_after_ms,
        cost=shown.cost(body.cost),
    )
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/review", responses=_STEP)
async def request_review(access: Working, sortie_id: Key, body: RequestReview) -> Response:
    """Hand the work to a reviewer."""
    access.caller.acts_as(body.specialist_id)
    result = body.result.model_dump(exclude_none=True) if body.result is not None else None
    command = sorties.request_review(sortie_id, body.specialist_id, result=result, attempt=body.attempt)
    return await THINGS.written(access, command)


@router.post("/{sortie_id}/retry", responses=_STEP)
async def retry_sortie(access: Working, sortie_id: Key, body: Nothing) -> Response:
    """Open a failed or cancelled sortie again."""
    return await THINGS.written(access, sorties.retry(sortie_id, by=access.caller.actor))
