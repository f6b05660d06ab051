"""Verify: every change to any column of any row is named, with the first event that it concerns."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LogUnusable, NotFound
from reconciler.events.archive.segment import Segment
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.archive import archive_folder
from reconciler.events.store.schema import DEFINITIONS
from reconciler.ids import uuid7
from reconciler.ops.snapshots import packed
from reconciler.ops.verify import Report, verify
from reconciler.projections.definitions import definitions
from reconciler.projections.store import open_store
from tests.support.logs import ADA, append_raw, archive_until, columns_of, tell_some, unguarded

ARCHIVED = 15
# Runtime values of the store, not part of what was recorded.
_NOT_LOG = {"lease", "alembic_version"}


def _tables() -> dict[str, list[str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DEFINITIONS + definitions(1))
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: columns_of(connection, name) for name in names if name not in _NOT_LOG}


TABLES = _tables()
LOG_TABLES = [name for name in TABLES if not name.startswith("projected_")]
# A number that nothing refers to; a mark that something is of other folds, and to be passed over; and a constant.
_FREE = {("archive", "segment"), ("snapshots", "fold_version"), ("projection_position", "fold_version")}
_CONSTANT = {("projection_position", "only_one")}
COLUMNS = [
    (table, column) for table in LOG_TABLES for column in TABLES[table] if (table, column) not in _FREE | _CONSTANT
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of which a part is archived."""
    path = tmp_path_factory.mktemp("written") / "squawk.db"
    with open_store(path) as store:
        tell_some(store)
        archive_until(store, ARCHIVED)
        tell_some(store, rounds=1)
    return path


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    shutil.copytree(written.parent, tmp_path / "data")
    return tmp_path / "data" / written.name


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, int):
        return value + 1_000
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, str):
        return value.replace("hello", "hallo") if "hello" in value else f"{value}x"
    return b"\x01" * 16


def first_bad(report: Report) -> int:
    """The first bad event of a report that has one."""
    assert not report.sound
    assert report.first_bad is not None
    return report.first_bad


def test_a_log_that_nobody_touched(log: Path) -> None:
    before = log.read_bytes()
    report = verify(log)
    assert report.sound, report.faults
    assert report.first_bad is None
    assert (report.archived, report.segments, report.loose, report.notes) == (ARCHIVED, 1, (), ())
    with open_store(log, mode="read") as store:
        assert report.head == store.head()
    assert log.read_bytes() == before


