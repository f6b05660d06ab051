"""Statistics: the same counts, whether events lie in the table or in the archive."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.events.envelope import Cause, NewEvent
from reconciler.ops.statistics import Statistics, statistics
from reconciler.projections.store import Store, open_store
from tests.support.logs import archive_until, tell_some

HOUR = 3_600_000


def counted(store: Store) -> dict[str, Counter[str]]:
    events = list(store.events())
    return {
        "types": Counter(event.event_type for event in events),
        "stream_types": Counter(event.stream_type for event in events),
        "actors": Counter(event.metadata["actor"] for event in events),
        "sources": Counter(event.metadata["source"] for event in events),
    }


def counts_of(found: Statistics) -> dict[str, dict[str, int]]:
    return {name: getattr(found, name) for name in ("types", "stream_types", "actors", "sources")}


@pytest.mark.parametrize("archived", [0, 20, 10_000])
def test_every_kind_is_counted(tmp_path: Path, archived: int) -> None:
    with open_store(tmp_path / "squawk.db") as store:
        tell_some(store, rounds=4)
        archive_until(store, min(archived, store.head()))
        now = list(store.events())[-1].recorded_at + 1
        found = statistics(store, now_ms=now)
        assert counts_of(found) == counted(store)
        assert found.events == store.head()
        with store.reading() as connection:
            (live,) = connection.execute("SELECT count(*) FROM events").fetchone()
        assert found.live == live
        assert found.segments == (1 if archived else 0)
        assert sum(found.days.values()) == found.events
        assert found.largest["service/web"] == store.stream_version("service", "web")
        assert [*found.largest.values()] == sorted(found.largest.values(), reverse=True)
        assert [*found.types.values()] == sorted(found.types.values(), reverse=True)
        assert (found.sizes.archive > 0) is bool(archived)
        assert found.sizes.database == store.path.stat().st_size
        assert (found.sizes.per_archived_event > 0) is bool(archived)


def test_an_empty_log(tmp_path: Path) -> None:
    with open_store(tmp_path / "squawk.db") as store:
        found = statistics(store, now_ms=0)
    assert (found.events, found.streams, found.first_at, found.last_at, found.types) == (0, 0, 0, 0, {})
    assert found.sizes.per_live_event == 0
    assert found.rates == replace(found.rates, last_hour=0, last_day=0, last_week=0, per_day=0)


def test_rates_are_by_time_of_recording(tmp_path: Path) -> None:
    now = 1_800_000_000_000
    times = [now - hours * HOUR for hours in (240, 100, 90, 20, 10, 0, 0)]
    clock = iter(times)
    with open_store(tmp_path / "squawk.db", clock=lambda: next(clock)) as store:
        for number in range(len(times)):
            data = {"action": f"{number}", "actor": "ada"}
            store.append([NewEvent("history_recorded", "system", "h", data)], Cause("ada", "cli"))
        found = statistics(store, now_ms=now + 1)
    assert (found.rates.last_hour, found.rates.last_day, found.rates.last_week) == (2, 4, 6)
    assert found.rates.per_day == 0.7
    assert len(found.days) > 3
