"""The soak: Fleet stays for a long time while everything around it is killed, and nothing grows, is lost or is doubled.

    python -m tests.faults.soak --minutes 30 --containers 100 --specialists 20

A watcher with its HTTP door keeps a fleet of containers and specialists. Meanwhile containers and specialists are killed, the
watcher itself now and then too, and clients append, reserve and read through the door. At the end the killing stops, and
the fleet has to be as declared, the log has to verify, and memory and descriptors of the watcher must not have grown.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.support.installed import FLEET
from tests.support.podman import BUSYBOX, sweep

_FLEET = """
version: 1
name: {name}
services:
{services}
specialists:
  worker:
    replicas: {specialists}
    harness: shell
    restart: {{policy: always, backoff: {{initial: 200ms, max: 1s}}}}
missions:
  work:
    title: Work
    sorties:
{sorties}
reconcile: {{interval: 2s}}
"""
_SERVICE = """  s{number}:
    image: {image}
    command: [sleep, "36000"]
    stop_signal: SIGKILL
    restart: {{policy: always, backoff: {{initial: 200ms, max: 1s}}}}
"""
_MORE_MEMORY = 24 * 1024 * 1024
_MORE_DESCRIPTORS = 12
_PATIENCE = 90.0
_SETTLED = 60


@dataclass
class Figures:
    """What was seen; `memory` in bytes and `descriptors`, one of each for every second of every life of the watcher."""

    lives: list[list[tuple[int, int]]] = field(default_factory=list)
    killed_containers: int = 0
    killed_specialists: int = 0
    killed_watchers: int = 0
    calls: int = 0
    refused: int = 0


class _Connection(http.client.HTTPConnection):
    """HTTP over the watcher's unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(self, method: str, path: str, headers: dict[str, str], body: str | None = None) -> bytes:
        """An answer that has to be a success."""
        self.request(method, path, body, headers)
        answer = self.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise http.client.HTTPException(f"{method} {path}: {answer.status} {content[:200]!r}")
        return content


