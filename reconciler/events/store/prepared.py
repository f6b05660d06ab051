"""An event on its way into the log: valid, with the text that will be recorded. Needs no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import msgspec

from reconciler.events.envelope import STREAM_TYPES, Event, NewEvent
from reconciler.events.registry import EventInvalid, validate

_STREAM_TYPES = frozenset(STREAM_TYPES)
_encode = msgspec.json.Encoder().encode


class Prepared(msgspec.Struct, frozen=True):
    """A valid event, its data as the model gives it, and the JSON text of that."""

    new: NewEvent
    data: dict[str, Any]
    text: bytes

    def says_the_same(self, other: Prepared | Event) -> bool:
        """Whether the other one has the same type, stream and data, so that recording it again would say nothing new."""
        new = other.new if isinstance(other, Prepared) else other
        mine = (self.new.event_type, self.new.stream_type, self.new.stream_id, self.data)
        return mine == (new.event_type, new.stream_type, new.stream_id, other.data)


def prepare(new: NewEvent) -> Prepared:
    """Validate an event.

    Raises:
        UnknownEventType: its type is not registered.
        EventInvalid: its data does not fit its model, or its stream has no proper name.
    """
    _, data = validate(new.event_type, new.data)
    if new.stream_type not in _STREAM_TYPES:
        raise EventInvalid(new.event_type, (f"stream_type: {new.stream_type!r} is none of {', '.join(STREAM_TYPES)}",))
    if not _can_name(new.stream_id):
        raise EventInvalid(new.event_type, (f"stream_id: {new.stream_id!r} cannot name a stream",))
    try:
        text = _encode(data)
    except UnicodeEncodeError as error:
        raise EventInvalid(new.event_type, (f"holds text that is none: {error}",)) from None
    # The encoder writes null for what JSON has no number for, so only then is it worth looking.
    if b"null" in text and (lost := tuple(_no_numbers(new.data, ""))):
        raise EventInvalid(new.event_type, lost)
    return Prepared(new, data, text)


def _no_numbers(value: Any, place: str) -> Iterator[str]:
    """Where a document holds infinity or what is no number at all."""
    if isinstance(value, float) and not isfinite(value):
        yield f"{place}: {value} is no number in JSON"
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _no_numbers(one, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _no_numbers(one, f"{place}[{index}]")


def _can_name(word: str) -> bool:
    if word.isascii():
        return bool(word) and "\0" not in word
    try:
        return b"\0" not in word.encode()
    except UnicodeEncodeError:
        return False
