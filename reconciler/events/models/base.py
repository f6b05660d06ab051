"""What every event model shares, and the small types that their fields are made of.

Strict where a mistake would be kept for ever (no unknown fields, no `"5"` for 5, no 1 for true), lenient where JSON and
Python merely spell the same value differently (a tuple for a list, a datetime for its ISO text).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

T = TypeVar("T")


class EventModel(BaseModel):
    """Base of all events and of the parts inside them. Its schema is built at first use, not at import."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, allow_inf_nan=False)


def _iso(value: Any) -> Any:
    """ISO 8601 UTC with milliseconds from a datetime, Unix ms or ISO text; anything else is left for the type to refuse."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, UTC)
    elif isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _unix_ms(value: Any) -> Any:
    """Unix milliseconds from a datetime or ISO text; integers pass."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    return value


Text = Annotated[str, Field(min_length=1)]
ListOf = Annotated[list[T], Field(strict=False)]
Document = dict[str, Any]
Count = Annotated[int, Field(ge=0)]
Replica = Annotated[int, Field(ge=1)]
Timestamp = Annotated[
    str,
    BeforeValidator(_iso),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "ISO 8601 UTC with milliseconds"}),
]
UnixMs = Annotated[int, BeforeValidator(_unix_ms), Field(ge=0, description="Unix milliseconds")]
DurationMs = Annotated[int, Field(ge=0, description="milliseconds")]
PositiveMs = Annotated[int, Field(gt=0, description="milliseconds")]
Legacy = Annotated[
    Document | None, Field(description="what an older store said of it, where that has no place in the other fields")
]
