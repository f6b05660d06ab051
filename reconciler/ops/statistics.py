"""Statistics of the log: how many events of what kind, by whom and when, and how much room they take.

The live table is counted by SQLite; segments of the archive carry their counts with them, so nothing in them is read.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.events.archive.segment import Segment
from reconciler.events.moment import Moment
from reconciler.events.store.archive import Listed, archive_folder, listed_segments
from reconciler.events.store.files import beside
from reconciler.projections.store import Store

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_LARGEST = 20

# Which column of the log each count goes by.
_LIVE_COUNTS = {
    "types": "SELECT t.name, count(*) FROM events e JOIN event_types t ON t.id = e.event_type GROUP BY t.name",
    "stream_types": "SELECT s.stream_type, count(*) FROM events e JOIN streams s ON s.id = e.stream GROUP BY 1",
    "actors": "SELECT o.actor, count(*) FROM events e JOIN causes c ON c.id = e.cause JOIN origins o ON o.id = c.origin"
    " GROUP BY 1",
    "sources": "SELECT o.source, count(*) FROM events e JOIN causes c ON c.id = e.cause JOIN origins o ON o.id = c.origin"
    " GROUP BY 1",
    "days": "SELECT date(recorded_at / 1000, 'unixepoch'), count(*) FROM events GROUP BY 1",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the files, and per event where there are events to divide by."""

    database: int
    write_ahead_log: int
    archive: int
    per_live_event: float
    per_archived_event: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How many events were recorded lately, and on an average day of the log's life."""

    last_hour: int
    last_day: int
    last_week: int
    per_day: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts, most frequent first.

    Attributes:
        events: of the whole log; `live` of them are in the table, the others in `segments` files of the archive.
        first_at, last_at: Unix ms of recording; 0 for an empty log.
        streams: how many there are; `largest` has those with most events.
        days: by date (UTC), oldest first.
    """

    events: int
    live: int
    segments: int
    first_at: int
    last_at: int
    streams: int
    types: dict[str, int]
    stream_types: dict[str, int]
    actors: dict[str, int]
    sources: dict[str, int]
    largest: dict[str, int]
    days: dict[str, int]
    rates: Rates
    sizes: Sizes


def statistics(store: Store, *, now_ms: int) -> Statistics:
    """Count the log; read-only."""
    with store.reading() as connection:
        listed = listed_segments(connection)
        counts = {name: Counter(dict(connection.execute(query).fetchall())) for name, query in _LIVE_COUNTS.items()}
        streams = connection.execute("SELECT count(*) FROM streams").fetchone()[0]
        largest = _largest(connection)
        first_live, last_live = connection.execute("SELECT min(recorded_at), max(recorded_at) FROM events").fetchone()
    live = sum(counts["types"].values())
    _add_archived(counts, archive_folder(store.path), listed)
    times = [*(one.from_time for one in listed), *(one.to_time for one in listed)]
    times += [time for time in (first_live, last_live) if time is not None]
    first_at, last_at = min(times, default=0), max(times, default=0)
    return Statistics(
        events=sum(counts["types"].values()),
        live=live,
        segments=len(listed),
        first_at=first_at,
        last_at=last_at,
        streams=streams,
        types=_ranked(counts["types"]),
        stream_types=_ranked(counts["stream_types"]),
        actors=_ranked(counts["actors"]),
        sources=_ranked(counts["sources"]),
        largest=largest,
        days=dict(sorted(counts["days"].items())),
        rates=_rates(store, now_ms, first_at),
        sizes=_sizes(store.path, listed, live),
    )


def _largest(connection: sqlite3.Connection) -> dict[str, int]:
    """Versions count a stream's events, so the newest one says how many there are."""
    rows = connection.execute(
        "SELECT s.stream_type || '/' || s.stream_id,"
        " max(coalesce((SELECT max(version) FROM events WHERE stream = s.id), 0), s.archived_version) AS events"
        " FROM streams s ORDER BY events DESC, s.id LIMIT ?",
        (_LARGEST,),
    )
    return dict(rows.fetchall())


def _add_archived(counts: dict[str, Counter[str]], folder: Path, listed: Iterable[Listed]) -> None:
    for one in listed:
        with Segment(folder / one.file) as segment:
            tally = segment.tally
        for name, counter in counts.items():
            counter.update(getattr(tally, name))


def _ranked(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _rates(store: Store, now_ms: int, first_at: int) -> Rates:
    head = store.head()

    def since(span_ms: int) -> int:
        return head - store.sequence_at(Moment(time_ms=now_ms - span_ms))

    days = max((now_ms - first_at) / _DAY_MS, 1.0)
    return Rates(since(_HOUR_MS), since(_DAY_MS), since(7 * _DAY_MS), round(head / days, 1))


def _sizes(path: Path, listed: Iterable[Listed], live: int) -> Sizes:
    segments = list(listed)
    archive = sum(one.size for one in segments)
    archived = sum(one.to_sequence - one.from_sequence + 1 for one in segments)
    database, log = (one.stat().st_size if one.exists() else 0 for one in (path, beside(path, "-wal")))
    return Sizes(
        database,
        log,
        archive,
        round(database / live, 1) if live else 0.0,
        round(archive / archived, 1) if archived else 0.0,
    )
