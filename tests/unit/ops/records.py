"""Records for tests: a log in memory, chained as the store chains it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

from reconciler.events.archive.record import Record, seal_record
from reconciler.events.store.chain import START
from reconciler.events.store.names import Origin
from reconciler.ids import uuid7

ORIGIN = Origin("ada", "cli", "", "host1", "0.1.0", "")
NOON = 1_780_000_000_000


def chained(records: Sequence[Record], previous: bytes = START) -> list[Record]:
    """The same records with the hashes that follow from them."""
    sealed = []
    for record in records:
        previous = seal_record(previous, record)
        sealed.append(record._replace(hash=previous))
    return sealed


def some_log(count: int, *, streams: int = 5, first: int = 1, seed: int = 1, gap_ms: int = 40) -> list[Record]:
    """Events of a few streams, each caused by the one before or by nothing."""
    chance = random.Random(seed)
    versions: dict[str, int] = {}
    records: list[Record] = []
    now, correlation = NOON, chance.randbytes(16)
    for number in range(first, first + count):
        now += chance.randrange(gap_ms)
        if number % 7 == 0:
            correlation = uuid7(now, chance.randbytes(10)).bytes
        stream = f"web{chance.randrange(streams)}"
        versions[stream] = versions.get(stream, 0) + 1
        cause = records[-1].event_id if records and number % 7 else None
        text = f'{{"service":"{stream}","replica":1,"container_id":"{chance.randbytes(6).hex()}"}}'
        records.append(
            Record(
                number,
                uuid7(now - chance.randrange(3), chance.randbytes(10)).bytes,
                chance.choice(["container_started", "container_stopped", "container_removed"]),
                1,
                "service",
                stream,
                versions[stream],
                text.encode(),
                cause,
                correlation,
                ORIGIN,
                now - chance.choice([0, 0, 0, 3600_000]),
                now,
                b"",
            )
        )
    return chained(records)


def uuid_of(record: Record) -> UUID:
    """A record's id."""
    return UUID(bytes=record.event_id)
