"""How fast work is given out and done, measured beside what the disk and the system alone take, in one run.

    python tests/bench/work.py [--claimers 8] [--seconds 5] [--sorties 1000] [--workers 4]

A worker hands in a result and claims the next sortie in one commit, which waits for the disk; the bare rate is that of a process that
commits rows of the same size to a file of its own and does nothing else. Claimers are processes of their own on one log.
The overhead of a sortie is what its worker spends on it beyond starting and ending `sh -c true`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from reconciler.control.desk import claiming, reading, sorties, specialists
from reconciler.control.desk.desk import Desk, Done, Work
from reconciler.events.envelope import Cause
from reconciler.projections.store import EventQuery, Store, open_store
from reconciler.spec.desired import MissionSpec, SortieSpec
from reconciler.work import missions
from reconciler.work.dispatch import Situation, decide
from reconciler.work.state import Mission, Sortie, SortiePlan, Specialist

NOON = 1_780_000_000_000


def begin_mission(store: Store, count: int, run: str) -> str:
    """A mission of so many sorties that wait for nothing, begun; its id."""
    names = [f"s{number:05}" for number in range(count)]
    spec = MissionSpec(
        name="m", title="M", sorties={name: SortieSpec(name=name, title=name, run=run) for name in names}
    )

    def command(work: Work) -> str:
        mission_id = work.new_id("msn")
        work.record(
            missions.declare(spec, mission_id, {name: work.new_id("sortie") for name in names}, now_ms=work.now_ms)
        )
        mission = reading.mission(work.rows, mission_id)
        work.record(missions.start(mission, reading.sorties(work.rows), now_ms=work.now_ms))
        return mission_id

    return Desk(store, Cause("bench", "cli")).run(command).value


def decision(waiting: int, people: int) -> float:
    """CPU milliseconds of one decision, the best of five."""
    able = [frozenset({f"c{number % 7}"}) for number in range(waiting)]
    situation = Situation(
        now_ms=NOON,
        sorties=[
            Sortie(id=f"s{number}", mission_id="m", created_at=NOON - number, plan=SortiePlan(requires=able[number]))
            for number in range(waiting)
        ],
        specialists=[
            Specialist(id=f"w{number}", last_seen=NOON, capabilities=able[number]) for number in range(people)
        ],
        missions={"m": Mission(id="m", status="in_progress")},
    )
    times = []
    for _ in range(5):
        begun = time.process_time()
        decide(situation)
        times.append(time.process_time() - begun)
    return min(times) * 1000


def bare_commits(folder: Path, seconds: float = 1.0) -> float:
    """Commits a second of one process that does nothing else."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (row TEXT)")
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO rows VALUES (?)", [("x" * 400,)] * 8)
        connection.execute("COMMIT")
        count += 1
    connection.close()
    return count / (time.perf_counter() - begun)


def claim_for(path: Path, number: int, ready: Barrier, seconds: float, answer: Any) -> None:
    """Claim and complete, as a worker does, until the time is over; how many claims, and the CPU seconds they took."""
    with open_store(path) as store:
        desk, me = Desk(store, Cause(f"w{number}", "worker")), f"spec_w_{number}"
        desk.run(specialists.register(specialist_id=me, name=f"w-{number}", metadata={"pool": "w"}))
        ready.wait()
        # Everybody has seen the log once before the time begins.
        found = desk.run(claiming.claim(me)).value
        ready.wait()
        end, count, before = time.perf_counter() + seconds, 0, time.process_time()
        while time.perf_counter() < end:
            if found is None:
                found = desk.run(claiming.claim(me)).value
                continue
            done = sorties.complete(found.sortie.id, me, {"success": True}, attempt=found.attempt)
            _, following = desk.run_together(done, claiming.claim(me))
            found = following.value if isinstance(following, Done) else None
            count += found is not None
        answer.put((count, time.process_time() - before))


def claims(folder: Path, claimers: int, seconds: float, waiting: int) -> tuple[float, float]:
    """Claims a second of all claimers together, completions included; CPU milliseconds of one."""
    path = folder / "claims.db"
    with open_store(path) as store:
        begin_mission(store, waiting, "true")
    context = multiprocessing.get_context("spawn")
    ready, answer = context.Barrier(claimers), context.Queue()
    people = [
        context.Process(target=claim_for, args=(path, number, ready, seconds, answer)) for number in range(claimers)
    ]
    for person in people:
        person.start()
    found = [answer.get() for _ in people]
    for person in people:
        person.join()
    count = sum(one for one, _ in found)
    return count / seconds, sum(cpu for _, cpu in found) / max(count, 1) * 1000


def bare_start(count: int = 200) -> float:
    """Milliseconds to start and end a shell that does nothing."""
    begun = time.perf_counter()
    for _ in range(count):
        subprocess.run(["sh", "-c", "true"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - begun) / count * 1000


def overhead(folder: Path, workers: int, count: int) -> tuple[float, float]:
    """Milliseconds that a worker spends on a sortie, and those of the whole mission."""
    project = folder / "project"
    project.mkdir()
    (project / "fleet.yaml").write_text(f"version: 1\nname: bench\nspecialists:\n  w: {{replicas: {workers}}}\n")
    database = folder / "mission.db"
    with open_store(database) as store:
        begin_mission(store, count, "true")
    words = [
        sys.executable,
        "-m",
        "reconciler.cli.main",
        "worker",
        "-s",
        "w",
        "--idle-exit",
        "--database",
        str(database),
    ]
    running = [
        subprocess.Popen([*words, "-n", str(number + 1), "-C", str(project)], stdout=subprocess.DEVNULL)
        for number in range(workers)
    ]
    for one in running:
        if one.wait() != 0:
            raise SystemExit("a worker failed")
    with open_store(database, mode="read") as store:
        first = next(iter(store.events(EventQuery(types=("sortie_started",), limit=1))))
        last = next(iter(store.events(EventQuery(types=("mission_completed",), limit=1))))
    whole = last.recorded_at - first.recorded_at
    return whole * workers / count, float(whole)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claimers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--sorties", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"a decision for 10,000 waiting sorties and 100 specialists: {decision(10_000, 100):.1f} ms of CPU")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_commits(folder)
        print(f"bare commits of one process: {bare:.0f}/s")
        rate, cpu = claims(folder, options.claimers, options.seconds, round(options.seconds * 400))
        print(f"claims of {options.claimers} processes, each completed: {rate:.0f}/s, {cpu:.1f} ms of CPU for each")
        start = bare_start()
        each, whole = overhead(folder, options.workers, options.sorties)
        print(f"start and end of `sh -c true` alone: {start:.1f} ms")
        print(
            f"a mission of {options.sorties} no-op sorties with {options.workers} workers: {whole / 1000:.1f} s; "
            f"{each - start:.1f} ms of a worker's time for each beyond that"
        )


if __name__ == "__main__":
    main()
