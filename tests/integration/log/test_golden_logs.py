"""The logs of every release so far: they open, their chain holds, and the same rows follow from them as then.

When a fold is changed on purpose, `FOLD_VERSION` rises, and the rows of the newest release, if it is not out yet, are written
anew by `python -m tests.golden.make`. Files of a release that is out never change.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from reconciler.events.registry import TYPES
from reconciler.projections.store import open_store
from tests.golden.make import FOLDER, tables
from tests.support.events import ADA, note
from tests.support.intact import assert_chained, assert_folded, assert_intact

LOGS = sorted(FOLDER.glob("log-*.db.gz"))


@pytest.fixture(params=LOGS, ids=lambda path: path.name.removesuffix(".db.gz"))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, dict[str, object]]]:
    """A golden log, unpacked, and the rows that follow from it."""
    packed: Path = request.param
    path = tmp_path / "squawk.db"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    expected = json.loads(packed.with_name(packed.name.replace(".db.gz", ".json")).read_text(encoding="utf-8"))
    return path, expected


def test_there_are_golden_logs() -> None:
    assert LOGS


def test_the_rows_that_were_kept_are_read(golden: tuple[Path, dict[str, dict[str, object]]]) -> None:
    path, expected = golden
    with open_store(path, mode="read") as store, store.snapshot() as (rows, _):
        assert tables(rows, list(expected)) == expected
        assert_chained(store)


def test_the_same_rows_follow_when_it_is_replayed(golden: tuple[Path, dict[str, dict[str, object]]]) -> None:
    path, expected = golden
    with open_store(path) as store:
        assert tables(store.rows_at(store.head()), list(expected)) == expected
        store.rebuild()
        assert tables(store.rows(), list(expected)) == expected
        assert_folded(store)


def test_it_can_be_gone_on_with(golden: tuple[Path, dict[str, dict[str, object]]]) -> None:
    path, _ = golden
    with open_store(path) as store:
        store.append([note("years later")], ADA)
        assert_intact(store)


def test_it_holds_every_type_of_its_time(golden: tuple[Path, dict[str, dict[str, object]]]) -> None:
    path, _ = golden
    with open_store(path, mode="read") as store:
        types = {event.event_type for event in store.events()}
    assert types <= set(TYPES)
    assert len(types) > 100
