"""A `fleet watch` of its own process over a project, and ways of waiting for what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.integration.apply.yard import Yard
from tests.support.podman import force_remove

PATIENCE = 60.0
# Notices and intervals are quick here, so that tests need not be slow to be sure.
QUICK = "reconcile: {interval: 1s, debounce: 100ms}"
STAYS = "command: [sh, -c, 'trap \"exit 0\" TERM; while true; do sleep 1; done']\nstop_grace_period: 1s"


def until(what: Callable[[], Any], why: str) -> Any:
    """What this comes to, as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, why
        time.sleep(0.05)


class Watching:
    """A watcher. A context manager that ends it.

    Attributes:
        lines: what it printed, decoded.
    """

    def __init__(self, yard: Yard, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.yard = yard
        self.lines: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("fleet")), "watch", "--json", *arguments],
            cwd=yard.folder,
            env={**yard.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._close()
        return code

    def says(self, text: str, *, after: int = 0) -> dict[str, Any]:
        """The first line whose event holds this text."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines[after:] if text in line["event"]), None)

        def said() -> dict[str, Any] | None:
            assert found() or self.process.poll() is None, f"it has ended: {self.errors}\n{self.told()}"
            return found()

        line: dict[str, Any] = until(said, f"it never said {text!r}:\n{self.told()}")
        return line

    def told(self) -> str:
        """Everything it said, for a message."""
        return "\n".join(json.dumps(line) for line in self.lines) + "\n" + "".join(self.errors)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def _close(self) -> None:
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def kill_inside(yard: Yard, name: str) -> None:
    """Kill a container's main process from outside, as a person with a terminal would."""
    container = yard.containers()[f"{yard.name}-{name}"]
    yard.runtime._client.act(  # type: ignore[union-attr]
        "POST", f"/containers/{container.container_id}/kill", "kill it by hand", query={"signal": "KILL"}
    )


def remove(yard: Yard, name: str) -> None:
    """Remove a container by hand, running or not."""
    force_remove(yard.runtime, yard.containers()[f"{yard.name}-{name}"].container_id)  # type: ignore[arg-type]


def pause(yard: Yard, name: str) -> None:
    """Pause a container by hand."""
    container = yard.containers()[f"{yard.name}-{name}"]
    yard.runtime._client.act(  # type: ignore[union-attr]
        "POST", f"/containers/{container.container_id}/pause", "pause it by hand"
    )


def write_at_once(path: Path, text: str) -> None:
    """Write beside it and move it there, so that nobody sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)
