"""What the log's messages, mailboxes, cursors and locks look like in the old form: the way back, and the proof of an import.

Pure: from events to records. An event that was imported carries what the old record said otherwise, so that it comes back
as it was; one that came later gets the form that the old store would have given it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from reconciler.events.envelope import Event
from reconciler.legacy.records import OldStore, Record, compact, iso, moment, same_field, storable

DEFAULT_CONSUMER = "migrated"


def restored(derived: Record, legacy: Record | None) -> Any:
    """The old record: what we would write, with what the old one said otherwise."""
    if legacy is None:
        return derived
    if "text" in legacy:
        return json.loads(legacy["text"])
    record = {key: value for key, value in derived.items() if key not in legacy.get("absent", ())}
    return {**record, **legacy.get("differs", {})}


def remains(raw: Any, derived: Record) -> Record | None:
    """What of an old record does not follow from its event; None when all of it does. `restored` is the way back."""
    if not isinstance(raw, dict) or not storable(raw):
        return {"text": json.dumps(raw)}
    differs = {}
    for key, value in raw.items():
        if key not in derived or not same_field(key, value, derived[key]):
            differs[key] = value
    absent = [key for key in derived if key not in raw and derived[key] is not None]
    found = {name: value for name, value in (("differs", differs), ("absent", absent)) if value}
    return found or None


def mailbox_record(key: str, created_at: str | None, updated_at: str | None) -> Record:
    """A mailbox as the old store kept it."""
    return {"id": key, "created_at": created_at, "updated_at": updated_at}


def message_fields(data: Record, occurred_at: int, causation: str | None) -> Record:
    """A message as an event of its mailbox; what the old form has no field for stands in its metadata."""
    more = {key: data[key] for key in ("sender_id", "thread_id") if data.get(key)}
    if data.get("priority", "normal") != "normal":
        more["priority"] = data["priority"]
    return {
        "id": data["message_id"],
        "type": data["message_type"],
        "stream_id": data["mailbox_id"],
        "data": compact(data["content"]),
        "occurred_at": iso(occurred_at),
        "causation_id": causation,
        "metadata": compact(more) if more else None,
    }


def cursor_fields(data: Record, occurred_at: int) -> Record:
    """A consumer's place in a mailbox."""
    return {
        "id": data["cursor_id"],
        "stream_id": data["stream_id"],
        "position": data["position"],
        "updated_at": iso(occurred_at),
        "consumer_id": data.get("consumer_id", DEFAULT_CONSUMER),
    }


def lock_fields(data: Record, occurred_at: int) -> Record:
    """A reservation, not released."""
    return {
        "id": data["lock_id"],
        "file": data["file_path"],
        "reserved_by": data["specialist_id"],
        "reserved_at": iso(occurred_at),
        "released_at": None,
        "purpose": data.get("purpose", "edit"),
        "checksum": data.get("checksum"),
        "timeout_ms": data.get("timeout_ms", 30_000),
        "metadata": None,
    }


