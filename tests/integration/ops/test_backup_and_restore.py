"""Backups that are logs themselves, and restoring one: checked before and after, never under a writer, nothing thrown away."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.errors import ConfirmationMissing, LeaseHeld, LogUnusable, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.events.store.archive import archive_folder
from reconciler.ops.backup import BackedUp, back_up, backups_of, default_folder
from reconciler.ops.restore import Restored, restore
from reconciler.ops.verify import verify
from reconciler.projections.store import Store, open_store
from tests.support.logs import ADA, append_raw, archive_until, tell_some, unguarded

NOON = 1_795_521_600_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A log of which a part is archived."""
    with open_store(tmp_path / "data" / "squawk.db") as opened:
        tell_some(opened)
        archive_until(opened, 15)
        yield opened


def backup_of(store: Store, *, keep: int = 0, now_ms: int = NOON) -> BackedUp:
    return back_up(store, default_folder(store.path), ADA, keep=keep, now_ms=now_ms)


def put_back(database: Path, backup: Path, **options: bool) -> Restored:
    return restore(database, backup, ADA, now_ms=NOON, **options)


def events_of(path: Path) -> list[tuple[int, bytes]]:
    with open_store(path, mode="read") as store:
        return [(event.sequence_number, event.hash) for event in store.events()]


def test_a_backup_is_a_log(store: Store) -> None:
    before = events_of(store.path)
    made = backup_of(store)
    assert made.sequence == before[-1][0]
    assert events_of(made.path) == before
    assert verify(made.path).sound
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert made.size == made.path.stat().st_size + sum(
        one.stat().st_size for one in archive_folder(made.path).iterdir()
    )
    assert {one.name for one in made.path.parent.iterdir()} == {made.path.name, f"{made.path.name}.archive"}


def test_a_backup_is_recorded(store: Store) -> None:
    made = backup_of(store)
    row = store.rows().get("backups", str(made.path))
    assert row is not None
    assert (row["sequence"], row["size"]) == (made.sequence, made.size)


def test_progress_is_told_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.ops.backup._PAGES_AT_ONCE", 4)
    told: list[tuple[int, int]] = []
    back_up(store, default_folder(store.path), ADA, now_ms=NOON, progress=lambda done, of: told.append((done, of)))
    assert len(told) > 2
    assert told[-1][0] == told[-1][1]


def test_the_oldest_go(store: Store) -> None:
    made = [backup_of(store, keep=2, now_ms=NOON + 60_000 * number) for number in range(4)]
    assert backups_of(store.path, default_folder(store.path)) == [made[2].path, made[3].path]
    assert [one.pruned for one in made] == [(), (), (made[0].path,), (made[1].path,)]
    assert not archive_folder(made[0].path).exists()


def test_other_files_stay(store: Store, tmp_path: Path) -> None:
    folder = default_folder(store.path)
    folder.mkdir(mode=0o700)
    (folder / "squawk-notes.db").write_text("mine")
    with open_store(tmp_path / "other" / "squawk.db") as other:
        tell_some(other, rounds=1)
        theirs = back_up(other, folder, ADA, keep=1, now_ms=NOON).path
    backup_of(store, keep=1)
    backup_of(store, keep=1, now_ms=NOON + 1_000)
    assert theirs.exists()
    assert (folder / "squawk-notes.db").exists()
    assert len(list(folder.glob("*.db"))) == 3


def test_backups_share_segments_with_each_other_and_not_with_the_log(store: Store) -> None:
    first, second = backup_of(store), backup_of(store, now_ms=NOON + 1_000)
    (ours,) = archive_folder(store.path).iterdir()
    one, other = (archive_folder(made.path) / ours.name for made in (first, second))
    assert one.samefile(other)
    assert not one.samefile(ours)


def test_a_damaged_log_gives_no_backup(store: Store) -> None:
    good = backup_of(store)
    with unguarded(store.path) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE sequence_number = 17")
    with pytest.raises(LogUnusable, match="event 17 is not what was recorded"):
        backup_of(store, keep=1, now_ms=NOON + 1_000)
    assert backups_of(store.path, default_folder(store.path)) == [good.path]
    assert len(list(good.path.parent.iterdir())) == 2


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_damaged_segment_gives_no_backup(store: Store, damage: str) -> None:
    (segment,) = archive_folder(store.path).iterdir()
    if damage == "gone":
        segment.unlink()
    else:
        segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(LogUnusable, match="a segment of the archive is missing or damaged"):
        backup_of(store)
    assert list(default_folder(store.path).iterdir()) == []


def test_a_damaged_copy_in_an_older_backup_is_not_shared(store: Store) -> None:
    first = backup_of(store)
    (segment,) = archive_folder(first.path).iterdir()
    segment.write_bytes(b"damaged")
    second = backup_of(store, now_ms=NOON + 1_000)
    assert verify(second.path).sound


