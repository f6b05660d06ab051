"""The small integers that stand for an event's type, stream and cause, as its writer needs them.

Belongs to the writer's transactions: what was written in one that was rolled back has to be forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from uuid import UUID

from reconciler.events.registry import current_version
from reconciler.events.store.chain import seal_provenance, seal_words
from reconciler.events.store.names import Origin

_MOST_REMEMBERED = 50_000


class TypeNumber:
    """An event type: its number, the schema version written today, and its part of the seal."""

    __slots__ = ("number", "schema_version", "sealed")

    def __init__(self, number: int, schema_version: int, sealed: bytes) -> None:
        self.number, self.schema_version, self.sealed = number, schema_version, sealed


class StreamNumber:
    """A stream: its number, the version of its newest event, and its part of the seal."""

    __slots__ = ("number", "sealed", "version")

    def __init__(self, number: int, version: int, sealed: bytes) -> None:
        self.number, self.version, self.sealed = number, version, sealed


class CauseNumber:
    """A cause: its number and its part of the seal."""

    __slots__ = ("number", "sealed")

    def __init__(self, number: int, sealed: bytes) -> None:
        self.number, self.sealed = number, sealed


class Numbers:
    """From meanings to numbers, within the transaction that is open on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._types: dict[str, TypeNumber] = {}
        self._streams: dict[tuple[str, str], StreamNumber] = {}
        self._causes: dict[tuple[UUID, Origin], CauseNumber] = {}

    def forget(self) -> None:
        """Nothing that was learnt holds any longer: somebody else wrote, or a transaction was rolled back."""
        self._types.clear()
        self._streams.clear()
        self._causes.clear()

    def trim(self) -> None:
        """Keep memory flat; between transactions only, because versions move on before their events are inserted."""
        if len(self._streams) + len(self._causes) > _MOST_REMEMBERED:
            self._streams.clear()
            self._causes.clear()

    def type(self, name: str) -> TypeNumber:
        """The number of an event type in its current version; a new one where it was never written before."""
        return self._types.get(name) or self._new_type(name)

    def stream(self, stream_type: str, stream_id: str) -> StreamNumber:
        """The number of a stream; a new one where nothing was written to it before."""
        return self._streams.get((stream_type, stream_id)) or self._new_stream(stream_type, stream_id)

    def cause(self, correlation_id: UUID, origin: Origin, sequence: int) -> CauseNumber:
        """The number of a cause; a new one unless this writer has just used it.

        Args:
            sequence: of the first event that has it, if it is new.
        """
        return self._causes.get((correlation_id, origin)) or self._new_cause(correlation_id, origin, sequence)

    def _new_type(self, name: str) -> TypeNumber:
        version = current_version(name)
        number = self._find_or_add("event_types", {"name": name, "schema_version": version})
        found = self._types[name] = TypeNumber(number, version, seal_words(name, version))
        return found

    def _new_stream(self, stream_type: str, stream_id: str) -> StreamNumber:
        number = self._find_or_add("streams", {"stream_type": stream_type, "stream_id": stream_id})
        version = self._connection.execute(
            "SELECT max(coalesce((SELECT max(version) FROM events WHERE stream = ?1), 0), archived_version)"
            " FROM streams WHERE id = ?1",
            (number,),
        ).fetchone()[0]
        found = self._streams[stream_type, stream_id] = StreamNumber(
            number, version, seal_words(stream_type, stream_id)
        )
        return found

    def _new_cause(self, correlation_id: UUID, origin: Origin, sequence: int) -> CauseNumber:
        words = dict(
            zip(("actor", "source", "commit_id", "host", "software_version", "user_agent"), origin, strict=True)
        )
        number = self._connection.execute(
            "INSERT INTO causes (origin, correlation_id, first_sequence) VALUES (?, ?, ?)",
            (self._find_or_add("origins", words), correlation_id.bytes, sequence),
        ).lastrowid
        assert number is not None
        sealed = seal_provenance(correlation_id.bytes, origin)
        found = self._causes[correlation_id, origin] = CauseNumber(number, sealed)
        return found

    def _find_or_add(self, table: str, columns: Mapping[str, str | int]) -> int:
        values = tuple(columns.values())
        where = " AND ".join(f"{name} = ?" for name in columns)
        row = self._connection.execute(f"SELECT id FROM {table} WHERE {where}", values).fetchone()
        if row is not None:
            return int(row[0])
        marks = ", ".join("?" * len(values))
        added = self._connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)
        assert added.lastrowid is not None
        return added.lastrowid
