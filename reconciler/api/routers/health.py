"""How the server is: alive, ready, and in numbers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from reconciler import __version__
from reconciler.api.access import Reading
from reconciler.api.counting import TEXT, render
from reconciler.api.documented import answers
from reconciler.api.service import Service, now_ms
from reconciler.errors import FleetError
from reconciler.events.document import iso_utc

router = APIRouter(tags=["health"])


@router.get("/health")
async def health(request: Request) -> Response:
    """How the server and its log are; needs no token, and says nothing about what runs."""
    service: Service = request.scope["fleet.service"]
    database: dict[str, Any] = {"connected": True, "writable": not service.store.read_only}
    try:
        database["events"] = service.store.head()
    except FleetError as error:
        database |= {"connected": False, "error": error.what}
    healthy = database["connected"] and database["writable"]
    document = {
        "status": "healthy" if healthy else "unhealthy",
        "version": __version__,
        "timestamp": iso_utc(now_ms()),
        "database": database,
    }
    return JSONResponse(document, 200 if healthy else 503)


@router.get("/health/live")
async def live() -> Response:
    """That the process runs and answers."""
    return JSONResponse({"status": "alive"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Whether it takes requests: the log is open and can be written, and the server does not end."""
    service: Service = request.scope["fleet.service"]
    able = service.ready and not service.store.read_only
    return JSONResponse({"status": "ready" if able else "not ready"}, 200 if able else 503)


@router.get("/metrics", response_class=PlainTextResponse, responses=answers(nothing=True))
async def metrics(access: Reading) -> Response:
    """Everything that is counted, in the text form of Prometheus."""
    service = access.service
    found = service.metrics
    found.queue.set(service.writer.queued)
    found.followers.set(service.following.followers)
    await service.in_thread(lambda: found.look(service.store, now_ms()))
    return Response(render(found.all()), media_type=TEXT)