def test_a_backup_while_others_append(store: Store) -> None:
    """Every backup is a state that the log was in."""
    stop = threading.Event()

    def append() -> None:
        with open_store(store.path) as other:
            number = 0
            while not stop.is_set():
                number += 1
                data = {"sortie_id": f"s{number}", "title": "x" * 2_000, "priority": "low"}
                other.append([NewEvent("sortie_created", "sortie", f"s{number}", data)], ADA)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        made = [backup_of(store, now_ms=NOON + 1_000 * number) for number in range(3)]
    finally:
        stop.set()
        thread.join()
    assert made[0].sequence < made[1].sequence < made[2].sequence
    history = dict(events_of(store.path))
    for one in made:
        assert all(history[sequence] == sealed for sequence, sealed in events_of(one.path))


def test_nowhere_to_write(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogUnusable, match="the disk failed .*: no backup was made"):
        back_up(store, tmp_path / "file" / "backups", ADA, now_ms=NOON)


@pytest.fixture
def database(store: Store) -> Path:
    """The log of `store`, closed, with a backup and some events since."""
    backup_of(store)
    tell_some(store, rounds=1)
    store.close()
    return store.path


def the_backup(database: Path) -> Path:
    (path,) = backups_of(database, default_folder(database))
    return path


def test_restoring_takes_the_log_back(database: Path) -> None:
    backup, before = the_backup(database), events_of(database)
    done = put_back(database, backup)
    kept = events_of(backup)
    now = events_of(database)
    assert now[: len(kept)] == kept
    with open_store(database, mode="read") as store:
        (*_, last) = store.events()
    assert (last.event_type, last.data) == ("backup_restored", {"path": str(backup), "sequence": done.sequence})
    assert verify(database).sound
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert done.replaced is not None
    assert events_of(done.replaced) == before
    assert verify(done.replaced).sound
    assert done.replaced_sequence == before[-1][0]
    assert not (database.parent / "squawk.db.restoring").exists()


def test_what_was_replaced_can_come_back(database: Path) -> None:
    before = events_of(database)
    done = put_back(database, the_backup(database))
    assert done.replaced is not None
    put_back(database, done.replaced)
    assert events_of(database)[: len(before)] == before


def test_restoring_onto_a_log_with_another_archive(database: Path) -> None:
    """Segments that cover the same events differently do not get into each other's way."""
    with open_store(database) as store:
        archive_until(store, store.head())
    before = events_of(database)
    done = put_back(database, the_backup(database))
    assert verify(database).sound
    assert done.replaced is not None
    assert events_of(done.replaced) == before
    with open_store(database) as store:
        archive_until(store, store.head())
    assert verify(database).sound
    assert verify(done.replaced).sound


def test_restoring_where_nothing_is_left(database: Path, tmp_path: Path) -> None:
    backup = the_backup(database)
    kept = events_of(backup)
    target = tmp_path / "new" / "squawk.db"
    done = put_back(target, backup)
    assert (done.replaced, done.replaced_sequence) == (None, None)
    assert events_of(target)[:-1] == kept


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\0" + b"\xa5" * 9_000])
def test_restoring_in_place_of_a_damaged_log(database: Path, damage: bytes) -> None:
    backup = the_backup(database)
    database.write_bytes(damage)
    done = put_back(database, backup)
    assert verify(database).sound
    assert done.replaced is not None
    assert done.replaced_sequence is None
    assert done.replaced.read_bytes() == damage


def test_leftovers_of_a_damaged_log_go_with_it(database: Path) -> None:
    """A write-ahead log that stayed behind would be played into the backup."""
    backup = the_backup(database)
    database.write_bytes(b"not a database")
    for suffix in ("-wal", "-shm", "-journal"):
        (database.parent / f"squawk.db{suffix}").write_bytes(b"old")
    done = put_back(database, backup)
    assert done.replaced is not None
    assert (done.replaced.parent / "squawk.db-wal").read_bytes() == b"old"
    assert verify(database).sound


def test_a_damaged_backup_is_not_restored(database: Path) -> None:
    backup, before = the_backup(database), events_of(database)
    with unguarded(backup) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE sequence_number = 17")
    with pytest.raises(LogUnusable, match="the backup is damaged, and was not restored: event 17"):
        put_back(database, backup)
    assert events_of(database) == before
    assert not (database.parent / "replaced").exists()
    assert not (database.parent / "squawk.db.restoring").exists()


@pytest.mark.parametrize("damage", ["segment gone", "no database", "newer"])
def test_what_is_no_good_backup_is_not_restored(database: Path, damage: str) -> None:
    backup, before = the_backup(database), events_of(database)
    if damage == "segment gone":
        shutil.rmtree(archive_folder(backup))
    elif damage == "newer":
        append_raw(backup, "sortie_created", 99, "{}")
    else:
        backup.write_bytes(b"nothing of the kind")
    with pytest.raises(LogUnusable):
        put_back(database, backup)
    assert events_of(database) == before
    assert not (database.parent / "squawk.db.restoring").exists()


def test_no_backup(database: Path) -> None:
    with pytest.raises(NotFound, match="there is no backup"):
        put_back(database, database.parent / "none.db")


def test_not_while_the_lease_is_held(database: Path) -> None:
    with open_store(database) as store, store.lease("apply"), pytest.raises(LeaseHeld, match=r"is writing .*\(apply\)"):
        put_back(database, the_backup(database))
    assert not (database.parent / "replaced").exists()


