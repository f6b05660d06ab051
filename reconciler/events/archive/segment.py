"""Segment: a file of archived events, opened for reading.

Opening reads the footer and nothing else. Every question is answered from the few blocks that can hold the answer, and
what comes out is the record as it was stored, hash included. A file that is not what was written says so with the first
event that cannot be trusted; it never gives back something else.
"""

from __future__ import annotations

import os
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec

from reconciler.decoders import decoder
from reconciler.events.archive.block import BLOCK_EVENTS, RUN_EVENTS, Block, SegmentDamaged, id_time, stream_key
from reconciler.events.archive.columns import ColumnReader, varints
from reconciler.events.archive.layout import END, FORMAT, MAGIC, Footer, Part, SegmentInfo, Tally, key_of, unpacked
from reconciler.events.archive.record import Record
from reconciler.events.store.query import EventQuery

_MASK_BITS = 62
_CHUNK = 1 << 20
_EVERYTHING = EventQuery()


class _Directory(NamedTuple):
    """Columns with one entry a block; times are the lowest and how far the highest is above it."""

    offsets: list[int]
    masks: list[int]
    ids: list[tuple[int, int]]
    recorded: list[tuple[int, int]]


class _Extent(NamedTuple):
    """The first version of a stream that is here, and in which blocks how many of its events are."""

    first: int
    blocks: list[tuple[int, int]]


class _Streams(NamedTuple):
    """Which streams there are, by their keys, and where the postings of each begin."""

    keys: array[int]
    places: array[int]
    postings: bytes


