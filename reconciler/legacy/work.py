"""A conversion under way: findings, ids and names, and the events in the making."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from reconciler.events.envelope import StreamType
from reconciler.ids import uuid7
from reconciler.legacy.old_form import OldView
from reconciler.legacy.reading import OldFile, Placed
from reconciler.legacy.records import OldStore, canonical, iso, moment, storable


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something odd about a record, and what was made of it."""

    line: int
    column: int
    path: str
    message: str


@dataclass(slots=True)
class Draft:
    """An event in the making.

    Attributes:
        time, rank: its place in the log, which is by time except that a mailbox keeps the order of its list.
        raw: the record that a message stands for; what is left over of it is known when its place is.
        causes: the event that led to it, if that comes before it.
    """

    time: int
    rank: int
    event_type: str
    stream_type: StreamType
    stream_id: str
    data: dict[str, Any]
    event_id: UUID
    occurred_at: int
    raw: Any = None
    causes: UUID | None = None


@dataclass(slots=True)
class Work:
    """What the parts of one conversion share.

    Attributes:
        present: what the log holds already, in the old form.
        imported: the records that become events.
        skipped: how many records of each kind are in the log already.
        kept: records that nothing can be made of, with their path.
        names: what each mailbox is called.
    """

    old: OldFile
    present: OldView
    now_ms: int
    imported: OldStore = field(default_factory=OldStore)
    skipped: Counter[str] = field(default_factory=Counter)
    findings: set[Finding] = field(default_factory=set)
    kept: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    _ids: dict[str, set[str]] = field(default_factory=dict)

    def find(self, at: Placed, path: str, message: str) -> None:
        """Something is odd."""
        self.findings.add(Finding(at.line, at.column, path, message))

    def keep(self, at: Placed, path: list[Any], shown: str, why: str) -> None:
        """Nothing can be made of it; it is kept as it is and comes back with a rollback."""
        if (path, canonical(at.value)) in [(known, canonical(value)) for known, value in self.present.kept]:
            self.skipped["kept"] += 1
            return
        self.kept.append({"path": path, "text": json.dumps(at.value)})
        self.find(at, shown, f"{why}; it is kept as it is, for the way back")

    def event_id(self, at_ms: int, *words: object) -> UUID:
        """The same record of the same file gives the same id."""
        seed = "\0".join([self.old.digest, *map(str, words)]).encode("utf-8", "backslashreplace")
        return uuid7(at_ms, hashlib.sha256(seed).digest()[:10])

    def draft(
        self, event_type: str, stream: tuple[StreamType, str], data: dict[str, Any], at_ms: int, *, rank: int, mark: str
    ) -> Draft:
        """An event for the log; `mark` tells it from others of its type."""
        found = Draft(at_ms, rank, event_type, *stream, data, self.event_id(at_ms, event_type, mark), at_ms)
        self.drafts.append(found)
        return found

    def name(self, key: str, at: Placed, path: str) -> str:
        """What a mailbox is called: its key, unless no stream can bear that name."""
        if key not in self.names:
            self.names[key] = key
            if not key or not storable(key):
                self.names[key] = f"legacy-{_short_digest(key)}"
                self.find(at, path, f"this cannot be the name of a mailbox; it is called {self.names[key]}")
        return self.names[key]

    def time(self, value: Any, otherwise: int, at: Placed, path: str) -> int:
        """A time; another one where it is missing or none."""
        found = moment(value)
        if found is None:
            what = "there is no time" if value is None else "this is no time"
            self.find(at, path, f"{what}; {iso(otherwise)} stands for it")
            return otherwise
        return found

    def unused(self, section: str, record: Placed, present: Collection[str], others: Collection[str]) -> str:
        """An id for a record: its key, unless that is no id or something else in the log bears it.

        Args:
            present: ids of the log.
            others: keys of the file, which no made-up id may take away.
        """
        key, taken = record.key, self._ids.setdefault(section, set(present))
        found = wanted = key if key and storable(key) else f"legacy-{_short_digest(key)}"
        count = 1
        while found in taken or (found != key and found in others):
            count += 1
            found = f"{wanted}#{count}"
        taken.add(found)
        if found != key:
            self.find(record, f"{section}.{key}", f"this id cannot be used; it is called {found}")
        return found

    def last_of(self, records: list[Placed], section: str) -> Iterator[Placed]:
        """The records of a section, the last one of each key, as JSON has it."""
        last = {record.key: record for record in records}
        for record in records:
            if last[record.key] is record:
                yield record
            else:
                self.find(record, f"{section}.{record.key}", "this id is there twice; the last one counts")


def beside(data: dict[str, Any], *legacies: dict[str, Any] | None) -> None:
    """Let what is left over of a record travel with its event."""
    legacy = {key: value for one in legacies for key, value in (one or {}).items()}
    if legacy:
        data["legacy"] = legacy


def _short_digest(key: str) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]
