"""What a watcher costs while nothing happens, and how soon it acts when a file is saved. Real Podman, real processes.

    python tests/bench/watch.py [SERVICES] [SECONDS]

A hundred services with health checks are applied and then watched for a minute: CPU time of the watcher as a share of one
core, its memory, list calls of the engine a cycle, and events recorded. Then one service is edited again and again, and
the time from the save to the first engine event of a container is taken, less the debounce. Everything is removed at the
end.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.cli.options import Project
from reconciler.control.session import open_session
from reconciler.control.watch.turn import Turns
from reconciler.paths import project_hash
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.podman import Podman
from tests.support.podman import BUSYBOX, ensure_busybox, sweep

SERVICES = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
SAVES = 11
DEBOUNCE_MS = 200
FLEET = str(Path(sys.executable).with_name("fleet"))


class Counting:
    """A runtime that counts what it is asked."""

    def __init__(self, runtime: Podman) -> None:
        self._runtime = runtime
        self.calls: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._runtime, name)
        if not callable(found):
            return found

        def counted(*arguments: Any, **more: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            return found(*arguments, **more)

        return counted


class Silence:
    """A teller that tells nobody."""

    def tell(self, *told: Any, **facts: Any) -> None:
        pass

    def looked(self, seen: Any) -> None:
        pass


def fleet_file(name: str, level: int) -> str:
    """The file; `level` is what is edited."""
    services = "".join(
        f"  s{number:03d}:\n    image: {BUSYBOX}\n    command: [sleep, '100000']\n    stop_grace_period: 0s\n"
        f"    healthcheck: {{test: [CMD, 'true'], interval: 30s}}\n"
        f"    environment: {{LEVEL: '{level if number == 0 else 0}'}}\n"
        for number in range(SERVICES)
    )
    return f"version: 1\nname: {name}\nreconcile: {{debounce: {DEBOUNCE_MS}ms}}\nservices:\n{services}"


def wait_until(what: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until this is so."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("it took too long")
        time.sleep(0.05)


def idle(process: psutil.Process, database: Path) -> None:
    """Print what watching costs while nothing happens."""
    with open_store(database, mode="read") as store:
        head = store.head()
        used, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(SECONDS)
        cpu = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
        memory = process.memory_info().rss / 1e6
        appended = store.head() - head
    print(f"idle over {SERVICES} services: {cpu:.2%} of one core, {memory:.0f} MB, {appended} events recorded")


def list_calls(project: Project, podman: Podman) -> None:
    """Print what one cycle asks the engine."""
    counting = Counting(podman)
    with open_session(project, runtime=counting) as session:  # type: ignore[arg-type]
        turns = Turns(session, Silence(), lambda: time.time_ns() // 1_000_000, lambda: 0.5)  # type: ignore[arg-type]
        turns.take()
        counting.calls.clear()
        turns.take()
    print(f"a cycle asks the engine: {counting.calls}")


def saves(project: Project, name: str, podman: Podman, database: Path) -> None:
    """Print how soon a save leads to a container's change."""
    heard = threading.Event()
    stream: Any = podman.events(project_hash(project.directory))

    def listen() -> None:
        for event in stream:
            if event.action in ("create", "remove", "kill", "died", "start", "rename"):
                heard.set()

    threading.Thread(target=listen, daemon=True).start()
    found = []
    for number in range(1, SAVES + 1):
        heard.clear()
        project.file.write_text(fleet_file(name, number))
        saved = time.monotonic()
        if not heard.wait(60):
            raise SystemExit("nothing followed a save")
        found.append((time.monotonic() - saved) * 1000 - DEBOUNCE_MS)
        # The next save is of a fleet that is at rest again.
        wait_until(lambda number=number: applies(database) >= number + 1)  # type: ignore[misc]
        time.sleep(1)
    stream.close()
    median, worst = statistics.median(found), max(found)
    print(f"save to first container action, beyond the debounce: median {median:.0f} ms, worst {worst:.0f} ms")
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def applies(database: Path) -> int:
    """How many plans were carried out."""
    with open_store(database, mode="read") as store:
        return sum(1 for _ in store.events(EventQuery(types=("apply_completed",))))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, Podman.connect() as podman:
        ensure_busybox(podman, Path(folder) / "shared")
        base = Path(folder) / "project"
        base.mkdir()
        name = f"bench{os.getpid()}"
        os.environ["FLEET_DATA_DIR"] = str(Path(folder) / "data")
        project = Project(file=base / "fleet.yaml", directory=base)
        project.file.write_text(fleet_file(name, 0))
        with open_session(project) as session:
            database = session.database
        watcher = None
        try:
            subprocess.run([FLEET, "apply", "--yes", "--no-wait"], cwd=base, check=True, stdout=subprocess.DEVNULL)
            watcher = subprocess.Popen([FLEET, "watch", "--json"], cwd=base, stdout=subprocess.DEVNULL)
            wait_until(lambda: all(one.health for one in podman.observe(project_hash(base)).containers))
            healthy = lambda: all(one.health == "healthy" for one in podman.observe(project_hash(base)).containers)  # noqa: E731
            wait_until(healthy)
            time.sleep(5)
            list_calls(project, podman)
            idle(psutil.Process(watcher.pid), database)
            saves(project, name, podman, database)
        finally:
            if watcher is not None:
                watcher.terminate()
                watcher.wait()
            sweep(podman, project_hash(base))


if __name__ == "__main__":
    main()
