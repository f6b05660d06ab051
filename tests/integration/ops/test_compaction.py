"""Compaction: what is old moves to the archive, everything reads as before, and whoever dies on the way loses nothing."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.events.moment import Moment
from reconciler.events.store.archive import archive_folder, listed_segments
from reconciler.events.store.query import EventQuery
from reconciler.ids import uuid7
from reconciler.ops import moving
from reconciler.ops.compact import HOUR_MS, Compacted, _shrink, compact, due, old_events
from reconciler.ops.snapshots import StreamRows, drop_snapshots, stream_rows
from reconciler.ops.verify import verify
from reconciler.projections.fold import fold
from reconciler.projections.store import Store, open_store
from reconciler.spec.desired import Compaction
from tests.support.logs import ADA, append_raw, tell_some, unguarded

NOON = 1_795_521_600_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "squawk.db") as opened:
        tell_some(opened, rounds=4)
        yield opened


def move_until(store: Store, sequence: int) -> Compacted:
    return compact(store, ADA, until=sequence, trigger="manual")


def listed(store: Store) -> list[tuple[int, int]]:
    with store.reading() as connection:
        return [(one.from_sequence, one.to_sequence) for one in listed_segments(connection)]


def live(store: Store) -> int:
    with store.reading() as connection:
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(count)


def test_nothing_looks_different_afterwards(store: Store) -> None:
    before = list(store.events())
    done = move_until(store, 20)
    after = list(store.events())
    assert after[: len(before)] == before
    assert done.events == 20
    assert live(store) == len(after) - 20
    assert verify(store.path).sound
    told = [event.event_type for event in after[len(before) :]]
    assert told[0] == "compaction_triggered"
    assert set(told[1:]) == {"context_compacted"}


def test_it_is_told_stream_by_stream(store: Store) -> None:
    move_until(store, 20)
    asked, *told = store.stream("system", "log")
    assert asked.data == {"trigger": "manual"}
    assert all(event.causation_id == asked.event_id for event in told)
    web = next(event.data for event in told if event.data["stream_id"] == "web")
    events = [event for event in store.stream("service", "web") if event.sequence_number <= 20]
    assert (web["from_sequence"], web["to_sequence"]) == (events[0].sequence_number, events[-1].sequence_number)
    assert web["events_compacted"] == len(events)
    assert web["snapshot_id"].startswith("snap_")


def test_every_way_of_reading_reads_through(store: Store) -> None:
    before = list(store.events())
    chance = random.Random(3)
    for until in (1, 7, 30, store.head()):
        move_until(store, until)
        for event in before:
            assert store.event(event.event_id) == event
        for stream in {(event.stream_type, event.stream_id) for event in before}:
            expected = [event for event in before if (event.stream_type, event.stream_id) == stream]
            assert list(store.stream(*stream))[: len(expected)] == expected
            after = chance.randrange(len(expected))
            assert list(store.stream(*stream, after))[: len(expected) - after] == expected[after:]
        queries = [
            EventQuery(types=("squawk_sent",)),
            EventQuery(stream_type="service", newest_first=True, limit=5),
            EventQuery(text="STEP 2"),
            EventQuery(after=5, before=25, newest_first=True),
            EventQuery(correlation_id=before[3].correlation_id),
            EventQuery(causation_id=before[1].event_id),
        ]
        for query in queries:
            found = [event for event in store.events(query) if event.sequence_number <= len(before)]
            assert found == [event for event in selected(before, query) if event in found]
            assert len(found) == min(len(selected(before, query)), len(found))
        assert store.sequence_at(Moment(time_ms=before[9].recorded_at)) >= 10
        assert dict(store.rows_at(20).scan("services")) == dict(folded(before[:20]).scan("services"))


def selected(events: list[Event], query: EventQuery) -> list[Event]:
    found = [
        event
        for event in events
        if event.sequence_number > query.after
        and (query.before is None or event.sequence_number < query.before)
        and query.stream_type in ("", event.stream_type)
        and (not query.types or event.event_type in query.types)
        and (query.correlation_id is None or event.correlation_id == query.correlation_id)
        and (query.causation_id is None or event.causation_id == query.causation_id)
        and (not query.text or query.text.lower() in str(event.data).lower())
    ]
    return found[::-1] if query.newest_first else found


def folded(events: list[Event]) -> StreamRows:
    rows = StreamRows()
    for event in events:
        fold(event, rows)
    return rows


def test_an_id_in_the_archive_is_still_known(store: Store) -> None:
    event = next(store.events(EventQuery(types=("sortie_created",))))
    move_until(store, store.head())
    again = NewEvent(event.event_type, event.stream_type, event.stream_id, event.data, event_id=event.event_id)
    assert store.append([again], ADA) == [event]


def test_versions_go_on_from_the_archive(store: Store) -> None:
    version = store.stream_version("service", "web")
    move_until(store, store.head())
    assert store.stream_version("service", "web") == version
    (event,) = store.append(
        [NewEvent("service_removed", "service", "web", {"service": "web"})], ADA, expected_version=version
    )
    assert event.version == version + 1
    assert verify(store.path).sound


def test_moving_nothing_is_no_compaction(store: Store) -> None:
    assert move_until(store, 0).segments == ()
    move_until(store, 20)
    head = store.head()
    assert move_until(store, 20).segments == ()
    assert store.head() == head


def test_small_segments_are_written_anew_together(store: Store) -> None:
    for until in (10, 20, 30):
        move_until(store, until)
        assert listed(store) == [(1, until)]
    assert verify(store.path).sound


def test_large_ones_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_SMALL_SEGMENT", 10)
    monkeypatch.setattr(moving, "SEGMENT_EVENTS", 12)
    told: list[tuple[int, int]] = []
    done = compact(store, ADA, until=30, trigger="manual", progress=lambda number, of: told.append((number, of)))
    assert [(one.first, one.last) for one in done.segments] == [(1, 12), (13, 30)]
    assert told == []
    move_until(store, 35)
    assert listed(store) == [(1, 12), (13, 30), (31, 35)]
    move_until(store, 38)
    assert listed(store) == [(1, 12), (13, 30), (31, 38)]
    assert verify(store.path).sound
    files = {path.name for path in archive_folder(store.path).iterdir()}
    assert len(files) == 4, "the one that was written anew may still be read by somebody"


def test_progress_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_PROGRESS_EVERY", 10)
    told: list[tuple[int, int]] = []
    compact(store, ADA, until=30, trigger="manual", progress=lambda number, of: told.append((number, of)))
    assert told == [(10, 30), (20, 30), (30, 30)]


def test_files_are_private(store: Store) -> None:
    move_until(store, 20)
    folder = archive_folder(store.path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_leftovers_are_cleared_away(store: Store) -> None:
    move_until(store, 10)
    folder = archive_folder(store.path)
    (folder / "000000000011-000000000020.partial").write_bytes(b"half a segment")
    young, old = folder / "young.segment", folder / "old.segment"
    young.write_bytes(b"somebody may read it")
    old.write_bytes(b"nobody does")
    os.utime(old, (NOON / 1000 - 10**9, NOON / 1000 - 10**9))
    move_until(store, 20)
    names = {path.name for path in folder.iterdir()}
    assert young.name in names
    assert old.name not in names
    assert not any(name.endswith(".partial") for name in names)
    assert verify(store.path).sound


def test_the_file_gets_smaller(tmp_path: Path) -> None:
    with open_store(tmp_path / "squawk.db") as store:
        for number in range(20):
            text = "x" * 500
            store.append(
                [
                    NewEvent("history_recorded", "system", f"h{number}", {"action": f"{text}{i}", "actor": "ada"})
                    for i in range(200)
                ],
                Cause("ada", "cli"),
            )
        done = move_until(store, store.head())
    assert done.shrunk
    assert done.size_after < done.size_before / 5
    assert done.archive_size < 4_000 * 100
    with closing(sqlite3.connect(tmp_path / "squawk.db")) as connection:
        (causes,) = connection.execute("SELECT count(*) FROM causes").fetchone()
    assert causes < 5


def test_the_file_keeps_its_size_while_somebody_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.ops.compact._PATIENCE_MS", 10)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        assert not move_until(store, 20).shrunk
    assert verify(store.path).sound
    assert move_until(store, 30).shrunk


def test_the_file_keeps_its_size_while_somebody_writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.ops.compact._PATIENCE_MS", 10)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert not _shrink(store.path)


def test_numbers_of_causes_are_never_given_again(store: Store) -> None:
    move_until(store, store.head())
    with store.reading() as connection:
        (newest,) = connection.execute("SELECT max(id) FROM causes").fetchone()
    move_until(store, store.head())
    store.append([NewEvent("service_removed", "service", "web", {"service": "web"})], Cause("eve", "cli"))
    with store.reading() as connection:
        (next_one,) = connection.execute("SELECT max(id) FROM causes").fetchone()
    assert next_one > newest


LIMITS = Compaction(threshold_events=20, threshold_age_hours=10)


@pytest.mark.parametrize(
    ("limits", "hours", "expected"),
    [
        (LIMITS, 0, True),
        (Compaction(threshold_events=40, threshold_age_hours=10), 0, False),
        (Compaction(threshold_events=40, threshold_age_hours=10), 11, False),
        (Compaction(threshold_events=40, threshold_age_hours=10), 13, True),
        (Compaction(enabled=False, threshold_events=1, threshold_age_hours=1), 99, False),
    ],
)
def test_when_it_is_due(store: Store, limits: Compaction, hours: int, expected: bool) -> None:
    newest = list(store.events())[-1].recorded_at
    assert due(store, limits, now_ms=newest + hours * HOUR_MS) is expected


def test_an_empty_table_is_never_due(store: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "empty" / "squawk.db") as empty:
        assert not due(empty, LIMITS, now_ms=NOON)
        assert old_events(empty, LIMITS, now_ms=NOON) == 0


def test_what_is_old_by_count_and_by_age(store: Store) -> None:
    head, newest = store.head(), list(store.events())[-1].recorded_at
    assert old_events(store, LIMITS, now_ms=newest) == head - 20
    assert old_events(store, LIMITS, now_ms=newest + 11 * HOUR_MS) == head
    many = Compaction(threshold_events=1_000, threshold_age_hours=10)
    assert old_events(store, many, now_ms=newest) == 0


def test_limits_are_recorded(store: Store) -> None:
    compact(store, ADA, until=10, trigger="threshold", limits=LIMITS)
    asked = next(store.stream("system", "log"))
    assert asked.data == {"trigger": "threshold", "threshold_events": 20, "threshold_age_hours": 10}


def test_snapshots_say_what_the_events_say(store: Store) -> None:
    streams = {(event.stream_type, event.stream_id) for event in store.events()}
    for until in (9, 23, 40, store.head()):
        move_until(store, until)
        for stream in streams:
            expected = folded(list(store.stream(*stream))).state()
            with store.reading() as connection:
                assert stream_rows(store, connection, *stream).state() == expected
    with store.transaction() as transaction:
        drop_snapshots(transaction.connection)
    with store.reading() as connection:
        assert (
            stream_rows(store, connection, "service", "web").state()
            == folded(list(store.stream("service", "web"))).state()
        )


def test_a_damaged_snapshot_is_passed_over(store: Store) -> None:
    move_until(store, 30)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("UPDATE snapshots SET state = x'00'")
    expected = folded(list(store.stream("service", "web"))).state()
    with store.reading() as connection:
        assert stream_rows(store, connection, "service", "web").state() == expected
    assert not verify(store.path).sound
    with store.transaction() as transaction:
        drop_snapshots(transaction.connection)
    assert verify(store.path).sound


def test_a_stream_that_its_folds_cannot_do_alone_has_no_snapshot(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(event: Event, rows: StreamRows) -> None:
        if event.stream_id == "web":
            raise KeyError("something of another stream")
        fold(event, rows)

    monkeypatch.setattr("reconciler.ops.snapshots.fold", refuse)
    move_until(store, 10)
    move_until(store, 30)
    with store.reading() as connection:
        kept = {stream for (stream,) in connection.execute("SELECT stream_id FROM snapshots")}
    assert "web" not in kept
    assert "builder-1" in kept


def test_damaged_events_are_not_archived(store: Store) -> None:
    with unguarded(store.path) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE sequence_number = 17")
    before = live(store)
    with pytest.raises(LogUnusable, match="one of the events 17 to 20 .*: nothing was moved"):
        move_until(store, 30)
    assert live(store) == before + 1
    assert listed(store) == []
    assert list(archive_folder(store.path).iterdir()) == []


def test_unreadable_rows_are_not_archived(store: Store) -> None:
    with unguarded(store.path) as connection:
        connection.execute("UPDATE events SET cause = 999 WHERE sequence_number = 17")
    with pytest.raises(LogUnusable, match="event 17 names cause 999, which is not there: nothing was moved"):
        move_until(store, 30)


def test_what_was_not_written_right_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = moving.write_segment

    def forgetful(path: Path, records: Iterator[moving.Record], previous: bytes, **options: int) -> moving.SegmentInfo:
        return write(path, list(records)[:-1], previous, **options)

    monkeypatch.setattr(moving, "write_segment", forgetful)
    with pytest.raises(LogUnusable, match="what was read back is not what was written"):
        move_until(store, 30)
    assert listed(store) == []
    monkeypatch.undo()
    move_until(store, 30)
    assert verify(store.path).sound


def test_events_of_a_newer_fleet_are_kept(store: Store) -> None:
    path = store.path
    sequence = append_raw(path, "sortie_created", 99, '{"from":"the future"}')
    with open_store(path) as other, pytest.raises(LogUnusable):
        move_until(other, sequence)


def test_two_at_once(store: Store) -> None:
    errors: list[BaseException] = []

    def run(until: int) -> None:
        try:
            with open_store(store.path) as other:
                move_until(other, until)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(until,)) for until in (10, 20, 30, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert listed(store) == [(1, 40)]
    assert verify(store.path).sound


def test_while_others_append_and_read(store: Store) -> None:
    stop = threading.Event()
    seen: list[list[int]] = []

    def append() -> None:
        with open_store(store.path) as other:
            number = 0
            while not stop.is_set():
                number += 1
                data = {"sortie_id": f"n{number}", "title": "x", "priority": "low"}
                other.append([NewEvent("sortie_created", "sortie", f"n{number}", data)], ADA)

    def read() -> None:
        with open_store(store.path, mode="read") as other:
            while not stop.is_set():
                seen.append([event.sequence_number for event in other.events()])

    threads = [threading.Thread(target=append), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            move_until(store, store.head())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen
    for numbers in seen:
        assert numbers == list(range(1, len(numbers) + 1))
    assert verify(store.path).sound


_VICTIM = """
import os, signal, sys
from pathlib import Path
from reconciler.events.envelope import Cause
from reconciler.ops import moving
from reconciler.ops.compact import compact
from reconciler.projections.store import Store, open_store