def test_an_empty_log(tmp_path: Path) -> None:
    with open_store(tmp_path / "squawk.db"):
        pass
    report = verify(tmp_path / "squawk.db")
    assert report.sound
    assert report.head == 0


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "squawk.db")


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(one) for one in COLUMNS])
def test_any_column_that_was_edited(log: Path, table: str, column: str) -> None:
    with unguarded(log) as connection:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table} ORDER BY rowid").fetchall()
        rowid, value = rows[len(rows) // 2]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (other(value), rowid))
    report = verify(log)
    assert not report.sound
    if table == "events" and column != "sequence_number":
        assert first_bad(report) == rowid


WORDS = {"event_type": "event_types", "stream": "streams", "cause": "causes"}
EVENT_COLUMNS = [column for column in TABLES["events"] if column != "sequence_number"]


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_any_column_of_any_event_that_was_edited(written: Path, tmp_path: Path, column: str) -> None:
    with closing(sqlite3.connect(written)) as connection:
        sequences = [number for (number,) in connection.execute("SELECT sequence_number FROM events")]
    for number in sequences[:: 1 if column in ("data", "hash") else 5]:
        folder = tmp_path / str(number)
        shutil.copytree(written.parent, folder)
        with unguarded(folder / written.name) as connection:
            (value,) = connection.execute(
                f"SELECT {column} FROM events WHERE sequence_number = ?", (number,)
            ).fetchone()
            new = other(value)
            if column in WORDS:
                query = (
                    f"SELECT id FROM {WORDS[column]} w WHERE id != ?1 AND NOT EXISTS (SELECT 1 FROM events e, events o"
                    " WHERE e.sequence_number = ?2 AND o.stream = w.id AND o.version = e.version) ORDER BY id LIMIT 1"
                )
                if column == "cause":
                    # Two numbers may mean the same, and putting one for the other changes nothing.
                    query = (
                        "SELECT id FROM causes WHERE correlation_id != (SELECT correlation_id FROM causes WHERE id = ?)"
                    )
                (new,) = connection.execute(query, (value, number)[: query.count("?")]).fetchone()
            connection.execute(f"UPDATE events SET {column} = ? WHERE sequence_number = ?", (new, number))
        assert first_bad(verify(folder / written.name)) == number


@pytest.mark.parametrize("table", [name for name in TABLES if name != "snapshots"])
def test_any_row_that_was_deleted(log: Path, table: str) -> None:
    with unguarded(log) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        if not count:
            return  # no row follows from these events
        key = "key" if table.startswith("projected_") else "rowid"
        (row,) = connection.execute(
            f"SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET ?", (count // 2,)
        ).fetchone()
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (row,))
    report = verify(log)
    assert not report.sound
    if table == "events":
        assert first_bad(report) == row


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_first_or_last_event_that_was_deleted(log: Path, place: str) -> None:
    function = "min" if place == "first" else "max"
    with unguarded(log) as connection:
        (number,) = connection.execute(f"SELECT {function}(sequence_number) FROM events").fetchone()
        connection.execute("DELETE FROM events WHERE sequence_number = ?", (number,))
    assert first_bad(verify(log)) == number


def test_several_at_the_end_that_were_deleted(log: Path) -> None:
    with unguarded(log) as connection:
        (number,) = connection.execute("SELECT max(sequence_number) - 2 FROM events").fetchone()
        connection.execute("DELETE FROM events WHERE sequence_number >= ?", (number,))
    report = verify(log)
    assert first_bad(report) == number
    assert f"events {number} to {number + 2} are not there" in [fault.what for fault in report.faults]


def _insert(connection: sqlite3.Connection, sequence: int, version: int) -> None:
    columns = "event_type, stream, cause, recorded_at, occurred_at, causation_id, data, hash"
    connection.execute(
        f"INSERT INTO events (sequence_number, version, event_id, {columns}) SELECT ?, ?, ?, {columns} FROM events"
        " ORDER BY sequence_number DESC LIMIT 1",
        (sequence, version, uuid7().bytes),
    )


def test_an_event_that_was_inserted_at_the_end(log: Path) -> None:
    with unguarded(log) as connection:
        (number,) = connection.execute("SELECT max(sequence_number) + 1 FROM events").fetchone()
        _insert(connection, number, 1_000)
    assert first_bad(verify(log)) == number


def test_an_event_that_was_inserted_between(log: Path) -> None:
    with unguarded(log) as connection:
        connection.execute("UPDATE events SET sequence_number = -sequence_number WHERE sequence_number > 20")
        connection.execute("UPDATE events SET sequence_number = 1 - sequence_number WHERE sequence_number < 0")
        _insert(connection, 21, 1_000)
    assert first_bad(verify(log)) == 21


@pytest.mark.parametrize("number", [1, ARCHIVED, -5, 0])
def test_an_event_that_was_inserted_where_the_archive_is(log: Path, number: int) -> None:
    with unguarded(log) as connection:
        _insert(connection, number, 1_000)
    assert first_bad(verify(log)) == number


def test_events_that_were_exchanged(log: Path) -> None:
    with unguarded(log) as connection:
        for old, new in ((18, -1), (19, 18), (-1, 19)):
            connection.execute("UPDATE events SET sequence_number = ? WHERE sequence_number = ?", (new, old))
    assert first_bad(verify(log)) == 18


def test_versions_that_were_exchanged(log: Path) -> None:
    with unguarded(log) as connection:
        stream, low = connection.execute(
            "SELECT stream, min(version) FROM events GROUP BY stream HAVING count(*) > 3 ORDER BY stream LIMIT 1"
        ).fetchone()
        (number,) = connection.execute(
            "SELECT sequence_number FROM events WHERE stream = ? AND version = ?", (stream, low)
        ).fetchone()
        for old, new in ((low, 0), (low + 1, low), (0, low + 1)):
            connection.execute("UPDATE events SET version = ? WHERE stream = ? AND version = ?", (new, stream, old))
    report = verify(log)
    assert first_bad(report) == number
    assert {fault.check for fault in report.faults} >= {"hash", "version"}


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("event_types", "(99, 'container_started', 7)"),
        ("streams", "(99, 'service', 'ghost', 0)"),
        ("streams", "(99, 'service', 'ghost', 4)"),
        ("origins", "(99, 'eve', 'cli', '', '', '', '')"),
        ("causes", "(999, 1, x'00112233445566778899aabbccddeeff', 30)"),
        ("archive", "(9, 'x.segment', 100, 200, 0, 0, x'00', x'00', x'00', x'00', 5, 0)"),
        ("projected_services", "('ghost', '{}', 3)"),
    ],
)
def test_a_row_that_was_inserted_beside_the_events(log: Path, table: str, values: str) -> None:
    with unguarded(log) as connection:
        connection.execute(f"INSERT INTO {table} VALUES {values}")
    assert not verify(log).sound


