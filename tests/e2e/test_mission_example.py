"""The example with a mission: three kinds of specialists see twelve sorties through, a review and a retry included."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.support.installed import Installed

FOLDER = ROOT / "examples" / "mission-with-review"
MISSION = "stock-report"


@pytest.fixture
def installed_alone(tmp_path: Path) -> Iterator[Installed]:
    """An empty project without an engine; its specialists are stopped at the end."""
    directory = tmp_path / "project"
    directory.mkdir()
    environment = {
        "FLEET_DATA_DIR": str(tmp_path / "data"),
        "FLEET_ACTOR": "ada",
        "FLEET_DATABASE_URL": "",
        "FLEET_ENV": "",
        "NO_COLOR": "1",
    }
    one = Installed(directory, environment)
    yield one
    one.fleet("specialists", "stop", code=None)


@pytest.fixture
def example(installed_alone: Installed) -> Installed:
    """The example in a folder of its own."""
    shutil.copytree(FOLDER, installed_alone.directory, dirs_exist_ok=True)
    return installed_alone


def test_the_mission_is_seen_through(example: Installed) -> None:
    example.fleet("validate")
    assert example.fleet("plan", "--detailed-exitcode", code=2).out.count("mission/stock-report") == 1
    said = example.fleet("apply", "--wait", "--timeout", "150s").out
    assert said.splitlines()[-1] == f"mission/{MISSION} completed, 11 of 11 sorties done"

    report = (example.directory / "out" / "published.md").read_text()
    assert report == "8 in stock\n# Stock\npears 5\napples 3\nplums 0\nTotal: 8\n"
    shown = example.fleet("missions", "show", MISSION, "--json").json
    attempts = {one["resource"].rpartition("/")[2]: one["attempt"] for one in shown["definitions"]}
    assert (attempts["page"], attempts["check-total"], attempts["apologise"]) == (2, 2, 0)
    statuses = {one["resource"].rpartition("/")[2]: one["status"] for one in shown["definitions"]}
    assert statuses.pop("apologise") == "cancelled"
    assert set(statuses.values()) == {"completed"}
    assert len(statuses) == 11

    assert "the review sent page back: the total is missing" in example.fleet("why", f"sortie/{MISSION}/page").out
    assert "revision 1 of the file was accepted" in example.fleet("why", f"mission/{MISSION}").out
    assert example.fleet("missions", "graph", MISSION, "--mermaid").out.startswith("flowchart TD\n")
    assert "✔ publish" in example.fleet("missions", "graph", MISSION).out
    assert example.fleet("sorties", "logs", f"{MISSION}/gather").out == "3 kinds of fruit\n"

    example.fleet("plan", "--detailed-exitcode")
    assert example.fleet("apply", "--wait").out.splitlines()[-1].startswith(f"mission/{MISSION} completed")
    example.fleet("verify")


LONG = """
version: 1
name: long
specialists:
  builder: {harness: shell, heartbeat: {interval: 200ms, timeout: 1s}, stop_grace_period: 1s}
missions:
  long:
    sorties:
      one: {run: "sleep 1", retries: 5, retry_delay: 1ms}
      two: {run: "true", depends_on: [one]}
"""


def test_a_worker_that_dies_meanwhile_is_started_again(installed_alone: Installed) -> None:
    project = installed_alone
    project.write(LONG)
    waiting = project.start("apply", "--wait", "--timeout", "150s", "--json")
    assert waiting.stdout is not None
    told = []
    for line in waiting.stdout:
        told.append(json.loads(line))
        if told[-1].get("status") == "in_progress" and told[-1]["event"] == "sortie":
            break
    (found,) = project.fleet("specialists", "list", "--json").json["specialists"]
    os.kill(found["observed"]["pid"], signal.SIGKILL)
    rest, errors = waiting.communicate(timeout=170)
    assert waiting.returncode == 0, (told, rest, errors)
    assert json.loads(rest.splitlines()[-1])["status"] == "completed"
    attempts = {one["resource"]: one["attempt"] for one in project.fleet("sorties", "list", "--all", "--json").json}
    assert attempts == {"sortie/long/one": 2, "sortie/long/two": 1}
