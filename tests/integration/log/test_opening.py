"""Opening the log's file: new, missing, empty, damaged, foreign, newer, older, unreadable."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.errors import FleetError, LogUnusable, NotFound, TimedOut
from reconciler.events.store import migrating, opening
from reconciler.events.store.schema import REVISION, REVISIONS
from reconciler.events.upcasters import EventTooNew
from reconciler.projections.fold import FOLD_VERSION
from reconciler.projections.store import open_store
from reconciler.spec.desired import DatabaseSettings
from tests.integration.log.older import at_revision, changed, in_parallel, shape, taken_back
from tests.support.events import ADA, heartbeat, note, registered


def files(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of a folder with its content's digest and its time of change."""
    return {
        str(one.relative_to(folder)): (sha256(one.read_bytes()).hexdigest(), one.stat().st_mtime_ns)
        for one in sorted(folder.rglob("*"))
        if one.is_file() and not one.name.endswith("-shm")
    }


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def written(path: Path) -> Path:
    """A log with a few events, closed."""
    with open_store(path) as store:
        store.append([registered("ada"), heartbeat("ada"), note("a")], ADA)
    return path


def test_a_new_log_is_for_its_owner_only(path: Path) -> None:
    with open_store(path) as store:
        store.append([note("a")], ADA)
        assert mode_of(path.parent) == 0o700
        assert {one.name: mode_of(one) for one in path.parent.iterdir()} == {
            "squawk.db": 0o600,
            "squawk.db-wal": 0o600,
            "squawk.db-shm": 0o600,
        }
    assert [one.name for one in path.parent.iterdir()] == ["squawk.db"]


def test_folders_that_were_there_keep_their_permissions(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    open_store(shared / "a" / "b" / "x.db").close()
    assert [mode_of(one) for one in (shared, shared / "a", shared / "a" / "b")] == [0o755, 0o700, 0o700]


def test_it_works_as_the_settings_say(path: Path) -> None:
    settings = DatabaseSettings(durability="normal", busy_timeout_ms=7, cache_size_mb=3, wal_autocheckpoint=11)
    with open_store(path) as usual, open_store(path, settings=settings) as other:
        for store, expected in ((usual, ("wal", 2, 1, -65536, 1000, 5000)), (other, ("wal", 1, 1, -3072, 11, 7))):
            with store.transaction() as transaction:
                found = tuple(
                    transaction.connection.execute(f"PRAGMA {name}").fetchone()[0]
                    for name in (
                        "journal_mode",
                        "synchronous",
                        "foreign_keys",
                        "cache_size",
                        "wal_autocheckpoint",
                        "busy_timeout",
                    )
                )
            assert found == expected


def test_reading_what_is_not_there_makes_nothing(path: Path) -> None:
    with pytest.raises(NotFound, match="nothing has been applied here yet") as missing:
        open_store(path, mode="read")
    assert missing.value.hint == "fleet apply"
    assert missing.value.where == str(path)
    assert not path.parent.exists()


def test_reading_changes_no_byte(written: Path) -> None:
    before = files(written.parent)
    with open_store(written, mode="read") as store:
        assert len(list(store.events())) == store.head() == 3
        assert store.projected().sequence == 3
        assert store.rows_at(2).get("specialists", "ada")
        assert store.lease_holder() is None
    assert files(written.parent) == before


def crashed_writer(path: Path) -> None:
    """Append one event and end without closing anything."""
    program = (
        "import os, sys; from pathlib import Path; from reconciler.projections.store import open_store;"
        "from tests.support.events import ADA, note;"
        "open_store(Path(sys.argv[1])).append([note('last words')], ADA); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=Path(__file__).parents[3])


def test_reading_after_a_crash_changes_no_byte_either(written: Path) -> None:
    crashed_writer(written)
    before = files(written.parent)
    assert set(before) == {"squawk.db", "squawk.db-wal"}
    with open_store(written, mode="read") as store:
        assert store.head() == 4
    assert files(written.parent) == before
    with open_store(written) as store:
        assert store.append([note("next")], ADA)[0].sequence_number == 5
    assert set(files(written.parent)) == {"squawk.db"}


@pytest.fixture
def unwritable(written: Path) -> Iterator[Path]:
    """A log on a file system that takes no writes."""
    point = written.parent.parent / "medium"
    point.mkdir()
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", str(written.parent), str(point)], capture_output=True)
    if mounted.returncode == 0:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(point)], check=True)
        yield point / written.name
        subprocess.run(["umount", str(point)], check=True)
        return
    # Where nothing can be mounted, permissions do for everybody but root.
    written.chmod(0o400)
    written.parent.chmod(0o500)
    yield written
    written.parent.chmod(0o700)


