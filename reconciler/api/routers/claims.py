"""Claims: a specialist asks for something to do, and may wait for it without asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Access, Working
from reconciler.api.documented import answers
from reconciler.api.following import Following, Frame
from reconciler.api.requests import ClaimSortie
from reconciler.client.documents import Claim
from reconciler.control.desk import claiming
from reconciler.control.desk.briefing import brief
from reconciler.control.desk.desk import Command, Work
from reconciler.control.worker.office import HURRYING
from reconciler.events.document import iso_utc
from reconciler.projections.store import EventQuery

router = APIRouter(prefix="/api/v1/sorties", tags=["sorties"])

_NEWS = EventQuery(types=HURRYING)
# What time alone makes possible (the end of a back-off) is no event, so it is asked again without one.
_ASK_AGAIN_S = 1.0


@router.post("/claim", responses=answers(claim=Claim | None, refused=(404, 409)))
async def claim_sortie(access: Working, body: ClaimSortie) -> Response:
    """The next thing to do, begun; `claim` is null when there is nothing within `wait_ms`."""
    access.caller.acts_as(body.specialist_id)
    command = _claim(body.specialist_id, body.lease_ms)
    found = await access.write(command)
    if found is None and body.wait_ms:
        async with access.service.following as following:
            found = await _waited(access, command, following, body.wait_ms / 1000)
    return access.answer({"claim": found})


def _claim(specialist_id: str, lease_ms: int) -> Command[Claim | None]:
    ask = claiming.claim(specialist_id, lease_ms=lease_ms)

    def command(work: Work) -> Claim | None:
        given = ask(work)
        if given is None:
            return None
        return Claim(
            kind=given.kind,
            sortie=shown.sortie(work.rows.get("sorties", given.sortie.id) or {}),
            attempt=given.attempt,
            lease_expires_at=iso_utc(given.lease_expires_at) if given.lease_expires_at else None,
            review_id=given.review_id,
            brief=msgspec.to_builtins(brief(work.rows, given, specialist_id)),
        )

    return command


async def _waited(access: Access, command: Command[Claim | None], following: Following, seconds: float) -> Claim | None:
    """Ask again after each event that may bring something to do, until the time is over or the server ends."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    position = following.head
    found: Claim | None = await access.write(command)
    asked = loop.time()
    while found is None and (left := end - loop.time()) > 0 and not access.service.ending.is_set():
        news: Sequence[Frame] = ()
        if await following.wait(position, min(left, _ASK_AGAIN_S)):
            news, position = await following.after(position, _NEWS)
        if news or loop.time() - asked >= _ASK_AGAIN_S:
            found = await access.write(command)
            asked = loop.time()
    return found