class Soak:
    """One soak in a folder of its own.

    Args:
        seconds: how long things are killed.
        engine: Podman's socket.
    """

    def __init__(
        self, folder: Path, *, name: str, seconds: float, containers: int, specialists: int, engine: str, seed: int
    ) -> None:
        self.folder = folder
        self.figures = Figures()
        self._seconds = seconds
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._environment = {
            **os.environ,
            "FLEET_DATA_DIR": str(folder / "data"),
            "FLEET_PODMAN_SOCKET": engine,
            "FLEET_DATABASE_URL": "",
        }
        self._socket = str(folder / "door")
        self._podman = Podman(engine)
        self._project = folder / "project"
        self._project.mkdir()
        self._count = containers + specialists
        services = "".join(_SERVICE.format(number=number, image=BUSYBOX) for number in range(containers))
        sorties = "".join(
            f'      t{number}: {{title: Task {number}, run: "sleep 0.2", retries: 20, retry_delay: 100ms}}\n'
            for number in range(specialists * 3)
        )
        text = _FLEET.format(name=name, services=services, specialists=specialists, sorties=sorties)
        (self._project / "fleet.yaml").write_text(text)
        self.project = project_hash(self._project)

    def run(self) -> list[str]:
        """Everything; what is wrong at the end, nothing when all is well."""
        self._fleet("apply", "--yes")
        watcher = self._watch()
        helpers = [threading.Thread(target=one) for one in (self._call, self._kill_others)]
        for helper in helpers:
            helper.start()
        begun = time.monotonic()
        answered = self.figures.calls
        while not self._enough(time.monotonic() - begun):
            self._measure(watcher)
            # Each life gets its share of the time, and ends only when it was of use: a busy machine begins slowly.
            lived = (time.monotonic() - begun) / self._seconds
            if self.figures.killed_watchers < min(int(lived * 3), 2) and self.figures.calls > answered:
                watcher.kill()
                watcher.wait()
                self.figures.killed_watchers += 1
                watcher, answered = self._watch(), self.figures.calls
            self._over.wait(0.5)
        self._over.set()
        for helper in helpers:
            helper.join()
        try:
            return self._verdict(watcher)
        finally:
            watcher.send_signal(signal.SIGTERM)
            watcher.wait(60)

    def _enough(self, seconds: float) -> bool:
        """Whether it has lasted as long as was asked for, and all that it is about has happened."""
        seen = self.figures
        happened = seen.calls and seen.killed_watchers and seen.killed_containers and seen.killed_specialists
        return seconds >= self._seconds and (bool(happened) or seconds >= self._seconds + _PATIENCE)

    def clean_up(self) -> None:
        """Take everything away."""
        (self._project / "fleet.yaml").write_text("version: 1\nname: gone\nmissions: {}\n")
        for process in self._workers():
            process.kill()
        sweep(self._podman, self.project)
        self._podman.close()

    def _fleet(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FLEET, *words], cwd=self._project, env=self._environment, capture_output=True, text=True, check=False
        )

    def _watch(self) -> subprocess.Popen[bytes]:
        self.figures.lives.append([])
        log = (self.folder / "watch.log").open("ab")
        with log:
            return subprocess.Popen(
                [FLEET, "watch", "--json", "--serve", "--socket", self._socket],
                cwd=self._project,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _measure(self, watcher: subprocess.Popen[bytes]) -> None:
        try:
            seen = psutil.Process(watcher.pid)
            self.figures.lives[-1].append((seen.memory_info().rss, seen.num_fds()))
        except psutil.Error:
            return

    def _workers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("FLEET_PROJECT") == self.project and "worker" in process.cmdline():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _kill_others(self) -> None:
        while not self._over.wait(self._chance.uniform(0.5, 3)):
            running = [one for one in self._podman.observe(self.project).containers if one.state == "running"]
            if running and self._chance.random() < 0.6:
                chosen = self._chance.choice(running)
                subprocess.run(["podman", "kill", chosen.container_id], capture_output=True, check=False)
                self.figures.killed_containers += 1
            elif workers := self._workers():
                self._chance.choice(workers).kill()
                self.figures.killed_specialists += 1

    def _call(self) -> None:
        """One client that reads and writes as it is answered; a watcher that is being replaced refuses it."""
        while not self._over.is_set():
            with contextlib.closing(_Connection(self._socket)) as door:
                try:
                    headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
                    while not self._over.wait(0.02):
                        number = self.figures.calls
                        body = {"stream_id": f"box{number % 7}", "events": [{"type": "note", "data": {"n": number}}]}
                        door.ask("POST", "/api/v1/mailbox/append", headers, json.dumps(body))
                        door.ask("GET", "/api/v1/events?limit=20", headers)
                        door.ask("GET", "/api/v1/locks", headers)
                        self.figures.calls += 3
                except (OSError, http.client.HTTPException):
                    self.figures.refused += 1
            self._over.wait(0.2)

    def _token(self) -> str:
        found = list((self.folder / "data").glob("*/api-token"))
        return found[0].read_text().strip() if found else ""

    def _verdict(self, watcher: subprocess.Popen[bytes]) -> list[str]:
        wrong = []
        if not self._settles():
            wrong.append(f"the fleet is not as declared: {self._fleet('plan').stdout[-800:]}")
        verified = self._fleet("verify")
        if verified.returncode:
            wrong.append(f"the log does not verify: {verified.stdout[-800:]}{verified.stderr[-400:]}")
        names = [one.name for one in self._podman.observe(self.project).containers]
        workers = self._workers()
        if len(names) + len(workers) != self._count or len(set(names)) != len(names):
            wrong.append(f"{len(names)} containers and {len(workers)} specialists are not the {self._count} declared")
        if watcher.poll() is not None:
            wrong.append(f"the watcher ended by itself with {watcher.returncode}")
        if not self.figures.calls:
            wrong.append("the door never answered")
        seen = self.figures
        if not (seen.killed_watchers and seen.killed_containers and seen.killed_specialists):
            wrong.append(f"not everything was killed: {seen}")
        return [*wrong, *self._growth()]

    def _settles(self) -> bool:
        """Whether nothing is left to do, within a minute after the last kill."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if self._fleet("plan", "--detailed-exitcode").returncode == 0:
                return True
        return False

    def _growth(self) -> list[str]:
        """Whether memory or descriptors grew over the longest life, the beginning left out."""
        life = max(self.figures.lives, key=len)
        if len(life) < _SETTLED:
            return []
        third = len(life) // 3
        middle, last = life[third : 2 * third], life[2 * third :]
        memory = statistics.median(one[0] for one in last) - statistics.median(one[0] for one in middle)
        descriptors = statistics.median(one[1] for one in last) - statistics.median(one[1] for one in middle)
        wrong = []
        if memory > _MORE_MEMORY:
            wrong.append(f"memory grew by {memory / 1e6:.0f} MB from the middle third to the last")
        if descriptors > _MORE_DESCRIPTORS:
            wrong.append(f"{descriptors:.0f} descriptors more in the last third than in the middle one")
        return wrong


def main() -> int:
    """Run a soak from the command line; 1 when something is wrong."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=30)
    words.add_argument("--containers", type=int, default=100)
    words.add_argument("--specialists", type=int, default=20)
    words.add_argument("--seed", type=int, default=int(time.time()))
    asked = words.parse_args()
    from tests.support.podman import ensure_busybox, working_socket

    with tempfile.TemporaryDirectory(prefix="fleet-soak-") as place:
        folder = Path(place)
        engine = working_socket(folder)
        with Podman(engine) as podman:
            ensure_busybox(podman, folder)
        soak = Soak(
            folder,
            name=f"soak{os.getpid()}",
            seconds=asked.minutes * 60,
            containers=asked.containers,
            specialists=asked.specialists,
            engine=engine,
            seed=asked.seed,
        )
        try:
            wrong = soak.run()
        finally:
            soak.clean_up()
    seen = soak.figures
    life = max(seen.lives, key=len)
    print(
        json.dumps(
            {
                "seed": asked.seed,
                "killed": [seen.killed_containers, seen.killed_specialists, seen.killed_watchers],
                "calls": seen.calls,
                "refused": seen.refused,
                "memory_mb": [round(one[0] / 1e6) for one in life[:: max(len(life) // 10, 1)]],
                "descriptors": [one[1] for one in life[:: max(len(life) // 10, 1)]],
            }
        )
    )
    for one in wrong:
        print(f"wrong: {one}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
