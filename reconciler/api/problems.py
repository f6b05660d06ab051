"""Errors as answers: problem documents (RFC 9457), and the older `{"error": …}` where that was promised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from reconciler.api.refusals import TooMany
from reconciler.errors import FleetError, SpecInvalid
from reconciler.events.registry import EventInvalid
from reconciler.work.refusals import LockConflict

_encode = msgspec.json.Encoder().encode
OLDER = ("/api/v1/mailbox/", "/api/v1/cursor/", "/api/v1/lock/", "/api/v1/locks", "/api/v1/coordinator/", "/health")


def is_older(path: str) -> bool:
    """Whether errors of this path keep the older shape."""
    return path.startswith(OLDER)


def problem(status: int, code: str, detail: str, *, request_id: str = "", **more: Any) -> dict[str, Any]:
    """A problem document; what is empty is left out."""
    document: dict[str, Any] = {
        "type": f"urn:fleet:problem:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": words(detail),
        "code": code,
        "request_id": request_id,
        **more,
    }
    return {name: value for name, value in document.items() if value not in ("", None)}


def problem_of(error: FleetError, *, request_id: str = "") -> dict[str, Any]:
    """The problem document of an error, with what it carries beside the sentence."""
    return problem(
        error.http_status,
        error.code,
        error.what,
        request_id=request_id,
        hint=error.hint,
        where=error.where,
        **_more(error),
    )


def _more(error: FleetError) -> Mapping[str, Any]:
    if isinstance(error, LockConflict):
        return {"lock_id": error.lock_id, "holder": error.holder, "expires_at": error.expires_at}
    if isinstance(error, SpecInvalid):
        return {"problems": [msgspec.to_builtins(one) for one in error.problems]}
    if isinstance(error, EventInvalid):
        return {"problems": list(error.problems)}
    return {}


def words(text: str) -> str:
    """Text that can be sent, whatever somebody had in a name that it repeats."""
    return text.encode(errors="replace").decode()


def answer_error(error: FleetError, path: str, *, request_id: str = "") -> Response:
    """The answer to a request that was refused."""
    headers: dict[str, str] = {}
    if isinstance(error, TooMany):
        headers["retry-after"] = str(error.retry_after_s)
    if error.http_status == 401:
        headers["www-authenticate"] = 'Bearer realm="fleet"'
    if is_older(path):
        # What cannot be read was always a 400 there.
        status = 400 if error.http_status == 422 else error.http_status
        return Response(_encode({"error": words(error.what)}), status, headers, "application/json")
    document = problem_of(error, request_id=request_id)
    return Response(_encode(document), error.http_status, headers, "application/problem+json")
