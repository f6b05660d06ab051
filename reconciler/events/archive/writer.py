"""Writing a segment: one pass over consecutive events, in memory that does not grow with their payloads.

The file is new, readable by its owner only, and on the disk for good when this returns. Whoever writes it reads it back
before anything relies on it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import msgspec

from reconciler.events.archive.block import BLOCK_EVENTS, encode_block, id_time, stream_key
from reconciler.events.archive.columns import ColumnWriter, varint
from reconciler.events.archive.layout import END, FORMAT, MAGIC, Footer, Part, SegmentInfo, Tally, key_of, packed
from reconciler.events.archive.record import Record

_DAY_MS = 86_400_000
_MASK_BITS = 62
_NEVER = (1 << 63) - 1


def write_segment(path: Path, records: Iterable[Record], previous_hash: bytes, *, now_ms: int) -> SegmentInfo:
    """Write consecutive events to a new file.

    Args:
        records: at least one, in order and without gaps.
        previous_hash: of the event before the first one.
        now_ms: when this is, for the record.

    Raises:
        ValueError: the events are none, or not consecutive.
        OSError: the file exists or cannot be written; what was written of it is left to the caller.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        writer = _SegmentWriter(file, previous_hash, now_ms)
        for record in records:
            writer.add(record)
        info = writer.finish()
        file.flush()
        os.fsync(file.fileno())
    return info


class _Postings:
    """The first version of a stream that is here, and which blocks hold how many of its events."""

    __slots__ = ("_block", "_blocks", "_count", "_entries", "_first")

    def __init__(self, version: int) -> None:
        self._first = version
        self._block = self._blocks = self._count = 0
        self._entries = bytearray()

    def add(self, block: int) -> None:
        if block != self._block or not self._blocks:
            self._entries += (varint(self._count) if self._blocks else b"") + varint(block - self._block)
            self._block, self._count = block, 0
            self._blocks += 1
        self._count += 1

    def encoded(self) -> bytes:
        return varint(self._blocks) + varint(self._first) + self._entries + varint(self._count)


class _Directory:
    """One entry a block, kept as columns."""

    def __init__(self) -> None:
        self._columns: list[list[int]] = [[] for _ in range(6)]

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, size: int, block: list[Record], types: dict[tuple[str, int], int]) -> None:
        mask = 0
        for record in block:
            mask |= 1 << min(types[record.event_type, record.schema_version], _MASK_BITS)
        entry = [size, mask]
        for times in (
            [id_time(record.event_id) for record in block],
            [record.recorded_at for record in block],
        ):
            entry += [min(times), max(times) - min(times)]
        for column, value in zip(self._columns, entry, strict=True):
            column.append(value)

    def encoded(self) -> bytes:
        out = ColumnWriter()
        out.integers([len(self)])
        for column in self._columns:
            out.integers(column)
        return zlib.compress(out.getvalue(), 9)


class _SegmentWriter:
    def __init__(self, file: BinaryIO, previous_hash: bytes, now_ms: int) -> None:
        self._file = file
        self._now_ms = now_ms
        self._size = 0
        self._previous_hash = self._block_hash = previous_hash
        self._block: list[Record] = []
        self._types: dict[tuple[str, int], int] = {}
        self._streams: dict[bytes, _Postings] = {}
        self._directory = _Directory()
        self._tally = Tally()
        self._newest_id = b""
        self._times = (_NEVER, 0)
        self._first: Record | None = None
        self._last: Record | None = None
        self._put(MAGIC)

    def add(self, record: Record) -> None:
        if self._last is not None and record.sequence_number != self._last.sequence_number + 1:
            raise ValueError(f"event {record.sequence_number} does not follow {self._last.sequence_number}")
        if self._first is None:
            self._first = record
        self._last = record
        self._newest_id = max(self._newest_id, record.event_id)
        self._times = min(self._times[0], record.recorded_at), max(self._times[1], record.recorded_at)
        key = stream_key(record.stream_type, record.stream_id)
        postings = self._streams.get(key)
        if postings is None:
            postings = self._streams[key] = _Postings(record.version)
        postings.add(len(self._directory))
        count(self._tally, record)
        self._block.append(record)
        if len(self._block) == BLOCK_EVENTS:
            self._end_block()

    def finish(self) -> SegmentInfo:
        if self._block:
            self._end_block()
        first, last = self._first, self._last
        if first is None or last is None:
            raise ValueError("a segment has at least one event")
        directory = self._put(self._directory.encoded())
        keys, places, postings = self._put_streams()
        info = SegmentInfo(
            first.sequence_number,
            last.sequence_number,
            *self._times,
            self._newest_id,
            self._previous_hash,
            last.hash,
            self._now_ms,
        )
        footer = Footer(FORMAT, info, list(self._types), self._tally, directory, keys, places, postings)
        encoded = msgspec.json.encode(footer)
        self._put(encoded)
        self._put(END.pack(len(encoded), zlib.crc32(encoded), MAGIC))
        return info

    def _end_block(self) -> None:
        compressed = encode_block(self._block, self._block_hash, self._types)
        self._directory.add(len(compressed), self._block, self._types)
        self._put(compressed)
        self._block_hash = self._block[-1].hash
        self._block = []

    def _put_streams(self) -> tuple[Part, Part, Part]:
        by_key: dict[int, bytes] = {}
        for stream, postings in self._streams.items():
            # Two streams with the same key stand side by side; the blocks tell them apart.
            key = key_of(stream)
            by_key[key] = by_key.get(key, b"") + postings.encoded()
        order = sorted(by_key)
        places, at = [], 0
        for key in order:
            places.append(at)
            at += len(by_key[key])
        return (
            self._put(packed("Q", order)),
            self._put(packed("I", [*places, at])),
            self._put(b"".join(by_key[key] for key in order)),
        )

    def _put(self, data: bytes) -> Part:
        part = Part(self._size, len(data), zlib.crc32(data))
        self._file.write(data)
        self._size += len(data)
        return part


def count(tally: Tally, record: Record) -> None:
    """Count one event."""
    day = _day(record.recorded_at // _DAY_MS)
    for counts, name in (
        (tally.types, record.event_type),
        (tally.stream_types, record.stream_type),
        (tally.actors, record.origin.actor),
        (tally.sources, record.origin.source),
        (tally.days, day),
    ):
        counts[name] = counts.get(name, 0) + 1


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")
