"""The import: one transaction, compared with the file before it ends; then the file is put away.

Run again it does nothing: a file that was imported is known by its digest, a record that is in the log by what it says.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from reconciler.errors import FleetError
from reconciler.events.envelope import Cause, Event
from reconciler.legacy.converting import Conversion, convert
from reconciler.legacy.old_form import OldView
from reconciler.legacy.reading import OldFile, read_old_file
from reconciler.legacy.records import OldStore, same
from reconciler.legacy.work import Finding
from reconciler.paths import data_dir, project_hash
from reconciler.projections.rows import Rows
from reconciler.projections.store import EventQuery, Store
from reconciler.projections.tables import SnapshotRows

FILE_NAME = "squawk.json"
_RECORDED_IN = (
    "fleet_detected",
    "mailbox_created",
    "squawk_sent",
    "cursor_advanced",
    "ctk_reserved",
    "ctk_released",
)


class LegacyMismatch(FleetError):
    """What would have been recorded is not what the file says; the transaction was given up."""

    code = "legacy_mismatch"


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do.

    Attributes:
        counts: records that were carried over, by kind.
        skipped: records that were in the log already.
        kept: how many records nothing could be made of.
        events: how many events that is.
        archived: where the file is now; empty when it was left where it was.
        warning: why it was left, where it should not have been.
    """

    file: str
    digest: str
    counts: dict[str, int]
    skipped: dict[str, int]
    kept: int
    events: int
    findings: tuple[Finding, ...]
    dry_run: bool
    archived: str = ""
    warning: str = ""


def default_file() -> Path:
    """Where the old store lies."""
    return data_dir() / FILE_NAME


def put_away_before(file: Path) -> tuple[Path, ...]:
    """Where earlier imports have put this file."""
    return tuple(sorted(file.parent.glob(f"{file.name}.migrated.*")))


def preview(file: Path, store: Store | None, *, project: Path, now_ms: int) -> Report:
    """What an import would do. Changes nothing.

    Raises:
        NotFound: there is no such file.
        LegacyBroken: it cannot be read.
    """
    old = read_old_file(file)
    return _report(old, _converted(old, store, project, now_ms), dry_run=True)


def import_file(file: Path, store: Store, *, project: Path, cause: Cause, now_ms: int) -> Report:
    """Carry a file over into the log, all of it or nothing, and put it away.

    Raises:
        NotFound: there is no such file.
        LegacyBroken: it cannot be read.
        LegacyMismatch: what was about to be recorded is not what the file says.
        LeaseHeld: somebody else writes to this log.
    """
    old = read_old_file(file)
    head = store.head()
    conversion = _converted(old, store, project, now_ms)
    if not conversion.is_empty:
        with store.lease(f"import {old.name}", cause=cause) as lease:
            if any(store.events(EventQuery(types=_RECORDED_IN, after=head, limit=1))):
                # Somebody else has written to the log until now.
                conversion = _converted(old, store, project, now_ms)
            with store.transaction(lease) as transaction:
                recorded = transaction.append(conversion.events, cause)
                compare(conversion.imported, recorded, SnapshotRows(transaction.connection))
    archived, warning = _put_away(file, now_ms)
    return _report(old, conversion, dry_run=False, archived=archived, warning=warning)


def _converted(old: OldFile, store: Store | None, project: Path, now_ms: int) -> Conversion:
    present = OldView()
    if store is not None:
        present.add(store.events(EventQuery(types=_RECORDED_IN)))
    return convert(
        old,
        present,
        now_ms=now_ms,
        project_path=str(project.resolve()),
        project_hash=project_hash(project),
    )


def compare(imported: OldStore, recorded: Sequence[Event], rows: Rows) -> None:
    """Whether the log and its projections hold what the file says, record by record.

    Raises:
        LegacyMismatch: names the first record that differs.
    """
    view = OldView()
    for event in recorded:
        # As it will be read from the log: through its JSON text.
        data = msgspec.json.decode(msgspec.json.encode(event.data))
        view.add([msgspec.structs.replace(event, data=data)])
    found, wanted = view.records, imported
    if found.counts() != wanted.counts():
        raise LegacyMismatch(f"the file has {wanted.counts()}, and the log would have {found.counts()}")
    for section in ("mailboxes", "cursors", "locks"):
        theirs = getattr(found, section)
        for key, record in getattr(wanted, section).items():
            if key not in theirs or not same(theirs[key], record):
                raise LegacyMismatch(f"{section}.{key} would not come back as it is")
    for key, events in wanted.events.items():
        for number, (mine, record) in enumerate(zip(found.events.get(key, []), events, strict=True)):
            if not same(mine, record):
                raise LegacyMismatch(f"events.{key}[{number}] would not come back as it is")
    _compare_rows(recorded, rows)


_ROWS = {
    "mailbox_created": ("mailboxes", "mailbox_id", ()),
    "squawk_sent": ("messages", "message_id", ("mailbox_id", "message_type", "content")),
    "cursor_advanced": ("cursors", "cursor_id", ("stream_id", "consumer_id", "position")),
    "ctk_reserved": ("locks", "lock_id", ("file_path", "purpose")),
}


def _compare_rows(recorded: Sequence[Event], rows: Rows) -> None:
    for event in recorded:
        if event.event_type in _ROWS:
            table, key, columns = _ROWS[event.event_type]
            row = rows.get(table, event.data[key])
            if row is None or any(row[column] != event.data[column] for column in columns):
                raise LegacyMismatch(f"the projection of {table} lacks {event.data[key]}")


def _put_away(file: Path, now_ms: int) -> tuple[str, str]:
    """Rename the file; the import stands even where that is not possible."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    target, count = file.with_name(f"{file.name}.migrated.{stamp}"), 1
    try:
        while target.exists():
            count += 1
            target = file.with_name(f"{file.name}.migrated.{stamp}-{count}")
        os.rename(file, target)
    except OSError as error:
        return "", f"{file} could not be renamed: {error.strerror}; run it again when that is possible"
    return str(target), ""


def _report(old: OldFile, conversion: Conversion, *, dry_run: bool, archived: str = "", warning: str = "") -> Report:
    return Report(
        old.name,
        old.digest,
        conversion.imported.counts(),
        conversion.skipped,
        conversion.kept,
        0 if conversion.is_empty else len(conversion.events),
        conversion.findings,
        dry_run,
        archived,
        warning,
    )
