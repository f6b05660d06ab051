"""Values of the old store and what they mean: times in several spellings, data as JSON text or as an object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]

SECTIONS = ("mailboxes", "events", "cursors", "locks")
_MOST_DEPTH = 100
_LATEST_MS = 253_402_300_799_999
_SMALLEST_MS = 100_000_000_000


@dataclass(slots=True)
class OldStore:
    """The content of a squawk.json.

    Attributes:
        extra: whatever else stands at the top of the file.
    """

    mailboxes: dict[str, Any] = field(default_factory=dict)
    events: dict[str, list[Any]] = field(default_factory=dict)
    cursors: dict[str, Any] = field(default_factory=dict)
    locks: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def document(self) -> Record:
        """The JSON form, sections in their old order."""
        sections = {"mailboxes": self.mailboxes, "events": self.events, "cursors": self.cursors, "locks": self.locks}
        return {**sections, **self.extra}

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            "mailboxes": len(self.mailboxes),
            "events": sum(len(events) for events in self.events.values()),
            "cursors": len(self.cursors),
            "locks": len(self.locks),
        }


def moment(value: Any) -> int | None:
    """Unix ms of ISO 8601 text or of a number (ms, or seconds where it is small); None when it is no time."""
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        milliseconds = round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        milliseconds = round(value if value >= _SMALLEST_MS else value * 1000)
    else:
        return None
    return milliseconds if 0 <= milliseconds <= _LATEST_MS else None


def iso(milliseconds: int) -> str:
    """ISO 8601 UTC with milliseconds, as the old store wrote times."""
    found = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def compact(value: Any) -> str:
    """JSON text as the old store wrote it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_unique)


def parsed(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, or an object in it has a key twice.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(text)


def meaning(value: Any) -> Any:
    """What data or metadata means: the value of its JSON text, or itself."""
    if isinstance(value, str):
        try:
            return parsed(value)
        except (ValueError, RecursionError):
            return value
    return value


def storable(value: Any, depth: int = 0) -> bool:
    """Whether the event log can hold a value as it is."""
    if isinstance(value, str):
        return "\0" not in value and _is_text(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if value is None or isinstance(value, bool | int):
        return True
    if depth > _MOST_DEPTH:
        return False
    if isinstance(value, Mapping):
        return all(storable(key) and storable(inner, depth + 1) for key, inner in value.items())
    return isinstance(value, list) and all(storable(inner, depth + 1) for inner in value)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical(record: Any) -> str:
    """One text for all records that mean the same."""
    if isinstance(record, Mapping):
        record = {
            key: meaning(value) if key in ("data", "metadata") else value
            for key, value in record.items()
            if value is not None
        }
    return json.dumps(record, sort_keys=True)


def same(one: Any, other: Any) -> bool:
    """Whether two records mean the same: equal, data and metadata by what they mean, nothing the same as null."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return _equal(one, other)
    return all(same_field(key, one.get(key), other.get(key)) for key in {*one, *other})


def same_field(key: str, mine: Any, theirs: Any) -> bool:
    """The same for one field of two records."""
    if isinstance(mine, str) and mine == theirs:
        return True
    if key in ("data", "metadata"):
        mine, theirs = meaning(mine), meaning(theirs)
    return _equal(mine, theirs)


def _equal(one: Any, other: Any) -> bool:
    """Equality in which 1, 1.0 and true are three values, as in JSON text."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other)
