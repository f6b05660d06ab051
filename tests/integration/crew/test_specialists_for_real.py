"""Declared specialists with real worker processes: from the first apply to the last, whoever kills what in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConfirmationMissing
from reconciler.events.store.query import EventQuery
from reconciler.projections.store import open_store
from reconciler.runtime.process.local import LocalProcesses
from reconciler.runtime.process.model import ObservedProcess
from tests.integration.apply.yard import Yard
from tests.integration.watch.watching import QUICK, Watching, until

STAND_IN = (sys.executable, "-c", "import time; time.sleep(600)")


def specialists(text: str, *, more: str = "") -> str:
    lines = "\n".join(f"  {line}" for line in text.strip("\n").split("\n"))
    return f"{more}\nspecialists:\n{lines}\n"


def processes(yard: Yard) -> dict[str, ObservedProcess]:
    """What runs for this project, by replica."""
    found = LocalProcesses().observe(yard.label).processes
    return {f"{one.labels['fleet.resource']}/{one.labels['fleet.replica']}": one for one in found}


def rows(yard: Yard, table: str) -> dict[str, dict[str, Any]]:
    with open_store(yard.database, mode="read") as store:
        return dict(store.rows().scan(table))


def kill(yard: Yard, replica: str) -> int:
    """Kill a replica's process as a person with a terminal would; its process id."""
    pid = processes(yard)[replica].pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: replica not in processes(yard), f"{replica} does not end")
    return pid


def stand_in(yard: Yard) -> Any:
    """A session whose specialists are processes that only stay."""
    session = yard.session()
    session.worker_command = STAND_IN
    return session


MISSION = """
missions:
  m:
    sorties:
      one: {run: "echo done > one.txt"}
      two: {run: "cat one.txt", depends_on: [one]}
"""


def test_the_life_of_a_specialist(crew: Yard) -> None:
    crew.write("", more=specialists("builder: {environment: {A: '1'}}", more=MISSION))
    before = sorted(crew.data.glob("**/*"))
    assert "create" in crew.run("plan").stdout
    assert (sorted(crew.data.glob("**/*")), processes(crew)) == (before, {})

    # It comes up, works, and a second apply finds nothing to do.
    crew.run("apply")
    (first,) = processes(crew).values()
    until(lambda: [one["status"] for one in rows(crew, "missions").values()] == ["completed"], "the mission never ends")
    head = crew.head()
    assert "Nothing to do" in crew.run("apply").stdout
    assert "Nothing to do" in crew.run("plan").stdout
    status = json.loads(crew.run("status", "--json").stdout)["specialists"]
    assert [(one["resource"], one["agrees"], one["status"]) for one in status] == [
        ("specialist/builder/1", True, "idle")
    ]
    assert status[0]["observed"]["pid"] == first.pid
    assert processes(crew)["specialist/builder/1"].pid == first.pid

    # Somebody kills it: the world changed, and apply puts it right.
    kill(crew, "specialist/builder/1")
    assert crew.run("drift", check=False).returncode == 2
    assert "ended since the log was last written" in crew.run("status").stdout
    crew.run("apply")
    second = processes(crew)["specialist/builder/1"]
    assert second.pid != first.pid
    why = crew.run("why", "builder/1").stdout
    assert "ended; Fleet did not do it" in why
    assert "start because ended outside of fleet" in why
    assert "specialist_process_exited" in crew.types(after=head)

    # An edit replaces it; leaving the file ends it, and it is forgotten.
    crew.write("", more=specialists("builder: {environment: {A: '2'}}", more=MISSION))
    crew.run("apply", "--yes")
    third = processes(crew)["specialist/builder/1"]
    assert third.labels["fleet.digest"] != second.labels["fleet.digest"]
    crew.write("", more=MISSION)
    crew.run("apply", "--yes")
    assert processes(crew) == {}
    assert rows(crew, "pools") == {}
    assert rows(crew, "specialists")["spec_builder_1"]["status"] == "completed"


