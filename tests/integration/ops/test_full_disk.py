"""A disk that fills up in the middle of anything: nothing half done stays, and all goes on once there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import LogUnusable
from reconciler.events.envelope import Event, NewEvent
from reconciler.ops.backup import back_up, backups_of, default_folder
from reconciler.ops.bundle import Surroundings, bundle
from reconciler.ops.compact import compact
from reconciler.ops.rebuild import rebuild
from reconciler.ops.restore import restore
from reconciler.ops.verify import verify
from reconciler.projections.store import open_store
from tests.support.logs import ADA, tell_some

NOON = 1_795_521_600_000
DISK_KB = 6_000


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path_factory.mktemp("disk")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("nobody here may mount a file system; the limit on a file's size is tried below all the same")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Disk:
    """A log on a disk that can be filled up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        self.path = folder / "log" / "squawk.db"
        with open_store(self.path) as store:
            tell_some(store, rounds=3)
            texts = [f"{number}:{'x' * 700}" for number in range(600)]
            events = [NewEvent("history_recorded", "system", "h", {"action": text, "actor": "ada"}) for text in texts]
            store.append(events, ADA)
            self.backup = back_up(store, default_folder(self.path), ADA, now_ms=NOON).path
            tell_some(store, rounds=1)

    def events(self) -> list[Event]:
        with open_store(self.path, mode="read") as store:
            return list(store.events())

    @contextlib.contextmanager
    def left(self, kilobytes: int) -> Iterator[None]:
        """Leave so much room."""
        stats = os.statvfs(self._folder)
        free = stats.f_bavail * stats.f_frsize
        self._filler.write_bytes(b"\0" * max(free - 1024 * kilobytes, 0))
        try:
            yield
        finally:
            self._filler.unlink()

    def files(self) -> set[str]:
        """Everything on the disk but what SQLite makes and unmakes."""
        names = {str(one.relative_to(self._folder)) for one in self._folder.rglob("*") if one.is_file()}
        return {name for name in names if not name.endswith(("-wal", "-shm", "filler"))}

    def clear(self) -> None:
        shutil.rmtree(self._folder / "log")


@pytest.fixture
def log(disk: Path) -> Iterator[Disk]:
    made = Disk(disk)
    yield made
    made.clear()


def compacting(log: Disk) -> None:
    with open_store(log.path) as store:
        compact(store, ADA, until=store.head(), trigger="manual")


def backing_up(log: Disk) -> None:
    with open_store(log.path) as store:
        back_up(store, default_folder(log.path), ADA, keep=1, now_ms=NOON + 60_000)


def restoring(log: Disk) -> None:
    restore(log.path, log.backup, ADA, now_ms=NOON)


def rebuilding(log: Disk) -> None:
    with open_store(log.path) as store:
        rebuild(store)


WAYS: dict[str, Callable[[Disk], None]] = {
    "compact": compacting,
    "backup": backing_up,
    "restore": restoring,
    "rebuild": rebuilding,
}
# From nothing at all to enough, so that each step is the one that fails.
ROOM = [0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_half_done_stays(log: Disk, way: str) -> None:
    before, files, failed = log.events(), log.files(), 0
    for room in ROOM:
        with log.left(room):
            try:
                WAYS[way](log)
                succeeded = True
            except LogUnusable as error:
                succeeded = False
                failed += 1
                assert error.exit_code == 6
        assert verify(log.path).sound
        if succeeded:
            break
        after = log.events()
        assert after[: len(before)] == before, f"with {room} kB left"
        assert {event.event_type for event in after[len(before) :]} <= {"compaction_triggered"}
        assert log.files() == files
        assert backups_of(log.path, default_folder(log.path)) == [log.backup]
    assert failed, "the disk was never full"
    WAYS[way](log)
    assert verify(log.path).sound
    if way != "restore":
        assert log.events()[: len(before)] == before


def test_no_bundle_that_is_cut_short(log: Disk) -> None:
    out = log.path.parent / "report.tar.gz"
    with log.left(0), pytest.raises(LogUnusable, match="no bundle was written"):
        bundle(log.path, out, Surroundings(), now_ms=NOON)
    assert not out.exists()
    bundle(log.path, out, Surroundings(), now_ms=NOON)


_LIMITED = """
import resource, sys
from pathlib import Path
from reconciler.errors import LogUnusable
from reconciler.events.envelope import Cause
from reconciler.ops.compact import compact
from reconciler.projections.store import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    with open_store(Path(sys.argv[1])) as store:
        compact(store, Cause("ada", "cli"), until=600, trigger="manual")
except LogUnusable as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [2_000, 8_000, 40_000, 200_000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "squawk.db"
    with open_store(path) as store:
        texts = [f"{number}:{'x' * 900}" for number in range(600)]
        events = [NewEvent("history_recorded", "system", "h", {"action": text, "actor": "ada"}) for text in texts]
        store.append(events, ADA)
        before = list(store.events())
    # Whatever else measures this process must not stumble over the limit.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    words = [sys.executable, "-c", _LIMITED, str(path), str(limit)]
    said = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert said.returncode == 1, said
    assert "Traceback" not in said.stderr
    assert verify(path).sound
    with open_store(path) as store:
        assert list(store.events())[: len(before)] == before
        compact(store, ADA, until=600, trigger="manual")
    assert verify(path).sound
