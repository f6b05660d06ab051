"""The log's own care while Fleet stays: limits, hours, and what was missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.options import Project
from reconciler.control.session import open_session
from reconciler.control.tending import Tending, last_start
from reconciler.errors import LogUnusable
from reconciler.ops.backup import backups_of, default_folder
from reconciler.ops.verify import verify
from reconciler.projections.store import EventQuery, open_store
from reconciler.spec.desired import Backup, Compaction, DatabaseSettings, Desired
from tests.support.logs import tell_some

HOUR = 3_600_000
DAY = 24 * HOUR


def at(day: int, hour: int, minute: int = 0) -> int:
    """A time long after the log's events were recorded."""
    return int(datetime(2036, 1, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


class Told:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.lines.append((what, facts))


class Tended:
    """A project with a log of 33 events, and its care on a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = at(10, 12)
        self.told = Told()
        self.database = folder / "log" / "squawk.db"
        (folder / "fleet.yaml").write_text("services: {}\n")
        self.session = open_session(Project(folder / "fleet.yaml", folder, database=str(self.database)))
        self.settings = DatabaseSettings()
        with open_store(self.database) as store:
            tell_some(store)
        self.tending = Tending(self.session, self.desired, self.told, lambda: self.now)  # type: ignore[arg-type]

    def desired(self) -> Desired:
        return Desired(name="shop", project="p", database=self.settings)

    def said(self) -> list[str]:
        """What was told by tending now."""
        self.told.lines.clear()
        self.tending.tend()
        return [what for what, _ in self.told.lines]

    def triggers(self) -> list[str]:
        with open_store(self.database, mode="read") as store:
            return [event.data["trigger"] for event in store.events(EventQuery(types=("compaction_triggered",)))]


@pytest.fixture
def tended(tmp_path: Path) -> Iterator[Tended]:
    made = Tended(tmp_path)
    yield made
    made.tending.stop()
    made.session.close()


def test_a_log_within_its_limits_is_left_alone(tended: Tended) -> None:
    tended.settings = DatabaseSettings(compaction=Compaction(threshold_age_hours=24 * 365 * 100))
    assert tended.said() == []
    assert tended.triggers() == []


def test_a_limit_that_is_passed_moves_what_is_old(tended: Tended) -> None:
    tended.settings = DatabaseSettings(compaction=Compaction(threshold_events=10, threshold_age_hours=24 * 365 * 100))
    assert tended.said() == ["old events moved to the archive"]
    assert tended.triggers() == ["threshold"]
    # With a limit as small as this one, the record of the move is too long once more, and then no longer.
    tended.tending.tend()
    assert tended.said() == []
    assert verify(tended.database).sound


def test_its_hour_moves_what_is_old_once_a_day(tended: Tended) -> None:
    limits = Compaction(threshold_events=30, threshold_age_hours=24 * 365 * 100)
    tended.settings = DatabaseSettings(compaction=limits)
    tended.now = at(10, 3, 1)
    assert tended.said() == ["old events moved to the archive"]
    assert tended.triggers() == ["scheduled"]
    tended.now = at(11, 2, 59)
    assert tended.said() == []


def test_compaction_can_be_turned_off(tended: Tended) -> None:
    tended.settings = DatabaseSettings(compaction=Compaction(enabled=False, threshold_events=1))
    assert tended.said() == []


def test_a_backup_is_made_at_its_hour_and_the_oldest_goes(tended: Tended) -> None:
    off = Compaction(enabled=False)
    tended.settings = DatabaseSettings(compaction=off, backup=Backup(enabled=True, keep=2, schedule="0 4 * * *"))
    folder = default_folder(tended.database)
    # The record of a backup carries the time of the machine's own clock, so the hours lie after it.
    for day in (10, 11, 12):
        tended.now = at(day, 4, 1)
        assert tended.said() == ["a backup was made"]
    assert len(backups_of(tended.database, folder)) == 2
    assert all(verify(path).sound for path in backups_of(tended.database, folder))


def test_a_backup_that_is_newer_than_its_hour_is_not_made_again(tended: Tended) -> None:
    off = Compaction(enabled=False)
    tended.settings = DatabaseSettings(compaction=off, backup=Backup(enabled=True))
    tended.now = at(10, 4, 1)
    assert tended.said() == ["a backup was made"]
    tended.now = int(datetime.now(UTC).timestamp() * 1000)
    assert tended.said() == []


def test_nothing_is_tended_before_there_is_a_log(tended: Tended, tmp_path: Path) -> None:
    nowhere = open_session(Project(tmp_path / "fleet.yaml", tmp_path, database=str(tmp_path / "none" / "squawk.db")))
    Tending(nowhere, tended.desired, tended.told, lambda: tended.now).tend()  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_a_damaged_log_is_said_and_not_replaced(tended: Tended) -> None:
    tended.database.write_bytes(b"this is no log" * 100)
    with pytest.raises(LogUnusable):
        tended.tending.tend()
    assert tended.database.read_bytes().startswith(b"this is no log")


@pytest.mark.parametrize(
    ("schedule", "now", "last"),
    [
        ("0 3 * * *", at(10, 3), at(10, 3)),
        ("0 3 * * *", at(10, 2, 59), at(9, 3)),
        ("*/15 * * * *", at(10, 2, 59), at(10, 2, 45)),
        ("0 3 1 1 *", at(20, 12), 0),
    ],
)
def test_when_a_schedule_last_came_round(schedule: str, now: int, last: int) -> None:
    assert last_start(schedule, now) == last