class OldView:
    """The old store that a log stands for, grown event by event.

    Attributes:
        records: what follows from events.
        kept: what an import could not turn into events, with the path at which it stood.
        messages: the message of each event that sent one, by the event's id.
        cursors, locks: the old key of each, by its id.
        digests: of the files that were imported.
        without_form: how many events of each type have no old form.
    """

    def __init__(self) -> None:
        self.records = OldStore()
        self.kept: list[tuple[list[Any], Any]] = []
        self.messages: dict[str, str] = {}
        self.cursors: dict[str, str] = {}
        self.locks: dict[str, str] = {}
        self.digests: set[str] = set()
        self.without_form: Counter[str] = Counter()
        self._keys: dict[str, str] = {}

    def add(self, events: Iterable[Event]) -> OldView:
        """Let events change the view, in the order of the log."""
        for event in events:
            change = _CHANGES.get(event.event_type)
            if change is None or not change(self, event):
                self.without_form[event.event_type] += 1
        return self

    def store(self) -> OldStore:
        """The whole old store, with what was kept back at its place."""
        for path, value in self.kept:
            _put(self.records, path, value)
        self.kept.clear()
        return self.records

    def detected(self, event: Event) -> bool:
        legacy = event.data.get("legacy") or {}
        if "digest" in legacy:
            self.digests.add(legacy["digest"])
        self.kept += [(one["path"], json.loads(one["text"])) for one in legacy.get("kept", ())]
        return True

    def mailbox(self, event: Event) -> bool:
        data, legacy = event.data, event.data.get("legacy")
        name = data["mailbox_id"]
        key = self._keys[name] = (legacy or {}).get("key", name)
        if not (legacy or {}).get("unlisted"):
            otherwise = None if _is_imported(event) else iso(event.occurred_at)
            record = mailbox_record(key, data.get("created_at", otherwise), data.get("updated_at", otherwise))
            self.records.mailboxes[key] = restored(record, legacy)
        return True

    def message(self, event: Event) -> bool:
        data, legacy = event.data, event.data.get("legacy")
        self.messages[event.event_id.hex] = data["message_id"]
        name = data["mailbox_id"]
        key = self._keys.get(name, name)
        record = restored(message_fields(data, event.occurred_at, self._causation(event)), legacy)
        self.records.events.setdefault(key, []).append(record)
        if not _is_imported(event):
            self._touch(key, iso(event.occurred_at))
        return True

    def _causation(self, event: Event) -> str | None:
        """The message that led to this one; what is caused by the import itself has none."""
        if event.causation_id is None:
            return None
        otherwise = None if _is_imported(event) else str(event.causation_id)
        return self.messages.get(event.causation_id.hex, otherwise)

    def _touch(self, key: str, at: str) -> None:
        """A mailbox is made by its first message, and changed by every one."""
        known = self.records.mailboxes.setdefault(key, mailbox_record(key, at, at))
        if isinstance(known, dict) and (moment(known.get("updated_at")) or 0) < (moment(at) or 0):
            known["updated_at"] = at

    def cursor(self, event: Event) -> bool:
        if event.data["stream_type"] != "squawk":
            return False
        legacy = event.data.get("legacy")
        key = self.cursors.setdefault(event.data["cursor_id"], (legacy or {}).get("key", event.data["cursor_id"]))
        self.records.cursors[key] = restored(cursor_fields(event.data, event.occurred_at), legacy)
        return True

    def reserved(self, event: Event) -> bool:
        legacy, name = event.data.get("legacy"), event.data["lock_id"]
        key = self.locks.setdefault(name, (legacy or {}).get("key", name))
        before = self.records.locks.get(key)
        record = restored(lock_fields(event.data, event.occurred_at), legacy)
        if isinstance(before, dict) and before.get("released_at") is None and legacy is None:
            # Prolonged: it is held since the first time, and for as much longer.
            since = moment(before.get("reserved_at"))
            if since is not None:
                record["reserved_at"] = before["reserved_at"]
                record["timeout_ms"] = event.occurred_at - since + record["timeout_ms"]
        self.records.locks[key] = record
        return True

    def released(self, event: Event) -> bool:
        key = self.locks.get(event.data["lock_id"], event.data["lock_id"])
        record = self.records.locks.get(key)
        kept = event.data.get("legacy")
        if isinstance(record, dict) and not (kept or {}).get("unsaid"):
            record["released_at"] = (kept or {}).get("released_at", iso(event.occurred_at))
        return True


_CHANGES: dict[str, Callable[[OldView, Event], bool]] = {
    "fleet_detected": OldView.detected,
    "mailbox_created": OldView.mailbox,
    "squawk_sent": OldView.message,
    "cursor_advanced": OldView.cursor,
    "ctk_reserved": OldView.reserved,
    "ctk_released": OldView.released,
}


def _is_imported(event: Event) -> bool:
    return event.metadata.get("source") == "import"


def _put(store: OldStore, path: list[Any], value: Any) -> None:
    """Put something back where it stood: in a section, in a list of events, or at the top."""
    section, *rest = path
    if section == "events" and len(rest) == 2:
        events = store.events.setdefault(rest[0], [])
        events.insert(min(int(rest[1]), len(events)), value)
    elif rest:
        getattr(store, section)[rest[0]] = value
    else:
        store.extra[section] = value
