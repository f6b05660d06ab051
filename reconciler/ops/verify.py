"""Verify: whether the log is what was recorded and the projections are what follows from it.

Everything is looked at in one state of the file, in one pass, without changing a byte. What is wrong is told with the first
event that it concerns. A log that was changed by somebody who sealed every later event anew looks right in itself: against
that, note a hash elsewhere and give it as an anchor.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.events.archive.record import Record
from reconciler.events.store.archive import Archive, listed_segments
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.faults import translate, translated
from reconciler.events.store.opening import open_for_reading
from reconciler.events.store.schema import DEFINITIONS
from reconciler.ops.audit import Audit, Progress
from reconciler.ops.faults import Fault
from reconciler.ops.fresh import FreshFold
from reconciler.ops.snapshot_audit import SnapshotAudit
from reconciler.projections.definitions import VIEWS, definitions
from reconciler.projections.fold import FOLD_VERSION
from reconciler.projections.tables import Position

_MOST_FAULTS = 100
_LOG_FAULTS = frozenset({"file", "sequence", "hash", "version", "reference", "archive"})


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        head: the newest event.
        hash: its hash: noted elsewhere, it vouches for everything up to there.
        archived: the newest event of the archive; 0 when there is none.
        segments: how many files the archive has.
        faults: what is wrong, by event where they have one; at most a hundred of the log, and then of what follows from it.
        loose: events that name a cause which is not in the log. Somebody may have said so on purpose.
        notes: what could not be looked at.
    """

    head: int
    hash: bytes
    archived: int
    segments: int
    faults: tuple[Fault, ...]
    loose: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not self.faults

    @property
    def first_bad(self) -> int | None:
        """The first event that is wrong; where all are right, the first that something wrong follows from."""
        return min((fault.sequence for fault in self.faults if fault.sequence is not None), default=None)


def verify(path: Path, *, anchors: Mapping[int, bytes] | None = None, progress: Progress | None = None) -> Report:
    """Check a log; read-only.

    Args:
        anchors: hashes by sequence number, as they were noted elsewhere; the first bytes of one suffice.
        progress: told the newest sequence number now and then.

    Raises:
        NotFound: there is no log.
        LogUnusable: the file is no log that this release can read.
    """
    pragmas = Pragmas()
    open_for_reading(path, pragmas)
    with translated(path), closing(connect(path, pragmas, access="read")) as connection:
        connection.execute("BEGIN")
        archive = Archive(path)
        try:
            return _Verification(path, connection, archive, anchors or {}, progress).report()
        finally:
            archive.close()


class _Verification:
    """One run over one state of a file."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        archive: Archive,
        anchors: Mapping[int, bytes],
        progress: Progress | None,
    ) -> None:
        self._path = path
        self._connection = connection
        self._anchors = anchors
        self._fresh = FreshFold()
        self._snapshots = SnapshotAudit(connection)
        self._notes: list[str] = []
        self._audit = Audit(connection, archive, anchors=anchors, progress=progress, follow=self._follow)

    def _follow(self, record: Record) -> None:
        self._fresh.follow(record)
        self._snapshots.follow(record)

    def report(self) -> Report:
        with self._fresh:
            faults = list(islice(self._faults(), _MOST_FAULTS))
            if not _LOG_FAULTS & {fault.check for fault in faults}:
                faults += self._following()
            else:
                self._notes.append("what follows from the log was not compared: the log itself is wrong")
        faults.sort(key=lambda fault: (fault.sequence is None, fault.sequence or 0))
        return Report(
            self._audit.sequence,
            self._audit.last_hash,
            self._audit.archived,
            len(listed_segments(self._connection)),
            tuple(faults),
            tuple(self._audit.loose),
            tuple(self._notes),
        )

    def _faults(self) -> Iterator[Fault]:
        yield from self._file()
        yield from self._schema()
        try:
            yield from self._audit.faults()
            yield from self._end()
        except sqlite3.Error as error:
            yield Fault(
                "file", f"the file cannot be read on: {translate(error, self._path).what}", self._audit.sequence + 1
            )
            return
        yield from self._anchored()

    def _file(self) -> Iterator[Fault]:
        """What SQLite itself finds."""
        try:
            for (found,) in self._connection.execute("PRAGMA integrity_check(20)"):
                if found != "ok":
                    yield Fault("file", f"SQLite: {found}")
        except sqlite3.DatabaseError as error:
            yield Fault("file", f"SQLite: {error}")

    def _schema(self) -> Iterator[Fault]:
        """Tables, indexes, triggers and views as this release makes them."""
        expected, found = _expected_schema(), _schema_of(self._connection)
        for (kind, name), text in sorted(expected.items()):
            if (kind, name) not in found:
                yield Fault("schema", f"the {kind} {name} is missing")
            elif kind == "trigger" and found[kind, name] != text:
                yield Fault("schema", f"the {kind} {name} is not as Fleet makes it")
        for kind, name in sorted(found.keys() - expected.keys()):
            if kind == "trigger":
                yield Fault("schema", f"the {kind} {name} is none of Fleet's")

    def _end(self) -> Iterator[Fault]:
        """Whether the log ends where the projections say that it does: a chain cannot tell that its end was cut off."""
        position = Position.of(self._connection)
        last = self._audit.sequence
        if position.sequence > last:
            gone = "event" if position.sequence == last + 1 else f"events {last + 1} to"
            yield Fault(
                "sequence", f"{gone} {position.sequence} {'is' if gone == 'event' else 'are'} not there", last + 1
            )
        elif position.sequence < last:
            what = f"the log goes on after event {position.sequence}, the last that the projections have followed"
            yield Fault("projection", what, position.sequence + 1)

    def _anchored(self) -> Iterator[Fault]:
        for sequence, noted in sorted(self._anchors.items()):
            found = self._audit.anchors[sequence]
            if not noted or not found.startswith(noted):
                what = (
                    f"the hash of event {sequence} is {found.hex()[:16] or 'unknown'}, and {noted.hex()[:16]} was noted"
                )
                yield Fault("anchor", what, sequence)

    def _following(self) -> Iterator[Fault]:
        """What is kept of what follows from the log."""
        yield from self._projections()
        yield from self._snapshots.faults()

    def _projections(self) -> Iterator[Fault]:
        version = Position.of(self._connection).fold_version
        if self._fresh.stopped is not None:
            yield self._fresh.stopped
        elif version != FOLD_VERSION:
            other = "an older" if version < FOLD_VERSION else "a newer"
            self._notes.append(f"the projections were made by {other} Fleet and were not compared; fleet rebuild")
        else:
            yield from self._fresh.differences(self._connection)


def _expected_schema() -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DEFINITIONS + definitions(FOLD_VERSION))
        found = _schema_of(connection)
    # The tables and views of projections come with their first rows where a file is older than they are.
    late = {("table", f"projected_{name}") for name in VIEWS} | {("view", name) for name in VIEWS}
    return {key: text for key, text in found.items() if key not in late}


def _schema_of(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {(kind, name): " ".join(text.split()) for kind, name, text in rows}
