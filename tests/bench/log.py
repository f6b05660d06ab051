"""How fast and how small the log is, as ratios to raw SQLite and to the eventsourcing package, measured in one run.

    python tests/bench/log.py [--events 100000] [--large 1000000] [--quick]

Raw SQLite gets the same table with the same indexes, triggers and pragmas, finished rows, and nothing else to do. The
eventsourcing package's bare SQLite recorder gets finished events too: no validation, no chain, no projections.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.query import EventQuery
from reconciler.ids import new_id, uuid7
from reconciler.projections.past import folded
from reconciler.projections.store import Store, open_store

STREAMS = 100
NOON = 1_780_000_000_000
INSERT = (
    "INSERT INTO events (sequence_number, event_type, stream, version, cause, recorded_at, occurred_at, event_id,"
    " causation_id, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def heartbeat(name: str, chance: random.Random) -> NewEvent:
    """An event of about 110 bytes of data, as an agent's heartbeat is."""
    data = {"specialist_id": name, "status": "busy", "current_sortie": f"sortie_{chance.randbytes(16).hex()}"}
    return NewEvent("specialist_active", "specialist", name, data)


def message(name: str, chance: random.Random) -> NewEvent:
    """An event whose fold adds a row each time."""
    data = {
        "message_id": new_id("msg"),
        "mailbox_id": name,
        "message_type": "note",
        "content": {"n": chance.randrange(1000)},
    }
    return NewEvent("squawk_sent", "squawk", name, data)


def names(count: int = STREAMS) -> list[str]:
    return [f"spec_{number:032x}" for number in range(count)]


def registrations() -> list[NewEvent]:
    return [
        NewEvent("specialist_registered", "specialist", name, {"specialist_id": name, "name": name[-4:]})
        for name in names()
    ]


class Clock:
    """Runs of events get rising times without asking the system."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        self.now += 1
        return self.now


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def portions(events: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for at in range(0, len(events), size):
        yield events[at : at + size]


def raw_rows(count: int, chance: random.Random, first: int = 1) -> list[tuple[Any, ...]]:
    """Finished rows for the same table."""
    versions: dict[int, int] = {}
    text = json.dumps(heartbeat(names(1)[0], chance).data, separators=(",", ":"))
    rows = []
    for sequence in range(first, first + count):
        stream = chance.randrange(STREAMS) + 1
        versions[stream] = versions.get(stream, 0) + 1
        now = NOON + sequence
        rows.append(
            (sequence, 1, stream, versions[stream], 1, now, None, uuid7(now).bytes, None, text, chance.randbytes(32))
        )
    return rows


def raw_database(folder: Path) -> sqlite3.Connection:
    """The log's own file, with the words that the rows refer to, opened without anything around it."""
    path = folder / "raw.db"
    open_store(path).close()
    connection = connect(path, Pragmas(), access="write")
    connection.execute("INSERT INTO event_types VALUES (1, 'specialist_active', 1)")
    connection.execute("INSERT INTO origins VALUES (1, 'bench', 'cli', '', '', '', '')")
    connection.execute("INSERT INTO causes VALUES (1, 1, x'00', 1)")
    connection.executemany(
        "INSERT INTO streams (id, stream_type, stream_id) VALUES (?, 'specialist', ?)",
        [(number + 1, name) for number, name in enumerate(names())],
    )
    return connection


def raw_inserts(folder: Path, count: int, batch: int) -> float:
    """Seconds for inserting finished rows."""
    with closing(raw_database(folder)) as connection:
        rows = raw_rows(count, random.Random(1))

        def work() -> None:
            for portion in portions(rows, batch):
                connection.execute("BEGIN IMMEDIATE")
                if len(portion) == 1:
                    connection.execute(INSERT, portion[0])
                else:
                    connection.executemany(INSERT, portion)
                connection.execute("COMMIT")

        return timed(work)