def test_a_medium_that_takes_no_writes_can_be_read(unwritable: Path) -> None:
    with open_store(unwritable, mode="read") as store:
        assert store.head() == 3
        assert store.projected().sequence == 3


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b""), "is empty: what it held is gone"),
        (lambda path: path.write_bytes(b"services:\n  web: {}\n"), "is no event log: it is damaged or another file"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 8192), "the file is not an event log"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read: Is a directory"),
    ],
)
def test_what_is_no_log_is_left_alone(written: Path, spoil: Callable[[Path], object], words: str, mode: str) -> None:
    spoil(written)
    before = files(written.parent)
    with pytest.raises(LogUnusable, match=words) as refused:
        open_store(written, mode=mode)  # type: ignore[arg-type]
    assert refused.value.exit_code == 6
    assert refused.value.where == str(written)
    assert refused.value.hint
    assert files(written.parent) == before


@pytest.mark.parametrize("mode", ["read", "write"])
def test_another_programs_database_is_left_alone(path: Path, mode: str) -> None:
    path.parent.mkdir()
    changed(path, "CREATE TABLE bookmarks (url TEXT)")
    before = files(path.parent)
    with pytest.raises(LogUnusable, match="a database, but not one of Fleet's"):
        open_store(path, mode=mode)  # type: ignore[arg-type]
    assert files(path.parent) == before


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize("revision", ["9999", ""])
def test_a_newer_shape_is_left_alone(written: Path, mode: str, revision: str) -> None:
    changed(
        written,
        "UPDATE alembic_version SET version_num = ?" if revision else "DELETE FROM alembic_version WHERE ? = ''",
        revision,
    )
    before = files(written.parent)
    with pytest.raises(LogUnusable, match=f"has the shape {revision or 'of no release'}") as refused:
        open_store(written, mode=mode)  # type: ignore[arg-type]
    assert "update Fleet" in refused.value.hint
    assert files(written.parent) == before


def test_a_lost_file_is_not_replaced_beside_its_write_ahead_log(written: Path) -> None:
    crashed_writer(written)
    written.unlink()
    for mode in ("read", "write"):
        with pytest.raises(LogUnusable, match=r"is missing, but its write-ahead log squawk\.db-wal is there"):
            open_store(written, mode=mode)  # type: ignore[arg-type]
    assert not written.exists()


def test_a_lost_file_is_not_replaced_beside_its_archive(written: Path) -> None:
    written.unlink()
    archive = written.parent / "squawk.db.archive"
    archive.mkdir()
    (archive / "1-100.segment").write_bytes(b"x")
    with pytest.raises(LogUnusable, match=r"is missing, but its archive squawk\.db\.archive is there"):
        open_store(written)
    assert not written.exists()
    (archive / "1-100.segment").unlink()
    open_store(written).close()


def test_what_a_killed_maker_left_is_no_obstacle(path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "squawk.db.new").write_bytes(b"half")
    with open_store(path) as store:
        assert store.append([note("a")], ADA)
    assert [one.name for one in path.parent.iterdir()] == ["squawk.db"]