def test_not_while_another_process_has_it_open(database: Path) -> None:
    backup, before = the_backup(database), events_of(database)
    script = (
        "import sys; from pathlib import Path; from reconciler.projections.store import open_store\n"
        "with open_store(Path(sys.argv[1])) as store:\n"
        "    print(store.head(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(LeaseHeld, match="another process has the event log open"):
            put_back(database, backup)
        process.communicate("")
    assert events_of(database) == before
    put_back(database, backup)


def test_a_backup_of_another_log_needs_a_yes(database: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "other" / "squawk.db") as other:
        tell_some(other, rounds=1)
        theirs = back_up(other, tmp_path / "theirs", ADA, now_ms=NOON).path
    with pytest.raises(ConfirmationMissing, match="of another log"):
        put_back(database, theirs)
    put_back(database, theirs, other_log=True)
    assert events_of(database)[:-1] == events_of(theirs)


def test_tokens_never_go_back(database: Path) -> None:
    with open_store(database) as store:
        for _ in range(3):
            with store.lease("apply") as lease:
                token = lease.token
    put_back(database, the_backup(database))
    with open_store(database) as store, store.lease("apply") as lease:
        assert lease.token > token


def test_a_lease_that_was_held_during_the_backup_is_over(store: Store) -> None:
    with store.lease("apply"):
        backup = backup_of(store).path
    store.close()
    put_back(store.path, backup)
    with open_store(store.path) as restored, restored.lease("apply"):
        assert restored.lease_holder() is not None


def test_a_backup_of_older_folds_is_made_anew(database: Path) -> None:
    backup = the_backup(database)
    with closing(sqlite3.connect(backup, isolation_level=None)) as connection:
        connection.execute("DELETE FROM projected_services")
        connection.execute("UPDATE projection_position SET fold_version = 0")
    put_back(database, backup)
    with open_store(database, mode="read") as store:
        assert store.rows().get("services", "web") is not None


def test_what_is_not_right_in_its_place_goes_back(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = events_of(database)
    move = os.replace

    def damaging(source: Path, target: Path) -> None:
        move(source, target)
        if Path(target) == database and Path(source).parent.name.endswith(".restoring"):
            with closing(sqlite3.connect(database, isolation_level=None)) as connection:
                connection.execute("DELETE FROM projected_services")

    monkeypatch.setattr("os.replace", damaging)
    with pytest.raises(LogUnusable, match="not right in its place, and the log was put back"):
        put_back(database, the_backup(database))
    assert events_of(database) == before
    assert verify(database).sound


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_cannot_be_put_in_place_leaves_all_as_it_was(
    database: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = events_of(database)
    (database.parent / "squawk.db-journal").write_bytes(b"")

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("reconciler.ops.restore.copy_segment", fail)
    with pytest.raises((LogUnusable, KeyboardInterrupt)):
        put_back(database, the_backup(database))
    assert events_of(database) == before
    assert list((database.parent / "replaced").iterdir()) == []
    assert not (database.parent / "squawk.db.restoring").exists()
    monkeypatch.undo()
    put_back(database, the_backup(database))


_VICTIM = """
import os, signal, sys
from pathlib import Path
from reconciler.events.envelope import Cause
from reconciler.ops import restore as module

name, _, when = sys.argv[3].partition(" ")
function = getattr(module, name)

def dying(*arguments, **options):
    if when == "after":
        function(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, name, dying)
module.restore(Path(sys.argv[1]), Path(sys.argv[2]), Cause("ada", "cli"), now_ms=1_795_521_600_000)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step", ["copy_log", "_record", "_set_aside", "copy_segment", "move_into_place", "_put_in_place", "_check_again"]
)
def test_whoever_is_killed_while_restoring_leaves_one_log_or_the_other(database: Path, step: str, when: str) -> None:
    backup, before = the_backup(database), events_of(database)
    script = [sys.executable, "-c", _VICTIM, str(database), str(backup), f"{step} {when}"]
    assert subprocess.run(script, check=False).returncode == -9
    assert verify(database).sound
    assert events_of(database)[: len(before)] == before or len(events_of(database)) == len(events_of(backup)) + 1
    put_back(database, backup)
    assert verify(database).sound


def test_a_backup_that_was_killed_leaves_no_backup(store: Store) -> None:
    script = (
        "import os, sys; from pathlib import Path; from reconciler.events.envelope import Cause\n"
        "from reconciler.ops import backup; from reconciler.projections.store import open_store\n"
        "backup.verify = lambda path: os.kill(os.getpid(), 9)\n"
        "with open_store(Path(sys.argv[1])) as store:\n"
        "    backup.back_up(store, Path(sys.argv[2]), Cause('ada', 'cli'), now_ms=1_795_521_600_000)"
    )
    folder = default_folder(store.path)
    words = [sys.executable, "-c", script, str(store.path), str(folder)]
    assert subprocess.run(words, check=False).returncode == -9
    assert backups_of(store.path, folder) == []
    assert list(folder.iterdir()) != []
    backup_of(store)
    assert len(list(folder.iterdir())) == 2
