"""Old mailboxes and their events as mailboxes and messages, each mailbox in its own order."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from reconciler.legacy.contents import content_of, told_by_metadata
from reconciler.legacy.old_form import mailbox_record, remains
from reconciler.legacy.reading import Placed
from reconciler.legacy.records import canonical, iso, moment, same, storable
from reconciler.legacy.work import Draft, Work, beside


class MessageConversion:
    """Converts the mailboxes of a file and what lies in them."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.ids = Counter(work.present.messages.values())
        self.made: dict[str, UUID] = {}
        self.created: dict[str, Draft] = {}
        self.rounds: Counter[str] = Counter()

    def convert(self) -> None:
        """All of them."""
        for record in self.work.last_of(self.work.old.mailboxes, "mailboxes"):
            self._mailbox(record)
        found = [pair for head, records in self.work.old.events for pair in self._list(head, records)]
        for draft, record in found:
            self._link(draft, record)

    def _mailbox(self, record: Placed) -> None:
        work, raw, path = self.work, record.value, f"mailboxes.{record.key}"
        name = work.name(record.key, record, path)
        if not isinstance(raw, dict):
            work.keep(record, ["mailboxes", record.key], path, "this is no object")
            return
        known = work.present.records.mailboxes.get(record.key)
        if known is not None:
            work.skipped["mailboxes"] += 1
            if not same(known, raw):
                work.find(record, path, "this mailbox is in the log already; the log's is kept")
            return
        told = {}
        for key in ("created_at", "updated_at"):
            if moment(raw.get(key)) is None:
                work.time(raw.get(key), work.now_ms, record, f"{path}.{key}")
            else:
                told[key] = iso(moment(raw[key]) or 0)
        data: dict[str, Any] = {"mailbox_id": name, **told}
        derived = mailbox_record(record.key, told.get("created_at"), told.get("updated_at"))
        beside(data, {"key": record.key} if name != record.key else None, remains(raw, derived))
        at_ms = moment(told.get("created_at"))
        at_ms = work.now_ms if at_ms is None else at_ms
        self.created[name] = work.draft("mailbox_created", ("squawk", name), data, at_ms, rank=0, mark=record.key)
        work.imported.mailboxes[record.key] = raw

    def _list(self, head: Placed, records: list[Placed]) -> list[tuple[Draft, Placed]]:
        """The events of one mailbox."""
        work, path = self.work, f"events.{head.key}"
        name = work.name(head.key, head, path)
        if records and all(record.key != head.key for record in work.old.mailboxes):
            work.find(head, path, "this mailbox is not listed; its events are carried over")
        self.rounds[head.key] += 1
        if self.rounds[head.key] > 1:
            work.find(head, path, "this id is there twice; both lists are carried over")
        known = Counter(canonical(record) for record in work.present.records.events.get(head.key, ()))
        mailbox = self.created.get(name)
        last, time = mailbox.occurred_at if mailbox else work.now_ms, 0
        found: list[tuple[Draft, Placed]] = []
        for record in records:
            below = f"{path}[{record.key}]"
            if not isinstance(record.value, dict):
                work.keep(record, ["events", head.key, int(record.key)], below, "this is no object")
            elif known and known[canonical(record.value)]:
                known[canonical(record.value)] -= 1
                work.skipped["events"] += 1
            else:
                last = work.time(record.value.get("occurred_at"), last, record, f"{below}.occurred_at")
                # The order of a mailbox is that of its list, whatever its clocks said.
                time = max(time, last)
                draft = self._message(record, below, name, last, self.rounds[head.key])
                draft.time = time
                found.append((draft, record))
                work.imported.events.setdefault(head.key, []).append(record.value)
        self._before(head.key, name, found)
        return found

    def _before(self, key: str, name: str, messages: list[tuple[Draft, Placed]]) -> None:
        """A mailbox is made before its first message; one whose name had to change remembers its own."""
        mailbox = self.created.get(name)
        if mailbox is None and name != key and messages:
            data = {"mailbox_id": name, "legacy": {"key": key, "unlisted": True}}
            mailbox = self.work.draft("mailbox_created", ("squawk", name), data, self.work.now_ms, rank=0, mark=key)
            self.created[name] = mailbox
        if mailbox is not None and messages:
            mailbox.time = min(mailbox.time, messages[0][0].time)

    def _message(self, record: Placed, path: str, mailbox: str, at_ms: int, round_: int) -> Draft:
        work, raw = self.work, record.value
        content, odd = content_of(raw)
        if odd:
            work.find(record, f"{path}.data", odd)
        kind = raw.get("type")
        if not _is_word(kind):
            work.find(record, f"{path}.type", "there is no type; it is carried over as unknown")
            kind = "unknown"
        mark = f"{path} {round_}"
        data: dict[str, Any] = {
            "message_id": self._id(record, path, work.event_id(at_ms, "message", mark)),
            "mailbox_id": mailbox,
            "message_type": kind,
            "content": content,
            **told_by_metadata(raw.get("metadata")),
        }
        draft = work.draft("squawk_sent", ("squawk", mailbox), data, at_ms, rank=1, mark=mark)
        draft.raw = raw
        if _is_word(raw.get("id")):
            self.made.setdefault(raw["id"], draft.event_id)
        return draft

    def _id(self, record: Placed, path: str, otherwise: UUID) -> str:
        """The message's id: its own, whatever it looks like, unless another message has it."""
        given = record.value.get("id")
        wanted = str(given) if _is_word(given) else f"msg_{otherwise.hex}"
        if given is not None and not _is_word(given):
            self.work.find(record, f"{path}.id", f"this is no id; it is called {wanted}")
        found, count = wanted, 1
        while self.ids[found]:
            count += 1
            found = f"{wanted}#{count}"
        if count > 1:
            self.work.find(record, f"{path}.id", f"the id {wanted} is there already; this one is called {found}")
        self.ids[found] += 1
        return found

    def _link(self, draft: Draft, record: Placed) -> None:
        """Tie a message to the one that led to it, where that is in the file."""
        cause = record.value.get("causation_id")
        if cause is None:
            return
        draft.causes = self.made.get(cause) if isinstance(cause, str) else None
        if draft.causes is None:
            path = f"events.{draft.stream_id}[{record.key}].causation_id"
            self.work.find(record, path, "this points to no event of the file; it is kept beside the message")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and storable(value)
