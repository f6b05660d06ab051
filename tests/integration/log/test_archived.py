"""A log whose older events are in the archive: nothing can tell, except by where they lie."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from reconciler.errors import Conflict, LogUnusable
from reconciler.events.envelope import Event
from reconciler.events.moment import Moment
from reconciler.events.store import reader
from reconciler.events.store.archive import Archive, Listed, archive_folder, listed_segments
from reconciler.ops.compact import compact
from reconciler.projections.store import EventQuery, Store, open_store
from tests.support.events import ADA, NOON, Clock, note, registered

MOVED = 8


@pytest.fixture
def told(store: Store, clock: Clock) -> list[Event]:
    """Twelve events, a second apart, the first eight of which are in two segments, and what compaction said about it."""
    clock.step = 1_000
    store.append([registered("ada")], ADA)
    for number in range(11):
        store.append([note(f"n{number}", f"box{number % 2}")], ADA)
    for until in (5, MOVED):
        compact(store, ADA, until=until, trigger="manual")
    with store.reading() as connection:
        assert connection.execute("SELECT min(sequence_number) FROM events").fetchone() == (MOVED + 1,)
    return list(store.events())


@pytest.mark.parametrize("portion", [2, 1_000])
def test_everything_is_read_through(
    store: Store, told: list[Event], portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PORTION", portion)
    head = store.head()
    assert [event.sequence_number for event in told] == list(range(1, head + 1))
    assert list(store.events(EventQuery(newest_first=True))) == told[::-1]
    for after in range(head + 1):
        assert list(store.events(EventQuery(after=after, before=after + 4))) == told[after : after + 3]
        backwards = EventQuery(before=after, newest_first=True, limit=3)
        assert list(store.events(backwards)) == told[: max(after - 1, 0)][::-1][:3]
    for event in told:
        assert store.event(event.event_id) == event
    assert store.event(UUID(int=1)) is None
    assert store.event(UUID(int=(1 << 128) - 1)) is None


def test_a_stream_is_read_from_any_version(store: Store, told: list[Event]) -> None:
    box = [event for event in told if (event.stream_type, event.stream_id) == ("squawk", "box1")]
    assert [event.version for event in box] == [1, 2, 3, 4, 5]
    for after in range(len(box) + 2):
        assert list(store.stream("squawk", "box1", after)) == box[after:]
    assert store.stream_version("squawk", "box1") == 5
    assert store.stream_version("specialist", "ada") == 1
    assert list(store.stream("specialist", "ada", 1)) == []


def test_a_stream_that_moves_while_it_is_read(store: Store, told: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_PORTION", 1)
    box = [event for event in told if (event.stream_type, event.stream_id) == ("squawk", "box1")]
    reading, everything = store.stream("squawk", "box1", 3), store.events(EventQuery(after=MOVED))
    assert [next(reading), next(everything)] == [box[3], told[MOVED]]
    compact(store, ADA, until=store.head(), trigger="manual")
    assert list(reading) == box[4:]
    assert list(everything)[: len(told) - MOVED - 1] == told[MOVED + 1 :]
    assert list(store.stream("squawk", "box1", 4)) == box[4:]


def test_moments_before_the_live_table(store: Store, told: list[Event]) -> None:
    for event in told:
        found = store.sequence_at(Moment(time_ms=event.recorded_at))
        assert told[found - 1].recorded_at == event.recorded_at
        assert found == max(one.sequence_number for one in told if one.recorded_at <= event.recorded_at)
    assert store.sequence_at(Moment(time_ms=NOON)) == 0
    compact(store, ADA, until=store.head(), trigger="manual")
    assert store.sequence_at(Moment(time_ms=told[2].recorded_at)) == 3


def test_the_past_and_a_rebuild_go_through_it(store: Store, told: list[Event]) -> None:
    assert len(list(store.rows_at(6).scan("messages"))) == 5
    before = list(store.rows().scan("messages"))
    store.rebuild()
    assert list(store.rows().scan("messages")) == before


def test_what_was_archived_is_still_known(store: Store, path: Path) -> None:
    first = note("first")
    [answer] = store.append([first], ADA)
    store.append([note("second")], ADA)
    compact(store, ADA, until=store.head(), trigger="manual")
    assert store.append([first], ADA) == [answer]
    with pytest.raises(Conflict, match="with another body"):
        store.append([note("other", event_id=first.event_id)], ADA)
    with pytest.raises(Conflict, match="is at version 2 and not 0"):
        store.append([note("third")], ADA, expected_version=0)
    with open_store(path) as other:
        [third] = other.append([note("third")], ADA, expected_version=2)
        assert other.append([first], ADA, expected_version=0) == [answer]
    assert third.version == 3
    assert store.append([note("older", event_id=UUID(int=3))], ADA)[0].version == 4


def test_a_log_that_is_archived_to_its_end_goes_on(store: Store, path: Path) -> None:
    """Compaction records what it did, so this does not come about by itself."""
    *_, last = store.append([note("a"), note("b")], ADA)
    with store.transaction() as transaction:
        run = transaction.connection.execute
        listed = ("f", 1, 2, NOON, NOON, last.event_id.bytes, bytes(32), last.hash, b"", 1, NOON)
        run(f"INSERT INTO archive ({', '.join(Listed._fields)}) VALUES ({', '.join('?' * 11)})", listed)
        run("UPDATE streams SET archived_version = 2")
        run("DELETE FROM events")
    for opened in (store, open_store(path)):
        with opened:
            head = opened.head()
            [event] = opened.append([note(f"after {head}")], ADA, expected_version=head)
            assert (event.sequence_number, event.version) == (head + 1, head + 1)


def test_a_missing_part_of_the_archive_is_told(store: Store, told: list[Event], path: Path) -> None:
    with open_store(path, mode="read") as other:
        for segment in archive_folder(path).iterdir():
            segment.unlink()
        with pytest.raises(LogUnusable, match="the archive"):
            list(other.events())
        assert [event.sequence_number for event in other.events(EventQuery(after=MOVED))] == [
            event.sequence_number for event in told[MOVED:]
        ]


def test_records_come_out_as_they_were_recorded(store: Store, told: list[Event], path: Path) -> None:
    archive = Archive(path)
    with store.reading() as connection:
        listed = listed_segments(connection)
    records = list(archive.records(listed, 3))
    archive.close()
    assert [record.sequence_number for record in records] == list(range(4, MOVED + 1))
    assert [record.hash for record in records] == [event.hash for event in told[3:MOVED]]
