"""What an old event says: its data, which was meant to be JSON text, and what its metadata tells of a message."""

from __future__ import annotations

import json
from typing import Any

from reconciler.legacy.records import Record, meaning, parsed, storable

_PRIORITIES = ("low", "high", "urgent")


def content_of(raw: Record) -> tuple[Record, str]:
    """The content of the message that an event becomes, and what is odd about it."""
    data = raw.get("data")
    if data is None:
        return {}, "there is no data"
    if isinstance(data, str):
        try:
            value = parsed(data)
        except (ValueError, RecursionError):
            text = data if storable(data) else json.dumps(data)
            return {"text": text}, "this is not JSON; it is carried over as text"
    else:
        value = data
    if not storable(value):
        return {"text": json.dumps(data)}, "this holds what the log cannot; it is carried over as escaped text"
    if not isinstance(value, dict):
        return {"value": value}, "this is no object; it is carried over under `value`"
    return value, ""


def told_by_metadata(metadata: Any) -> Record:
    """Sender, thread and priority, where the metadata tells them."""
    told = meaning(metadata)
    if not isinstance(told, dict):
        return {}
    found = {
        key: told[key]
        for key in ("sender_id", "thread_id")
        if isinstance(told.get(key), str) and told[key] and storable(told[key])
    }
    if told.get("priority") in _PRIORITIES:
        found["priority"] = told["priority"]
    return found
