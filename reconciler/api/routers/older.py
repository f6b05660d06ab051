"""The older endpoints, exactly as they were: mailboxes, cursors, locks, the coordinator's state.

What they write are the same events as everybody's, by the same commands; what the older form says beyond them is kept beside
the event, so that it comes back as it went in. Errors are `{"error": …}`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from reconciler.api.access import Access, Reading, Working
from reconciler.api.older_forms import BODIES, ERROR, Said, body_of, lock_form, mailbox_form, message_event
from reconciler.api.service import now_ms
from reconciler.control.desk import locks, messages
from reconciler.control.desk.desk import Work
from reconciler.events.document import iso_utc
from reconciler.events.envelope import NewEvent
from reconciler.legacy.old_form import DEFAULT_CONSUMER
from reconciler.projections.rows import Row, Rows
from reconciler.projections.store import EventQuery
from reconciler.work.refusals import AlreadyEnded, LockConflict

router = APIRouter(prefix="/api/v1", tags=["older"])


def _said(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": "Refused.", "content": ERROR} for status in (*statuses, 401, 403, 413, 415, 421, 429)
    }


@router.post("/mailbox/append", openapi_extra=BODIES["append"], responses=_said(400))
async def append_to_mailbox(request: Request, access: Working) -> Response:
    """Put events into a mailbox, which is made if it is new."""
    body = await body_of(request)
    stream_id, events = body.get("stream_id"), body.get("events")
    if not isinstance(stream_id, str) or not stream_id or not isinstance(events, list):
        raise Said(400, "stream_id and events array are required")
    if not all(isinstance(one, dict) and isinstance(one.get("type"), str) and one["type"] for one in events):
        raise Said(400, "every event needs a type")
    causes = await access.service.in_thread(partial(_causes, access, events))

    def command(work: Work) -> None:
        if not events and work.rows.get("mailboxes", stream_id) is None:
            work.record([NewEvent("mailbox_created", "squawk", stream_id, {"mailbox_id": stream_id})])
        for one in events:
            event = message_event(one, stream_id, work.new_id("msg"), work.now_ms, causes)
            access.caller.acts_as(event.data.get("sender_id", access.caller.specialist))
            work.recorded.append(event)

    await access.write(command)
    return access.answer({"mailbox": await _mailbox(access, stream_id), "inserted": len(events)})


def _causes(access: Access, events: list[dict[str, Any]]) -> dict[str, UUID]:
    """The event of each message that is named as a cause."""
    store = access.service.store
    found: dict[str, UUID] = {}
    for name in {str(one["causation_id"]) for one in events if one.get("causation_id")}:
        row = store.rows().get("messages", name)
        sent = next(store.events(EventQuery(after=row["sequence"] - 1, limit=1)), None) if row is not None else None
        if sent is not None:
            found[name] = sent.event_id
    return found


async def _mailbox(access: Access, stream_id: str) -> dict[str, Any]:
    if access.rows().get("mailboxes", stream_id) is None:
        raise Said(404, "Mailbox not found")
    return await access.service.in_thread(partial(mailbox_form, access.service.store, stream_id))


@router.get("/mailbox/{stream_id:path}", responses=_said(404))
async def get_mailbox(stream_id: str, access: Reading) -> Response:
    """A mailbox with its events in order."""
    return access.answer({"mailbox": await _mailbox(access, stream_id)})


@router.post("/cursor/advance", openapi_extra=BODIES["advance"], responses=_said(400, 404))
async def advance_cursor(request: Request, access: Working) -> Response:
    """Say how far a mailbox was read."""
    body = await body_of(request)
    stream_id, position = body.get("stream_id"), _number(body.get("position"))
    if not isinstance(stream_id, str) or not stream_id or position is None:
        raise Said(400, "stream_id and position are required")
    if access.rows().get("mailboxes", stream_id) is None:
        raise Said(404, "Mailbox not found")
    row = await access.write(messages.advance(stream_id, position, consumer_id=DEFAULT_CONSUMER))
    return access.answer({"cursor": _cursor(row)})


@router.get("/cursor/{cursor_id:path}", responses=_said(404))
async def get_cursor(cursor_id: str, access: Reading) -> Response:
    """One cursor."""
    row = access.rows().get("cursors", cursor_id)
    if row is None:
        raise Said(404, "Cursor not found")
    return access.answer({"cursor": _cursor(row)})


def _cursor(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "stream_id": row["stream_id"],
        "position": row["position"],
        "updated_at": iso_utc(row["updated_at"]),
    }


@router.post("/lock/acquire", openapi_extra=BODIES["acquire"], responses=_said(400, 409))
async def acquire_lock(request: Request, access: Working) -> Response:
    """Reserve a file."""
    body = await body_of(request)
    file, specialist_id = body.get("file"), body.get("specialist_id")
    if not isinstance(file, str) or not file or not isinstance(specialist_id, str) or not specialist_id:
        raise Said(400, "file and specialist_id are required")
    timeout_ms = _number(body.get("timeout_ms", 30_000))
    if not timeout_ms:
        raise Said(400, "timeout_ms is a positive number of milliseconds")
    access.caller.acts_as(specialist_id)
    command = locks.reserve([file], specialist_id, timeout_ms=timeout_ms, root=str(access.service.project.directory))
    try:
        (lock,) = await access.write(command)
    except LockConflict as conflict:
        held = {"id": conflict.lock_id, "reserved_by": conflict.holder, "expires_at": iso_utc(conflict.expires_at)}
        return access.answer({"error": "File already locked", "lock": held}, 409)
    return _lock(access, lock.id)


@router.post("/lock/release", openapi_extra=BODIES["release"], responses=_said(400, 404))
async def release_lock(request: Request, access: Working) -> Response:
    """Give a reservation back; one that has ended stays as it is."""
    body = await body_of(request)
    lock_id, specialist_id = body.get("lock_id"), body.get("specialist_id")
    if not isinstance(lock_id, str) or not lock_id:
        raise Said(400, "lock_id is required")
    known = access.rows().get("locks", lock_id)
    if known is None:
        raise Said(404, "Lock not found")
    if known["reserved_by"] != specialist_id:
        raise Said(403, "Cannot release lock: wrong specialist")
    access.caller.acts_as(specialist_id)
    with contextlib.suppress(AlreadyEnded):
        await access.write(locks.release(lock_id, specialist_id))
    return _lock(access, lock_id)


def _lock(access: Access, lock_id: str) -> Response:
    row = access.rows().get("locks", lock_id)
    assert row is not None  # locks are never forgotten
    return access.answer({"lock": lock_form(row)})


@router.get("/locks", responses=_said())
async def list_locks(access: Reading) -> Response:
    """The files that are reserved."""
    held = await access.read(_held)
    return access.answer({"locks": [lock_form(lock) for lock in held]})


@router.get("/coordinator/status", responses=_said())
async def coordinator_status(access: Reading) -> Response:
    """How many mailboxes and reservations there are."""

    def look(rows: Rows) -> tuple[int, int]:
        return sum(1 for _ in rows.scan("mailboxes")), len(_held(rows))

    mailboxes, held = await access.read(look)
    return access.answer({"active_mailboxes": mailboxes, "active_locks": held, "timestamp": iso_utc(now_ms())})


def _held(rows: Rows) -> list[Row]:
    now = now_ms()
    return [row for _, row in rows.scan("locks") if row["status"] == "active" and row["expires_at"] > now]


def _number(value: Any) -> int | None:
    """A whole number of 0 or more; None for everything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        return None
    return value
