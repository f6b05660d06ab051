"""Record: an event exactly as it is stored, in words instead of the numbers of any table, before its JSON is read.

The archive keeps and returns records, so that what comes back out of it is byte for byte what the hash chain was
computed over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from reconciler.events.store.chain import seal, seal_provenance, seal_words
from reconciler.events.store.names import Origin

_REMEMBERED = 8192


class Record(NamedTuple):
    """One event as stored. Ids are 16 bytes, `data` the JSON as it was recorded, times Unix ms."""

    sequence_number: int
    event_id: bytes
    event_type: str
    schema_version: int
    stream_type: str
    stream_id: str
    version: int
    data: bytes
    causation_id: bytes | None
    correlation_id: bytes
    origin: Origin
    occurred_at: int
    recorded_at: int
    hash: bytes


Said = tuple[int, bytes, str, int, str, str, int, bytes, bytes | None, bytes, Origin, int, int]
"""The fields of a record but its hash."""


def seal_record(previous: bytes, record: Record) -> bytes:
    """The hash that a record must have after this one; the hash that it carries is not looked at."""
    return sealed(previous, *record[:-1])


def sealed(
    previous: bytes,
    sequence: int,
    event_id: bytes,
    event_type: str,
    schema_version: int,
    stream_type: str,
    stream_id: str,
    version: int,
    data: bytes,
    causation_id: bytes | None,
    correlation_id: bytes,
    origin: Origin,
    occurred_at: int,
    recorded_at: int,
) -> bytes:
    """The hash of a record that says this."""
    return seal(
        previous,
        (sequence, version, recorded_at, occurred_at),
        event_id,
        causation_id,
        _provenance(correlation_id, origin),
        _words(event_type, schema_version),
        _words(stream_type, stream_id),
        data,
    )


_provenance = lru_cache(maxsize=_REMEMBERED)(seal_provenance)
_words = lru_cache(maxsize=_REMEMBERED)(seal_words)
