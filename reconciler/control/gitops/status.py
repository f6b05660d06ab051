"""How following a branch goes, told where a team looks: a file, HTTP, and a command that marks the commit."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

State = Literal["pending", "success", "failure"]
_COMMAND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Status:
    """The whole of it, as it is written.

    Attributes:
        repository: the address, without a password.
        commit, author: what is checked out.
        state, description: how the newest commit does: `pending`, `success` or `failure`, and why.
        seen: the newest commit of the branch, taken up or not.
        revision: the number of the revision that holds.
        error: why the branch could not be fetched; empty when it could.
        fetched_at, updated_at: Unix ms.
    """

    repository: str
    branch: str
    path: str
    commit: str = ""
    author: str = ""
    state: State = "pending"
    description: str = "nothing was fetched yet"
    seen: str = ""
    revision: int = 0
    error: str = ""
    fetched_at: int = 0
    updated_at: int = 0


class Board:
    """Keeps the status and tells it on. Safe from any thread.

    Args:
        file: is replaced whenever something changes; None for no file.
        command: is run for every new state of a commit, with the state in its environment and on its standard input.
        tell: is told in a sentence when the file cannot be written or the command fails.
    """

    def __init__(
        self,
        status: Status,
        *,
        clock: Callable[[], int],
        file: Path | None = None,
        command: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._status = status
        self._clock = clock
        self._file = file
        self._command = tuple(command)
        self._environ = dict(environ)
        self._tell = tell
        self._changed = threading.Condition()
        self._marked: tuple[str, str, str] | None = None
        self._stopped = False
        self._marker = threading.Thread(target=self._mark, name="fleet-commit-status", daemon=True)

    @property
    def status(self) -> Status:
        """How it is now."""
        return self._status

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self._status)

    def start(self) -> None:
        """Run the command from now on."""
        if self._command:
            self._marker.start()

    def stop(self) -> None:
        """Run it a last time if there is something new, and end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._marker.is_alive():
            self._marker.join()

    def set(self, **changes: Any) -> None:
        """Something is different."""
        with self._changed:
            now = replace(self._status, **changes)
            if now == self._status:
                return
            self._status = replace(now, updated_at=self._clock())
            self._write()
            self._changed.notify_all()

    def _write(self) -> None:
        if self._file is None:
            return
        beside = self._file.with_name(f".{self._file.name}.new")
        try:
            beside.write_bytes(msgspec.json.format(msgspec.json.encode(self.document()), indent=2) + b"\n")
            beside.replace(self._file)
        except OSError as error:
            self._tell(f"the status cannot be written to {self._file}: {error.strerror}")

    def _mark(self) -> None:
        """Run the command for the newest state; those that it was too slow for are left out."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._news() is not None or self._stopped)
                news = self._news()
                if news is None:
                    return
                status, self._marked = self._status, news
            self._run(status)

    def _news(self) -> tuple[str, str, str] | None:
        news = (self._status.seen, self._status.state, self._status.description)
        return news if news[0] and news != self._marked else None

    def _run(self, status: Status) -> None:
        told = {
            "FLEET_COMMIT": status.seen,
            "FLEET_STATE": status.state,
            "FLEET_DESCRIPTION": status.description,
            "FLEET_BRANCH": status.branch,
            "FLEET_REPOSITORY": status.repository,
        }
        try:
            done = subprocess.run(
                self._command,
                input=msgspec.json.encode(asdict(status)),
                env={**self._environ, **told},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = getattr(error, "strerror", None) or f"it took longer than {_COMMAND_SECONDS} s"
            self._tell(f"the status command failed: {why}")
        else:
            if done.returncode != 0:
                self._tell(f"the status command failed with exit code {done.returncode}")