def test_what_people_do_with_specialists(crew: Yard) -> None:
    crew.write("", more=specialists("builder: {replicas: 2, budget: {sorties_per_hour: 9}}", more=MISSION))
    assert "no specialist 'nobody'" in crew.run("specialists", "stop", "nobody", check=False).stderr
    crew.run("apply")
    until(lambda: [one["status"] for one in rows(crew, "missions").values()] == ["completed"], "the mission never ends")
    listed = json.loads(crew.run("specialists", "list", "--json").stdout)["specialists"]
    assert [one["resource"] for one in listed] == ["specialist/builder/1", "specialist/builder/2"]
    shown = json.loads(crew.run("specialists", "show", "builder", "--json").stdout)
    assert shown["definition"]["budget"] == {"sorties_per_hour": 9}
    assert sum(one["used"]["sorties_this_hour"] for one in shown["replicas"] if one["used"]) == 2
    told = crew.run("specialists", "show", "builder").stdout
    assert "sorties this hour" in told
    assert "builder-1.log" in told
    assert "registered" in crew.run("specialists", "logs", "--tail", "5").stdout
    lines = crew.run("specialists", "logs", "builder/1", "--json", "--all").stdout.splitlines()
    assert json.loads(lines[0])["specialist"] == "specialist/builder/1"

    assert "specialist/builder/2 is stopped" in crew.run("specialists", "stop", "builder/2").stdout
    assert sorted(processes(crew)) == ["specialist/builder/1"]
    assert "Nothing to do" in crew.run("apply").stdout
    drained = json.loads(crew.run("specialists", "drain", "builder", "--json").stdout)
    assert drained == {"draining": ["specialist/builder"], "sorties": []}
    until(lambda: processes(crew) == {}, "it never leaves")
    assert crew.plan() == []
    assert "drained" not in crew.run("apply").stdout
    assert "specialist/builder is up" in crew.run("specialists", "start").stdout
    assert sorted(processes(crew)) == ["specialist/builder/1", "specialist/builder/2"]
    assert "specialist/builder is stopped" in crew.run("specialists", "stop").stdout
    assert processes(crew) == {}
    known = json.loads(crew.run("specialists", "list", "--json").stdout)["specialists"]
    assert {one["desired"]["state"] for one in known} == {"stopped"}


def test_one_that_has_to_go_finishes_its_sortie_first(crew: Yard) -> None:
    slow = (
        "missions: {m: {sorties: {one: {run: 'touch begun; while [ ! -e go ]; do sleep 0.05; done; echo ok > out'}}}}"
    )
    crew.write("", more=specialists("builder: {}", more=slow))
    crew.run("apply")
    until((crew.folder / "begun").exists, "the sortie never begins")
    crew.write("", more=slow)
    leaving = subprocess.Popen(
        [str(Path(sys.executable).with_name("fleet")), "apply", "--yes"],
        cwd=crew.folder,
        env=crew.environ,
        stdout=subprocess.DEVNULL,
    )
    until(lambda: rows(crew, "specialists")["spec_builder_1"]["draining"], "it is never drained")
    assert leaving.poll() is None
    assert processes(crew)
    (crew.folder / "go").touch()
    assert leaving.wait(60) == 0
    assert processes(crew) == {}
    assert (crew.folder / "out").read_text() == "ok\n"
    assert [one["status"] for one in rows(crew, "sorties").values()] == ["completed"]


def test_one_whose_grace_is_over_hands_its_sortie_back(crew: Yard) -> None:
    endless = "missions: {m: {sorties: {one: {run: 'touch begun; sleep 600'}}}}"
    crew.write("", more=specialists("builder: {stop_grace_period: 0s}", more=endless))
    crew.run("apply")
    until((crew.folder / "begun").exists, "the sortie never begins")
    crew.write("", more=specialists("reviewer: {capabilities: [review]}", more=endless.replace("one: {", "one: {")))
    with stand_in(crew) as session:
        # The worker's own grace for its command would only make this test slower.
        from reconciler.apply import processes as acts

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(acts, "_END_MS", 100)
            _converge(session, wait=False)
    assert sorted(processes(crew)) == ["specialist/reviewer/1"]
    (sortie,) = rows(crew, "sorties").values()
    assert (sortie["status"], sortie["assigned_to"]) == ("pending", None)


