"""The example with a mission: three kinds of specialists see twelve sorties through, a review and a retry included."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.support.installed import Installed

FOLDER = ROOT / "examples" / "mission-with-review"
MISSION = "stock-report"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Installed]:
    """The example in a folder of its own; its specialists are stopped at the end."""
    directory = tmp_path / "project"
    shutil.copytree(FOLDER, directory)
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