step = sys.argv[2]

def dying(function, *, after):
    def wrapper(*arguments, **options):
        if after:
            function(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    return wrapper

name, _, when = step.partition(" ")
after = when == "after"
if name == "triggered":
    Store.append = dying(Store.append, after=after)
elif name == "written":
    moving.write_segment = dying(moving.write_segment, after=after)
elif name == "moved":
    moving.move_into_place = dying(moving.move_into_place, after=after)
elif name == "snapshots":
    moving.keep_snapshots = dying(moving.keep_snapshots, after=after)
elif name == "entered":
    moving._enter = dying(moving._enter, after=after)
elif name == "shrunk":
    import reconciler.ops.compact as module
    module._shrink = dying(module._shrink, after=after)
with open_store(Path(sys.argv[1])) as store:
    compact(store, Cause("ada", "cli"), until=30, trigger="manual")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["triggered", "written", "moved", "snapshots", "entered", "shrunk"])
def test_whoever_is_killed_loses_nothing(store: Store, step: str, when: str) -> None:
    before = list(store.events())
    store.close()
    script = [sys.executable, "-c", _VICTIM, str(store.path), f"{step} {when}"]
    assert subprocess.run(script, check=False).returncode == -signal.SIGKILL
    assert verify(store.path).sound
    with open_store(store.path) as again:
        assert list(again.events())[: len(before)] == before
        assert listed(again) in ([], [(1, 30)])
        move_until(again, 40)
        assert list(again.events())[: len(before)] == before
        assert listed(again) == [(1, 40)]
    assert verify(store.path).sound


def test_a_reader_that_opened_the_archive_before_goes_on(store: Store) -> None:
    move_until(store, 10)
    before = list(store.events())
    with open_store(store.path, mode="read") as reader:
        events = reader.events()
        assert next(events) == before[0]
        move_until(store, 30)
        move_until(store, 40)
        assert [before[0], *events][: len(before)] == before
        assert reader.event(UUID(bytes=before[5].event_id.bytes)) == before[5]
        assert reader.event(uuid7(0)) is None
