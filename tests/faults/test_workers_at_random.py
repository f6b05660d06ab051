"""Real workers that are killed, paused and started again at random, while a mission is under way.

Whatever befalls them, no sortie is held by two at once, none overtakes what it depends on, and the mission is completed.
`FLEET_STORM_ROUNDS` sets how many missions are seen through.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Desk
from reconciler.control.dispatching import tick
from reconciler.errors import TimedOut
from reconciler.events.envelope import Cause
from reconciler.ops.work_view import mission_view
from reconciler.projections.store import Store, open_store
from tests.support.installed import Installed
from tests.support.work_model import WorkModel

ROUNDS = int(os.environ.get("FLEET_STORM_ROUNDS", "1"))
REPLICAS = 3
PATIENCE_S = 120.0
FLEET = """
version: 1
name: storm
specialists:
  builder: {{replicas: {replicas}, harness: shell, heartbeat: {{interval: 200ms, timeout: 1s}}}}
missions:
  storm:
    sorties:
      first: {{run: "sleep 0.05", retries: 50, retry_delay: 1ms}}
{middle}
      last: {{run: "cat out-*", depends_on: [{names}], retries: 50, retry_delay: 1ms}}
"""
MIDDLE = '      m{n}: {{run: "sleep 0.05; echo {n} > out-{n}", depends_on: [first], files: [out-{n}], retries: 50, retry_delay: 1ms}}'


class Worker:
    """One replica's process, that bad things happen to."""

    def __init__(self, project: Installed, replica: int) -> None:
        self._words = [str(Path(sys.executable).with_name("fleet")), "worker", "-s", "builder", "-n", str(replica)]
        self._project = project
        self._process = self._start()
        self._pause: threading.Timer | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in {**os.environ, **self._project.environment}.items() if value}
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            self._words, cwd=self._project.directory, env=environment, stdin=quiet, stdout=quiet, stderr=quiet
        )

    def see_to(self) -> None:
        """Start it again where it has ended."""
        if self._process.poll() is not None and not self._paused:
            self._process = self._start()

    def suffer(self, what: str) -> None:
        """One bad thing; a pause ends by itself."""
        if self._process.poll() is not None or self._paused:
            return
        match what:
            case "kill":
                self._process.kill()
                self._process.wait()
            case "ask":
                self._process.terminate()
            case _:
                self._process.send_signal(signal.SIGSTOP)
                # By a thread of its own: it may have been stopped with the log in its hand, which everybody waits for.
                self._pause = threading.Timer(float(what), self._process.send_signal, [signal.SIGCONT])
                self._pause.start()

    @property
    def _paused(self) -> bool:
        return self._pause is not None and self._pause.is_alive()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._pause is not None:
            self._pause.join()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def project(tmp_path: Path) -> Installed:
    directory = tmp_path / "project"
    directory.mkdir()
    environment = {
        "FLEET_DATA_DIR": str(tmp_path / "data"),
        "FLEET_ACTOR": "ada",
        "FLEET_DATABASE_URL": "",
        "FLEET_ENV": "",
    }
    one = Installed(directory, environment)
    middle = range(4)
    one.write(
        FLEET.format(
            replicas=REPLICAS,
            middle="\n".join(MIDDLE.format(n=number) for number in middle),
            names=", ".join(f"m{number}" for number in middle),
        )
    )
    return one


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_mission_is_completed_whatever_befalls_its_workers(project: Installed, number: int) -> None:
    # Of the mission alone: the workers are this test's own.
    project.fleet("apply", "--target", "mission/storm")
    database = Path(project.fleet("status", "--json").json["database"])
    chance = random.Random(number)
    with open_store(database) as store:
        workers = [Worker(project, replica) for replica in range(1, REPLICAS + 1)]
        try:
            until_it_ends(store, workers, chance)
        finally:
            for one in workers:
                one.end()
        assert mission_view(store.rows(), "storm").status == "completed"
        model = WorkModel(lambda name: reading.sortie(store.rows(), name).plan)
        for event in store.events():
            model.learn(event)
        assert set(model.ends.values()) == {"completed"}
        assert len(model.ends) == 6
    project.fleet("verify")


def until_it_ends(store: Store, workers: list[Worker], chance: random.Random) -> None:
    """For each attempt that is begun at most one bad thing happens, to anybody: so it ends on a slow machine, too."""
    desk = Desk(store, Cause("fleet", "watch"))
    end, seen = time.monotonic() + PATIENCE_S, 0
    while mission_view(store.rows(), "storm").status == "in_progress":
        assert time.monotonic() < end, [
            (one.plan.name, one.status, one.assigned_to, one.attempt) for one in reading.open_sorties(store.rows())
        ]
        for one in workers:
            one.see_to()
        begun = sum(one.attempt for one in reading.sorties(store.rows()))
        if begun > seen:
            seen = begun
            chance.choice(workers).suffer(chance.choice(["kill", "kill", "ask", "0.3", "1.6"]))
        # Whoever was stopped may have the log in its hand for longer than others are patient.
        with suppress(TimedOut):
            tick(desk)
        time.sleep(0.02)