class Segment:
    """An open segment. Safe to use from several threads; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open a segment.

        Raises:
            SegmentDamaged: the file is not there, cut short, or no segment of a format that this release reads.
        """
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SegmentDamaged(
                f"the archive cannot be opened: {error.strerror}", sequence=0, where=str(path)
            ) from None
        try:
            self._size = os.fstat(self._descriptor).st_size
            self._footer = self._read_footer()
            self._first, self._last = self._footer.info.first, self._footer.info.last
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def info(self) -> SegmentInfo:
        """What it covers."""
        return self._footer.info

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def tally(self) -> Tally:
        """Its events, counted by kind."""
        return self._footer.tally

    def digest(self) -> bytes:
        """SHA-256 of the whole file as it is now."""
        digest, at = sha256(), 0
        while chunk := os.pread(self._descriptor, _CHUNK, at):
            digest.update(chunk)
            at += len(chunk)
        return digest.digest()

    def records(self, after: int = 0, before: int | None = None) -> Iterator[Record]:
        """Events by rising sequence number, both bounds exclusive.

        Raises:
            SegmentDamaged: when the chain of hashes does not hold; the events before the place were given already.
        """
        first = max(after + 1, self._first)
        end = self._last + 1 if before is None else min(before, self._last + 1)
        if first >= end:
            return
        expected: bytes | None = None
        for number in range((first - self._first) // BLOCK_EVENTS, (end - 1 - self._first) // BLOCK_EVENTS + 1):
            start = self._first + number * BLOCK_EVENTS
            block = self._block(number)
            if expected is not None and block.previous_hash != expected:
                raise self._broken(start - 1)
            for record in self._told(block.records(range(max(first - start, 0), min(end - start, block.count)))):
                expected = record.hash
                yield record
        if end == self._last + 1 and expected != self.info.last_hash:
            raise self._broken(self._last)

    def event(self, event_id: bytes) -> Record | None:
        """The event of this id, or None."""
        time = id_time(event_id)
        lowest, highest = self._id_times
        if not lowest <= time <= highest:
            return None
        for number, (low, span) in enumerate(self._directory.ids):
            if low <= time <= low + span:
                block = self._block(number)
                row = block.row_of(event_id)
                if row is not None:
                    return next(self._told(block.records([row])))
        return None

    def stream(self, stream_type: str, stream_id: str, after: int = 0) -> Iterator[Record]:
        """The events of one stream with a version above `after`, oldest first."""
        key = stream_key(stream_type, stream_id)
        for number in self._blocks_of(key, after):
            block = self._block(number)
            yield from self._told(block.records(block.rows_of(key, after)))

    def select(self, query: EventQuery = _EVERYTHING) -> Iterator[Record]:
        """The events that a query selects, in its order; its limit is the caller's to keep."""
        numbers = self._candidates(query)
        for number in reversed(numbers) if query.newest_first else numbers:
            block = self._block(number)
            rows = block.select(query)
            found = self._told(block.records(rows))
            yield from reversed(list(found)) if query.newest_first else found

    def sequence_at(self, time_ms: int) -> int:
        """The highest sequence number that was recorded up to this time; 0 when none here was."""
        recorded = self._directory.recorded
        for number in range(len(recorded) - 1, -1, -1):
            if recorded[number][0] <= time_ms:
                return self._block(number).last_recorded(time_ms)
        return 0

    def _candidates(self, query: EventQuery) -> list[int]:
        """The blocks that may hold what a query selects."""
        directory = self._directory
        numbers = range(len(directory.masks))
        if query.stream_type and query.stream_id:
            chosen = self._blocks_of(stream_key(query.stream_type, query.stream_id))
        else:
            low = max(query.after + 1 - self._first, 0) // BLOCK_EVENTS
            high = len(numbers) if query.before is None else max(query.before - self._first - 1, -1) // BLOCK_EVENTS + 1
            chosen = list(numbers[low:high])
        if query.types:
            mask = self._mask(query.types)
            chosen = [number for number in chosen if directory.masks[number] & mask]
        if query.since_ms is not None:
            chosen = [number for number in chosen if sum(directory.recorded[number]) >= query.since_ms]
        if query.until_ms is not None:
            chosen = [number for number in chosen if directory.recorded[number][0] <= query.until_ms]
        return chosen

    def _mask(self, types: tuple[str, ...]) -> int:
        mask = 0
        for number, (event_type, _) in enumerate(self._footer.types):
            if event_type in types:
                mask |= 1 << min(number, _MASK_BITS)
        return mask

    def _blocks_of(self, key: bytes, after: int = 0) -> list[int]:
        """The blocks that hold events of a stream with a version above `after`, perhaps some more."""
        extents = self._extents(key)
        if len(extents) != 1:
            return sorted({number for extent in extents for number, _ in extent.blocks})
        last, chosen = extents[0].first - 1, []
        for number, count in extents[0].blocks:
            last += count
            if last > after:
                chosen.append(number)
        return chosen

    def _extents(self, key: bytes) -> list[_Extent]:
        """What the postings say under a stream's key: more than one stream may share it."""
        streams = self._streams
        wanted = key_of(key)
        at = bisect_left(streams.keys, wanted)
        if at == len(streams.keys) or streams.keys[at] != wanted:
            return []
        extents = []
        numbers = varints(streams.postings[streams.places[at] : streams.places[at + 1]])
        while numbers:
            count, first = numbers[:2]
            entries, numbers = numbers[2 : 2 + 2 * count], numbers[2 + 2 * count :]
            extents.append(_Extent(first, list(zip(accumulate(entries[::2]), entries[1::2], strict=True))))
        return extents

    def _told(self, records: Iterator[Record]) -> Iterator[Record]:
        """The records; damage is told with the file's name."""
        try:
            yield from records
        except SegmentDamaged as error:
            raise SegmentDamaged(error.what, sequence=error.sequence, where=str(self.path)) from None
        except (ArithmeticError, LookupError, ValueError, msgspec.MsgspecError) as error:
            raise self._unreadable(f"it cannot be made sense of: {error}") from None

    def _broken(self, last: int) -> SegmentDamaged:
        first = last - (last - self._first) % RUN_EVENTS
        return SegmentDamaged(
            f"one of the events {first} to {last} is not what was archived", sequence=first, where=str(self.path)
        )

    def _block(self, number: int) -> Block:
        offsets = self._directory.offsets
        first = self._first + number * BLOCK_EVENTS
        data = self._read(offsets[number], offsets[number + 1] - offsets[number])
        try:
            return Block(data, first, self._footer.types)
        except SegmentDamaged as error:
            raise SegmentDamaged(error.what, sequence=first, where=str(self.path)) from None

    @cached_property
    def _directory(self) -> _Directory:
        try:
            columns = ColumnReader(zlib.decompress(self._checked(self._footer.directory)))
            count = columns.integers(1)[0]
            sizes, masks, *pairs = (columns.integers(count).tolist() for _ in range(6))
        except (zlib.error, ValueError, LookupError) as error:
            raise self._unreadable(f"the directory cannot be read: {error}") from None
        ids, recorded = (list(zip(low, span, strict=True)) for low, span in zip(pairs[::2], pairs[1::2], strict=True))
        return _Directory(list(accumulate(sizes, initial=len(MAGIC))), masks, ids, recorded)

    @cached_property
    def _id_times(self) -> tuple[int, int]:
        """The lowest and the highest time among the ids."""
        ids = self._directory.ids
        return min(low for low, _ in ids), max(low + span for low, span in ids)

    @cached_property
    def _streams(self) -> _Streams:
        footer = self._footer
        keys, places, postings = (self._checked(part) for part in (footer.keys, footer.places, footer.postings))
        return _Streams(unpacked("Q", keys), unpacked("I", places), postings)

    def _read_footer(self) -> Footer:
        if self._size < len(MAGIC) + END.size:
            raise self._unreadable("the file is cut short")
        length, check, magic = END.unpack(self._read(self._size - END.size, END.size))
        encoded = self._read(self._size - END.size - length, length) if magic == MAGIC else b""
        if not encoded or zlib.crc32(encoded) != check:
            raise self._unreadable("the file is cut short or no archive")
        try:
            footer: Footer = decoder(Footer).decode(encoded)
        except msgspec.MsgspecError as error:
            raise self._unreadable(f"the footer cannot be read: {error}") from None
        if footer.format != FORMAT:
            raise self._unreadable("it was written by a newer Fleet")
        return footer

    def _checked(self, part: Part) -> bytes:
        data = self._read(part.offset, part.size)
        if zlib.crc32(data) != part.check:
            raise self._unreadable("a part of the file is not what was written")
        return data

    def _read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset) if offset >= 0 else b""
        if len(data) != size:
            raise self._unreadable("the file is cut short")
        return data

    def _unreadable(self, what: str) -> SegmentDamaged:
        footer = getattr(self, "_footer", None)
        return SegmentDamaged(what, sequence=footer.info.first if footer else 0, where=str(self.path))
