"""How fast and how small the log is, as ratios to raw SQLite and to the eventsourcing package, measured in one run.

    python tests/bench/log.py [--events 1000000] [--quick]

Raw SQLite gets the same file with the same indexes, triggers and pragmas, finished rows, and nothing else to do. The
eventsourcing package's bare SQLite recorder gets finished events too: no validation, no chain, no projections. Whatever is
compared takes turns, one commit each, and medians are compared, so that a machine that is busy with other things spoils
little. A commit is of one stream, as a command makes it.
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
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.connection import Pragmas, connect
from reconciler.events.store.query import EventQuery
from reconciler.ids import new_id, uuid7
from reconciler.projections.past import folded
from reconciler.projections.store import Store, open_store

NOON = 1_780_000_000_000
NAMES = [f"spec_{number:032x}" for number in range(100)]
INSERT = (
    "INSERT INTO events (sequence_number, event_type, stream, version, cause, recorded_at, occurred_at, event_id,"
    " causation_id, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

Commit = Callable[[int], Callable[[], None]]
"""Prepares a commit of so many events; what it returns does it, and only that is timed."""


def heartbeat(chance: random.Random, name: str) -> NewEvent:
    """110 bytes of data; its fold changes a row."""
    data = {"specialist_id": name, "status": "busy", "current_sortie": f"sortie_{chance.randbytes(5).hex()}"}
    return NewEvent("specialist_active", "specialist", name, data)


def message(chance: random.Random, name: str) -> NewEvent:
    """An event whose fold adds a row each time."""
    data = {"message_id": new_id("msg"), "mailbox_id": name, "message_type": "note", "content": {"n": 1}}
    return NewEvent("squawk_sent", "squawk", name, data)


def registrations() -> list[NewEvent]:
    return [
        NewEvent("specialist_registered", "specialist", name, {"specialist_id": name, "name": name[-4:]})
        for name in NAMES
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


def in_turns(contenders: dict[str, Commit], rounds: int, size: int) -> dict[str, float]:
    """The median seconds of one commit of `size` events of each."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(timed(contenders[name](size)))
    return {name: statistics.median(found) for name, found in times.items()}


def raw(folder: Path) -> tuple[sqlite3.Connection, Commit]:
    """The log's own file, opened without anything around it, and inserts of finished rows."""
    path = folder / "raw.db"
    open_store(path).close()
    connection = connect(path, Pragmas(), access="write")
    connection.execute("INSERT INTO event_types VALUES (1, 'specialist_active', 1)")
    connection.execute("INSERT INTO origins VALUES (1, 'bench', 'cli', '', '', '', '')")
    connection.execute("INSERT INTO causes VALUES (1, 1, x'00', 1)")
    for number, name in enumerate(NAMES):
        connection.execute(
            "INSERT INTO streams (id, stream_type, stream_id) VALUES (?, 'specialist', ?)", (number, name)
        )
    chance, versions, last = random.Random(1), dict.fromkeys(range(len(NAMES)), 0), [0]
    text = json.dumps(heartbeat(chance, NAMES[0]).data, separators=(",", ":"))

    def commit(size: int) -> Callable[[], None]:
        rows = []
        stream = chance.randrange(len(NAMES))
        for _ in range(size):
            versions[stream] += 1
            last[0] += 1
            now = NOON + last[0]
            ids = uuid7(now).bytes, None, text, chance.randbytes(32)
            rows.append((last[0], 1, stream, versions[stream], 1, now, None, *ids))

        def work() -> None:
            connection.execute("BEGIN IMMEDIATE")
            if size == 1:
                connection.execute(INSERT, rows[0])
            else:
                connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        return work

    return connection, commit


def library(folder: Path) -> tuple[Any, Commit]:
    """The eventsourcing package's SQLite recorder and inserts of finished events."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    datastore = SQLiteDatastore(str(folder / "library.db"))
    recorder = SQLiteApplicationRecorder(datastore)
    recorder.create_table()
    chance = random.Random(1)
    state = json.dumps(heartbeat(chance, NAMES[0]).data).encode()
    ids = [uuid4() for _ in NAMES]
    versions: dict[UUID, int] = {}

    def commit(size: int) -> Callable[[], None]:
        events = []
        one = chance.choice(ids)
        for _ in range(size):
            versions[one] = versions.get(one, 0) + 1
            events.append(
                StoredEvent(originator_id=one, originator_version=versions[one], topic="heartbeat", state=state)
            )

        def work() -> None:
            recorder.insert_events(events)

        return work

    return datastore, commit


def appending(store: Store, make: Callable[[random.Random, str], NewEvent]) -> Commit:
    """Validated, chained and folded appends to a store."""
    chance, cause = random.Random(1), Cause("bench", "cli")

    def commit(size: int) -> Callable[[], None]:
        name = chance.choice(NAMES)
        events = [make(chance, name) for _ in range(size)]

        def work() -> None:
            store.append(events, cause)

        return work

    return commit


def appends(rounds: int, size: int) -> None:
    """Commits of `size` events."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        contenders: dict[str, Commit] = {}
        for title, make_contender in (("raw sqlite3", raw), ("eventsourcing", library)):
            opened, contenders[title] = make_contender(folder)
            stack.callback(opened.close)
        for title, make in (("store, heartbeats", heartbeat), ("store, messages", message)):
            store = stack.enter_context(open_store(folder / f"{make.__name__}.db"))
            store.append(registrations(), Cause("bench", "cli"))
            contenders[title] = appending(store, make)
        found = in_turns(contenders, rounds, size)
    print(f"\n{size} event{'s' if size > 1 else ''} a commit, synchronous=FULL, median of {rounds}")
    for title, seconds in found.items():
        ratios = (
            f"{found['raw sqlite3'] / seconds:5.2f} of raw  {found['eventsourcing'] / seconds:5.2f} of eventsourcing"
        )
        print(f"  {title:20} {size / seconds:9,.0f} events/s  {ratios}")


