"""An event as people and programs outside see it: prefixed ids, ISO times in UTC, absent fields left out.

One form for `fleet events --json`, the API and notifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from reconciler.errors import FleetError
from reconciler.events.envelope import Event
from reconciler.ids import bare

_EPOCH_YEAR_CHARACTERS = len("2026-11-24T12:00:00")


class IdUnclear(FleetError):
    """The words are no event id and no correlation id."""

    http_status = 422
    code = "id_unclear"


def event_name(event_id: UUID) -> str:
    """`evt_` and 32 hex digits."""
    return f"evt_{event_id.hex}"


def parse_id(text: str) -> UUID:
    """The id in any of its spellings: prefixed or not, with dashes or without.

    Raises:
        IdUnclear: when there is no id in it.
    """
    try:
        return bare(text.strip())
    except ValueError:
        raise IdUnclear(f"{text!r} is no id", hint="fleet events --json shows them") from None


def iso_utc(milliseconds: int) -> str:
    """ISO 8601 UTC with milliseconds, from Unix ms."""
    return f"{_to_the_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _to_the_second(seconds: int) -> str:
    """Events that stand together happened in the same second more often than not."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:_EPOCH_YEAR_CHARACTERS]


def event_document(event: Event) -> dict[str, Any]:
    """The envelope with its data, JSON-ready."""
    document: dict[str, Any] = {
        "sequence_number": event.sequence_number,
        "event_id": event_name(event.event_id),
        "event_type": event.event_type,
        "stream_type": event.stream_type,
        "stream_id": event.stream_id,
        "version": event.version,
        "data": event.data,
    }
    if event.causation_id is not None:
        document["causation_id"] = event_name(event.causation_id)
    document |= {
        "correlation_id": str(event.correlation_id),
        "metadata": event.metadata,
        "occurred_at": iso_utc(event.occurred_at),
        "recorded_at": iso_utc(event.recorded_at),
        "schema_version": event.schema_version,
        "hash": event.hash.hex(),
    }
    return document


def event_of(document: Mapping[str, Any]) -> Event:
    """The event that a document was made of."""
    causation = document.get("causation_id")
    return Event(
        sequence_number=document["sequence_number"],
        event_id=parse_id(document["event_id"]),
        event_type=document["event_type"],
        stream_type=document["stream_type"],
        stream_id=document["stream_id"],
        version=document["version"],
        data=document["data"],
        causation_id=parse_id(causation) if causation else None,
        correlation_id=UUID(document["correlation_id"]),
        metadata=document["metadata"],
        occurred_at=_unix_ms(document["occurred_at"]),
        recorded_at=_unix_ms(document["recorded_at"]),
        schema_version=document["schema_version"],
        hash=bytes.fromhex(document["hash"]),
    )


def _unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
