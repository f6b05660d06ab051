"""Logs that tests write as a story about one service, `web`: in memory, or in a store on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from reconciler.events.envelope import Cause, Event, NewEvent, Source, StreamType
from reconciler.events.registry import validate
from reconciler.events.store.query import EventQuery
from reconciler.ids import uuid7
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows, Rows
from reconciler.projections.store import Store

NOON = 1_795_521_600_000


class Story(ABC):
    """The steps of a story; each returns the event that the next one may name as its cause."""

    @abstractmethod
    def record(
        self,
        event_type: str,
        stream: str,
        data: dict[str, Any],
        *,
        after: Event | None = None,
        actor: str = "ada",
        source: Source = "cli",
        commit: str = "",
    ) -> Event:
        """Append one event.

        Args:
            stream: `service/web`, `fleet/shop`.
            after: the event that caused it.
        """

    def edit(self, revision: int = 1, *, image: str = "localhost/web:1", **fields: Any) -> Event:
        """The file was edited: a revision and the definition of `web` that follows; the latter."""
        accepted = self.record(
            "revision_accepted",
            "fleet/shop",
            {"revision": revision, "digest": f"v1:{revision}", "document": {"name": "shop", "project": "p"}, **fields},
            commit=fields.get("commit", ""),
        )
        definition = {"name": "web", "image": image}
        data = {"service": "web", "digest": f"v1:d{revision}", "definition": definition, "revision": revision}
        return self.record("service_defined", "service/web", data, after=accepted)

    def decide(
        self, action: str, cause: Event, *, text: str = "new in the file", replica: int = 1, **reason: Any
    ) -> Event:
        """An action on `web` was decided."""
        data = {
            "action": action,
            "resource": "service/web",
            "replica": replica,
            "reason": {"code": "declared", "text": text, **reason},
            "apply_id": "apply_1",
        }
        return self.record("action_intended", "service/web", data, after=cause)

    def create(self, intent: Event, *, replica: int = 1, container: str = "c1") -> Event:
        """The intent's container was made and started; the event of the start."""
        names = {"service": "web", "replica": replica, "container_id": container}
        created = {
            **names,
            "name": f"shop-web-{replica}",
            "digest": "v1:d1",
            "image": "localhost/web:1",
            "image_id": "sha256:1",
            "intent_id": f"evt_{intent.event_id.hex}",
        }
        made = self.record("container_created", "service/web", created, after=intent)
        return self.record("container_started", "service/web", names, after=made)

    def see(self, event_type: str, *, replica: int = 1, container: str = "c1", **data: Any) -> Event:
        """Something about a container was seen that Fleet did not do."""
        names = {"service": "web", "replica": replica, "container_id": container}
        return self.record(event_type, "service/web", {**names, **data}, actor="fleet")


class StoredLog(Story):
    """Records events in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(
        self,
        event_type: str,
        stream: str,
        data: dict[str, Any],
        *,
        after: Event | None = None,
        actor: str = "ada",
        source: Source = "cli",
        commit: str = "",
    ) -> Event:
        stream_type, _, stream_id = stream.partition("/")
        kind: StreamType = stream_type  # type: ignore[assignment]
        cause = Cause(actor, source, causation_id=after.event_id if after is not None else None, commit=commit)
        (event,) = self._store.append([NewEvent(event_type, kind, stream_id, data)], cause)
        return event


class Log(Story):
    """Records events in memory, a second apart from noon on, and answers what a store would."""

    def __init__(self) -> None:
        self.recorded: list[Event] = []
        self._rows = MemoryRows()
        self._versions: dict[tuple[str, str], int] = {}

    def record(
        self,
        event_type: str,
        stream: str,
        data: dict[str, Any],
        *,
        after: Event | None = None,
        actor: str = "ada",
        source: Source = "cli",
        commit: str = "",
    ) -> Event:
        stream_type, _, stream_id = stream.partition("/")
        kind: StreamType = stream_type  # type: ignore[assignment]
        schema_version, valid = validate(event_type, data)
        version = self._versions.get((stream_type, stream_id), 0) + 1
        self._versions[stream_type, stream_id] = version
        at = NOON + 1_000 * len(self.recorded)
        metadata = {"actor": actor, "source": source, **({"commit": commit} if commit else {})}
        event = Event(
            sequence_number=len(self.recorded) + 1,
            event_id=uuid7(at),
            event_type=event_type,
            stream_type=kind,
            stream_id=stream_id,
            version=version,
            data=valid,
            causation_id=after.event_id if after is not None else None,
            correlation_id=uuid7(at),
            metadata=metadata,
            occurred_at=at,
            recorded_at=at,
            schema_version=schema_version,
            hash=b"\x01",
        )
        self.recorded.append(event)
        fold(event, self._rows)
        return event

    def rows(self) -> Rows:
        return self._rows

    def head(self) -> int:
        return len(self.recorded)

    def events(self, query: EventQuery) -> Iterator[Event]:
        """By stream, type and place; no story asks for more."""
        for event in self.recorded:
            if (
                query.after < event.sequence_number < (query.before or len(self.recorded) + 1)
                and query.stream_type in ("", event.stream_type)
                and query.stream_id in ("", event.stream_id)
                and (not query.types or event.event_type in query.types)
            ):
                yield event

    def event(self, event_id: UUID) -> Event | None:
        return next((event for event in self.recorded if event.event_id == event_id), None)

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Event]:
        for event in self.recorded:
            if (event.stream_type, event.stream_id) == (stream_type, stream_id) and event.version > after:
                yield event
