"""Several threads and several processes at once, some of them killed or stopped at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reconciler.errors import Conflict
from reconciler.projections.store import EventQuery, Store, open_store
from tests.integration.log.older import in_parallel
from tests.support.events import ADA, heartbeat, note, registered
from tests.support.intact import assert_intact, assert_sound_file

ROOT = Path(__file__).parents[3]


def test_threads_share_one_store(store: Store) -> None:
    store.append([registered(f"s{number}") for number in range(6)], ADA)

    def work(number: int) -> list[int]:
        recorded: list[int] = []
        for step in range(30):
            events = store.append([heartbeat(f"s{number}"), note(f"{number}-{step}", "shared")], ADA)
            recorded += [event.sequence_number for event in events]
            assert store.event(events[0].event_id) == events[0]
            assert store.head() >= recorded[-1]
        assert [event.version for event in store.stream("specialist", f"s{number}")] == list(range(1, 32))
        return recorded

    recorded = in_parallel(6, work)
    assert sorted(one for found in recorded for one in found) == list(range(7, 367))
    assert_intact(store)


def test_readers_see_whole_transactions_only(store: Store) -> None:
    over = threading.Event()

    def write() -> None:
        for step in range(150):
            store.append([note(f"{step}-{number}") for number in range(5)], ADA)
        over.set()

    def read(number: int) -> int:
        looks = 0
        while not over.is_set():
            with store.snapshot() as (rows, head):
                assert head % 5 == 0
                assert sum(1 for _ in rows.scan("messages")) == head
            assert sum(1 for _ in store.events(EventQuery(before=head + 1))) == head
            looks += 1
        return looks

    writer = threading.Thread(target=write)
    writer.start()
    assert min(in_parallel(4, read)) > 0
    writer.join()


def test_of_those_who_expect_the_same_version_one_wins(store: Store, path: Path) -> None:
    def work(number: int) -> int:
        with open_store(path) as own:
            won = 0
            for version in range(20):
                while own.stream_version("squawk", "inbox") < version:
                    time.sleep(0.0005)
                try:
                    own.append([note(f"{number}-{version}")], ADA, expected_version=version)
                    won += 1
                except Conflict:
                    pass
            return won

    assert sum(in_parallel(4, work)) == 20
    assert store.stream_version("squawk", "inbox") == 20
    assert_intact(store)


class Appenders:
    """Processes that append without end; what each acknowledged is kept."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._chance = random.Random(seed)
        self._count = 0
        self._processes: list[tuple[subprocess.Popen[str], list[str]]] = []
        self._outputs: list[list[str]] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._count += 1
        arguments = [str(self._path), f"p{self._count}", str(self._chance.randrange(1 << 30))]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.log.appender", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        lines: list[str] = []
        thread = threading.Thread(target=self._collect, args=(process, lines))
        thread.start()
        self._processes.append((process, lines))
        self._outputs.append(lines)
        self._threads.append(thread)

    @staticmethod
    def _collect(process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout is not None
        # Half a line is what a killed process was about to say.
        lines.extend(line.rstrip("\n") for line in process.stdout if line.endswith("\n"))
        process.stdout.close()

    def kill_one(self) -> None:
        process, _ = self._processes.pop(self._chance.randrange(len(self._processes)))
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_one_for_a_while(self, seconds: float) -> None:
        process, _ = self._chance.choice(self._processes)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def end(self) -> list[str]:
        while self._processes:
            self.kill_one()
        for thread in self._threads:
            thread.join()
        return [line for lines in self._outputs for line in lines]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_when_writers_are_killed_and_stopped(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with open_store(path) as store:
        appenders = Appenders(path, seed)
        for _ in range(3):
            appenders.start()
        try:
            for _ in range(8):
                target = store.head() + chance.randrange(20, 120)
                deadline = time.monotonic() + 60
                while store.head() < target and time.monotonic() < deadline:
                    time.sleep(chance.random() * 0.02)
                assert store.head() >= target
                if chance.randrange(2):
                    appenders.kill_one()
                    appenders.start()
                else:
                    appenders.stop_one_for_a_while(chance.random() * 0.3)
        finally:
            acknowledged = appenders.end()
        recorded = {
            f"{event.sequence_number} {event.stream_id} {event.version} {event.data['content']['text']}"
            for event in store.events(EventQuery(types=("squawk_sent",)))
        }
        assert len(acknowledged) == len(set(acknowledged)) > 100
        assert set(acknowledged) <= recorded
        assert_intact(store)
        assert_sound_file(store)
        with store.lease("still possible", wait_ms=5_000):
            store.append([note("end")], ADA)
