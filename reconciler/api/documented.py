"""What OpenAPI says of the newer endpoints: their answers and refusals, and parameters that many share.

Handlers answer with bytes of their own, so the form of an answer is said here, from the types that the client reads it as.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from fastapi import Path, Query
from pydantic import create_model

At = Annotated[
    str | None,
    Query(description="As it was then: a sequence number, a time, or `2 hours ago`.", min_length=1, max_length=100),
]
Key = Annotated[str, Path(description="Its id.", min_length=1, max_length=200)]

REFUSALS = {
    401: "No token, or one that nobody knows.",
    403: "The token does not reach so far, or it is somebody else's.",
    404: "There is none.",
    408: "The body did not arrive in time.",
    409: "The state of things does not allow it.",
    412: "It has changed since the version that `If-Match` names.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    421: "Meant for a host of another name.",
    422: "Something that was given cannot be taken.",
    429: "Too many requests, or a budget that is used up.",
    500: "A defect.",
    503: "What is needed for it cannot be reached.",
    504: "It took longer than was allowed.",
}
_ALWAYS = (401, 403, 421, 422, 429, 503)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "where": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "The version, for `If-Match` and `If-None-Match`."}}


def answers(
    *,
    status: int = 200,
    refused: Collection[int] = (),
    versioned: bool = False,
    changes: bool = False,
    whole: Any = None,
    nothing: bool = False,
    paged: bool = True,
    **inside: Any,
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint.

    Args:
        refused: statuses of its own refusals, beside those that every endpoint has.
        versioned: the answer carries an `ETag`.
        changes: `If-Match` may refuse it.
        whole: the type of the answer, where it is not an object with one thing in it.
        nothing: the answer is empty.
        paged: a list comes a page at a time.
        inside: name and type of the thing in the answer; a list comes a page at a time.
    """
    found: dict[int | str, dict[str, Any]] = {status: {"description": "Done."}}
    if not nothing:
        found[status]["model"] = whole if whole is not None else _holder(*next(iter(inside.items())), paged=paged)
    if versioned:
        found[status]["headers"] = _ETAG
        found[304] = {"description": "Nothing has changed."}
    also = (412,) if changes else ()
    for code in sorted({*_ALWAYS, *refused, *also}):
        found[code] = refusal(code)
    return found


def refusal(code: int) -> dict[str, Any]:
    """What is said of a status of refusals."""
    return {"description": REFUSALS[code], "content": {"application/problem+json": {"schema": _REFERENCE}}}


@cache
def _holder(name: str, kind: Any, *, paged: bool) -> Any:
    """An object with one thing in it, or a page of things."""
    fields: dict[str, Any] = {name: (kind, ...)}
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        if paged:
            fields |= {"total": (int, ...), "next": (str | None, None)}
        return create_model(f"{item.__name__}{'Page' if paged else 'List'}", **fields)
    label = getattr(kind, "__name__", "") or name.title()
    return create_model(f"{label}Answer", **fields)