def test_many_make_the_same_log_at_once(path: Path) -> None:
    def work(number: int) -> int:
        with open_store(path) as store:
            return store.append([note(str(number))], ADA)[0].sequence_number

    assert sorted(in_parallel(8, work)) == list(range(1, 9))


def test_processes_make_the_same_log_at_once(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from reconciler.projections.store import open_store;"
        "from tests.support.events import ADA, note;"
        "sys.stdin.readline();"
        "print(open_store(Path(sys.argv[1])).append([note(sys.argv[2])], ADA)[0].sequence_number)"
    )
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(int(process.communicate()[0]) for process in processes) == [1, 2, 3, 4]


def test_the_migrations_end_in_the_shape_of_a_new_file(tmp_path: Path) -> None:
    at_revision(tmp_path / "migrated.db", REVISION)
    open_store(tmp_path / "new.db").close()
    assert shape(tmp_path / "migrated.db") == shape(tmp_path / "new.db")


def test_every_migration_is_known_in_its_order() -> None:
    from alembic.script import ScriptDirectory

    found = [script.revision for script in ScriptDirectory.from_config(migrating._config()).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_the_migrations_are_found_in_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "reconciler"
    shutil.copytree(migrating.scripts(), installed / "_migrations")
    monkeypatch.setattr(migrating.reconciler, "__file__", str(installed / "__init__.py"))
    assert migrating.scripts() == installed / "_migrations"
    at_revision(tmp_path / "x.db", REVISION)


def test_an_older_file_is_brought_to_the_newest_shape(written: Path) -> None:
    with open_store(written) as store:
        before, projected = list(store.events()), store.projected()
    taken_back(written, "0001")
    with pytest.raises(LogUnusable, match="has the shape 0001 of an older Fleet; this one reads 0002") as refused:
        open_store(written, mode="read")
    assert "fleet migrate up" in refused.value.hint
    with open_store(written) as store:
        *events, migrated = store.events()
        assert events == before
        assert (migrated.event_type, migrated.data) == (
            "database_migrated",
            {"from_revision": "0001", "to_revision": "0002"},
        )
        assert store.projected(3) == projected
        assert dict(store.rows().scan("specialists"))["ada"]["status"] == "busy"
    copies = sorted(one for one in written.parent.iterdir() if ".before-" in one.name)
    assert [one.name.rpartition("-")[0] for one in copies] == [
        "squawk.db.before-0001-from-0002",
        "squawk.db.before-0002-from-0001",
    ]
    assert all(mode_of(one) == 0o600 for one in copies)
    with closing(sqlite3.connect(copies[1])) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_many_migrate_the_same_log_at_once(written: Path) -> None:
    taken_back(written, "0001")

    def work(number: int) -> int:
        with open_store(written) as store:
            return store.append([note(f"n{number}")], ADA)[0].sequence_number

    numbers = in_parallel(4, work)
    with open_store(written) as store:
        types = [event.event_type for event in store.events()]
        assert types.count("database_migrated") == 1
        assert sorted([*numbers, types.index("database_migrated") + 1]) == [4, 5, 6, 7, 8]
        assert dict(store.rows().scan("messages")) == dict(store.rows_at(8).scan("messages"))


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_back(written, "0001")
    scripts = tmp_path / "scripts"
    shutil.copytree(migrating.scripts(), scripts)
    bad = scripts / "versions" / "0002_projections.py"
    bad.write_text(bad.read_text().replace("connection.exec_driver_sql(SNAPSHOTS)", "raise RuntimeError('no luck')"))
    before = shape(written)
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "scripts", lambda: scripts)
        with pytest.raises(LogUnusable, match="the migration from 0001 to 0002 failed: no luck"):
            open_store(written)
    assert shape(written) == before
    with open_store(written) as store:
        assert store.head() == 4


def test_there_is_no_way_back_before_the_first_shape(written: Path) -> None:
    with pytest.raises(LogUnusable, match="the log would be lost"):
        taken_back(written, "base")
    with open_store(written) as store:
        assert store.head() == 3


