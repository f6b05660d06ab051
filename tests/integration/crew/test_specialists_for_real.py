"""Declared specialists with real worker processes: from the first apply to the last, whoever kills what in between."""

from __future__ import annotations

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
from tests.support.terminal import Terminal


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


def stand_in(yard: Yard, program: str = "import time; time.sleep(600)") -> Any:
    """A session whose specialists are processes that only stay."""
    session = yard.session()
    session.worker_command = (sys.executable, "-c", program)
    return session


MISSION = """
missions:
  m:
    sorties:
      one: {run: "echo done > one.txt"}
      two: {run: "cat one.txt", depends_on: [one]}
"""


def test_the_life_of_a_specialist(crew: Yard, terminal: Terminal) -> None:
    crew.write("", more=specialists("builder: {environment: {A: '1'}}", more=MISSION))
    before = sorted(crew.data.glob("**/*"))
    assert "to create" in terminal.fleet("plan").out
    assert (sorted(crew.data.glob("**/*")), processes(crew)) == (before, {})

    # It comes up, works, and a second apply finds nothing to do.
    assert terminal.fleet("apply").code == 0
    (first,) = processes(crew).values()
    until(lambda: [one["status"] for one in rows(crew, "missions").values()] == ["completed"], "the mission never ends")
    head = crew.head()
    assert "Nothing to do" in terminal.fleet("apply").out
    status = terminal.fleet("status", "--json").json["specialists"]
    assert [(one["resource"], one["agrees"], one["status"]) for one in status] == [
        ("specialist/builder/1", True, "idle")
    ]
    assert status[0]["observed"]["pid"] == first.pid
    assert processes(crew)["specialist/builder/1"].pid == first.pid

    # Somebody kills it: the world changed, and apply puts it right.
    kill(crew, "specialist/builder/1")
    drifted = terminal.fleet("drift", "--json")
    assert drifted.code == 2
    assert [(one["resource"], one["field"], one["actual"]) for one in drifted.json["drifts"]] == [
        ("specialist/builder/1", "state", "exited (137)")
    ]
    assert "ended since the log was last written" in terminal.fleet("status").out
    assert terminal.fleet("apply").code == 0
    second = processes(crew)["specialist/builder/1"]
    assert second.pid != first.pid
    why = terminal.fleet("why", "builder/1").out
    assert "ended with exit code 137; Fleet did not do it" in why
    assert "start because ended outside of fleet" in why
    assert "specialist_process_exited" in crew.types(after=head)

    # An edit replaces it; leaving the file ends it, and it is forgotten.
    crew.write("", more=specialists("builder: {environment: {A: '2'}}", more=MISSION))
    assert terminal.fleet("apply", "--yes").code == 0
    third = processes(crew)["specialist/builder/1"]
    assert third.labels["fleet.digest"] != second.labels["fleet.digest"]
    assert terminal.fleet("suspend", "specialist/builder", "--why", "debugging").code == 0
    crew.write("", more=MISSION)
    assert "suspended by" in terminal.fleet("plan").out
    assert terminal.fleet("resume", "builder").code == 0
    assert terminal.fleet("apply", "--yes").code == 0
    assert processes(crew) == {}
    assert rows(crew, "pools") == {}
    assert rows(crew, "specialists")["spec_builder_1"]["status"] == "completed"