def filled(path: Path, count: int) -> Store:
    """A store with so many heartbeats; a cause has a hundred of them."""
    chance = random.Random(2)
    store = open_store(path, clock=Clock())
    store.append(registrations(), Cause("bench", "cli"))
    while (missing := count - store.head()) > 0:
        store.append([heartbeat(chance, chance.choice(NAMES)) for _ in range(min(100, missing))], Cause("bench", "cli"))
    return store


def growth(small: Store, large: Store, rounds: int) -> None:
    """An append onto many events against one onto few."""
    sizes = f"{large.head():,} events against one onto {small.head():,}"
    print(f"\nan append onto {sizes}, median of {rounds}")
    for size in (1, 100):
        contenders = {"few": appending(small, heartbeat), "many": appending(large, heartbeat)}
        found = in_turns(contenders, rounds if size == 1 else rounds // 5, size)
        print(
            f"  {size:3} a commit  {found['many'] / size * 1e6:7.1f} µs an event  {found['many'] / found['few']:5.2f} times"
        )


def one_stream(store: Store) -> None:
    """A hundred events of one stream."""
    chance, times = random.Random(4), []
    for _ in range(1_000):
        query = EventQuery(stream_type="specialist", stream_id=chance.choice(NAMES), limit=100)
        start = time.perf_counter()
        found = sum(1 for _ in store.events(query))
        times.append(time.perf_counter() - start)
        assert found == 100
    times.sort()
    print(f"\n100 events of one stream: median {times[500] * 1e3:.2f} ms, 99th percentile {times[990] * 1e3:.2f} ms")


def reading(store: Store) -> None:
    """Everything from the first to the last event, in turns, the best of three."""
    count = store.head()

    def raw_scan() -> None:
        with closing(connect(store.path, Pragmas(), access="read")) as connection:
            for row in connection.execute("SELECT * FROM events ORDER BY sequence_number"):
                json.loads(row[9])

    def typed() -> None:
        for _ in store.events():
            pass

    scans = {
        "raw scan with json": raw_scan,
        "typed reading": typed,
        "replay with folds": lambda: folded(store.events()),
    }
    best = dict.fromkeys(scans, float("inf"))
    for _ in range(3):
        for title, work in scans.items():
            best[title] = min(best[title], timed(work))
    print(f"\nreading {count:,} events, best of three")
    for title, seconds in best.items():
        print(
            f"  {title:20} {count / seconds:9,.0f} events/s  {best['raw scan with json'] / seconds:5.2f} of the raw scan"
        )


def rebuilding(store: Store) -> None:
    """The projections made anew; memory is the process's highest so far."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = timed(store.rebuild)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\nrebuild of {store.head():,} events: {seconds:.1f} s, memory grew by {grown:.0f} MB")


def sizes(path: Path) -> None:
    """Bytes an event, table by table and index by index."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        count, weight = connection.execute("SELECT count(*), avg(length(data)) FROM events").fetchone()
        found = table_sizes(connection)
    print(f"\nsize of {count:,} events with {weight:.0f} bytes of data each")
    for title, size in found:
        if size / count >= 0.05:
            print(f"  {title:30} {size / count:6.1f} bytes an event")
    print(f"  {'together':30} {sum(size for _, size in found) / count:6.1f} bytes an event")


def table_sizes(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Bytes of the log's tables and indexes; the whole file's where SQLite was built without telling them apart."""
    wanted = ("events", "streams", "causes", "origins", "event_types")
    try:
        rows: Iterable[tuple[str, str, int]] = connection.execute(
            "SELECT s.name, m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY 1"
        ).fetchall()
    except sqlite3.OperationalError:
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return [("the whole file", pages * size)]
    return [(name, size) for name, table, size in rows if table in wanted]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    chosen = parser.parse_args(arguments)
    scale = 10 if chosen.quick else 1
    appends(3_000 // scale, 1)
    appends(1_000 // scale, 100)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "large.db"
        with filled(path, chosen.events // scale) as large, filled(folder / "small.db", 1_000) as small:
            one_stream(large)
            reading(large)
            rebuilding(large)
            growth(small, large, 1_000 // scale)
        sizes(path)
    print(f"\npython {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main(sys.argv[1:])
