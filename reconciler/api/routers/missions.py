"""Missions: made or run from the file, ended, run again; and goals that are divided into sorties."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from reconciler.api import shown
from reconciler.api.access import Access, Reading, Working
from reconciler.api.documented import At, Key, answers
from reconciler.api.paging import Paging, Row
from reconciler.api.requests import (
    CancelMission,
    ChangeMission,
    CompleteMission,
    CreateMission,
    Decompose,
    Nothing,
    RunMission,
)
from reconciler.api.routers import sorties
from reconciler.api.things import Things, equal
from reconciler.client.documents import Decomposition, Mission, MissionStatus, Priority, Sortie
from reconciler.control.decomposing import propose
from reconciler.control.desk import missions
from reconciler.control.desk.reading import mission as known_mission
from reconciler.control.work_door import declared
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows
from reconciler.spec.desired import MissionSpec
from reconciler.work.decompose import decompose

router = APIRouter(prefix="/api/v1/missions", tags=["missions"])

THINGS = Things(
    "missions",
    "mission",
    "missions",
    shown.mission,
    ("created_at", "title", "status", "started_at", "completed_at"),
)
_STEP = answers(mission=Mission, refused=(404, 409), versioned=True)


@router.post("", status_code=201, responses=answers(mission=Mission, status=201, refused=(409,)))
async def create_mission(access: Working, body: CreateMission) -> Response:
    """A new mission that the file does not declare; its sorties are added one by one."""
    command = missions.create(
        title=body.title, description=body.description, priority=body.priority, metadata=body.metadata or None
    )
    return await THINGS.written(access, command, 201)


@router.post("/run", status_code=201, responses=answers(mission=Mission, status=201, refused=(404, 409)))
async def run_mission(access: Working, body: RunMission) -> Response:
    """Run a mission of the file (again), with the definition that it has now."""
    spec = await _declared(access, body.name)
    return await THINGS.written(access, missions.run(spec), 201)


@router.post("/decompose", responses=answers(decomposition=Decomposition))
async def decompose_goal(access: Working, body: Decompose) -> Response:
    """Propose sorties for a goal; nothing is recorded."""
    folder = access.service.project.directory
    files = body.files
    found = await access.service.in_thread(
        lambda: (
            propose(folder, body.goal, body.strategy)
            if files is None
            else decompose(body.goal, files, strategy=body.strategy)
        ),
        long=True,
    )
    return access.answer({"decomposition": shown.decomposition(found)})


@router.get("", responses=answers(missions=list[Mission], refused=(404,)))
async def list_missions(
    access: Reading,
    paging: Paging,
    at: At = None,
    status: Annotated[MissionStatus | None, Query()] = None,
    priority: Annotated[Priority | None, Query()] = None,
    archived: Annotated[bool, Query(description="Those that were put away, too.")] = False,
) -> Response:
    """Missions, a page at a time."""

    def wanted(row: Row) -> bool:
        return (archived or not row.get("archived_at")) and equal(row, status=status, priority=priority)

    return await THINGS.page(access, paging, at, wanted)


@router.get("/{mission_id}", responses=answers(mission=Mission, refused=(404,), versioned=True))
async def get_mission(access: Reading, mission_id: Key, at: At = None) -> Response:
    """One mission."""
    return await THINGS.show_at(access, mission_id, at)


@router.get("/{mission_id}/sorties", responses=answers(sorties=list[Sortie], refused=(404,)))
async def list_sorties_of(access: Reading, mission_id: Key, paging: Paging, at: At = None) -> Response:
    """The sorties of a mission, a page at a time."""

    def look(rows: Rows) -> Response:
        THINGS.row(rows, mission_id)
        page = sorties.THINGS.paged(rows, paging, lambda row: row["mission_id"] == mission_id)
        return access.answer(page.document("sorties", shown.sortie))

    return await access.read(look, at=at)


@router.patch("/{mission_id}", responses=answers(mission=Mission, refused=(404, 409), versioned=True, changes=True))
async def change_mission(access: Working, mission_id: Key, body: ChangeMission) -> Response:
    """Change its wording, priority or metadata."""
    command = missions.update(mission_id, body.model_dump(exclude_unset=True))
    return await THINGS.written(access, command, key=mission_id)


@router.delete("/{mission_id}", responses=answers(mission=Mission, refused=(404, 409), versioned=True, changes=True))
async def archive_mission(access: Working, mission_id: Key) -> Response:
    """Put a mission away that has no open sorties."""
    return await THINGS.written(access, missions.archive(mission_id, by=access.caller.actor), key=mission_id)


@router.post("/{mission_id}/start", responses=_STEP)
async def start_mission(access: Working, mission_id: Key, body: Nothing) -> Response:
    """Begin a mission; one of the file begins with the definition that the file has now."""
    mission = known_mission(access.rows(), mission_id)
    spec = await _declared(access, mission.name) if mission.declared else None
    return await THINGS.written(access, missions.start(mission_id, definition=spec))


@router.post("/{mission_id}/complete", responses=_STEP)
async def complete_mission(access: Working, mission_id: Key, body: CompleteMission) -> Response:
    """End a mission with success, by hand."""
    return await THINGS.written(access, missions.complete(mission_id, summary=body.summary))


@router.post("/{mission_id}/cancel", responses=_STEP)
async def cancel_mission(access: Working, mission_id: Key, body: CancelMission) -> Response:
    """End a mission that is not wanted any more, and everything that is open in it."""
    return await THINGS.written(access, missions.cancel(mission_id, by=access.caller.actor, reason=body.reason))


@router.post("/{mission_id}/retry", responses=_STEP)
async def retry_mission(access: Working, mission_id: Key, body: Nothing) -> Response:
    """Go on with a failed mission from the sorties that failed."""
    return await THINGS.written(access, missions.retry(mission_id, by=access.caller.actor))


async def _declared(access: Access, name: str) -> MissionSpec:
    """What the file says of a mission now.

    Raises:
        NotFound: nothing; says what it has.
    """

    def look() -> MissionSpec:
        with access.service.session() as session:
            desired = declared(session)
        spec = desired.missions.get(name.removeprefix("mission/"))
        if spec is None:
            known = ", ".join(sorted(desired.missions)) or "none"
            raise NotFound(f"there is no mission {name} in the file", hint=f"known: {known}")
        return spec

    return await access.service.in_thread(look, long=True)
