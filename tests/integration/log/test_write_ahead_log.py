"""A write-ahead log that breaks off anywhere: the database opens and holds a prefix of what was committed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.projections.store import open_store
from tests.support.events import ADA, heartbeat, note, registered
from tests.support.intact import assert_chained, assert_folded, assert_intact

STEP = 512


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A database with its write-ahead log as a crash leaves them, and the heads after each commit."""
    folder = tmp_path_factory.mktemp("crashed")
    path = folder / "live.db"
    with open_store(path) as store:
        store.append([registered("ada")], ADA)
    heads = [1]
    with open_store(path) as store:
        for number in range(12):
            store.append([heartbeat("ada"), note(f"a{number}" * (1 + 50 * (number % 3)))] * (1 + number % 2), ADA)
            store.append([note(f"b{number}", f"box{number % 4}")], ADA)
            heads += [store.head() - 1, store.head()]
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", folder / f"squawk.db{suffix}")
    return folder / "squawk.db", heads


def pieces() -> list[int]:
    """The offsets are walked in so many tests, so that several processes can share them."""
    return list(range(8))


@pytest.mark.parametrize("piece", pieces())
def test_whatever_is_left_of_it_a_prefix_is_held(crashed: tuple[Path, list[int]], tmp_path: Path, piece: int) -> None:
    source, heads = crashed
    log = Path(f"{source}-wal").read_bytes()
    seen: list[int] = []
    for size in range(0, len(log) + STEP, STEP)[piece::8]:
        path = tmp_path / f"{size}.db"
        shutil.copy(source, path)
        Path(f"{path}-wal").write_bytes(log[:size])
        with open_store(path, mode="read") as store:
            head = store.head()
            assert head in heads
            assert_chained(store)
            assert_folded(store)
        with open_store(path) as store:
            assert store.head() == head
            [event] = store.append([note("after the crash")], ADA)
            assert event.sequence_number == head + 1
            if size % (8 * STEP) == 0:
                assert_intact(store)
        seen.append(head)
        path.unlink()
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] >= heads[-8]


def test_a_torn_frame_in_the_middle_hides_only_what_follows(crashed: tuple[Path, list[int]], tmp_path: Path) -> None:
    source, heads = crashed
    log = bytearray(Path(f"{source}-wal").read_bytes())
    log[len(log) // 2] ^= 0xFF
    path = tmp_path / "torn.db"
    shutil.copy(source, path)
    Path(f"{path}-wal").write_bytes(log)
    with open_store(path) as store:
        assert heads[0] < store.head() < heads[-1]
        assert store.head() in heads
        assert_intact(store)
