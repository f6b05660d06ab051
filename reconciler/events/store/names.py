"""What the small integers in the log's tables stand for.

Types, streams, causes and their origins are written once and never change, so both directions are remembered: `Names` goes
from a number to its meaning for readers, `Numbers` from a meaning to its number for the writer.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, TypeVar
from uuid import UUID

from reconciler.events.envelope import Cause, StreamType
from reconciler.events.registry import TYPES
from reconciler.events.store.identifiers import uuid_of

_MOST_REMEMBERED = 50_000
V = TypeVar("V")


class Origin(NamedTuple):
    """Who, through which door, of which commit, on which host, with which software, and with which client."""

    actor: str
    source: str
    commit: str
    host: str
    software_version: str
    user_agent: str

    @classmethod
    def of(cls, cause: Cause, host: str, software_version: str) -> Origin:
        """What a cause says, with where we are. What is no valid text (a user name in another encoding) is mended."""
        words = (cause.actor, cause.source, cause.commit, host, software_version, cause.user_agent)
        return cls(*(word.encode(errors="replace").decode() for word in words))

    def metadata(self) -> dict[str, str]:
        """As an event carries it: what is empty is left out."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value}


class TypeName(NamedTuple):
    """An event type as it was written; `known` says whether this release can read it, `old` whether it was upcast since."""

    name: str
    schema_version: int
    known: bool
    old: bool

    @classmethod
    def of(cls, name: str, schema_version: int) -> TypeName:
        """The type, judged by the registry of this release."""
        found = TYPES.get(name)
        newest = found.version if found is not None else 0
        return cls(name, schema_version, schema_version <= newest, schema_version < newest)


def newer_types(connection: sqlite3.Connection) -> list[str]:
    """The event types in the log, or versions of them, that only a newer Fleet knows."""
    rows = connection.execute("SELECT name, schema_version FROM event_types ORDER BY id")
    return [f"{name} version {version}" for name, version in rows if not TypeName.of(name, version).known]


class StreamName(NamedTuple):
    """The stream that a number stands for."""

    stream_type: StreamType
    stream_id: str


class CauseName(NamedTuple):
    """The context that a number stands for: what it belongs to, and who did it."""

    correlation_id: UUID
    origin: Origin
    metadata: dict[str, str]


class Names:
    """From numbers to meanings. What was committed never changes, so all readers share one of these.

    Attributes:
        types, streams, causes: what has been looked up so far; for readers in a hurry to look into first.
    """

    def __init__(self) -> None:
        self.types: dict[int, TypeName] = {}
        self.streams: dict[int, StreamName] = {}
        self.causes: dict[int, CauseName] = {}

    def type(self, number: int, connection: sqlite3.Connection) -> TypeName:
        """Look up the event type of this number."""
        row = connection.execute("SELECT name, schema_version FROM event_types WHERE id = ?", (number,)).fetchone()
        return _remember(self.types, number, TypeName.of(*row))

    def stream(self, number: int, connection: sqlite3.Connection) -> StreamName:
        """Look up the stream of this number."""
        row = connection.execute("SELECT stream_type, stream_id FROM streams WHERE id = ?", (number,)).fetchone()
        return _remember(self.streams, number, StreamName(*row))

    def cause(self, number: int, connection: sqlite3.Connection) -> CauseName:
        """Look up the cause of this number."""
        correlation_id, *words = connection.execute(
            "SELECT c.correlation_id, o.actor, o.source, o.commit_id, o.host, o.software_version, o.user_agent"
            " FROM causes c JOIN origins o ON o.id = c.origin WHERE c.id = ?",
            (number,),
        ).fetchone()
        origin = Origin(*words)
        return _remember(self.causes, number, CauseName(uuid_of(correlation_id), origin, origin.metadata()))


def _remember(known: dict[int, V], key: int, value: V) -> V:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = value
    return value