def library_inserts(folder: Path, count: int, batch: int) -> float:
    """Seconds for the eventsourcing package's SQLite recorder."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    chance = random.Random(1)
    state = json.dumps(heartbeat(names(1)[0], chance).data).encode()
    ids = [uuid4() for _ in range(STREAMS)]
    versions: dict[UUID, int] = {}
    events = []
    for _ in range(count):
        one = chance.choice(ids)
        versions[one] = versions.get(one, 0) + 1
        events.append(StoredEvent(originator_id=one, originator_version=versions[one], topic="heartbeat", state=state))
    with closing(SQLiteDatastore(str(folder / "library.db"))) as datastore:
        recorder = SQLiteApplicationRecorder(datastore)
        recorder.create_table()

        def work() -> None:
            for portion in portions(events, batch):
                recorder.insert_events(list(portion))

        return timed(work)


def store_appends(folder: Path, count: int, batch: int, make: Callable[[str, random.Random], NewEvent]) -> float:
    """Seconds for validated, chained and folded appends."""
    chance, known, cause = random.Random(1), names(), Cause("bench", "cli")
    with open_store(folder / "store.db") as store:
        for portion in portions(registrations(), 500):
            store.append(portion, cause)
        events = [make(chance.choice(known), chance) for _ in range(count)]

        def work() -> None:
            for portion in portions(events, batch):
                store.append(portion, cause)

        return timed(work)


def appends(count: int, batch: int) -> None:
    """Raw, library and store, turn by turn, the best of three of each."""
    best: dict[str, float] = {}
    for _ in range(3):
        turns: dict[str, Callable[[Path], float]] = {
            "raw sqlite3": lambda folder: raw_inserts(folder, count, batch),
            "eventsourcing": lambda folder: library_inserts(folder, count, batch),
            "store, heartbeats": lambda folder: store_appends(folder, count, batch, heartbeat),
            "store, messages": lambda folder: store_appends(folder, count, batch, message),
        }
        for name, turn in turns.items():
            with tempfile.TemporaryDirectory() as folder:
                best[name] = min(best.get(name, 1e9), turn(Path(folder)))
    print(f"\n{count:,} events, {batch} a commit, synchronous=FULL")
    for name, seconds in best.items():
        rate, ratio = count / seconds, best["raw sqlite3"] / seconds
        print(
            f"  {name:20} {rate:9,.0f}/s   {ratio:5.2f} of raw   {best['eventsourcing'] / seconds:5.2f} of eventsourcing"
        )


def filled(path: Path, count: int) -> Store:
    """A store with so many heartbeats; each cause has ten of them."""
    chance, known = random.Random(2), names()
    store = open_store(path, clock=Clock())
    for portion in portions(registrations(), 500):
        store.append(portion, Cause("bench", "cli"))
    cause = Cause("bench", "cli")
    for at in range(0, count, 1_000):
        events = [heartbeat(chance.choice(known), chance) for _ in range(min(1_000, count - at))]
        store.append(events, cause)
        cause = Cause("bench", "cli")
    return store


def reading(store: Store) -> None:
    count = store.head()

    def raw() -> None:
        with closing(connect(store.path, Pragmas(), access="read")) as connection:
            for row in connection.execute("SELECT * FROM events ORDER BY sequence_number"):
                json.loads(row[9])

    def typed() -> None:
        for _ in store.events():
            pass

    scans = {"raw scan with json": raw, "typed reading": typed, "replay with folds": lambda: folded(store.events())}
    best = {name: min(timed(work) for _ in range(3)) for name, work in scans.items()}
    print(f"\nreading {count:,} events")
    for name, seconds in best.items():
        print(f"  {name:20} {count / seconds:9,.0f}/s   {best['raw scan with json'] / seconds:5.2f} of the raw scan")


def large(path: Path, count: int) -> None:
    """What changes from a thousand events to a million."""
    chance, known, cause = random.Random(3), names(), Cause("bench", "cli")

    def single(store: Store) -> float:
        times = []
        for _ in range(2_000):
            event = heartbeat(chance.choice(known), chance)
            start = time.perf_counter()
            store.append([event], cause)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def batched(store: Store) -> float:
        times = []
        for _ in range(60):
            events = [heartbeat(chance.choice(known), chance) for _ in range(100)]
            start = time.perf_counter()
            store.append(events, cause)
            times.append(time.perf_counter() - start)
        return statistics.median(times) / 100

    with tempfile.TemporaryDirectory() as folder, filled(Path(folder) / "small.db", 1_000) as small:
        few, few_batched = single(small), batched(small)
    with filled(path, count) as store:
        many, many_batched = single(store), batched(store)
        print(f"\nan append onto {count:,} events against one onto 1,000")
        print(f"  one a commit         {many * 1e6:7.0f} µs   {many / few:5.2f} times")
        print(f"  100 a commit         {many_batched * 1e6:7.1f} µs   {many_batched / few_batched:5.2f} times")
        times = []
        for _ in range(1_000):
            start = time.perf_counter()
            found = sum(
                1 for _ in store.events(EventQuery(stream_type="specialist", stream_id=chance.choice(known), limit=100))
            )
            times.append(time.perf_counter() - start)
            assert found == 100
        times.sort()
        print(
            f"  100 events of one stream: median {times[500] * 1e3:.2f} ms, 99th percentile {times[990] * 1e3:.2f} ms"
        )
        reading(store)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = timed(store.rebuild)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"\nrebuild of {store.head():,} events: {seconds:.1f} s, memory grew by {grown:.0f} MB")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes = table_sizes(connection)
        events = connection.execute("SELECT count(*), avg(length(data)) FROM events").fetchone()
    print(f"\nsize of {events[0]:,} events with {events[1]:.0f} bytes of data each")
    for name, size in sizes:
        print(f"  {name:34} {size / events[0]:6.1f} bytes an event")
    print(f"  {'together':34} {sum(size for _, size in sizes) / events[0]:6.1f} bytes an event")


def table_sizes(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Bytes of the log's tables and indexes; by page where SQLite was built to tell, by weight of the file where not."""
    wanted = ("events", "streams", "causes", "origins", "event_types")
    try:
        rows: Iterable[tuple[str, str, int]] = connection.execute(
            "SELECT s.name, m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY 1"
        ).fetchall()
    except sqlite3.OperationalError:
        pages = (
            connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
        )
        return [("the whole file", pages)]
    return [(name, size) for name, table, size in rows if table in wanted]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    chosen = parser.parse_args(arguments)
    scale = 10 if chosen.quick else 1
    appends(max(500, 5_000 // scale), 1)
    appends(chosen.events // scale, 100)
    with tempfile.TemporaryDirectory() as folder:
        large(Path(folder) / "large.db", chosen.large // scale)
    print(f"\npython {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main(sys.argv[1:])
