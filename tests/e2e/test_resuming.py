"""A worker is killed in the middle of its work, and another one goes on from a checkpoint with all that belonged to it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from reconciler.paths import project_hash
from reconciler.projections.store import EventQuery, open_store
from tests.support.installed import Installed

FILE = """\
version: 1
name: shop
specialists:
  builder: {replicas: 2, heartbeat: {interval: 1s, timeout: 10m}}
missions:
  ship:
    title: Ship it
    sorties:
      build:
        title: Build it
        files: [src/a.py]
        run: 'echo "$FLEET_ATTEMPT" >>begun; test "$FLEET_ATTEMPT" = 2 || sleep 600'
      last: {title: Say so, depends_on: [build], run: "echo all done"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Installed:
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
    one.write(FILE)
    return one


def wait_for(project: Installed, event_type: str, **facts: Any) -> None:
    """Until such an event is in the log."""
    database = Path(project.environment["FLEET_DATA_DIR"]) / project_hash(project.directory) / "squawk.db"
    with open_store(database, mode="read") as store:
        for event in store.follow(EventQuery(types=(event_type,)), poll_ms=20):
            if facts.items() <= event.data.items():
                return


def test_another_specialist_goes_on_after_a_kill(project: Installed) -> None:
    project.fleet("missions", "run", "ship")
    killed = project.start("worker", "-s", "builder", "-n", "1")
    try:
        wait_for(project, "sortie_started", specialist_id="spec_builder_1")
        project.fleet("squawk", "send", "builder-1", "mind the gap", "--priority", "high")
        (taken,) = project.fleet("checkpoint", "--note", "the parser is next", "--json").json
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=60)
    assert len(taken["held_locks"]) == 1

    other = project.start("worker", "-s", "builder", "-n", "2", "--idle-exit")
    try:
        wait_for(project, "specialist_registered", specialist_id="spec_builder_2")
        (done,) = project.fleet("resume", "--checkpoint", taken["id"], "--gone", "builder-1", "--json").json
        said, _ = other.communicate(timeout=90)
    finally:
        other.kill()
        other.communicate()
    assert other.returncode == 0, said

    assert (done["specialist_id"], done["locks"], done["blockers"]) == ("spec_builder_2", ["src/a.py"], [])
    assert (done["sorties"], done["held"]) == ([done["assigned"]], {})
    assert "finish build “Build it”" in done["prompt"]
    assert (project.directory / "begun").read_text() == "1\n2\n"
    mission = project.fleet("missions", "show", "ship", "--json").json
    assert mission["status"] == "completed"
    (message,) = project.fleet("squawk", "read", "--mailbox", "builder-2", "--json").json
    assert (message["content"], message["priority"]) == ({"text": "mind the gap"}, "high")
    assert project.fleet("squawk", "read", "--mailbox", "builder-1").out.startswith("no messages")
    assert project.fleet("locks").out == "nothing is reserved\n"
    kept = project.fleet("checkpoints", "list", "--json").json
    assert {one["trigger"] for one in kept} == {"manual", "progress", "shutdown"}
    assert {one["kept_in"] for one in kept} == {"both"}
    project.fleet("verify")
