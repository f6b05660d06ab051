"""`fleet plan --at` over a log on disk: the file of today against the fleet of then, without a look at the world."""

from __future__ import annotations

import pytest

from tests.support.story import StoredLog
from tests.support.terminal import Terminal

FILE = "version: 1\nname: shop\nservices:\n  web: {image: 'localhost/web:2'}\n"


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at the world here finds none."""
    monkeypatch.setenv("FLEET_PODMAN_SOCKET", "/nonexistent/podman.sock")


def actions(terminal: Terminal, at: str) -> list[str]:
    answer = terminal.fleet("plan", "--json", "--at", at)
    assert answer.code == 0, answer.err
    return [action["id"] for action in answer.json["actions"] if action["type"].endswith("_container")]


def test_before_the_first_container_it_would_be_created(terminal: Terminal, story: StoredLog) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    assert actions(terminal, "2") == ["create service/web/1"]


def test_once_it_ran_it_would_be_replaced(terminal: Terminal, story: StoredLog) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    assert actions(terminal, "7") == ["replace service/web/1"]
    assert "image: localhost/web:1 → localhost/web:2" in terminal.fleet("plan", "--at", "7").out


def test_a_time_before_the_log_began(terminal: Terminal, story: StoredLog) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    assert actions(terminal, "2020-01-01T00:00") == ["create service/web/1"]


def test_the_exit_code_counts_changes_there_too(terminal: Terminal, story: StoredLog) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    assert terminal.fleet("plan", "--at", "7", "--detailed-exitcode").code == 2


def test_a_moment_that_is_none_is_said(terminal: Terminal, story: StoredLog) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    answer = terminal.fleet("plan", "--at", "the day before the day before")
    assert answer.code == 1
    assert "the day before the day before" in answer.err


def test_without_a_log_there_is_no_past(terminal: Terminal) -> None:
    (terminal.directory / "fleet.yaml").write_text(FILE)
    answer = terminal.fleet("plan", "--at", "1")
    assert (answer.code, answer.err.splitlines()[0]) == (1, "fleet: nothing has been applied yet")
