"""Where a log can live: not where SQLite has no write-ahead log, and not where several machines would share it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store import opening
from reconciler.events.store.connection import LIMIT, PAGE
from reconciler.events.store.medium import file_system_of, refuse_network
from reconciler.projections.store import open_store
from reconciler.spec.desired import DatabaseSettings

MOUNTS = rb"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /home rw - nfs4 files:/home rw
31 30 254:1 / /home/ada/my\040disk rw - ext4 /dev/vdb rw
32 22 0:30 / /work rw shared:7 master:3 - ext4 /dev/vdc rw
33 32 0:31 / /work rw - fuse.sshfs ada@far: rw
a line that means nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/fleet", "ext4"),
        ("/home/ada", "nfs4"),
        ("/home", "nfs4"),
        ("/homely", "ext4"),
        ("/home/ada/my disk/fleet", "ext4"),
        ("/work/x", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_place_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system_of(path, MOUNTS) == kind


def test_no_table_no_answer(tmp_path: Path) -> None:
    assert file_system_of("/srv", b"") == ""
    refuse_network(tmp_path, tmp_path / "not there")


def test_a_network_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_bytes(b"30 22 0:26 / %s rw - nfs4 files:/home rw\n" % os.fsencode(os.path.realpath(tmp_path)))
    monkeypatch.setattr(opening, "refuse_network", lambda path: refuse_network(path, mounts))
    with pytest.raises(LogUnusable, match=r"network's file system \(nfs4\)") as refused:
        open_store(tmp_path / "fleet" / "squawk.db")
    assert "FLEET_DATA_DIR" in refused.value.hint
    assert not (tmp_path / "fleet").exists()


def test_a_file_system_without_shared_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    def without(place: str, **options: Any) -> sqlite3.Connection:
        # SQLite's own way of working where files cannot be mapped and locks are files.
        connection: sqlite3.Connection = real(f"{place}&vfs=unix-dotfile", **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", without)
    with pytest.raises(LogUnusable, match="needs a write-ahead log"):
        open_store(tmp_path / "fleet" / "squawk.db")
    assert not (tmp_path / "fleet" / "squawk.db").exists()


def test_the_write_ahead_log_is_small_again_after_a_long_reading(tmp_path: Path) -> None:
    path, log = tmp_path / "squawk.db", tmp_path / "squawk.db-wal"
    settings = DatabaseSettings(wal_autocheckpoint=50)
    bound = LIMIT * 50 * PAGE
    with open_store(path, settings=settings) as store, open_store(path, mode="read") as other:
        with other.reading() as connection:
            seen = connection.execute("SELECT count(*) FROM events").fetchone()
            write(store, 100)
            assert log.stat().st_size > bound
            assert connection.execute("SELECT count(*) FROM events").fetchone() == seen
        write(store, 20)
        assert log.stat().st_size <= bound
        assert store.head() == 120


def test_many_threads_and_processes_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "squawk.db"
    with open_store(path) as first, open_store(path) as second, contextlib.ExitStack() as others:
        stores = [first, second, *(others.enter_context(open_store(path)) for _ in range(4))]
        threads = [threading.Thread(target=write, args=(store, 25)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert first.head() == 25 * len(stores)
        assert [event.sequence_number for event in first.events()] == list(range(1, first.head() + 1))


def write(store: Any, count: int) -> None:
    for number in range(count):
        data = {"action": f"note {number}", "actor": "ada"}
        store.append([NewEvent("history_recorded", "system", "notes", data)], Cause("ada", "cli"))