@pytest.mark.parametrize("column", ["event_type", "stream", "cause"])
def test_a_number_that_stands_for_nothing(log: Path, column: str) -> None:
    with unguarded(log) as connection:
        connection.execute(f"UPDATE events SET {column} = 12345 WHERE sequence_number = 20")
    report = verify(log)
    assert first_bad(report) == 20
    assert any("12345, which is not there" in fault.what for fault in report.faults)


@pytest.mark.parametrize("column", ["data", "event_id", "hash", "version", "recorded_at", "causation_id"])
def test_a_value_of_another_kind(log: Path, column: str) -> None:
    with unguarded(log) as connection:
        connection.execute(f"UPDATE events SET {column} = 1.5 WHERE sequence_number = 20")
    assert first_bad(verify(log)) == 20


def test_a_stream_type_that_does_not_exist(log: Path) -> None:
    with unguarded(log) as connection:
        connection.execute("UPDATE streams SET stream_type = 'other' WHERE stream_type = 'squawk'")
    assert any("stream type that does not exist" in fault.what for fault in verify(log).faults)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER events_are_never_changed",
        "DROP VIEW event_log",
        (
            "DROP TRIGGER events_are_never_deleted; CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events"
            " BEGIN SELECT 1; END"
        ),
        "CREATE TRIGGER mine AFTER INSERT ON events BEGIN SELECT 1; END",
    ],
)
def test_a_schema_that_was_changed(log: Path, change: str) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.executescript(change)
    assert {fault.check for fault in verify(log).faults} == {"schema"}


ROWS = "projected_containers"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"UPDATE {ROWS} SET row = replace(row, 'created\"', 'running\"')", "is not what follows from the log: state"),
        (f"UPDATE {ROWS} SET last_event_sequence = 3", "is not what follows from the log"),
        (f"UPDATE {ROWS} SET key = 'web/9'", "follows from the log and is not there"),
        (f"UPDATE {ROWS} SET row = 'nonsense'", "is not what follows from the log"),
        (f"INSERT INTO {ROWS} VALUES ('zzz/1', '{{}}', 4)", "is there and does not follow from the log"),
        (f"DROP TABLE {ROWS}", "follows from the log and is not there"),
        ("UPDATE projection_position SET sequence_number = 30", "the last that the projections have followed"),
    ],
)
def test_projections_that_were_changed(log: Path, statement: str, told: str) -> None:
    with open_store(log) as store:
        (created,) = store.append([NewEvent("container_created", "service", "web", _container())], ADA)
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute(statement)
    faults = verify(log).faults
    assert any(told in fault.what for fault in faults), faults
    assert {fault.check for fault in faults} == {"projection"}
    assert faults[0].sequence in (created.sequence_number, 31, 4)


def _container() -> dict[str, Any]:
    names = {"service": "web", "replica": 1, "container_id": "c9", "name": "shop-web-1"}
    return {**names, "digest": "v1:d1", "image": "web:1", "image_id": "sha256:1", "intent_id": "evt_1"}


def test_many_rows_that_were_changed_are_counted(log: Path) -> None:
    with open_store(log) as store:
        for number in range(30):
            data = {"sortie_id": f"s{number}", "title": "x", "priority": "low"}
            store.append([NewEvent("sortie_created", "sortie", f"s{number}", data)], ADA)
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("DELETE FROM projected_sorties")
    faults = verify(log).faults
    assert len(faults) == 21
    assert "more rows are not what follows from the log" in faults[-1].what


