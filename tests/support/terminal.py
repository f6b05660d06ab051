"""Commands of the `fleet` command line that tests run in their own process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """Runs commands about one project."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.database = directory / "log.db"
        self._capsys = capsys

    def fleet(self, *words: str) -> Answer:
        """One command line about this project."""
        self._capsys.readouterr()
        code = run([*words, "-C", str(self.directory), "--database", str(self.database)])
        captured = self._capsys.readouterr()
        return Answer(code, captured.out, captured.err)
