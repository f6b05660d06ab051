"""How long the care of the log takes and how small its archive is, measured in one run.

    python tests/bench/ops.py [--events 1000000] [--quick]

The log has ten thousand streams whose events are strewn over the whole of it, which is the worst there is for an archive:
the hundred events of a stream lie in a hundred different blocks. Each piece of work runs in a process of its own, so that
its peak of memory can be told; that of an empty process stands beside it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.archive import archive_folder
from reconciler.ids import uuid7
from reconciler.ops.backup import back_up
from reconciler.ops.compact import compact
from reconciler.ops.rebuild import rebuild
from reconciler.ops.restore import restore
from reconciler.ops.statistics import statistics
from reconciler.ops.verify import verify
from reconciler.projections.store import open_store

NOON = 1_780_000_000_000
BENCH = Cause("bench", "worker")
STREAMS = 10_000
BATCH = 500


class Clock:
    """A millisecond an append."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        self.now += 1
        return self.now


def progress(chance: random.Random, sorties: Sequence[str]) -> NewEvent:
    """110 bytes of data about one of many sorties."""
    sortie = chance.choice(sorties)
    data = {
        "sortie_id": sortie,
        "specialist_id": f"builder-{chance.randrange(20)}",
        "progress": chance.randrange(100),
        "status_message": f"step {chance.randrange(1000)}",
    }
    return NewEvent("sortie_progress", "sortie", sortie, data)


def fill(path: Path, count: int) -> None:
    """A log with so many events; a cause has eight of them."""
    chance = random.Random(2)
    sorties = [f"sortie_{chance.randbytes(16).hex()}" for _ in range(STREAMS)]
    with open_store(path, clock=Clock()) as store:
        for sortie in sorties[:: max(1, 10 * STREAMS // count)]:
            made = {"sortie_id": sortie, "title": "Build it", "priority": "high"}
            store.append([NewEvent("sortie_created", "sortie", sortie, made)], BENCH)
        while (missing := count - store.head()) > 0:
            with store.transaction() as transaction:
                for _ in range(min(BATCH, missing) // 8 + 1):
                    cause = Cause("bench", "worker", correlation_id=uuid7())
                    transaction.append([progress(chance, sorties) for _ in range(8)], cause)


def work(name: str, path: Path, count: int) -> None:
    """One piece of work, in a process of its own."""
    if name == "fill":
        fill(path, count)
        return
    if name == "questions":
        questions(path)
        return
    with open_store(path) as store:
        if name == "compact":
            compact(store, BENCH, until=store.head(), trigger="manual")
        elif name == "rebuild":
            rebuild(store)
        elif name == "verify":
            assert verify(path).sound
        elif name == "statistics":
            statistics(store, now_ms=NOON)
        elif name == "reading":
            for _ in store.events():
                pass
        elif name == "backup":
            back_up(store, path.parent / "backups", BENCH, now_ms=NOON)
    if name == "restore":
        (backup,) = (path.parent / "backups").glob("*.db")
        restore(path, backup, BENCH, now_ms=NOON)


def measured(name: str, path: Path, count: int = 0) -> None:
    """Run a piece of work in a process and tell its time and its peak of memory."""
    start = time.perf_counter()
    words = [sys.executable, __file__, "--work", name, "--path", str(path), "--events", str(count)]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    seconds = time.perf_counter() - start
    *told, peak, busy = said
    print(
        f"  {name:12} {seconds:7.1f} s, {float(busy):6.1f} s of them busy   peak {int(peak) / 1024:5.0f} MB", flush=True
    )
    for line in told:
        print(line, flush=True)


def percentiles(title: str, ask: Callable[[], None], times: int) -> None:
    """The median and the 99th percentile of asking so often; of the time that the processor was busy with it, too."""
    found, busy = [], []
    for _ in range(times):
        start, began = time.perf_counter(), time.process_time()
        ask()
        found.append(time.perf_counter() - start)
        busy.append(time.process_time() - began)
    middle, high = times // 2, times * 99 // 100
    (median, worst), (median_busy, worst_busy) = ((sorted(one)[middle], sorted(one)[high]) for one in (found, busy))
    print(
        f"    {title:30} median {median * 1e3:6.2f} ms (busy {median_busy * 1e3:6.2f})"
        f"   99th {worst * 1e3:6.2f} ms (busy {worst_busy * 1e3:6.2f})"
    )


def questions(path: Path) -> None:
    """What readers ask, one at a time."""
    chance = random.Random(5)
    with open_store(path, mode="read") as store:
        names = [name for name, _ in store.rows().scan("sorties")]
        ids = [event.event_id for number, event in enumerate(store.events()) if number % 5_000 == 0]

        def stream() -> None:
            for _ in store.stream("sortie", chance.choice(names)):
                pass

        def event() -> None:
            assert store.event(chance.choice(ids)) is not None

        counts = [store.stream_version("sortie", name) for name in names[:200]]
        average = sum(counts) / len(counts)
        percentiles(f"a whole stream ({average:.0f} events)", stream, 1_000)
        percentiles("an event by its id", event, 1_000)


def sizes(path: Path) -> None:
    """Bytes an event in the table and in the archive."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        live, weight = connection.execute("SELECT count(*), avg(length(data)) FROM events").fetchone()
        archived = connection.execute("SELECT coalesce(max(to_sequence), 0) FROM archive").fetchone()[0]
    folder = archive_folder(path)
    archive = sum(one.stat().st_size for one in folder.iterdir()) if folder.is_dir() else 0
    database = path.stat().st_size
    if weight:
        print(
            f"  {live:,} events in the table with {weight:.0f} bytes of data, {database / live:.0f} bytes each in all"
        )
    if archived:
        print(
            f"  {archived:,} events in the archive, {archive / archived:.1f} bytes each; the database has {database:,}"
        )


def care(path: Path, count: int) -> None:
    """Everything, on a log of so many events."""
    print(f"\n{count:,} events", flush=True)
    measured("fill", path, count)
    sizes(path)
    for name in ("questions", "nothing", "rebuild", "verify", "compact"):
        measured(name, path)
    print("  all of them in the archive:")
    sizes(path)
    for name in ("questions", "reading", "rebuild", "verify", "statistics", "backup", "restore"):
        measured(name, path)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        work(chosen.work, chosen.path, chosen.events)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_maxrss, used.ru_utime + used.ru_stime, sep="\n")
        return
    events = chosen.events // (10 if chosen.quick else 1)
    for count in (events // 10, events):
        folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
        try:
            care(folder / "squawk.db", count)
        finally:
            shutil.rmtree(folder)
    print(f"\npython {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main(sys.argv[1:])