def test_projections_of_other_folds_are_not_compared(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("UPDATE projection_position SET fold_version = 0")
    report = verify(log)
    assert report.sound
    assert report.notes == ("the projections were made by an older Fleet and were not compared; fleet rebuild",)


def test_an_event_of_a_newer_fleet_is_said(log: Path) -> None:
    sequence = append_raw(log, "sortie_created", 99, "{}")
    (fault,) = verify(log).faults
    assert (fault.check, fault.sequence) == ("projection", sequence)
    assert "sortie_created version 99 was written by a newer Fleet" in fault.what


def test_data_that_no_fold_can_read(log: Path) -> None:
    sequence = append_raw(log, "sortie_created", 1, "{}")
    (fault,) = verify(log).faults
    assert (fault.check, fault.sequence) == ("projection", sequence)
    assert f"nothing can follow from event {sequence}" in fault.what


def test_compactions_that_say_nothing_of_their_snapshots(log: Path) -> None:
    append_raw(log, "context_compacted", 1, '{"snapshot_id":"nonsense"}')
    append_raw(log, "context_compacted", 1, "{}")
    assert verify(log).sound


def segment_of(log: Path) -> Path:
    """The one segment of a log."""
    (path,) = archive_folder(log).glob("*.segment")
    return path


def test_a_segment_that_is_missing(log: Path) -> None:
    segment_of(log).unlink()
    assert first_bad(verify(log)) == 1


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_segment_with_another_byte(log: Path, share: float) -> None:
    path = segment_of(log)
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x10
    path.write_bytes(data)
    report = verify(log)
    assert first_bad(report) == 1
    assert {fault.check for fault in report.faults} == {"archive"}
    assert report.notes == ("what follows from the log was not compared: the log itself is wrong",)


def test_a_segment_of_another_log(log: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "other" / "squawk.db") as store:
        tell_some(store)
        archive_until(store, ARCHIVED)
    shutil.copy(segment_of(tmp_path / "other" / "squawk.db"), segment_of(log))
    report = verify(log)
    assert first_bad(report) == 1
    with Segment(segment_of(log)) as segment:
        assert segment.info.last == ARCHIVED


def test_a_list_of_the_archive_that_cannot_be_read(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("UPDATE archive SET size = 'large'")
    assert first_bad(verify(log)) == 1


def test_a_segment_that_follows_on_nothing(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("UPDATE archive SET previous_hash = x'01'")
    report = verify(log)
    assert first_bad(report) == 1
    assert any("does not follow on event 0" in fault.what for fault in report.faults)


def test_snapshots_are_a_cache_that_may_go(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        assert connection.execute("DELETE FROM snapshots").rowcount > 1
    assert verify(log).sound


@pytest.mark.parametrize("state", [b"nonsense", packed(4, {}), packed(99, {}), None])
def test_a_snapshot_that_is_something_else(log: Path, state: bytes | None) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        if state is None:
            connection.execute("UPDATE snapshots SET id = 5 WHERE stream_id = 'web'")
        else:
            connection.execute("UPDATE snapshots SET state = ? WHERE stream_id = 'web'", (state,))
    (fault,) = verify(log).faults
    assert (fault.check, fault.sequence) == ("snapshot", None)
    assert "the snapshot of service/web up to event" in fault.what


def test_a_hash_that_was_noted_elsewhere(log: Path) -> None:
    report = verify(log)
    with open_store(log) as store:
        noted = {event.sequence_number: event.hash for event in store.events() if event.sequence_number % 7 == 0}
        assert verify(log, anchors={**noted, report.head: report.hash[:8]}).sound
    faults = verify(log, anchors={3: b"\x00" * 32, 999: b"\x01"}).faults
    assert [(fault.check, fault.sequence) for fault in faults] == [("anchor", 3), ("anchor", 999)]


def test_a_cause_that_is_not_in_the_log_is_a_loose_end(log: Path) -> None:
    with open_store(log) as store:
        data = {"sortie_id": "s", "title": "x", "priority": "low"}
        cause = Cause("ada", "api", causation_id=uuid7())
        (event,) = store.append([NewEvent("sortie_created", "sortie", "s", data)], cause)
    report = verify(log)
    assert report.sound
    assert report.loose == (event.sequence_number,)


def test_a_cause_in_the_archive_is_found(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.ops.audit._IDS_REMEMBERED", 1)
    assert verify(log).loose == ()


def test_progress_is_told(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.ops.audit._PROGRESS_EVERY", 10)
    told: list[int] = []
    head = verify(log, progress=told.append).head
    assert told == list(range(10, head + 1, 10))


@pytest.mark.parametrize("page", range(1, 12))
def test_a_page_that_was_overwritten(log: Path, page: int) -> None:
    """Whatever SQLite makes of it, it is told and never passed over."""
    data = bytearray(log.read_bytes())
    assert (page + 1) * 4096 <= len(data)
    data[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    log.write_bytes(data)
    try:
        assert not verify(log).sound
    except LogUnusable as error:
        assert error.exit_code == 6