def _converge(session: Any, **how: Any) -> Any:
    from reconciler.apply.model import ApplyOptions
    from reconciler.control.cycle import Confirmation, converge

    yes = Confirmation("a test", "flag")
    done = converge(session, how=ApplyOptions(**how), confirm=lambda _: yes)
    assert done.result is None or done.result.succeeded, done.result.failures
    return done


def test_killed_between_the_start_and_its_record_nothing_is_doubled(crew: Yard) -> None:
    crew.write("", more=specialists("builder: {}"))
    died = subprocess.run(
        [sys.executable, "-m", "tests.integration.crew.dying", str(crew.folder)],
        env={**os.environ, **crew.environ},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    (left,) = processes(crew).values()
    crew.run("apply", "--wait-lease", "40s")
    assert [one.pid for one in processes(crew).values()] == [left.pid]
    assert "specialist_process_found" in crew.types()
    assert "specialist_process_started" not in crew.types()
    assert crew.plan() == []


def test_an_older_log_that_does_not_know_a_process_finds_it_again(crew: Yard) -> None:
    crew.write("", more=specialists("builder: {}"))
    with stand_in(crew) as session:
        _converge(session, wait=False)
    (known,) = processes(crew).values()
    for file in crew.database.parent.glob("squawk.db*"):
        file.unlink()
    with stand_in(crew) as session:
        _converge(session, wait=False)
    assert [one.pid for one in processes(crew).values()] == [known.pid]
    assert [one["state"] for one in rows(crew, "processes").values()] == ["running"]


def test_processes_of_other_projects_are_nobodys_business(crew: Yard, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    neighbour = Yard(other, crew.data, "shop", crew.runtime)
    for yard in (crew, neighbour):
        yard.write("", more=specialists("builder: {}"))
        with stand_in(yard) as session:
            _converge(session, wait=False)
    (theirs,) = processes(neighbour).values()
    crew.write("")
    with stand_in(crew) as session:
        _converge(session, wait=False)
    assert processes(crew) == {}
    (still,) = processes(neighbour).values()
    assert still.pid == theirs.pid
    LocalProcesses().stop(theirs.pid, theirs.process_id, 0)


def test_too_much_at_once_needs_a_yes(crew: Yard) -> None:
    crew.write("", more="reconcile: {max_destroy: 0}\n" + specialists("builder: {}"))
    with stand_in(crew) as session:
        _converge(session, wait=False)
    crew.write("", more="reconcile: {max_destroy: 0}")
    from reconciler.control.cycle import converge

    with stand_in(crew) as session, pytest.raises(ConfirmationMissing, match="the plan destroys 1 specialist, and"):
        converge(session)
    assert len(processes(crew)) == 1


def test_the_loop_heals_with_back_off_and_gives_up(crew: Yard) -> None:
    restart = "restart: {policy: always, max_attempts: 1, backoff: {initial: 1s}}"
    crew.write("", more=QUICK + "\n" + specialists(f"builder: {{{restart}}}"))
    with Watching(crew) as watched:
        watched.says("revision 1 is in force")
        kill(crew, "specialist/builder/1")
        watched.says("specialist_process_exited")
        until(lambda: processes(crew), "it is never healed")
        until(lambda: rows(crew, "specialists")["spec_builder_1"]["status"] == "idle", "it never comes to work")
        os.kill(processes(crew)["specialist/builder/1"].pid, signal.SIGKILL)
        line = watched.says("specialist/builder/1 is given up")
        assert line["level"] == "error"
        told = crew.run("status").stdout
        assert "given up after 2 failures" in told
        assert watched.end() == 0
    why = crew.run("why", "specialist/builder/1").stdout
    assert "given up" in why
    assert crew.plan() == []
    exits = EventQuery(types=("specialist_process_exited",))
    assert len(crew.events(exits)) == 2
