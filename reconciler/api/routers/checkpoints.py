"""Checkpoints: kept, found again, and gone on from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Access, Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging, Row
from reconciler.api.requests import CreateCheckpoint, Recover
from reconciler.api.things import Things, equal
from reconciler.client.documents import Checkpoint, Recovery
from reconciler.control.desk import checkpoints, reading, resuming
from reconciler.control.desk.desk import Work
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows
from reconciler.work.checkpoints import Checkpoint as Known

router = APIRouter(prefix="/api/v1/checkpoints", tags=["checkpoints"])

THINGS = Things(
    "checkpoints",
    "checkpoint",
    "checkpoints",
    shown.checkpoint,
    ("created_at", "expires_at", "consumed_at"),
    falling=True,
)


@router.post("", status_code=201, responses=answers(checkpoint=Checkpoint, status=201, refused=(404, 409)))
async def create_checkpoint(access: Working, body: CreateCheckpoint) -> Response:
    """Keep what a specialist, or a mission, is about."""
    access.caller.acts_as(body.specialist_id)

    def command(work: Work) -> Row:
        reading.specialist(work.rows, body.specialist_id)
        take = checkpoints.take(
            mission_id=body.mission_id or "",
            specialist_id=body.specialist_id,
            context=body.context,
            note=body.note,
            trigger=body.trigger,
            ttl_hours=body.ttl_hours,
        )
        return take(work)

    taken = await access.write(command)
    return THINGS.show(access, taken["id"], 201)


@router.get("", responses=answers(checkpoints=list[Checkpoint], refused=(404,)))
async def list_checkpoints(
    access: Reading,
    paging: Paging,
    at: At = None,
    specialist_id: Annotated[str | None, Query()] = None,
    mission_id: Annotated[str | None, Query()] = None,
) -> Response:
    """Checkpoints, newest first, a page at a time."""
    return await THINGS.page(
        access, paging, at, lambda row: equal(row, specialist_id=specialist_id, mission_id=mission_id)
    )


@router.get("/latest/{whose}", responses=answers(checkpoint=Checkpoint, refused=(404,), versioned=True))
async def latest_checkpoint(access: Reading, whose: Key) -> Response:
    """The newest one of a specialist or a mission."""

    def look(rows: Rows) -> str:
        found = [
            (row["created_at"], key)
            for key, row in rows.scan("checkpoints")
            if whose in (row["specialist_id"], row["mission_id"])
        ]
        if not found:
            raise NotFound(f"there is no checkpoint of {whose}")
        return max(found)[1]

    return THINGS.show(access, await access.read(look))


@router.get("/{checkpoint_id}", responses=answers(checkpoint=Checkpoint, refused=(404,), versioned=True))
async def get_checkpoint(access: Reading, checkpoint_id: Key, at: At = None) -> Response:
    """One checkpoint."""
    return await THINGS.show_at(access, checkpoint_id, at)


@router.delete("/{checkpoint_id}", status_code=204, responses=answers(nothing=True, status=204, refused=(404, 409)))
async def delete_checkpoint(access: Working, checkpoint_id: Key) -> Response:
    """Let go of it."""
    await access.write(checkpoints.delete(checkpoint_id), if_match=("checkpoints", checkpoint_id))
    return Response(status_code=204)


@router.post("/{checkpoint_id}/recover", responses=answers(recovery=Recovery, refused=(404, 409)))
async def recover(access: Working, checkpoint_id: Key, body: Recover) -> Response:
    """Go on from it."""
    return await _recovered(access, checkpoint_id, body)


@router.post("/{checkpoint_id}/restore", responses=answers(recovery=Recovery, refused=(404, 409)))
async def restore(access: Working, checkpoint_id: Key, body: Recover) -> Response:
    """The same under another name."""
    return await _recovered(access, checkpoint_id, body)


async def _recovered(access: Access, checkpoint_id: str, body: Recover) -> Response:
    wanted = body.specialist_id or access.caller.specialist
    access.caller.acts_as(wanted)

    def command(work: Work) -> resuming.Resumed:
        known = Known.from_row(THINGS.row(work.rows, checkpoint_id))
        return resuming.resume(known, specialist_id=wanted)(work)

    done = await access.write(command)
    found = Recovery(
        checkpoint_id=done.checkpoint_id,
        specialist_id=done.specialist_id,
        sorties=list(done.sorties),
        locks=list(done.locks),
        requeued=list(done.messages),
        blockers=list(done.blockers),
        context=done.recovery.to_document(),
        prompt=done.recovery.to_prompt(),
    )
    return access.answer({"recovery": found})
