"""A store with missions in it, and workers that work on it inside the test's own process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.desk import reading
from reconciler.control.desk.desk import Desk, Work
from reconciler.control.worker.attempt import Bench
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.loop import Worker, WorkerOptions
from reconciler.control.worker.office import LocalOffice
from reconciler.events.envelope import Cause, Event
from reconciler.projections.store import EventQuery, Store, open_store
from reconciler.spec.desired import Harness, MissionSpec, SortieSpec, SpecialistSpec
from reconciler.work import missions


@dataclass
class Told:
    """What a worker said; somebody may wait for a word."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, level: str, what: str, /, **facts: Any) -> None:
        with self.said:
            self.lines.append((level, what, facts))
            self.said.notify_all()

    def words(self) -> list[str]:
        return [what for _, what, _ in self.lines]

    def wait_for(self, what: str, count: int = 1) -> None:
        with self.said:
            assert self.said.wait_for(lambda: self.words().count(what) >= count, timeout=60)


@dataclass
class Fleet:
    """One project's log, its folder, and its workers."""

    store: Store
    folder: Path

    @property
    def data(self) -> Path:
        return self.store.path.parent

    def desk(self) -> Desk:
        return Desk(self.store, Cause("tester", "cli"))

    def start(self, parallel: int = 0, **sorties: SortieSpec) -> dict[str, str]:
        """A mission of these sorties, begun; their ids by name, and the mission's under an empty name."""
        named = {name: replace_name(spec, name) for name, spec in sorties.items()}
        spec = MissionSpec(name="m", title="M", parallel=parallel, sorties=named)

        def command(work: Work) -> dict[str, str]:
            ids = {name: work.new_id("sortie") for name in named}
            mission_id = work.new_id("msn")
            work.record(missions.declare(spec, mission_id, ids, now_ms=work.now_ms))
            mission = reading.mission(work.rows, mission_id)
            open_ones = reading.sorties(work.rows, mission_id=mission_id)
            work.record(missions.start(mission, open_ones, now_ms=work.now_ms, definition=spec))
            return {**ids, "": mission_id}

        return self.desk().run(command).value

    def office(self, pool: str = "builder", replica: int = 1, **spec: Any) -> LocalOffice:
        identity = Identity(SpecialistSpec(name=pool, **spec), replica)
        return LocalOffice(self.store, self.desk(), identity)

    def worker(
        self,
        pool: str = "builder",
        replica: int = 1,
        *,
        options: WorkerOptions | None = None,
        environment: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> tuple[Worker, Told]:
        declared = SpecialistSpec(name=pool, **spec)
        identity = Identity(declared, replica)
        bench = Bench(
            harness=declared.harness,
            folder=self.folder,
            data=self.data,
            environment={**os.environ, **(environment or {})},
        )
        told = Told()
        office = LocalOffice(self.store, self.desk(), identity)
        return Worker(office, identity, bench, told, options or WorkerOptions(idle_exit=True)), told

    def work(self, pool: str = "builder", **more: Any) -> Told:
        """Let one worker do everything there is to do."""
        worker, told = self.worker(pool, **more)
        worker.run()
        return told

    def sortie(self, key: str) -> dict[str, Any]:
        return self.store.rows().get("sorties", key) or {}

    def mission_status(self, key: str) -> str:
        return str((self.store.rows().get("missions", key) or {}).get("status"))

    def events(self, *types: str) -> list[Event]:
        return list(self.store.events(EventQuery(types=types)))


def replace_name(spec: SortieSpec, name: str) -> SortieSpec:
    import msgspec

    return msgspec.structs.replace(spec, name=name, title=spec.title or name)


def sortie(**fields: Any) -> SortieSpec:
    return SortieSpec(name="", title=fields.pop("title", ""), **fields)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    folder = tmp_path / "project"
    folder.mkdir()
    with open_store(tmp_path / "data" / "squawk.db") as store:
        yield Fleet(store, folder)


@pytest.fixture
def in_background() -> Iterator[Callable[[Worker], threading.Thread]]:
    """Runs workers in threads, and ends what still runs after the test."""
    running: list[tuple[Worker, threading.Thread]] = []

    def begin(worker: Worker) -> threading.Thread:
        thread = threading.Thread(target=worker.run)
        thread.start()
        running.append((worker, thread))
        return thread

    yield begin
    for worker, thread in running:
        worker.stop(grace_s=0)
        thread.join(timeout=60)
        assert not thread.is_alive()


SHELL, COMMAND = Harness(), Harness(kind="command", command=("true",))
__all__ = ["COMMAND", "SHELL", "Fleet", "Told", "replace", "sortie"]
