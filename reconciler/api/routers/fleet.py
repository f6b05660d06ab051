"""The fleet itself: its services, what an apply would do and does, what drifted, what held before, what is left alone.

What takes long runs beside the event loop, in a session of its own, in the caller's name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Access, Applying, Reading
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging
from reconciler.api.requests import Apply, Resume, Rollback, Suspend
from reconciler.client.documents import ServiceState
from reconciler.client.fleet_documents import Applied, Drift, Status, Story, Suspension
from reconciler.control.cycle import Confirm, Confirmation, converge, within_policy
from reconciler.control.documents import (
    applied_document,
    drift_document,
    status_document,
    story_document,
    suspension_document,
)
from reconciler.control.drift import drift
from reconciler.control.look import Look, look
from reconciler.control.past import plan_at
from reconciler.control.rollback import must_be_possible, reverting
from reconciler.control.session import Session
from reconciler.control.survey import survey, survey_at
from reconciler.control.suspending import resume, suspend
from reconciler.errors import Conflict, FleetError
from reconciler.events.envelope import NewEvent
from reconciler.events.moment import Moment, parse_moment
from reconciler.ops.why import why
from reconciler.plan.model import PlanOptions
from reconciler.plan.render import document

router = APIRouter(prefix="/api/v1", tags=["fleet"])
T = TypeVar("T")

Names = Annotated[list[Annotated[str, Query(min_length=1, max_length=200)]], Query(max_length=200)]


@router.get("/status", responses=answers(whole=Status, refused=(404,)))
async def get_status(access: Reading, at: At = None) -> Response:
    """Every replica three times: as it is wanted, as the log has it, as it is; or how it was."""

    def ask(session: Session) -> dict[str, Any]:
        found = survey_at(session, _moment(at)) if at else survey(session)
        return status_document(found, session, shown.now_ms())

    return access.answer(await _in_session(access, ask))


@router.get("/services", responses=answers(services=list[ServiceState], refused=(404,)))
async def list_services(access: Reading, paging: Paging, at: At = None) -> Response:
    """Services as the log has them."""
    return access.answer(await access.read(lambda rows: shown.services(rows, paging), at=at))


@router.get("/services/{name}", responses=answers(service=ServiceState, refused=(404,), versioned=True))
async def get_service(access: Reading, name: Key, at: At = None) -> Response:
    """One service as the log has it."""
    found = await access.read(lambda rows: shown.service(rows, name), at=at)
    return access.answer({"service": found}, version=found.version)


@router.get("/plan", responses=answers(whole=dict[str, Any], refused=(404, 409)))
async def get_plan(
    access: Reading,
    target: Names = [],  # noqa: B006 - read and never changed
    exclude: Names = [],  # noqa: B006
    tag: Names = [],  # noqa: B006
    skip_tag: Names = [],  # noqa: B006
    at: At = None,
) -> Response:
    """What an apply would do, and why, by the schema plan.v1.json; nothing is touched."""
    options = PlanOptions(targets=tuple(target), exclude=tuple(exclude), tags=tuple(tag), skip_tags=tuple(skip_tag))

    def ask(session: Session) -> dict[str, Any]:
        began = time.perf_counter()
        plan = plan_at(session, _moment(at), options) if at else look(session, options).plan
        access.service.metrics.plan_seconds.observe(time.perf_counter() - began)
        return document(plan)

    return access.answer(await _in_session(access, ask))


@router.post("/apply", responses=answers(whole=Applied, refused=(404, 409, 504)))
async def apply(access: Applying, body: Apply) -> Response:
    """Make the fleet what its file says, and answer when that is done. With nothing to do, nothing is recorded."""
    options = PlanOptions(
        targets=tuple(body.targets),
        exclude=tuple(body.exclude),
        tags=tuple(body.tags),
        skip_tags=tuple(body.skip_tags),
    )
    interrupt = access.service.interrupting

    def do(session: Session) -> dict[str, Any]:
        seen = look(session, options)
        return _converged(
            session,
            seen,
            options,
            body,
            _yes(access) if body.confirm else within_policy,
            interrupt,
            override_freeze=body.override_freeze,
        )

    return access.answer(await _in_session(access, do))


@router.post("/rollback", responses=answers(whole=Applied, refused=(404, 409, 504)))
async def rollback(access: Applying, body: Rollback) -> Response:
    """Go back to an earlier revision and stay there until the file changes; the request is the yes to its plan."""
    interrupt = access.service.interrupting

    def do(session: Session) -> dict[str, Any]:
        event = reverting(session, body.revision, why=body.why.strip())
        seen = look(session, requests=[event])
        must_be_possible(seen)
        return _converged(session, seen, PlanOptions(), body, _yes(access), interrupt, purpose="rollback")

    return access.answer(await _in_session(access, do))


@router.get("/drift", responses=answers(whole=Drift, refused=(404,)))
async def get_drift(access: Reading) -> Response:
    """What the world changed against the log."""
    return access.answer(await _in_session(access, lambda session: drift_document(drift(session))))


@router.get("/why/{resource:path}", responses=answers(stories=list[Story], paged=False, refused=(404,)))
async def get_why(
    access: Reading,
    resource: Annotated[str, Path(description="`service/web`, `service/web/2` or a bare name.", max_length=300)],
) -> Response:
    """Why a resource is as it is: one story a replica, from its last change back to what began it."""
    stories = await access.service.in_thread(lambda: why(access.service.store, resource))
    return access.answer({"stories": [story_document(one) for one in stories]})


@router.get("/suspensions", responses=answers(suspensions=list[Suspension], refused=(404,)))
async def list_suspensions(access: Reading, paging: Paging, at: At = None) -> Response:
    """What is left alone."""
    return access.answer(await access.read(lambda rows: shown.suspensions(rows, paging, past=at is not None), at=at))


@router.post("/suspend", status_code=201, responses=answers(suspension=Suspension, status=201, refused=(404, 409)))
async def suspend_resource(access: Applying, body: Suspend) -> Response:
    """Leave a resource, or the whole fleet, alone."""

    def do(session: Session) -> NewEvent:
        return suspend(session, body.resource, why=body.why, for_ms=body.for_ms)

    return await _told(access, do, 201)


@router.post("/resume", responses=answers(suspension=Suspension, refused=(404, 409)))
async def resume_resource(access: Applying, body: Resume) -> Response:
    """End a suspension."""
    return await _told(access, lambda session: resume(session, body.resource, why=body.why))


async def _told(access: Access, do: Callable[[Session], NewEvent], status: int = 200) -> Response:
    event = await _in_session(access, do)
    told = suspension_document(event, access.caller.actor)
    del told["event"]
    return access.answer({"suspension": told}, status)


def _converged(
    session: Session,
    seen: Look,
    options: PlanOptions,
    body: Apply | Rollback,
    confirm: Confirm,
    interrupt: threading.Event,
    **how: Any,
) -> dict[str, Any]:
    from reconciler.apply.model import ApplyOptions

    plan = document(seen.plan)
    if seen.settled:
        return {"status": "unchanged", "plan": plan}
    done = converge(
        session,
        options=options,
        how=ApplyOptions(wait=body.wait, timeout_ms=body.timeout_ms, targets=options.targets, interrupt=interrupt),
        confirm=confirm,
        requests=seen.requests,
        wait_lease_ms=body.wait_lease_ms,
        seen=seen,
        **how,
    )
    if done.result is None:
        return {"status": "recorded", "plan": plan}
    return {**applied_document(done.result), "plan": plan}


def _yes(access: Access) -> Confirm:
    return lambda _: Confirmation(access.caller.actor, "flag")


async def _in_session(access: Access, ask: Callable[[Session], T]) -> T:
    """Ask beside the event loop, in a session of its own that records in the caller's name.

    Raises:
        Conflict: what cannot be done as things are, and has no kind of its own.
    """

    def run() -> T:
        with access.service.session() as session:
            session.speaks_for(access.cause)
            try:
                return ask(session)
            except FleetError as error:
                if error.http_status == FleetError.http_status:
                    raise Conflict(error.what, where=error.where, hint=error.hint) from None
                raise

    return await access.service.in_thread(run, long=True)


def _moment(at: str) -> Moment:
    return parse_moment(at, now_ms=shown.now_ms())
