"""Whether a log is whole: no gap, no fork, every hash right, and its rows what follows from it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing

from reconciler.events.store.chain import START, seal, seal_provenance, seal_words
from reconciler.projections.definitions import VIEWS
from reconciler.projections.store import Store

_ORIGIN = ("actor", "source", "commit", "host", "software_version", "user_agent")


def assert_intact(store: Store) -> None:
    """Fail with the first thing that is wrong."""
    events = list(store.events())
    assert [event.sequence_number for event in events] == list(range(1, store.head() + 1))
    assert len({event.event_id for event in events}) == len(events)
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        versions[event.stream_type, event.stream_id].append(event.version)
    for stream, found in versions.items():
        assert found == list(range(1, len(found) + 1)), stream
        assert store.stream_version(*stream) == len(found)
    assert_chained(store)
    assert_folded(store)


def assert_chained(store: Store) -> None:
    """Every live event's hash follows from the one before, for a log without an archive."""
    with store.reading() as connection:
        texts = [text for (text,) in connection.execute("SELECT data FROM events ORDER BY sequence_number")]
    previous = START
    for event, text in zip(store.events(), texts, strict=True):
        previous = seal(
            previous,
            (event.sequence_number, event.version, event.recorded_at, event.occurred_at),
            event.event_id.bytes,
            None if event.causation_id is None else event.causation_id.bytes,
            seal_provenance(event.correlation_id.bytes, [event.metadata.get(name, "") for name in _ORIGIN]),
            seal_words(event.event_type, event.schema_version),
            seal_words(event.stream_type, event.stream_id),
            text.encode(),
        )
        assert event.hash == previous, f"event {event.sequence_number}"


def assert_folded(store: Store) -> None:
    """The rows, and the position with them, are what follows from the log."""
    with store.snapshot() as (rows, head):
        then = store.rows_at(head)
        for table in VIEWS:
            assert list(rows.scan(table)) == list(then.scan(table)), table
    with store.reading() as connection:
        assert connection.execute("SELECT sequence_number FROM projection_position").fetchone() == (head,)


def assert_sound_file(store: Store) -> None:
    """SQLite itself finds nothing wrong with the file."""
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
