"""The board: a file that is never half written, and a command that marks commits."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from reconciler.control.gitops.status import Board, Status

EMPTY = Status(repository="https://example.com/a", branch="main", path="fleet.yaml")


def test_what_changes_is_written_and_what_does_not_is_not(tmp_path: Path) -> None:
    ticks = iter(range(1, 10))
    board = Board(EMPTY, clock=lambda: next(ticks), file=tmp_path / "status.json")
    board.set(commit="abc", state="success")
    board.set(commit="abc")
    written = json.loads((tmp_path / "status.json").read_text())
    assert (written["commit"], written["state"], written["updated_at"]) == ("abc", "success", 1)
    assert board.document() == written
    assert [one.name for one in tmp_path.iterdir()] == ["status.json"]
    board.start()
    board.stop()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    Board(EMPTY, clock=lambda: 1, file=tmp_path / "no" / "status.json", tell=told.append).set(commit="abc")
    assert "cannot be written" in told[0]


def test_the_command_is_run_for_the_newest_state(tmp_path: Path) -> None:
    program = (
        "import os, sys, json; told = json.load(sys.stdin);"
        "open(sys.argv[1], 'a').write(f\"{os.environ['FLEET_COMMIT']} {told['state']}\\n\")"
    )
    out = tmp_path / "out"
    board = Board(EMPTY, clock=lambda: 1, command=(sys.executable, "-c", program, str(out)))
    board.set(error="no commit yet, so nothing to mark")
    board.start()
    board.set(seen="abc", state="success", description="good")
    board.set(revision=7)
    board.stop()
    assert out.read_text() == "abc success\n"


def test_a_command_that_fails_is_told() -> None:
    for command, why in (((sys.executable, "-c", "exit(3)"), "exit code 3"), (("/no/such",), "No such file")):
        told: list[str] = []
        board = Board(EMPTY, clock=lambda: 1, command=command, tell=told.append)
        board.start()
        board.set(seen="abc")
        board.stop()
        assert why in told[0]
    assert not [one for one in threading.enumerate() if one.name == "fleet-commit-status"]
