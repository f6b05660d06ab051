"""A `fleet gitops` of its own process, and ways of waiting for what it does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.control.gitops.repository import Address, home_of
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import PATIENCE, until

IMAGE = "localhost/fleet-busybox:1"


def fleet_file(name: str, services: Mapping[str, str], *, more: str = "") -> str:
    """A fleet of services that stay; each with a label that says which edit it is of."""
    text = f"version: 1\nname: {name}\nreconcile: {{interval: 1s, debounce: 100ms}}\n{more}services:\n"
    for service, label in services.items():
        text += (
            f"  {service}:\n    image: {IMAGE}\n    labels: {{edit: '{label}'}}\n    stop_grace_period: 1s\n"
            "    command: [sh, -c, 'trap \"exit 0\" TERM; while true; do sleep 1; done']\n"
        )
    return text


@dataclass
class Place:
    """Where a repository is followed. The yard is the project in the checkout."""

    url: str
    path: str
    yard: Yard
    folder: Path

    @staticmethod
    def checkout_of(url: str, branch: str, path: str, data: Path) -> Path:
        """The folder of the fleet file in the checkout."""
        file = Path(path) if path.endswith(".yaml") else Path(path) / "fleet.yaml"
        return (home_of(Address.parse(url), branch, str(file), data) / "checkout" / file).parent

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.yard.name

    def labels(self) -> dict[str, str]:
        """The edit that each running container is of."""
        found = self.yard.containers()
        prefix = f"{self.name}-"
        return {
            name.removeprefix(prefix): one.labels.get("edit", "")
            for name, one in found.items()
            if one.state == "running"
        }

    def running(self) -> dict[str, tuple[str, str, int]]:
        """Of each running container the edit that it is of, its id and when it was started: equal while none was touched."""
        prefix = f"{self.name}-"
        return {
            name.removeprefix(prefix): (one.labels.get("edit", ""), one.container_id, one.started_at)
            for name, one in self.yard.containers().items()
            if one.state == "running"
        }

    def settled(self, labels: Mapping[str, str]) -> dict[str, tuple[str, str, int]]:
        """The same, as soon as these run: the engine's list may miss a container in the instant after its start."""
        return until(lambda: self.labels() == labels and self.running(), f"{labels} run")


class Following:
    """The process. A context manager that ends it."""

    def __init__(self, place: Place, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.place = place
        self.status_file = place.folder / "status.json"
        self.lines: list[dict[str, Any]] = []
        self.errors: list[str] = []
        path = ("--path", place.path) if place.path else ()
        told = ("--interval", "1s", "--status-file", str(self.status_file))
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("fleet")), "gitops", "--json", *path, *told, *arguments],
            cwd=place.folder,
            env={**place.yard.environ, "FLEET_GITOPS_REPO": place.url, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def says(self, text: str) -> dict[str, Any]:
        """The first line whose event holds this text."""

        def found() -> dict[str, Any] | None:
            ended = self.process.poll() is not None
            line = next((line for line in self.lines if text in line["event"]), None)
            assert line or not ended, self.told()
            return line

        line: dict[str, Any] = self.until(found, f"said {text!r}")
        return line

    def is_at(self, commit: str, state: str = "success") -> dict[str, Any]:
        """The status, as soon as this commit is the newest and in this state."""

        def there() -> dict[str, Any] | None:
            now = self.status()
            return now if (now.get("seen"), now.get("state")) == (commit, state) else None

        found: dict[str, Any] = self.until(there, f"was at {commit}: {state}")
        return found

    def status(self) -> dict[str, Any]:
        """What the status file says."""
        try:
            found: dict[str, Any] = json.loads(self.status_file.read_text())
        except FileNotFoundError:
            return {}
        return found

    def until(self, what: Any, why: str) -> Any:
        """What this comes to, as soon as it is true."""
        end = time.monotonic() + PATIENCE - 1
        return until(lambda: what() or (time.monotonic() > end and self._fail(why)), why)

    def told(self) -> str:
        """Everything it said, for a message."""
        return "\n".join(json.dumps(line) for line in self.lines) + "\n" + "".join(self.errors)

    def _fail(self, why: str) -> None:
        raise AssertionError(f"it never {why}:\n{self.status()}\n{self.told()}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)
