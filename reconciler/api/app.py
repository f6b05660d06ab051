"""The application: one FastAPI over one project's service, with the guard around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from reconciler import __version__
from reconciler.api.guard import Guard
from reconciler.api.problems import answer_error
from reconciler.api.refusals import InputUnclear, PathUnknown
from reconciler.api.routers import (
    checkpoints,
    claims,
    events,
    fleet,
    health,
    log,
    messages,
    missions,
    older,
    reviews,
    revisions,
    sorties,
    specialists,
)
from reconciler.api.service import Service
from reconciler.api.settings import ServeSettings
from reconciler.control.project import Project
from reconciler.errors import FleetError
from reconciler.runtime.model import ContainerRuntime

_DEFAULTS = ServeSettings()
ROUTERS = (
    health.router,
    older.router,
    events.router,
    specialists.router,
    claims.router,
    sorties.router,
    missions.router,
    reviews.router,
    messages.router,
    checkpoints.router,
    fleet.router,
    revisions.router,
    log.router,
)


def create_app(
    project: Project,
    settings: ServeSettings = _DEFAULTS,
    *,
    runtime: ContainerRuntime | None = None,
    environ: Mapping[str, str] | None = None,
) -> FastAPI:
    """The application of one project. Nothing is opened before it starts.

    Args:
        runtime: instead of the Podman that the environment names.
        environ: instead of this process's own environment.
    """
    service = Service(project, settings, runtime=runtime, environ=environ)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.open()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title="Fleet",
        version=__version__,
        summary="A declarative reconciler for containers, agents and their work.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(FleetError, _refused)
    app.add_exception_handler(RequestValidationError, _unclear)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_middleware(Guard, service=service)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, FleetError)
    return answer_error(error, request.url.path, request_id=request.scope.get("fleet.request_id", ""))


async def _unclear(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return await _refused(request, InputUnclear("; ".join(problems) or "the request cannot be read"))


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # The only one that FastAPI raises itself: bytes that are no text, say.
        return await _refused(request, InputUnclear("the body cannot be read as JSON"))
    what = f"{request.method} {request.url.path[:200]}: {error.detail}"
    response = await _refused(request, PathUnknown(error.status_code, what))
    response.headers.update(error.headers or {})
    return response
