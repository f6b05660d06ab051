"""The application: one FastAPI over one project's service, with the guard around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from reconciler import __version__
from reconciler.api.direct import sentence
from reconciler.api.openapi import described
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
    app = FastAPI(
        title="Fleet",
        version=__version__,
        summary="A declarative reconciler for containers, agents and their work.",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_names(),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(FleetError, _refused)
    app.add_exception_handler(RequestValidationError, _unclear)
    app.add_exception_handler(HTTPException, _unknown)
    return app


def _names() -> Callable[[APIRoute], str]:
    """Names of operations: those of their functions, numbered where one answers under two paths."""
    known: dict[str, int] = {}

    def name(route: APIRoute) -> str:
        count = known[route.name] = known.get(route.name, 0) + 1
        return route.name if count == 1 else f"{route.name}_{count}"

    return name


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, FleetError)
    return answer_error(error, request.url.path, request_id=request.scope.get("fleet.request_id", ""))


async def _unclear(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _refused(request, InputUnclear(sentence(error.errors())))


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # The only one that FastAPI raises itself: bytes that are no text, say.
        return await _refused(request, InputUnclear("the body cannot be read as JSON"))
    what = f"{request.method} {request.url.path[:200]}: {error.detail}"
    response = await _refused(request, PathUnknown(error.status_code, what))
    response.headers.update(error.headers or {})
    return response
