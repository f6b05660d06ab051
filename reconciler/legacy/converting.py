"""Old records as events. Pure: no file, no log, no clock.

Every record ends in one of three ways, and each is counted: it became an event, it is in the log already, or it is kept as
it was because nothing can be made of it. What is odd about a record is a finding with its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from reconciler.events.envelope import NewEvent
from reconciler.ids import uuid7
from reconciler.legacy.cursors import CursorConversion
from reconciler.legacy.locks import LockConversion
from reconciler.legacy.messages import MessageConversion
from reconciler.legacy.old_form import OldView, message_fields, remains
from reconciler.legacy.reading import OldFile
from reconciler.legacy.records import OldStore, iso
from reconciler.legacy.work import Draft, Finding, Work, beside


@dataclass(slots=True)
class Conversion:
    """What an import would append.

    Attributes:
        events: in the order of the log; the first one says that the old data was found.
        imported: the old records that they stand for.
        skipped: how many records of each kind are in the log already.
        kept: how many records nothing could be made of.
    """

    events: list[NewEvent]
    imported: OldStore
    skipped: dict[str, int]
    kept: int
    findings: tuple[Finding, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that is not in the log already."""
        return not any(self.imported.counts().values()) and not self.kept


def convert(old: OldFile, present: OldView, *, now_ms: int, project_path: str, project_hash: str) -> Conversion:
    """The events that carry a file over into a log.

    Args:
        present: what the log holds already, in the old form; a record that is in it is not imported again, and of a file
            that was imported nothing is.
        now_ms: decides which locks have run out, and stands for times that are missing.
    """
    work = Work(old, present, now_ms)
    if old.digest in present.digests:
        return Conversion([], work.imported, _everything(old), 0, ())
    MessageConversion(work).convert()
    CursorConversion(work).convert()
    LockConversion(work).convert()
    _leftovers(work)
    first = NewEvent(
        "fleet_detected",
        "system",
        "legacy",
        {
            "project_path": project_path,
            "project_hash": project_hash,
            "detected_at": iso(now_ms),
            "existing_data": True,
            "migration_required": True,
            "legacy": {
                "file": old.name,
                "digest": old.digest,
                "counts": work.imported.counts(),
                "kept": work.kept,
            },
        },
        event_id=uuid7(now_ms),
        occurred_at=now_ms,
    )
    events = [first, *_in_order(work.drafts, first.event_id)]
    return Conversion(events, work.imported, dict(work.skipped), len(work.kept), tuple(sorted(work.findings)))


def _everything(old: OldFile) -> dict[str, int]:
    return {
        "mailboxes": len(old.mailboxes),
        "events": sum(len(records) for _, records in old.events),
        "cursors": len(old.cursors),
        "locks": len(old.locks),
    }


def _in_order(drafts: list[Draft], detected: UUID) -> Iterator[NewEvent]:
    """By time, those of one mailbox in their own order. What led to a message is told where it comes before it."""
    drafts.sort(key=lambda draft: (draft.time, draft.rank))
    message_of: dict[UUID, str] = {}
    for draft in drafts:
        cause = draft.causes if draft.causes in message_of else None
        if draft.event_type == "squawk_sent":
            causation = message_of[cause] if cause is not None else None
            message_of[draft.event_id] = draft.data["message_id"]
            beside(draft.data, remains(draft.raw, message_fields(draft.data, draft.occurred_at, causation)))
        yield NewEvent(
            draft.event_type,
            draft.stream_type,
            draft.stream_id,
            draft.data,
            event_id=draft.event_id,
            causation_id=cause or detected,
            occurred_at=draft.occurred_at,
        )


def _leftovers(work: Work) -> None:
    """What is no record of a section."""
    for record in work.old.extra:
        work.keep(record, [record.key], record.key, "this is no part of the old store")
    for record in work.old.no_sections:
        work.find(record, record.key, "this is no object; it counts as empty")
    for record in work.old.no_lists:
        path = f"events.{record.key}"
        if record.value is None:
            work.find(record, path, "this is no list; it counts as empty")
        else:
            work.keep(record, ["events", record.key], path, "this is no list")
    for record in work.old.twice:
        work.find(record, record.key, "this key is there twice in one record; the last one counts")
