"""An import without a log: the events as they would be recorded, and the way back from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from reconciler.events.envelope import Event, NewEvent
from reconciler.events.registry import validate
from reconciler.legacy.converting import Conversion, convert
from reconciler.legacy.old_form import OldView
from reconciler.legacy.reading import OldFile, read_text
from reconciler.legacy.records import OldStore, same
from reconciler.projections.fold import fold
from reconciler.projections.rows import MemoryRows

NOW = 1_800_000_000_000


def recorded(events: Iterable[NewEvent], start: int = 0, source: str = "import") -> list[Event]:
    """The events as a log would hand them out: valid, and through JSON text."""
    found = []
    for number, new in enumerate(events, start + 1):
        version, data = validate(new.event_type, new.data)
        data = msgspec.json.decode(msgspec.json.encode(data))
        at_ms = NOW if new.occurred_at is None else new.occurred_at
        found.append(
            Event(
                sequence_number=number,
                event_id=new.event_id,
                event_type=new.event_type,
                stream_type=new.stream_type,
                stream_id=new.stream_id,
                version=number,
                data=data,
                causation_id=new.causation_id,
                correlation_id=UUID(int=0),
                metadata={"source": source},
                occurred_at=at_ms,
                recorded_at=NOW,
                schema_version=version,
                hash=b"",
            )
        )
    return found


def old_file(document: Any) -> OldFile:
    """A file with this content; text is taken as it is."""
    return read_text(document if isinstance(document, str) else json.dumps(document, indent=1), "squawk.json")


def carry(document: Any, present: OldView | None = None, now_ms: int = NOW) -> Conversion:
    return convert(old_file(document), present or OldView(), now_ms=now_ms, project_path="/p", project_hash="abc")


def rows_of(events: Sequence[Event]) -> MemoryRows:
    rows = MemoryRows()
    for event in events:
        fold(event, rows)
    return rows


def there_and_back(document: Any) -> OldStore:
    """What comes back from a log into which this was imported."""
    return OldView().add(recorded(carry(document).events)).store()


def findings(conversion: Conversion) -> list[str]:
    return [f"{finding.line} {finding.path}: {finding.message}" for finding in conversion.findings]


def assert_same(store: OldStore, document: dict[str, Any]) -> None:
    """The store means what the document says; a missing section is an empty one."""
    found = store.document()
    for section in ("mailboxes", "cursors", "locks"):
        wanted = document.get(section) or {}
        assert list(found[section]) == list(wanted) or sorted(found[section]) == sorted(wanted)
        for key, record in wanted.items():
            assert same(found[section][key], record), (section, key)
    wanted = {key: events for key, events in (document.get("events") or {}).items() if events}
    assert sorted(found["events"]) == sorted(wanted)
    for key, events in wanted.items():
        assert len(found["events"][key]) == len(events)
        for mine, record in zip(found["events"][key], events, strict=True):
            assert same(mine, record), (key, mine, record)
    extra = {key: value for key, value in document.items() if key not in ("mailboxes", "events", "cursors", "locks")}
    assert store.extra == extra
