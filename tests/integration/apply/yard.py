"""A project on disk with its own log and real Podman: write the file, apply, look at what became of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.apply.model import ApplyOptions, ApplyResult
from reconciler.cli.options import Project
from reconciler.control.cycle import Confirmation, converge, look
from reconciler.control.look import Look
from reconciler.control.session import Session, open_session
from reconciler.events.envelope import Event, NewEvent
from reconciler.ops.why import chain
from reconciler.plan.model import PlanOptions
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.model import ObservedContainer
from reconciler.runtime.podman import Podman
from tests.support.simulated import SimulatedRuntime

YES = Confirmation("a test", "flag")
EVERYTHING = PlanOptions()
ALL_EVENTS = EventQuery()


class Yard:
    """One project.

    Attributes:
        folder: the project's folder.
        data: the data folder, where the log goes.
        environ: what the command and the loader see.
    """

    def __init__(
        self, folder: Path, data: Path, name: str, runtime: Podman | SimulatedRuntime, socket: str = ""
    ) -> None:
        self.folder = folder
        self.data = data
        self.name = name
        self.runtime = runtime
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "FLEET_DATA_DIR": str(data),
            "FLEET_PODMAN_SOCKET": socket,
            "FLEET_ACTOR": "ada",
            "COLUMNS": "120",
        }
        self.project = Project(file=folder / "fleet.yaml", directory=folder)

    def write(self, services: str, *, more: str = "") -> None:
        """The fleet file: `services` is the block below `services:`, `more` what stands beside it."""
        lines = "\n".join(f"  {line}" for line in services.strip("\n").split("\n"))
        body = f"services:\n{lines}\n" if services.strip() else ""
        self.project.file.write_text(f"version: 1\nname: {self.name}\n{more}\n{body}")

    def session(self) -> Session:
        """A session of this project."""
        return open_session(self.project, runtime=self.runtime, environ=self.environ)

    def look(self, options: PlanOptions = EVERYTHING) -> Look:
        """One look."""
        with self.session() as session:
            return look(session, options)

    def plan(self) -> list[str]:
        """What the next apply would do."""
        return [action.id for action in self.look().plan.actions]

    def apply(
        self,
        options: PlanOptions = EVERYTHING,
        *,
        requests: Sequence[NewEvent] = (),
        confirm: Callable[[Look], Confirmation] = lambda _: YES,
        **how: Any,
    ) -> ApplyResult | None:
        """One cycle; None when there was nothing to do."""
        with self.session() as session:
            done = converge(session, options=options, how=ApplyOptions(**how), confirm=confirm, requests=requests)
        return done.result

    def must_apply(self, options: PlanOptions = EVERYTHING, **how: Any) -> ApplyResult:
        """One cycle that has something to do and does all of it."""
        result = self.apply(options, **how)
        assert result is not None
        assert result.succeeded, result.failures
        return result

    def run(
        self, *arguments: str, check: bool = True, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The `fleet` command in this project's folder."""
        done = subprocess.run(
            [_fleet(), *arguments],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def label(self) -> str:
        """The project's hash."""
        with self.session() as session:
            return session.project

    @property
    def database(self) -> Path:
        """The log's file."""
        with self.session() as session:
            return session.database

    def events(self, query: EventQuery = ALL_EVENTS) -> list[Event]:
        """What was recorded."""
        with open_store(self.database, mode="read") as store:
            return list(store.events(query))

    def types(self, *, after: int = 0) -> list[str]:
        """What was recorded, as event types, the lease's own left out."""
        return [one.event_type for one in self.events(EventQuery(after=after)) if one.stream_type != "system"]

    def head(self) -> int:
        """The newest sequence number."""
        with open_store(self.database, mode="read") as store:
            return store.head()

    def causes(self, event_type: str) -> list[str]:
        """The chain from the newest event of a type to its root."""
        with open_store(self.database, mode="read") as store:
            newest = next(store.events(EventQuery(types=(event_type,), newest_first=True, limit=1)))
            return [event.event_type for event in chain(store, newest)]

    def containers(self) -> dict[str, ObservedContainer]:
        """This project's containers by name."""
        return {one.name: one for one in self.runtime.observe(self.label).containers}

    def states(self) -> dict[str, str]:
        """Their states, by name without the fleet's."""
        found = self.containers()
        return {name.removeprefix(f"{self.name}-"): found[name].state for name in sorted(found)}


def get(port: int, path: str = "/") -> str:
    """What a web server on this machine answers, as soon as it listens."""
    until = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                text: str = answer.read().decode()
            return text
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _fleet() -> str:
    return str(Path(sys.executable).with_name("fleet"))
