"""A block: a short run of consecutive events as columns, compressed as one piece.

What can be told from the rest is left out. Of an event id only the random part is kept beside its distance to the time
of recording; a cause that is in the same block is a distance of a few places. Hashes cannot be compressed at all, so
only the one before every fourth event is kept and the others are computed again, which checks the chain on the way.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

import msgspec

from reconciler.errors import LogUnusable
from reconciler.events.archive.columns import ColumnReader, ColumnWriter
from reconciler.events.archive.record import Record, Said, sealed
from reconciler.events.store.names import Origin
from reconciler.events.store.query import EventQuery, as_recorded

BLOCK_EVENTS = 32
RUN_EVENTS = 4

_LEVEL = 6
_ID_SIZE = 16
_ID_TIME = 6
_ID_REST = 10
_HASH_SIZE = 32


class SegmentDamaged(LogUnusable):
    """A segment is not what was written. `sequence` is the first event that cannot be trusted."""

    code = "archive_damaged"

    def __init__(self, what: str, *, sequence: int, where: str = "") -> None:
        super().__init__(what, where=where, hint="put the file back from a backup: fleet restore")
        self.sequence = sequence


def stream_key(stream_type: str, stream_id: str) -> bytes:
    """A stream's name in one piece; a stream type has no slash."""
    return f"{stream_type}/{stream_id}".encode()


def encode_block(records: Sequence[Record], previous_hash: bytes, types: dict[tuple[str, int], int]) -> bytes:
    """The compressed block of these consecutive records.

    Args:
        previous_hash: of the event before the first of them.
        types: numbers of event types with their schema versions; new ones are added.
    """
    out = ColumnWriter()
    recorded = [record.recorded_at for record in records]
    ids = [record.event_id for record in records]
    out.integers([len(records)])
    out.integers(recorded[:1])
    out.integers([0, *(after - before for before, after in pairwise(recorded))])
    out.integers([record.occurred_at - record.recorded_at for record in records])
    out.integers([id_time(one) - when for one, when in zip(ids, recorded, strict=True)])
    out.fixed([one[_ID_TIME:] for one in ids])
    correlations, which = _distinct([record.correlation_id for record in records])
    out.fixed(correlations)
    out.integers(which)
    others, causes = _causes(records)
    out.fixed(others)
    out.integers(causes)
    out.integers([types.setdefault((one.event_type, one.schema_version), len(types)) for one in records])
    streams, which = _distinct([stream_key(record.stream_type, record.stream_id) for record in records])
    out.blobs(streams)
    out.integers(which)
    out.integers([record.version for record in records])
    origins, which = _distinct([_written(record.origin) for record in records])
    out.blobs(origins)
    out.integers(which)
    out.fixed([previous_hash, *(one.hash for one in records[RUN_EVENTS - 1 : len(records) - 1 : RUN_EVENTS])])
    out.blobs([record.data for record in records])
    return zlib.compress(out.getvalue(), _LEVEL)


def id_time(event_id: bytes) -> int:
    """The leading 48 bits of an id, which are its time where it is a UUIDv7."""
    return int.from_bytes(event_id[:_ID_TIME], "big")


def _distinct(values: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
    """The distinct values of a column, and which one every row has."""
    numbers: dict[bytes, int] = {}
    which = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), which


def _causes(records: Sequence[Record]) -> tuple[list[bytes], list[int]]:
    """Causes: 0 for none, a distance back for one in this block, a negative number for one of the others."""
    places = {record.event_id: place for place, record in enumerate(records)}
    others: dict[bytes, int] = {}
    column = []
    for place, record in enumerate(records):
        cause = record.causation_id
        if cause is None:
            column.append(0)
            continue
        at = places.get(cause, place)
        column.append(place - at if at < place else -1 - others.setdefault(cause, len(others)))
    return list(others), column


