"""Old cursors: how far each consumer has read a mailbox."""

from __future__ import annotations

from typing import Any

from reconciler.legacy.old_form import DEFAULT_CONSUMER, cursor_fields, remains
from reconciler.legacy.reading import Placed
from reconciler.legacy.records import moment, same, storable
from reconciler.legacy.work import Work, beside


class CursorConversion:
    """Converts the cursors of a file."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.keys = {record.key for record in work.old.cursors}
        self.taken = {
            (str(record.get("stream_id")), _named(record.get("consumer_id")))
            for record in work.present.records.cursors.values()
            if isinstance(record, dict)
        }

    def convert(self) -> None:
        """All of them."""
        work = self.work
        for record in work.last_of(work.old.cursors, "cursors"):
            path, raw = f"cursors.{record.key}", record.value
            if not isinstance(raw, dict) or not isinstance(raw.get("stream_id"), str):
                work.keep(record, ["cursors", record.key], path, "this is no cursor: it has no stream_id")
                continue
            known = work.present.records.cursors.get(record.key)
            if known is not None and same(known, raw):
                work.skipped["cursors"] += 1
                continue
            self._cursor(record, path)
            work.imported.cursors[record.key] = raw

    def _cursor(self, record: Placed, path: str) -> None:
        work, raw = self.work, record.value
        position = raw.get("position")
        if not isinstance(position, int) or isinstance(position, bool) or position < 0:
            work.find(record, f"{path}.position", "this is no position; it begins at 0")
            position = 0
        at_ms = moment(raw.get("updated_at"))
        at_ms = work.now_ms if at_ms is None else at_ms
        cursor_id = work.unused("cursors", record, work.present.cursors, self.keys)
        data: dict[str, Any] = {
            "cursor_id": cursor_id,
            "stream_type": "squawk",
            "stream_id": work.name(raw["stream_id"], record, f"{path}.stream_id"),
            "consumer_id": self._consumer(record, path),
            "position": position,
        }
        own_key = {"key": record.key} if cursor_id != record.key else None
        beside(data, own_key, remains(raw, cursor_fields(data, at_ms)))
        work.draft("cursor_advanced", ("squawk", data["stream_id"]), data, at_ms, rank=2, mark=record.key)

    def _consumer(self, record: Placed, path: str) -> str:
        """Whose cursor it is; a consumer has one in each mailbox."""
        stream, wanted = record.value["stream_id"], _named(record.value.get("consumer_id"))
        found, count = wanted, 1
        while (stream, found) in self.taken:
            count += 1
            found = f"{wanted}-{count}"
        if count > 1:
            self.work.find(record, path, f"{wanted} has a cursor there already; this one is called {found}")
        self.taken.add((stream, found))
        return found


def _named(consumer: Any) -> str:
    return consumer if isinstance(consumer, str) and consumer and storable(consumer) else DEFAULT_CONSUMER
