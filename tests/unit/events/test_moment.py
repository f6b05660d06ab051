"""Points of the log in the words that people use."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from reconciler.events.moment import Moment, MomentUnclear, parse_moment

NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An hour ahead of UTC, so that local and UTC times differ."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_sequence_number() -> None:
    assert parse_moment(" 1042 ", now_ms=NOON) == Moment(sequence=1042)


@pytest.mark.parametrize(
    ("words", "time_ms"),
    [
        ("now", NOON),
        ("yesterday", NOON - 24 * HOUR),
        ("2 hours ago", NOON - 2 * HOUR),
        ("2h", NOON - 2 * HOUR),
        ("90s ago", NOON - 90_000),
        ("1 minute ago", NOON - 60_000),
        ("3 Days", NOON - 72 * HOUR),
        ("1w", NOON - 7 * 24 * HOUR),
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T12:00:00+01:00", NOON - HOUR),
        ("2026-11-24T13:00", NOON),
        ("2026-11-24 13:00:01", NOON + 1_000),
        ("2026-11-24", NOON - 13 * HOUR),
        ("13:00", NOON),
        ("13:00:30", NOON + 30_000),
        ("9:15", NOON - 4 * HOUR + 15 * 60_000),
    ],
)
def test_times_are_local_unless_they_say_otherwise(words: str, time_ms: int) -> None:
    assert parse_moment(words, now_ms=NOON) == Moment(time_ms=time_ms)


@pytest.mark.parametrize("words", ["", "soon", "25:00", "2026-13-01", "-5", "2 fortnights ago"])
def test_what_is_none_of_these(words: str) -> None:
    with pytest.raises(MomentUnclear, match="no point of the log") as raised:
        parse_moment(words, now_ms=NOON)
    assert "'2 hours ago'" in raised.value.hint


@pytest.mark.parametrize("text", ["3³", "9" * 30, "9" * 5_000, "99999999999999999999 days", "99:99", "0000-01-01"])
def test_what_no_log_could_hold_is_unclear(text: str) -> None:
    with pytest.raises(MomentUnclear, match="no point of the log"):
        parse_moment(text, now_ms=1_700_000_000_000)