class Block:
    """A block that was read. Its columns are taken apart at once, records are made for the rows that are asked for."""

    def __init__(self, compressed: bytes, first: int, types: Sequence[tuple[str, int]]) -> None:
        """Take a block apart.

        Args:
            first: the sequence number of its first event.
            types: event types with their schema versions, by number.

        Raises:
            SegmentDamaged: when the bytes are not a block.
        """
        self.first = first
        self._types = types
        try:
            self._read(ColumnReader(zlib.decompress(compressed)))
        except (zlib.error, ValueError, LookupError) as error:
            raise SegmentDamaged(
                f"the block of events from {first} on cannot be read: {error}", sequence=first
            ) from None

    def _read(self, columns: ColumnReader) -> None:
        self.count = count = columns.integer()
        self._base = columns.integer()
        self._steps = columns.integers(count)
        self._lags = columns.integers(count)
        self._id_times = columns.integers(count)
        self._id_rests = columns.fixed(_ID_REST)
        self._correlations, self._correlation = columns.fixed(_ID_SIZE), columns.integers(count)
        self._causes, self._cause = columns.fixed(_ID_SIZE), columns.integers(count)
        self._type = columns.integers(count)
        self._streams, self._stream = columns.blobs(), columns.integers(count)
        self._versions = columns.integers(count)
        self._origins, self._origin = columns.blobs(), columns.integers(count)
        self._hashes = columns.fixed(_HASH_SIZE)
        self._data = columns.blobs()

    @cached_property
    def _recorded(self) -> list[int]:
        return list(accumulate(self._steps, initial=self._base))[1:]

    @cached_property
    def _names(self) -> list[tuple[str, str]]:
        return [_named(key) for key in self._streams]

    @property
    def previous_hash(self) -> bytes:
        """The hash of the event before the block."""
        return self._hashes[0]

    def rows_of(self, key: bytes, after: int = 0) -> list[int]:
        """The rows of a stream whose version is above `after`."""
        wanted = self._streams.find(key)
        if wanted < 0:
            return []
        versions = self._versions
        return [row for row, stream in enumerate(self._stream) if stream == wanted and versions[row] > after]

    def row_of(self, event_id: bytes) -> int | None:
        """The row of the event of this id, or None."""
        row = self._id_rests.find(event_id[_ID_TIME:])
        if row >= 0 and self._event_id(row) == event_id:
            return row
        # Ids that end alike and differ in their time are made by nobody but tests and imports.
        return next((row for row in range(self.count) if self._event_id(row) == event_id), None) if row >= 0 else None

    def last_recorded(self, time_ms: int) -> int:
        """The sequence number of the last event that was recorded up to this time; 0 when none was."""
        rows = [row for row, recorded in enumerate(self._recorded) if recorded <= time_ms]
        return self.first + rows[-1] if rows else 0

    def select(self, query: EventQuery) -> list[int]:
        """The rows that a query selects, whatever its order and limit."""
        rows: list[int] = [*range(self.count)] if not query.stream_id else self._rows_in(query)
        low, high = query.after + 1 - self.first, self.count if query.before is None else query.before - self.first
        tests: list[Callable[[int], bool]] = [lambda row: low <= row < high]
        if query.stream_type and not query.stream_id:
            tests.append(lambda row: self._names[self._stream[row]][0] == query.stream_type)
        if query.types:
            tests.append(lambda row: self._types[self._type[row]][0] in query.types)
        if query.since_ms is not None or query.until_ms is not None:
            since, until = query.since_ms or 0, query.until_ms
            tests.append(lambda row: since <= self._recorded[row] and (until is None or self._recorded[row] <= until))
        if query.correlation_id is not None:
            correlation = query.correlation_id.bytes
            tests.append(lambda row: self._correlations[self._correlation[row]] == correlation)
        if query.causation_id is not None:
            cause = query.causation_id.bytes
            tests.append(lambda row: self._causation_id(row) == cause)
        if query.text:
            text = as_recorded(query.text).encode().lower()
            tests.append(lambda row: text in self._data[row].lower())
        return [row for row in rows if all(test(row) for test in tests)]

    def _rows_in(self, query: EventQuery) -> list[int]:
        """The rows whose stream has this id, and this type where one is asked for."""
        streams = {
            number
            for number, (stream_type, stream_id) in enumerate(self._names)
            if stream_id == query.stream_id and query.stream_type in ("", stream_type)
        }
        return [row for row, stream in enumerate(self._stream) if stream in streams]

    def records(self, rows: Iterable[int]) -> Iterator[Record]:
        """Records of the rows that are asked for, in ascending order, each with its hash.

        Raises:
            SegmentDamaged: when a hash that is kept does not follow from those before it.
        """
        at, previous = 0, self._hashes[0]
        for row in rows:
            start = row - row % RUN_EVENTS
            if start > at:
                at, previous = start, self._hashes[start // RUN_EVENTS]
            while at <= row:
                if at and at % RUN_EVENTS == 0 and previous != self._hashes[at // RUN_EVENTS]:
                    raise self._broken(at)
                said = self._said(at)
                previous = sealed(previous, *said)
                at += 1
            yield Record(*said, previous)

    def _broken(self, at: int) -> SegmentDamaged:
        first, last = self.first + at - RUN_EVENTS, self.first + at - 1
        return SegmentDamaged(f"one of the events {first} to {last} is not what was archived", sequence=first)

    def _event_id(self, row: int) -> bytes:
        time = self._recorded[row] + self._id_times[row]
        return time.to_bytes(_ID_TIME, "big") + self._id_rests[row]

    def _causation_id(self, row: int) -> bytes | None:
        cause = self._cause[row]
        if cause == 0:
            return None
        return self._event_id(row - cause) if cause > 0 else self._causes[-1 - cause]

    def _said(self, row: int) -> Said:
        """Everything about an event but its hash."""
        recorded_at = self._recorded[row]
        return (
            self.first + row,
            self._event_id(row),
            *self._types[self._type[row]],
            *_named(self._streams[self._stream[row]]),
            self._versions[row],
            self._data[row],
            self._causation_id(row),
            self._correlations[self._correlation[row]],
            _origin(self._origins[self._origin[row]]),
            recorded_at + self._lags[row],
            recorded_at,
        )


@lru_cache(maxsize=4096)
def _named(key: bytes) -> tuple[str, str]:
    stream_type, _, stream_id = key.decode().partition("/")
    return stream_type, stream_id


@lru_cache(maxsize=4096)
def _written(origin: Origin) -> bytes:
    return msgspec.json.encode(list(origin))


@lru_cache(maxsize=4096)
def _origin(written: bytes) -> Origin:
    return Origin(*msgspec.json.decode(written))
