"""The audit of the log itself: every event of the archive and of the live table, in order, against all that must hold.

One pass, in memory that does not grow with the number of events. The chain is taken up again after a fault, so that one
changed event is one fault and not one for each event after it.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from uuid import UUID

from reconciler.events.archive.block import SegmentDamaged, stream_key
from reconciler.events.archive.record import Record, seal_record
from reconciler.events.archive.segment import Segment
from reconciler.events.envelope import STREAM_TYPES
from reconciler.events.store.archive import Archive, Listed, listed_segments
from reconciler.events.store.chain import START
from reconciler.events.store.names import Origin
from reconciler.ops.faults import Fault
from reconciler.ops.records import RecordBroken, live_records

_IDS_REMEMBERED = 50_000
_PROGRESS_EVERY = 10_000
_MOST_LOOSE = 1_000

Progress = Callable[[int], None]


class Audit:
    """One pass over a log. `faults` yields what is wrong; what was learnt on the way stays as attributes.

    Attributes:
        sequence: the newest event that was seen.
        last_hash: its hash, as recorded.
        archived: the newest event of the archive.
        anchors: hashes of chosen events, as recorded; empty for one that is not there.
        readable: every event could be read, so that what follows from them can be judged.
        loose: events that name a cause which is not in the log; at most a thousand.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        archive: Archive,
        *,
        anchors: Iterable[int] = (),
        progress: Progress | None = None,
        follow: Callable[[Record], None] | None = None,
    ) -> None:
        """Prepare an audit.

        Args:
            connection: one that sees a single state of the file for the whole audit.
            archive: of the same file.
            anchors: sequence numbers whose hashes are wanted.
            progress: told the newest sequence number now and then.
            follow: given every event that can be read.
        """
        self.sequence, self.last_hash, self.archived = 0, START, 0
        self.anchors: dict[int, bytes] = dict.fromkeys(anchors, b"")
        self.readable = True
        self.loose: list[int] = []
        self._connection = connection
        self._folder = archive.folder
        self._progress = progress
        self._follow = follow
        self._linked = True
        self._versions: dict[bytes, int] = {}
        self._causes = _Causes(connection, archive)
        self._kinds: set[tuple[str, int]] = set()
        self._origins: set[Origin] = set()

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong, in the order of the log as far as it has one."""
        yield from self._archive()
        yield from self._archived_versions()
        yield from self._live()
        if self.readable:
            yield from self._words_without_events()

    def _archive(self) -> Iterator[Fault]:
        for listed in listed_segments(self._connection):
            if not _well_typed(listed):
                self.readable = False
                yield Fault("archive", f"the list of the archive cannot be read at {listed.file!r}", self.sequence + 1)
                continue
            if listed.from_sequence != self.sequence + 1:
                what = f"the archive goes on with event {listed.from_sequence} after {self.sequence}"
                yield Fault("archive", what, self.sequence + 1)
                self._linked = False
            if self._linked and listed.previous_hash != self.last_hash:
                yield Fault("archive", f"{listed.file} does not follow on event {self.sequence}", listed.from_sequence)
            yield from self._segment(listed)
            self._linked = self.sequence == listed.to_sequence
            self.sequence, self.last_hash, self.archived = listed.to_sequence, listed.last_hash, listed.to_sequence

    def _segment(self, listed: Listed) -> Iterator[Fault]:
        self.sequence, self.last_hash = listed.from_sequence - 1, listed.previous_hash
        try:
            with Segment(self._folder / listed.file) as segment:
                if segment.digest() != listed.digest:
                    what = f"{listed.file} is not the file that was archived (its SHA-256 differs)"
                    yield Fault("archive", what, listed.from_sequence)
                info = segment.info
                described = (info.first, info.last, info.from_time, info.to_time, info.newest_id)
                sealed = (info.previous_hash, info.last_hash, segment.size, info.written_at)
                if described + sealed != listed[1:8] + listed[9:]:
                    what = f"the list of the archive does not say what {listed.file} holds"
                    yield Fault("archive", what, listed.from_sequence)
                for record in segment.records():
                    yield from self._event(record)
        except SegmentDamaged as error:
            self.readable = False
            yield Fault("archive", f"{listed.file}: {error.what}", error.sequence or listed.from_sequence)

    def _archived_versions(self) -> Iterator[Fault]:
        """The versions that streams go on from are those that the archive ends with."""
        query = "SELECT stream_type, stream_id, archived_version FROM streams WHERE archived_version != 0"
        listed = {stream_key(str(kind), str(name)): version for kind, name, version in self._connection.execute(query)}
        if not self.readable:
            self._versions = listed
            return
        for key in sorted(listed.keys() | self._versions.keys()):
            expected, found = self._versions.get(key, 0), listed.get(key, 0)
            if expected != found:
                what = f"{key.decode()} ends in the archive with version {expected}, not with {found}"
                yield Fault("version", what, self.archived or None)

    def _live(self) -> Iterator[Fault]:
        newest_cause, after = 0, self.archived
        yield from self._beside_the_archive()
        while True:
            try:
                for live in live_records(self._connection, after):
                    after = live.record.sequence_number
                    if live.cause > newest_cause:
                        newest_cause = live.cause
                        yield from self._first_use(live.cause, after)
                    yield from self._event(live.record)
                return
            except RecordBroken as error:
                after = error.sequence
                yield from self._gap(after)
                yield Fault("reference", str(error), after)
                self.sequence, self._linked, self.readable = after, False, False

    def _beside_the_archive(self) -> Iterator[Fault]:
        """Rows under numbers that the archive has, or that no event can have."""
        query = "SELECT sequence_number FROM events WHERE sequence_number <= ? ORDER BY sequence_number LIMIT 1"
        row = self._connection.execute(query, (self.archived,)).fetchone()
        if row is not None:
            yield Fault("sequence", f"event {row[0]} is in the table, where it was never recorded", row[0])

    def _first_use(self, cause: int, sequence: int) -> Iterator[Fault]:
        first = self._connection.execute("SELECT first_sequence FROM causes WHERE id = ?", (cause,)).fetchone()[0]
        if not isinstance(first, int) or (first != sequence and not 0 < first <= self.archived):
            yield Fault("reference", f"cause {cause} begins with event {sequence}, not with {first}", sequence)

    def _event(self, record: Record) -> Iterator[Fault]:
        sequence = record.sequence_number
        yield from self._gap(sequence)
        if self._linked and seal_record(self.last_hash, record) != record.hash:
            yield Fault("hash", f"event {sequence} is not what was recorded: its hash differs", sequence)
        yield from self._version(record)
        if record.stream_type not in STREAM_TYPES:
            what = f"event {sequence} is of a stream type that does not exist: {record.stream_type}"
            yield Fault("reference", what, sequence)
        self._note(record)
        self._linked, self.sequence, self.last_hash = True, sequence, record.hash
        if self._follow is not None:
            self._follow(record)
        if self._progress is not None and sequence % _PROGRESS_EVERY == 0:
            self._progress(sequence)

    def _gap(self, sequence: int) -> Iterator[Fault]:
        missing = self.sequence + 1
        if sequence != missing:
            what = f"event {missing} is" if sequence == missing + 1 else f"events {missing} to {sequence - 1} are"
            yield Fault("sequence", f"{what} not there", missing)
            self._linked = self.readable = False

    def _version(self, record: Record) -> Iterator[Fault]:
        key = stream_key(record.stream_type, record.stream_id)
        expected = self._versions.get(key, 0) + 1
        if record.version != expected:
            what = (
                f"event {record.sequence_number} is version {record.version} of {key.decode()}, where {expected} comes"
            )
            yield Fault("version", what, record.sequence_number)
        self._versions[key] = record.version

    def _note(self, record: Record) -> None:
        if record.sequence_number in self.anchors:
            self.anchors[record.sequence_number] = record.hash
        if not self._causes.holds(record) and len(self.loose) < _MOST_LOOSE:
            self.loose.append(record.sequence_number)
        self._kinds.add((record.event_type, record.schema_version))
        self._origins.add(record.origin)

    def _words_without_events(self) -> Iterator[Fault]:
        """Types, streams, causes and origins that no event has ever had were not put there by recording."""
        execute = self._connection.execute
        for kind in execute("SELECT name, schema_version FROM event_types ORDER BY id"):
            if kind not in self._kinds:
                yield Fault("reference", f"no event is of type {kind[0]} version {kind[1]}, which is in the list")
        for stream in execute("SELECT stream_type, stream_id FROM streams ORDER BY id"):
            if stream_key(*map(str, stream)) not in self._versions:
                yield Fault("reference", f"no event is of stream {stream[0]}/{stream[1]}, which is in the list")
        words = "actor, source, commit_id, host, software_version, user_agent"
        for origin in execute(f"SELECT {words} FROM origins ORDER BY id"):
            if Origin(*origin) not in self._origins:
                yield Fault("reference", f"no event has the origin {' '.join(map(str, origin))}, which is in the list")
        unused = "SELECT id FROM causes WHERE first_sequence > ? AND id NOT IN (SELECT cause FROM events)"
        for (cause,) in execute(f"{unused} ORDER BY id", (self.archived,)):
            yield Fault("reference", f"no event has cause {cause}, which is in the list")


class _Causes:
    """Whether the events that others name as their causes are in the log. Most are only a little older."""

    def __init__(self, connection: sqlite3.Connection, archive: Archive) -> None:
        self._connection = connection
        self._archive = archive
        self._recent: OrderedDict[bytes, None] = OrderedDict()

    def holds(self, record: Record) -> bool:
        """Whether the cause of a record is known; the record itself is from now on."""
        cause = record.causation_id
        found = cause is None or cause in self._recent or self._look_up(cause)
        self._recent[record.event_id] = None
        if len(self._recent) > _IDS_REMEMBERED:
            self._recent.popitem(last=False)
        return found

    def _look_up(self, event_id: bytes) -> bool:
        if self._connection.execute("SELECT 1 FROM events WHERE event_id = ?", (event_id,)).fetchone() is not None:
            return True
        with suppress(SegmentDamaged):
            return self._archive.event(listed_segments(self._connection), UUID(bytes=event_id)) is not None
        return False


def _well_typed(listed: Listed) -> bool:
    return isinstance(listed.file, str) and all(
        isinstance(value, bytes if name in ("newest_id", "previous_hash", "last_hash", "digest") else int)
        for name, value in zip(listed._fields[1:], listed[1:], strict=True)
    )
