"""The older forms of what the older endpoints take and give, and their way of saying no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request

from reconciler.errors import FleetError
from reconciler.events.document import iso_utc
from reconciler.events.envelope import NewEvent
from reconciler.legacy.contents import content_of, told_by_metadata
from reconciler.legacy.old_form import OldView, message_fields, remains
from reconciler.legacy.records import Record, compact, iso
from reconciler.projections.rows import Row
from reconciler.projections.store import Store


class Said(FleetError):
    """A refusal in the older words."""

    code = "refused"

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.http_status = status  # type: ignore[misc]


async def body_of(request: Request) -> Record:
    """The body; what is no JSON object is an empty one, in which everything is missing."""
    try:
        found = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def message_event(
    given: Mapping[str, Any], stream_id: str, message_id: str, now_ms: int, causes: Mapping[str, UUID]
) -> NewEvent:
    """A message from an event in the older form; what has no place in it is kept beside it.

    Args:
        causes: the event of each message that is known, by the message's id.
    """
    metadata, cause = given.get("metadata"), given.get("causation_id")
    raw: Record = {
        "id": message_id,
        "type": given["type"],
        "stream_id": stream_id,
        "data": compact(given.get("data")),
        "occurred_at": iso(now_ms),
        "causation_id": cause,
        "metadata": compact(metadata) if metadata is not None else None,
    }
    content, _ = content_of(raw)
    data: Record = {
        "message_id": message_id,
        "mailbox_id": stream_id,
        "message_type": given["type"],
        "content": content,
        **told_by_metadata(raw["metadata"]),
    }
    known = causes.get(cause) if isinstance(cause, str) else None
    legacy = remains(raw, message_fields(data, now_ms, cause if known is not None else None))
    if legacy is not None:
        data["legacy"] = legacy
    return NewEvent("squawk_sent", "squawk", stream_id, data, causation_id=known, occurred_at=now_ms)


def mailbox_form(store: Store, stream_id: str) -> Record:
    """A mailbox with its events."""
    events = list(store.stream("squawk", stream_id))
    view = OldView()
    inside = {event.event_id for event in events}
    for cause in {event.causation_id for event in events} - inside - {None}:
        sent = store.event(cause) if cause is not None else None
        if sent is not None and sent.event_type == "squawk_sent":
            view.messages[sent.event_id.hex] = sent.data["message_id"]
    records = view.add(events).records
    mailbox = next(iter(records.mailboxes.values()), None)
    told = mailbox if isinstance(mailbox, dict) else {}
    lists = [record for found in records.events.values() for record in found]
    return {
        "id": told.get("id", stream_id),
        "created_at": told.get("created_at"),
        "updated_at": told.get("updated_at"),
        "events": [_message_form(record, stream_id) for record in lists if isinstance(record, dict)],
    }


def _message_form(record: Record, mailbox_id: str) -> Record:
    metadata = record.get("metadata")
    return {
        "id": record.get("id"),
        "mailbox_id": mailbox_id,
        "type": record.get("type"),
        "stream_id": record.get("stream_id", mailbox_id),
        "data": _text(record.get("data")),
        "occurred_at": record.get("occurred_at"),
        "causation_id": record.get("causation_id"),
        "metadata": None if metadata is None else _text(metadata),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else compact(value)


def lock_form(row: Row) -> Record:
    """A reservation."""
    released = row["released_at"]
    return {
        "id": row["id"],
        "file": row["file_path"],
        "reserved_by": row["reserved_by"],
        "reserved_at": iso_utc(row["reserved_at"]),
        "released_at": iso_utc(released) if released is not None else None,
        "purpose": row["purpose"],
        "checksum": row["checksum"],
        "timeout_ms": row["timeout_ms"],
        "metadata": None,
    }


_WORD = {"type": "string", "minLength": 1}
ERROR: Record = {
    "application/json": {
        "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    }
}


def _body(required: list[str], **properties: Any) -> Record:
    schema = {"type": "object", "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_EVENT = {
    "type": "object",
    "required": ["type", "data"],
    "properties": {"type": _WORD, "data": {}, "causation_id": {"type": ["string", "null"]}, "metadata": {}},
}
BODIES: dict[str, Record] = {
    "append": _body(["stream_id", "events"], stream_id=_WORD, events={"type": "array", "items": _EVENT}),
    "advance": _body(["stream_id", "position"], stream_id=_WORD, position={"type": "integer", "minimum": 0}),
    "acquire": _body(
        ["file", "specialist_id"],
        file=_WORD,
        specialist_id=_WORD,
        timeout_ms={"type": "integer", "minimum": 1, "default": 30_000},
    ),
    "release": _body(["lock_id", "specialist_id"], lock_id=_WORD, specialist_id=_WORD),
}
