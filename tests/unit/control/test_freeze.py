"""Freeze windows, evaluated at moments: pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from reconciler.control.freeze import Frozen, frozen
from reconciler.spec.desired import FreezeWindow

HOUR = 3_600_000


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def held(start: str, hours: float, now: int, zone: str = "UTC") -> int | None:
    found = frozen([FreezeWindow(start, int(hours * HOUR), zone)], now)
    return found.until if found is not None else None


@pytest.mark.parametrize(
    ("start", "hours", "now", "until"),
    [
        ("0 18 * * *", 2, "2026-11-24T17:59:59", None),
        ("0 18 * * *", 2, "2026-11-24T18:00:00", "2026-11-24T20:00"),
        ("0 18 * * *", 2, "2026-11-24T19:59:59", "2026-11-24T20:00"),
        ("0 18 * * *", 2, "2026-11-24T20:00:00", None),
        ("0 23 * * *", 3, "2026-11-25T01:00:00", "2026-11-25T02:00"),
        ("0 18 * * 5", 60, "2026-11-29T12:00:00", "2026-11-30T06:00"),
        ("0 18 * * 5", 60, "2026-11-30T06:00:00", None),
        ("0 0 * * 0", 24, "2026-11-29T12:00:00", "2026-11-30T00:00"),
        ("0 0 * * 7", 24, "2026-11-29T12:00:00", "2026-11-30T00:00"),
        ("*/15 9-17/2 * * *", 0.1, "2026-11-24T11:46:00", "2026-11-24T11:51"),
        ("*/15 9-17/2 * * *", 0.1, "2026-11-24T12:01:00", None),
        ("0,30 4 * * *", 0.5, "2026-11-24T04:31:00", "2026-11-24T05:00"),
        ("5/20 4 * * *", 0.1, "2026-11-24T04:46:00", "2026-11-24T04:51"),
        ("0 0 20 12 *", 24 * 14, "2027-01-02T00:00:00", "2027-01-03T00:00"),
        ("0 0 20 12 *", 24 * 14, "2026-11-24T00:00:00", None),
        ("0 0 1 * 2", 1, "2026-11-24T00:30:00", "2026-11-24T01:00"),
        ("0 0 1 * 2", 1, "2026-11-25T00:30:00", None),
        ("0 0 1 * 2", 1, "2026-12-01T00:30:00", "2026-12-01T01:00"),
    ],
)
def test_when_a_window_holds(start: str, hours: float, now: str, until: str | None) -> None:
    assert held(start, hours, at(now)) == (at(until) if until else None)


def test_a_window_is_meant_in_its_own_zone_and_lasts_in_real_time() -> None:
    berlin = "Europe/Berlin"
    assert held("0 9 * * *", 1, at("2026-07-01T07:30"), berlin) == at("2026-07-01T08:00")
    assert held("0 9 * * *", 1, at("2026-12-01T07:30"), berlin) is None
    # The clocks go back in this night: four hours from midnight end at three o'clock.
    assert held("0 0 25 10 *", 4, at("2026-10-25T01:59"), berlin) == at("2026-10-25T02:00")


def test_of_several_windows_the_one_that_ends_last_counts() -> None:
    windows = [FreezeWindow("0 18 * * *", HOUR), FreezeWindow("0 18 * * *", 3 * HOUR, why="the fair")]
    found = frozen(windows, at("2026-11-24T18:30"))
    assert found == Frozen(windows[1], at("2026-11-24T21:00"))
    assert str(found) == "frozen until 2026-11-24 21:00:00Z: the fair"
    assert frozen([], 0) is None