def newer_event(path: Path, name: str = "container_teleported", version: int = 1) -> None:
    """Let a newer Fleet have written the last event."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO event_types (name, schema_version) VALUES (?, ?)", (name, version))
        connection.execute(
            "INSERT INTO events SELECT sequence_number + 1, (SELECT max(id) FROM event_types), stream, version + 1, cause,"
            " recorded_at, NULL, x'0f', NULL, '{\"to\": \"mars\"}', hash FROM events ORDER BY sequence_number DESC LIMIT 1"
        )
        connection.execute("UPDATE projection_position SET sequence_number = sequence_number + 1")


@pytest.mark.parametrize(("name", "version"), [("container_teleported", 1), ("squawk_sent", 99)])
def test_a_newer_event_makes_the_log_one_to_read(written: Path, name: str, version: int) -> None:
    newer_event(written, name, version)
    for mode in ("read", "write"):
        with open_store(written, mode=mode) as store:  # type: ignore[arg-type]
            assert store.read_only
            last = list(store.events())[-1]
            assert (last.event_type, last.schema_version, last.data) == (name, version, {"to": "mars"})
            assert store.projected().sequence == 4
            assert store.rows_at(3).get("specialists", "ada")
            with pytest.raises(EventTooNew, match=f"{name} version {version} was written by a newer Fleet"):
                store.rows_at(4)
    with open_store(written) as store:
        for use in (lambda: store.append([note("b")], ADA), lambda: store.lease("apply"), store.rebuild):
            with pytest.raises(
                EventTooNew, match=f"a newer Fleet has written to this log: {name} version {version}"
            ) as refused:
                use()
            assert refused.value.exit_code == 6
            assert refused.value.where == str(written)


def test_a_newer_event_that_comes_while_we_are_at_it(path: Path) -> None:
    with open_store(path) as store:
        store.append([note("a")], ADA)
        assert not store.read_only
        newer_event(path)
        with pytest.raises(EventTooNew):
            store.append([note("b")], ADA)


def test_rows_of_newer_folds_are_not_gone_on_from(written: Path) -> None:
    changed(written, "UPDATE projection_position SET fold_version = fold_version + 1")
    with open_store(written) as store:
        assert store.read_only
        assert store.projected().sequence == 3
        with pytest.raises(EventTooNew, match="made by a newer Fleet"):
            store.append([note("b")], ADA)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE projection_position SET fold_version = 0",
        "UPDATE projection_position SET sequence_number = 2",
        "DELETE FROM projection_position",
    ],
)
def test_rows_of_older_folds_are_made_anew(written: Path, statement: str) -> None:
    changed(written, "UPDATE projected_specialists SET row = replace(row, 'busy', 'lost')")
    changed(written, statement)
    with open_store(written, mode="read") as store:
        assert store.rows().get("specialists", "ada")["status"] == "busy"  # type: ignore[index]
        with store.snapshot() as (rows, head):
            assert (head, dict(rows.scan("specialists"))["ada"]["status"]) == (3, "busy")
    with open_store(written) as store:
        with store.snapshot() as (rows, _):
            assert dict(rows.scan("specialists"))["ada"]["status"] == "busy"
        store.append([note("b")], ADA)
    with closing(sqlite3.connect(written)) as connection:
        assert connection.execute("SELECT * FROM projection_position").fetchone() == (1, 4, FOLD_VERSION)


def test_rows_that_fell_behind_are_not_gone_on_from(path: Path) -> None:
    with open_store(path) as store:
        store.append([note("a")], ADA)
        changed(path, "UPDATE projection_position SET sequence_number = 0")
        with pytest.raises(LogUnusable, match="not up to date with the log") as refused:
            store.append([note("b")], ADA)
        assert refused.value.hint == "fleet rebuild"
        store.rebuild()
        assert store.append([note("b")], ADA)[0].sequence_number == 2


def test_a_file_that_is_busy_for_too_long(path: Path) -> None:
    hasty = DatabaseSettings(busy_timeout_ms=1)
    with open_store(path) as store, open_store(path, settings=hasty) as other:
        with store.transaction():
            with pytest.raises(TimedOut, match="kept the event log busy for too long") as refused:
                other.append([note("a")], ADA)
            assert refused.value.exit_code == 124
        assert other.append([note("a")], ADA)[0].sequence_number == 1


def test_a_full_disk_is_told_and_nothing_is_lost(path: Path) -> None:
    with open_store(path) as store:
        store.append([note("a")], ADA)
        with store.transaction() as transaction:
            pages = transaction.connection.execute("PRAGMA page_count").fetchone()[0]
        with store.transaction() as transaction:
            transaction.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LogUnusable, match="the disk is full: nothing was recorded") as refused:
            store.append([note(str(number) * 100) for number in range(100)], ADA)
        assert refused.value.exit_code == 6
        assert store.head() == 1
        with store.transaction() as transaction:
            transaction.connection.execute("PRAGMA max_page_count = 100000")
        assert store.append([note("b")], ADA)[0].sequence_number == 2


def test_a_folder_that_takes_no_files(unwritable: Path) -> None:
    for target in (unwritable.with_name("other.db"), unwritable.parent / "deeper" / "other.db"):
        with pytest.raises(LogUnusable, match="the event log cannot be made"):
            open_store(target)


def test_a_log_that_takes_no_writes(unwritable: Path) -> None:
    with pytest.raises(LogUnusable, match=r"cannot be (written|opened)"):
        open_store(unwritable).append([note("b")], ADA)


def test_a_damaged_page_is_told_when_it_is_met(written: Path) -> None:
    with closing(sqlite3.connect(written)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()[0]
    with written.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)

    def use() -> None:
        with open_store(written) as store:
            list(store.events())

    with pytest.raises(LogUnusable, match="the event log is damaged") as refused:
        use()
    assert "fleet verify" in refused.value.hint


def test_a_file_that_vanishes_between_two_looks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    looks = iter([False, True, True])
    monkeypatch.setattr(opening, "_examine", lambda _: next(looks))
    with pytest.raises(FleetError, match="cannot be opened"):
        open_store(path)


def test_a_commit_that_fails_is_no_commit(path: Path) -> None:
    with open_store(path) as store:
        store.append([note("a")], ADA)

        def dangling() -> None:
            with store.transaction() as transaction:
                transaction.append([note("b")], ADA)
                transaction.connection.execute("PRAGMA defer_foreign_keys = ON")
                transaction.connection.execute("INSERT INTO causes VALUES (99, 4711, x'00', 1)")

        with pytest.raises(LogUnusable, match="FOREIGN KEY constraint failed"):
            dangling()
        assert store.append([note("c")], ADA)[0].sequence_number == 2


def test_a_reading_that_outlives_the_store_ends_with_its_portion(written: Path) -> None:
    store = open_store(written)
    with store.reading() as connection:
        store.close()
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_a_broken_table_is_not_taken_for_an_empty_one(written: Path) -> None:
    changed(written, "ALTER TABLE projected_specialists RENAME COLUMN row TO line")
    with open_store(written) as store, pytest.raises(LogUnusable, match="no such column"):
        store.rows().get("specialists", "ada")


def test_who_does_what_the_store_does_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass

    def nobody() -> str:
        raise KeyError("no such user")

    monkeypatch.delenv("FLEET_ACTOR", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    with open_store(path) as store:
        with store.lease("a"):
            pass
        monkeypatch.setenv("FLEET_ACTOR", "ci")
        with store.lease("b"):
            pass
        assert [event.metadata["actor"] for event in store.events()] == ["fleet", "fleet", "ci", "ci"]


def test_an_error_while_getting_ready_closes_what_was_opened(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.projections.store import Store

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Store, "prepare", fail)
    with pytest.raises(ZeroDivisionError):
        open_store(written)
    assert not os.path.exists(f"{written}-wal")