def test_what_people_do_with_specialists(crew: Yard, terminal: Terminal) -> None:
    crew.write("", more=specialists("builder: {replicas: 2, budget: {sorties_per_hour: 9}}", more=MISSION))
    for verb in ("stop", "drain", "start"):
        assert "there is no specialist 'nobody'" in terminal.fleet("specialists", verb, "nobody").err
    assert "known: builder" in terminal.fleet("specialists", "show", "nobody").err
    assert "not printed anything yet" in terminal.fleet("specialists", "logs").err
    assert terminal.fleet("apply").code == 0
    until(lambda: [one["status"] for one in rows(crew, "missions").values()] == ["completed"], "the mission never ends")
    assert "builder/2   running  running    running" in terminal.fleet("specialists", "list").out
    listed = terminal.fleet("specialists", "list", "--json").json["specialists"]
    assert [one["resource"] for one in listed] == ["specialist/builder/1", "specialist/builder/2"]
    shown = terminal.fleet("specialists", "show", "builder", "--json").json
    assert shown["definition"]["budget"] == {"sorties_per_hour": 9}
    assert sum(one["used"]["sorties_this_hour"] for one in shown["replicas"] if one["used"]) == 2
    told = terminal.fleet("specialists", "show", "builder").out
    assert "sorties this hour" in told
    assert "builder-1.log" in told
    printed = terminal.fleet("specialists", "logs", "--tail", "5").out
    assert "builder/1 | " in printed
    assert "builder/2 | " in printed
    assert "registered" in terminal.fleet("specialists", "logs", "specialist/builder/1").out
    lines = terminal.fleet("specialists", "logs", "builder/1", "--json", "--all").json_lines
    assert lines[0]["specialist"] == "specialist/builder/1"

    assert "specialist/builder/2 is stopped" in terminal.fleet("specialists", "stop", "builder/2").out
    assert sorted(processes(crew)) == ["specialist/builder/1"]
    assert "Nothing to do" in terminal.fleet("apply").out
    assert "takes nothing more" in terminal.fleet("specialists", "drain", "builder/1").out
    drained = terminal.fleet("specialists", "drain", "builder", "--json").json
    assert drained == {"draining": ["specialist/builder"], "sorties": []}
    until(lambda: processes(crew) == {}, "it never leaves")
    assert crew.plan() == []
    assert terminal.fleet("apply").code == 0
    assert "specialist_process_exited" not in crew.types()
    assert "specialist/builder is up" in terminal.fleet("specialists", "start").out
    assert sorted(processes(crew)) == ["specialist/builder/1", "specialist/builder/2"]
    assert "specialist/builder is stopped" in terminal.fleet("specialists", "stop").out
    assert processes(crew) == {}
    known = terminal.fleet("specialists", "list", "--json").json["specialists"]
    assert {one["desired"]["state"] for one in known} == {"stopped"}


def test_where_there_are_no_specialists(crew: Yard, terminal: Terminal) -> None:
    crew.write("")
    assert "no specialists" in terminal.fleet("specialists", "list").out
    assert terminal.fleet("specialists", "stop").code == 0
    assert terminal.fleet("specialists", "list", "--json").json == {"specialists": []}


def test_what_is_printed_is_followed(crew: Yard) -> None:
    crew.write("", more=specialists("builder: {}"))
    with stand_in(crew, "import time; print('up', flush=True); time.sleep(600)") as session:
        _converge(session, wait=False)
    log = crew.database.parent / "specialists" / "builder-1.log"
    until(lambda: log.read_bytes(), "it never prints")
    command = [str(Path(sys.executable).with_name("fleet")), "specialists", "logs", "--follow"]
    with subprocess.Popen(command, cwd=crew.folder, env=crew.environ, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            assert following.stdout.readline() == "up\n"
            with log.open("a") as file:
                file.write("more\n")
            assert following.stdout.readline() == "more\n"
            following.send_signal(signal.SIGINT)
            assert following.wait(60) == 130
        finally:
            following.kill()


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
    crew.write("", more=specialists("reviewer: {capabilities: [review]}", more=endless))
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


def test_the_loop_goes_on_while_one_finishes_what_it_works_on(crew: Yard) -> None:
    slow = (
        "missions: {m: {sorties: {one: {requires: [a], run: 'touch begun; while [ ! -e go ]; do sleep 0.05; done'}}}}"
    )
    builder = "builder: {capabilities: [a], environment: {A: '%d'}, stop_grace_period: 5m}\nreviewer: {}"
    crew.write("", more=QUICK + "\n" + specialists(builder % 1, more=slow))
    with Watching(crew) as watched:
        watched.says("revision 1 is in force")
        until((crew.folder / "begun").exists, "the sortie never begins")
        worker = processes(crew)["specialist/builder/1"]
        crew.write("", more=QUICK + "\n" + specialists(builder % 2, more=slow))
        watched.says("done drain specialist/builder/1")
        killed = kill(crew, "specialist/reviewer/1")
        until(lambda: "specialist/reviewer/1" in processes(crew), "the other one is never healed")
        assert processes(crew)["specialist/reviewer/1"].pid != killed
        assert processes(crew)["specialist/builder/1"].pid == worker.pid
        (crew.folder / "go").touch()
        digest = worker.labels["fleet.digest"]

        def anew() -> bool:
            now = processes(crew).get("specialist/builder/1")
            return now is not None and now.labels["fleet.digest"] != digest

        until(anew, f"it is never replaced:\n{watched.told()}")
        assert watched.end() == 0
    assert [one["status"] for one in rows(crew, "sorties").values()] == ["completed"]
    assert "specialist_process_drained" in crew.types()
