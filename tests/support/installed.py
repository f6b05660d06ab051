"""The installed `fleet` command and one project to use it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.paths import project_hash

FLEET = Path(sys.executable).parent / "fleet"
_SECONDS = 180


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Installed:
    """Runs the command as a person in the project's folder would.

    Attributes:
        directory: the project's folder.
        environment: what is added to this process's environment; an empty value takes a variable out.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], program: Path = FLEET) -> None:
        self.directory = directory
        self.environment = dict(environment)
        self._program = program

    @property
    def project(self) -> str:
        """The label that everything of this project carries."""
        return project_hash(self.directory)

    def write(self, text: str, name: str = "fleet.yaml") -> None:
        """Write a file of the project."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a command; its output is captured."""
        environment = {name: value for name, value in {**os.environ, **self.environment}.items() if value}
        return subprocess.Popen(
            [self._program, *words],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def fleet(self, *words: str, code: int | None = 0) -> Said:
        """Run a command to its end.

        Args:
            code: the exit code that it must have; None for any.
        """
        with self.start(*words) as process:
            out, err = process.communicate(timeout=_SECONDS)
        said = Said(process.returncode, out, err)
        if code is not None:
            assert said.code == code, f"fleet {' '.join(words)} ended with {said.code}\n{out[-2_000:]}\n{err[-2_000:]}"
        return said

    def events(self, *words: str) -> list[dict[str, Any]]:
        """All events that a query selects."""
        return self.fleet("events", "--json", "--limit", "0", *words).json_lines
